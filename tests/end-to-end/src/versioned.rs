//! Versions of the guest `versioned`, made by changing the marks in its file.

use crate::guest;
use std::path::PathBuf;
use tempfile::TempDir;

/// The manifest lines of the guest, as it was built.
const MANIFEST: &str = r#"
[application.tool.sbd]
rate_limit = { per_second = 100000, burst = 100000 }

[[trigger.http]]
route = "/versioned/..."
component = "versioned"

[component.versioned]
source = "{guest:versioned}"
"#;

/// A version of the guest.
#[derive(Clone, Debug)]
pub struct Versioned {
    bytes: Vec<u8>,
}

// === impl Versioned ===

impl Versioned {
    /// The manifest lines that serve version 0.
    pub fn manifest() -> &'static str {
        MANIFEST
    }

    /// The version that says this number.
    pub fn new(number: u32) -> Self {
        let bytes = std::fs::read(guest("versioned")).unwrap();
        Self { bytes }.with("version=0000", &format!("version={number:04}"))
    }

    /// One that says it is not well.
    pub fn sick(self) -> Self {
        self.with("health=well", "health=sick")
    }

    /// One whose answers are all 500.
    pub fn failing(self) -> Self {
        self.with("answer=good", "answer=fail")
    }

    fn with(mut self, old: &str, new: &str) -> Self {
        assert_eq!(old.len(), new.len());
        let places: Vec<usize> = (0..self.bytes.len() - old.len())
            .filter(|place| self.bytes[*place..].starts_with(old.as_bytes()))
            .collect();
        assert_eq!(places.len(), 1, "`{old}` is not in the guest once");
        self.bytes[places[0]..places[0] + new.len()].copy_from_slice(new.as_bytes());
        self
    }

    /// Its file, in a folder that goes when the first value is dropped.
    pub fn file(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("versioned.wasm");
        std::fs::write(&path, &self.bytes).unwrap();
        (folder, path)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
