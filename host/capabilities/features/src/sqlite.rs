//! The embedded store: a table of the host's own database.

use crate::{Error, Stored, Switch, SwitchStore};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS switches (
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    switch TEXT NOT NULL,
    PRIMARY KEY (tenant, feature)
) STRICT, WITHOUT ROWID";

/// Switches in a database. Cheap to clone.
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

    fn forget<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let tenant = tenant.to_owned();
        let job = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM switches WHERE tenant = ?1")?
                .execute([tenant])?;
            Ok(())
        };
        self.database.write(job).boxed()
    }
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
