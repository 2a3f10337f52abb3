//! Which tenants have something due, and when: an index over all tenants' queues and schedules, so
//! that a tenant that is closed costs nothing until then, and is opened for it.
//!
//! What is due lies in the tenant's own file. An entry here says when to look there at the latest: it
//! is written before what it stands for, so that a crash in between costs a look in vain and nothing
//! is forgotten.

use crate::Error;
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use tokio::sync::Notify;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS due (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due_at ON due (at)";

/// A later time never takes the place of an earlier one.
const PUT: &str = "INSERT INTO due VALUES (?1, ?2, ?3)
    ON CONFLICT (tenant, kind) DO UPDATE SET at = min(at, excluded.at)";

/// What is due in which tenants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Due {
    database: Database,
    /// Something may be due earlier than was thought.
    earlier: Arc<Notify>,
}

/// A tenant in which something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTenant {
    /// The tenant.
    pub tenant: String,
    /// Of what kind it is: a word of whoever asked to be woken, like `tasks`.
    pub kind: String,
    /// When, to the millisecond.
    pub at: Timestamp,
}

// === impl Due ===

impl Due {
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        Ok(Self {
            database,
            earlier: Arc::default(),
        })
    }

    /// Something of this kind is due in a tenant, then at the latest. Durable when it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn at(&self, tenant: &str, kind: &str, at: Timestamp) -> Result<(), Error> {
        let (tenant, kind) = (tenant.to_owned(), kind.to_owned());
        let put = move |connection: &Connection| put(connection, &tenant, &kind, at);
        self.database.write(put).await?;
        self.look_again();
        Ok(())
    }

    /// Something may be due earlier than was thought.
    pub(crate) fn look_again(&self) {
        self.earlier.notify_one();
    }

    /// Says when something of this kind is due in a tenant, whatever was thought before; `None`: no
    /// more. For whoever sees to it that nobody else says otherwise meanwhile.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn settle(
        &self,
        tenant: &str,
        kind: &str,
        next: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (tenant, kind) = (tenant.to_owned(), kind.to_owned());
        let change = move |connection: &Connection| {
            let delete = "DELETE FROM due WHERE tenant = ?1 AND kind = ?2";
            connection.execute(delete, params![tenant, kind])?;
            if let Some(next) = next {
                put(connection, &tenant, &kind, next)?;
            }
            Ok::<_, Error>(())
        };
        self.database.write(change).await?;
        self.earlier.notify_one();
        Ok(())
    }

    /// Forgets a tenant that is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget(&self, tenant: &str) -> Result<(), Error> {
        let tenant = tenant.to_owned();
        let delete = move |connection: &Connection| {
            connection.execute("DELETE FROM due WHERE tenant = ?1", [tenant])?;
            Ok::<_, Error>(())
        };
        self.database.write(delete).await
    }

    /// What is due by then, the earliest first, at most so many.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn until(&self, now: Timestamp, most: u32) -> Result<Vec<DueTenant>, Error> {
        let read = move |connection: &Connection| {
            let mut due = connection.prepare_cached(
                "SELECT tenant, kind, at FROM due WHERE at <= ?1 ORDER BY at LIMIT ?2",
            )?;
            let rows = due.query_map(params![now.as_millisecond(), most], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            let rows = rows.collect::<Result<Vec<(String, String, i64)>, _>>()?;
            Ok::<_, Error>(rows)
        };
        let rows = self.database.read(read).await?;
        let due = rows.into_iter().map(|(tenant, kind, at)| DueTenant {
            tenant,
            kind,
            at: Timestamp::from_millisecond(at).unwrap_or(Timestamp::MIN),
        });
        Ok(due.collect())
    }

    /// Waits until something is due that nobody sees to yet, and answers what: the earliest first, at
    /// most so many in all. Entries stay until
    /// somebody [`settle`](Self::settle)s them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn next(
        &self,
        most: u32,
        is_seen_to: impl Fn(&DueTenant) -> bool,
    ) -> Result<Vec<DueTenant>, Error> {
        loop {
            let earlier = self.earlier.notified();
            let now = Timestamp::now();
            let mut due = self.until(now, most).await?;
            due.retain(|due| !is_seen_to(due));
            if !due.is_empty() {
                return Ok(due);
            }
            match self.first_after(now).await? {
                None => earlier.await,
                Some(at) => {
                    let wait = at - now.as_millisecond();
                    let wait = std::time::Duration::from_millis(wait.try_into().unwrap_or(0));
                    let _ = tokio::time::timeout(wait, earlier).await;
                }
            }
        }
    }

    /// In milliseconds since 1970.
    async fn first_after(&self, now: Timestamp) -> Result<Option<i64>, Error> {
        let now = now.as_millisecond();
        let read = move |connection: &Connection| {
            let first = "SELECT at FROM due WHERE at > ?1 ORDER BY at LIMIT 1";
            let mut first = connection.prepare_cached(first)?;
            Ok::<_, Error>(first.query_row([now], |row| row.get(0)).optional()?)
        };
        self.database.read(read).await
    }
}

/// Something of this kind is due in a tenant, then at the latest. For use in a job of the writer.
pub(crate) fn put(
    connection: &Connection,
    tenant: &str,
    kind: &str,
    at: Timestamp,
) -> Result<(), Error> {
    let mut put = connection.prepare_cached(PUT)?;
    put.execute(params![tenant, kind, at.as_millisecond()])?;
    Ok(())
}
