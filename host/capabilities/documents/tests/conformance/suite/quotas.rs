//! What a component may keep.

use super::{Things, deletion, index, insertion, updating};
use jiff::{SignedDuration, Timestamp};
use sbd_documents::{Backend, Error, IndexDeclaration};
use sbd_documents_query::key;
use sbd_storage::Quota;
use sbd_storage::quota::Stored;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is kept, counted by reading all of it: the documents, and in the indexes on each of these
/// fields a key and the id.
async fn recount(things: &Things, indexed: &[&str]) -> Stored {
    let page = things.page(&json!({}), &json!({}), None, 0, 1000).await;
    let taken = |text: &String| {
        let document: Value = serde_json::from_str(text).unwrap();
        let id = document["_id"].as_str().unwrap().len();
        let entry = |field: &&str| key(&document[*field]).len() + id;
        (text.len() + indexed.iter().map(entry).sum::<usize>()) as u64
    };
    Stored {
        documents: page.documents.len() as u64,
        bytes: page.documents.iter().map(taken).sum(),
    }
}

pub(crate) async fn counted(things: &Things) -> Stored {
    things.backend.stored(&things.component).await.unwrap()
}

/// A number that looks arbitrary and is the same each time.
fn arbitrary(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) >> 40
}

pub(crate) async fn what_is_kept_is_counted(backend: Arc<impl Backend>) {
    let expiry = IndexDeclaration {
        ttl_seconds: Some(0),
        ..index("expiry", &[("due", 1)])
    };
    let things = Things::new(backend, vec![index("n", &[("n", 1)]), expiry]).await;
    assert_eq!(counted(&things).await, Stored::default());
    let start = Timestamp::now();
    let later = |round: u64| start + SignedDuration::from_secs(round.cast_signed());
    let mut swept = 0;
    for round in 0..300_u64 {
        let (n, text) = (
            arbitrary(round) % 20,
            "é".repeat((arbitrary(round * 7) % 50) as usize),
        );
        let of = json!({"n": n});
        // Some of these are refused, which must count for nothing.
        match arbitrary(round * 3) % 7 {
            0 | 1 => drop(
                things
                    .insert(&[
                        json!({"n": n, "text": text}),
                        json!({"n": n, "due": later(round + n).to_string()}),
                    ])
                    .await,
            ),
            2 => drop(things.insert(&[json!({"n": n}), json!({"_id": 7})]).await),
            3 => drop(
                things
                    .update(&of, &json!({"$set": {"text": text}}), true, true)
                    .await,
            ),
            4 => drop(things.transact(vec![deletion(&of, true, None)]).await),
            5 => {
                let steps = vec![
                    insertion(json!({"n": n, "text": text})),
                    updating(&of, &json!({"$set": {"text": text}}), true, None),
                    deletion(&json!({"n": n + 1}), true, (round % 2 == 0).then_some(99)),
                ];
                drop(things.transact(steps).await);
            }
            _ => drop(
                things
                    .find_and_update(&of, &json!({}), &json!({"$inc": {"n": 1}}), false, true)
                    .await,
            ),
        }
        if round % 30 == 0 {
            swept += things.backend.sweep_at(later(round)).await.unwrap();
            assert_eq!(
                counted(&things).await,
                recount(&things, &["n", "due"]).await,
                "round {round}"
            );
        }
    }
    assert_eq!(
        counted(&things).await,
        recount(&things, &["n", "due"]).await
    );
    assert!(swept > 0, "nothing was due");
    // Indexes come and go with what they take, and another component has its own count.
    things
        .configure(vec![index("n", &[("n", -1)])])
        .await
        .unwrap();
    assert_eq!(counted(&things).await, recount(&things, &["n"]).await);
    things.configure(vec![]).await.unwrap();
    assert_eq!(counted(&things).await, recount(&things, &[]).await);
    // What is not declared any more is kept, and counts.
    let before = counted(&things).await;
    let undeclare = things.backend.configure(&things.component, &[]);
    undeclare.await.unwrap();
    assert_eq!(counted(&things).await, before);
    things.configure(vec![]).await.unwrap();
    assert_eq!(counted(&things).await, before);
    assert_eq!(recount(&things, &[]).await, before);
    assert_eq!(
        things.backend.stored("other").await.unwrap(),
        Stored::default()
    );
}

pub(crate) async fn quotas_are_kept(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let id = |n: usize| format!("{n:03}");
    let note = |n: usize| json!({"_id": id(n), "text": "x".repeat(77)});
    assert_eq!(note(0).to_string().len(), 100);
    let allow = |documents, bytes| {
        let quota = Quota { documents, bytes };
        things.backend.allow(&things.component, quota)
    };
    allow(10, 100_000).await.unwrap();
    let ten: Vec<Value> = (0..10).map(note).collect();
    things.insert(&ten).await.unwrap();
    assert_eq!(
        things.insert(&[note(10)]).await,
        Err(Error::Quota("stored_documents"))
    );
    // Half of it would fit; none of it goes in.
    things
        .transact(vec![deletion(&json!({"_id": "000"}), false, None)])
        .await
        .unwrap();
    let two = things.insert(&[note(0), note(10)]).await;
    assert_eq!(two, Err(Error::Quota("stored_documents")));
    assert_eq!(
        counted(&things).await,
        Stored {
            documents: 9,
            bytes: 900
        }
    );

    allow(1000, 1000).await.unwrap();
    things.insert(&[note(0)]).await.unwrap();
    assert_eq!(
        things.insert(&[note(10)]).await,
        Err(Error::Quota("stored_bytes"))
    );
    let longer = json!({"$set": {"more": 1}});
    let grown = things
        .update(&json!({"_id": "000"}), &longer, false, false)
        .await;
    assert_eq!(grown.map(drop), Err(Error::Quota("stored_bytes")));
    assert_eq!(things.get("000").await, Some(note(0)));

    // Who has more than a new quota keeps it, and may make it less.
    allow(5, 500).await.unwrap();
    assert_eq!(things.count(&json!({})).await, 10);
    let shorter = json!({"$set": {"text": ""}});
    things
        .update(&json!({"_id": "000"}), &shorter, false, false)
        .await
        .unwrap();
    things
        .transact(vec![deletion(&json!({"_id": "001"}), false, None)])
        .await
        .unwrap();
    assert!(matches!(
        things.insert(&[note(1)]).await,
        Err(Error::Quota(_))
    ));
    assert_eq!(counted(&things).await, recount(&things, &[]).await);
}

/// Of a document with many list entries and a long text beside them, an index would keep the text
/// once an entry.
pub(crate) async fn entries_of_indexes_are_bounded_and_counted(backend: Arc<impl Backend>) {
    let by_tag = index("by_tag", &[("tags", 1), ("text", 1)]);
    let things = Things::new(backend, vec![by_tag]).await;
    let note = |tags: usize, text: usize| {
        let tags: Vec<String> = (0..tags).map(|n| format!("{n:03}")).collect();
        json!({"_id": "a", "tags": tags, "text": "x".repeat(text)})
    };
    let refused = |answer: Result<(), Error>| match answer {
        Err(Error::Invalid(message)) => {
            for part in ["things.by_tag", "2097152 bytes", "shorten"] {
                assert!(message.contains(part), "{message}");
            }
        }
        other => panic!("{other:?}"),
    };
    refused(things.insert(&[note(1000, 500_000)]).await.map(drop));
    assert_eq!(counted(&things).await, Stored::default());
    let kept = note(1000, 1000);
    things.insert(std::slice::from_ref(&kept)).await.unwrap();
    let entry = key(&json!("000")).len() + key(&kept["text"]).len() + 1;
    let bytes = (kept.to_string().len() + 1000 * entry) as u64;
    let stored = |bytes| Stored {
        documents: 1,
        bytes,
    };
    assert_eq!(counted(&things).await, stored(bytes));
    let set = |text: usize| json!({"$set": {"text": "x".repeat(text)}});
    let longer = things.update(&json!({}), &set(500_000), false, false).await;
    refused(longer.map(drop));
    assert_eq!(counted(&things).await, stored(bytes));
    // One byte of text is one in each entry.
    let quota = Quota {
        documents: 9,
        bytes: bytes + 500,
    };
    let allow = things.backend.allow(&things.component, quota);
    allow.await.unwrap();
    let more = things.update(&json!({}), &set(1001), false, false).await;
    assert_eq!(more.map(drop), Err(Error::Quota("stored_bytes")));
    things
        .update(&json!({}), &set(999), false, false)
        .await
        .unwrap();
    assert_eq!(counted(&things).await, stored(bytes - 1001));
    let gone = deletion(&json!({}), true, Some(1));
    things.transact(vec![gone]).await.unwrap();
    assert_eq!(counted(&things).await, Stored::default());
}
