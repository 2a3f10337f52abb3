//! The keys of this server: a folder for each kind under `keyring` in the data directory.

use sbd_keyring::{Error, HostSecret};
use sbd_keys::Settings;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Secrets of the host itself.
const HOST: &str = "host";
/// With what tenants sign.
const SIGNING: &str = "tenants";
/// With what tenants encrypt.
const SEALING: &str = "vault";

/// The keys of all tenants.
pub(crate) struct Keyrings {
    pub(crate) signing: Arc<sbd_keys::FileKeyring>,
    pub(crate) sealing: Arc<sbd_vault::FileKeyring>,
}

/// Says whether every key in a folder of keyrings can be read. Changes nothing. Blocks.
///
/// # Errors
/// What is wrong with the first that cannot.
pub fn check_keyrings(keyring: &Path) -> Result<(), Error> {
    sbd_keyring::check::<sbd_keys::Key>(&keyring.join(SIGNING))?;
    sbd_keyring::check::<sbd_vault::Key>(&keyring.join(SEALING))?;
    HostSecret::check(&keyring.join(HOST))
}

/// Where the secrets of the host itself are.
pub(crate) fn host_secrets(keyring: &Path) -> PathBuf {
    keyring.join(HOST)
}

// === impl Keyrings ===

impl Keyrings {
    /// Those in a folder, which nobody else uses. Blocks.
    pub(crate) fn open(keyring: &Path, signing: Settings) -> Result<Self, Error> {
        let folders = [SIGNING, SEALING, HOST].map(|folder| keyring.join(folder));
        sbd_keyring::tidy(folders.iter().map(PathBuf::as_path))?;
        let (tenants, vault) = (keyring.join(SIGNING), keyring.join(SEALING));
        Ok(Self {
            signing: Arc::new(sbd_keys::FileKeyring::open(tenants, signing)?),
            sealing: Arc::new(sbd_vault::FileKeyring::open(vault, ())?),
        })
    }

    /// Holds a tenant's keys no longer in memory.
    pub(crate) fn forget(&self, tenant: &str) {
        self.signing.forget(tenant);
        self.sealing.forget(tenant);
    }

    /// Signs and encrypts with new keys for a tenant from now on. What was signed before is good until it runs out, and
    /// what was encrypted opens as before.
    pub(crate) async fn rotate(&self, tenant: &str) -> Result<(), Error> {
        self.signing.rotate(tenant).await?;
        self.sealing.rotate(tenant).await
    }

    /// Removes a tenant's keys for good; answers the files, with their sizes.
    pub(crate) async fn remove(&self, tenant: &str) -> Result<Vec<(PathBuf, u64)>, Error> {
        let removed = [
            self.signing.remove(tenant).await?,
            self.sealing.remove(tenant).await?,
        ];
        Ok(removed.into_iter().flatten().collect())
    }
}
