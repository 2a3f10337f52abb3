//! The embedded store: a table of the host's own database.

use crate::{Error, Granted, Stored, Switch, SwitchStore, Until};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};

/// What is granted for good has no end (`until`).
const CREATE: &str = "CREATE TABLE IF NOT EXISTS switches (
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    switch TEXT NOT NULL,
    PRIMARY KEY (tenant, feature)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS granted_features (
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    user TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (tenant, feature, user)
) STRICT, WITHOUT ROWID";

/// Switches, and what was granted, in a database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteSwitches {
    database: Database,
}

// === impl SqliteSwitches ===

impl SqliteSwitches {
    /// The switches in a database, which may have none yet.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn open(database: Database) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        Ok(Self { database })
    }
}

impl SwitchStore for SqliteSwitches {
    fn load(&self) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        self.database.read(load).boxed()
    }

    fn set<'a>(
        &'a self,
        tenant: &'a str,
        feature: &'a str,
        switch: Option<&'a Switch>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let (tenant, feature) = (tenant.to_owned(), feature.to_owned());
        let text = switch.map(serde_json::to_string).transpose();
        let job = move |connection: &Connection| {
            match text.map_err(|error| Error::Storage(error.to_string()))? {
                Some(text) => connection
                    .prepare_cached("INSERT OR REPLACE INTO switches VALUES (?1, ?2, ?3)")?
                    .execute(params![tenant, feature, text])?,
                None => connection
                    .prepare_cached("DELETE FROM switches WHERE tenant = ?1 AND feature = ?2")?
                    .execute(params![tenant, feature])?,
            };
            Ok(())
        };
        self.database.write(job).boxed()
    }

    fn load_granted(&self) -> BoxFuture<'_, Result<Vec<Granted>, Error>> {
        self.database.read(load_granted).boxed()
    }

    fn grant<'a>(
        &'a self,
        tenant: &'a str,
        feature: &'a str,
        user: &'a str,
        until: Option<Until>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let [tenant, feature, user] = [tenant, feature, user].map(str::to_owned);
        let job = move |connection: &Connection| {
            let Some(until) = until else {
                let delete =
                    "DELETE FROM granted_features WHERE tenant = ?1 AND feature = ?2 AND user = ?3";
                connection
                    .prepare_cached(delete)?
                    .execute(params![tenant, feature, user])?;
                return Ok(());
            };
            let end = match until {
                Until::Time(time) => Some(i64::try_from(time).unwrap_or(i64::MAX)),
                Until::Forever => None,
            };
            connection
                .prepare_cached("INSERT OR REPLACE INTO granted_features VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![tenant, feature, user, end])?;
            Ok(())
        };
        self.database.write(job).boxed()
    }

    fn forget<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let tenant = tenant.to_owned();
        let job = move |connection: &Connection| {
            for table in ["switches", "granted_features"] {
                connection
                    .prepare_cached(&format!("DELETE FROM {table} WHERE tenant = ?1"))?
                    .execute([&tenant])?;
            }
            Ok(())
        };
        self.database.write(job).boxed()
    }
}

fn load_granted(connection: &Connection) -> Result<Vec<Granted>, Error> {
    let select = "SELECT tenant, feature, user, until FROM granted_features";
    let mut select = connection.prepare(select)?;
    let rows = select.query_map([], |row| {
        let until: Option<i64> = row.get(3)?;
        Ok(Granted {
            tenant: row.get(0)?,
            feature: row.get(1)?,
            user: row.get(2)?,
            until: match until {
                Some(time) => Until::Time(u64::try_from(time).unwrap_or(0)),
                None => Until::Forever,
            },
        })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

fn load(connection: &Connection) -> Result<Vec<Stored>, Error> {
    let mut select = connection.prepare("SELECT tenant, feature, switch FROM switches")?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    let stored = rows.map(|row| {
        let (tenant, feature, text): (String, String, String) = row?;
        let switch = serde_json::from_str(&text).map_err(|error| {
            Error::Storage(format!(
                "the switch of `{feature}` in `{tenant}` is `{text}`, which this version of sbd does not understand ({error}); use the sbd that wrote it"
            ))
        })?;
        Ok(Stored {
            tenant,
            feature,
            switch,
        })
    });
    stored.collect()
}
