//! A running `sbd`.

use crate::Launch;
use crate::launch::{Output, run};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Waiting longer than this for anything is a failure. Long, because many tests run at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `sbd`; killed when dropped.
pub struct Server {
    child: Child,
    launch: Launch,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// `http://127.0.0.1:PORT` of the admin listener.
    pub admin_url: String,
    data_dir: Arc<TempDir>,
    /// A client without default headers.
    pub client: reqwest::Client,
    log: Arc<Mutex<String>>,
}

/// Starts a server and waits until it is ready.
pub(crate) async fn start(launch: Launch, data_dir: Arc<TempDir>) -> Server {
    // Another process may take a port between our look and the server's; then we look again.
    for _ in 0..5 {
        if let Some(server) = attempt(&launch, &data_dir).await {
            return server;
        }
    }
    panic!("the server found its ports taken five times");
}

async fn attempt(launch: &Launch, data_dir: &Arc<TempDir>) -> Option<Server> {
    let (address, admin) = (free_address(), free_address());
    let mut command = launch.command(data_dir);
    command.args(["--listen", &address, "--admin-listen", &admin]);
    let mut child = command.spawn().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    keep(child.stdout.take().unwrap(), &log);
    keep(child.stderr.take().unwrap(), &log);
    let mut server = Server {
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
            assert!(
                log.contains("cannot listen on"),
                "the server ended with {status}:\n{log}"
            );
            return None;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the server does not get ready:\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

// === impl Server ===

impl Server {
    /// The application in the binary, in a fresh data directory.
    pub async fn start() -> Self {
        Launch::default().start().await
    }

    /// A path of the public address.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The public address as `HOST:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// An anonymous GET.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.at(path)).send().await.unwrap()
    }

    /// Begins an anonymous GET; its answer comes later, or never.
    pub fn begin(&self, path: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
        tokio::spawn(self.client.get(self.at(path)).send())
    }

    /// An anonymous POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client
            .post(self.at(path))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// Everything it has printed and logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log's events so far.
    pub fn events(&self) -> Vec<Value> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a text to be logged.
    pub async fn wait_for_log(&self, text: &str) {
        self.wait_for(text, || self.log().contains(text)).await;
    }

    /// Waits until something is true.
    pub async fn wait_for(&self, what: &str, mut check: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !check() {
            assert!(begun.elapsed() < PATIENCE, "no `{what}`:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The sum of a metric's series whose labels contain `label`; 0 if there is none.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.metrics().await;
        let lines = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// The metrics.
    pub async fn metrics(&self) -> String {
        let metrics = self
            .client
            .get(format!("{}/metrics", self.admin_url))
            .send()
            .await
            .unwrap();
        metrics.text().await.unwrap()
    }

    /// `kill -9`, while others still ask it.
    pub fn kill_now(&self) {
        self.signal("-KILL");
    }

    /// `kill -9`, and what is needed to start again.
    pub fn kill(mut self) -> (Launch, Arc<TempDir>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.launch.clone(), Arc::clone(&self.data_dir))
    }

    /// `kill -9`, and the same again.
    pub async fn restart(self) -> Self {
        let (launch, data_dir) = self.kill();
        launch.start_in(data_dir).await
    }

    /// SIGTERM; waits for the end and returns whether it was a success.
    pub async fn stop(&mut self) -> bool {
        self.terminate();
        self.wait().await
    }

    /// The memory that it has now, in bytes.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has had at once, in bytes.
    pub fn peak_memory(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, figure: &str) -> f64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(figure));
        let kilobytes = value.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<f64>().unwrap() * 1024.0
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end and returns whether it was a success.
    pub async fn wait(&mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the server does not stop:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a command against this server, through the socket in its data directory.
    pub fn command(&self, args: &[&str]) -> Output {
        let data_dir = self.data_dir.path().display().to_string();
        let mut all = args.to_vec();
        all.extend(["--data-dir", &data_dir]);
        run(&all, &[], "")
    }

    /// The same for one that must succeed; its output.
    pub fn done(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.success, "{args:?}: {}", output.stderr);
        output.stdout
    }

    /// The same for one that must be refused; what it says.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(!output.success, "{args:?}: {}", output.stdout);
        output.stderr
    }

    /// A client whose requests are for a tenant.
    pub fn as_tenant(&self, tenant: &str) -> reqwest::Client {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("x-sbd-tenant", tenant.parse().unwrap());
        let client = reqwest::Client::builder()
            .no_proxy()
            .default_headers(headers);
        client.build().unwrap()
    }

    /// How it was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data_dir.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a stream says, so that the process never blocks on a full pipe.
fn keep(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            log.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}
