//! A connection on which any statement may run: it stays within its file, within its size, and within
//! what a host can bear.

use crate::functions;
use crate::limits::{MAX_PATTERN_BYTES, MAX_STATEMENT_BYTES, MAX_TEMPORARY_BYTES, MAX_VALUE_BYTES};
use sbd_storage::create_private;
use sbd_storage::rusqlite::config::DbConfig;
use sbd_storage::rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use sbd_storage::rusqlite::limits::Limit;
use sbd_storage::rusqlite::{Connection, OpenFlags, Result};
use std::path::Path;
use std::time::Duration;

/// The page cache of a connection, in KiB.
const CACHE_KIB: i64 = 1024;

/// Pragmas that say something of the database, or set how its own connection sees it.
const FREE: &[&str] = &[
    "analysis_limit",
    "application_id",
    "automatic_index",
    "case_sensitive_like",
    "collation_list",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "ignore_check_constraints",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "legacy_alter_table",
    "module_list",
    "optimize",
    "page_count",
    "pragma_list",
    "query_only",
    "quick_check",
    "recursive_triggers",
    "reverse_unordered_selects",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Pragmas that may be read; how the file is kept is the host's affair, so setting them changes nothing.
/// Components written for a file of their own set them without need.
const KEPT: &[&str] = &[
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "incremental_vacuum",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "page_size",
    "secure_delete",
    "synchronous",
    "temp_store",
    "threads",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

/// Functions that one call of can keep busy for hours, and nothing interrupts a call.
const ENDLESS: &[&str] = &["json_patch", "jsonb_patch"];

/// Opens a file, making it if need be.
pub(crate) fn open(path: &Path, most_bytes: u64) -> Result<Connection, crate::Error> {
    let made = match path.parent() {
        Some(folder) => std::fs::create_dir_all(folder).map_err(sbd_storage::Error::from),
        None => Ok(()),
    };
    made.and_then(|()| create_private(path)).map_err(|error| {
        tracing::error!(database = %path.display(), %error, "a component's database cannot be made");
        crate::Error::Unavailable
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    bound(&mut connection, most_bytes)?;
    Ok(connection)
}

fn bound(connection: &mut Connection, most_bytes: u64) -> Result<()> {
    // Whoever waits for a lock does so without a thread.
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is deleted makes room on the disk; VACUUM is denied with all that needs a second file.
    connection.pragma_update(None, "auto_vacuum", "FULL")?;
    // Not a write-ahead log: a reader would let it grow beyond any quota.
    connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "FILE")?;
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = |bytes: u64| {
        i64::from(
            u32::try_from(bytes / u64::from(page))
                .unwrap_or(u32::MAX - 1)
                .max(1),
        )
    };
    connection.pragma_update(None, "max_page_count", pages(most_bytes))?;
    connection.pragma_update(Some("temp"), "max_page_count", pages(MAX_TEMPORARY_BYTES))?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT_BYTES),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
    }
    functions::replace(connection)?;
    connection.authorizer(Some(authorize))
}

/// Decides while a statement is prepared.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        // VACUUM attaches too, INTO another file or not.
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::Unknown { .. } => {
            Authorization::Deny
        }
        AuthAction::Function { function_name } if is_among(ENDLESS, function_name) => {
            Authorization::Deny
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => authorize_pragma(pragma_name, pragma_value),
        _ => Authorization::Allow,
    }
}

fn authorize_pragma(name: &str, value: Option<&str>) -> Authorization {
    if is_among(FREE, name) {
        return Authorization::Allow;
    }
    match (is_among(KEPT, name), value) {
        (true, None) => Authorization::Allow,
        (true, Some(_)) => Authorization::Ignore,
        (false, _) => Authorization::Deny,
    }
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}
