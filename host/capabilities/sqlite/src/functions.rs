//! Functions of SQLite whose own time grows with the product of two long values: nothing interrupts a
//! function, so these take their place, and take linear time.

use sbd_storage::rusqlite::functions::{Context, FunctionFlags};
use sbd_storage::rusqlite::types::{Value, ValueRef};
use sbd_storage::rusqlite::{Connection, Error, Result};
use std::borrow::Cow;
use std::collections::HashSet;

/// Puts ours in the place of SQLite's.
pub(crate) fn replace(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, position)?;
    connection.create_scalar_function("replace", 3, flags, replaced)?;
    connection.create_scalar_function("trim", 2, flags, |call| trimmed(call, true, true))?;
    connection.create_scalar_function("ltrim", 2, flags, |call| trimmed(call, true, false))?;
    connection.create_scalar_function("rtrim", 2, flags, |call| trimmed(call, false, true))?;
    connection.create_scalar_function("unhex", 2, flags, |_| -> Result<Value> {
        Err(refused("unhex takes one argument here"))
    })
}

/// `instr(X, Y)`: where Y begins in X, in characters, or in bytes where both are blobs; 0: nowhere.
fn position(call: &mut Context<'_>) -> Result<Option<i64>> {
    if let (ValueRef::Blob(all), ValueRef::Blob(part)) = (call.get_raw(0), call.get_raw(1)) {
        let at = memchr::memmem::find(all, part);
        return Ok(Some(at.map_or(0, |at| at as i64 + 1)));
    }
    let (Some(all), Some(part)) = (text(call, 0)?, text(call, 1)?) else {
        return Ok(None);
    };
    let at = all.find(&*part).map(|at| all[..at].chars().count());
    Ok(Some(at.map_or(0, |at| at as i64 + 1)))
}

/// `replace(X, Y, Z)`: X with Z for each Y.
fn replaced(call: &mut Context<'_>) -> Result<Option<String>> {
    let (Some(all), Some(part)) = (text(call, 0)?, text(call, 1)?) else {
        return Ok(None);
    };
    if part.is_empty() {
        return Ok(Some(all.into_owned()));
    }
    let Some(by) = text(call, 2)? else {
        return Ok(None);
    };
    // What comes of it may be far longer than what is allowed.
    let times = all.matches(&*part).count();
    if all.len() + times * by.len() > crate::limits::MAX_VALUE_BYTES {
        return Err(refused("string or blob too big"));
    }
    Ok(Some(all.replace(&*part, &by)))
}

/// `trim(X, Y)`: X without the characters of Y at its ends.
fn trimmed(call: &mut Context<'_>, start: bool, end: bool) -> Result<Option<String>> {
    let (Some(all), Some(set)) = (text(call, 0)?, text(call, 1)?) else {
        return Ok(None);
    };
    let set: HashSet<char> = set.chars().collect();
    let mut rest = &*all;
    if start {
        rest = rest.trim_start_matches(|c| set.contains(&c));
    }
    if end {
        rest = rest.trim_end_matches(|c| set.contains(&c));
    }
    Ok(Some(rest.to_owned()))
}

/// An argument as text; `None`: it is NULL.
fn text<'a>(call: &'a Context<'_>, argument: usize) -> Result<Option<Cow<'a, str>>> {
    Ok(Some(match call.get_raw(argument) {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(_) => return Err(refused("a REAL is no text here; CAST it to TEXT first")),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
    }))
}

fn refused(reason: &str) -> Error {
    Error::UserFunctionError(reason.into())
}
