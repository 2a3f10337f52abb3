//! What every backend of the documents capability must do.

use futures::future::join_all;
use sbd_documents::{
    Backend, CollectionDeclaration, Direction, Error, FindAndUpdate, IndexDeclaration, Operation,
    Outcome, Page, Query, UpdateOptions, Updated,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes one test of each check for the backend that `$factory` makes.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: documents_come_back, ids_are_made_and_checked, an_insert_is_all_or_nothing,
                operators_find, indexes_change_no_answer, pages_are_sorted, cursors_survive_inserts,
                projections_choose, counts_and_distinct_values, pipelines_aggregate,
                updates_change, an_update_upserts, deletes_delete, one_consumer_wins,
                a_found_document_is_updated, unique_indexes_refuse, sparse_indexes_leave_out,
                lists_are_indexed_element_by_element, an_index_is_built_later, an_index_goes,
                a_wrong_unique_index_changes_nothing, due_documents_go, transactions_are_one,
                a_failed_expectation_undoes_all, pages_are_consistent, cursors_fit_one_query,
                malformed_texts_change_nothing, limits_are_named, indexes_change_under_load, a_silent_caller_holds_up_nobody,
                components_are_apart, undeclared_is_refused,
                wrong_declarations_are_refused, too_large_is_refused, parallel_writers_lose_nothing
            );
        }
    };
    ($factory:ident: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                let (backend, _guard) = super::$factory().await;
                crate::suite::$check(std::sync::Arc::new(backend)).await;
            }
        )+
    };
}

/// A collection as the checks speak of it.
#[derive(Clone)]
pub(crate) struct Things {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) component: Arc<str>,
}

pub(crate) fn index(name: &str, fields: &[(&str, i8)]) -> IndexDeclaration {
    let direction = |way: i8| {
        if way > 0 {
            Direction::Ascending
        } else {
            Direction::Descending
        }
    };
    IndexDeclaration {
        name: name.to_owned(),
        fields: fields
            .iter()
            .map(|(path, way)| ((*path).to_owned(), direction(*way)))
            .collect(),
        unique: false,
        sparse: false,
        ttl_seconds: None,
    }
}

pub(crate) fn things(indexes: Vec<IndexDeclaration>) -> CollectionDeclaration {
    CollectionDeclaration {
        name: "things".to_owned(),
        indexes,
    }
}

fn values(texts: &[String]) -> Vec<Value> {
    texts
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    values(&page.documents)
        .iter()
        .map(|document| document["_id"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn insertion(document: Value) -> Operation {
    Operation::Insert {
        collection: "things".to_owned(),
        document: document.to_string(),
    }
}

pub(crate) fn updating(of: &Value, to: &Value, many: bool, expect: Option<u64>) -> Operation {
    Operation::Update {
        collection: "things".to_owned(),
        filter: of.to_string(),
        update: to.to_string(),
        options: UpdateOptions {
            many,
            upsert: false,
        },
        expect,
    }
}

pub(crate) fn deletion(of: &Value, many: bool, expect: Option<u64>) -> Operation {
    Operation::Delete {
        collection: "things".to_owned(),
        filter: of.to_string(),
        many,
        expect,
    }
}

/// The first page of all.
pub(crate) fn everything(limit: u32) -> Query {
    Query {
        filter: "{}".to_owned(),
        limit,
        ..Query::default()
    }
}

// === impl Things ===

impl Things {
    pub(crate) async fn new(backend: Arc<impl Backend>, indexes: Vec<IndexDeclaration>) -> Self {
        let this = Self {
            backend,
            component: Arc::from("family"),
        };
        this.configure(indexes).await.unwrap();
        this
    }

    pub(crate) async fn configure(&self, indexes: Vec<IndexDeclaration>) -> Result<(), Error> {
        self.backend
            .configure(&self.component, &[things(indexes)])
            .await
    }

    pub(crate) async fn insert(&self, documents: &[Value]) -> Result<Vec<String>, Error> {
        let texts = documents.iter().map(Value::to_string).collect();
        self.backend
            .insert(&self.component, "things".to_owned(), texts)
            .await
    }

    pub(crate) async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, Error> {
        self.backend.transact(&self.component, operations).await
    }

    pub(crate) async fn find(&self, query: Query) -> Result<Page, Error> {
        self.backend
            .find(&self.component, "things".to_owned(), query)
            .await
    }

    async fn text(&self, id: &str) -> Option<String> {
        self.backend
            .get(&self.component, "things".to_owned(), id.to_owned())
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, id: &str) -> Option<Value> {
        Some(serde_json::from_str(&self.text(id).await?).unwrap())
    }

    pub(crate) async fn page(
        &self,
        of: &Value,
        by: &Value,
        cursor: Option<String>,
        skip: u32,
        limit: u32,
    ) -> Page {
        let query = Query {
            filter: of.to_string(),
            sort: Some(by.to_string()),
            projection: None,
            skip,
            limit,
            cursor,
        };
        self.find(query).await.unwrap()
    }

    pub(crate) async fn ids(&self, of: &Value) -> Vec<String> {
        ids(&self.page(of, &json!({}), None, 0, 1000).await)
    }

    pub(crate) async fn count(&self, of: &Value) -> u64 {
        self.try_count(&of.to_string()).await.unwrap()
    }

    pub(crate) async fn try_count(&self, filter: &str) -> Result<u64, Error> {
        self.backend
            .count(&self.component, "things".to_owned(), filter.to_owned())
            .await
    }

    pub(crate) async fn distinct(&self, field: &str, filter: &str) -> Result<Vec<Value>, Error> {
        let (field, filter) = (field.to_owned(), filter.to_owned());
        let found = self
            .backend
            .distinct(&self.component, "things".to_owned(), field, filter);
        Ok(values(&found.await?))
    }

    pub(crate) async fn aggregate(&self, pipeline: &str) -> Result<Vec<Value>, Error> {
        let answer =
            self.backend
                .aggregate(&self.component, "things".to_owned(), pipeline.to_owned());
        Ok(values(&answer.await?))
    }

    pub(crate) async fn update(
        &self,
        of: &Value,
        to: &Value,
        many: bool,
        upsert: bool,
    ) -> Result<Updated, Error> {
        let operation = Operation::Update {
            collection: "things".to_owned(),
            filter: of.to_string(),
            update: to.to_string(),
            options: UpdateOptions { many, upsert },
            expect: None,
        };
        match self.transact(vec![operation]).await?.pop() {
            Some(Outcome::Updated(updated)) => Ok(updated),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn find_and_update(
        &self,
        of: &Value,
        by: &Value,
        to: &Value,
        upsert: bool,
        return_new: bool,
    ) -> Option<Value> {
        let options = FindAndUpdate {
            sort: Some(by.to_string()),
            upsert,
            return_new,
        };
        let found = self.backend.find_one_and_update(
            &self.component,
            "things".to_owned(),
            of.to_string(),
            to.to_string(),
            options,
        );
        Some(serde_json::from_str(&found.await.unwrap()?).unwrap())
    }
}

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

fn zoo() -> Vec<Value> {
    vec![
        json!({"_id": "1", "n": 1, "s": "ant", "l": [1, 2, 3], "o": {"k": "x"}}),
        json!({"_id": "2", "n": 2.5, "s": "bee", "l": [], "o": {"k": "y"}}),
        json!({"_id": "3", "n": "2", "s": "cat", "l": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}),
        json!({"_id": "4", "n": null, "s": "dog"}),
        json!({"_id": "5", "s": "eel", "l": 2, "o": {"k": ["x", "z"]}}),
        json!({"_id": "6", "n": [5, 15], "s": true}),
    ]
}

fn questions() -> Vec<(Value, &'static [&'static str])> {
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
