//! A tenant comes back from its archive, here or elsewhere: all of it or nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::Client;
use sbd_tests::{Launch, PASSWORD, Server, json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use tar::EntryType;

type Files = BTreeMap<String, String>;

/// What is in an archive, by path.
fn files(archive: &Path) -> Files {
    let mut files = BTreeMap::new();
    let archive = std::fs::File::open(archive).unwrap();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert!(files.insert(path, text).is_none());
    }
    files
}

fn export(server: &Server, tenant: &str, folder: &Path) -> (String, Files) {
    let file = folder.join(format!(
        "{tenant}-{}.tar",
        server.address().replace(':', "-")
    ));
    let path = file.display().to_string();
    server.done(&["tenant", "export", tenant, "--to", &path]);
    (path, files(&file))
}

async fn login(server: &Server, client: &Client) -> Value {
    let login = json!({"identifier": "ada", "password": PASSWORD});
    let login = client.post(server.at("/api/v1/auth/login")).json(&login);
    json(login.send().await.unwrap(), 200).await
}

/// A tenant with a user, a family, values of a store, and a decision about a feature.
async fn acme(server: &Server) -> Value {
    server.done(&[
        "tenant",
        "create",
        "acme",
        "--title",
        "Acme & Co",
        "--host",
        "acme.example.com",
    ]);
    server.done(&[
        "feature",
        "set",
        "acme",
        "family",
        "on",
        "--percent",
        "50",
        "--user",
        "usr_x",
    ]);
    let acme = server.as_tenant("acme");
    let new = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD});
    let register = acme.post(server.at("/api/v1/auth/register")).json(&new);
    json(register.send().await.unwrap(), 201).await;
    let write = acme.get(server.at("/tenant-thief/write?value=kept")).send();
    json(write.await.unwrap(), 200).await;
    login(server, &acme).await
}

async fn start() -> Server {
    let thief = std::fs::read_to_string("../hostile/tenant-thief/spin.toml").unwrap();
    let app = "[application.tool.sbd]\nauth = \"auth\"\n{component:auth}\n{component:family}\n";
    Launch::app(&format!("{app}{thief}")).start().await
}

#[tokio::test]
async fn what_was_exported_is_imported() {
    let (here, there) = (start().await, start().await);
    let tokens = acme(&here).await;
    let folder = tempfile::tempdir().unwrap();
    let (archive, exported) = export(&here, "acme", folder.path());
    for path in [
        "documents/auth/users.jsonl",
        "keyvalue/default.jsonl",
        "tenant.json",
    ] {
        assert!(exported.contains_key(path), "{:?}", exported.keys());
    }
    // Sessions stay.
    assert!(
        !exported
            .keys()
            .any(|path| path.contains("sessions") || path.contains("tokens"))
    );

    // Elsewhere, under the same name: the same in every line.
    let said = there.done(&["tenant", "import", &archive]);
    assert!(said.contains("acme.example.com"), "{said}");
    assert_eq!(export(&there, "acme", folder.path()).1, exported);
    let client = there.as_tenant("acme");
    login(&there, &client).await;
    let read = client.get(there.at("/tenant-thief/read")).send();
    let read = json(read.await.unwrap(), 200).await;
    assert_eq!(
        (&read["documents"]["value"], &read["keyvalue"]),
        (&json!("kept"), &json!("kept"))
    );
    // A token of there is none here.
    let token = tokens["access_token"].as_str().unwrap();
    let me = client.get(there.at("/api/v1/auth/me")).bearer_auth(token);
    assert_eq!(me.send().await.unwrap().status(), 401);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refresh = client.post(there.at("/api/v1/auth/refresh")).json(&refresh);
    assert_eq!(refresh.send().await.unwrap().status(), 401);

    // Here, under another name, without the host names that are taken.
    let taken = here.refused(&["tenant", "import", &archive, "--as", "again"]);
    assert!(taken.contains("acme.example.com"), "{taken}");
    let present = here.refused(&["tenant", "import", &archive, "--no-hosts"]);
    assert!(
        present.contains("there is a tenant `acme` already"),
        "{present}"
    );
    here.done(&["tenant", "import", &archive, "--as", "again", "--no-hosts"]);
    let (_, mut again) = export(&here, "again", folder.path());
    let about: Value = serde_json::from_str(&again["tenant.json"]).unwrap();
    assert_eq!(
        (&about["name"], &about["hosts"]),
        (&json!("again"), &json!([]))
    );
    again.insert("tenant.json".to_owned(), exported["tenant.json"].clone());
    assert_eq!(again, exported);
    assert!(here.done(&["audit"]).contains("tenant.import"));

    // Without a server it is the same; and it lasts.
    let (launch, data) = there.kill();
    let data_dir = data.path().display().to_string();
    let app = launch.application().manifest().display().to_string();
    let args = ["tenant", "import", &archive, "--as", "third", "--no-hosts"];
    let args = [&args[..], &["--data-dir", &data_dir, "--app", &app]].concat();
    let output = sbd_tests::run(&args, &[], "");
    assert!(output.success, "{}", output.stderr);
    let there = launch.start_in(data).await;
    for tenant in ["acme", "third"] {
        login(&there, &there.as_tenant(tenant)).await;
    }
}

/// An archive of these entries behind those that every one has.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let about = json!({"name": "evil", "title": "Evil", "hosts": [], "created_at": "2026-01-01T00:00:00Z", "features": {}});
    let about = about.to_string();
    let has_about = entries.iter().any(|(path, _)| *path == "tenant.json");
    let about = (!has_about).then_some(("tenant.json", about.as_str()));
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in about.iter().chain(entries) {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(match content.is_empty() && path.contains("link") {
            true => EntryType::Symlink,
            false => EntryType::Regular,
        });
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The files of a data directory but those that are written all the time.
fn lying(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["tenants", "temporary", "keyring/tenants"] {
        for entry in std::fs::read_dir(data.join(folder)).into_iter().flatten() {
            found.push(format!("{folder}/{}", entry.unwrap().file_name().display()));
        }
    }
    found.retain(|path| !path.ends_with("-wal") && !path.ends_with("-shm"));
    found.sort();
    found
}

#[tokio::test]
async fn hostile_archives_are_refused_and_leave_nothing() {
    let server = start().await;
    let before = (server.done(&["tenant", "list"]), lying(server.data()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evil.tar");
    let path = file.display().to_string();
    let (users, whole) = ("documents/auth/users.jsonl", archive(&[]));
    let long = format!("{{\"_id\":\"a\",\"text\":\"{}\"}}\n", "x".repeat(9 << 20));
    let large = format!("{{\"_id\":\"a\",\"text\":\"{}\"}}\n", "x".repeat(2 << 20));
    let deep = format!(
        "{{\"_id\":\"a\",\"d\":{}{}}}\n",
        "[".repeat(500),
        "]".repeat(500)
    );
    let value = format!("{{\"key\":\"k\",\"text\":\"{}\"}}\n", "x".repeat(2 << 20));
    let key = format!("{{\"key\":\"{}\",\"text\":\"x\"}}\n", "k".repeat(2000));
    let features = |switch: &str| {
        format!(
            "{{\"name\":\"evil\",\"title\":\"\",\"hosts\":[],\"created_at\":\"2026-01-01T00:00:00Z\",\"features\":{{\"family\":{switch}}}}}"
        )
    };
    let (other, percent) = (
        features("{\"state\":\"perhaps\"}"),
        features("{\"state\":\"rollout\",\"percentage\":200}"),
    );
    for (what, content, reason) in [
        ("nothing", Vec::new(), "no tar archive"),
        ("a text", b"hello".to_vec(), "no tar archive"),
        ("zeros", vec![0; 4096], "no tenant.json"),
        (
            "cut between entries",
            whole[..whole.len() - 1024].to_vec(),
            "cut short",
        ),
        ("cut", whole[..700].to_vec(), "cut short"),
        ("a way out", archive(&[("../escaped", "x")]), "no place"),
        (
            "a whole path",
            archive(&[("/tmp/escaped", "x")]),
            "no place",
        ),
        (
            "an unknown entry",
            archive(&[("sessions.txt", "x")]),
            "no place",
        ),
        (
            "a deeper one",
            archive(&[("documents/a/b/c.jsonl", "")]),
            "no place",
        ),
        (
            "dots",
            archive(&[("documents/../users.jsonl", "")]),
            "no place",
        ),
        (
            "another spelling",
            archive(&[("documents/%61uth/users.jsonl", "")]),
            "no place",
        ),
        ("no name", archive(&[("keyvalue/.jsonl", "")]), "no place"),
        (
            "a link",
            archive(&[("documents/auth/link.jsonl", "")]),
            "no place",
        ),
        ("twice", archive(&[(users, ""), (users, "")]), "no place"),
        ("no JSON", archive(&[(users, "x\n")]), users),
        ("no object", archive(&[(users, "[]\n")]), users),
        (
            "the same id",
            archive(&[(users, "{\"_id\":\"a\"}\n{\"_id\":\"a\"}\n")]),
            users,
        ),
        ("a large document", archive(&[(users, &large)]), users),
        ("a deep document", archive(&[(users, &deep)]), users),
        ("a long line", archive(&[(users, &long)]), "longer"),
        (
            "a value of two kinds",
            archive(&[(
                "keyvalue/default.jsonl",
                "{\"key\":\"k\",\"text\":\"\",\"base64\":\"\"}\n",
            )]),
            "either",
        ),
        (
            "no base64",
            archive(&[(
                "keyvalue/default.jsonl",
                "{\"key\":\"k\",\"base64\":\"!\"}\n",
            )]),
            "keyvalue/default.jsonl",
        ),
        (
            "an unknown field",
            archive(&[(
                "keyvalue/default.jsonl",
                "{\"key\":\"k\",\"text\":\"\",\"ttl\":1}\n",
            )]),
            "ttl",
        ),
        (
            "a large value",
            archive(&[("keyvalue/default.jsonl", &value)]),
            "keyvalue/default.jsonl",
        ),
        (
            "a long key",
            archive(&[("keyvalue/default.jsonl", &key)]),
            "keyvalue/default.jsonl",
        ),
        (
            "a switch that is none",
            archive(&[("tenant.json", &other)]),
            "family",
        ),
        (
            "too many in a hundred",
            archive(&[("tenant.json", &percent)]),
            "percentage",
        ),
        (
            "no tenant",
            archive(&[("tenant.json", "{}")]),
            "tenant.json",
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        let said = server.refused(&["tenant", "import", &path, "--as", "evil"]);
        assert!(said.contains(reason), "{what}: {said}");
        let after = (server.done(&["tenant", "list"]), lying(server.data()));
        assert_eq!(after, before, "{what}");
    }
    std::fs::write(&file, archive(&[])).unwrap();
    for name in ["", "../x", "Evil", "default"] {
        server.refused(&["tenant", "import", &path, "--as", name]);
    }
    server.done(&["tenant", "import", &path]);
    let leftover = std::fs::read_dir("/tmp").unwrap();
    assert!(
        !leftover
            .flatten()
            .any(|entry| entry.file_name() == "escaped")
    );
}

#[tokio::test]
async fn an_archive_keeps_to_quotas() {
    let app = include_str!("apps/notes.toml");
    let limits = "[component.notes.tool.sbd.limits]\nstored_documents = 3\n";
    let server = Launch::app(&format!("{app}{limits}")).start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evil.tar");
    let path = file.display().to_string();
    let lines = |count: usize| -> String {
        let line = |n: usize| format!("{{\"_id\":\"{n}\",\"owner\":\"o\",\"text\":\"x\"}}\n");
        (0..count).map(line).collect()
    };
    std::fs::write(
        &file,
        archive(&[("documents/notes/notes.jsonl", &lines(4))]),
    )
    .unwrap();
    let said = server.refused(&["tenant", "import", &path]);
    assert!(said.contains("stored_documents"), "{said}");
    std::fs::write(
        &file,
        archive(&[("documents/notes/notes.jsonl", &lines(3))]),
    )
    .unwrap();
    server.done(&["tenant", "import", &path]);
}
