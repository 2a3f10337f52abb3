//! The embedded backend: one table in the tenant's SQLite file.

use crate::limits::{MAX_BATCH_BYTES, PAGE_KEYS, batch_too_large};
use crate::{Backend, Error, Found, Page};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sbd_storage::Database;
use sbd_storage::quota::{self, Counted, Quota, Stored};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS keyvalue (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID";
const GET: &str = "SELECT value FROM keyvalue WHERE bucket = ?1 AND key = ?2";
const EXISTS: &str = "SELECT 1 FROM keyvalue WHERE bucket = ?1 AND key = ?2";
const SET: &str = "INSERT INTO keyvalue (bucket, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value";
const ADD: &str = "INSERT INTO keyvalue (bucket, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (bucket, key) DO NOTHING";
const SWAP: &str = "UPDATE keyvalue SET value = ?3 WHERE bucket = ?1 AND key = ?2 AND value = ?4";
const DELETE: &str = "DELETE FROM keyvalue WHERE bucket = ?1 AND key = ?2";
// No key is empty, so every key comes after the empty one.
const LIST: &str = "SELECT key FROM keyvalue WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3";

/// The buckets of one tenant in its SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteBackend {
    database: Database,
}

/// The buckets in a tenant's database that hold anything, in the order of their names.
///
/// # Errors
/// [`Error::Storage`] if it cannot be read.
pub fn stored_buckets(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut buckets = connection.prepare("SELECT DISTINCT bucket FROM keyvalue ORDER BY bucket")?;
    let buckets = buckets.query_map([], |row| row.get(0))?;
    Ok(buckets.collect::<Result<_, _>>()?)
}

/// Hands every entry of a bucket to `take`, key and value, in the order of the keys.
///
/// # Errors
/// What `take` answers; [`Error::Storage`] if it cannot be read.
pub fn each_entry<E: From<Error>>(
    connection: &Connection,
    bucket: &str,
    mut take: impl FnMut(String, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let select = "SELECT key, value FROM keyvalue WHERE bucket = ?1 ORDER BY key";
    let mut select = connection.prepare(select).map_err(Error::from)?;
    let mut rows = select.query([bucket]).map_err(Error::from)?;
    while let Some(row) = rows.next().map_err(Error::from)? {
        let key = row.get(0).map_err(Error::from)?;
        let value = row.get(1).map_err(Error::from)?;
        take(key, value)?;
    }
    Ok(())
}

// === impl SqliteBackend ===

impl SqliteBackend {
    /// Uses the tenant's database, and makes the table if it is not there yet.
    ///
    /// # Errors
    /// [`Error::Storage`] if the table cannot be made.
    pub async fn open(database: Database) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        Ok(Self { database })
    }

    /// Bounds the bytes of keys and values that a bucket may hold, from now on.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be written.
    pub async fn allow(&self, bucket: &str, bytes: u64) -> Result<(), Error> {
        let owner = owner(bucket);
        let condition = format!("{{row}}.bucket = '{}'", bucket.replace('\'', "''"));
        let job = move |connection: &Connection| {
            let quota = Quota {
                bytes,
                ..Quota::UNLIMITED
            };
            quota::allow(connection, &owner, quota)?;
            let counted = Counted {
                table: "keyvalue",
                condition: &condition,
                bytes: "octet_length({row}.key) + octet_length({row}.value)",
                documents: 0,
            };
            Ok(quota::count(connection, &owner, counted)?)
        };
        self.database.write(job).await
    }

    /// What a bucket holds: no documents, and the bytes of its keys and values. Nothing as long as it
    /// has not been bounded.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be read.
    pub async fn stored(&self, bucket: &str) -> Result<Stored, Error> {
        let owner = owner(bucket);
        let job = move |connection: &Connection| Ok(quota::stored_by(connection, &owner)?);
        self.database.read(job).await
    }
}

/// Who a bucket's bytes count for; no component has such a name.
fn owner(bucket: &str) -> String {
    format!("bucket:{bucket}")
}

impl Backend for SqliteBackend {
    fn allow<'a>(&'a self, bucket: &'a str, bytes: u64) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.allow(bucket, bytes))
    }

    fn get<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let job = move |connection: &Connection| get(connection, &bucket, &key);
        self.database.read(job).boxed()
    }

    fn set<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let bytes = value.len();
        let job = move |connection: &Connection| set(connection, &bucket, &key, &value);
        self.database.write_sized(bytes, job).boxed()
    }

    fn delete<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        self.delete_many(bucket, vec![key.to_owned()])
    }

    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let job = move |connection: &Connection| {
            Ok(connection.prepare_cached(EXISTS)?.exists([bucket, key])?)
        };
        self.database.read(job).boxed()
    }

    fn list_keys<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        let (bucket, after) = (bucket.to_owned(), after.unwrap_or_default().to_owned());
        let job = move |connection: &Connection| list(connection, &bucket, &after);
        self.database.read(job).boxed()
    }

    fn increment<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        delta: i64,
    ) -> BoxFuture<'a, Result<i64, Error>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let job = move |connection: &Connection| increment(connection, &bucket, &key, delta);
        self.database.write(job).boxed()
    }

    fn compare_and_set<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let bytes = expected.as_ref().map_or(0, Vec::len) + value.len();
        let job = move |connection: &Connection| {
            let changed = match expected {
                Some(expected) => connection
                    .prepare_cached(SWAP)?
                    .execute(params![bucket, key, value, expected])?,
                None => connection
                    .prepare_cached(ADD)?
                    .execute(params![bucket, key, value])?,
            };
            Ok(changed == 1)
        };
        self.database.write_sized(bytes, job).boxed()
    }

    fn get_many<'a>(
        &'a self,
        bucket: &'a str,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Found, Error>> {
        let bucket = bucket.to_owned();
        let job = move |connection: &Connection| get_many(connection, &bucket, keys);
        self.database.read(job).boxed()
    }

    fn set_many<'a>(
        &'a self,
        bucket: &'a str,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let bucket = bucket.to_owned();
        let each = pairs.iter().map(|(key, value)| key.len() + value.len());
        let bytes = each.sum();
        let job = move |connection: &Connection| {
            for (key, value) in &pairs {
                set(connection, &bucket, key, value)?;
            }
            Ok(())
        };
        self.database.write_sized(bytes, job).boxed()
    }

    fn delete_many<'a>(
        &'a self,
        bucket: &'a str,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let bucket = bucket.to_owned();
        let bytes = keys.iter().map(String::len).sum();
        let job = move |connection: &Connection| {
            let mut delete = connection.prepare_cached(DELETE)?;
            for key in &keys {
                delete.execute(params![bucket, key])?;
            }
            Ok(())
        };
        self.database.write_sized(bytes, job).boxed()
    }
}

fn get(connection: &Connection, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement
        .query_row([bucket, key], |row| row.get(0))
        .optional()?)
}

fn set(connection: &Connection, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
    connection
        .prepare_cached(SET)?
        .execute(params![bucket, key, value])?;
    Ok(())
}

/// One key more than a page has is read, to know whether there is another page.
fn list(connection: &Connection, bucket: &str, after: &str) -> Result<Page, Error> {
    let mut statement = connection.prepare_cached(LIST)?;
    let mut keys = statement
        .query_map(params![bucket, after, PAGE_KEYS as i64 + 1], |row| {
            row.get(0)
        })?
        .collect::<Result<Vec<String>, _>>()?;
    if keys.len() <= PAGE_KEYS {
        return Ok(Page { keys, next: None });
    }
    keys.truncate(PAGE_KEYS);
    let next = keys.last().cloned();
    Ok(Page { keys, next })
}

fn increment(connection: &Connection, bucket: &str, key: &str, delta: i64) -> Result<i64, Error> {
    let present = match get(connection, bucket, key)? {
        None => 0,
        Some(bytes) => bytes
            .try_into()
            .map(i64::from_le_bytes)
            .map_err(|_| Error::NotACounter(key.to_owned()))?,
    };
    let sum = present
        .checked_add(delta)
        .ok_or_else(|| Error::Overflow(key.to_owned()))?;
    set(connection, bucket, key, &sum.to_le_bytes())?;
    Ok(sum)
}

/// In a transaction, so that all values are of one moment.
fn get_many(connection: &Connection, bucket: &str, keys: Vec<String>) -> Result<Found, Error> {
    let moment = connection.unchecked_transaction()?;
    let mut bytes = 0;
    let mut pairs = Vec::with_capacity(keys.len());
    for key in keys {
        let value = get(&moment, bucket, &key)?;
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        if bytes > MAX_BATCH_BYTES {
            return Err(batch_too_large());
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}
