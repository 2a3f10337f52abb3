//! What a backup says of itself.

use serde::{Deserialize, Serialize};

/// The entry that the manifest is.
pub(crate) const NAME: &str = "backup.json";
/// The form of backups that this version writes.
pub(crate) const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the backup; 1.
    pub format: u32,
    /// The version of sbd that made it.
    pub version: String,
    /// When it was begun, RFC 3339.
    pub created_at: String,
    /// The tenants that there were.
    pub tenants: Vec<String>,
    /// What is in it, in order.
    pub parts: Vec<Part>,
}

/// A file of the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where it lies in the data directory.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of what is in it, in hexadecimal digits.
    pub sha256: String,
}

// === impl Manifest ===

impl Manifest {
    /// The lengths of all parts together.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}
