//! What only the embedded backend promises.

use crate::suite::{
    Things, counted, deletion, event, everything, ids as page_ids, index, insertion, record,
    things, updating,
};
use jiff::{SignedDuration, Timestamp};
use sbd_documents::{Chain, Error, IndexDeclaration, Limits, Operation, Query, SqliteDocuments};
use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Options};
use serde_json::json;
use std::sync::Arc;

async fn open(path: &std::path::Path, options: &Options) -> Arc<SqliteDocuments> {
    Arc::new(SqliteDocuments::new(Database::open(path, options).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_answered_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let by_n = || vec![index("n", &[("n", 1)])];
    {
        let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
        let writers = (0..64).map(|n| {
            let ours = ours.clone();
            async move { ours.insert(&[json!({"n": n})]).await.unwrap() }
        });
        futures::future::join_all(writers).await;
    }
    let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
    assert_eq!(ours.count(&json!({})).await, 64);
    assert_eq!(ours.count(&json!({"n": 63})).await, 1);
    assert_eq!(ours.ids(&json!({"n": {"$gte": 32}})).await.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_index_is_a_side_table_that_serves_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let ours = Things::new(
        open(&path, &Options::default()).await,
        vec![index("by_n", &[("n", 1)])],
    )
    .await;
    ours.insert(&[json!({"n": [1, 2, 2]}), json!({})])
        .await
        .unwrap();
    let rows = |connection: &Connection| {
        connection.query_row(
            "SELECT count(*) FROM \"idx:family:things:by_n:#2:n\"",
            [],
            |row| row.get::<_, i64>(0),
        )
    };
    let connection = Connection::open(&path).unwrap();
    assert_eq!(rows(&connection).unwrap(), 3, "1, 2, and nothing");
    let explained = "EXPLAIN QUERY PLAN SELECT d.id FROM \"idx:family:things:by_n:#2:n\" AS i CROSS JOIN \"doc:family:things\" AS d ON d.id = i.id WHERE i.k0 = x'00'";
    let mut statement = connection.prepare(explained).unwrap();
    let plan: Vec<String> = statement
        .query_map([], |row| row.get(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        plan[0].contains("SEARCH i USING PRIMARY KEY (k0=?)")
            && plan[1].contains("SEARCH d USING PRIMARY KEY (id=?)"),
        "{plan:?}"
    );
    drop(statement);
    ours.configure(vec![]).await.unwrap();
    assert!(rows(&connection).is_err());
    assert_eq!(ours.count(&json!({"n": 2})).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: Some(1 << 20),
        ..Options::default()
    };
    let ours = Things::new(
        open(&folder.path().join("t.db"), &options).await,
        vec![index("n", &[("n", 1)])],
    )
    .await;
    let batch = |n: u32| {
        (0..4)
            .map(|part| json!({"n": n, "part": part, "text": "x".repeat(10_000)}))
            .collect::<Vec<_>>()
    };
    let mut written = 0;
    let error = loop {
        match ours.insert(&batch(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "1 MiB holds no 4 MB");
    };
    assert_eq!(error, Error::Full);
    assert!(written > 5);
    assert_eq!(ours.count(&json!({})).await, u64::from(written) * 4);
    assert_eq!(
        ours.count(&json!({"n": written})).await,
        0,
        "nothing of the refused batch"
    );
    let deleted = ours
        .transact(vec![deletion(&json!({"n": {"$lt": 3}}), true, Some(12))])
        .await;
    deleted.unwrap();
    ours.insert(&batch(1000)).await.unwrap();
    assert_eq!(ours.count(&json!({"n": 1000})).await, 4);
}

async fn open_with(path: &std::path::Path, limits: Limits) -> Arc<SqliteDocuments> {
    let database = Database::open(path, &Options::default()).unwrap();
    Arc::new(SqliteDocuments::with_limits(database, limits))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn declared_indexes_serve_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let documents = open(&folder.path().join("t.db"), &Options::default()).await;
    let email = IndexDeclaration {
        unique: true,
        ..index("email", &[("email", 1)])
    };
    let by_kind = index("kind", &[("kind", 1), ("at", -1)]);
    let ours = Things::new(Arc::clone(&documents), vec![email, by_kind]).await;
    let batch: Vec<_> = (0..10)
        .map(|n| json!({"email": format!("e{n}"), "kind": n % 2, "at": n, "other": n}))
        .collect();
    ours.insert(&batch).await.unwrap();
    let email = "idx:family:things:email:#2:email:unique";
    let query = |filter: serde_json::Value, sort: Option<serde_json::Value>| Query {
        filter: filter.to_string(),
        sort: sort.map(|sort| sort.to_string()),
        ..everything(2)
    };
    let explained = async |query: &Query| {
        let lines = documents.explain("family", "things", query).await.unwrap();
        lines.join("; ")
    };
    let is_served = async |filter, sort, by: &str| {
        let plan = explained(&query(filter, sort)).await;
        assert!(
            plan.starts_with(by) && !plan.contains("TEMP B-TREE"),
            "{plan}"
        );
    };
    let by_id = "SEARCH doc:family:things USING PRIMARY KEY (id=?)";
    is_served(json!({"_id": "a", "other": 1}), None, by_id).await;
    let by_email = "SEARCH i USING PRIMARY KEY (k0=?); SEARCH d USING PRIMARY KEY (id=?)";
    is_served(json!({"email": "e1"}), None, by_email).await;
    let range = "SEARCH i USING PRIMARY KEY (k0>? AND k0<?); SEARCH d";
    is_served(json!({"email": {"$gt": "e"}}), None, range).await;
    let newest = Some(json!({"at": -1}));
    let by_kind = "SEARCH i USING PRIMARY KEY (k0=?); SEARCH d";
    is_served(json!({"kind": 1}), newest.clone(), by_kind).await;
    is_served(json!({"other": 1}), None, "SCAN doc:family:things").await;
    // The next page begins in the middle of the index.
    let first = query(json!({"kind": 1}), newest);
    let cursor = ours.find(first.clone()).await.unwrap().next;
    let plan = explained(&Query { cursor, ..first }).await;
    assert!(
        plan.starts_with("SEARCH i USING PRIMARY KEY (k0=? AND k1<?)"),
        "{plan}"
    );
    let either = json!({"$or": [{"email": "e1"}, {"kind": 1, "at": 3}]});
    let plan = explained(&query(either, None)).await;
    assert!(
        !plan.contains("SCAN doc") && plan.contains(email) | plan.contains("SEARCH i"),
        "{plan}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_takes_too_long_is_refused_and_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let by_n = || vec![index("n", &[("n", 1)])];
    {
        let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
        let batch: Vec<_> = (0..1000)
            .map(|n| json!({"_id": n.to_string(), "n": n}))
            .collect();
        ours.insert(&batch).await.unwrap();
    }
    let limits = Limits {
        query_time: std::time::Duration::ZERO,
        ..Limits::default()
    };
    let ours = Things::new(open_with(&path, limits).await, by_n()).await;
    let slow = Error::Limit("query_time");
    let many = json!({"m": null});
    assert_eq!(ours.try_count(&many.to_string()).await, Err(slow.clone()));
    assert_eq!(ours.find(everything(1)).await, Err(slow.clone()));
    assert_eq!(ours.distinct("n", "{}").await, Err(slow.clone()));
    assert_eq!(ours.aggregate("[]").await, Err(slow.clone()));
    // Writes that share a commit with a slow one are none the worse for it.
    let set = json!({"$set": {"n": 0}});
    let mut writers = Vec::new();
    for writer in 0..32 {
        let (ours, slow, set, many) = (ours.clone(), slow.clone(), set.clone(), many.clone());
        writers.push(async move {
            let change = ours.update(&many, &set, true, false).await;
            assert_eq!(change, Err(slow.clone()));
            let delete = ours.transact(vec![deletion(&many, true, None)]).await;
            assert_eq!(delete, Err(slow));
            ours.insert(&[json!({"w": writer})]).await.unwrap();
        });
    }
    futures::future::join_all(writers).await;
    drop(ours);
    let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
    assert_eq!(ours.count(&json!({})).await, 1032);
    assert_eq!(
        ours.count(&json!({"n": 0})).await,
        1,
        "no update left a trace"
    );
    assert_eq!(ours.count(&json!({"w": {"$gte": 0}})).await, 32);
}

/// A single document can take as long as many do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_document_that_takes_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        query_time: std::time::Duration::from_millis(200),
        ..Limits::default()
    };
    let ours = Things::new(open_with(&folder.path().join("t.db"), limits).await, vec![]).await;
    let zeros = vec![0; 200_000];
    ours.insert(&[json!({"_id": "x", "a": zeros})])
        .await
        .unwrap();
    let none_of = json!({"a": {"$nin": (1..=200).collect::<Vec<_>>()}});
    let long = json!({"$and": vec![none_of; 240]});
    let slow = Error::Limit("query_time");
    let query = |filter: &serde_json::Value| Query {
        filter: filter.to_string(),
        ..everything(1)
    };
    let named = json!({"_id": "x", "$and": [long.clone()]});
    assert_eq!(ours.find(query(&named)).await, Err(slow.clone()));
    assert_eq!(ours.find(query(&long)).await, Err(slow.clone()));
    assert_eq!(ours.try_count(&long.to_string()).await, Err(slow.clone()));
    let of_all = json!([{"$limit": 1}, {"$match": long.clone()}]);
    for pipeline in [json!([{"$match": long.clone()}]), of_all] {
        let answer = ours.aggregate(&pipeline.to_string()).await;
        assert_eq!(answer, Err(slow.clone()));
    }
    let set = json!({"$set": {"b": 1}});
    assert_eq!(
        ours.update(&long, &set, false, false).await,
        Err(slow.clone())
    );
    let adding: Vec<_> = (1..=1000).collect();
    let add = json!({"$addToSet": {"a": {"$each": adding}}});
    let id = json!({"_id": "x"});
    assert_eq!(ours.update(&id, &add, false, false).await, Err(slow));
    assert_eq!(ours.count(&json!({"b": 1})).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn little_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let mut limits = Limits::default();
    (limits.query.held, limits.query.held_bytes) = (100, 100_000);
    let documents = open_with(&folder.path().join("t.db"), limits).await;
    let ours = Things::new(
        documents,
        vec![index("n", &[("n", 1)]), index("l", &[("l", 1)])],
    )
    .await;
    let batch: Vec<_> = (0..1000)
        .map(|n| json!({"_id": format!("{n:04}"), "n": n, "m": n, "text": format!("{n}{}", "x".repeat(2000))}))
        .collect();
    ours.insert(&batch).await.unwrap();
    let held = Error::Limit("held");
    let query = |sort: serde_json::Value, skip| Query {
        sort: Some(sort.to_string()),
        skip,
        ..everything(5)
    };
    let ids = |n: u32| (n..n + 5).map(|n| format!("{n:04}")).collect::<Vec<_>>();
    // In the order of an index nothing is held, however deep; else only places are.
    for (sort, skip) in [
        (json!({}), 990),
        (json!({"n": 1}), 990),
        (json!({"m": 1}), 90),
    ] {
        let page = ours.find(query(sort, skip)).await.unwrap();
        assert_eq!(page_ids(&page), ids(skip));
    }
    assert_eq!(
        ours.find(query(json!({"m": -1}), 200)).await,
        Err(held.clone())
    );
    assert_eq!(
        ours.find(query(json!({"text": 1}), 60)).await,
        Err(held.clone())
    );
    assert_eq!(ours.distinct("text", "{}").await, Err(held.clone()));
    assert_eq!(ours.distinct("m", "{}").await.unwrap().len(), 1000);
    let too_much = Err(Error::Limit("pipeline"));
    assert_eq!(ours.aggregate("[]").await, too_much);
    assert_eq!(ours.aggregate(r#"[{"$sort": {"m": 1}}]"#).await, too_much);
    assert_eq!(ours.aggregate(r#"[{"$limit": 3}]"#).await.unwrap().len(), 3);
    let counted = ours
        .aggregate(r#"[{"$group": {"_id": null, "n": {"$sum": "$m"}}}]"#)
        .await;
    assert_eq!(counted.unwrap(), [json!({"_id": null, "n": 499_500})]);
    let (set, backwards) = (json!({"$set": {"n": -1}}), json!({"m": -1}));
    let last = ours
        .find_and_update(&json!({}), &backwards, &set, false, false)
        .await;
    assert_eq!(last.unwrap()["_id"], "0999");
    let all = ours
        .update(&json!({}), &json!({"$set": {"z": 1}}), true, false)
        .await
        .unwrap();
    assert_eq!(all.modified, 1000);
    // Lists have several entries, which must be remembered.
    let lists: Vec<_> = (0..1000)
        .map(|n| json!({"_id": format!("{n:0100}"), "l": [n, -n]}))
        .collect();
    ours.insert(&lists).await.unwrap();
    assert_eq!(ours.count(&json!({"l": {"$gte": 1}})).await, 999);
    let both = json!({"l": {"$gte": -9000, "$lt": 9000}});
    assert_eq!(ours.try_count(&both.to_string()).await, Err(held));
}

#[tokio::test]
async fn a_damaged_document_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let ours = Things::new(open(&path, &Options::default()).await, vec![]).await;
    ours.insert(&[json!({"_id": "good"}), json!({"_id": "bad"})])
        .await
        .unwrap();
    let connection = Connection::open(&path).unwrap();
    let damage = "UPDATE \"doc:family:things\" SET doc = '{' WHERE id = 'bad'";
    assert_eq!(connection.execute(damage, []).unwrap(), 1);
    let refused = ours.try_count(r#"{"a": 1}"#).await;
    assert!(
        matches!(&refused, Err(Error::Unavailable(text)) if text.contains("`bad`")),
        "{refused:?}"
    );
    assert!(ours.get("good").await.is_some());
}

/// Its rows in the indexes cannot be computed then, or are not those that there are.
/// As versions before this one left it: with keys of another form, which counted for nothing.
#[tokio::test]
async fn an_index_of_another_form_is_made_anew_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let by_n = || vec![index("n", &[("n", 1)])];
    let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
    let things = [json!({"_id": "a", "n": []}), json!({"_id": "b", "n": null})];
    ours.insert(&things).await.unwrap();
    let before = counted(&ours).await;
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "ALTER TABLE \"idx:family:things:n:#2:n\" RENAME TO \"idx:family:things:n:n\";
             UPDATE \"idx:family:things:n:n\" SET k0 = x'5000' WHERE id = 'a';
             UPDATE stored SET bytes = (SELECT sum(octet_length(doc)) FROM \"doc:family:things\")",
        )
        .unwrap();
    assert!(counted(&ours).await.bytes < before.bytes);
    let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
    assert_eq!(counted(&ours).await, before);
    let up = ours.page(&json!({}), &json!({"n": 1}), None, 0, 9).await;
    assert_eq!(page_ids(&up), ["a", "b"]);
    let all = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'idx:%' AND type = 'table'";
    let tables: i64 = connection.query_row(all, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_damaged_document_leaves_the_indexes_when_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let indexes = vec![index("n", &[("n", 1)]), index("l", &[("l", -1), ("n", 1)])];
    let ours = Things::new(open(&path, &Options::default()).await, indexes).await;
    let ids = ["good", "bad", "other"];
    ours.insert(&ids.map(|id| json!({"_id": id, "n": 1, "l": [1, 2]})))
        .await
        .unwrap();
    let connection = Connection::open(&path).unwrap();
    for damage in [
        "UPDATE \"doc:family:things\" SET doc = '{' WHERE id = 'bad'",
        "UPDATE \"idx:family:things:n:#2:n\" SET k0 = x'00' WHERE id = 'other'",
    ] {
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
    }
    for id in ["bad", "other"] {
        let gone = deletion(&json!({"_id": id}), false, Some(1));
        ours.transact(vec![gone]).await.unwrap();
    }
    for (table, rows) in [("n:#2:n", 1), ("l:#2:-l,n", 2)] {
        let of = |what: &str| {
            let count = format!("SELECT count(*) FROM \"idx:family:things:{table}\" {what}");
            let count = connection.query_row(&count, [], |row| row.get::<_, i64>(0));
            count.unwrap()
        };
        assert_eq!((of(""), of("WHERE id = 'good'")), (rows, rows), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_refuses_every_kind_of_write() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: Some(256 << 10),
        ..Options::default()
    };
    let documents = open(&folder.path().join("t.db"), &options).await;
    let ours = Things::new(documents, vec![index("n", &[("n", 1)])]).await;
    ours.insert(&[json!({"_id": "a", "n": 1, "text": ""})])
        .await
        .unwrap();
    let large = "x".repeat(500_000);
    let set = json!({"$set": {"n": 2, "text": large}});
    let insert = |id: &str| Operation::Insert {
        collection: "things".to_owned(),
        document: json!({"_id": id, "n": 1}).to_string(),
    };
    let a = json!({"_id": "a"});
    let grow = updating(&a, &set, false, Some(1));
    for _ in 0..3 {
        // Others that share the commit may be lost with it, but then they are told so.
        let small = [json!({"n": 5})];
        let (one, two, three) = futures::join!(
            ours.update(&a, &set, false, false),
            ours.transact(vec![insert("b"), grow.clone(), insert("c")]),
            ours.insert(&small),
        );
        assert_eq!((one, two), (Err(Error::Full), Err(Error::Full)));
        let expected = match three {
            Ok(_) => 1,
            Err(error) => {
                assert_eq!(error, Error::Full);
                0
            }
        };
        assert_eq!(ours.count(&json!({"n": 5})).await, expected);
        ours.transact(vec![deletion(&json!({"n": 5}), true, None)])
            .await
            .unwrap();
    }
    assert_eq!(ours.ids(&json!({})).await, ["a"]);
    assert_eq!(ours.count(&json!({"n": 1})).await, 1);
    assert_eq!(
        ours.get("a").await,
        Some(json!({"_id": "a", "n": 1, "text": ""}))
    );
}

#[tokio::test]
async fn a_collection_is_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let documents = open(&path, &Options::default()).await;
    documents
        .configure("family", &[things(vec![])])
        .await
        .unwrap();
    assert_eq!(documents.sweep().await.unwrap(), 0);
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(tables, ["doc:family:things", "stored"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let publish = || Operation::Publish(event("a.b", "c", &json!({"d": 1})));
    let before = {
        let ours = Things::new(open(&path, &Options::default()).await, vec![]).await;
        let steps = vec![insertion(json!({"_id": "a"})), publish()];
        ours.transact(steps).await.unwrap();
        ours.backend.outbox(0, 10).await.unwrap()
    };
    assert_eq!(before.len(), 1);
    let ours = Things::new(open(&path, &Options::default()).await, vec![]).await;
    assert_eq!(ours.backend.outbox(0, 10).await.unwrap(), before);
    ours.backend.forget(before[0].place, None).await.unwrap();
    ours.transact(vec![publish()]).await.unwrap();
    let after = ours.backend.outbox(0, 10).await.unwrap();
    assert!(after.len() == 1 && after[0].place > before[0].place);
}

/// What waits may be much more than one may hold.
#[tokio::test]
async fn large_events_are_read_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        answer_bytes: 2500,
        ..Limits::default()
    };
    let ours = Things::new(open_with(&folder.path().join("t.db"), limits).await, vec![]).await;
    let large = |bytes| Operation::Publish(event("a.b", "c", &json!("x".repeat(bytes))));
    let steps = [1000, 1000, 1000, 5000, 1000].map(large);
    ours.transact(steps.to_vec()).await.unwrap();
    let (mut last, mut read) = (0, Vec::new());
    loop {
        let some = ours.backend.outbox(last, 10).await.unwrap();
        let Some(end) = some.last() else { break };
        (last, read) = (end.place, [read, vec![some.len()]].concat());
    }
    assert_eq!(read, [2, 1, 1, 1]);
}

/// A file with two chains, of four entries and of one.
async fn recorded(folder: &tempfile::TempDir) -> (Things, Connection) {
    let path = folder.path().join("t.db");
    let ours = Things::new(open(&path, &Options::default()).await, vec![]).await;
    let step = |subject: &str, user: &str| record(subject, "family.renamed", user);
    let steps = vec![
        step("fam_1", "usr_1"),
        step("fam_2", "usr_1"),
        step("fam_1", "usr_2"),
        step("fam_1", "usr_3"),
        step("fam_1", "usr_4"),
    ];
    ours.transact(steps).await.unwrap();
    (ours, Connection::open(&path).unwrap())
}

/// The first breaks of a file's chains, by subject.
fn broken(connection: &Connection) -> Vec<(String, u64)> {
    let chains = sbd_documents::chains(connection).unwrap().into_iter();
    let broken = chains.filter_map(
        |Chain {
             subject, verdict, ..
         }| Some((subject, verdict.broken_at?)),
    );
    broken.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_altered_in_the_file_is_found() {
    let flips = [
        "UPDATE audit SET data = replace(data, 'usr_2', 'usr_3') WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET at = at + 1 WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET action = 'family.rename' WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET kind = 'delegated' WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET kind = 'anonymous', actor = NULL WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET kind = 'usar' WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET actor = 'usr_3' WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET request = NULL WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET hash = zeroblob(32) WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET number = 20 WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET component = 'familz' WHERE subject = 'fam_1' AND number = 2",
        "UPDATE audit SET subject = 'fam_3' WHERE subject = 'fam_1' AND number = 2",
        "DELETE FROM audit WHERE subject = 'fam_1' AND number = 2",
    ];
    for flip in flips {
        let folder = tempfile::tempdir().unwrap();
        let (_ours, connection) = recorded(&folder).await;
        assert_eq!(broken(&connection), []);
        assert_eq!(connection.execute(flip, []).unwrap(), 1);
        let found = broken(&connection);
        assert!(
            found.contains(&("fam_1".to_owned(), 2)),
            "{flip}: {found:?}"
        );
        assert!(found.iter().all(|(subject, _)| subject != "fam_2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_cut_off_at_the_end_is_found() {
    for (cut, at) in [
        (
            "DELETE FROM audit WHERE subject = 'fam_1' AND number = 4",
            4,
        ),
        (
            "DELETE FROM audit WHERE subject = 'fam_1' AND number > 2",
            3,
        ),
        ("DELETE FROM audit WHERE subject = 'fam_1'", 1),
        (
            "UPDATE audit_heads SET number = 3 WHERE subject = 'fam_1'",
            4,
        ),
        (
            "UPDATE audit_heads SET hash = zeroblob(32) WHERE subject = 'fam_1'",
            4,
        ),
        (
            "UPDATE audit_heads SET anchor = 1 WHERE subject = 'fam_1'",
            2,
        ),
        (
            "UPDATE audit_heads SET anchor_hash = randomblob(32) WHERE subject = 'fam_1'",
            1,
        ),
        ("DELETE FROM audit_heads WHERE subject = 'fam_1'", 4),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (_ours, connection) = recorded(&folder).await;
        connection.execute(cut, []).unwrap();
        assert_eq!(broken(&connection), [("fam_1".to_owned(), at)], "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_altered_outlives_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, connection) = recorded(&folder).await;
    let flip = "UPDATE audit SET data = '{}' WHERE subject = 'fam_1' AND number = 2";
    connection.execute(flip, []).unwrap();
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    let pruned = ours.backend.prune(&ours.component, later).await;
    assert_eq!(pruned, Ok(2));
    assert_eq!(broken(&connection), [("fam_1".to_owned(), 2)]);
}
