//! What is refused, and that nothing of it is written.

use super::{Things, deletion, everything, index, insertion};
use sbd_documents::{
    Backend, CollectionDeclaration, Error, FindAndUpdate, IndexDeclaration, Operation, Outcome,
    Query, UpdateOptions,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn components_are_apart(backend: Arc<impl Backend>) {
    let unique = IndexDeclaration {
        unique: true,
        ..index("n", &[("n", 1)])
    };
    let ours = Things::new(Arc::clone(&backend), vec![unique.clone()]).await;
    // Names that would meet if they were simply put together, or if case did not count.
    for component in ["auth", "Family", "family:things", "fam%69ly"] {
        let theirs = Things {
            component: Arc::from(component),
            ..ours.clone()
        };
        theirs.configure(vec![unique.clone()]).await.unwrap();
        theirs
            .insert(&[json!({"_id": "1", "n": 1, "of": component})])
            .await
            .unwrap();
    }
    let strange = |name: &str, indexes| CollectionDeclaration {
        name: name.to_owned(),
        indexes,
    };
    let names = ["Things", "things", "things:n", "a\"b", "ü"];
    let declarations: Vec<CollectionDeclaration> = names
        .iter()
        .map(|name| strange(name, vec![unique.clone(), index("n_id", &[("n", -1)])]))
        .collect();
    ours.backend
        .configure("family", &declarations)
        .await
        .unwrap();
    for name in names {
        let operation = Operation::Insert {
            collection: name.to_owned(),
            document: json!({"_id": "1", "n": 1}).to_string(),
        };
        ours.transact(vec![operation]).await.unwrap();
        let count = ours.backend.count(
            &ours.component,
            name.to_owned(),
            json!({"n": 1}).to_string(),
        );
        assert_eq!(count.await.unwrap(), 1, "{name}");
    }
    assert_eq!(ours.get("1").await, Some(json!({"_id": "1", "n": 1})));
    assert_eq!(
        Things {
            component: Arc::from("auth"),
            ..ours
        }
        .get("1")
        .await
        .unwrap()["of"],
        "auth"
    );
}

pub(crate) async fn undeclared_is_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let refused = things
        .backend
        .get(&things.component, "others".to_owned(), "x".to_owned());
    let error = refused.await.unwrap_err();
    assert!(matches!(error, Error::UnknownCollection { .. }));
    let text = error.to_string();
    assert!(
        text.contains("add to spin.toml:\n[component.family.tool.sbd.collections.others]"),
        "{text}"
    );
    let operation = Operation::Delete {
        collection: "others".to_owned(),
        filter: "{}".to_owned(),
        many: true,
        expect: None,
    };
    let refused = things.transact(vec![insertion(json!({})), operation]).await;
    assert!(matches!(refused, Err(Error::UnknownCollection { .. })));
    assert_eq!(things.count(&json!({})).await, 0);
}

pub(crate) async fn too_large_is_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let large = "x".repeat(1 << 20);
    assert!(matches!(
        things.insert(&[json!({"a": large})]).await,
        Err(Error::Limit(_))
    ));
    things
        .insert(&[json!({"_id": "a", "l": "x".repeat((1 << 20) - 100)})])
        .await
        .unwrap();
    let refused = things
        .update(
            &json!({}),
            &json!({"$set": {"m": "x".repeat(100)}}),
            true,
            false,
        )
        .await;
    assert!(matches!(refused, Err(Error::Limit(_))));
    assert_eq!(things.count(&json!({"m": {"$exists": true}})).await, 0);
    for n in 0..17 {
        things
            .insert(&[json!({"n": n, "l": "x".repeat((1 << 20) - 100)})])
            .await
            .unwrap();
    }
    for sort in [None, Some(json!({"n": 1}).to_string())] {
        let query = Query {
            sort,
            ..everything(1000)
        };
        let refused = things.find(query.clone()).await;
        let over = Err(Error::Limit("answer_bytes"));
        assert_eq!(refused, over, "18 MiB in one answer");
        let projection = Some(json!({"n": 1}).to_string());
        let small = things
            .find(Query {
                projection,
                ..query
            })
            .await
            .unwrap();
        assert_eq!(small.documents.len(), 18);
    }
}

pub(crate) async fn malformed_texts_change_nothing(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    let before = json!({"_id": "a", "n": 1});
    things.insert(std::slice::from_ref(&before)).await.unwrap();
    let deep = format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000));
    let wrong = [
        "",
        " ",
        "{",
        "null",
        "1",
        "[1]",
        "\"a\"",
        "{\"a\":}",
        "{\"a\": 1} x",
        "{'a': 1}",
        "{\"a\": 1e999}",
        "{\"a\": NaN}",
        // Whole numbers that would be rounded without a word.
        "{\"a\": 18446744073709551615}",
        "{\"a\": 18446744073709551616}",
        "{\"a\": [{\"b\": -9223372036854775809}]}",
        "{\"a\": 123456789012345678901234567890}",
        "{\"$a\": 1}",
        "{\"a\": \"\\ud800\"}",
        "\u{feff}{}",
        &deep,
    ];
    let c = || "things".to_owned();
    let family = &things.component;
    for wrong in wrong {
        let text = || wrong.to_owned();
        let at = &wrong[..wrong.len().min(40)];
        macro_rules! refused {
            ($what:literal, $answer:expr) => {
                let answer = $answer.await;
                assert!(
                    matches!(answer, Err(Error::Invalid(_))),
                    "{} {at}: {answer:?}",
                    $what
                );
            };
        }
        let good = json!({"n": 2}).to_string();
        let backend = &things.backend;
        refused!(
            "document",
            backend.insert(family, c(), vec![good.clone(), text()])
        );
        refused!(
            "filter",
            things.find(Query {
                filter: text(),
                ..everything(1)
            })
        );
        refused!(
            "sort",
            things.find(Query {
                sort: Some(text()),
                ..everything(1)
            })
        );
        refused!(
            "projection",
            things.find(Query {
                projection: Some(text()),
                ..everything(1)
            })
        );
        refused!("count", things.try_count(wrong));
        refused!("distinct", things.distinct("n", wrong));
        refused!("pipeline", things.aggregate(wrong));
        let stage = format!("[{{\"$match\": {wrong}}}]");
        refused!("stage", things.aggregate(&stage));
        let (all, set) = ("{}".to_owned(), json!({"$set": {"n": 3}}).to_string());
        let options = FindAndUpdate::default;
        refused!(
            "filter",
            backend.find_one_and_update(family, c(), text(), set.clone(), options())
        );
        refused!(
            "update",
            backend.find_one_and_update(family, c(), all.clone(), text(), options())
        );
        let sorted = FindAndUpdate {
            sort: Some(text()),
            ..options()
        };
        refused!(
            "sort",
            backend.find_one_and_update(family, c(), all.clone(), set.clone(), sorted)
        );
        let update = |filter: &str, update: &str| Operation::Update {
            collection: c(),
            filter: filter.to_owned(),
            update: update.to_owned(),
            options: UpdateOptions {
                many: false,
                upsert: true,
            },
            expect: None,
        };
        for last in [
            Operation::Insert {
                collection: c(),
                document: text(),
            },
            update(wrong, &set),
            update("{}", wrong),
            Operation::Delete {
                collection: c(),
                filter: text(),
                many: true,
                expect: None,
            },
            Operation::Check {
                collection: c(),
                filter: text(),
                expect: 0,
            },
        ] {
            let steps = vec![
                insertion(json!({"_id": "b"})),
                update("{}", &set),
                last.clone(),
            ];
            let refused = things.transact(steps).await;
            assert!(
                matches!(&refused, Err(Error::Invalid(text)) if text.starts_with("operation 2: ")),
                "{last:?}: {refused:?}"
            );
            refused!("alone", things.transact(vec![last]));
        }
    }
    for wrong in ["", ".", "a..b", "$a", "a.$b", "a\0"] {
        assert!(
            matches!(things.distinct(wrong, "{}").await, Err(Error::Invalid(_))),
            "{wrong}"
        );
    }
    assert_eq!(things.ids(&json!({})).await, ["a"]);
    assert_eq!(things.get("a").await, Some(before));
    assert_eq!(things.count(&json!({"n": 1})).await, 1);
}

pub(crate) async fn limits_are_named(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let batch = |count: usize| vec![json!({"a": 1}); count];
    assert_eq!(
        things.insert(&batch(1001)).await,
        Err(Error::Limit("insert_batch"))
    );
    assert!(matches!(things.insert(&[]).await, Err(Error::Invalid(_))));
    let large = vec![json!({"a": "x".repeat(1_000_000)}); 17];
    assert_eq!(things.insert(&large).await, Err(Error::Limit("call_bytes")));
    let steps = |count: usize| vec![insertion(json!({"a": 1})); count];
    assert_eq!(
        things.transact(steps(101)).await,
        Err(Error::Limit("operations"))
    );
    assert!(matches!(
        things.transact(vec![]).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(
        things.find(everything(1001)).await,
        Err(Error::Limit("page"))
    );
    assert!(matches!(
        things.find(everything(0)).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(things.count(&json!({})).await, 0);

    assert_eq!(things.transact(steps(100)).await.unwrap().len(), 100);
    for first in (100..10_001).step_by(1000) {
        let batch: Vec<Value> = (first..10_001.min(first + 1000))
            .map(|n| json!({"n": n}))
            .collect();
        things.insert(&batch).await.unwrap();
    }
    assert_eq!(things.count(&json!({})).await, 10_001);
    assert_eq!(
        things.find(everything(1000)).await.unwrap().documents.len(),
        1000
    );
    let set = json!({"$set": {"z": 1}});
    let touching = Err(Error::Limit("touched"));
    assert_eq!(things.update(&json!({}), &set, true, false).await, touching);
    let deleting = things
        .transact(vec![deletion(&json!({}), true, None)])
        .await;
    assert_eq!(deleting, Err(Error::Limit("touched")));
    assert_eq!(things.count(&json!({"z": 1})).await, 0);
    assert_eq!(
        things.distinct("_id", "{}").await,
        Err(Error::Limit("distinct"))
    );
    assert_eq!(things.distinct("n", "{}").await.unwrap().len(), 9901);
    let one = things
        .transact(vec![deletion(&json!({}), false, Some(1))])
        .await;
    assert_eq!(one.unwrap(), [Outcome::Deleted(1)]);
    let all = things.update(&json!({}), &set, true, false).await.unwrap();
    assert_eq!((all.matched, all.modified), (10_000, 10_000));
    assert_eq!(things.distinct("_id", "{}").await.unwrap().len(), 10_000);

    let whole = things
        .update(&json!({}), &json!({"a": 1}), true, false)
        .await;
    assert!(matches!(whole, Err(Error::Invalid(_))), "{whole:?}");
    let text = Error::Limit("page").to_string();
    assert!(text.contains("`page`") && text.contains("cursor"), "{text}");
}
