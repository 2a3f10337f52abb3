//! Starting `sbd`.

use crate::{Application, Server, server, warm};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    app: Option<Arc<Application>>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    cold: bool,
    largest_file: Option<u64>,
}

/// What a command that ended had to say.
#[derive(Debug)]
pub struct Output {
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

// === impl Launch ===

impl Launch {
    /// Serves this manifest (see [`Application::new`]) instead of the application in the binary.
    pub fn app(manifest: &str) -> Self {
        let app = Some(Arc::new(Application::new(manifest)));
        Self {
            app,
            ..Self::default()
        }
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With one more argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With no file larger than so many bytes, as on a disk that is full.
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.largest_file = Some(bytes);
        self
    }

    /// The application it serves.
    ///
    /// # Panics
    /// When it is the one in the binary.
    pub fn application(&self) -> &Application {
        self.app.as_deref().expect("an application of its own")
    }

    /// With nothing compiled in advance, in a data directory that shares nothing with others.
    pub fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    /// Starts in a fresh data directory and waits until it is ready.
    pub async fn start(self) -> Server {
        self.start_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Starts in this data directory and waits until it is ready.
    pub async fn start_in(self, data_dir: Arc<TempDir>) -> Server {
        if !self.cold {
            warm::prepare(data_dir.path());
        }
        server::start(self, data_dir).await
    }

    /// The command that starts it, complete but for the addresses.
    pub(crate) fn command(&self, data_dir: &TempDir) -> Command {
        let mut command = match self.largest_file {
            None => sbd(),
            Some(bytes) => limited(bytes),
        };
        command.args(["up", "--data-dir"]).arg(data_dir.path());
        if let Some(app) = &self.app {
            command.arg("--app").arg(app.manifest());
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Runs `sbd` with these arguments, environment and input to its end.
pub fn run(args: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut command = sbd();
    command.args(args).envs(environment.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that asks for nothing may be gone before it could be told anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The binary, without what the person who runs the tests has set up for a server of their own.
fn sbd() -> Command {
    let path = target().join("release/sbd");
    assert!(
        path.exists(),
        "{} is missing; run `cargo xtask test`, which builds it",
        path.display()
    );
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SBD_") || text.starts_with("SPIN_VARIABLE_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The binary under a limit of the system, which it is told of by an error instead of a signal.
fn limited(bytes: u64) -> Command {
    let script = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"",
        bytes / 512
    );
    let program = sbd();
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(program.get_program());
    let environment = program.get_envs().filter(|(_, value)| value.is_none());
    environment.for_each(|(name, _)| _ = command.env_remove(name));
    command
}

/// The folder that cargo builds into: two above the running test.
pub(crate) fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(3).unwrap().to_owned()
}
