//! `sbd backup`: the data directory in one file, and back.

pub(crate) mod schedule;

use crate::cli::{BackupCommand, BackupCreate, BackupFile};
use crate::client::Client;
use crate::data_dir::{LOCK, lock};
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use sbd_backup::{Error, Key, Manifest, check_databases, contents, extract, restore};
use sbd_registry::Registry;
use std::path::Path;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(
    command: BackupCommand,
    settings: &Settings,
    client: &Client<'_>,
) -> anyhow::Result<()> {
    match command {
        BackupCommand::Create(BackupCreate { to, key_file, .. }) => {
            let key = key(key_file.as_deref())?;
            let bytes = client.download("/backup", &to, key.as_ref()).await?;
            let file = to.display();
            println!(
                "everything is in {file} ({bytes} bytes), keys and passwords' hashes too: keep it as safe as the server itself."
            );
            println!("`sbd backup verify {file}` says whether it is whole.");
        }
        BackupCommand::List(_) => list(settings)?,
        BackupCommand::Verify(BackupFile { file, key_file, .. }) => {
            let key = key(key_file.as_deref())?;
            let manifest = verify(&file, key.as_ref()).await?;
            println!("{} is whole: {}", file.display(), described(&manifest));
        }
        BackupCommand::Restore(BackupFile { file, key_file, .. }) => {
            let key = key(key_file.as_deref())?;
            let data_dir = settings.data_dir();
            let lock = lock(&data_dir)?;
            let manifest = restore(&file, key.as_ref(), &data_dir, LOCK)?;
            // Whoever had it before has nothing in it any more.
            lock.set_len(0)?;
            println!(
                "{} is restored into {}: {}",
                file.display(),
                data_dir.display(),
                described(&manifest)
            );
        }
    }
    Ok(())
}

fn key(file: Option<&Path>) -> anyhow::Result<Option<Key>> {
    Ok(file.map(Key::read).transpose()?)
}

fn described(manifest: &Manifest) -> String {
    format!(
        "of {}, by sbd {}; {} tenants, {} files, {} bytes",
        manifest.created_at,
        manifest.version,
        manifest.tenants.len(),
        manifest.parts.len(),
        manifest.bytes()
    )
}

/// Restores the backup into a temporary folder and looks at everything there.
async fn verify(file: &Path, key: Option<&Key>) -> anyhow::Result<Manifest> {
    let folder = tempfile::tempdir().context("no temporary folder; name one in TMPDIR")?;
    let extracted = extract(file, key, folder.path());
    let manifest = match extracted {
        Err(error @ Error::Io(_)) => Err(error).context(
            "a backup is verified in a temporary folder, which TMPDIR names, and needs as much room there",
        ),
        extracted => extracted.map_err(anyhow::Error::from),
    }?;
    check_databases(folder.path(), &manifest)?;
    let keys = sbd_runtime::check_keyrings(&folder.path().join("keyring"));
    keys.context("this backup cannot be trusted")?;
    let registry = Registry::open(folder.path()).await?;
    if let Some(broken) = registry.audit.verify().await? {
        bail!(
            "the account of changes in this backup was altered: its entry {} does not follow from those before it",
            broken.id
        );
    }
    if let Some(damaged) = registry.versions.check().await?.first() {
        bail!("this backup cannot be trusted: {damaged}");
    }
    for tenant in &manifest.tenants {
        registry.tenants.find(tenant)?;
    }
    Ok(manifest)
}

/// The backups in the folder of the settings, the newest last.
fn list(settings: &Settings) -> anyhow::Result<()> {
    let folder = schedule::folder(settings);
    let backups = schedule::backups(&folder)?;
    if backups.is_empty() {
        println!("there are no backups in {}", folder.display());
        return Ok(());
    }
    println!("{}:", folder.display());
    println!("{:<44} {:>14}  CONTENTS", "NAME", "BYTES");
    for path in backups {
        let bytes = path.metadata().map_or(0, |file| file.len());
        let what = match contents(&path) {
            Ok(manifest) => described(&manifest),
            Err(Error::Key(_)) => "sealed".to_owned(),
            Err(error) => error.to_string(),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:<44} {bytes:>14}  {what}");
    }
    Ok(())
}
