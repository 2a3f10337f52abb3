//! Many callers at once.

use super::{Things, index, insertion, updating, values};
use futures::future::join_all;
use sbd_documents::{Backend, FindAndUpdate, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn one_consumer_wins(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("hash", &[("hash", 1)])]).await;
    for round in 0..20 {
        things
            .insert(&[json!({"hash": round, "consumed": false})])
            .await
            .unwrap();
        let (of, to) = (
            json!({"hash": round, "consumed": false}),
            json!({"$set": {"consumed": true}}),
        );
        let none = json!({});
        let consume = || things.find_and_update(&of, &none, &to, false, false);
        let (one, other) = futures::join!(consume(), consume());
        assert_eq!(usize::from(one.is_some()) + usize::from(other.is_some()), 1);
    }
}

pub(crate) async fn parallel_writers_lose_nothing(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("w", &[("w", 1)])]).await;
    things
        .insert(&[json!({"_id": "sum", "n": 0})])
        .await
        .unwrap();
    let writers = (0..64).map(|writer| {
        let things = things.clone();
        async move {
            things.insert(&[json!({"w": writer})]).await.unwrap();
            things
                .update(
                    &json!({"_id": "sum"}),
                    &json!({"$inc": {"n": 1}}),
                    false,
                    false,
                )
                .await
                .unwrap();
        }
    });
    join_all(writers).await;
    assert_eq!(things.get("sum").await.unwrap()["n"], 64);
    assert_eq!(things.count(&json!({"w": {"$gte": 0}})).await, 64);
}

pub(crate) async fn pages_are_consistent(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    let accounts: Vec<Value> = (0..20)
        .map(|n| json!({"_id": format!("{n:02}"), "kind": "account", "n": 100}))
        .collect();
    things.insert(&accounts).await.unwrap();
    let (done, is_done) = tokio::sync::watch::channel(false);
    let writing = async {
        for round in 0..300 {
            let (from, to) = (round % 20, (round * 7 + 1) % 20);
            let step = |id: i32, by: i32| {
                updating(
                    &json!({"_id": format!("{id:02}")}),
                    &json!({"$inc": {"n": by}}),
                    false,
                    Some(1),
                )
            };
            things
                .transact(vec![step(from, -round), step(to, round)])
                .await
                .unwrap();
        }
        done.send(true).unwrap();
    };
    let reading = async |by: Value, of: Value| {
        let mut pages = 0;
        while !*is_done.borrow() {
            let page = things.page(&of, &by, None, 0, 1000).await;
            let sum: i64 = values(&page.documents)
                .iter()
                .map(|document| document["n"].as_i64().unwrap())
                .sum();
            assert_eq!((page.documents.len(), sum), (20, 2000), "{by} {of}");
            pages += 1;
        }
        assert!(pages > 0);
    };
    let all = json!({});
    futures::join!(
        writing,
        reading(all.clone(), all.clone()),
        reading(json!({"n": 1}), all.clone()),
        reading(json!({"kind": 1}), json!({"kind": "account"})),
        reading(
            json!({"kind": 1, "n": -1}),
            json!({"n": {"$gte": -100_000}})
        ),
    );
}

pub(crate) async fn indexes_change_under_load(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let (done, is_done) = tokio::sync::watch::channel(false);
    let configuring = async {
        let declared = [
            vec![index("n", &[("n", 1)])],
            vec![],
            vec![index("n", &[("m", 1)])],
            vec![index("n", &[("n", -1)]), index("m", &[("m", 1), ("n", 1)])],
        ];
        for round in 0..40 {
            things.configure(declared[round % 4].clone()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        done.send(true).unwrap();
    };
    let writing = async |writer: usize| {
        let mut written = 0;
        while !*is_done.borrow() {
            let both = json!({"n": writer, "m": written});
            things.insert(&[both]).await.unwrap();
            written += 1;
            let counted = things.count(&json!({"n": writer})).await;
            assert_eq!(counted, written, "what was answered is found");
            assert_eq!(
                things.count(&json!({"n": writer, "m": written - 1})).await,
                1
            );
        }
        written
    };
    let ((), one, two, three) = futures::join!(configuring, writing(1), writing(2), writing(3));
    assert!(one > 0 && two > 0 && three > 0);
    for (writer, written) in [(1, one), (2, two), (3, three)] {
        assert_eq!(things.count(&json!({"n": writer})).await, written);
        let page = things
            .page(&json!({"n": writer}), &json!({"m": -1}), None, 0, 1)
            .await;
        assert_eq!(values(&page.documents)[0]["m"], written - 1);
    }
}

/// A guest that computes for long does not look at the answers of its calls meanwhile.
pub(crate) async fn a_silent_caller_holds_up_nobody(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let (insert, set) = (
        json!({"_id": "a"}).to_string(),
        json!({"$set": {"n": 1}}).to_string(),
    );
    let large = json!({"_id": "b", "text": "x".repeat(500_000)}).to_string();
    let c = || "things".to_owned();
    let (backend, family) = (&things.backend, &things.component);
    let options = FindAndUpdate {
        upsert: true,
        ..FindAndUpdate::default()
    };
    let mut inserting = backend.insert(family, c(), vec![insert, large]);
    let mut running = backend.transact(family, vec![insertion(json!({"_id": "c"}))]);
    let filter = json!({"_id": "d"}).to_string();
    let mut changing = backend.find_one_and_update(family, c(), filter, set, options);
    assert!(futures::poll!(&mut inserting).is_pending());
    assert!(futures::poll!(&mut running).is_pending());
    assert!(futures::poll!(&mut changing).is_pending());
    let others = async {
        things
            .configure(vec![index("n", &[("n", 1)])])
            .await
            .unwrap();
        things.insert(&[json!({"_id": "e"})]).await.unwrap();
    };
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, others).await.unwrap();
    assert_eq!(inserting.await.unwrap(), ["a", "b"]);
    assert_eq!(running.await.unwrap(), [Outcome::Inserted("c".to_owned())]);
    assert_eq!(changing.await.unwrap(), None);
    assert_eq!(things.count(&json!({})).await, 5);
    assert_eq!(things.count(&json!({"n": null})).await, 4);
}
