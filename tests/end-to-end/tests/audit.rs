//! What was done is accounted for, and nobody alters it unnoticed: through the binary, and in the file itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_storage::rusqlite::Connection;
use sbd_tests::{Account, Server, json};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const VERIFY: [&str; 4] = ["audit", "verify", "--tenant", "default"];

async fn rename(by: &Account, id: &str, name: &str) {
    let path = format!("/api/v1/families/{id}");
    let renamed = by.request(Method::PUT, &path).json(&json!({"name": name}));
    json(renamed.send().await.unwrap(), 200).await;
}

fn exported(server: &Server, more: &[&str]) -> Vec<Value> {
    let args = [&["audit", "export", "--tenant", "default"], more].concat();
    let lines = server.done(&args);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The file of the tenant, behind the back of whoever serves it.
fn file(server: &Server) -> Connection {
    let file = Connection::open(server.data().join("tenants/default.db")).unwrap();
    file.busy_timeout(Duration::from_secs(30)).unwrap();
    file
}

#[tokio::test]
async fn a_change_is_accounted_for_and_what_is_altered_is_found() {
    let mut server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let family = ada.create_family("Lovelace").await;
    let id = family["id"].as_str().unwrap();
    rename(&ada, id, "Byron").await;
    assert!(server.done(&VERIFY).contains("whole"));
    let entries = exported(&server, &["--subject", id]);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            (
                entry["number"].as_u64().unwrap(),
                text("action"),
                text("actor"),
            )
        })
        .collect();
    let by_ada = |number, action: &str| (number, action.to_owned(), ada.id.clone());
    assert_eq!(
        told,
        [
            by_ada(1, "family.created"),
            by_ada(2, "family.member.added"),
            by_ada(3, "family.renamed")
        ]
    );
    assert_eq!(entries[0]["kind"], "user");
    assert!(entries[0]["request"].as_str().unwrap().starts_with("req_"));
    assert_eq!(entries[1]["data"]["user_id"], json!(ada.id));
    let filtered = |more: &[&str]| exported(&server, more).len();
    assert_eq!(
        filtered(&["--action", "family.renamed", "--actor", &ada.id]),
        1
    );
    assert_eq!(filtered(&["--to", "2000-01-01T00:00:00Z"]), 0);
    assert_eq!(filtered(&["--component", "wallet", "--subject", id]), 0);
    let wrong = ["audit", "export", "--tenant", "default", "--from", "today"];
    assert!(server.refused(&wrong).contains("--from is no time"));
    let nobody = ["audit", "verify", "--tenant", "nobody"];
    assert!(server.refused(&nobody).contains("no tenant `nobody`"));
    // The component says the same of it.
    let path = format!("/api/v1/families/{id}/audit");
    let page = ada.read(&path).await;
    assert_eq!(page["items"][0]["hash"], entries[2]["hash"]);
    let verification = format!("{path}/verification");
    let verdict = ada.read(&verification).await;
    assert_eq!(
        (&verdict["whole"], &verdict["entries"], &verdict["head"]),
        (&json!(true), &json!(3), &entries[2]["hash"])
    );
    // A byte of the second entry, while the server runs.
    let flip = "UPDATE audit SET data = replace(data, '\"admin\"', '\"owner\"') WHERE subject = ?1 AND number = 2";
    assert_eq!(file(&server).execute(flip, [id]).unwrap(), 1);
    let verdict = ada.read(&verification).await;
    assert_eq!(
        (&verdict["whole"], &verdict["broken_at"]),
        (&json!(false), &json!(2))
    );
    let found = |server: &Server| {
        let output = server.command(&VERIFY);
        assert!(!output.success, "{}", output.stdout);
        output.stdout
    };
    let expected = format!("family {id}: entry 2 was altered or is missing");
    assert!(found(&server).contains(&expected));
    // Nor does another server take it as it is.
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("default.tar").display().to_string();
    server.done(&["tenant", "export", "default", "--to", &archive]);
    let import = ["tenant", "import", &archive, "--as", "again", "--no-hosts"];
    let refused = server.refused(&import);
    assert!(refused.contains("entry 2"), "{refused}");
    // Without a server it is found as well.
    assert!(server.stop().await);
    assert!(found(&server).contains(&expected));
    let back = "UPDATE audit SET data = replace(data, '\"owner\"', '\"admin\"') WHERE subject = ?1 AND number = 2";
    assert_eq!(file(&server).execute(back, [id]).unwrap(), 1);
    assert!(server.done(&VERIFY).contains("whole"));
    // The last entry, which nothing follows.
    let cut = "DELETE FROM audit WHERE subject = ?1 AND number = 3";
    assert_eq!(file(&server).execute(cut, [id]).unwrap(), 1);
    assert!(found(&server).contains("entry 3 was altered or is missing"));
}

#[tokio::test]
async fn what_was_recorded_goes_along_with_its_tenant() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let id = ada.create_family("Lovelace").await;
    let id = id["id"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("default.tar").display().to_string();
    server.done(&["tenant", "export", "default", "--to", &archive]);
    let import = ["tenant", "import", &archive, "--as", "again", "--no-hosts"];
    server.done(&import);
    let verify = ["audit", "verify", "--tenant", "again"];
    assert!(server.done(&verify).contains("whole"));
    let of = |tenant: &str| {
        let export = ["audit", "export", "--tenant", tenant, "--subject", id];
        server.done(&export)
    };
    assert_eq!(of("again"), of("default"));
    assert!(of("again").contains("family.created"));
    server.done(&["tenant", "delete", "again", "--yes"]);
    server.refused(&verify);
}

#[tokio::test]
async fn whenever_the_server_dies_each_change_is_accounted_for_once() {
    let mut server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let id = ada.create_family("Lovelace").await;
    let id = id["id"].as_str().unwrap().to_owned();
    for round in 0..5 {
        let done = Arc::new(AtomicUsize::new(0));
        let ada = Account::login(&server, "ada").await;
        let (id, counted) = (id.clone(), Arc::clone(&done));
        let writing = tokio::spawn(async move {
            for number in 0.. {
                let path = format!("/api/v1/families/{id}");
                let body = json!({"name": format!("A{round}-{number}")});
                let renamed = ada.request(Method::PUT, &path).json(&body).send().await;
                match renamed {
                    Ok(answer) if answer.status() == 200 => counted.fetch_add(1, Ordering::SeqCst),
                    _ => break,
                };
            }
        });
        while done.load(Ordering::SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill_now();
        writing.await.unwrap();
        server = server.restart().await;
        assert!(server.done(&VERIFY).contains("whole"));
        let ada = Account::login(&server, "ada").await;
        let id = exported(&server, &["--action", "family.created"])[0]["subject"].clone();
        let family = ada
            .read(&format!("/api/v1/families/{}", id.as_str().unwrap()))
            .await;
        // The version goes up with each change, and each change but the first is a new name.
        let renamed = exported(&server, &["--action", "family.renamed"]).len();
        let answer = ada
            .get(&format!("/api/v1/families/{}", id.as_str().unwrap()))
            .send()
            .await
            .unwrap();
        let version = answer.headers()["etag"].to_str().unwrap().to_owned();
        let version: usize = version.trim_matches('"').parse().unwrap();
        assert_eq!(renamed, version - 1, "{family}");
        assert!(renamed >= done.load(Ordering::SeqCst));
    }
}
