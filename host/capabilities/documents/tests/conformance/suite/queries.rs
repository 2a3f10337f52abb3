//! Finding: filters, pages, projections, counts, pipelines.

use super::{Things, deletion, everything, ids, index, values};
use sbd_documents::{Backend, CollectionDeclaration, Error, Query};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn documents_come_back(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let document =
        json!({"_id": "a", "z": 1, "b": {"c": [1, 2.5, "ü\u{0}\"", null, true]}, "n": i64::MAX});
    assert_eq!(
        things
            .insert(std::slice::from_ref(&document))
            .await
            .unwrap(),
        ["a"]
    );
    let text = things.text("a").await.unwrap();
    assert_eq!(text, document.to_string(), "fields keep their order");
    assert_eq!(things.get("b").await, None);
}

pub(super) fn zoo() -> Vec<Value> {
    vec![
        json!({"_id": "1", "n": 1, "s": "ant", "l": [1, 2, 3], "o": {"k": "x"}}),
        json!({"_id": "2", "n": 2.5, "s": "bee", "l": [], "o": {"k": "y"}}),
        json!({"_id": "3", "n": "2", "s": "cat", "l": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}),
        json!({"_id": "4", "n": null, "s": "dog"}),
        json!({"_id": "5", "s": "eel", "l": 2, "o": {"k": ["x", "z"]}}),
        json!({"_id": "6", "n": [5, 15], "s": true}),
    ]
}

pub(super) fn questions() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({}), &["1", "2", "3", "4", "5", "6"]),
        (json!({"n": 1}), &["1"]),
        (json!({"n": {"$eq": 2.5}}), &["2"]),
        (json!({"n": {"$ne": 1}}), &["2", "3", "4", "5", "6"]),
        (json!({"n": {"$gt": 1}}), &["2", "6"]),
        (json!({"n": {"$gte": 1, "$lt": 3}}), &["1", "2"]),
        (json!({"n": {"$gt": 6, "$lt": 14}}), &["6"]),
        (json!({"n": {"$elemMatch": {"$gt": 6, "$lt": 14}}}), &[]),
        (json!({"n": {"$lte": "2"}}), &["3"]),
        (json!({"n": null}), &["4", "5"]),
        (json!({"n": {"$exists": true}}), &["1", "2", "3", "4", "6"]),
        (json!({"n": {"$exists": false}}), &["5"]),
        (json!({"n": {"$in": [1, "2", null]}}), &["1", "3", "4", "5"]),
        (json!({"n": {"$nin": [1, "2", null]}}), &["2", "6"]),
        (json!({"n": {"$not": {"$gt": 1}}}), &["1", "3", "4", "5"]),
        (json!({"s": "ant"}), &["1"]),
        (json!({"s": {"$in": ["bee", true]}}), &["2", "6"]),
        (json!({"l": 2}), &["1", "5"]),
        (json!({"l": {"$size": 0}}), &["2"]),
        (json!({"l": {"$all": [1, 3]}}), &["1"]),
        (json!({"l.a": 3}), &["3"]),
        (json!({"l": {"$elemMatch": {"a": 1, "b": 4}}}), &[]),
        (json!({"l": {"$elemMatch": {"a": 3, "b": 4}}}), &["3"]),
        (json!({"o.k": "x"}), &["1", "5"]),
        (json!({"o": {"k": "y"}}), &["2"]),
        (json!({"$or": [{"n": 1}, {"s": "dog"}]}), &["1", "4"]),
        (json!({"$and": [{"l": 2}, {"o.k": "z"}]}), &["5"]),
        (
            json!({"$nor": [{"n": {"$exists": true}}, {"s": "ant"}]}),
            &["5"],
        ),
        (
            json!({"_id": {"$in": ["6", "2", "none"]}, "n": {"$exists": true}}),
            &["2", "6"],
        ),
        (json!({"_id": {"$gt": "4"}}), &["5", "6"]),
    ]
}

pub(crate) async fn operators_find(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things.insert(&zoo()).await.unwrap();
    for (question, expected) in questions() {
        assert_eq!(things.ids(&question).await, expected, "{question}");
        assert_eq!(
            things.count(&question).await,
            u64::try_from(expected.len()).unwrap(),
            "{question}"
        );
    }
}

/// As MongoDB orders them: a list stands for its elements, and before all if it has none.
pub(crate) async fn an_empty_list_comes_first(backend: Arc<impl Backend>) {
    let things = [
        json!({"_id": "a", "v": null}),
        json!({"_id": "b"}),
        json!({"_id": "e", "v": []}),
        json!({"_id": "o", "v": 0}),
        json!({"_id": "i", "v": {}}),
        json!({"_id": "r", "v": [[1]]}),
        json!({"_id": "s", "v": [[]]}),
        json!({"_id": "p", "v": false}),
    ];
    let order = ["e", "a", "b", "o", "i", "s", "r", "p"];
    for indexes in [vec![], vec![index("v", &[("v", 1)])]] {
        let all = Things::new(Arc::clone(&backend), indexes).await;
        if all.count(&json!({})).await == 0 {
            all.insert(&things).await.unwrap();
        }
        let up = all.page(&json!({}), &json!({"v": 1}), None, 0, 10).await;
        assert_eq!(ids(&up), order);
        let way = json!({"v": -1, "_id": -1});
        let down = all.page(&json!({}), &way, None, 0, 10).await;
        assert!(ids(&down).iter().rev().eq(order));
        let first = all.page(&json!({}), &json!({"v": 1}), None, 0, 1).await;
        let next = all
            .page(&json!({}), &json!({"v": 1}), first.next, 0, 2)
            .await;
        assert_eq!(ids(&next), ["a", "b"]);
        assert_eq!(all.ids(&json!({"v": []})).await, ["e", "s"]);
        assert_eq!(all.ids(&json!({"v": null})).await, ["a", "b"]);
    }
}

pub(crate) async fn pages_are_sorted(backend: Arc<impl Backend>) {
    for indexes in [vec![], vec![index("n", &[("n", 1)])]] {
        let things = Things::new(Arc::clone(&backend), indexes).await;
        if things.count(&json!({})).await == 0 {
            things.insert(&zoo()).await.unwrap();
        }
        let up = things.page(&json!({}), &json!({"n": 1}), None, 0, 10).await;
        assert_eq!(ids(&up), ["4", "5", "1", "2", "6", "3"]);
        assert_eq!(up.next, None);
        let down = things
            .page(&json!({}), &json!({"n": -1}), None, 0, 10)
            .await;
        assert_eq!(ids(&down), ["3", "6", "2", "1", "4", "5"]);
        let middle = things.page(&json!({}), &json!({"n": 1}), None, 1, 2).await;
        assert_eq!(ids(&middle), ["5", "1"]);
        assert!(middle.next.is_some());
        let rest = things
            .page(&json!({}), &json!({"n": 1}), middle.next, 1, 2)
            .await;
        assert_eq!(ids(&rest), ["6", "3"]);
        assert_eq!(rest.next, None);
        assert_eq!(
            ids(&things.page(&json!({}), &json!({}), None, 4, 10).await),
            ["5", "6"]
        );
        assert_eq!(
            ids(&things
                .page(&json!({}), &json!({}), None, u32::MAX, 10)
                .await),
            [""; 0]
        );
        assert_eq!(
            ids(&things
                .page(&json!({}), &json!({"s": -1, "n": 1}), None, 0, 2)
                .await),
            ["6", "5"]
        );
    }
}

pub(crate) async fn cursors_survive_inserts(backend: Arc<impl Backend>) {
    for (number, indexes) in [
        vec![],
        vec![index("rank", &[("rank", 1)])],
        vec![index("tags", &[("tags", -1)])],
    ]
    .into_iter()
    .enumerate()
    {
        let things = Things::new(Arc::clone(&backend), indexes).await;
        let run = number.to_string();
        let document = |name: &str, rank: i64| json!({"_id": format!("{run}{name}"), "run": number, "rank": rank, "tags": [rank, -rank, 0]});
        let first: Vec<Value> = (0..20)
            .map(|n| document(&format!("k{n:02}"), n / 4))
            .collect();
        things.insert(&first).await.unwrap();
        for by in [
            json!({"rank": 1}),
            json!({"rank": -1}),
            json!({"tags": -1}),
            json!({}),
        ] {
            let mut expected: Vec<String> = ids(&things
                .page(&json!({"run": number}), &by, None, 0, 1000)
                .await);
            let (mut seen, mut after, mut page) = (Vec::new(), None, 0);
            loop {
                let found = things.page(&json!({"run": number}), &by, after, 0, 3).await;
                seen.extend(ids(&found));
                // Before and behind the cursor; those behind may be seen, nothing else may move.
                let (early, late) = (format!("a{by}{page}"), format!("z{by}{page}"));
                things
                    .insert(&[document(&early, -9), document(&late, 9)])
                    .await
                    .unwrap();
                page += 1;
                after = found.next;
                if after.is_none() || page > 200 {
                    break;
                }
                // New ones behind the cursor would make this go on for ever.
                things
                    .transact(vec![deletion(
                        &json!({"rank": {"$in": [9, -9]}}),
                        true,
                        None,
                    )])
                    .await
                    .unwrap();
            }
            things
                .transact(vec![deletion(
                    &json!({"rank": {"$in": [9, -9]}}),
                    true,
                    None,
                )])
                .await
                .unwrap();
            seen.retain(|id| id.contains('k'));
            expected.retain(|id| id.contains('k'));
            assert_eq!(seen, expected, "{by}");
        }
    }
}

pub(crate) async fn projections_choose(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .insert(&[json!({"_id": "a", "b": {"c": 1, "d": 2}, "e": 3})])
        .await
        .unwrap();
    let table = [
        (json!({"b.c": 1}), json!({"_id": "a", "b": {"c": 1}})),
        (
            json!({"b.c": 0}),
            json!({"_id": "a", "b": {"d": 2}, "e": 3}),
        ),
        (json!({"e": 1, "_id": 0}), json!({"e": 3})),
    ];
    for (projection, expected) in table {
        for sort in [None, Some(json!({"e": 1}).to_string())] {
            let query = Query {
                projection: Some(projection.to_string()),
                sort,
                ..everything(1)
            };
            let found = things.find(query).await.unwrap();
            assert_eq!(values(&found.documents), std::slice::from_ref(&expected));
        }
    }
}

pub(crate) async fn counts_and_distinct_values(backend: Arc<impl Backend>) {
    for indexes in [vec![], vec![index("t", &[("t", 1)])]] {
        let things = Things::new(Arc::clone(&backend), indexes).await;
        if things.count(&json!({})).await == 0 {
            things
                .insert(&[
                    json!({"t": [2, 1]}),
                    json!({"t": 2.0}),
                    json!({"t": "x"}),
                    json!({}),
                    json!({"t": [1, 1]}),
                ])
                .await
                .unwrap();
        }
        assert_eq!(things.count(&json!({})).await, 5);
        assert_eq!(things.count(&json!({"t": 2})).await, 2);
        assert_eq!(
            things.count(&json!({"t": {"$in": [1, 2]}})).await,
            3,
            "each document counts once"
        );
        let distinct = things.distinct("t", "{}").await.unwrap();
        assert_eq!(distinct, [json!(1), json!(2), json!("x")]);
    }
}

pub(crate) async fn pipelines_aggregate(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("kind", &[("kind", 1)])]).await;
    let documents = [("a", 1), ("b", 5), ("a", 3), ("c", 9)]
        .map(|(kind, n)| json!({"kind": kind, "n": n, "tags": [kind, "all"]}));
    things.insert(&documents).await.unwrap();
    let run = async |pipeline: Value| things.aggregate(&pipeline.to_string()).await.unwrap();
    let grouped = run(json!([
        {"$match": {"kind": {"$in": ["a", "b"]}}},
        {"$group": {"_id": "$kind", "sum": {"$sum": "$n"}, "most": {"$max": "$n"}}},
        {"$sort": {"sum": -1}},
    ]));
    assert_eq!(
        grouped.await,
        [
            json!({"_id": "b", "sum": 5, "most": 5}),
            json!({"_id": "a", "sum": 4, "most": 3})
        ]
    );
    assert_eq!(
        run(json!([{"$match": {"kind": "a"}}, {"$count": "n"}])).await,
        [json!({"n": 2})]
    );
    let unwound = run(
        json!([{"$unwind": "$tags"}, {"$match": {"tags": "all"}}, {"$sort": {"n": 1}}, {"$skip": 1}, {"$limit": 1}, {"$project": {"_id": 0, "n": 1}}]),
    );
    assert_eq!(unwound.await, [json!({"n": 3})]);
    assert_eq!(run(json!([])).await.len(), 4);
}

pub(crate) async fn cursors_fit_one_query(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![index("n", &[("n", 1)])]).await;
    things
        .backend
        .configure("family", &[things_of("things"), things_of("others")])
        .await
        .unwrap();
    let documents: Vec<Value> = (0..9).map(|n| json!({"n": n, "m": -n})).collect();
    things.insert(&documents).await.unwrap();
    let query = Query {
        filter: json!({"n": {"$gte": 0}}).to_string(),
        sort: Some(json!({"n": 1}).to_string()),
        ..everything(2)
    };
    let cursor = things.find(query.clone()).await.unwrap().next;
    assert!(cursor.is_some());
    let with = |cursor: Option<String>| Query {
        cursor,
        ..query.clone()
    };
    // The same query may ask for a page of another size, and for other fields.
    let next = Query {
        limit: 5,
        projection: Some(json!({"n": 1, "_id": 0}).to_string()),
        ..with(cursor.clone())
    };
    let page = things.find(next).await.unwrap();
    let expected: Vec<String> = (2..7).map(|n| json!({"n": n}).to_string()).collect();
    assert_eq!(page.documents, expected);
    let refused = async |collection: &str, query: Query| {
        let found = things
            .backend
            .find(&things.component, collection.to_owned(), query.clone());
        let found = found.await;
        assert!(
            matches!(&found, Err(Error::Invalid(text)) if text.contains("cursor")),
            "{collection} {query:?}: {found:?}"
        );
    };
    let filter = json!({"n": {"$gte": 1}}).to_string();
    refused(
        "things",
        Query {
            filter,
            ..with(cursor.clone())
        },
    )
    .await;
    for sort in [
        None,
        Some(json!({"n": -1})),
        Some(json!({"m": 1})),
        Some(json!({"n": 1, "m": 1})),
    ] {
        let sort = sort.map(|sort| sort.to_string());
        refused(
            "things",
            Query {
                sort,
                ..with(cursor.clone())
            },
        )
        .await;
    }
    refused("others", with(cursor.clone())).await;
    let cursor = cursor.unwrap();
    for wrong in [
        "",
        "x",
        "00",
        "ü",
        &cursor[1..],
        &cursor[2..],
        &cursor[..cursor.len() - 2],
    ] {
        refused("things", with(Some(wrong.to_owned()))).await;
    }
}

fn things_of(name: &str) -> CollectionDeclaration {
    CollectionDeclaration {
        name: name.to_owned(),
        indexes: vec![index("n", &[("n", 1)])],
    }
}

/// Whatever way leads to a page: the total is that of the filter.
pub(crate) async fn totals_come_with_pages(backend: Arc<impl Backend>) {
    let indexes = vec![
        index("by_n", &[("n", 1), ("m", -1)]),
        index("by_list", &[("list", 1)]),
    ];
    let things = Things::new(backend, indexes).await;
    let documents: Vec<Value> = (0..60)
        .map(|n| json!({"_id": format!("{n:02}"), "n": n % 3, "m": n, "x": n % 2, "list": [n, n + 1, -1]}))
        .collect();
    things.insert(&documents).await.unwrap();
    let named: Vec<String> = (0..10).map(|n| format!("{n:02}")).collect();
    for (of, total) in [
        (json!({}), 60),
        (json!({"n": 1}), 20),
        (json!({"n": 7}), 0),
        (json!({"n": 1, "x": 1}), 10),
        (json!({"x": 1}), 30),
        (json!({"list": -1}), 60),
        (json!({"list": {"$gte": 10}}), 51),
        (json!({"_id": "07"}), 1),
        (json!({"_id": {"$in": named}}), 10),
        (json!({"$or": [{"n": 1}, {"_id": "00"}]}), 21),
    ] {
        for by in [
            json!({}),
            json!({"m": -1}),
            json!({"x": 1, "m": 1}),
            json!({"list": 1}),
        ] {
            for (skip, limit) in [
                (0, 1),
                (0, 7),
                (5, 5),
                (0, 60),
                (0, 200),
                (50, 20),
                (300, 5),
            ] {
                let query = Query {
                    filter: of.to_string(),
                    sort: Some(by.to_string()),
                    skip,
                    limit,
                    total: true,
                    ..Query::default()
                };
                let page = things.find(query.clone()).await.unwrap();
                assert_eq!(page.total, Some(total), "{query:?}");
                let without = Query {
                    total: false,
                    ..query.clone()
                };
                let same = things.find(without).await.unwrap();
                assert_eq!(
                    (&page.documents, &page.next, None),
                    (&same.documents, &same.next, same.total)
                );
                let rest = total.saturating_sub(skip.into()).min(limit.into());
                assert_eq!(page.documents.len() as u64, rest, "{query:?}");
                if page.next.is_some() {
                    let next = Query {
                        cursor: page.next,
                        skip: 0,
                        ..query
                    };
                    let next = things.find(next).await.unwrap();
                    assert_eq!(next.total, Some(total), "what the cursor leaves out counts");
                }
            }
        }
    }
}
