//! Tokens that let somebody operate the host through the admin API without being a user of it.
//!
//! Of a token only its SHA-256 is kept. A token has 256 random bits, so nothing slower is needed; and
//! since it is looked up by its hash, how long that takes tells nothing about any token.

use crate::Error;
use crate::error::nearest;
use crate::name::is_plain;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use std::fmt;

/// How tokens begin, so that people and scanners of leaked secrets know one.
const PREFIX: &str = "sbd_op_";

/// The last use is noted once in so long, not with every request.
const NOTED: SignedDuration = SignedDuration::from_secs(60);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS operators (
    name TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    last_used TEXT
) STRICT, WITHOUT ROWID";
const COLUMNS: &str = "name, created_at, expires_at, last_used";

/// What is known of an operator's token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// Its name, as the account of changes writes it.
    pub name: String,
    /// RFC 3339.
    pub created_at: String,
    /// From when on it is refused, RFC 3339. `None`: it does not end by itself.
    pub expires_at: Option<String>,
    /// When it was last used, RFC 3339, to the minute or so. `None`: never.
    pub last_used: Option<String>,
}

/// An operator's token, to be shown once: it cannot be had again. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorToken(String);

/// The operators' tokens of a host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operators {
    database: Database,
}

// === impl OperatorToken ===

impl OperatorToken {
    fn new() -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// The token itself, `sbd_op_...`.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

// === impl Operators ===

impl Operators {
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        Ok(Self { database })
    }

    /// Makes a token. Its name is 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends.
    ///
    /// # Errors
    /// [`Error::OperatorName`], [`Error::OperatorTaken`], [`Error::Expiry`], [`Error::Random`],
    /// [`Error::Storage`].
    pub async fn create(
        &self,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(Operator, OperatorToken), Error> {
        if !is_plain(name) {
            return Err(Error::OperatorName(name.chars().take(100).collect()));
        }
        let now = Timestamp::now();
        if let Some(past) = expires_at.filter(|end| *end <= now) {
            return Err(Error::Expiry(past.to_string()));
        }
        let token = OperatorToken::new()?;
        let hash = hash(token.reveal());
        let operator = Operator {
            name: name.to_owned(),
            created_at: format!("{now:.3}"),
            expires_at: expires_at.map(|end| format!("{end:.3}")),
            last_used: None,
        };
        let row = operator.clone();
        let insert = move |connection: &Connection| {
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO operators (name, hash, created_at, expires_at)
                    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING",
                )?
                .execute(params![row.name, hash, row.created_at, row.expires_at])?;
            if inserted == 0 {
                return Err(Error::OperatorTaken(row.name));
            }
            Ok(())
        };
        self.database.write(insert).await?;
        Ok((operator, token))
    }

    /// The tokens there are, in the order of their names; not what they are, which nobody knows.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn list(&self) -> Result<Vec<Operator>, Error> {
        self.database
            .read(|connection| {
                let select = format!("SELECT {COLUMNS} FROM operators ORDER BY name");
                let mut select = connection.prepare_cached(&select)?;
                let operators = select.query_map([], read_row)?;
                Ok(operators.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Refuses a token from now on. Its name is free again.
    ///
    /// # Errors
    /// [`Error::UnknownOperator`], [`Error::Storage`].
    pub async fn revoke(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let delete = move |connection: &Connection| {
            let deleted = connection
                .prepare_cached("DELETE FROM operators WHERE name = ?1")?
                .execute([&name])?;
            if deleted == 1 {
                return Ok(());
            }
            let mut select = connection.prepare_cached("SELECT name FROM operators")?;
            let known = select.query_map([], |row| row.get(0))?;
            let known = known.collect::<Result<Vec<String>, _>>()?;
            Err(Error::UnknownOperator {
                nearest: nearest(&name, known.iter().map(String::as_str)),
                name: name.chars().take(100).collect(),
            })
        };
        self.database.write(delete).await
    }

    /// Whose token this is. Notes that it was used.
    ///
    /// # Errors
    /// [`Error::Token`], [`Error::TokenExpired`], [`Error::Storage`].
    pub async fn authenticate(&self, token: &str) -> Result<Operator, Error> {
        if !token.starts_with(PREFIX) {
            return Err(Error::Token);
        }
        let hash = hash(token);
        let found = self.database.read_short(move |connection| {
            let select = format!("SELECT {COLUMNS} FROM operators WHERE hash = ?1");
            let mut select = connection.prepare_cached(&select)?;
            Ok::<_, Error>(select.query_row([hash], read_row).optional()?)
        });
        let mut operator = found.await?.ok_or(Error::Token)?;
        let now = Timestamp::now();
        if let Some(end) = &operator.expires_at
            // What cannot be read as a time has passed.
            && !end.parse().is_ok_and(|end: Timestamp| end > now)
        {
            return Err(Error::TokenExpired {
                at: end.clone(),
                name: operator.name,
            });
        }
        let noted = operator.last_used.as_ref().and_then(|at| at.parse().ok());
        if noted.is_none_or(|at: Timestamp| now.duration_since(at) >= NOTED) {
            operator.last_used = Some(format!("{now:.3}"));
            self.note_use(&operator, hash).await;
        }
        Ok(operator)
    }

    async fn note_use(&self, operator: &Operator, hash: [u8; 32]) {
        let at = operator.last_used.clone();
        let noting = self.database.write(move |connection| {
            let mut update =
                connection.prepare_cached("UPDATE operators SET last_used = ?1 WHERE hash = ?2")?;
            Ok::<_, Error>(update.execute(params![at, hash])?)
        });
        if let Err(error) = noting.await {
            // A full disk must not lock out who could make room.
            tracing::warn!(operator = operator.name, %error, "the use of a token is not noted");
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

fn read_row(row: &Row<'_>) -> sbd_storage::rusqlite::Result<Operator> {
    Ok(Operator {
        name: row.get(0)?,
        created_at: row.get(1)?,
        expires_at: row.get(2)?,
        last_used: row.get(3)?,
    })
}
