//! What components have recorded of what was done: one table, made for the first entry, and beside it both ends
//! of every chain. By its head it is found that entries are missing at the end; behind its anchor it goes on
//! where entries were deleted because their time was over.

use crate::{Anchor, Asked, Entries, Error, Record, Verdict};
use jiff::Timestamp;
use sbd_audit_chain::{Actor, BEGINNING, Entry, Hash, Walk, hash};
use sbd_contract::Kind;
use sbd_metering::Cause;
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use std::collections::HashMap;

const TABLE: &str = "audit";
const HEADS: &str = "audit_heads";
/// Places have the order of commits, over all chains; they serve pages, and no entry says its own.
const CREATE: &str = "CREATE TABLE audit (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    component TEXT NOT NULL,
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
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
    anchor INTEGER NOT NULL,
    anchor_hash BLOB NOT NULL,
    PRIMARY KEY (component, subject)
) STRICT, WITHOUT ROWID;";
const BYTES: &str = "octet_length(concat({row}.component, {row}.subject, {row}.action, {row}.kind, \
    {row}.actor, {row}.request, {row}.data, {row}.hash))";
const HEAD_BYTES: &str =
    "octet_length(concat({row}.component, {row}.subject, {row}.hash, {row}.anchor_hash))";
const IS_THERE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit'";
const ENDS: &str = "SELECT anchor, anchor_hash, number, hash FROM audit_heads
    WHERE component = ?1 AND subject = ?2";
const SET_HEAD: &str = "INSERT INTO audit_heads VALUES (?1, ?2, ?3, ?4, 0, zeroblob(32))
    ON CONFLICT (component, subject) DO UPDATE SET number = excluded.number, hash = excluded.hash";
const SET_ANCHOR: &str = "UPDATE audit_heads SET anchor = ?3, anchor_hash = ?4
    WHERE component = ?1 AND subject = ?2";
const ANCHOR: &str =
    "INSERT INTO audit_heads VALUES (?1, ?2, ?3, ?4, ?3, ?4) ON CONFLICT DO NOTHING";
const ANCHORS: &str =
    "SELECT component, subject, anchor, anchor_hash FROM audit_heads WHERE anchor > 0";
const OLDEST: &str =
    "SELECT component, subject, number, at, action, kind, actor, request, data, hash, place
    FROM audit WHERE component = ?1 ORDER BY place LIMIT ?2";
const DELETE: &str = "DELETE FROM audit WHERE component = ?1 AND place <= ?2";
const INSERT: &str = "INSERT INTO audit
    (component, subject, number, at, action, kind, actor, request, data, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const PAGE: &str = "SELECT component, subject, number, at, action, kind, actor, request, data, hash, place
    FROM audit WHERE component = :component AND (:subject IS NULL OR subject = :subject)
    AND (:action IS NULL OR action = :action OR (substr(:action, -1) = '.' AND substr(action, 1, length(:action)) = :action))
    AND (:actor IS NULL OR actor = :actor) AND (:since IS NULL OR at >= :since)
    AND (:until IS NULL OR at < :until) AND (:before IS NULL OR place < :before)
    ORDER BY place DESC LIMIT :limit";
const PAGE_OF_SUBJECT: &str = "SELECT component, subject, number, at, action, kind, actor, request, data, hash, place
    FROM audit WHERE component = :component AND subject = :subject
    AND (:action IS NULL OR action = :action OR (substr(:action, -1) = '.' AND substr(action, 1, length(:action)) = :action))
    AND (:actor IS NULL OR actor = :actor) AND (:since IS NULL OR at >= :since)
    AND (:until IS NULL OR at < :until) AND (:before IS NULL OR place < :before)
    ORDER BY number DESC LIMIT :limit";
const CHAIN: &str =
    "SELECT component, subject, number, at, action, kind, actor, request, data, hash
    FROM audit WHERE component = ?1 AND subject = ?2 ORDER BY number";
const CHAINS: &str =
    "SELECT component, subject FROM audit UNION SELECT component, subject FROM audit_heads
    ORDER BY 1, 2";
const ALL: &str = "SELECT component, subject, number, at, action, kind, actor, request, data, hash
    FROM audit ORDER BY place";

/// Both ends of a chain.
struct Ends {
    /// Before its first entry.
    anchor: Walk,
    /// The number and the hash of its last entry.
    head: (u64, Vec<u8>),
}

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
    let last = head(connection, component, &record.subject)?;
    let entry = Entry {
        component: component.to_owned(),
        subject: record.subject,
        number: last.number + 1,
        at: Timestamp::now().as_millisecond(),
        action: record.action,
        actor: actor(&record.cause),
        request: record.cause.request.map(|request| request.to_string()),
        data: record.data,
    };
    let hash = hash(&last.hash, &entry);
    insert(connection, &entry, &hash)?;
    Ok(entry.number)
}

/// Puts in an entry that another store has recorded, as it is; one that does not follow from those that are
/// there is refused.
pub(super) fn adopt(connection: &Connection, entry: &Entry, its: &[u8]) -> Result<(), Error> {
    begin(connection)?;
    let mut walk = head(connection, &entry.component, &entry.subject)?;
    walk.step(entry, its).map_err(|broken| {
        Error::Invalid(format!(
            "entry {} about `{}` was altered, or is missing",
            broken.at, entry.subject
        ))
    })?;
    insert(connection, entry, &walk.hash)
}

/// Lets a chain begin behind what another store has deleted of it.
pub(super) fn begin_behind(connection: &Connection, anchor: &Anchor) -> Result<(), Error> {
    begin(connection)?;
    connection.prepare_cached(ANCHOR)?.execute(params![
        anchor.component,
        anchor.subject,
        signed(anchor.number),
        anchor.hash
    ])?;
    Ok(())
}

/// Deletes the first entries of a component, so many at most, that were recorded before a time; answers how many.
/// The chains go on behind what is deleted. What was altered stays, with all that comes after it, so that it is
/// found.
pub(super) fn prune(
    connection: &Connection,
    component: &str,
    before: Timestamp,
    most: u32,
) -> Result<u64, Error> {
    if !connection.table_exists(Some("main"), TABLE)? {
        return Ok(0);
    }
    let mut walks: HashMap<String, Walk> = HashMap::new();
    let mut last = 0;
    {
        let mut oldest = connection.prepare_cached(OLDEST)?;
        let mut rows = oldest.query(params![component, most])?;
        while let Some(row) = rows.next()? {
            let Ok((entry, hash)) = read(row) else { break };
            if entry.at >= before.as_millisecond() {
                break;
            }
            let known = walks.get(&entry.subject).copied();
            let mut walk = match known {
                Some(walk) => walk,
                None => ends(connection, component, &entry.subject)?.anchor,
            };
            if walk.step(&entry, &hash).is_err() {
                break;
            }
            walks.insert(entry.subject, walk);
            last = row.get(10)?;
        }
    }
    for (subject, walk) in &walks {
        connection.prepare_cached(SET_ANCHOR)?.execute(params![
            component,
            subject,
            signed(walk.number),
            walk.hash
        ])?;
    }
    let deleted = connection
        .prepare_cached(DELETE)?
        .execute(params![component, last])?;
    Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
}

/// Who did what a request does.
fn actor(cause: &Cause) -> Actor {
    match (cause.kind, &cause.user) {
        (Some(Kind::Delegated), Some(user)) => Actor::Delegated(user.to_string()),
        (_, Some(user)) => Actor::User(user.to_string()),
        (Some(_), None) => Actor::Service,
        (None, None) => Actor::Anonymous,
    }
}

fn begin(connection: &Connection) -> Result<(), Error> {
    if connection.table_exists(Some("main"), TABLE)? {
        return Ok(());
    }
    connection.execute_batch(CREATE)?;
    for (table, bytes) in [(TABLE, BYTES), (HEADS, HEAD_BYTES)] {
        let counted = Counted {
            table,
            condition: "1",
            bytes,
            documents: 0,
        };
        quota::count_each(connection, "component", counted)?;
    }
    Ok(())
}

/// Where a chain goes on.
fn head(connection: &Connection, component: &str, subject: &str) -> Result<Walk, Error> {
    let (number, hash) = ends(connection, component, subject)?.head;
    // A head that was damaged is followed by what does not fit, and so it is found.
    let hash = hash.try_into().unwrap_or(BEGINNING);
    Ok(Walk { number, hash })
}

fn ends(connection: &Connection, component: &str, subject: &str) -> Result<Ends, Error> {
    let mut ends = connection.prepare_cached(ENDS)?;
    let found = ends.query_row(params![component, subject], |row| {
        let anchor: Vec<u8> = row.get(1)?;
        Ok(Ends {
            anchor: Walk {
                number: unsigned(row.get(0)?),
                hash: anchor.try_into().unwrap_or(BEGINNING),
            },
            head: (unsigned(row.get(2)?), row.get(3)?),
        })
    });
    Ok(found.optional()?.unwrap_or_else(|| Ends {
        anchor: Walk::default(),
        head: (0, BEGINNING.to_vec()),
    }))
}

fn insert(connection: &Connection, entry: &Entry, hash: &Hash) -> Result<(), Error> {
    let number = signed(entry.number);
    connection.prepare_cached(INSERT)?.execute(params![
        entry.component,
        entry.subject,
        number,
        entry.at,
        entry.action,
        entry.actor.kind(),
        entry.actor.user(),
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
        last = unsigned(row.get(10)?);
        found.entries.push((entry, hash));
    }
    Ok(found)
}

/// Follows a chain from its first entry to its last, as it is at one moment.
pub(super) fn verify(
    connection: &Connection,
    component: &str,
    subject: &str,
) -> Result<Verdict, Error> {
    let moment = connection.unchecked_transaction()?;
    follow(&moment, component, subject)
}

fn follow(connection: &Connection, component: &str, subject: &str) -> Result<Verdict, Error> {
    if !has_entries(connection)? {
        return Ok(Verdict::default());
    }
    let ends = ends(connection, component, subject)?;
    let mut chain = connection.prepare_cached(CHAIN)?;
    let mut rows = chain.query(params![component, subject])?;
    let mut walk = ends.anchor;
    let (number, hash) = ends.head;
    let mut verdict = Verdict {
        pruned: walk.number,
        ..Verdict::default()
    };
    while let Some(row) = rows.next()? {
        // What cannot be read is not what was written.
        let stepped = read(row).ok().map(|(entry, hash)| walk.step(&entry, &hash));
        verdict.entries += 1;
        if verdict.broken_at.is_none() && !matches!(stepped, Some(Ok(()))) {
            verdict.broken_at = Some(walk.number + 1);
        }
    }
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
    let moment = connection.unchecked_transaction()?;
    if !has_entries(&moment)? {
        return Ok(Vec::new());
    }
    let mut chains = moment.prepare(CHAINS)?;
    let named = chains.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    named
        .map(|named| {
            let (component, subject): (String, String) = named?;
            let verdict = follow(&moment, &component, &subject)?;
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

/// Each chain of a file that has lost its first entries because their time was over, with the last of those.
///
/// # Errors
/// When the file cannot be read.
pub fn anchors(connection: &Connection) -> Result<Vec<Anchor>, Error> {
    if !has_entries(connection)? {
        return Ok(Vec::new());
    }
    let mut anchors = connection.prepare(ANCHORS)?;
    let anchors = anchors.query_map([], |row| {
        Ok(Anchor {
            component: row.get(0)?,
            subject: row.get(1)?,
            number: unsigned(row.get(2)?),
            hash: row.get(3)?,
        })
    })?;
    Ok(anchors.collect::<Result<_, _>>()?)
}

/// Whether anything was recorded: asked of the file, as a reader remembers the tables of before.
///
/// # Errors
/// When the file cannot be read.
pub fn has_entries(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.prepare_cached(IS_THERE)?.exists([])?)
}

/// An entry as it was written: one that says something else of who did it than we write is damaged.
fn read(row: &Row<'_>) -> Result<(Entry, Vec<u8>), Error> {
    let kind: String = row.get(5)?;
    let actor = Actor::read(&kind, row.get(6)?).ok_or_else(|| {
        Error::Unavailable("an entry is damaged; `sbd audit verify` says which".to_owned())
    })?;
    let entry = Entry {
        component: row.get(0)?,
        subject: row.get(1)?,
        number: unsigned(row.get(2)?),
        at: row.get(3)?,
        action: row.get(4)?,
        actor,
        request: row.get(7)?,
        data: row.get(8)?,
    };
    Ok((entry, row.get(9)?))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
