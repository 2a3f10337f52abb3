//! Through a mail server.

use crate::peer::Peer;
use crate::suite::{self, Taken, message, tenant};
use crate::{from, mailer};
use sbd_mail::{Error, Mailer, Settings};
use serde_json::Value;
use std::path::Path;

impl Taken for Peer {
    fn next(&mut self) -> Value {
        self.mail()
    }
}

const LOGIN: &str = "ada%40example.org:pass%3Aword%2F1@";

#[tokio::test]
async fn through_a_server_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let Some(peer) = Peer::start("plain", folder.path()) else {
        return;
    };
    let server = format!("smtp://127.0.0.1:{}?tls=none", peer.port);
    suite::run(&mailer(folder.path(), Some(&server)), peer).await;
    assert!(
        !folder.path().join("mail/acme").exists(),
        "nothing is left behind"
    );
}

#[tokio::test]
async fn through_a_server_by_starttls_with_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut peer) = Peer::start("starttls", folder.path()) else {
        return;
    };
    let server = format!(
        "smtp://{LOGIN}127.0.0.1:{}?ca={}",
        peer.port, peer.certificate
    );
    let mailer = mailer(folder.path(), Some(&server));
    mailer
        .send(&tenant(), "hello", &message("ada@example.org"))
        .await
        .unwrap();
    let mail = peer.next();
    assert_eq!((&mail["tls"], &mail["login"]), (&true.into(), &true.into()));
    assert_eq!(
        (&mail["from"], &mail["to"][0]),
        (&"brain@example.org".into(), &"ada@example.org".into())
    );
    assert_eq!(mail["kind"], "multipart/alternative");
    suite::run(&mailer, peer).await;
}

#[tokio::test]
async fn through_a_server_by_tls_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut peer) = Peer::start("tls", folder.path()) else {
        return;
    };
    let server = format!(
        "smtps://{LOGIN}127.0.0.1:{}?ca={}",
        peer.port, peer.certificate
    );
    let mailer = mailer(folder.path(), Some(&server));
    let mut wanted = message("ada@example.org");
    wanted.templates[0].subject = "Grüße an {{ name }} – 你好".to_owned();
    wanted.templates[0].text = format!("Grüße.\n.\n{}\n", "lang ".repeat(400));
    mailer.send(&tenant(), "hello", &wanted).await.unwrap();
    let mail = peer.next();
    assert_eq!(mail["login"], true);
    assert_eq!(mail["headers"]["subject"], "Grüße an <Ada> – 你好");
    let text = mail["text"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(text.trim_end(), wanted.templates[0].text.trim_end());
    suite::run(&mailer, peer).await;
}

/// Says the error of one mail, which must be one.
async fn refused(mailer: &Mailer, to: &str) -> Error {
    mailer
        .send(&tenant(), "hello", &message(to))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn what_will_never_be_taken_is_told_from_what_may_be_later() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut peer) = Peer::start("plain", folder.path()) else {
        return;
    };
    let server = format!("smtp://127.0.0.1:{}?tls=none", peer.port);
    let mailer = mailer(folder.path(), Some(&server));
    let nobody = refused(&mailer, "nobody@example.org").await;
    assert!(
        matches!(&nobody, Error::Refused(said) if said.contains("no such mailbox")),
        "{nobody}"
    );
    let busy = refused(&mailer, "busy@example.org").await;
    assert!(
        matches!(&busy, Error::Unavailable(said) if said.contains("come again  later")),
        "{busy:?}"
    );
    // The connection goes on after both.
    mailer
        .send(&tenant(), "hello", &message("ada@example.org"))
        .await
        .unwrap();
    assert_eq!(peer.next()["to"][0], "ada@example.org");
    let port = peer.port;
    drop(peer);
    let gone = refused(&mailer, "ada@example.org").await;
    let place = format!("127.0.0.1:{port}");
    assert!(
        matches!(&gone, Error::Unavailable(said) if said.contains(&place)),
        "{gone}"
    );
}

#[tokio::test]
async fn no_password_goes_to_a_server_that_is_not_trusted_and_a_wrong_one_keeps_the_mail() {
    let folder = tempfile::tempdir().unwrap();
    let Some(peer) = Peer::start("starttls", folder.path()) else {
        return;
    };
    let untrusted = format!("smtp://{LOGIN}127.0.0.1:{}", peer.port);
    let said = refused(&mailer(folder.path(), Some(&untrusted)), "ada@example.org").await;
    assert!(
        matches!(&said, Error::Unavailable(said) if said.contains("ertificate")),
        "{said}"
    );
    let wrong = format!(
        "smtp://ada:secret@127.0.0.1:{}?ca={}",
        peer.port, peer.certificate
    );
    let said = refused(&mailer(folder.path(), Some(&wrong)), "ada@example.org").await;
    assert!(
        matches!(&said, Error::Unavailable(said) if said.contains("another login")),
        "{said}"
    );
    assert!(!said.to_string().contains("secret"));
    let Some(plain) = Peer::start("plain", folder.path()) else {
        return;
    };
    // One that has no TLS is not spoken to without, unless somebody says so.
    let required = format!("smtp://127.0.0.1:{}", plain.port);
    let said = refused(&mailer(folder.path(), Some(&required)), "ada@example.org").await;
    assert!(matches!(said, Error::Unavailable(_)), "{said}");
    let opportunistic = format!("smtp://127.0.0.1:{}?tls=opportunistic", plain.port);
    let opportunistic = mailer(folder.path(), Some(&opportunistic));
    opportunistic
        .send(&tenant(), "hello", &message("ada@example.org"))
        .await
        .unwrap();
    assert_eq!(plain.mail()["tls"], false);
}

#[tokio::test]
async fn a_server_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let Some(peer) = Peer::start("starttls", folder.path()) else {
        return;
    };
    let try_it = async |server: &str| {
        let smtp = sbd_mail::Smtp::new(&server.parse().unwrap(), &from()).unwrap();
        smtp.test().await
    };
    let right = format!(
        "smtp://{LOGIN}127.0.0.1:{}?ca={}",
        peer.port, peer.certificate
    );
    try_it(&right).await.unwrap();
    let untrusted = format!("smtp://{LOGIN}127.0.0.1:{}", peer.port);
    assert!(try_it(&untrusted).await.is_err());
    let nowhere = Path::new("/no/such/ca.pem");
    let missing = format!("smtp://127.0.0.1:{}?ca={}", peer.port, nowhere.display());
    let refused = Mailer::open(
        folder.path(),
        &Settings {
            server: Some(missing.parse().unwrap()),
            ..Settings::default()
        },
    );
    assert!(refused.is_err_and(|error| error.to_string().contains("/no/such/ca.pem")));
}
