//! The passwords capability, `sbd:platform/passwords`: hash, verify and rehash outside the guest.
//!
//! One [`Hasher`] serves the process. Hashing is slow on purpose, so it runs off the async threads
//! and only so much of it at a time; whoever comes when too many wait is told to come again.

mod bindings;
mod error;
mod hasher;
mod host;
mod settings;
mod stored;

pub use error::{Error, UnknownAlgorithm};
pub use hasher::{Hasher, MAX_PASSWORD_BYTES, Verdict};
pub use settings::{Algorithm, Settings};

use sbd_metering::Metered;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::{HasData, Linker};

/// What a component may do with passwords for a tenant: at most half of what this host computes and
/// lets wait, so that no tenant's logins keep those of all others out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordsCtx {
    hasher: Arc<Hasher>,
    share: Arc<Semaphore>,
}

/// Implemented by the data of a store whose components hash passwords.
pub trait PasswordsView: Send {
    /// Password hashing as this store's component sees it.
    fn passwords(&mut self) -> &mut PasswordsCtx;
}

struct Passwords;

impl HasData for Passwords {
    type Data<'a> = &'a mut PasswordsCtx;
}

/// Links `sbd:platform/passwords`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: PasswordsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::passwords::add_to_linker::<T, Passwords>(linker, T::passwords)
}

// === impl PasswordsCtx ===

impl PasswordsCtx {
    /// Passwords are hashed by this hasher.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        let share = Arc::new(Semaphore::new(hasher.share()));
        Self { hasher, share }
    }

    /// Hashes a password with today's algorithm and parameters. The text names both: PHC form for
    /// Argon2id, modular crypt form for bcrypt.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the password has 1 to [`MAX_PASSWORD_BYTES`] bytes (bcrypt: 1 to
    /// 72), [`Error::Busy`], [`Error::Unavailable`].
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let _place = self.share.try_acquire().map_err(|_| Error::Busy)?;
        self.hasher.hash(password).await
    }

    /// How hard a password is to guess, from 0, at once, to 4, not at all, for somebody who knows these texts about
    /// its owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the password has 1 to [`MAX_PASSWORD_BYTES`] bytes and the texts are at most ten of
    /// 256 bytes, [`Error::Busy`], [`Error::Unavailable`].
    pub async fn strength(&self, password: String, known: Vec<String>) -> Result<u8, Error> {
        let _place = self.share.try_acquire().map_err(|_| Error::Busy)?;
        self.hasher.strength(password, known).await
    }

    /// Compares a password with a hash. Without a hash, or with one that cannot be read, it takes
    /// as long as with one of today's and says no.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the password has 1 to [`MAX_PASSWORD_BYTES`] bytes,
    /// [`Error::Busy`], [`Error::Unavailable`].
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<Verdict, Error> {
        let _place = self.share.try_acquire().map_err(|_| Error::Busy)?;
        self.hasher.verify(password, hash).await
    }
}
