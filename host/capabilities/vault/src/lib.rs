//! The vault capability, `sbd:platform/vault`: encrypt fields with keys that never leave the host.
//!
//! Each tenant has its own keys in a [`Keyring`]. What is sealed names the key, and belongs to the tenant, the
//! component, the purpose and the context that it was sealed for; it opens for no other. ring does all sealing and
//! opening.

mod bindings;
mod error;
mod host;
mod key;
mod sealed;

pub use error::Error;
pub use key::{Key, StoredKey};
pub use sealed::{MAX_CONTEXT_BYTES, MAX_PLAIN_BYTES, Opened};

use futures::future::BoxFuture;
use sbd_keyring::Keys;
use sbd_metering::Metered;
use sealed::Belonging;
use std::fmt;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// Keys that seal, in a folder, one file a tenant.
pub type FileKeyring = sbd_keyring::FileKeyring<Key>;

/// Where keys that seal are kept.
pub trait Keyring: Send + Sync + 'static {
    /// The keys of a tenant; made on first use.
    fn keys<'a>(
        &'a self,
        tenant: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Keys<Key>>, sbd_keyring::Error>>;

    /// Seals with a new key from now on. What was sealed before opens as before.
    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), sbd_keyring::Error>>;
}

/// What a component of one tenant may seal and open. Cheap to clone.
#[derive(Clone)]
pub struct VaultCtx {
    keyring: Arc<dyn Keyring>,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components encrypt fields.
pub trait VaultView: Send {
    /// The tenant's vault as this store's component sees it.
    fn vault(&mut self) -> &mut VaultCtx;
}

struct Vault;

impl HasData for Vault {
    type Data<'a> = &'a mut VaultCtx;
}

/// Links `sbd:platform/vault`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: VaultView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::vault::add_to_linker::<T, Vault>(linker, T::vault)
}

impl Keyring for FileKeyring {
    fn keys<'a>(
        &'a self,
        tenant: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Keys<Key>>, sbd_keyring::Error>> {
        Box::pin(self.keys(tenant))
    }

    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), sbd_keyring::Error>> {
        Box::pin(self.rotate(tenant))
    }
}

// === impl VaultCtx ===

impl VaultCtx {
    /// The vault of a component of a tenant, with the keys of a keyring.
    pub fn new(keyring: Arc<dyn Keyring>, tenant: Arc<str>, component: Arc<str>) -> Self {
        Self {
            keyring,
            tenant,
            component,
        }
    }

    /// Seals a plain text of at most [`MAX_PLAIN_BYTES`] for a purpose, with a context of at most
    /// [`MAX_CONTEXT_BYTES`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when something is out of bounds; any other when the keyring does not answer.
    pub async fn encrypt(
        &self,
        purpose: &str,
        context: &str,
        plain: Vec<u8>,
    ) -> Result<String, Error> {
        let belonging = self.belonging(purpose, context)?;
        let keys = self.keyring.keys(&self.tenant).await?;
        sealed::seal(&keys, belonging, plain)
    }

    /// Opens what was sealed for the same purpose with the same context.
    ///
    /// # Errors
    /// [`Error::Invalid`] when purpose or context is out of bounds; any other when the keyring does not answer.
    pub async fn decrypt(
        &self,
        purpose: &str,
        context: &str,
        sealed: &str,
    ) -> Result<Opened, Error> {
        let belonging = self.belonging(purpose, context)?;
        let keys = self.keyring.keys(&self.tenant).await?;
        Ok(sealed::open(&keys, belonging, sealed))
    }

    fn belonging<'a>(&'a self, purpose: &'a str, context: &'a str) -> Result<Belonging<'a>, Error> {
        let belonging = Belonging {
            tenant: &self.tenant,
            component: &self.component,
            purpose,
            context,
        };
        belonging.check().map(|()| belonging)
    }
}

impl fmt::Debug for VaultCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultCtx")
            .field("tenant", &self.tenant)
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}
