//! Keys that never leave the host: one file a tenant for each kind of key, readable by the host's user alone.
//!
//! What a key is and does is the capability's that has it, its [`Kind`]; how keys are made, kept, rotated and lost is
//! the same for all of them, and stands here.

mod error;
mod file;
mod keyring;
mod secret;

pub use error::Error;
pub use keyring::{FileKeyring, Keys, Kind, check, now};
pub use secret::HostSecret;

use std::path::Path;

/// Removes from folders that nobody else uses what processes that were killed were writing. Blocks.
///
/// # Errors
/// [`Error::File`].
pub fn tidy<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
    folders.into_iter().try_for_each(file::tidy)
}
