//! Backups that a server makes by itself, as its settings say.

use crate::settings::Settings;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use sbd_admin::{Actor, Admin};
use sbd_backup::{Key, NewFile};
use sbd_gateway::Gateway;
use sbd_runtime::Application;
use sbd_telemetry::metrics::{BACKUP_LAST_SUCCESS, BACKUPS};
use serde_json::json;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the names of backups end, and how those begin that a schedule made and may remove.
const END: &str = ".backup";
const BEGIN: &str = "scheduled-";
/// More often would be no backup, but a second writer.
const SHORTEST: Duration = Duration::from_secs(60);
/// After a failure it is tried again so much sooner.
const SOONER: u32 = 24;

/// When to make backups, and where.
pub(crate) struct Schedule {
    every: Duration,
    keep: usize,
    folder: PathBuf,
    key: Option<Key>,
}

// === impl Schedule ===

impl Schedule {
    /// The schedule of the settings, if there is one.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let keep = settings.parse("backup_keep")?;
        if keep == 0 {
            bail!("setting `backup_keep`: keep at least 1");
        }
        let key = match settings.text("backup_key") {
            "" => None,
            text => Some(Key::new(text.as_bytes()).context("setting `backup_key`")?),
        };
        if settings.text("backup_every").is_empty() {
            return Ok(None);
        }
        let every = settings.duration("backup_every")?;
        if every < SHORTEST {
            bail!("setting `backup_every`: at least {} s", SHORTEST.as_secs());
        }
        Ok(Some(Self {
            every,
            keep,
            folder: folder(settings),
            key,
        }))
    }

    /// Makes a backup whenever one is due, for as long as the server runs. `/health` tells how the last
    /// went.
    pub(crate) async fn run(self, admin: Admin, gateway: Gateway<Application>) {
        let mut last = newest(&self.folder);
        gateway.note("backup", said(last, None));
        let mut wait = self.until_due(last);
        loop {
            tokio::time::sleep(wait).await;
            let made = self.make(&admin).await;
            let failed = made.as_ref().err().map(|error| format!("{error:#}"));
            let result = if failed.is_some() { "failed" } else { "made" };
            metrics::counter!(BACKUPS, "result" => result).increment(1);
            match &failed {
                None => {
                    let now = Timestamp::now();
                    metrics::gauge!(BACKUP_LAST_SUCCESS).set(now.as_second() as f64);
                    last = Some(now);
                    wait = self.every;
                }
                Some(error) => {
                    wait = (self.every / SOONER).max(SHORTEST);
                    tracing::error!(error, again_in = ?wait, "no backup was made");
                }
            }
            gateway.note("backup", said(last, failed));
        }
    }

    fn until_due(&self, last: Option<Timestamp>) -> Duration {
        let Some(last) = last else {
            return Duration::ZERO;
        };
        // One of the future was made by a clock that was wrong.
        let age = Timestamp::now()
            .duration_since(last)
            .max(jiff::SignedDuration::ZERO);
        self.every.saturating_sub(age.unsigned_abs())
    }

    async fn make(&self, admin: &Admin) -> anyhow::Result<()> {
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        let folder = &self.folder;
        folders
            .create(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        self.tidy()?;
        let now = format!("{:.0}", Timestamp::now()).replace(':', "-");
        let path = folder.join(format!("{BEGIN}{now}{END}"));
        let file = NewFile::begin(&path, self.key.as_ref())?;
        let (file, manifest) = admin.back_up(&Actor::Host, file).await?;
        let bytes = tokio::task::spawn_blocking(|| file.finish()).await??;
        let file = path.display();
        tracing::info!(%file, bytes, tenants = manifest.tenants.len(), "a backup was made");
        self.drop_old()
    }

    /// Removes what a server that was killed left of one.
    fn tidy(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&format!(".{BEGIN}")) && name.ends_with(".partial") {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the oldest of those that a schedule made, past as many as are kept.
    fn drop_old(&self) -> anyhow::Result<()> {
        let scheduled = backups(&self.folder)?;
        let mut scheduled: Vec<_> = scheduled
            .into_iter()
            .filter(|path| is_scheduled(path))
            .collect();
        // Their names are their times.
        scheduled.sort();
        let old = scheduled.len().saturating_sub(self.keep);
        for path in &scheduled[..old] {
            std::fs::remove_file(path)
                .with_context(|| format!("cannot remove the old backup {}", path.display()))?;
        }
        Ok(())
    }
}

/// What `/health` tells: when the last was made, and why none was since.
fn said(last: Option<Timestamp>, failed: Option<String>) -> serde_json::Value {
    json!({"last": last.map(|last| last.to_string()), "failed": failed})
}

/// Where scheduled backups lie.
pub(crate) fn folder(settings: &Settings) -> PathBuf {
    settings.data_dir().join(settings.text("backup_to"))
}

/// The backups in a folder, the oldest first.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn backups(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(END) && !name.starts_with('.') {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn is_scheduled(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(BEGIN)
}

/// When the newest scheduled one was finished.
fn newest(folder: &Path) -> Option<Timestamp> {
    let backups = backups(folder).ok()?;
    let newest = backups.iter().rfind(|path| is_scheduled(path))?;
    newest.metadata().ok()?.modified().ok()?.try_into().ok()
}
