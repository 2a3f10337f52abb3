//! Operators' tokens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use sbd_registry::{Error, Operators, Registry};
use sbd_storage::rusqlite::Connection;
use std::path::Path;

async fn operators(data_dir: &Path) -> Operators {
    Registry::open(data_dir).await.unwrap().operators
}

fn change(data_dir: &Path, sql: &str) {
    let connection = Connection::open(data_dir.join("host.db")).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
}

#[tokio::test]
async fn a_token_is_known_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let operators = operators(folder.path()).await;
    let (ci, token) = operators.create("ci", None).await.unwrap();
    let (_, other) = operators.create("backup", None).await.unwrap();
    assert_ne!(token.reveal(), other.reveal());
    assert_eq!(token.reveal().len(), "sbd_op_".len() + 43);
    assert_eq!((ci.name.as_str(), &ci.last_used), ("ci", &None));
    let known = operators.authenticate(token.reveal()).await.unwrap();
    assert_eq!(known.name, "ci");
    let listed = operators.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|operator| &*operator.name).collect();
    assert_eq!(names, ["backup", "ci"]);

    let almost = format!("{}A", &token.reveal()[..token.reveal().len() - 1]);
    let upper = token.reveal().to_uppercase();
    for wrong in ["", "sbd_op_", "ci", &almost, &upper, &token.reveal()[7..]] {
        if wrong != token.reveal() {
            let refused = operators.authenticate(wrong).await;
            assert_eq!(refused, Err(Error::Token), "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_token_is_nowhere_to_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let (_, token) = registry.operators.create("ci", None).await.unwrap();
    registry
        .operators
        .authenticate(token.reveal())
        .await
        .unwrap();
    assert_eq!(format!("{token:?}"), "OperatorToken(…)");
    drop(registry);
    let secret = token.reveal().trim_start_matches("sbd_op_").as_bytes();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn tokens_last_until_they_end_or_are_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    let (token, brief) = {
        let operators = operators(folder.path()).await;
        let (_, token) = operators.create("ci", None).await.unwrap();
        let (brief, its) = operators.create("brief", Some(soon)).await.unwrap();
        assert_eq!(brief.expires_at, Some(format!("{soon:.3}")));
        (token, its)
    };
    let operators = operators(folder.path()).await;
    operators.authenticate(brief.reveal()).await.unwrap();
    let end = "UPDATE operators SET expires_at = '2020-01-01T00:00:00.000Z' WHERE name = 'brief'";
    change(folder.path(), end);
    let ended = operators.authenticate(brief.reveal()).await.unwrap_err();
    assert_eq!(
        ended.to_string(),
        "the operator's token `brief` ended at 2020-01-01T00:00:00.000Z; ask for a new one"
    );
    let unreadable = "UPDATE operators SET expires_at = 'never' WHERE name = 'brief'";
    change(folder.path(), unreadable);
    assert!(operators.authenticate(brief.reveal()).await.is_err());

    operators.authenticate(token.reveal()).await.unwrap();
    operators.revoke("ci").await.unwrap();
    let refused = operators.authenticate(token.reveal()).await;
    assert_eq!(refused, Err(Error::Token));
    let (_, again) = operators.create("ci", None).await.unwrap();
    assert!(operators.authenticate(token.reveal()).await.is_err());
    operators.authenticate(again.reveal()).await.unwrap();
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let operators = operators(folder.path()).await;
    let (_, token) = operators.create("ci", None).await.unwrap();
    let used = async || {
        operators.authenticate(token.reveal()).await.unwrap();
        operators.list().await.unwrap()[0]
            .last_used
            .clone()
            .unwrap()
    };
    let noted = |seconds: i64| {
        let at = Timestamp::now() - SignedDuration::from_secs(seconds);
        let at = format!("{at:.3}");
        change(
            folder.path(),
            &format!("UPDATE operators SET last_used = '{at}'"),
        );
        at
    };
    used().await;
    let lately = noted(10);
    assert_eq!(used().await, lately);
    let before = noted(61);
    assert!(used().await > before);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let operators = operators(folder.path()).await;
    for name in ["", "-ci", "ci-", "CI", "a b", "é", &"a".repeat(64)] {
        let refused = operators.create(name, None).await;
        assert!(matches!(refused, Err(Error::OperatorName(_))), "{name}");
    }
    operators.create("nightly", None).await.unwrap();
    let taken = operators.create("nightly", None).await.unwrap_err();
    assert_eq!(taken, Error::OperatorTaken("nightly".to_owned()));
    let past = operators.create("past", Some(Timestamp::UNIX_EPOCH)).await;
    assert!(matches!(past, Err(Error::Expiry(_))));
    assert_eq!(operators.list().await.unwrap().len(), 1);
    let unknown = operators.revoke("nightli").await.unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no operator's token `nightli`; did you mean `nightly`?"
    );
}
