//! What happens is told: in the inbox, by mail and at once, out of the application that ships.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, PASSWORD, Server, Socket, assert_error, json};
use serde_json::{Value, json};

const INBOX: &str = "/api/v1/notifications";

/// Signs in by a program that calls itself so.
async fn sign_in(server: &Server, name: &str, agent: &str) {
    let login = server.client.post(server.at("/api/v1/auth/login"));
    let body = json!({"identifier": name, "password": PASSWORD});
    let login = login.header("user-agent", agent).json(&body);
    assert_eq!(login.send().await.unwrap().status(), 200);
}

/// A user's inbox, once there are so many in it.
async fn inbox(of: &Account, many: u64) -> Value {
    for _ in 0..300 {
        let inbox = of.read(INBOX).await;
        if inbox["total"].as_u64().unwrap() >= many {
            assert_eq!(inbox["total"], many, "{inbox}");
            return inbox;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("there are not {many} in the inbox");
}

/// The mails that became files, as they lie there.
fn mails(server: &Server) -> Vec<String> {
    let files = std::fs::read_dir(server.data().join("mail/default"));
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    let mails = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    mails
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

async fn prefer(who: &Account, preferences: Value) {
    let address = format!("{INBOX}/preferences");
    let put = who.request(reqwest::Method::PUT, &address);
    json(put.json(&preferences).send().await.unwrap(), 200).await;
}

#[tokio::test]
async fn a_sign_in_elsewhere_is_told_once_and_read() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    assert_eq!(ada.read(INBOX).await["total"], 0);
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    sign_in(&server, "ada", "A laptop").await;
    let heard = socket.until("notification.created").await;
    assert_eq!(heard["channel"], format!("user:{}", ada.id));
    assert_eq!(heard["data"]["kind"], "account.signed_in");
    let told = inbox(&ada, 1).await;
    let notice = &told["items"][0];
    assert_eq!(notice["id"], heard["data"]["id"]);
    assert!(notice["body"].as_str().unwrap().contains("A laptop"));
    let unread = format!("{INBOX}/unread");
    assert_eq!(ada.read(&unread).await["unread"], 1);
    server
        .wait_for("the mail", || mails(&server).len() == 1)
        .await;
    let mail = &mails(&server)[0];
    for line in [
        "To: ada@example.com\r\n",
        "Subject: Your account was signed in to from a new device\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Hello ada,",
        "<p>Hello ada,</p>",
    ] {
        assert!(mail.contains(line), "{mail}");
    }
    let address = format!("{INBOX}/{}", notice["id"].as_str().unwrap());
    // Somebody else's is not there.
    assert_error(bob.get(&address).send().await.unwrap(), 404, "NOT_FOUND").await;
    let read = ada.post(&format!("{address}/read"), &json!(null));
    json(read.send().await.unwrap(), 200).await;
    assert_eq!(ada.read(&unread).await["unread"], 0);
    // The same device once more is nothing new.
    sign_in(&server, "ada", "A laptop").await;
    sign_in(&server, "ada", "A phone").await;
    inbox(&ada, 2).await;
    assert_eq!(bob.read(INBOX).await["total"], 0);
}

#[tokio::test]
async fn users_decide_and_an_operator_has_the_last_word_on_words() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let never = json!({"kinds": [{"kind": "account.signed_in", "mail": "never"}]});
    prefer(&ada, never).await;
    prefer(&bob, json!({"language": "de-CH"})).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notice.toml").display().to_string();
    std::fs::write(
        &file,
        "subject = \"{{ username }}!\"\ntext = \"{{ title }}\"\n",
    )
    .unwrap();
    let which = ["default", "notifications/notice", "de", "--from", &file];
    server.done(&[&["mail", "templates", "set"], &which[..]].concat());
    sign_in(&server, "ada", "A laptop").await;
    sign_in(&server, "bob", "A laptop").await;
    inbox(&ada, 1).await;
    inbox(&bob, 1).await;
    server
        .wait_for("the mail", || !mails(&server).is_empty())
        .await;
    let mails = mails(&server);
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(
        mails[0].contains("To: bob@example.com\r\nSubject: bob!\r\n"),
        "{}",
        mails[0]
    );
}

#[tokio::test]
async fn where_users_are_reached_is_told_to_components_alone() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let address = format!("/api/v1/auth/users/{}/contact", bob.id);
    assert_error(ada.get(&address).send().await.unwrap(), 403, "FORBIDDEN").await;
    assert_error(server.get(&address).await, 401, "UNAUTHENTICATED").await;
}
