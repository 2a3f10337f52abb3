//! Inserts, updates, deletes, transactions.

use super::{Things, deletion, index, insertion, updating};
use sbd_documents::{Backend, Error, FindAndUpdate, IndexDeclaration, Operation, Outcome, Updated};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn ids_are_made_and_checked(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let made = things
        .insert(&[json!({"a": 1}), json!({"a": 2})])
        .await
        .unwrap();
    assert!(made[0] < made[1] && made[0].len() == 36, "{made:?}");
    assert_eq!(
        things.get(&made[1]).await,
        Some(json!({"_id": made[1], "a": 2}))
    );
    assert_eq!(
        things.insert(&[json!({"a": 1, "_id": "x"})]).await.unwrap(),
        ["x"]
    );
    for wrong in [
        json!({"_id": 1}),
        json!({"_id": ""}),
        json!({"_id": "x".repeat(201)}),
        json!({"_id": null}),
        json!([]),
        json!("x"),
        json!({"$a": 1}),
    ] {
        assert!(
            matches!(
                things.insert(std::slice::from_ref(&wrong)).await,
                Err(Error::Invalid(_))
            ),
            "{wrong}"
        );
    }
    assert_eq!(things.count(&json!({})).await, 3);
}

pub(crate) async fn an_insert_is_all_or_nothing(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("by_a", &[("a", 1)])]).await;
    things.insert(&[json!({"_id": "b", "a": 1})]).await.unwrap();
    let refused = things
        .insert(&[
            json!({"_id": "a", "a": 1}),
            json!({"_id": "b", "a": 1}),
            json!({"_id": "c"}),
        ])
        .await;
    assert_eq!(refused, Err(Error::Duplicate("_id".to_owned())));
    assert_eq!(things.ids(&json!({})).await, ["b"]);
    assert_eq!(things.count(&json!({"a": 1})).await, 1);
}

pub(crate) async fn updates_change(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    things
        .insert(&[
            json!({"_id": "a", "n": 1, "l": [1]}),
            json!({"_id": "b", "n": 1}),
        ])
        .await
        .unwrap();
    let table = [
        (
            json!({"$set": {"x.y": 1}}),
            json!({"_id": "a", "n": 1, "l": [1], "x": {"y": 1}}),
        ),
        (
            json!({"$inc": {"n": 2}, "$unset": {"x": ""}}),
            json!({"_id": "a", "n": 3, "l": [1]}),
        ),
        (
            json!({"$push": {"l": {"$each": [3, 2]}}}),
            json!({"_id": "a", "n": 3, "l": [1, 3, 2]}),
        ),
        (
            json!({"$addToSet": {"l": 3}}),
            json!({"_id": "a", "n": 3, "l": [1, 3, 2]}),
        ),
        (
            json!({"$pull": {"l": {"$gt": 1}}}),
            json!({"_id": "a", "n": 3, "l": [1]}),
        ),
        (
            json!({"$min": {"n": 2}, "$max": {"m": 4}}),
            json!({"_id": "a", "n": 2, "l": [1], "m": 4}),
        ),
        (json!({"whole": true}), json!({"_id": "a", "whole": true})),
    ];
    for (change, expected) in table {
        things
            .update(&json!({"_id": "a"}), &change, false, false)
            .await
            .unwrap();
        assert_eq!(things.get("a").await, Some(expected), "{change}");
    }
    things
        .update(
            &json!({"_id": "a"}),
            &json!({"$currentDate": {"at": true}}),
            false,
            false,
        )
        .await
        .unwrap();
    let at = things.get("a").await.unwrap()["at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");

    let counts = things
        .update(&json!({}), &json!({"$set": {"n": 1}}), true, false)
        .await
        .unwrap();
    assert_eq!(
        counts,
        Updated {
            matched: 2,
            modified: 1,
            upserted: None
        },
        "one was so already"
    );
    let counts = things
        .update(&json!({"n": 1}), &json!({"$inc": {"n": 1}}), false, false)
        .await
        .unwrap();
    assert_eq!((counts.matched, counts.modified), (1, 1));
    assert_eq!(things.count(&json!({"n": 1})).await, 1);
    let refused = things
        .update(
            &json!({}),
            &json!({"$inc": {"_at": 1, "at": 1}}),
            true,
            false,
        )
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(
        things.count(&json!({"_at": {"$exists": true}})).await,
        0,
        "nothing is changed in part"
    );
}

pub(crate) async fn an_update_upserts(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let first = things
        .update(
            &json!({"k": "v", "n": {"$gt": 1}}),
            &json!({"$inc": {"hits": 1}}),
            false,
            true,
        )
        .await
        .unwrap();
    let id = first.upserted.clone().unwrap();
    assert_eq!((first.matched, first.modified), (0, 0));
    assert_eq!(
        things.get(&id).await,
        Some(json!({"_id": id, "k": "v", "hits": 1}))
    );
    let second = things
        .update(
            &json!({"k": "v"}),
            &json!({"$inc": {"hits": 1}}),
            false,
            true,
        )
        .await
        .unwrap();
    assert_eq!(
        second,
        Updated {
            matched: 1,
            modified: 1,
            upserted: None
        }
    );
    let named = things
        .update(
            &json!({"_id": "me"}),
            &json!({"$set": {"a": 1}}),
            true,
            true,
        )
        .await
        .unwrap();
    assert_eq!(named.upserted.as_deref(), Some("me"));
}

pub(crate) async fn deletes_delete(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    things
        .insert(&(0..10).map(|n| json!({"n": n % 2})).collect::<Vec<_>>())
        .await
        .unwrap();
    let delete = async |of: Value, many| {
        things
            .transact(vec![deletion(&of, many, None)])
            .await
            .unwrap()
    };
    assert_eq!(delete(json!({"n": 0}), false).await, [Outcome::Deleted(1)]);
    assert_eq!(delete(json!({"n": 0}), true).await, [Outcome::Deleted(4)]);
    assert_eq!(delete(json!({"n": 0}), true).await, [Outcome::Deleted(0)]);
    assert_eq!(things.count(&json!({"n": 0})).await, 0);
    assert_eq!(things.count(&json!({})).await, 5);
}

pub(crate) async fn a_found_document_is_updated(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .insert(&[
            json!({"_id": "a", "n": 3}),
            json!({"_id": "b", "n": 1}),
            json!({"_id": "c", "n": 2}),
        ])
        .await
        .unwrap();
    let to = json!({"$inc": {"n": 10}});
    let find = async |of: Value, by: Value, upsert, new| {
        things.find_and_update(&of, &by, &to, upsert, new).await
    };
    assert_eq!(
        find(json!({}), json!({}), false, false).await,
        Some(json!({"_id": "a", "n": 3})),
        "by _id when not told otherwise"
    );
    assert_eq!(
        find(json!({}), json!({"n": 1}), false, true).await,
        Some(json!({"_id": "b", "n": 11}))
    );
    assert_eq!(
        find(json!({}), json!({"n": -1}), false, true).await,
        Some(json!({"_id": "a", "n": 23}))
    );
    assert_eq!(
        find(json!({"_id": "z"}), json!({}), false, true).await,
        None
    );
    assert_eq!(
        find(json!({"_id": "y"}), json!({}), true, false).await,
        None,
        "there was none before"
    );
    assert_eq!(
        find(json!({"_id": "z"}), json!({}), true, true).await,
        Some(json!({"_id": "z", "n": 10}))
    );
    assert_eq!(things.count(&json!({})).await, 5);
}

pub(crate) async fn due_documents_go(backend: Arc<impl Backend>) {
    let ttl = IndexDeclaration {
        ttl_seconds: Some(60),
        ..index("ttl", &[("at", 1)])
    };
    let things = Things::new(backend, vec![ttl, index("n", &[("n", 1)])]).await;
    let mut documents: Vec<Value> = (0..2500)
        .map(|n| json!({"at": "2026-01-01T00:00:00.000Z", "n": n}))
        .collect();
    for (id, at) in [
        ("exact", json!("2026-01-02T00:00:00.000Z")),
        ("young", json!("2026-01-02T00:00:00.001Z")),
        (
            "list",
            json!(["2027-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"]),
        ),
        ("text", json!("1 is no time")),
        ("empty", json!("")),
        ("number", json!(5)),
        ("null", json!(null)),
    ] {
        documents.push(json!({"_id": id, "at": at}));
    }
    documents.push(json!({"_id": "none"}));
    for batch in documents.chunks(1000) {
        things.insert(batch).await.unwrap();
    }
    let now = "2026-01-02T00:01:00Z".parse().unwrap();
    assert_eq!(things.backend.sweep_at(now).await.unwrap(), 2502);
    assert_eq!(things.backend.sweep_at(now).await.unwrap(), 0);
    assert_eq!(
        things.ids(&json!({})).await,
        ["empty", "none", "null", "number", "text", "young"]
    );
    assert_eq!(things.count(&json!({"n": 7})).await, 0);
}

pub(crate) async fn transactions_are_one(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    let check = |of: Value, expect| Operation::Check {
        collection: "things".to_owned(),
        filter: of.to_string(),
        expect,
    };
    let operations = vec![
        check(json!({}), 0),
        insertion(json!({"_id": "a", "n": 1})),
        insertion(json!({"_id": "b", "n": 1})),
        check(json!({"n": 1}), 2),
        updating(&json!({"n": 1}), &json!({"$set": {"n": 2}}), true, Some(2)),
        check(json!({"n": 1}), 0),
        deletion(&json!({"_id": "a"}), false, Some(1)),
    ];
    let outcomes = things.transact(operations).await.unwrap();
    let updated = Updated {
        matched: 2,
        modified: 2,
        upserted: None,
    };
    let inserted = |id: &str| Outcome::Inserted(id.to_owned());
    assert_eq!(
        outcomes,
        [
            Outcome::Checked,
            inserted("a"),
            inserted("b"),
            Outcome::Checked,
            Outcome::Updated(updated),
            Outcome::Checked,
            Outcome::Deleted(1)
        ]
    );
    assert_eq!(things.ids(&json!({"n": 2})).await, ["b"]);
}

pub(crate) async fn a_failed_expectation_undoes_all(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    things
        .insert(&[json!({"_id": "a", "n": 1}), json!({"_id": "b", "n": 1})])
        .await
        .unwrap();
    let set = json!({"$set": {"n": 9}});
    let wrong = [
        updating(&json!({"n": 1}), &set, true, Some(1)),
        updating(&json!({"n": 1}), &set, false, Some(2)),
        updating(&json!({"n": 5}), &set, false, Some(1)),
        deletion(&json!({"n": 1}), true, Some(3)),
        deletion(&json!({"n": 1}), false, Some(0)),
        Operation::Check {
            collection: "things".to_owned(),
            filter: json!({"n": 1}).to_string(),
            expect: 3,
        },
    ];
    for operation in wrong {
        let before = vec![
            insertion(json!({"_id": "c", "n": 5, "x": 1})),
            deletion(&json!({"_id": "c"}), true, Some(1)),
            insertion(json!({"n": 7})),
        ];
        let operations = before.into_iter().chain([operation.clone()]).collect();
        let refused = things.transact(operations).await;
        assert_eq!(refused, Err(Error::PreconditionFailed(3)), "{operation:?}");
        assert_eq!(things.ids(&json!({"n": 1})).await, ["a", "b"]);
        assert_eq!(things.count(&json!({})).await, 2);
        assert_eq!(things.count(&json!({"n": 7})).await, 0);
    }
    // Unchanged documents match all the same.
    let same = updating(&json!({"n": 1}), &json!({"$set": {"n": 1}}), true, Some(2));
    assert_eq!(
        things.transact(vec![same]).await.unwrap(),
        [Outcome::Updated(Updated {
            matched: 2,
            modified: 0,
            upserted: None
        })]
    );
}

pub(crate) async fn an_update_answers_what_is_asked(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .insert(&[json!({"_id": "a", "n": 1, "secret": 2})])
        .await
        .unwrap();
    let answer = async |filter: Value, projection: Value, upsert, return_new| {
        let options = FindAndUpdate {
            projection: Some(projection.to_string()),
            upsert,
            return_new,
            ..FindAndUpdate::default()
        };
        let things = &things;
        let update = json!({"$inc": {"n": 1}}).to_string();
        let (collection, filter) = ("things".to_owned(), filter.to_string());
        let answer = things.backend.find_one_and_update(
            &things.component,
            collection,
            filter,
            update,
            options,
        );
        let answer = answer.await?;
        Ok::<Option<Value>, Error>(answer.map(|text| serde_json::from_str(&text).unwrap()))
    };
    let a = || json!({"_id": "a"});
    let only = || json!({"n": 1});
    let without = || json!({"secret": 0, "_id": 0});
    assert_eq!(
        answer(a(), only(), false, false).await,
        Ok(Some(json!({"_id": "a", "n": 1})))
    );
    assert_eq!(
        answer(a(), without(), false, true).await,
        Ok(Some(json!({"n": 3})))
    );
    let b = json!({"_id": "b", "secret": 1});
    assert_eq!(
        answer(b, without(), true, true).await,
        Ok(Some(json!({"n": 1})))
    );
    let wrong = answer(a(), json!({"n": 2}), false, true).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");
    assert_eq!(
        things.get("a").await,
        Some(json!({"_id": "a", "n": 3, "secret": 2}))
    );
}
