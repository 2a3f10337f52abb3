//! The account of changes: a chain that shows where it was touched.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_registry::{Actor, Audit, Entry, Filter, Outcome, Registry};
use sbd_storage::rusqlite::Connection;
use serde_json::{Value, json};

async fn account() -> (Audit, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    (registry.audit, folder)
}

async fn change(audit: &Audit, actor: &Actor, target: &str, outcome: &Outcome) {
    let begun = audit.begin(actor, "tenant.create", target, Value::Null);
    audit.finish(begun.await.unwrap(), outcome).await.unwrap();
}

async fn all(audit: &Audit) -> Vec<Entry> {
    audit.list(Filter::default(), 0, 1000).await.unwrap()
}

#[tokio::test]
async fn a_change_is_accounted_for_before_and_after() {
    let (audit, folder) = account().await;
    let operator = Actor::Operator("ci".to_owned());
    let details = json!({"title": "Acme"});
    let begun = audit.begin(&operator, "tenant.create", "acme", details.clone());
    let begun = begun.await.unwrap();
    let id = begun.id().to_owned();
    assert!(id.starts_with("aud_"), "{id}");
    let entries = all(&audit).await;
    assert_eq!((entries.len(), entries[0].outcome.as_str()), (1, "begun"));
    assert_eq!(
        (
            entries[0].id.as_str(),
            entries[0].actor.as_str(),
            &entries[0].details
        ),
        (id.as_str(), "operator:ci", &details)
    );

    // Another one of the same kind ends in between; each end names its own beginning.
    change(
        &audit,
        &Actor::Owner,
        "acme",
        &Outcome::Refused("taken".to_owned()),
    )
    .await;
    let broken = Outcome::Failed("no room".to_owned());
    audit.finish(begun, &broken).await.unwrap();
    let reopened = Registry::open(folder.path()).await.unwrap();
    let entries = all(&reopened.audit).await;
    let outcomes: Vec<&str> = entries.iter().map(|entry| &*entry.outcome).collect();
    assert_eq!(
        outcomes,
        ["failed: no room", "refused: taken", "begun", "begun"]
    );
    assert_eq!(entries[0].details, json!({"begun": id}));
    assert_eq!(entries[0].actor, "operator:ci");
    assert_eq!(entries[1].details, json!({"begun": entries[2].id}));
}

#[tokio::test]
async fn entries_are_found_by_action_and_target() {
    let (audit, _folder) = account().await;
    for (action, target) in [("a", "x"), ("a", "y"), ("b", "x")] {
        let begun = audit.begin(&Actor::Owner, action, target, Value::Null);
        audit
            .finish(begun.await.unwrap(), &Outcome::Done)
            .await
            .unwrap();
    }
    let found = async |action: Option<&str>, target: Option<&str>| {
        let filter = Filter {
            action: action.map(str::to_owned),
            target: target.map(str::to_owned),
        };
        audit.list(filter, 0, 100).await.unwrap().len()
    };
    assert_eq!(found(None, None).await, 6);
    assert_eq!(found(Some("a"), None).await, 4);
    assert_eq!(found(None, Some("x")).await, 4);
    assert_eq!(found(Some("b"), Some("x")).await, 2);
    assert_eq!(found(Some("b"), Some("y")).await, 0);
    let page = audit.list(Filter::default(), 5, 10).await.unwrap();
    assert_eq!(page.len(), 1, "the oldest");
    assert_eq!(page[0].action, "a");
}

#[tokio::test]
async fn whatever_is_touched_is_found() {
    let (audit, folder) = account().await;
    let user = Actor::User("usr_1".to_owned());
    for n in 0..5 {
        change(&audit, &user, &format!("t{n}"), &Outcome::Done).await;
    }
    assert_eq!(audit.verify().await.unwrap(), None);
    let mut entries = all(&audit).await;
    entries.reverse();
    let tamper = |sql: &str| {
        let connection = Connection::open(folder.path().join("host.db")).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    };
    for (column, was) in [
        ("id", entries[3].id.as_str()),
        ("at", &entries[3].at),
        ("actor", "user:usr_1"),
        ("action", "tenant.create"),
        ("target", "t1"),
        ("details", &entries[3].details.to_string()),
        ("outcome", "done"),
    ] {
        tamper(&format!(
            "UPDATE audit SET {column} = '\"else\"' WHERE place = 4"
        ));
        assert!(audit.verify().await.unwrap().is_some(), "{column}");
        tamper(&format!(
            "UPDATE audit SET {column} = '{was}' WHERE place = 4"
        ));
        assert_eq!(audit.verify().await.unwrap(), None, "{column}");
    }
    tamper("UPDATE audit SET actor = 'somebody' WHERE place = 4");
    assert_eq!(audit.verify().await.unwrap().unwrap().id, entries[3].id);
    tamper("UPDATE audit SET actor = 'user:usr_1' WHERE place = 4");
    tamper("DELETE FROM audit WHERE place = 3");
    assert_eq!(audit.verify().await.unwrap().unwrap().id, entries[3].id);
}
