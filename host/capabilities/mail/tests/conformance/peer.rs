//! A real mail server, another program: `cargo xtask test` gets it.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// A mail server that runs, and what it has taken.
pub(crate) struct Peer {
    server: Child,
    lines: Mutex<Lines<BufReader<ChildStdout>>>,
    pub(crate) port: u64,
    pub(crate) certificate: String,
}

// === impl Peer ===

impl Peer {
    /// Starts one: `plain`, `starttls` or `tls`. `None` where this machine has none, which is said.
    pub(crate) fn start(mode: &str, folder: &Path) -> Option<Self> {
        let python = match python() {
            Ok(python) => python,
            Err(missing) => {
                // libtest swallows what `println!` prints in a test that passes.
                let mut out = std::io::stdout();
                writeln!(out, "SKIPPED-PEER: mail over SMTP: {}", missing.trim()).unwrap();
                return None;
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/server.py");
        let mut command = Command::new(python);
        command.arg(script).arg(mode).arg(folder);
        // It says much of what it is there to refuse.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Some(Self {
            server,
            lines: Mutex::new(lines),
            port: first["port"].as_u64().unwrap(),
            certificate: first["certificate"].as_str().unwrap().to_owned(),
        })
    }

    /// The next mail that it has taken.
    pub(crate) fn mail(&self) -> Value {
        let line = self.lines.lock().unwrap().next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The python that has what the server needs.
fn python() -> Result<PathBuf, String> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/smtp");
    if folder.join("complete").exists() {
        return Ok(folder.join("bin/python"));
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    Err(lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets its server".to_owned()))
}
