//! Another version while the server runs: deployed, refused, rolled back, reloaded; and what is left
//! when the server is killed in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Application, Launch, Server, Versioned, assert_error, guest, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const PATH: &str = "/versioned/version";

async fn start() -> Server {
    Launch::app(Versioned::manifest()).start().await
}

/// The version that answers now.
async fn serves(server: &Server) -> u32 {
    let response = server.get(PATH).await;
    assert_eq!(response.status(), 200);
    whole(response).await
}

/// The one version that made an answer, head and body.
async fn whole(response: reqwest::Response) -> u32 {
    let head = response.headers()["x-version"].to_str().unwrap().to_owned();
    let body = response.text().await.unwrap();
    let versions: BTreeSet<&str> = body.lines().chain([head.as_str()]).collect();
    assert_eq!(versions.len(), 1, "an answer of several versions: {body}");
    assert_eq!(body.lines().count(), 4);
    head.parse().unwrap()
}

fn deploy(server: &Server, version: &Versioned, more: &[&str]) -> String {
    let (_folder, path) = version.file();
    let path = path.display().to_string();
    let mut args = vec!["component", "deploy", "versioned", &path];
    args.extend(more);
    server.done(&args)
}

fn refuse(server: &Server, path: &Path, more: &[&str]) -> String {
    let path = path.display().to_string();
    let mut args = vec!["component", "deploy", "versioned", &path];
    args.extend(more);
    server.refused(&args)
}

/// Files of deployed components.
fn files(server: &Server) -> usize {
    let folder = server.data().join("components");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Clients that ask as fast as they can, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    /// The newest version that has been deployed.
    deployed: Arc<AtomicU32>,
    clients: Vec<JoinHandle<u32>>,
}

impl Load {
    fn new(server: &Server) -> Self {
        let (stop, deployed) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let client = || {
            let (client, url) = (server.client.clone(), server.at(PATH));
            let (stop, deployed) = (Arc::clone(&stop), Arc::clone(&deployed));
            tokio::spawn(async move {
                let mut answers = 0;
                while !stop.load(Ordering::Relaxed) {
                    let least = deployed.load(Ordering::SeqCst);
                    let response = client.get(&url).send().await.unwrap();
                    assert_eq!(response.status(), 200);
                    let version = whole(response).await;
                    assert!(version >= least, "{version} after {least} was deployed");
                    answers += 1;
                }
                answers
            })
        };
        let clients = (0..6).map(|_| client()).collect();
        Self {
            stop,
            deployed,
            clients,
        }
    }

    async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = 0;
        for client in self.clients {
            answers += client.await.unwrap();
        }
        answers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_replaces_another_without_a_request_that_notices() {
    let server = start().await;
    assert_eq!(serves(&server).await, 0);
    let slow = server.get("/versioned/slow?ms=1500").await;
    let load = Load::new(&server);
    for number in 1..=5 {
        let said = deploy(&server, &Versioned::new(number), &["--note", "as planned"]);
        assert!(said.contains(&format!("version {number} now")), "{said}");
        load.deployed.store(number, Ordering::SeqCst);
    }
    assert_eq!(serves(&server).await, 5);
    // What ran goes on with what it arrived at, to its last byte.
    assert_eq!(whole(slow).await, 0);
    assert!(load.stop().await > 0);
    // Instances of the old versions end.
    let begun = Instant::now();
    while server.metric("sbd_instances", "versioned").await > 16.0 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let versions = server.done(&["component", "versions", "versioned"]);
    assert_eq!(versions.matches("superseded").count(), 4, "{versions}");
    assert_eq!(versions.matches("as planned").count(), 5, "{versions}");
    let said = server.done(&["component", "rollback", "versioned"]);
    assert!(said.contains("version 4"), "{said}");
    assert_eq!(serves(&server).await, 4);
    server.done(&["component", "rollback", "versioned", "--to", "2"]);
    assert_eq!(serves(&server).await, 2);
    let server = server.restart().await;
    assert_eq!(serves(&server).await, 2);
    let list = server.done(&["component", "list"]);
    assert!(list.contains("versioned                2 "), "{list}");
    server.done(&["component", "withdraw", "versioned"]);
    assert_eq!(serves(&server).await, 0);
    let audit = server.done(&["audit"]);
    for action in [
        "component.deploy",
        "component.rollback",
        "component.withdraw",
    ] {
        assert!(audit.contains(action), "{audit}");
    }
    assert!(
        server
            .refused(&["component", "withdraw", "versioned"])
            .contains("nothing was deployed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_refused_and_the_old_version_stays() {
    let server = start().await;
    deploy(&server, &Versioned::new(1), &[]);
    let folder = tempfile::tempdir().unwrap();
    let good = Versioned::new(2);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let core = write("core.wasm", b"\0asm\x01\0\0\0");
    let empty = write("empty.wasm", b"");
    let text = write("text.wasm", b"hello");
    let cut = write("cut.wasm", &good.bytes()[..good.bytes().len() / 2]);
    let world = wat::parse_str("(component (import \"wasi:nn/graph@0.2.0\" (instance)))").unwrap();
    let other = write("world.wasm", &world);
    let bare = write("bare.wasm", &wat::parse_str("(component)").unwrap());
    let huge = folder.path().join("huge.wasm");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    let sick = write("sick.wasm", Versioned::new(2).sick().bytes());
    let nothing = folder.path().join("nothing.wasm");
    let bad = [
        (core, "component"),
        (empty, "component"),
        (text, "component"),
        (cut, "component"),
        (other, "wasi:nn/graph"),
        (bare, "no HTTP handler"),
        (huge, "134217728"),
        (sick, "/-/health with 503"),
        (nothing, "cannot read"),
        (folder.path().to_owned(), "spin.toml"),
        (guest("memos"), "does not grant"),
        (guest("endless-start"), "cpu_time"),
    ];
    for (path, reason) in bad {
        let said = refuse(&server, &path, &[]);
        assert!(said.contains(reason), "{}: {said}", path.display());
        assert_eq!(serves(&server).await, 1, "{}", path.display());
    }
    // Nothing is left of them.
    assert_eq!(files(&server), 1);
    let versions = server.done(&["component", "versions", "versioned"]);
    assert_eq!(versions.lines().count(), 2, "{versions}");

    for (args, reason) in [
        (
            vec!["component", "versions", "verzioned"],
            "there is no component `verzioned`",
        ),
        (
            vec!["component", "rollback", "verzioned"],
            "there is no component `verzioned`",
        ),
        (
            vec!["component", "rollback", "versioned", "--to", "9"],
            "no version 9",
        ),
        (
            vec!["component", "rollback", "../tenants"],
            "no component name",
        ),
    ] {
        let said = server.refused(&args);
        assert!(said.contains(reason), "{args:?}: {said}");
    }
    let said = refuse(&server, &guest("versioned"), &["--gate-percent", "3"]);
    assert!(said.contains("--gate"), "{said}");
    assert_eq!(serves(&server).await, 1);
    let server = server.restart().await;
    assert_eq!(serves(&server).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_before_is_the_operators_to_allow() {
    let server = start().await;
    let folder = Application::new(
        r#"
[[trigger.http]]
route = "/versioned/..."
component = "versioned"

[[trigger.http]]
route = "/also/..."
component = "versioned"

[component.versioned]
source = "{guest:versioned}"
allowed_outbound_hosts = ["https://api.example.com"]
key_value_stores = ["default"]

[component.versioned.tool.sbd]
grants = ["documents"]
limits = { memory = "32MiB" }
"#,
    );
    let said = refuse(&server, folder.folder(), &[]);
    for right in [
        "use the capability documents",
        "send requests to https://api.example.com",
        "open the key-value store default",
        "answer requests to /also/...",
        "--grant",
    ] {
        assert!(said.contains(right), "{said}");
    }
    assert_eq!(server.get("/also/version").await.status(), 404);
    let path = folder.folder().display().to_string();
    let said = server.done(&["component", "deploy", "versioned", &path, "--grant"]);
    assert!(
        said.contains("may now: use the capability documents"),
        "{said}"
    );
    assert!(said.contains("limit memory: 64MiB -> 32MiB"), "{said}");
    assert_eq!(server.get("/also/nothing").await.status(), 404);
    assert_eq!(serves(&server).await, 0);
    // A file alone keeps what was declared last.
    deploy(&server, &Versioned::new(7), &[]);
    let list = server.done(&["component", "list"]);
    assert!(list.contains("documents"), "{list}");
    assert_eq!(serves(&server).await, 7);
}

/// What ships is made of the components' own manifests: deploying one from its folder changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_ours_is_an_application_of_its_own() {
    let server = Server::start().await;
    let mut deployed = 0;
    for entry in std::fs::read_dir("../../components").unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("spin.toml").exists() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        let alone = Application::alone(name);
        let manifest = alone.manifest().display().to_string();
        // A check compiles, and of all of them for a minute: one stands for the others, which a deployment reads the same.
        if name == "wallet" {
            let checked = run(&["check", "--app", &manifest], &[], "");
            assert!(checked.success, "{name}: {}", checked.stderr);
        }
        let folder = alone.folder().display().to_string();
        let said = server.done(&["component", "deploy", name, &folder]);
        assert_eq!(said.lines().count(), 1, "{said}");
        deployed += 1;
    }
    assert!(deployed > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_somebody_else_comes_and_goes() {
    let server = start().await;
    let hello = Application::new(
        r#"
[[trigger.http]]
route = "/wstd/..."
component = "hello"

[component.hello]
source = "{guest:wstd-hello}"
allowed_outbound_hosts = ["https://example.com"]
"#,
    );
    let path = hello.folder().display().to_string();
    let said = server.refused(&["component", "deploy", "hello", &path]);
    assert!(said.contains("answer requests to /wstd/..."), "{said}");
    server.done(&["component", "deploy", "hello", &path, "--grant"]);
    assert_eq!(server.get("/wstd/hello").await.status(), 200);
    let taken = Application::new(
        r#"
[[trigger.http]]
route = "/versioned/..."
component = "hello"

[component.hello]
source = "{guest:wstd-hello}"
allowed_outbound_hosts = ["https://example.com"]
"#,
    );
    let taken = taken.folder().display().to_string();
    let said = server.refused(&["component", "deploy", "hello", &taken, "--grant"]);
    assert!(said.contains("belongs to versioned"), "{said}");
    let said = server.refused(&["component", "deploy", "other", &path]);
    assert!(said.contains("declares no component `other`"), "{said}");

    // Safe mode leaves it out, and says so.
    let (launch, data) = server.kill();
    let server = launch
        .clone()
        .arg("--safe")
        .start_in(Arc::clone(&data))
        .await;
    assert_error(server.get("/wstd/hello").await, 404, "NOT_FOUND").await;
    assert_eq!(serves(&server).await, 0);
    assert!(server.log().contains("left out: hello"), "{}", server.log());
    let said = server.refused(&["component", "deploy", "hello", &path, "--grant"]);
    assert!(said.contains("safe mode"), "{said}");
    let (_, data) = server.kill();
    let server = launch.start_in(data).await;
    assert_eq!(server.get("/wstd/hello").await.status(), 200);
    server.done(&["component", "withdraw", "hello"]);
    assert_error(server.get("/wstd/hello").await, 404, "NOT_FOUND").await;
    let server = server.restart().await;
    assert_error(server.get("/wstd/hello").await, 404, "NOT_FOUND").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_found_and_the_way_out_is_named() {
    let server = start().await;
    deploy(&server, &Versioned::new(1), &[]);
    deploy(&server, &Versioned::new(2), &[]);
    let sha256 = {
        let list = server.done(&["component", "list"]);
        let line = list
            .lines()
            .find(|line| line.starts_with("versioned"))
            .unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    };
    let (launch, data) = server.kill();
    let folder = std::fs::read_dir(data.path().join("components")).unwrap();
    let mut paths = folder.map(|entry| entry.unwrap().path());
    let damaged = paths
        .find(|path| path.display().to_string().contains(&sha256))
        .unwrap();
    std::fs::write(&damaged, b"\0asm").unwrap();
    let data_dir = data.path().display().to_string();
    let manifest = launch.application().manifest().display().to_string();
    let out = run(
        &["up", "--data-dir", &data_dir, "--app", &manifest],
        &[],
        "",
    );
    assert!(!out.success);
    assert!(
        out.stderr.contains("is not what was deployed"),
        "{}",
        out.stderr
    );
    assert!(out.stderr.contains("--safe"), "{}", out.stderr);
    let rollback = [
        "component",
        "rollback",
        "versioned",
        "--data-dir",
        &data_dir,
        "--app",
        &manifest,
    ];
    let out = run(&rollback, &[], "");
    assert!(out.success, "{}", out.stderr);
    let server = launch.start_in(data).await;
    assert_eq!(serves(&server).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_says_is_served_when_it_is_read_again() {
    let server = start().await;
    let path = server.launch().application().manifest();
    let first = std::fs::read_to_string(&path).unwrap();
    assert!(
        server
            .done(&["reload"])
            .contains("no component is different")
    );
    let more = Application::new(
        r#"
[[trigger.http]]
route = "/wstd/..."
component = "hello"

[component.hello]
source = "{guest:wstd-hello}"
allowed_outbound_hosts = ["https://example.com"]
"#,
    );
    let more = std::fs::read_to_string(more.manifest()).unwrap();
    let more = more.split_once("[[trigger.http]]").unwrap().1;
    let both = format!("{first}\n[[trigger.http]]{more}");

    std::fs::write(&path, both.replace("/wstd/...", "/versioned/...")).unwrap();
    let said = server.refused(&["reload"]);
    assert!(
        said.contains("spin.toml:") && said.contains("is the same as"),
        "{said}"
    );
    std::fs::write(&path, both.replace("source", "sauce")).unwrap();
    assert!(server.refused(&["reload"]).contains("unknown key `sauce`"));
    assert_eq!(serves(&server).await, 0);
    assert_eq!(server.get("/wstd/hello").await.status(), 404);

    std::fs::write(&path, &both).unwrap();
    assert!(server.done(&["reload"]).contains("added: hello"));
    assert_eq!(server.get("/wstd/hello").await.status(), 200);
    std::fs::write(&path, &first).unwrap();
    let slow = server.get("/versioned/slow?ms=300").await;
    server.hang_up();
    let begun = Instant::now();
    while server.get("/wstd/hello").await.status() != 404 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "SIGHUP is not heard"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(whole(slow).await, 0);
    assert_eq!(serves(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deployments_at_once_one_waits_its_turn_by_being_told_so() {
    let server = Arc::new(start().await);
    let deployments = (1..=6).map(|number| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            let (_folder, path) = Versioned::new(number).file();
            let path = path.display().to_string();
            server.command(&["component", "deploy", "versioned", &path])
        })
    });
    let outcomes: Vec<_> = futures::future::join_all(deployments).await;
    let mut done = 0;
    for outcome in outcomes {
        let output = outcome.unwrap();
        if output.success {
            done += 1;
        } else {
            assert!(output.stderr.contains("is under way"), "{}", output.stderr);
        }
    }
    assert!(done > 0);
    let versions = server.done(&["component", "versions", "versioned"]);
    assert_eq!(versions.lines().count(), 1 + done, "{versions}");
    assert_eq!(versions.matches(" active ").count(), 1, "{versions}");
    let served = serves(&server).await;
    let now = server.get(PATH).await;
    assert_eq!(whole(now).await, served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_its_first_requests_is_rolled_back() {
    let server = start().await;
    deploy(&server, &Versioned::new(1), &["--gate", "5"]);
    for _ in 0..5 {
        assert_eq!(serves(&server).await, 1);
    }
    server.wait_for_log("passed its gate").await;
    deploy(
        &server,
        &Versioned::new(2).failing(),
        &["--gate", "20", "--gate-percent", "10"],
    );
    let begun = Instant::now();
    let mut failed = 0;
    while server.get(PATH).await.status() != 200 {
        failed += 1;
        assert!(begun.elapsed() < Duration::from_secs(30), "not rolled back");
    }
    assert!(failed >= 3, "rolled back after {failed}");
    assert_eq!(serves(&server).await, 1);
    server.wait_for_log("did not pass its gate").await;
    let audit = server.done(&["audit"]);
    assert!(audit.contains("host"), "{audit}");
    let server = server.restart().await;
    assert_eq!(serves(&server).await, 1);
}

/// Kills the server this long after a deployment began and starts it again: what is served is what was
/// written down, whole, and no file is left that nothing names. The server, and whether it serves the
/// new version.
async fn kill_while_it_deploys(server: Server, number: u32, moment: Duration) -> (Server, bool) {
    let before = serves(&server).await;
    let (_folder, path) = Versioned::new(number).file();
    let (path, data_dir) = (
        path.display().to_string(),
        server.data().display().to_string(),
    );
    let deployment = tokio::task::spawn_blocking(move || {
        let deploy = ["component", "deploy", "versioned", &path];
        run(&[&deploy[..], &["--data-dir", &data_dir]].concat(), &[], "")
    });
    tokio::time::sleep(moment).await;
    let (launch, data) = server.kill();
    let answer = deployment.await.unwrap();
    assert!(
        answer.success || answer.stderr.contains("server"),
        "{}",
        answer.stderr
    );
    let server = launch.start_in(data).await;
    let after = serves(&server).await;
    assert!(
        [before, number].contains(&after),
        "{after}, not {before} or {number}"
    );
    assert!(
        !answer.success || after == number,
        "a deployment that was answered is lost"
    );
    let versions = server.done(&["component", "versions", "versioned"]);
    let lines = versions.lines().skip(1);
    let active = lines.clone().filter(|line| line.contains(" active "));
    assert_eq!(active.count(), usize::from(after > 0), "{versions}");
    assert_eq!(files(&server), lines.count(), "{versions}");
    (server, after == number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_compiles_starts_with_what_it_had() {
    let mut server = Launch::app(Versioned::manifest()).cold().start().await;
    for number in 1..=4 {
        let moment = Duration::from_millis(u64::from(number * number) * 10);
        (server, _) = kill_while_it_deploys(server, number, moment).await;
    }
    deploy(&server, &Versioned::new(9), &[]);
    assert_eq!(serves(&server).await, 9);
}

/// Closes in on the moment that counts, from before and from after. What is deployed was compiled
/// before, so that this moment is not lost in the time that compiling takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_deploys_starts_with_the_old_version_or_the_new() {
    let numbers = 101..=116;
    let server = start().await;
    for number in numbers.clone() {
        deploy(&server, &Versioned::new(number), &[]);
    }
    let mut server = start().await;
    let begun = Instant::now();
    deploy(&server, &Versioned::new(100), &[]);
    let mut moment = begun.elapsed() / 4;
    let (mut old, mut new) = (0, 0);
    for number in numbers {
        let is_new;
        (server, is_new) = kill_while_it_deploys(server, number, moment).await;
        if is_new {
            new += 1;
            moment = moment * 4 / 5;
        } else {
            old += 1;
            // A busy machine may take many times what the first deployment did.
            let longer = if new == 0 { moment } else { moment / 4 };
            moment += longer + Duration::from_millis(1);
        }
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_says_the_same() {
    let server = start().await;
    let owner = |args: &[&str]| server.command(args);
    let socket = server.data().join("sbd.sock");
    assert!(socket.exists());
    let client = reqwest::Client::builder()
        .no_proxy()
        .unix_socket(socket)
        .build()
        .unwrap();
    let at = |path: &str| format!("http://sbd/admin/api/v1{path}");
    let form = reqwest::multipart::Form::new().text("wazm", "x");
    let refused = client
        .post(at("/components/versioned/versions"))
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_error(refused, 422, "VALIDATION_ERROR").await;
    let refused = client
        .post(at("/components/versioned/versions"))
        .body("x")
        .send()
        .await
        .unwrap();
    assert_error(refused, 400, "MALFORMED_REQUEST").await;
    let part = reqwest::multipart::Part::bytes(Versioned::new(3).bytes().to_vec());
    let form = reqwest::multipart::Form::new().part("wasm", part);
    let done = client
        .post(at("/components/versioned/versions"))
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(done.status(), 201);
    let body: Value = done.json().await.unwrap();
    assert_eq!(
        (body["number"].as_u64(), body["state"].as_str()),
        (Some(1), Some("active"))
    );
    assert_eq!(serves(&server).await, 3);
    let components: Value = client
        .get(at("/components"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(components[0]["version"], 1);
    let refused = client
        .post(at("/components/versioned/rollback"))
        .body("{\"too\":1}")
        .send()
        .await
        .unwrap();
    assert_error(refused, 422, "VALIDATION_ERROR").await;
    assert!(owner(&["component", "rollback", "versioned"]).success);
    assert_eq!(serves(&server).await, 0);
}
