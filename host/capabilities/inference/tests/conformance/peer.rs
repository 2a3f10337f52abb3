//! Real servers with models, other programs: `cargo xtask test` gets them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use url::Url;

/// A server that runs.
pub(crate) struct Peer {
    server: Child,
    pub(crate) address: Url,
    pub(crate) model: String,
}

// === impl Peer ===

impl Peer {
    /// Starts one. `None` where this machine has none, which is said.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let folder = match folder(name) {
            Ok(folder) => folder,
            Err(missing) => {
                // libtest swallows what `println!` prints in a test that passes.
                let mut out = std::io::stdout();
                writeln!(out, "SKIPPED-PEER: {name}: {}", missing.trim()).unwrap();
                return None;
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/server.py");
        let mut command = Command::new(folder.join("bin/python"));
        command.arg(script).arg(name).arg(&folder);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(server.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        Some(Self {
            server,
            address: said["address"].as_str().unwrap().parse().unwrap(),
            model: said["model"].as_str().unwrap().to_owned(),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends what it started when nobody holds its input any more.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

fn folder(name: &str) -> Result<PathBuf, String> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers").join(name);
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    Err(lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets its server".to_owned()))
}
