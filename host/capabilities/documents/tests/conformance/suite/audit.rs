//! What transactions record of what was done.

use super::{Things, insertion};
use jiff::Timestamp;
use sbd_documents::{Asked, Backend, Error, Operation, Outcome, Record};
use sbd_metering::Cause;
use sbd_storage::Quota;
use serde_json::json;
use std::sync::Arc;

pub(crate) fn record(subject: &str, action: &str, user: Option<&str>) -> Operation {
    Operation::Audit(Record {
        subject: subject.to_owned(),
        action: action.to_owned(),
        data: r#"{"n": 1}"#.to_owned(),
        cause: Cause {
            user: user.map(Arc::from),
            request: Some("req_1".into()),
            ..Cause::default()
        },
    })
}

fn asked() -> Asked {
    Asked {
        limit: 100,
        ..Asked::default()
    }
}

async fn found(things: &Things, asked: Asked) -> Vec<(String, u64, String)> {
    let page = things.backend.audited("family", asked).await.unwrap();
    let entries = page.entries.into_iter();
    entries
        .map(|(entry, _)| (entry.subject, entry.number, entry.action))
        .collect()
}

pub(crate) async fn what_was_done_is_recorded_and_found(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    assert_eq!(found(&things, asked()).await, []);
    let verdict = things
        .backend
        .verify("family", "a".to_owned())
        .await
        .unwrap();
    assert_eq!(
        (verdict.entries, verdict.broken_at, verdict.head),
        (0, None, None)
    );
    let began = Timestamp::now();
    let done = things
        .transact(vec![
            insertion(json!({"_id": "a"})),
            record("a", "thing.made", Some("usr_1")),
            record("b", "thing.made", None),
            record("a", "thing.name.changed", Some("usr_2")),
        ])
        .await
        .unwrap();
    assert_eq!(
        done[1..],
        [
            Outcome::Audited(1),
            Outcome::Audited(1),
            Outcome::Audited(2)
        ]
    );
    let page = things.backend.audited("family", asked()).await.unwrap();
    let (newest, hash) = &page.entries[0];
    assert_eq!(
        (newest.actor.as_deref(), newest.request.as_deref()),
        (Some("usr_2"), Some("req_1"))
    );
    assert_eq!(
        (newest.component.as_str(), newest.data.as_str()),
        ("family", r#"{"n":1}"#)
    );
    assert!(newest.at >= began.as_millisecond() && page.next.is_none());
    let one = |subject: &str, number, action: &str| (subject.to_owned(), number, action.to_owned());
    let (first, other, last) = (
        one("a", 1, "thing.made"),
        one("b", 1, "thing.made"),
        one("a", 2, "thing.name.changed"),
    );
    let of = |change: fn(&mut Asked)| {
        let mut asked = asked();
        change(&mut asked);
        found(&things, asked)
    };
    assert_eq!(
        of(|_| {}).await,
        [last.clone(), other.clone(), first.clone()]
    );
    assert_eq!(
        of(|a| a.subject = Some("a".to_owned())).await,
        [last.clone(), first.clone()]
    );
    assert_eq!(
        of(|a| a.action = Some("thing.name.".to_owned())).await,
        [last.clone()]
    );
    assert_eq!(of(|a| a.action = Some("thing.name".to_owned())).await, []);
    assert_eq!(
        of(|a| a.action = Some("thing.made".to_owned())).await,
        [other, first.clone()]
    );
    assert_eq!(of(|a| a.actor = Some("usr_1".to_owned())).await, [first]);
    assert_eq!(of(|a| a.since = Some(Timestamp::MAX)).await, []);
    assert_eq!(of(|a| a.until = Some(Timestamp::UNIX_EPOCH)).await, []);
    // Page by page.
    for subject in [None, Some("a".to_owned())] {
        let (mut before, mut all) = (None, Vec::new());
        loop {
            let asked = Asked {
                subject: subject.clone(),
                before,
                limit: 1,
                ..Asked::default()
            };
            let page = things.backend.audited("family", asked).await.unwrap();
            all.extend(page.entries.into_iter().map(|(entry, _)| entry.number));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(
            all,
            if subject.is_some() {
                vec![2, 1]
            } else {
                vec![2, 1, 1]
            }
        );
    }
    let verdict = things
        .backend
        .verify("family", "a".to_owned())
        .await
        .unwrap();
    assert_eq!((verdict.entries, verdict.broken_at), (2, None));
    assert_eq!(verdict.head.as_ref(), Some(hash));
    // Another component's are not there.
    assert_eq!(
        things.backend.audited("d", asked()).await.unwrap().entries,
        []
    );
}

pub(crate) async fn what_is_undone_is_not_recorded(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .transact(vec![record("a", "thing.made", None)])
        .await
        .unwrap();
    let undone = vec![
        record("a", "thing.lost", None),
        insertion(json!({"_id": "x"})),
        insertion(json!({"_id": "x"})),
    ];
    assert!(matches!(
        things.transact(undone).await,
        Err(Error::Duplicate(_))
    ));
    things
        .transact(vec![record("a", "thing.kept", None)])
        .await
        .unwrap();
    let numbers = found(&things, asked()).await;
    assert_eq!(
        numbers
            .iter()
            .map(|(_, number, _)| *number)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    let verdict = things
        .backend
        .verify("family", "a".to_owned())
        .await
        .unwrap();
    assert_eq!((verdict.entries, verdict.broken_at), (2, None));
}

pub(crate) async fn entries_of_many_at_once_are_one_chain(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let writers = (0..64).map(|_| things.transact(vec![record("a", "thing.changed", None)]));
    let done = futures::future::join_all(writers).await;
    let mut numbers: Vec<_> = done
        .into_iter()
        .map(|done| match done.unwrap()[..] {
            [Outcome::Audited(number)] => number,
            ref other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
    let verdict = things
        .backend
        .verify("family", "a".to_owned())
        .await
        .unwrap();
    assert_eq!((verdict.entries, verdict.broken_at), (64, None));
}

pub(crate) async fn entries_go_on_in_another_store(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let steps = ["thing.made", "thing.changed"].map(|action| record("a", action, Some("usr_1")));
    things.transact(steps.into()).await.unwrap();
    let page = things.backend.audited("family", asked()).await.unwrap();
    let moved = |to: &str| -> Vec<_> {
        let entries = page.entries.iter().rev().cloned();
        entries
            .map(|(mut entry, hash)| {
                entry.component = to.to_owned();
                (entry, hash)
            })
            .collect()
    };
    // A chain is one component's: the hash says whose.
    assert!(matches!(
        things.backend.adopt(moved("d")).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(
        things.backend.audited("d", asked()).await.unwrap().entries,
        []
    );
    // Nor does it begin again, or in the middle.
    assert!(matches!(
        things.backend.adopt(moved("family")).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(found(&things, asked()).await.len(), 2);
}

pub(crate) async fn wrong_entries_are_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    for (subject, action) in [
        ("", "a.b"),
        ("a\n", "a.b"),
        ("a", "made"),
        ("a", "A.b"),
        ("a", ""),
    ] {
        let refused = things.transact(vec![record(subject, action, None)]).await;
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{subject:?} {action:?}"
        );
    }
    for limit in [0, 1001] {
        let asked = Asked {
            limit,
            ..Asked::default()
        };
        let refused = things.backend.audited("family", asked).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{limit}");
    }
    assert_eq!(found(&things, asked()).await, []);
}

pub(crate) async fn entries_count(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let kept = async || things.backend.stored("family").await.unwrap().bytes;
    let before = kept().await;
    things
        .transact(vec![record("a", "thing.made", None)])
        .await
        .unwrap();
    let one = kept().await - before;
    assert!((50..200).contains(&one), "{one}");
    let quota = Quota {
        documents: 10,
        bytes: before + one + 10,
    };
    things.backend.allow("family", quota).await.unwrap();
    let full = things.transact(vec![record("a", "thing.made", None)]).await;
    assert!(matches!(full, Err(Error::Quota("stored_bytes"))));
    assert_eq!(
        things
            .backend
            .verify("family", "a".to_owned())
            .await
            .unwrap()
            .entries,
        1
    );
}
