//! A data directory in one file, and back.
//!
//! A backup is a tar archive of what a data directory holds, with a manifest ([`Manifest`]) as its last
//! entry and, behind its end, where tar does not look, the SHA-256 of everything before: no bit of it
//! can change unnoticed. With a [`Key`] the whole is sealed besides.
//!
//! It is not compressed: that would take a processor from those who are answered meanwhile (deflate
//! some twenty seconds a gigabyte). Whoever keeps many can compress a file that is not sealed.

mod error;
mod file;
mod footer;
mod manifest;
mod paced;
mod read;
mod restore;
mod seal;
mod write;

pub use error::Error;
pub use file::NewFile;
pub use manifest::{Manifest, Part};
pub use paced::Paced;
pub use read::{contents, extract};
pub use restore::{RESTORING, check_databases, restore};
pub use seal::Key;
pub use write::Backup;

/// What a data directory holds that a backup takes. Whoever adds a folder to it adds it here; what is
/// left out (compiled components, locks, temporary files) a server makes anew.
const FOLDERS: [&str; 4] = ["tenants", "keyring", "components", "mail"];
/// How the folder of a tenant's blobs is named, beside its database.
const BLOBS: &str = ".blobs";
/// The host's own database, and files beside it.
const HOST: &str = "host.db";
const FILES: [&str; 2] = ["format", "sbd.toml"];

/// Whether a path is that of a database of the host's own: its own one, or a tenant's. In any deeper one a
/// component may run statements, and so may make it what SQLite calls damaged: that is taken as it is, or
/// one component could keep everything from being backed up.
fn is_own_database(path: &str) -> bool {
    let tenants = path.strip_prefix("tenants/");
    let name = tenants.unwrap_or(path);
    name.ends_with(".db") && !name.contains('/')
}

/// Whether a path is one of a backup's: relative, plain, and in a place that a backup fills.
fn is_ours(path: &str) -> bool {
    let plain = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
    };
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match rest {
        "" => first == HOST || FILES.contains(&first),
        rest => FOLDERS.contains(&first) && rest.split('/').all(plain),
    }
}
