//! Compiled components on disk: used again, and never trusted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, Server, guest, json, run};
use serde_json::Value;
use std::path::PathBuf;

const WARNING: &str = "compiled component was changed or comes from elsewhere";

/// Bytes of memory that a server has at most when it has nothing to do, beside what its components take: so
/// much for each byte of theirs, as they are in the binary and compiled.
const IDLE: f64 = 80e6;
const EACH: f64 = 6.0;

/// Two small components: compiling all of ours takes half a minute, and most tests here do so again and again.
fn launch() -> Launch {
    Launch::app(&include_str!("apps/spin.toml").replace("{port}", "9")).cold()
}
const SMALL: usize = 2;

/// The application in the binary with an administrator, in a data directory of its own.
async fn whole() -> Server {
    let launch = Launch::default()
        .cold()
        .env("SBD_ADMIN_EMAIL", "root@example.com");
    launch
        .env("SBD_ADMIN_PASSWORD", sbd_tests::PASSWORD)
        .start()
        .await
}

/// What the cache has done since the start: (hits, misses).
async fn figures(server: &Server) -> (usize, usize) {
    let root = Account::login(server, "root@example.com").await;
    let cache = &root.read("/health").await["components"]["compile_cache"];
    let figure = |name: &str| cache[name].as_u64().unwrap().try_into().unwrap();
    (figure("hits"), figure("misses"))
}

fn files(server: &Server) -> Vec<PathBuf> {
    let files = std::fs::read_dir(server.data().join("compiled")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// How many components the application in the binary has.
fn components() -> usize {
    let manifest = include_str!("../../../spin.toml");
    let sources = manifest.lines();
    sources.filter(|line| line.starts_with("source = ")).count()
}

/// How large they are together.
fn bytes_of_components() -> f64 {
    let manifest = include_str!("../../../spin.toml");
    let names = manifest.lines().filter_map(|line| {
        let source = line.strip_prefix("source = \"")?;
        source.rsplit('/').next()?.strip_suffix(".wasm\"")
    });
    let sizes = names.map(|name| std::fs::metadata(guest(name)).unwrap().len());
    sizes.map(|bytes| bytes as f64).sum()
}

async fn serves(server: &Server) {
    for path in ["/older/variable", "/spin/variable"] {
        let told = server.get(&format!("{path}?name=greeting")).await;
        assert_eq!(told.text().await.unwrap(), "good morning", "{path}");
    }
}

#[tokio::test]
async fn a_second_start_compiles_nothing_and_what_compiling_took_is_given_back() {
    let server = whole().await;
    let (memory, idle) = (server.memory(), IDLE + EACH * bytes_of_components());
    let (used, most) = (memory / 1e6, idle / 1e6);
    println!("{used:.0} MB of {most:.0}");
    assert!(memory < idle, "{used:.0} MB, not {most:.0}");
    assert_eq!(figures(&server).await, (0, components()));
    // Beside each lies what it offers.
    assert_eq!(files(&server).len(), 2 * components());
    let server = server.restart().await;
    assert_eq!(figures(&server).await, (components(), 0));
    assert!(!server.log().contains(WARNING));
    let api: Value = json(server.get("/openapi.json").await, 200).await;
    assert!(api["paths"]["/api/v1/families"].is_object(), "{api}");
}

#[tokio::test]
async fn files_that_this_host_did_not_write_are_compiled_anew() {
    let server = launch().start().await;
    let written: Vec<Vec<u8>> = files(&server)
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let other = launch().start().await;
    let foreign: Vec<Vec<u8>> = files(&other)
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    drop(other);
    assert_ne!(
        written, foreign,
        "two data directories have the same secret"
    );

    let altered: Vec<Vec<u8>> = written.iter().map(|file| altered(file)).collect();
    let truncated: Vec<Vec<u8>> = written
        .iter()
        .map(|file| file[..file.len() / 2].to_vec())
        .collect();
    let exchanged: Vec<Vec<u8>> = written.iter().rev().cloned().collect();
    let empty = vec![Vec::new(); written.len()];
    let mut server = server;
    for (what, contents) in [
        ("altered", altered),
        ("truncated", truncated),
        ("foreign", foreign),
        ("exchanged", exchanged),
        ("empty", empty),
    ] {
        let names = files(&server);
        let (launch, data_dir) = server.kill();
        for (name, bytes) in names.iter().zip(&contents) {
            std::fs::write(name, bytes).unwrap();
        }
        server = launch.start_in(data_dir).await;
        assert_eq!(
            server.log().matches(WARNING).count(),
            SMALL,
            "{what}: {}",
            server.log()
        );
        serves(&server).await;
        for (name, bytes) in names.iter().zip(&contents) {
            assert_ne!(
                std::fs::read(name).unwrap(),
                *bytes,
                "{what}: the file was not replaced"
            );
        }
    }
}

/// One bit in the middle of the machine code is another.
fn altered(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    file
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_hindrance() {
    let server = launch().start().await;
    let (launch, data_dir) = server.kill();
    // A folder where the file should be: not readable as one, not replaceable by one.
    for file in std::fs::read_dir(data_dir.path().join("compiled")).unwrap() {
        let file = file.unwrap().path();
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir_all(file.join("x")).unwrap();
    }
    let server = launch.start_in(data_dir).await;
    assert!(
        server.log().contains("cannot keep a compiled component"),
        "{}",
        server.log()
    );
    serves(&server).await;
}

#[tokio::test]
async fn a_disk_that_fills_is_no_hindrance_and_nothing_is_left_behind() {
    let data_dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let launch = launch();
    let full = launch.clone().largest_file(1 << 19);
    let server = full.start_in(data_dir.clone()).await;
    let log = server.log();
    assert!(log.contains("cannot keep a compiled component"), "{log}");
    serves(&server).await;
    // What was offered is small enough.
    let is_offer = |file: &PathBuf| file.extension().is_some_and(|end| end == "offer");
    assert!(files(&server).iter().all(is_offer), "{:?}", files(&server));
    drop(server);
    // What a process that was killed was writing goes, too.
    let partial = data_dir.path().join("compiled/x.1234.partial");
    std::fs::write(&partial, "half").unwrap();
    let server = launch.start_in(data_dir).await;
    assert!(!partial.exists());
    assert_eq!(files(&server).len(), 2 * SMALL);
}

#[tokio::test]
async fn what_nobody_serves_any_more_goes() {
    let server = launch().start().await;
    let served = files(&server);
    let (launch, data_dir) = server.kill();
    let old = data_dir.path().join("compiled/0-0.cwasm");
    let month = std::time::Duration::from_secs(31 * 24 * 3600);
    for file in served.iter().chain([&old]) {
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        file.set_modified(std::time::SystemTime::now() - month)
            .unwrap();
    }
    let server = launch.start_in(data_dir).await;
    server.wait_for("the old file gone", || !old.exists()).await;
    assert_eq!(files(&server), served);
}

#[test]
fn a_check_leaves_no_trace() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("data").display().to_string();
    let launch = launch();
    let app = launch.application().manifest().display().to_string();
    let checked = run(&["check", "--app", &app, "--data-dir", &path], &[], "");
    assert!(checked.success, "{checked:?}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}
