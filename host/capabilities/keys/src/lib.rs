//! The keys capability, `sbd:platform/keys`: sign and verify tokens with keys that never leave
//! the host.
//!
//! Each tenant has its own keys in a [`Keyring`]. A token names its tenant, its purpose and the key
//! that signed it, and is good for no other. ring does all signing and verifying.

mod bindings;
mod error;
mod host;
mod key;
mod keyring;
mod settings;
mod token;

pub use error::{Error, UnknownAlgorithm};
pub use key::{Key, StoredKey};
pub use keyring::{FileKeyring, Keyring, TenantKeys};
pub use settings::{Algorithm, Settings};
pub use token::{MAX_CLAIMS_BYTES, MAX_TOKEN_BYTES, MAX_TTL, Verdict};

use sbd_keyring::now;
use sbd_metering::Metered;
use std::fmt;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What a component of one tenant may do with keys. Cheap to clone.
#[derive(Clone)]
pub struct KeysCtx {
    keyring: Arc<dyn Keyring>,
    tenant: Arc<str>,
}

/// Implemented by the data of a store whose components sign tokens.
pub trait KeysView: Send {
    /// The tenant's keys as this store's component sees them.
    fn keys(&mut self) -> &mut KeysCtx;
}

struct Keys;

impl HasData for Keys {
    type Data<'a> = &'a mut KeysCtx;
}

/// Links `sbd:platform/keys`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: KeysView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::keys::add_to_linker::<T, Keys>(linker, T::keys)
}

// === impl KeysCtx ===

impl KeysCtx {
    /// The keys of a tenant in a keyring.
    pub fn new(keyring: Arc<dyn Keyring>, tenant: Arc<str>) -> Self {
        Self { keyring, tenant }
    }

    /// Signs claims, a JSON object, as a JWT for 1 to [`MAX_TTL`] seconds.
    ///
    /// # Errors
    /// [`Error::Invalid`] when claims, purpose or time to live are out of bounds; any other when
    /// the keyring does not answer.
    pub async fn sign(&self, purpose: &str, claims: &str, ttl: u32) -> Result<String, Error> {
        self.sign_at(purpose, claims, ttl, now()).await
    }

    /// Checks a token's signature, tenant, purpose and times.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the purpose is none; any other when the keyring does not answer.
    pub async fn verify(&self, purpose: &str, token: &str) -> Result<Verdict, Error> {
        self.verify_at(purpose, token, now()).await
    }

    /// The public keys as a JSON Web Key Set (RFC 7517); empty with HS256.
    ///
    /// # Errors
    /// When the keyring does not answer.
    pub async fn jwks(&self) -> Result<String, Error> {
        let keys = self.keyring.keys(&self.tenant).await?;
        Ok(keyring::jwks(&keys, now()))
    }

    /// [`Self::sign`] at another time, in Unix seconds.
    ///
    /// # Errors
    /// Those of [`Self::sign`].
    pub async fn sign_at(
        &self,
        purpose: &str,
        claims: &str,
        ttl: u32,
        now: i64,
    ) -> Result<String, Error> {
        token::check_purpose(purpose)?;
        let keys = self.keyring.keys(&self.tenant).await?;
        token::sign(&self.tenant, &keys.current, purpose, claims, ttl, now)
    }

    /// [`Self::verify`] at another time, in Unix seconds.
    ///
    /// # Errors
    /// Those of [`Self::verify`].
    pub async fn verify_at(&self, purpose: &str, token: &str, now: i64) -> Result<Verdict, Error> {
        token::check_purpose(purpose)?;
        let keys = self.keyring.keys(&self.tenant).await?;
        Ok(token::verify(&self.tenant, &keys, purpose, token, now))
    }
}

impl fmt::Debug for KeysCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysCtx")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
