//! What is kept over restarts: which models are taken without a name, and what was used. Tables of the
//! host's own database.

use crate::model::{Consumption, Error, Kind, Usage};
use jiff::civil::Date;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};
use std::sync::Arc;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS default_models (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_usage (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    user TEXT NOT NULL,
    component TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    prompt INTEGER NOT NULL,
    completion INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, user, component, model)
) STRICT, WITHOUT ROWID;";

/// Days for which it is known what was used.
pub(crate) const DAYS: i32 = 400;
/// What one question about usage answers, at most.
pub(crate) const RECORDS: u32 = 10_000;

/// Whose usage of when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Of this user; of everybody without.
    pub user: Option<String>,
    /// From this day on.
    pub since: Option<Date>,
    /// Up to this day.
    pub until: Option<Date>,
}

/// For whom a model works.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) tenant: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
}

/// The tables. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    database: Database,
}

/// A default model: of a tenant, or of the host where the name is empty.
pub(crate) type DefaultModel = (String, Kind, String);

// === impl Kept ===

impl Kept {
    /// What a database has, which may be nothing yet.
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        let oldest = today().saturating_sub(jiff::Span::new().days(DAYS));
        let job = move |connection: &Connection| {
            connection.execute_batch(CREATE)?;
            let oldest = oldest.to_string();
            connection.execute("DELETE FROM model_usage WHERE day < ?1", [oldest])?;
            Ok::<_, Failed>(())
        };
        database.write(job).await.map_err(Error::from)?;
        Ok(Self { database })
    }

    pub(crate) async fn defaults(&self) -> Result<Vec<DefaultModel>, Error> {
        let job = |connection: &Connection| {
            let mut select =
                connection.prepare("SELECT tenant, kind, model FROM default_models")?;
            let rows = select.query_map([], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
            })?;
            let read = rows.map(|row| {
                let (tenant, kind, model): (_, String, _) = row?;
                let kind = match kind.as_str() {
                    "embedding" => Kind::Embedding,
                    _ => Kind::Chat,
                };
                Ok((tenant, kind, model))
            });
            read.collect::<Result<Vec<_>, Failed>>()
        };
        self.database.read(job).await.map_err(Error::from)
    }

    /// Keeps a default model in place of the one there was; `None` forgets it.
    pub(crate) async fn set_default(
        &self,
        tenant: &str,
        kind: Kind,
        model: Option<&str>,
    ) -> Result<(), Error> {
        let (tenant, model) = (tenant.to_owned(), model.map(str::to_owned));
        let job = move |connection: &Connection| {
            match model {
                Some(model) => connection
                    .prepare_cached("INSERT OR REPLACE INTO default_models VALUES (?1, ?2, ?3)")?
                    .execute(params![tenant, word(kind), model])?,
                None => connection
                    .prepare_cached("DELETE FROM default_models WHERE tenant = ?1 AND kind = ?2")?
                    .execute(params![tenant, word(kind)])?,
            };
            Ok::<_, Failed>(())
        };
        self.database.write(job).await.map_err(Error::from)
    }

    /// Adds to what was used.
    pub(crate) async fn add(&self, who: &Who, model: &str, usage: Usage) -> Result<(), Error> {
        let user = who.user.as_deref().unwrap_or_default().to_owned();
        let (tenant, component) = (who.tenant.to_string(), who.component.to_string());
        let (day, model) = (today().to_string(), model.to_owned());
        let prompt = i64::try_from(usage.prompt).unwrap_or(i64::MAX);
        let completion = i64::try_from(usage.completion).unwrap_or(i64::MAX);
        let job = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO model_usage VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)
                    ON CONFLICT DO UPDATE SET requests = requests + 1,
                        prompt = prompt + excluded.prompt, completion = completion + excluded.completion",
                )?
                .execute(params![tenant, day, user, component, model, prompt, completion])?;
            Ok::<_, Failed>(())
        };
        self.database.write(job).await.map_err(Error::from)
    }

    /// What was used in a tenant, newest first.
    pub(crate) async fn used(
        &self,
        tenant: &str,
        query: UsageQuery,
    ) -> Result<Vec<Consumption>, Error> {
        let tenant = tenant.to_owned();
        let until = query.until.unwrap_or_else(today);
        let month = jiff::Span::new().days(29);
        let since = query.since.unwrap_or_else(|| until.saturating_sub(month));
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT day, user, component, model, requests, prompt, completion FROM model_usage
                WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3 AND (?4 IS NULL OR user = ?4)
                ORDER BY day DESC, user, component, model LIMIT ?5",
            )?;
            let (since, until) = (since.to_string(), until.to_string());
            let rows =
                select.query_map(params![tenant, since, until, query.user, RECORDS], |row| {
                    let count = |column| row.get(column).map(i64::unsigned_abs);
                    let user: String = row.get(1)?;
                    Ok(Consumption {
                        day: row.get(0)?,
                        user: Some(user).filter(|user| !user.is_empty()),
                        component: row.get(2)?,
                        model: row.get(3)?,
                        requests: count(4)?,
                        usage: Usage {
                            prompt: count(5)?,
                            completion: count(6)?,
                        },
                    })
                })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        let used: Result<_, Failed> = self.database.read(job).await;
        used.map_err(Error::from)
    }

    /// Forgets a tenant that is gone.
    pub(crate) async fn forget(&self, tenant: &str) -> Result<(), Error> {
        let tenant = tenant.to_owned();
        let job = move |connection: &Connection| {
            connection.execute("DELETE FROM default_models WHERE tenant = ?1", [&tenant])?;
            connection.execute("DELETE FROM model_usage WHERE tenant = ?1", [&tenant])?;
            Ok::<_, Failed>(())
        };
        self.database.write(job).await.map_err(Error::from)
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Chat => "chat",
        Kind::Embedding => "embedding",
    }
}

fn today() -> Date {
    jiff::tz::Offset::UTC
        .to_datetime(jiff::Timestamp::now())
        .date()
}

/// Why the database did not do something.
#[derive(Debug)]
struct Failed(String);

impl From<sbd_storage::Error> for Failed {
    fn from(error: sbd_storage::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<sbd_storage::rusqlite::Error> for Failed {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Unavailable(format!("the host's database does not answer: {}", failed.0))
    }
}
