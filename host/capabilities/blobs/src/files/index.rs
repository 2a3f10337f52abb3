//! What is known of the files, in a table of the tenant's SQLite file.

use crate::{Blob, Error, Page};
use jiff::Timestamp;
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::HashSet;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS blobs (
    component TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (component, name)
) STRICT, WITHOUT ROWID";
/// What a blob counts for: its bytes, its texts, and about what file system and index take for one, so that
/// nobody keeps a million empty ones for nothing.
const COUNTED: Counted<'_> = Counted {
    table: "blobs",
    condition: "1",
    bytes: "{row}.size + octet_length({row}.name) + octet_length({row}.content_type) + 1024",
    documents: 0,
};
/// For whom all blobs of the tenant are counted; no component has such a name.
const ALL: &str = "blobs:";
/// Most rows that one job deletes; others write in between.
const DELETED_AT_ONCE: u32 = 500;

const FIELDS: &str = "name, size, content_type, sha256, at, file";

/// A blob and its file.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) blob: Blob,
    pub(super) file: String,
}

/// A blob, for whoever writes down all that a tenant has.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whose it is.
    pub component: String,
    /// What is known of it.
    pub blob: Blob,
    /// The name of its file.
    pub file: String,
}

/// Makes the table, if need be.
pub(super) fn create(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(CREATE)?;
    quota::begin(connection, ALL)?;
    quota::count_each(connection, "component", COUNTED)?;
    Ok(quota::count(connection, ALL, COUNTED)?)
}

/// Whether there is a table: a database of a version before has none.
fn is_there(connection: &Connection) -> Result<bool, Error> {
    let select = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'blobs'";
    Ok(connection.prepare(select)?.exists([])?)
}

/// Bounds what the database may take, where it and the blobs may take `most` together; says whether both fit.
pub(super) fn share_room(connection: &Connection, most: Option<u64>) -> Result<bool, Error> {
    let Some(most) = most else { return Ok(true) };
    let blobs = quota::stored_by(connection, ALL)?.bytes;
    let (page, pages) = (
        pragma(connection, "page_size")?,
        pragma(connection, "page_count")?,
    );
    let left = most.saturating_sub(blobs) / page.max(1);
    // What is there already stays: SQLite takes no less than it has.
    let bound = i64::try_from(left.clamp(1, u64::from(u32::MAX - 1))).unwrap_or(i64::MAX);
    connection.pragma_update(None, "max_page_count", bound)?;
    Ok(pages <= left)
}

/// How many bytes are left to a component, and to the tenant.
pub(super) fn room(
    connection: &Connection,
    component: &str,
    most: Option<u64>,
) -> Result<Room, Error> {
    let tenant = match most {
        None => u64::MAX,
        Some(most) => {
            let blobs = quota::stored_by(connection, ALL)?.bytes;
            let database = pragma(connection, "page_size")? * pragma(connection, "page_count")?;
            most.saturating_sub(blobs).saturating_sub(database)
        }
    };
    Ok(Room {
        component: quota::room(connection, component)?,
        tenant,
    })
}

/// How many bytes are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) component: u64,
    pub(super) tenant: u64,
}

fn pragma(connection: &Connection, name: &str) -> Result<u64, Error> {
    let number: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// A file takes a name; answers which had it before.
pub(super) fn put(
    connection: &Connection,
    component: &str,
    named: &Named,
) -> Result<Option<String>, Error> {
    quota::begin(connection, component)?;
    let Named { blob, file } = named;
    let replaced = find(connection, component, &blob.name)?;
    connection
        .prepare_cached(
            "INSERT INTO blobs (component, name, file, size, content_type, sha256, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (component, name) DO UPDATE SET file = excluded.file, size = excluded.size,
             content_type = excluded.content_type, sha256 = excluded.sha256, at = excluded.at",
        )?
        .execute(params![
            component,
            blob.name,
            file,
            i64::try_from(blob.size).unwrap_or(i64::MAX),
            blob.content_type,
            blob.sha256,
            blob.at.as_millisecond(),
        ])?;
    Ok(replaced.map(|replaced| replaced.file))
}

pub(super) fn find(
    connection: &Connection,
    component: &str,
    name: &str,
) -> Result<Option<Named>, Error> {
    let select = format!("SELECT {FIELDS} FROM blobs WHERE component = ?1 AND name = ?2");
    let mut select = connection.prepare_cached(&select)?;
    Ok(select.query_row([component, name], read).optional()?)
}

/// One more than a page has is read, to know whether there is another page.
pub(super) fn page(
    connection: &Connection,
    component: &str,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Page, Error> {
    let select = format!(
        "SELECT {FIELDS} FROM blobs WHERE component = ?1 AND name >= ?2 AND name > ?3 ORDER BY name"
    );
    let mut select = connection.prepare_cached(&select)?;
    // No name is empty, so every name comes after the empty one.
    let mut rows = select.query([component, prefix, after.unwrap_or_default()])?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        let Named { blob, .. } = read(row)?;
        if !blob.name.starts_with(prefix) {
            break;
        }
        if page.blobs.len() == limit as usize {
            page.next = page.blobs.last().map(|last| last.name.clone());
            break;
        }
        page.blobs.push(blob);
    }
    Ok(page)
}

/// Deletes a blob; answers its file.
pub(super) fn delete(
    connection: &Connection,
    component: &str,
    name: &str,
) -> Result<Option<String>, Error> {
    let delete = "DELETE FROM blobs WHERE component = ?1 AND name = ?2 RETURNING file";
    let mut delete = connection.prepare_cached(delete)?;
    Ok(delete
        .query_row([component, name], |row| row.get(0))
        .optional()?)
}

/// Deletes the first of those whose names begin with `prefix`; answers their files.
pub(super) fn delete_some(
    connection: &Connection,
    component: &str,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let found = page(connection, component, prefix, None, DELETED_AT_ONCE)?;
    let names = found.blobs.into_iter().map(|blob| blob.name);
    let files = names.map(|name| delete(connection, component, &name));
    files.filter_map(Result::transpose).collect()
}

/// Every file that is named.
pub(super) fn files(connection: &Connection) -> Result<HashSet<String>, Error> {
    if !is_there(connection)? {
        return Ok(HashSet::new());
    }
    let mut select = connection.prepare("SELECT file FROM blobs")?;
    let files = select.query_map([], |row| row.get(0))?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// Forgets a file.
pub(super) fn forget(connection: &Connection, file: &str) -> Result<(), Error> {
    let mut delete = connection.prepare_cached("DELETE FROM blobs WHERE file = ?1")?;
    delete.execute([file])?;
    Ok(())
}

/// Hands every blob in a tenant's database to `take`, by component and name.
///
/// # Errors
/// What `take` answers; [`Error::Storage`] if it cannot be read.
pub fn each<E: From<Error>>(
    connection: &Connection,
    mut take: impl FnMut(Stored) -> Result<(), E>,
) -> Result<(), E> {
    if !is_there(connection)? {
        return Ok(());
    }
    let select = format!("SELECT {FIELDS}, component FROM blobs ORDER BY component, name");
    let mut select = connection.prepare(&select).map_err(Error::from)?;
    let mut rows = select.query([]).map_err(Error::from)?;
    while let Some(row) = rows.next().map_err(Error::from)? {
        let Named { blob, file } = read(row).map_err(Error::from)?;
        let component = row.get(6).map_err(Error::from)?;
        take(Stored {
            component,
            blob,
            file,
        })?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> sbd_storage::rusqlite::Result<Named> {
    let size: i64 = row.get(1)?;
    Ok(Named {
        blob: Blob {
            name: row.get(0)?,
            size: u64::try_from(size).unwrap_or_default(),
            content_type: row.get(2)?,
            sha256: row.get(3)?,
            at: Timestamp::from_millisecond(row.get(4)?).unwrap_or_default(),
        },
        file: row.get(5)?,
    })
}
