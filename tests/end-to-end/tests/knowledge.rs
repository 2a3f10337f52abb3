//! Documents in, cited answers out: out of the application that ships, without any model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, PASSWORD, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DOCUMENTS: &str = "/api/v1/documents";
const GARDEN: &[u8] = include_bytes!("data/garden.docx");

/// Uploads a document as it is.
async fn upload(by: &Account, query: &str, content: impl Into<reqwest::Body>) -> Value {
    let request = by.request(Method::POST, &format!("{DOCUMENTS}?{query}"));
    json(request.body(content).send().await.unwrap(), 202).await
}

/// A document, once it is read, or could not be.
async fn read(by: &Account, document: &Value) -> Value {
    let path = format!("{DOCUMENTS}/{}", document["id"].as_str().unwrap());
    for _ in 0..600 {
        let document = by.read(&path).await;
        if matches!(document["state"].as_str(), Some("ready" | "failed")) {
            return document;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is not read");
}

async fn ask(by: &Account, question: &str) -> Value {
    let asked = by.post("/api/v1/ask", &json!({"question": question}));
    json(asked.send().await.unwrap(), 200).await
}

/// What stands in a document where a citation says.
async fn there(by: &Account, citation: &Value) -> String {
    let id = citation["document_id"].as_str().unwrap();
    let text = by
        .get(&format!("{DOCUMENTS}/{id}/text"))
        .send()
        .await
        .unwrap();
    let text = text.error_for_status().unwrap().text().await.unwrap();
    let place = |end: &str| usize::try_from(citation["span"][end].as_u64().unwrap()).unwrap();
    let (start, end) = (place("start"), place("end"));
    text.chars().skip(start).take(end - start).collect()
}

#[tokio::test]
async fn a_document_is_read_asked_and_deleted_without_a_trace() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let eve = Account::register(&server, "eve").await;
    let taken = upload(&ada, "name=garden.docx", GARDEN).await;
    // Its task tells how it goes, in the form of all streams.
    let task = taken["task_id"].as_str().unwrap();
    let stream = ada
        .get(&format!("/api/v1/tasks/{task}/stream"))
        .send()
        .await
        .unwrap();
    let told = stream.error_for_status().unwrap().text().await.unwrap();
    assert!(told.contains("\"type\":\"task.ended\""), "{told}");
    let document = read(&ada, &taken).await;
    assert_eq!(
        (&document["state"], &document["tables"]),
        (&json!("ready"), &json!(1)),
        "{document}"
    );
    let answer = ask(&ada, "When does the gate open?").await;
    assert_eq!(answer["answered"], true, "{answer}");
    assert!(
        answer["answer"]
            .as_str()
            .unwrap()
            .starts_with("The gate opens at nine in the morning. [1]")
    );
    assert!(answer["note"].as_str().unwrap().contains("sbd model pull"));
    let citation = &answer["citations"][0];
    assert_eq!(
        there(&ada, citation).await,
        citation["quote"].as_str().unwrap()
    );
    let answer = ask(&ada, "What is the price for children?").await;
    assert!(
        answer["citations"][0]["quote"]
            .as_str()
            .unwrap()
            .contains("5 EUR"),
        "{answer}"
    );
    let table = format!(
        "{DOCUMENTS}/{}/tables/1?format=csv",
        document["id"].as_str().unwrap()
    );
    let table = ada.get(&table).send().await.unwrap().text().await.unwrap();
    assert!(table.contains("\"Children\",\"5 EUR\""), "{table}");
    // What was uploaded comes back to the byte, whole or in part.
    let content = format!("{DOCUMENTS}/{}/content", document["id"].as_str().unwrap());
    let whole = ada.get(&content).send().await.unwrap();
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    assert_eq!(&whole.bytes().await.unwrap()[..], GARDEN);
    let part = ada
        .get(&content)
        .header("range", "bytes=10-19")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(&part.bytes().await.unwrap()[..], &GARDEN[10..20]);
    // The same as a form is the same document.
    let file = reqwest::multipart::Part::bytes(GARDEN).file_name("copy.docx");
    let form = reqwest::multipart::Form::new().part("file", file);
    let again = ada.request(Method::POST, DOCUMENTS).multipart(form);
    assert_eq!(
        json(again.send().await.unwrap(), 200).await["id"],
        document["id"]
    );
    // To others nothing of it is there.
    assert_error(eve.get(&content).send().await.unwrap(), 404, "NOT_FOUND").await;
    assert_eq!(
        ask(&eve, "When does the gate open?").await["answered"],
        false
    );
    assert_eq!(eve.read(DOCUMENTS).await["total"], 0);
    // An answer as it comes has one end.
    let request = ada.post(
        "/api/v1/ask",
        &json!({"question": "When does the gate open?"}),
    );
    let stream = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let told = stream.error_for_status().unwrap().text().await.unwrap();
    assert!(
        told.contains("\"answer.citation\"") && told.contains("\"answer.complete\""),
        "{told}"
    );
    assert_eq!(told.matches("\"stream.end\"").count(), 1);
    // Gone is gone.
    let path = format!("{DOCUMENTS}/{}", document["id"].as_str().unwrap());
    let deleted = ada.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_error(ada.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
    assert_eq!(
        ask(&ada, "When does the gate open?").await["answered"],
        false
    );
    server
        .wait_for("the content to go", || blobs(&server).is_empty())
        .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_sentence_and_harms_nobody() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let truncated = upload(&ada, "name=cut.docx", &GARDEN[..GARDEN.len() / 2]).await;
    let nonsense = upload(&ada, "name=none.pdf", vec![7u8; 4096]).await;
    for document in [truncated, nonsense] {
        let document = read(&ada, &document).await;
        assert_eq!(document["state"], "failed", "{document}");
        assert!(document["error"].as_str().unwrap().len() > 20, "{document}");
    }
    let request = ada.request(Method::POST, &format!("{DOCUMENTS}?name=a.exe"));
    assert_error(
        request.body("MZ").send().await.unwrap(),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    )
    .await;
    let large = vec![b'x'; (50 << 20) + 1];
    let request = ada.request(Method::POST, &format!("{DOCUMENTS}?name=a.txt"));
    assert_error(
        request.body(large).send().await.unwrap(),
        413,
        "BODY_TOO_LARGE",
    )
    .await;
    let fine = upload(&ada, "name=fine.txt", "Tulips are yellow.").await;
    assert_eq!(read(&ada, &fine).await["state"], "ready");
}

#[tokio::test]
async fn documents_go_along_with_their_tenant_and_in_a_backup() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let document = upload(&ada, "name=garden.docx", GARDEN).await;
    assert_eq!(read(&ada, &document).await["state"], "ready");
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (archive, backup) = (place("default.tar"), place("all.backup"));

    // Another tenant is made of it, in which they are found by the same words.
    server.done(&["tenant", "export", "default", "--to", &archive]);
    server.done(&["tenant", "import", &archive, "--as", "again", "--no-hosts"]);
    let again = server.as_tenant("again");
    let login = json!({"identifier": "ada", "password": PASSWORD});
    let login = again.post(server.at("/api/v1/auth/login")).json(&login);
    let tokens = json(login.send().await.unwrap(), 200).await;
    let token = tokens["access_token"].as_str().unwrap();
    let asked = json!({"question": "When does the gate open?"});
    let ask_again = again.post(server.at("/api/v1/ask")).bearer_auth(token);
    let answer = json(ask_again.json(&asked).send().await.unwrap(), 200).await;
    assert_eq!(answer["answered"], true, "{answer}");
    let id = answer["citations"][0]["document_id"].as_str().unwrap();
    let content = server.at(&format!("{DOCUMENTS}/{id}/content"));
    let content = again.get(content).bearer_auth(token).send().await.unwrap();
    assert_eq!(&content.bytes().await.unwrap()[..], GARDEN);

    // And a whole server of a backup.
    server.done(&["backup", "create", "--to", &backup]);
    let (launch, _) = server.kill();
    let restored = Arc::new(tempfile::tempdir().unwrap());
    let data_dir = restored.path().display().to_string();
    let restore = ["backup", "restore", &backup, "--data-dir", &data_dir];
    let said = run(&restore, &[], "");
    assert!(said.success, "{}", said.stderr);
    let server = launch.start_in(restored).await;
    let ada = Account::login(&server, "ada").await;
    let answer = ask(&ada, "When does the gate open?").await;
    assert_eq!(answer["answered"], true, "{answer}");
    let citation = &answer["citations"][0];
    assert_eq!(
        there(&ada, citation).await,
        citation["quote"].as_str().unwrap()
    );
}

/// The files of blobs in the data directory.
fn blobs(server: &Server) -> Vec<std::path::PathBuf> {
    fn files(folder: &std::path::Path, within: bool, found: &mut Vec<std::path::PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let within = within || entry.file_name().to_string_lossy().ends_with(".blobs");
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => files(&path, within, found),
                false if within => found.push(path),
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    files(server.data(), false, &mut found);
    found
}
