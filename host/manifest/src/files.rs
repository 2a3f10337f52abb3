//! `files`: what of the application's folder a component may read.

use crate::document::Document;
use std::path::{Path, PathBuf};
use toml::{Spanned, Value};

/// Files that a component finds in its file system, and can only read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The folder that everything is relative to, and nothing lies outside of.
    pub folder: PathBuf,
    /// Which files, in the order of the manifest.
    pub mounted: Vec<Mounted>,
    /// Patterns of those that are left out.
    pub excluded: Vec<String>,
}

/// An entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// A file, a folder with all below it, or a pattern; found under the same path.
    Pattern(String),
    /// A file or a folder, found under another path.
    At {
        /// Where it is, in the application's folder.
        source: String,
        /// Where the component finds it, from the root of its file system.
        destination: String,
    },
}

const FIX: &str = "write \"assets/**\", or { source = \"assets\", destination = \"/assets\" }";

// === impl Files ===

impl Files {
    pub(crate) fn read(
        raw: Vec<Spanned<Value>>,
        excluded: Vec<Spanned<String>>,
        folder: &Path,
        document: &Document<'_>,
    ) -> Self {
        let mut mounted = Vec::new();
        for entry in raw {
            match Mounted::read(entry.get_ref()) {
                Ok(read) => mounted.push(read),
                Err(reason) => document.problem(entry.span(), reason),
            }
        }
        for pattern in &excluded {
            if let Err(reason) = check_inside(pattern.get_ref()) {
                document.problem(pattern.span(), reason);
            }
        }
        Self {
            folder: folder.to_owned(),
            mounted,
            excluded: excluded.into_iter().map(Spanned::into_inner).collect(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mounted.is_empty()
    }
}

// === impl Mounted ===

impl Mounted {
    fn read(entry: &Value) -> Result<Self, String> {
        match entry {
            Value::String(pattern) => {
                check_inside(pattern)?;
                Ok(Self::Pattern(pattern.clone()))
            }
            Value::Table(table) if table.len() == 2 => {
                let text = |key: &str| table.get(key).and_then(Value::as_str);
                let (Some(source), Some(destination)) = (text("source"), text("destination"))
                else {
                    return Err(format!("this names no file; {FIX}"));
                };
                check_inside(source)?;
                let inside = destination.strip_prefix('/').unwrap_or(destination);
                if !inside.is_empty() {
                    check_inside(inside)?;
                }
                Ok(Self::At {
                    source: source.to_owned(),
                    destination: destination.to_owned(),
                })
            }
            _ => Err(format!("this names no file; {FIX}")),
        }
    }
}

/// Nothing outside the application's folder can be named.
fn check_inside(path: &str) -> Result<(), String> {
    let is_plain = |part: &str| part != ".." && !part.contains(['\\', ':']);
    if path.is_empty() || path.starts_with('/') || !path.split('/').all(is_plain) {
        return Err(format!(
            "`{path}` is no path within the application's folder; {FIX}"
        ));
    }
    Ok(())
}
