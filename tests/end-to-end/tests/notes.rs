//! Notes behind the real host: one's own, a family's, and those that only their readers can read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Server, assert_error, json};
use serde_json::{Value, json};

async fn write(by: &Account, note: Value) -> Value {
    json(by.post("/api/v1/notes", &note).send().await.unwrap(), 201).await
}

fn address(note: &Value) -> String {
    format!("/api/v1/notes/{}", note["id"].as_str().unwrap())
}

#[tokio::test]
async fn notes_are_written_linked_versioned_and_thrown_away() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let milk = write(&ada, json!({"title": "Milk"})).await;
    let tea = json!({"title": "Tea", "body": "Black, with [[milk]].", "tags": ["Kitchen"]});
    let tea = write(&ada, tea).await;
    let path = address(&tea);
    assert_eq!(tea["links"][0]["note_id"], milk["id"]);
    let back = ada.read(&format!("{}/backlinks", address(&milk))).await;
    assert_eq!(back["items"][0]["id"], tea["id"]);
    assert_eq!(ada.read("/api/v1/notes?tag=kitchen").await["total"], 1);
    assert_eq!(
        ada.read("/api/v1/notes/tags").await,
        json!([{"tag": "kitchen", "notes": 1}])
    );

    let change = ada.request(Method::PUT, &path).header("if-match", "\"1\"");
    let change = change.json(&json!({"title": "Tea", "body": "Green."}));
    let changed = change.try_clone().unwrap().send().await.unwrap();
    assert_eq!(changed.headers()["etag"], "\"2\"");
    assert_error(change.send().await.unwrap(), 412, "PRECONDITION_FAILED").await;
    assert_eq!(ada.read(&format!("{path}/versions")).await["total"], 2);
    let restore = ada.request(Method::POST, &format!("{path}/versions/1/restore"));
    let restored = json(restore.send().await.unwrap(), 200).await;
    assert_eq!(
        (&restored["body"], &restored["version"]),
        (&tea["body"], &json!(3))
    );

    let pin = ada.request(Method::PUT, &format!("{}/pin", address(&milk)));
    json(pin.send().await.unwrap(), 200).await;
    assert_eq!(ada.read("/api/v1/notes").await["items"][0]["title"], "Milk");
    let delete = ada.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(delete.status(), 204);
    assert_eq!(ada.read("/api/v1/notes?state=trash").await["total"], 1);
    let restore = ada.request(Method::POST, &format!("{path}/restore"));
    json(restore.send().await.unwrap(), 200).await;
    let forever = format!("{path}?forever=true");
    let delete = ada.request(Method::DELETE, &forever).send().await.unwrap();
    assert_eq!(delete.status(), 204);
    assert_error(ada.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
}

#[tokio::test]
async fn a_family_has_notes_that_strangers_do_not_see() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let family = ada.create_family("Lovelace").await;
    let note = write(&ada, json!({"title": "Plan", "family_id": family["id"]})).await;
    let list = format!("/api/v1/notes?family_id={}", family["id"].as_str().unwrap());
    assert_eq!(ada.read(&list).await["total"], 1);
    assert_eq!(ada.read("/api/v1/notes").await["total"], 0);
    assert_error(bob.get(&list).send().await.unwrap(), 404, "NOT_FOUND").await;
    assert_error(
        bob.get(&address(&note)).send().await.unwrap(),
        404,
        "NOT_FOUND",
    )
    .await;
    let theirs = json!({"title": "Mine", "family_id": family["id"]});
    let theirs = bob.post("/api/v1/notes", &theirs).send().await.unwrap();
    assert_error(theirs, 404, "NOT_FOUND").await;
    assert_eq!(ada.read(&address(&note)).await["family_id"], family["id"]);
}

#[tokio::test]
async fn of_what_is_encrypted_the_server_has_an_envelope_only() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let envelope = json!({
        "version": 1, "algorithm": "AES-GCM", "key_id": "k1",
        "nonce": "A".repeat(16), "ciphertext": "A".repeat(64),
    });
    let sealed = |more: Value| {
        let mut body = json!({"encrypted": envelope});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ada.post("/api/v1/notes/encrypted", &body)
    };
    let beside = sealed(json!({"title": "In clear"})).send().await.unwrap();
    assert_error(beside, 422, "VALIDATION_ERROR").await;
    let note = json(sealed(json!({})).send().await.unwrap(), 201).await;
    assert_eq!(
        (&note["encrypted"], &note["title"]),
        (&envelope, &Value::Null)
    );
    let clear = ada
        .request(Method::PUT, &address(&note))
        .json(&json!({"title": "In clear"}));
    assert_error(clear.send().await.unwrap(), 409, "CONFLICT").await;
    let text = ada
        .get(&format!("{}/text", address(&note)))
        .send()
        .await
        .unwrap();
    assert_error(text, 404, "NOT_FOUND").await;
    assert_eq!(ada.read(&address(&note)).await["encrypted"], envelope);
}
