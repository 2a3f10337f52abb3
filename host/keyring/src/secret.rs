//! Secrets of the host itself: for what it signs for its own eyes.

use crate::{Error, file};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt;
use std::path::Path;

/// 32 random bytes in a file that only the host's user may read.
#[derive(Clone)]
pub struct HostSecret([u8; 32]);

// === impl HostSecret ===

impl HostSecret {
    /// Reads the secret `name` in a folder, or makes it. Processes that start together end with
    /// the same one. Blocks.
    ///
    /// # Errors
    /// [`Error::Name`] unless the name is 1 to 63 characters of `a-z0-9-`; [`Error::File`];
    /// [`Error::Damaged`] when the file is not 32 bytes long; [`Error::Unavailable`] without
    /// randomness.
    pub fn load_or_create(folder: &Path, name: &str) -> Result<Self, Error> {
        let path = file::path(folder, name, ".key")?;
        if let Some(content) = file::read(&path)? {
            return Self::read(&path, &content);
        }
        let mut fresh = [0; 32];
        SystemRandom::new()
            .fill(&mut fresh)
            .map_err(|_| Error::Unavailable("drawing randomness"))?;
        if file::create(&path, &fresh)? {
            return Ok(Self(fresh));
        }
        let content = file::read(&path)?.unwrap_or_default();
        Self::read(&path, &content)
    }

    /// The secret. Whoever calls this answers for where it goes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Says whether every secret in a folder can be read. Changes nothing. Blocks.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Damaged`].
    pub fn check(folder: &Path) -> Result<(), Error> {
        for path in file::all(folder, "key")? {
            let content = file::read(&path)?.unwrap_or_default();
            Self::read(&path, &content)?;
        }
        Ok(())
    }

    fn read(path: &Path, content: &[u8]) -> Result<Self, Error> {
        let secret = content.try_into();
        secret
            .map(Self)
            .map_err(|_| Error::damaged(path, "it is not 32 bytes long"))
    }
}

impl fmt::Debug for HostSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostSecret([redacted])")
    }
}
