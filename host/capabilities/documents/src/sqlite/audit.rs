//! What components have recorded of what was done: one table, made for the first entry, and beside it the head
//! of every chain, by which it is found that entries are missing at its end.

use crate::{Asked, Entries, Error, Record, Verdict};
use jiff::Timestamp;
use sbd_audit_chain::{BEGINNING, Entry, Hash, Walk, hash};
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

const TABLE: &str = "audit";
/// Places have the order of commits, over all chains.
const CREATE: &str = "CREATE TABLE audit (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    component TEXT NOT NULL,
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT,
    request TEXT,
    data TEXT NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (component, subject, number)
) STRICT;
CREATE INDEX audit_by_component ON audit (component);
CREATE TABLE audit_heads (
    component TEXT NOT NULL,
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (component, subject)
) STRICT, WITHOUT ROWID;";
const BYTES: &str = "octet_length(concat({row}.component, {row}.subject, {row}.action, {row}.actor, \
    {row}.request, {row}.data, {row}.hash))";
const IS_THERE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit'";
const HEAD: &str = "SELECT number, hash FROM audit_heads WHERE component = ?1 AND subject = ?2";
const SET_HEAD: &str = "INSERT INTO audit_heads VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (component, subject) DO UPDATE SET number = excluded.number, hash = excluded.hash";
const INSERT: &str = "INSERT INTO audit
    (component, subject, number, at, action, actor, request, data, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const PAGE: &str = "SELECT component, subject, number, at, action, actor, request, data, hash, place
    FROM audit WHERE component = :component AND (:subject IS NULL OR subject = :subject)
    AND (:action IS NULL OR action = :action OR (substr(:action, -1) = '.' AND substr(action, 1, length(:action)) = :action))
    AND (:actor IS NULL OR actor = :actor) AND (:since IS NULL OR at >= :since)
    AND (:until IS NULL OR at < :until) AND (:before IS NULL OR place < :before)
    ORDER BY place DESC LIMIT :limit";
const PAGE_OF_SUBJECT: &str = "SELECT component, subject, number, at, action, actor, request, data, hash, place
    FROM audit WHERE component = :component AND subject = :subject
    AND (:action IS NULL OR action = :action OR (substr(:action, -1) = '.' AND substr(action, 1, length(:action)) = :action))
    AND (:actor IS NULL OR actor = :actor) AND (:since IS NULL OR at >= :since)
    AND (:until IS NULL OR at < :until) AND (:before IS NULL OR place < :before)
    ORDER BY number DESC LIMIT :limit";
const CHAIN: &str = "SELECT component, subject, number, at, action, actor, request, data, hash
    FROM audit WHERE component = ?1 AND subject = ?2 ORDER BY number";
const CHAINS: &str =
    "SELECT component, subject FROM audit UNION SELECT component, subject FROM audit_heads
    ORDER BY 1, 2";
const ALL: &str = "SELECT component, subject, number, at, action, actor, request, data, hash
    FROM audit ORDER BY place";

/// A chain of the file, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whose it is.
    pub component: String,
    /// What it is about.
    pub subject: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// Records something; answers its number. For use in a job of the writer, where no other entry comes
/// between.
pub(super) fn append(
    connection: &Connection,
    component: &str,
    record: Record,
) -> Result<u64, Error> {
    begin(connection)?;
    let (number, before) = head(connection, component, &record.subject)?;
    let text = |text: Option<std::sync::Arc<str>>| text.map(|text| text.to_string());
    let entry = Entry {
        component: component.to_owned(),
        subject: record.subject,
        number: number + 1,
        at: Timestamp::now().as_millisecond(),
        action: record.action,
        actor: text(record.cause.user),
        request: text(record.cause.request),
        data: record.data,
    };
    let hash = hash(&before, &entry);
    insert(connection, &entry, &hash)?;
    Ok(entry.number)
}

/// Puts in an entry that another store has recorded, as it is; one that does not follow from those that are
/// there is refused.
pub(super) fn adopt(connection: &Connection, entry: &Entry, its: &[u8]) -> Result<(), Error> {
    begin(connection)?;
    let (number, before) = head(connection, &entry.component, &entry.subject)?;
    let mut walk = Walk {
        number,
        hash: before,
    };
    walk.step(entry, its).map_err(|broken| {
        Error::Invalid(format!(
            "entry {} about `{}` was altered, or is missing",
            broken.at, entry.subject
        ))
    })?;
    insert(connection, entry, &walk.hash)
}

fn begin(connection: &Connection) -> Result<(), Error> {
    if connection.table_exists(Some("main"), TABLE)? {
        return Ok(());
    }
    connection.execute_batch(CREATE)?;
    let counted = Counted {
        table: TABLE,
        condition: "1",
        bytes: BYTES,
        documents: 0,
    };
    Ok(quota::count_each(connection, "component", counted)?)
}

fn head(connection: &Connection, component: &str, subject: &str) -> Result<(u64, Hash), Error> {
    let mut head = connection.prepare_cached(HEAD)?;
    let found: Option<(i64, Vec<u8>)> = head
        .query_row(params![component, subject], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((number, hash)) = found else {
        return Ok((0, BEGINNING));
    };
    // A head that was damaged is followed by what does not fit, and so it is found.
    Ok((unsigned(number), hash.try_into().unwrap_or(BEGINNING)))
}

fn insert(connection: &Connection, entry: &Entry, hash: &Hash) -> Result<(), Error> {
    let number = i64::try_from(entry.number).unwrap_or(i64::MAX);
    connection.prepare_cached(INSERT)?.execute(params![
        entry.component,
        entry.subject,
        number,
        entry.at,
        entry.action,
        entry.actor,
        entry.request,
        entry.data,
        hash,
    ])?;
    connection.prepare_cached(SET_HEAD)?.execute(params![
        entry.component,
        entry.subject,
        number,
        hash
    ])?;
    Ok(())
}

/// A page of a component's entries, newest first, of so many bytes of data at most; one at least.
pub(super) fn page(
    connection: &Connection,
    component: &str,
    asked: &Asked,
    bytes: usize,
) -> Result<Entries, Error> {
    let mut found = Entries::default();
    if !has_entries(connection)? {
        return Ok(found);
    }
    let millisecond = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
    let before = asked
        .before
        .map(|place| i64::try_from(place).unwrap_or(i64::MAX));
    let mut page = connection.prepare_cached(match asked.subject {
        Some(_) => PAGE_OF_SUBJECT,
        None => PAGE,
    })?;
    let mut rows = page.query(named_params! {
        ":component": component,
        ":subject": asked.subject,
        ":action": asked.action,
        ":actor": asked.actor,
        ":since": millisecond(asked.since),
        ":until": millisecond(asked.until),
        ":before": before,
        ":limit": asked.limit + 1,
    })?;
    let (mut held, mut last) = (0, 0);
    while let Some(row) = rows.next()? {
        let (entry, hash) = read(row)?;
        held += entry.data.len();
        let is_full = found.entries.len() >= usize::try_from(asked.limit).unwrap_or(usize::MAX);
        if is_full || (held > bytes && !found.entries.is_empty()) {
            found.next = Some(last);
            break;
        }
        last = unsigned(row.get(9)?);
        found.entries.push((entry, hash));
    }
    Ok(found)
}

/// Follows a chain from its first entry to its last.
pub(super) fn verify(
    connection: &Connection,
    component: &str,
    subject: &str,
) -> Result<Verdict, Error> {
    if !has_entries(connection)? {
        return Ok(Verdict::default());
    }
    let mut chain = connection.prepare_cached(CHAIN)?;
    let mut rows = chain.query(params![component, subject])?;
    let (mut walk, mut verdict) = (Walk::default(), Verdict::default());
    while let Some(row) = rows.next()? {
        // What cannot be read is not what was written.
        let stepped = read(row).ok().map(|(entry, hash)| walk.step(&entry, &hash));
        verdict.entries += 1;
        if verdict.broken_at.is_none() && !matches!(stepped, Some(Ok(()))) {
            verdict.broken_at = Some(walk.number + 1);
        }
    }
    let mut head = connection.prepare_cached(HEAD)?;
    let head: Option<(i64, Vec<u8>)> = head
        .query_row(params![component, subject], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (number, hash) = head.map_or((0, BEGINNING.to_vec()), |(number, hash)| {
        (unsigned(number), hash)
    });
    if verdict.broken_at.is_none() {
        verdict.broken_at = walk.end(number, &hash).err().map(|broken| broken.at);
    }
    verdict.head = (number > 0).then_some(hash);
    Ok(verdict)
}

/// All chains of a file, each followed from its first entry to its last.
///
/// # Errors
/// When the file cannot be read.
pub fn chains(connection: &Connection) -> Result<Vec<Chain>, Error> {
    if !has_entries(connection)? {
        return Ok(Vec::new());
    }
    let mut chains = connection.prepare(CHAINS)?;
    let named = chains.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    named
        .map(|named| {
            let (component, subject): (String, String) = named?;
            let verdict = verify(connection, &component, &subject)?;
            Ok(Chain {
                component,
                subject,
                verdict,
            })
        })
        .collect()
}

/// Each entry of a file with its hash, in the order in which they were recorded.
///
/// # Errors
/// When the file cannot be read, and what `each` answers.
pub fn each_entry<E: From<Error>>(
    connection: &Connection,
    mut each: impl FnMut(Entry, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    if !has_entries(connection)? {
        return Ok(());
    }
    let mut all = connection.prepare(ALL).map_err(Error::from)?;
    let mut rows = all.query([]).map_err(Error::from)?;
    while let Some(row) = rows.next().map_err(Error::from)? {
        let (entry, hash) = read(row)?;
        each(entry, hash)?;
    }
    Ok(())
}

/// Whether anything was recorded: asked of the file, as a reader remembers the tables of before.
///
/// # Errors
/// When the file cannot be read.
pub fn has_entries(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.prepare_cached(IS_THERE)?.exists([])?)
}

fn read(row: &Row<'_>) -> Result<(Entry, Vec<u8>), Error> {
    let entry = Entry {
        component: row.get(0)?,
        subject: row.get(1)?,
        number: unsigned(row.get(2)?),
        at: row.get(3)?,
        action: row.get(4)?,
        actor: row.get(5)?,
        request: row.get(6)?,
        data: row.get(7)?,
    };
    Ok((entry, row.get(8)?))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
