//! The versions of components that were deployed to this host. A component that has an active one is
//! served by it, any other by the file that the manifest names.

use crate::files::Files;
use crate::{Actor, Error, StoredWasm};
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many versions of a component are kept, counted from the newest; and the active one, however
/// old.
pub const KEPT: u32 = 10;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS versions (
    component TEXT NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    deployed_at TEXT NOT NULL,
    deployed_by TEXT NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (component, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_active_version ON versions (component) WHERE state = 'active'";
const COLUMNS: &str =
    "component, number, sha256, bytes, manifest, deployed_at, deployed_by, note, state";

/// A version of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The component's name in the manifest.
    pub component: String,
    /// 1, 2, 3 and so on for each component; never given twice.
    pub number: u32,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
    /// The manifest it came with, as TOML, of which its own tables count; empty: those of the
    /// application's manifest. Not looked into here.
    pub manifest: String,
    /// RFC 3339.
    pub deployed_at: String,
    /// Who deployed it, as the account of changes writes it.
    pub deployed_by: String,
    /// What they wanted to say about it; may be empty.
    pub note: String,
    /// Whether it is served.
    pub state: VersionState,
}

/// Whether a version is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VersionState {
    /// Not yet: it was added and never activated.
    Added,
    /// It is.
    Active,
    /// No more: a newer one took its place.
    Superseded,
    /// No more: an older one, or the manifest's own, was put back in its place.
    RolledBack,
}

/// What a new version is made of.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The component's name in the manifest.
    pub component: String,
    /// Its bytes, as [`Versions::store`] has stored them.
    pub wasm: StoredWasm,
    /// The manifest it comes with, as TOML; empty: the application's.
    pub manifest: String,
    /// Who deploys it.
    pub by: Actor,
    /// What they want to say about it.
    pub note: String,
}

/// The deployed versions of a host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Versions {
    database: Database,
    files: Files,
    damaged: Arc<[Error]>,
}

// === impl Versions ===

impl Versions {
    /// Mends what a crash left: a file without its row is removed; a row without its file is
    /// remembered as damaged.
    pub(crate) async fn open(database: Database, data_dir: &Path) -> Result<Self, Error> {
        database
            .write(|connection| Ok::<_, Error>(connection.execute_batch(CREATE)?))
            .await?;
        let mut versions = Self {
            files: Files::new(data_dir),
            database,
            damaged: Arc::default(),
        };
        versions.sweep().await?;
        versions.damaged = versions.examine(false).await?.into();
        Ok(versions)
    }

    /// The versions that could not be served when the host started ([`Error::Damaged`]): their file
    /// was missing or had another length; of active ones, the bytes were compared too.
    pub fn damaged(&self) -> &[Error] {
        &self.damaged
    }

    /// The versions that cannot be served now ([`Error::Damaged`]). Reads every file.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn check(&self) -> Result<Vec<Error>, Error> {
        self.examine(true).await
    }

    /// Stores a component's bytes, durably, for [`Versions::add_version`]. Without that they are
    /// removed some time after the answer is dropped.
    ///
    /// # Errors
    /// [`Error::Files`].
    pub async fn store(&self, wasm: Vec<u8>) -> Result<StoredWasm, Error> {
        self.files.store(wasm).await
    }

    /// Adds a version, which is not active yet. Versions older than the last [`KEPT`] go, with files
    /// that no other needs.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn add_version(&self, new: NewVersion) -> Result<Version, Error> {
        let adding = self.database.write(move |connection| {
            let version = add(connection, &new)?;
            // The answer holds the file until the row is committed.
            Ok::<_, Error>((version, new.wasm))
        });
        let (version, _wasm) = adding.await?;
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "files of old versions stay until the next start");
        }
        Ok(version)
    }

    /// Makes a version the one that is served, in place of the one that was. Nothing changes if it is
    /// active already.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`], [`Error::Damaged`], [`Error::Storage`].
    pub async fn activate(&self, component: &str, number: u32) -> Result<Version, Error> {
        self.read(&self.version(component, number).await?).await?;
        let component = component.to_owned();
        self.database
            .write(move |connection| activate(connection, &component, number))
            .await
    }

    /// Leaves the component to the manifest's own file again; answers the version that was served, if
    /// one was.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn withdraw(&self, component: &str) -> Result<Option<Version>, Error> {
        let component = component.to_owned();
        self.database
            .write(move |connection| {
                let active = active(connection, &component)?;
                leave(connection, &component, 0..u32::MAX)?;
                active
                    .map(|version| set_state(connection, version, VersionState::RolledBack))
                    .transpose()
            })
            .await
    }

    /// The active versions, by component.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn active(&self) -> Result<Vec<Version>, Error> {
        self.select("state = 'active'", None).await
    }

    /// The versions of a component, the newest first.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn versions(&self, component: &str) -> Result<Vec<Version>, Error> {
        self.select("component = ?1", Some(component.to_owned()))
            .await
    }

    /// One version of a component.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`], [`Error::Storage`].
    pub async fn version(&self, component: &str, number: u32) -> Result<Version, Error> {
        let component = component.to_owned();
        self.database
            .read(move |connection| find(connection, &component, number))
            .await
    }

    /// The bytes of a version, which are those that were deployed.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub async fn read(&self, version: &Version) -> Result<Vec<u8>, Error> {
        let read = self.files.read(&version.sha256).await;
        read.map_err(|reason| version.damaged(reason))
    }

    /// Where the bytes of a version lie.
    pub fn path(&self, version: &Version) -> PathBuf {
        self.files.path(&version.sha256)
    }

    /// As [`Versions::read`], for a thread that may wait.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn read_now(&self, version: &Version) -> Result<Vec<u8>, Error> {
        let read = self.files.read_now(&version.sha256);
        read.map_err(|reason| version.damaged(reason))
    }

    async fn examine(&self, thoroughly: bool) -> Result<Vec<Error>, Error> {
        let mut damaged = Vec::new();
        for version in self.select("TRUE", None).await? {
            let sound = if thoroughly || version.state == VersionState::Active {
                self.read(&version).await.map(drop)
            } else {
                let glance = self.files.glance(&version.sha256, version.bytes);
                glance.map_err(|reason| version.damaged(reason))
            };
            damaged.extend(sound.err());
        }
        Ok(damaged)
    }

    /// Removes the files that no version names and that nobody holds as [`StoredWasm`].
    ///
    /// # Errors
    /// [`Error::Files`], [`Error::Storage`].
    pub async fn sweep(&self) -> Result<(), Error> {
        let wanted = self.database.read(|connection| {
            let mut select = connection.prepare("SELECT DISTINCT sha256 FROM versions")?;
            let wanted = select.query_map([], |row| row.get(0))?;
            Ok::<_, Error>(wanted.collect::<Result<HashSet<String>, _>>()?)
        });
        self.files.sweep(wanted).await
    }

    async fn select(
        &self,
        condition: &'static str,
        component: Option<String>,
    ) -> Result<Vec<Version>, Error> {
        self.database
            .read(move |connection| {
                let mut select = connection.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM versions WHERE {condition} ORDER BY component, number DESC"
                ))?;
                let mut rows = match component {
                    Some(component) => select.query([component])?,
                    None => select.query([])?,
                };
                let mut versions = Vec::new();
                while let Some(row) = rows.next()? {
                    versions.push(read_row(row)?);
                }
                Ok(versions)
            })
            .await
    }
}

// === impl Version ===

impl Version {
    fn damaged(&self, reason: String) -> Error {
        Error::Damaged {
            component: self.component.clone(),
            number: self.number,
            reason,
        }
    }
}

// === impl VersionState ===

impl VersionState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled-back",
        }
    }
}

fn add(connection: &Connection, new: &NewVersion) -> Result<Version, Error> {
    let last: Option<u32> = connection
        .prepare_cached("SELECT max(number) FROM versions WHERE component = ?1")?
        .query_row([&new.component], |row| row.get(0))?;
    let number = last.unwrap_or_default() + 1;
    let version = Version {
        component: new.component.clone(),
        number,
        sha256: new.wasm.sha256().to_owned(),
        bytes: new.wasm.bytes(),
        manifest: new.manifest.clone(),
        deployed_at: format!("{:.3}", Timestamp::now()),
        deployed_by: new.by.to_string(),
        note: new.note.clone(),
        state: VersionState::Added,
    };
    connection
        .prepare_cached(&format!(
            "INSERT INTO versions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ))?
        .execute(params![
            version.component,
            version.number,
            version.sha256,
            i64::try_from(version.bytes).unwrap_or(i64::MAX),
            version.manifest,
            version.deployed_at,
            version.deployed_by,
            version.note,
            version.state.as_str(),
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM versions WHERE component = ?1 AND number <= ?2 AND state <> 'active'",
        )?
        .execute(params![version.component, number.saturating_sub(KEPT)])?;
    Ok(version)
}

fn activate(connection: &Connection, component: &str, number: u32) -> Result<Version, Error> {
    let version = find(connection, component, number)?;
    match active(connection, component)? {
        Some(before) if before.number == number => return Ok(before),
        Some(before) => {
            let state = if before.number < number {
                VersionState::Superseded
            } else {
                VersionState::RolledBack
            };
            // What lies between was left too: it is not what there was before.
            leave(connection, component, number..before.number)?;
            set_state(connection, before, state)?;
        }
        None => {}
    }
    set_state(connection, version, VersionState::Active)
}

/// Says of the versions above the first and below the last number that nobody is to come back to them
/// by going back.
fn leave(connection: &Connection, component: &str, between: Range<u32>) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE versions SET state = 'rolled-back'
             WHERE component = ?1 AND state = 'superseded' AND number > ?2 AND number < ?3",
        )?
        .execute(params![component, between.start, between.end])?;
    Ok(())
}

fn set_state(
    connection: &Connection,
    mut version: Version,
    state: VersionState,
) -> Result<Version, Error> {
    version.state = state;
    connection
        .prepare_cached("UPDATE versions SET state = ?3 WHERE component = ?1 AND number = ?2")?
        .execute(params![version.component, version.number, state.as_str()])?;
    Ok(version)
}

fn active(connection: &Connection, component: &str) -> Result<Option<Version>, Error> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM versions WHERE component = ?1 AND state = 'active'"
    ))?;
    let mut rows = select.query([component])?;
    rows.next()?.map(read_row).transpose()
}

fn find(connection: &Connection, component: &str, number: u32) -> Result<Version, Error> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM versions WHERE component = ?1 AND number = ?2"
    ))?;
    let found = select
        .query_row(params![component, number], |row| Ok(read_row(row)))
        .optional()?;
    if let Some(version) = found {
        return version;
    }
    let mut select = connection
        .prepare_cached("SELECT number FROM versions WHERE component = ?1 ORDER BY number")?;
    let known = select.query_map([component], |row| row.get(0))?;
    Err(Error::UnknownVersion {
        component: component.chars().take(100).collect(),
        number,
        known: known.collect::<Result<_, _>>()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Version, Error> {
    let (component, number, bytes, state): (String, u32, i64, String) =
        (row.get(0)?, row.get(1)?, row.get(3)?, row.get(8)?);
    let state = match state.as_str() {
        "added" => VersionState::Added,
        "active" => VersionState::Active,
        "superseded" => VersionState::Superseded,
        "rolled-back" => VersionState::RolledBack,
        other => {
            return Err(Error::Storage(format!(
                "version {number} of the component `{component}` has the state `{other}`, which this version of sbd does not know; use the sbd that wrote it"
            )));
        }
    };
    Ok(Version {
        component,
        number,
        sha256: row.get(2)?,
        bytes: u64::try_from(bytes).unwrap_or_default(),
        manifest: row.get(4)?,
        deployed_at: row.get(5)?,
        deployed_by: row.get(6)?,
        note: row.get(7)?,
        state,
    })
}
