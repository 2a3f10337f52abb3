//! A running `sbd`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The manifest; the application in the binary when `None`.
    pub app: Option<PathBuf>,
    /// Further environment.
    pub env: Vec<(String, String)>,
}

/// A running `sbd`; killed when dropped.
pub struct Server {
    child: Child,
    launch: Launch,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// `http://127.0.0.1:PORT` of the admin listener.
    pub admin_url: String,
    /// The data directory.
    pub data_dir: Arc<TempDir>,
    /// A client without default headers.
    pub client: reqwest::Client,
    log: Arc<Mutex<String>>,
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

/// The folder that cargo builds into: two above the running test.
pub(crate) fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(3).unwrap().to_owned()
}

fn binary() -> PathBuf {
    let path = target().join("release/sbd");
    assert!(path.exists(), "{} is missing; run `cargo xtask test`, which builds it", path.display());
    path
}

/// Runs `sbd` with these arguments and input to its end.
pub fn run(args: &[&str], env: &[(&str, &str)], input: &str) -> Output {
    let mut command = Command::new(binary());
    clean_environment(&mut command);
    command.args(args).envs(env.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The tests must not depend on how the person who runs them has set up their own server.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SBD_") {
            command.env_remove(name);
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// === impl Server ===

impl Server {
    /// The application in the binary, in a fresh data directory.
    pub async fn start() -> Self {
        Self::launch(Launch::default()).await
    }

    /// A server as described, in a fresh data directory.
    pub async fn launch(launch: Launch) -> Self {
        Self::launch_in(launch, Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// A server as described, in this data directory.
    pub async fn launch_in(launch: Launch, data_dir: Arc<TempDir>) -> Self {
        // Another process may take a port between our look and the server's; then we look again.
        for _ in 0..5 {
            if let Some(server) = Self::attempt(&launch, &data_dir).await {
                return server;
            }
        }
        panic!("the server found its ports taken five times");
    }

    async fn attempt(launch: &Launch, data_dir: &Arc<TempDir>) -> Option<Self> {
        let (port, admin_port) = (free_port(), free_port());
        let (address, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin_port}"));
        let mut command = Command::new(binary());
        clean_environment(&mut command);
        command.args(["up", "--listen", &address, "--admin-listen", &admin, "--data-dir"]).arg(data_dir.path());
        if let Some(app) = &launch.app {
            command.arg("--app").arg(app);
        }
        command.envs(launch.env.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        keep(child.stdout.take().unwrap(), &log);
        keep(child.stderr.take().unwrap(), &log);
        let mut server = Self {
            child,
            launch: launch.clone(),
            url: format!("http://{address}"),
            admin_url: format!("http://{admin}"),
            data_dir: Arc::clone(data_dir),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            log,
        };
        let begun = Instant::now();
        loop {
            let ready = server.client.get(server.at("/readyz")).send().await;
            if ready.is_ok_and(|response| response.status().is_success()) {
                return Some(server);
            }
            if let Some(status) = server.child.try_wait().unwrap() {
                let log = server.log();
                assert!(log.contains("cannot listen on"), "the server ended with {status}:\n{log}");
                return None;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "the server does not get ready:\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A path of the public address.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The public address as `HOST:PORT`, for raw sockets.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Everything it has printed and logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a text to be logged.
    pub async fn wait_for_log(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(10), "no `{text}` in:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The metrics.
    pub async fn metrics(&self) -> String {
        let metrics = self.client.get(format!("{}/metrics", self.admin_url)).send().await.unwrap();
        metrics.text().await.unwrap()
    }

    /// `kill -9`, and the data directory it leaves.
    pub fn kill(mut self) -> (Launch, Arc<TempDir>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.launch.clone(), Arc::clone(&self.data_dir))
    }

    /// SIGTERM; waits for the end and returns whether it was a success.
    pub async fn stop(&mut self) -> bool {
        self.signal("TERM");
        self.wait().await
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the end and returns whether it was a success.
    pub async fn wait(&mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data_dir.path()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a stream says, so that the process never blocks on a full pipe.
fn keep(stream: impl std::io::Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.by_ref().read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}
