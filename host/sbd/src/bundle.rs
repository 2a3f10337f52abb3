//! The application that the binary carries.

use std::io;
use std::path::Path;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/bundle.rs"));
}

/// The manifest's text; `None` in a binary that was built without the components.
pub(crate) fn manifest() -> Option<&'static str> {
    file("spin.toml").and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// A component's bytes, by the file name of its `source`.
pub(crate) fn read(source: &Path) -> io::Result<Vec<u8>> {
    let name = source
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let bytes =
        file(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in this binary"))?;
    Ok(bytes.to_vec())
}

fn file(name: &str) -> Option<&'static [u8]> {
    embedded::FILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, bytes)| *bytes)
}
