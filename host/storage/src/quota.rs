//! How much each owner of tables may keep in a database.
//!
//! Triggers count documents and bytes in the transaction of every write, whatever wrote it, and
//! refuse growth past the quota; the job is then rolled back. Making less of something is always
//! allowed. What no row tells, such as what an index takes, is charged by whoever writes it.

use crate::Error;
use rusqlite::{Connection, OptionalExtension as _, params};

/// What an owner may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Documents.
    pub documents: u64,
    /// Bytes of all that is counted.
    pub bytes: u64,
}

/// What an owner keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Documents.
    pub documents: u64,
    /// Bytes of all that is counted.
    pub bytes: u64,
}

/// A table whose rows count.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Its name.
    pub table: &'a str,
    /// An SQL condition on a row (`{row}` stands for it) that must hold for it to count.
    pub condition: &'a str,
    /// An SQL expression for the bytes of a row.
    pub bytes: &'a str,
    /// Documents that a row counts for: 1 or 0.
    pub documents: u8,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS stored (
    owner TEXT PRIMARY KEY,
    documents INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    most_documents INTEGER NOT NULL,
    most_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS stored_documents BEFORE UPDATE OF documents ON stored
WHEN NEW.documents > OLD.documents AND NEW.documents > NEW.most_documents
BEGIN SELECT RAISE(ABORT, 'quota: stored_documents'); END;
CREATE TRIGGER IF NOT EXISTS stored_bytes BEFORE UPDATE OF bytes ON stored
WHEN NEW.bytes > OLD.bytes AND NEW.bytes > NEW.most_bytes
BEGIN SELECT RAISE(ABORT, 'quota: stored_bytes'); END;";

// === impl Quota ===

impl Quota {
    /// As much as a database holds.
    pub const UNLIMITED: Self = Self {
        documents: u64::MAX,
        bytes: u64::MAX,
    };

    /// The limit that a message of SQLite names, if it comes from one of our triggers.
    pub(crate) fn named_in(message: &str) -> Option<&'static str> {
        match message.strip_prefix("quota: ")? {
            "stored_documents" => Some("stored_documents"),
            "stored_bytes" => Some("stored_bytes"),
            _ => None,
        }
    }
}

/// Makes somebody an owner, who may keep everything until [`allow`] says otherwise. For use in a job
/// of the writer.
///
/// # Errors
/// When the database cannot be written.
pub fn begin(connection: &Connection, owner: &str) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)?;
    connection
        .prepare_cached("INSERT INTO stored VALUES (?1, 0, 0, ?2, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![owner, i64::MAX])?;
    Ok(())
}

/// Sets what an owner may keep. For use in a job of the writer.
///
/// # Errors
/// When the database cannot be written.
pub fn allow(connection: &Connection, owner: &str, quota: Quota) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)?;
    let most = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (documents, bytes) = (most(quota.documents), most(quota.bytes));
    // Nothing to write is nothing to wait for: this runs whenever a tenant is opened.
    let known = connection
        .prepare_cached(
            "SELECT 1 FROM stored WHERE (owner, most_documents, most_bytes) = (?1, ?2, ?3)",
        )?
        .exists(params![owner, documents, bytes])?;
    if known {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO stored VALUES (?1, 0, 0, ?2, ?3) ON CONFLICT (owner) DO UPDATE
             SET most_documents = excluded.most_documents, most_bytes = excluded.most_bytes",
        )?
        .execute(params![owner, documents, bytes])?;
    Ok(())
}

/// Counts a table's rows for an owner from now on; the rows that
/// are there already are counted once. For use in a job of the writer.
///
/// # Errors
/// When the database cannot be written.
pub fn count(connection: &Connection, owner: &str, counted: Counted<'_>) -> Result<(), Error> {
    let trigger = format!("use:{}:{}", told_apart(owner), counted.table);
    let text = format!("'{}'", owner.replace('\'', "''"));
    if !follow(connection, &trigger, |_| text.clone(), counted)? {
        return Ok(());
    }
    // Directly, as whoever is above the quota already keeps what they have.
    let table = identifier(counted.table);
    let (condition, bytes) = (of(counted.condition, &table), of(counted.bytes, &table));
    let (rows, sum): (i64, i64) = connection.query_row(
        &format!("SELECT count(*), coalesce(sum({bytes}), 0) FROM {table} WHERE {condition}"),
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if rows > 0 {
        let before = quota_of(connection, owner)?;
        allow(connection, owner, Quota::UNLIMITED)?;
        connection.execute(
            "UPDATE stored SET documents = documents + ?2, bytes = bytes + ?3 WHERE owner = ?1",
            params![owner, rows * i64::from(counted.documents), sum],
        )?;
        allow(connection, owner, before)?;
    }
    Ok(())
}

/// Counts bytes that no trigger sees, more or less of them. For use in a job of the writer.
///
/// # Errors
/// When that is growth past the quota, or the database cannot be written.
pub fn charge(connection: &Connection, owner: &str, bytes: i64) -> Result<(), Error> {
    if bytes != 0 {
        connection
            .prepare_cached("UPDATE stored SET bytes = bytes + ?2 WHERE owner = ?1")?
            .execute(params![owner, bytes])?;
    }
    Ok(())
}

/// As [`charge`], for what is there already: whoever is above the quota then keeps it.
///
/// # Errors
/// When the database cannot be written.
pub fn recognise(connection: &Connection, owner: &str, bytes: i64) -> Result<(), Error> {
    let before = quota_of(connection, owner)?;
    allow(connection, owner, Quota::UNLIMITED)?;
    charge(connection, owner, bytes)?;
    allow(connection, owner, before)
}

/// Counts each row of a new table for the owner whom one of its columns names; the owners have begun
/// before. For use in a job of the writer.
///
/// # Errors
/// When the database cannot be written.
pub fn count_each(
    connection: &Connection,
    column: &str,
    counted: Counted<'_>,
) -> Result<(), Error> {
    // What follows names it, whether or not anybody has begun.
    connection.execute_batch(SCHEMA)?;
    let trigger = format!("use::{}", counted.table);
    let owner = |row: &str| format!("{row}.{}", identifier(column));
    follow(connection, &trigger, owner, counted).map(drop)
}

/// Makes the triggers that count a table's rows, for the owner that is a row's; says whether they are
/// new.
fn follow(
    connection: &Connection,
    trigger: &str,
    owner: impl Fn(&str) -> String,
    counted: Counted<'_>,
) -> Result<bool, Error> {
    let Counted {
        table,
        condition,
        bytes,
        documents,
    } = counted;
    let known = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1")?
        .query_row([format!("{trigger}:insert")], |_| Ok(()))
        .optional()?;
    if known.is_some() {
        return Ok(false);
    }
    // Where the triggers count.
    connection.execute_batch(SCHEMA)?;
    let table = identifier(table);
    let (new, old) = (of(bytes, "NEW"), of(bytes, "OLD"));
    let documents = |sign: char| match documents {
        0 => String::new(),
        count => format!("documents = documents {sign} {count}, "),
    };
    let events = [
        (
            "INSERT",
            "NEW",
            of(condition, "NEW"),
            format!("{}bytes = bytes + ({new})", documents('+')),
        ),
        (
            "DELETE",
            "OLD",
            of(condition, "OLD"),
            format!("{}bytes = bytes - ({old})", documents('-')),
        ),
        // Most changes change no length, and what is not written costs nothing.
        (
            "UPDATE",
            "NEW",
            format!("{} AND ({new}) <> ({old})", of(condition, "NEW")),
            format!("bytes = bytes + ({new}) - ({old})"),
        ),
    ];
    for (event, row, condition, change) in events {
        let name = identifier(&format!("{trigger}:{}", event.to_lowercase()));
        let owner = owner(row);
        connection.execute_batch(&format!(
            "CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {condition}
             BEGIN UPDATE stored SET {change} WHERE owner = {owner}; END"
        ))?;
    }
    Ok(true)
}

/// An SQL template for a row.
fn of(template: &str, row: &str) -> String {
    template.replace("{row}", row)
}

/// A name that may hold anything.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An owner as a part of a trigger's name: SQLite takes `Notes` and `notes` for the same.
fn told_apart(owner: &str) -> String {
    let escaped = owner.chars().map(|c| match c {
        'A'..='Z' | '%' => format!("%{:02x}", u32::from(c)),
        other => other.to_string(),
    });
    escaped.collect()
}

fn quota_of(connection: &Connection, owner: &str) -> Result<Quota, Error> {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(connection.query_row(
        "SELECT most_documents, most_bytes FROM stored WHERE owner = ?1",
        [owner],
        |row| {
            Ok(Quota {
                documents: number(row.get(0)?),
                bytes: number(row.get(1)?),
            })
        },
    )?)
}

/// How many bytes an owner may keep beyond what there is. Whoever has not begun may keep everything.
///
/// # Errors
/// When the database cannot be read.
pub fn room(connection: &Connection, owner: &str) -> Result<u64, Error> {
    let room: Option<i64> = connection
        .prepare_cached("SELECT most_bytes - bytes FROM stored WHERE owner = ?1")?
        .query_row([owner], |row| row.get(0))
        .optional()?;
    Ok(room.map_or(u64::MAX, |room| u64::try_from(room).unwrap_or_default()))
}

/// What every owner keeps.
///
/// # Errors
/// When the database cannot be read.
pub fn stored(connection: &Connection) -> Result<Vec<(String, Stored)>, Error> {
    let exists = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'stored'")?
        .exists([])?;
    if !exists {
        return Ok(Vec::new());
    }
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let mut rows =
        connection.prepare_cached("SELECT owner, documents, bytes FROM stored ORDER BY owner")?;
    let rows = rows.query_map([], |row| {
        let stored = Stored {
            documents: number(row.get(1)?),
            bytes: number(row.get(2)?),
        };
        Ok((row.get(0)?, stored))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What one owner keeps.
///
/// # Errors
/// When the database cannot be read.
pub fn stored_by(connection: &Connection, owner: &str) -> Result<Stored, Error> {
    let mut all = stored(connection)?.into_iter();
    let own = all.find(|(name, _)| *name == owner);
    Ok(own.map(|(_, stored)| stored).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const NOTES: Counted<'_> = Counted {
        table: "notes",
        condition: "1",
        bytes: "octet_length({row}.text)",
        documents: 1,
    };

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
            .unwrap();
        connection
    }

    fn insert(connection: &Connection, text: &str) -> Result<usize, Error> {
        Ok(connection.execute("INSERT INTO notes (text) VALUES (?1)", [text])?)
    }

    fn kept(connection: &Connection) -> (u64, u64) {
        let stored = stored_by(connection, "a").unwrap();
        (stored.documents, stored.bytes)
    }

    #[test]
    fn owners_that_differ_in_case_count_apart() {
        let connection = database();
        for owner in ["a", "A"] {
            allow(&connection, owner, Quota::UNLIMITED).unwrap();
            let condition = format!("{{row}}.text GLOB '{owner}*'");
            let counted = Counted {
                condition: &condition,
                ..NOTES
            };
            count(&connection, owner, counted).unwrap();
        }
        for text in ["a1", "A1", "A2"] {
            insert(&connection, text).unwrap();
        }
        let of = |owner| stored_by(&connection, owner).unwrap().documents;
        assert_eq!((of("a"), of("A")), (1, 2));
    }

    #[test]
    fn rows_of_one_table_count_for_whom_they_name() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE letters (sender TEXT NOT NULL, text TEXT NOT NULL)")
            .unwrap();
        for owner in ["a", "b"] {
            begin(&connection, owner).unwrap();
        }
        let counted = Counted {
            table: "letters",
            documents: 0,
            ..NOTES
        };
        count_each(&connection, "sender", counted).unwrap();
        let quota = Quota {
            documents: 0,
            bytes: 5,
        };
        allow(&connection, "b", quota).unwrap();
        let send = |sender: &str, text: &str| {
            let sent = "INSERT INTO letters VALUES (?1, ?2)";
            Ok::<_, Error>(connection.execute(sent, [sender, text])?)
        };
        for _ in 0..2 {
            send("a", "1234").unwrap();
        }
        send("b", "123").unwrap();
        let refused = send("b", "123");
        assert!(matches!(refused, Err(Error::Quota("stored_bytes"))));
        let of = |owner| stored_by(&connection, owner).unwrap();
        assert_eq!((of("a").bytes, of("b").bytes), (8, 3));
        connection.execute("DELETE FROM letters", []).unwrap();
        assert_eq!((of("a"), of("b")), (Stored::default(), Stored::default()));
    }

    #[test]
    fn what_is_there_counts_once_and_every_change_after_it() {
        let connection = database();
        insert(&connection, "héllo").unwrap();
        for _ in 0..2 {
            allow(&connection, "a", Quota::UNLIMITED).unwrap();
            count(&connection, "a", NOTES).unwrap();
        }
        assert_eq!(kept(&connection), (1, 6));
        insert(&connection, "xyz").unwrap();
        assert_eq!(kept(&connection), (2, 9));
        connection
            .execute("UPDATE notes SET text = 'x'", [])
            .unwrap();
        assert_eq!(kept(&connection), (2, 2));
        connection
            .execute("DELETE FROM notes WHERE id = 1", [])
            .unwrap();
        assert_eq!(kept(&connection), (1, 1));
    }

    #[test]
    fn what_no_trigger_sees_is_charged() {
        let connection = database();
        let quota = Quota {
            documents: 9,
            bytes: 10,
        };
        allow(&connection, "a", quota).unwrap();
        charge(&connection, "a", 8).unwrap();
        let over = charge(&connection, "a", 3);
        assert!(matches!(over, Err(Error::Quota("stored_bytes"))));
        recognise(&connection, "a", 7).unwrap();
        assert_eq!(kept(&connection), (0, 15));
        assert!(charge(&connection, "a", 1).is_err());
        charge(&connection, "a", -2).unwrap();
        assert_eq!(kept(&connection), (0, 13));
    }

    #[test]
    fn growth_past_the_quota_is_refused_and_shrinking_never() {
        let connection = database();
        let quota = Quota {
            documents: 2,
            bytes: 10,
        };
        insert(&connection, "far more than is allowed").unwrap();
        allow(&connection, "a", quota).unwrap();
        count(&connection, "a", NOTES).unwrap();
        assert!(matches!(
            insert(&connection, "x"),
            Err(Error::Quota("stored_bytes"))
        ));
        connection
            .execute("UPDATE notes SET text = 'still more than allowed'", [])
            .unwrap();
        connection
            .execute("UPDATE notes SET text = '12345'", [])
            .unwrap();
        insert(&connection, "6789").unwrap();
        assert!(matches!(
            insert(&connection, ""),
            Err(Error::Quota("stored_documents"))
        ));
        assert_eq!(kept(&connection), (2, 9));
    }
}
