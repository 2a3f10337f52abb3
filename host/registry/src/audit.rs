//! An account of every change to the host. Each entry carries the hash of the one before it, so that
//! none can be altered, left out or put in without breaking the chain. What became of a change is an
//! entry of its own, which names the one that began it. (That the newest entries are missing, a chain
//! cannot tell: whoever must know keeps the last hash, or a copy, elsewhere.)

use crate::Error;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS audit (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    details TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT";
const COLUMNS: &str = "id, at, actor, action, target, details, outcome, hash";

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// Whoever may open the socket in the data directory, or the directory itself.
    Owner,
    /// Whoever holds an operator's token, by the token's name.
    Operator(String),
    /// An administrator, by user id.
    User(String),
    /// The host itself, for example where a health gate was not passed.
    Host,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Done,
    /// It was not, because it must not be; why.
    Refused(String),
    /// It was not, because something is broken; why.
    Failed(String),
}

/// A change that has begun, to be handed to [`Audit::finish`] when it has ended.
#[derive(Debug)]
#[must_use = "what became of a change belongs into the account"]
pub struct Begun {
    id: String,
    actor: String,
    action: String,
    target: String,
}

/// Which entries to list; without either, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this action.
    pub action: Option<String>,
    /// Only about this target.
    pub target: Option<String>,
}

/// One line of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// `aud_...`
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// `owner`, `operator:NAME`, `user:usr_...`, or `host`.
    pub actor: String,
    /// For example `tenant.create`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// What else there is to know; of an end, `{"begun": "aud_..."}`.
    pub details: Value,
    /// `begun`, `done`, `refused: ` and why, or `failed: ` and why. A change that was cut short has
    /// begun and never ended.
    pub outcome: String,
}

/// The account of a host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    database: Database,
}

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first entry that does not follow from those before it.
    pub id: String,
}

// === impl Audit ===

impl Audit {
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        Ok(Self { database })
    }

    /// Accounts for a change that begins now. Durable before it returns.
    ///
    /// # Errors
    /// [`Error::Storage`]; then the change must not be made.
    pub async fn begin(
        &self,
        actor: &Actor,
        action: &str,
        target: &str,
        details: Value,
    ) -> Result<Begun, Error> {
        let entry = Entry {
            id: new_id(),
            at: format!("{:.3}", Timestamp::now()),
            actor: actor.to_string(),
            action: action.to_owned(),
            target: target.to_owned(),
            details,
            outcome: "begun".to_owned(),
        };
        let begun = Begun {
            id: entry.id.clone(),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            target: entry.target.clone(),
        };
        self.add(entry).await?;
        Ok(begun)
    }

    /// Accounts for what became of a change.
    ///
    /// # Errors
    /// [`Error::Storage`]; the change stands all the same, and its beginning is accounted for.
    pub async fn finish(&self, begun: Begun, outcome: &Outcome) -> Result<(), Error> {
        self.add(Entry {
            id: new_id(),
            at: format!("{:.3}", Timestamp::now()),
            actor: begun.actor,
            action: begun.action,
            target: begun.target,
            details: json!({"begun": begun.id}),
            outcome: outcome.to_string(),
        })
        .await
    }

    async fn add(&self, entry: Entry) -> Result<(), Error> {
        self.database
            .write(move |connection| append(connection, &entry))
            .await
    }

    /// So many entries, the newest first, after so many others.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn list(&self, filter: Filter, skip: u32, most: u32) -> Result<Vec<Entry>, Error> {
        let select = format!(
            "SELECT {COLUMNS} FROM audit
            WHERE (?1 IS NULL OR action = ?1) AND (?2 IS NULL OR target = ?2)
            ORDER BY place DESC LIMIT ?3 OFFSET ?4"
        );
        self.database
            .read(move |connection| {
                let mut select = connection.prepare_cached(&select)?;
                let rows =
                    select.query_map(params![filter.action, filter.target, most, skip], read)?;
                let entries = rows.map(|row| Ok(row?.0));
                entries.collect::<Result<_, Error>>()
            })
            .await
    }

    /// Walks the whole chain. `Some`: where it is broken.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn verify(&self) -> Result<Option<Broken>, Error> {
        let select = format!("SELECT {COLUMNS} FROM audit ORDER BY place");
        self.database
            .read(move |connection| {
                let mut select = connection.prepare(&select)?;
                let mut rows = select.query([])?;
                let mut before = Vec::new();
                while let Some(row) = rows.next()? {
                    let (entry, hash) = read(row)?;
                    if hash != entry.hash(&before) {
                        return Ok::<_, Error>(Some(Broken { id: entry.id }));
                    }
                    before = hash;
                }
                Ok(None)
            })
            .await
    }
}

fn new_id() -> String {
    format!("aud_{}", uuid::Uuid::now_v7().simple())
}

fn append(connection: &Connection, entry: &Entry) -> Result<(), Error> {
    let before: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hash FROM audit ORDER BY place DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let hash = entry.hash(&before.unwrap_or_default());
    connection
        .prepare_cached(&format!(
            "INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ))?
        .execute(params![
            entry.id,
            entry.at,
            entry.actor,
            entry.action,
            entry.target,
            entry.details.to_string(),
            entry.outcome,
            hash
        ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> sbd_storage::rusqlite::Result<(Entry, Vec<u8>)> {
    let details: String = row.get(5)?;
    let entry = Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        // What is no JSON was altered; the hash will say so.
        details: serde_json::from_str(&details).unwrap_or(Value::String(details)),
        outcome: row.get(6)?,
    };
    Ok((entry, row.get(7)?))
}

// === impl Entry ===

impl Entry {
    /// SHA-256 of the hash before and of every field, each after its length.
    fn hash(&self, before: &[u8]) -> Vec<u8> {
        let details = self.details.to_string();
        let mut bytes = Vec::new();
        for field in [
            before,
            self.id.as_bytes(),
            self.at.as_bytes(),
            self.actor.as_bytes(),
            self.action.as_bytes(),
            self.target.as_bytes(),
            details.as_bytes(),
            self.outcome.as_bytes(),
        ] {
            bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        digest(&SHA256, &bytes).as_ref().to_vec()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Host => f.write_str("host"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

impl Begun {
    /// `aud_...`, the id of the entry.
    pub fn id(&self) -> &str {
        &self.id
    }
}
