//! Every engine passes the same suite; a further one has only to be named here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod suite;
mod process;

use sbd_ocr::{Engine as _, Settings, Tesseract};
use std::io::Write as _;

/// Tesseract, where this machine has it with English.
async fn tesseract() -> Option<Tesseract> {
    let tesseract = Tesseract::new(Settings::default());
    let installed = tesseract.installed().await.unwrap();
    if installed.is_some_and(|installed| installed.languages.iter().any(|one| one == "eng")) {
        return Some(tesseract);
    }
    // libtest swallows what `println!` prints in a test that passes.
    let mut out = std::io::stdout();
    writeln!(
        out,
        "SKIPPED-PEER: tesseract: no `tesseract` with English on the PATH"
    )
    .unwrap();
    None
}

conformance!(tesseract);
