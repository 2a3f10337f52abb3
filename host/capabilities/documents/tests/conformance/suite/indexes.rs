//! Indexes: what they refuse, how they come and go, and that no answer depends on them.

use super::queries::{questions, zoo};
use super::{Things, ids, index};
use futures::future::join_all;
use sbd_documents::{Backend, CollectionDeclaration, Error, IndexDeclaration};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn indexes_change_no_answer(backend: Arc<impl Backend>) {
    let sparse = IndexDeclaration {
        sparse: true,
        ..index("sparse_s", &[("s", 1)])
    };
    let indexes = vec![
        index("n", &[("n", 1), ("s", -1)]),
        index("l", &[("l", -1)]),
        index("k", &[("o.k", 1)]),
        index("la", &[("l.a", 1)]),
        sparse,
    ];
    let things = Things::new(backend, indexes).await;
    things.insert(&zoo()).await.unwrap();
    for (question, expected) in questions() {
        assert_eq!(things.ids(&question).await, expected, "{question}");
        assert_eq!(
            things.count(&question).await,
            u64::try_from(expected.len()).unwrap(),
            "{question}"
        );
    }
    // Rewritten rows answer as new ones do.
    things
        .update(
            &json!({}),
            &json!({"$set": {"n": 7}, "$unset": {"l": 1, "o": 1}}),
            true,
            false,
        )
        .await
        .unwrap();
    assert_eq!(things.count(&json!({"n": 7})).await, 6);
    assert_eq!(things.count(&json!({"n": 1})).await, 0);
    assert_eq!(things.count(&json!({"l": 2})).await, 0);
    assert_eq!(things.count(&json!({"o.k": null})).await, 6);
}

pub(crate) async fn unique_indexes_refuse(backend: Arc<impl Backend>) {
    let email = IndexDeclaration {
        unique: true,
        ..index("email", &[("email", 1)])
    };
    let pair = IndexDeclaration {
        unique: true,
        sparse: true,
        ..index("pair", &[("a", 1), ("b", -1)])
    };
    let things = Things::new(backend, vec![email, pair]).await;
    things
        .insert(&[
            json!({"_id": "1", "email": "x", "a": 1, "b": 1}),
            json!({"_id": "2", "email": "y", "a": 1, "b": 2}),
        ])
        .await
        .unwrap();
    let refused = |result: Result<Vec<String>, Error>, index: &str| {
        assert_eq!(result, Err(Error::Duplicate(index.to_owned())))
    };
    refused(
        things.insert(&[json!({"email": "x"})]).await,
        "things.email",
    );
    refused(
        things.insert(&[json!({"email": ["q", "y"]})]).await,
        "things.email",
    );
    refused(
        things
            .insert(&[json!({"email": "q", "a": 1, "b": 2.0})])
            .await,
        "things.pair",
    );
    refused(
        things
            .insert(&[json!({"email": "q"}), json!({"email": "q"})])
            .await,
        "things.email",
    );
    let update = things
        .update(
            &json!({"_id": "2"}),
            &json!({"$set": {"email": "x"}}),
            false,
            false,
        )
        .await;
    assert_eq!(update, Err(Error::Duplicate("things.email".to_owned())));
    assert_eq!(things.get("2").await.unwrap()["email"], "y");
    // A document may keep its own value, and take one that another has given up.
    things
        .update(
            &json!({"_id": "2"}),
            &json!({"$set": {"email": ["y", "z"]}}),
            false,
            false,
        )
        .await
        .unwrap();
    things
        .update(
            &json!({"_id": "1"}),
            &json!({"$set": {"email": "w"}}),
            false,
            false,
        )
        .await
        .unwrap();
    things.insert(&[json!({"email": "x"})]).await.unwrap();
    // Missing is a value, too, unless the index is sparse.
    things.insert(&[json!({"a": 7})]).await.unwrap();
    refused(things.insert(&[json!({"a": 8})]).await, "things.email");
    let same = |n: i32| {
        let things = things.clone();
        async move {
            things
                .insert(&[json!({"email": "race", "a": n})])
                .await
                .is_ok()
        }
    };
    assert_eq!(
        join_all((0..8).map(same))
            .await
            .into_iter()
            .filter(|won| *won)
            .count(),
        1
    );
}

pub(crate) async fn sparse_indexes_leave_out(backend: Arc<impl Backend>) {
    let sparse = IndexDeclaration {
        unique: true,
        sparse: true,
        ..index("phone", &[("phone", 1)])
    };
    let things = Things::new(backend, vec![sparse]).await;
    things
        .insert(&[
            json!({"_id": "1"}),
            json!({"_id": "2"}),
            json!({"_id": "3", "phone": "5"}),
        ])
        .await
        .unwrap();
    assert_eq!(things.ids(&json!({"phone": null})).await, ["1", "2"]);
    assert_eq!(
        ids(&things
            .page(&json!({}), &json!({"phone": 1}), None, 0, 10)
            .await),
        ["1", "2", "3"]
    );
    assert_eq!(things.ids(&json!({"phone": "5"})).await, ["3"]);
}

pub(crate) async fn lists_are_indexed_element_by_element(backend: Arc<impl Backend>) {
    let things = Things::new(
        backend,
        vec![
            index("tags", &[("tags", 1)]),
            index("members", &[("members.user", 1)]),
        ],
    )
    .await;
    things
        .insert(&[
            json!({"_id": "1", "tags": ["x", "y", "x"], "members": [{"user": "u"}, {"user": "v"}]}),
            json!({"_id": "2", "tags": "y", "members": []}),
        ])
        .await
        .unwrap();
    assert_eq!(
        things.ids(&json!({"tags": {"$in": ["x", "y"]}})).await,
        ["1", "2"]
    );
    assert_eq!(things.ids(&json!({"members.user": "v"})).await, ["1"]);
    assert_eq!(
        things
            .ids(&json!({"members": {"$elemMatch": {"user": "u"}}}))
            .await,
        ["1"]
    );
    things
        .update(
            &json!({"_id": "1"}),
            &json!({"$pull": {"members": {"user": "v"}}}),
            false,
            false,
        )
        .await
        .unwrap();
    assert_eq!(things.ids(&json!({"members.user": "v"})).await, [""; 0]);
    let many: Vec<usize> = (0..2000).collect();
    assert!(matches!(
        things.insert(&[json!({"tags": many})]).await,
        Err(Error::Invalid(_))
    ));
}

pub(crate) async fn an_index_is_built_later(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .insert(
            &(0..50)
                .map(|n| json!({"_id": format!("{n:02}"), "n": n % 5}))
                .collect::<Vec<_>>(),
        )
        .await
        .unwrap();
    things
        .configure(vec![IndexDeclaration {
            unique: true,
            ..index("n", &[("n", 1), ("_id", 1)])
        }])
        .await
        .unwrap();
    assert_eq!(things.count(&json!({"n": 3})).await, 10);
    assert_eq!(
        ids(&things.page(&json!({"n": 3}), &json!({}), None, 0, 2).await),
        ["03", "08"]
    );
    // The same name on another field is another index.
    things
        .configure(vec![IndexDeclaration {
            unique: true,
            ..index("n", &[("m", 1)])
        }])
        .await
        .expect_err("all lack `m`");
    assert_eq!(things.count(&json!({"n": 3})).await, 10);
    things
        .configure(vec![index("n", &[("m", 1)])])
        .await
        .unwrap();
    assert_eq!(things.count(&json!({"m": null})).await, 50);
    // Configuring again changes nothing.
    things
        .configure(vec![index("n", &[("m", 1)])])
        .await
        .unwrap();
    assert_eq!(things.count(&json!({"m": null})).await, 50);
}

pub(crate) async fn an_index_goes(backend: Arc<impl Backend>) {
    let unique = IndexDeclaration {
        unique: true,
        ..index("n", &[("n", 1)])
    };
    let things = Things::new(backend, vec![unique.clone()]).await;
    things.insert(&[json!({"_id": "1", "n": 1})]).await.unwrap();
    things.configure(vec![]).await.unwrap();
    things.insert(&[json!({"_id": "2", "n": 1})]).await.unwrap();
    // While a collection is not declared its data stays.
    things.backend.configure("family", &[]).await.unwrap();
    things.configure(vec![]).await.unwrap();
    assert_eq!(things.count(&json!({"n": 1})).await, 2);
    assert!(things.configure(vec![unique]).await.is_err());
}

pub(crate) async fn a_wrong_unique_index_changes_nothing(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("old", &[("n", 1)])]).await;
    things
        .insert(&[
            json!({"_id": "1", "n": "same"}),
            json!({"_id": "2", "n": "same"}),
        ])
        .await
        .unwrap();
    let unique = IndexDeclaration {
        unique: true,
        ..index("new", &[("n", 1)])
    };
    let error = things
        .configure(vec![unique])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("things.new") && error.contains("\"same\""),
        "{error}"
    );
    things
        .insert(&[json!({"_id": "3", "n": "same"})])
        .await
        .unwrap();
    assert_eq!(things.ids(&json!({"n": "same"})).await, ["1", "2", "3"]);
}

pub(crate) async fn wrong_declarations_are_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    for wrong in [
        vec![index("a", &[])],
        vec![index("", &[("a", 1)])],
        vec![index("a", &[("a", 1)]), index("a", &[("b", 1)])],
        vec![index("a", &[("a", 1), ("a", -1)])],
        vec![index("a", &[("a..b", 1)])],
        vec![index("a", &[("$a", 1)])],
        vec![index("a", &[("_id", 1)])],
        vec![index("a", &[("a", 1); 9])],
        vec![IndexDeclaration {
            ttl_seconds: Some(1),
            ..index("a", &[("a", 1), ("b", 1)])
        }],
    ] {
        let refused = things.configure(wrong.clone()).await;
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{wrong:?}: {refused:?}"
        );
    }
    let twice = [
        CollectionDeclaration {
            name: "t".to_owned(),
            indexes: vec![],
        },
        CollectionDeclaration {
            name: "t".to_owned(),
            indexes: vec![],
        },
    ];
    assert!(things.backend.configure("family", &twice).await.is_err());
    things.insert(&[json!({})]).await.unwrap();
}
