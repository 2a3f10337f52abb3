//! Everything in one file, and back; and data that somebody has damaged, copied in the middle of something,
//! or written with another version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, Server, json, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const KEY: &str = "0123456789abcdef0123456789abcdef";

async fn notes() -> Server {
    Launch::app(include_str!("apps/notes.toml")).start().await
}

/// Writers that go on until they are told to stop.
struct Writing {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    writers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Writing {
    fn begin(ada: &Account) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let write = |_| {
            let (ada, stop, answered) = (ada.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(write(ada, stop, answered))
        };
        let writers = (0..8).map(write).collect();
        Self {
            stop,
            answered,
            writers,
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = 0;
        for writer in self.writers {
            all += writer.await.unwrap().len();
        }
        all
    }
}

async fn write(ada: Account, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let note = json!({"text": "x".repeat(2000)});
        let created = ada.post("/api/v1/notes", &note).send().await.unwrap();
        let note = json(created, 201).await;
        ids.push(note["_id"].as_str().unwrap().to_owned());
        answered.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

async fn total(ada: &Account) -> usize {
    let total = ada.read("/api/v1/notes").await["total"].as_u64().unwrap();
    usize::try_from(total).unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a command that must be refused; what it says.
fn refused(args: &[&str]) -> String {
    let output = run(args, &[], "");
    assert!(!output.success, "{args:?}: {}", output.stdout);
    output.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_writers_holds_all_that_was_answered_before_it() {
    let server = notes().await;
    server.done(&["tenant", "create", "acme"]);
    let ada = Account::register(&server, "ada").await;
    let folder = tempfile::tempdir().unwrap();
    let file = text(&folder.path().join("one.backup"));
    let writing = Writing::begin(&ada);
    server.wait_for("writes", || writing.answered() > 50).await;
    let before = writing.answered();
    server.done(&["backup", "create", "--to", &file]);
    let after = writing.end().await;
    assert!(after > before, "nothing was written beside it");

    let said = server.done(&["backup", "verify", &file]);
    assert!(said.contains("2 tenants"), "{said}");
    // Neither a backup nor a directory is written over, least of all one in use.
    assert!(
        server
            .refused(&["backup", "create", "--to", &file])
            .contains("already")
    );
    assert!(
        server
            .refused(&["backup", "restore", &file])
            .contains("another sbd uses")
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(server.done(&["audit"]).contains("backup.create"));

    let (launch, _) = server.kill();
    let restored = Arc::new(tempfile::tempdir().unwrap());
    let data_dir = text(restored.path());
    let said = run(
        &["backup", "restore", &file, "--data-dir", &data_dir],
        &[],
        "",
    );
    assert!(said.success, "{}", said.stderr);
    let said = refused(&["backup", "restore", &file, "--data-dir", &data_dir]);
    assert!(
        said.contains("host.db") && said.contains("tenants"),
        "{said}"
    );

    let server = launch.start_in(restored).await;
    let again = Account::login(&server, "ada").await;
    let kept = total(&again).await;
    assert!((before..=after).contains(&kept), "{before} {kept} {after}");
    assert!(server.done(&["tenant", "list"]).contains("acme"));
    // Whoever was signed in is.
    let me = server.client.get(server.at("/api/v1/auth/me"));
    let me = me.bearer_auth(&ada.access).send().await.unwrap();
    assert_eq!(me.status(), 200);
    assert!(server.done(&["audit", "verify"]).contains("whole"));
}

#[tokio::test]
async fn a_sealed_backup_needs_its_key_and_shows_nothing() {
    let server = notes().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("sealed"), folder.path().join("key"));
    fs::write(&key, format!("{KEY}\n")).unwrap();
    let (file, key) = (text(&file), text(&key));
    server.done(&["backup", "create", "--to", &file, "--key-file", &key]);
    server.done(&["backup", "verify", &file, "--key-file", &key]);
    assert!(
        server
            .refused(&["backup", "verify", &file])
            .contains("--key-file")
    );
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"host.db"));
    for bytes in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2]] {
        let cut = text(&folder.path().join("cut"));
        fs::write(&cut, bytes).unwrap();
        let said = server.refused(&["backup", "verify", &cut, "--key-file", &key]);
        assert!(said.contains("cannot be trusted"), "{said}");
    }
    fs::write(folder.path().join("short"), "hunter2").unwrap();
    let short = text(&folder.path().join("short"));
    let said = server.refused(&["backup", "create", "--to", "x", "--key-file", &short]);
    assert!(
        said.contains("too short") && !said.contains("hunter2"),
        "{said}"
    );
    assert!(!server.log().contains(KEY) && !server.done(&["audit"]).contains(KEY));
}

#[tokio::test]
async fn a_backup_is_for_the_owner_and_needs_no_server() {
    let mut server = notes().await;
    let made = server.done(&["operator", "create", "remote"]);
    let folder = tempfile::tempdir().unwrap();
    let file = text(&folder.path().join("one.backup"));
    let remote = run(
        &[
            "backup",
            "create",
            "--to",
            &file,
            "--admin",
            &server.admin_url,
        ],
        &[("SBD_ADMIN_TOKEN", made.trim())],
        "",
    );
    assert!(
        !remote.success && remote.stderr.contains("keys of every tenant"),
        "{}",
        remote.stderr
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(server.stop().await, "{}", server.log());
    server.done(&["backup", "create", "--to", &file]);
    server.done(&["backup", "verify", &file]);
}

#[tokio::test]
async fn backups_are_made_by_schedule_and_the_oldest_go() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let folder = data.path().join("kept");
    fs::create_dir(&folder).unwrap();
    for (name, age) in [
        ("scheduled-2020-01-01T00-00-00Z", 9),
        ("scheduled-2021-01-01T00-00-00Z", 8),
        ("mine", 10),
    ] {
        let file = fs::File::create(folder.join(format!("{name}.backup"))).unwrap();
        let day = Duration::from_secs(24 * 3600);
        file.set_modified(SystemTime::now() - age * day).unwrap();
    }
    fs::write(
        folder.join(".scheduled-2020-01-01T00-00-00Z.backup.partial"),
        "half",
    )
    .unwrap();
    let launch = Launch::default()
        .env("SBD_BACKUP_EVERY", "1d")
        .env("SBD_BACKUP_KEEP", "2")
        .env("SBD_BACKUP_TO", "kept")
        .env("SBD_ADMIN_EMAIL", "root@example.com")
        .env("SBD_ADMIN_PASSWORD", sbd_tests::PASSWORD);
    let server = launch.clone().start_in(data).await;
    server.wait_for_log("a backup was made").await;
    let names = || {
        let entries = fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    server
        .wait_for("the oldest gone", || names().len() == 3)
        .await;
    let names = names();
    assert_eq!(
        names[..2],
        ["mine.backup", "scheduled-2021-01-01T00-00-00Z.backup"]
    );
    server.done(&["backup", "verify", &text(&folder.join(&names[2]))]);
    // `list` reads the settings that the server has.
    let data_dir = text(server.data());
    let listed = run(
        &["backup", "list", "--data-dir", &data_dir],
        &[("SBD_BACKUP_TO", "kept")],
        "",
    );
    assert!(
        listed.stdout.contains(&names[2]) && listed.stdout.contains("1 tenants"),
        "{listed:?}"
    );
    assert!(listed.stdout.contains("mine.backup"), "{listed:?}");
    assert_eq!(server.metric("sbd_backups_total", "made").await, 1.0);
    let root = Account::login(&server, "root@example.com").await;
    let health = root.read("/health").await;
    assert!(
        health["backup"]["last"].is_string() && health["backup"]["failed"].is_null(),
        "{health}"
    );

    // One that cannot be made is told, and keeps nobody from being served.
    let (_, data) = server.kill();
    let server = launch
        .env("SBD_BACKUP_TO", "/proc/backups")
        .start_in(data)
        .await;
    server.wait_for_log("no backup was made").await;
    let root = Account::login(&server, "root@example.com").await;
    // The log is written first.
    let told = async || root.read("/health").await["backup"]["failed"].is_string();
    for _ in 0..1000 {
        if told().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told().await);
    assert_eq!(server.metric("sbd_backups_total", "failed").await, 1.0);
    let wrong = run(&["check"], &[("SBD_BACKUP_EVERY", "1s")], "");
    assert!(
        !wrong.success && wrong.stderr.contains("backup_every"),
        "{}",
        wrong.stderr
    );
}

/// A copy as somebody makes it who does not know better.
fn copied(data: &Path) -> Arc<TempDir> {
    let copy = tempfile::tempdir().unwrap();
    let from = data.join(".");
    let copying = Command::new("cp")
        .arg("-r")
        .arg(from)
        .arg(copy.path())
        .output();
    // A file that went away meanwhile is no failure of ours.
    copying.unwrap();
    Arc::new(copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_running_directory_is_noticed() {
    let mut server = notes().await;
    let ada = Account::register(&server, "ada").await;
    let writing = Writing::begin(&ada);
    let app = text(&server.launch().application().manifest());
    for round in 1..=8 {
        server
            .wait_for("writes", || writing.answered() > 20 * round)
            .await;
        let copy = copied(server.data());
        let data_dir = text(copy.path());
        for args in [&["up"][..], &["tenant", "list"]] {
            let said = refused(&[args, &["--app", &app, "--data-dir", &data_dir]].concat());
            for part in [
                data_dir.as_str(),
                "copied",
                "sbd backup restore",
                "--accept-copy",
            ] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
    let written = writing.end().await;
    // Of a quiet one nothing is missing; whoever knows that may have it.
    let copy = copied(server.data());
    let launch = server.launch().clone();
    let accepted = launch.clone().arg("--accept-copy").start_in(copy).await;
    assert!(
        accepted.log().contains("a copy was accepted"),
        "{}",
        accepted.log()
    );
    let again = Account::login(&accepted, "ada").await;
    assert_eq!(total(&again).await, written);
    // It is a directory as any other from now on, also after a crash.
    let accepted = launch.start_in(accepted.kill().1).await;
    assert_eq!(
        total(&Account::login(&accepted, "ada").await).await,
        written
    );

    // Stopped in good order, a directory may be copied and moved.
    assert!(server.stop().await);
    let (launch, data) = server.kill();
    let server = launch.start_in(copied(data.path())).await;
    assert_eq!(total(&Account::login(&server, "ada").await).await, written);
}

#[tokio::test]
async fn a_damaged_copy_is_not_accepted() {
    let server = notes().await;
    Account::register(&server, "ada").await;
    let copy = copied(server.data());
    // Torn: the file is of one moment, its log of none.
    fs::remove_file(copy.path().join("tenants/default.db-wal")).unwrap();
    let database = copy.path().join("tenants/default.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes.resize(bytes.len().max(8192), 0);
    bytes[100..4096].fill(0xff);
    fs::write(&database, bytes).unwrap();
    let app = text(&server.launch().application().manifest());
    let data_dir = text(copy.path());
    let said = refused(&[
        "up",
        "--accept-copy",
        "--app",
        &app,
        "--data-dir",
        &data_dir,
    ]);
    for part in [
        text(&database).as_str(),
        "damaged",
        "sbd backup verify",
        "sbd backup restore",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn damage_is_told_with_the_file_and_the_way_out() {
    let mut server = notes().await;
    Account::register(&server, "ada").await;
    assert!(server.stop().await);
    let (launch, data) = server.kill();
    let app = text(&launch.application().manifest());
    let data_dir = text(data.path());
    for name in ["tenants/default.db", "host.db"] {
        let path = data.path().join(name);
        let whole = fs::read(&path).unwrap();
        for content in [
            &whole[..whole.len() - 4096],
            &[b"garbage!".as_slice(), &whole[8..]].concat(),
        ] {
            fs::write(&path, content).unwrap();
            let said = refused(&["up", "--app", &app, "--data-dir", &data_dir]);
            for part in [
                text(&path).as_str(),
                "damaged",
                "sbd backup verify",
                "sbd backup restore",
            ] {
                assert!(said.contains(part), "{name}: {said}");
            }
        }
        fs::write(&path, whole).unwrap();
    }
    launch.start_in(data).await;
}

#[tokio::test]
async fn what_processes_that_were_killed_left_behind_goes() {
    let server = notes().await;
    let (launch, data) = server.kill();
    let left = [
        "temporary/x/copy.db",
        "keyring/tenants/.0192d3a4b5c67d8e9fa0b1c2d3e4f506",
    ];
    for left in left.map(|left| data.path().join(left)) {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "half").unwrap();
    }
    let server = launch.start_in(data).await;
    for left in left {
        assert!(!server.data().join(left).exists(), "{left}");
    }
    let entries = fs::read_dir(server.data()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with("host.db"));
    names.sort();
    // What is new here belongs into backups, or among what they leave out.
    assert_eq!(
        names,
        [
            "compiled",
            "format",
            "keyring",
            "sbd.lock",
            "sbd.sock",
            "temporary",
            "tenants"
        ]
    );
}

/// A data directory that 0.1.0 has written before directories had a format: a tenant `acme`, an
/// administrator `root@example.com` and a family, each in both tenants.
fn of_format_0() -> Arc<TempDir> {
    let data = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-0.tar.gz");
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(archive).arg("-C").arg(data.path());
    assert!(unpack.status().unwrap().success());
    Arc::new(data)
}

async fn assert_reads_format_0(server: &Server) {
    for tenant in ["default", "acme"] {
        let client = server.as_tenant(tenant);
        let login = json!({"identifier": "root@example.com", "password": sbd_tests::PASSWORD});
        let login = client.post(server.at("/api/v1/auth/login")).json(&login);
        let tokens: Value = json(login.send().await.unwrap(), 200).await;
        let families = client.get(server.at("/api/v1/families"));
        let families = families.bearer_auth(tokens["access_token"].as_str().unwrap());
        let families = json(families.send().await.unwrap(), 200).await;
        assert_eq!(
            families["items"][0]["name"],
            format!("Lovelace of {tenant}")
        );
    }
}

#[tokio::test]
async fn an_older_directory_is_upgraded_after_a_backup_of_itself() {
    let data = of_format_0();
    let server = Launch::default().start_in(data).await;
    assert!(
        server.log().contains("the data directory was upgraded"),
        "{}",
        server.log()
    );
    assert_eq!(
        fs::read_to_string(server.data().join("format")).unwrap(),
        "1\n"
    );
    assert_reads_format_0(&server).await;
    let backups = server.data().join("backups");
    let backup: PathBuf = fs::read_dir(&backups)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let backup = text(&backup);
    let said = server.done(&["backup", "verify", &backup]);
    assert!(
        said.contains("2 tenants") && said.contains("format 0"),
        "{said}"
    );

    // It is done once.
    let server = server.restart().await;
    assert!(!server.log().contains("upgraded"), "{}", server.log());
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 1);

    // What was backed up is the older directory: from there it can be upgraded again.
    let restored = Arc::new(tempfile::tempdir().unwrap());
    let data_dir = text(restored.path());
    server.done(&["tenant", "list"]);
    let said = run(
        &["backup", "restore", &backup, "--data-dir", &data_dir],
        &[],
        "",
    );
    assert!(said.success, "{}", said.stderr);
    assert!(!restored.path().join("format").exists());
    assert_reads_format_0(&Launch::default().start_in(restored).await).await;
}

#[tokio::test]
async fn a_newer_directory_is_refused_and_left_alone() {
    let mut server = notes().await;
    assert!(server.stop().await);
    let (launch, data) = server.kill();
    let format = data.path().join("format");
    let (app, data_dir) = (text(&launch.application().manifest()), text(data.path()));
    let before = fs::read(data.path().join("host.db")).unwrap();
    for (written, told) in [("2\n", "newer sbd"), ("many\n", "damaged")] {
        fs::write(&format, written).unwrap();
        let said = refused(&["up", "--app", &app, "--data-dir", &data_dir]);
        assert!(said.contains(told), "{said}");
    }
    assert_eq!(fs::read(data.path().join("host.db")).unwrap(), before);
    fs::write(&format, "1\n").unwrap();
    launch.start_in(data).await;
}
