//! Plans on a real SQLite find exactly what the evaluation means, and use the declared indexes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rusqlite::{Connection, params_from_iter, types::Value as Sql};
use sbd_documents_query::sqlite::{Collection, Index, Plan, SqlValue};
use sbd_documents_query::{
    Direction, Filter, Limits, Path, Patience, Pipeline, Projection, Sort, SortKey, Update,
    compare, fingerprint, key,
};
use serde_json::{Value, json};
use std::collections::HashSet;

fn index(name: &str, fields: &[(&str, Direction)]) -> Index {
    let fields = fields
        .iter()
        .map(|(path, direction)| (Path::parse(path, &Limits::default()).unwrap(), *direction));
    Index {
        table: format!("idx:{name}"),
        name: name.to_owned(),
        fields: fields.collect(),
        unique: false,
        sparse: false,
        ttl_seconds: None,
    }
}

fn collection() -> Collection {
    use Direction::{Ascending, Descending};
    Collection {
        table: "doc:\"things\"".to_owned(),
        indexes: vec![
            index("by_a", &[("a", Ascending)]),
            index("by_b_c", &[("b", Ascending), ("c", Descending)]),
            index("by_a_b", &[("a.b", Ascending), ("c", Ascending)]),
            Index {
                sparse: true,
                ..index("sparse_c", &[("c", Ascending)])
            },
            index("by_b_id", &[("b.c", Descending)]),
        ],
    }
}

fn is_match(filter: &Filter, document: &Value) -> bool {
    filter.matches(document, &Patience::endless()).unwrap()
}

fn database(collection: &Collection, documents: &[Value]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for statement in collection.schema() {
        connection.execute(&statement, []).unwrap();
    }
    for document in documents {
        insert(&connection, collection, document).unwrap();
    }
    connection
}

fn insert(
    connection: &Connection,
    collection: &Collection,
    document: &Value,
) -> rusqlite::Result<()> {
    let id = document["_id"].as_str().unwrap();
    connection.execute(&collection.insert(), (id, document.to_string()))?;
    for index in &collection.indexes {
        for row in index.rows(document, &Limits::default()).unwrap() {
            let row = row
                .into_iter()
                .map(Sql::Blob)
                .chain([Sql::Text(id.to_owned())]);
            connection.execute(&index.insert(), params_from_iter(row))?;
        }
    }
    Ok(())
}

fn delete(connection: &Connection, collection: &Collection, id: &str) {
    connection.execute(&collection.delete(), [id]).unwrap();
    for index in &collection.indexes {
        connection.execute(&index.delete(), [id]).unwrap();
    }
}

fn parsed(filter: &Value, sort: &Value) -> (Filter, Sort) {
    (
        Filter::parse(filter, &Limits::default()).unwrap(),
        Sort::parse(sort, &Limits::default()).unwrap(),
    )
}

/// Whether the lists of a document fit the indexes.
fn fits(collection: &Collection, document: &Value) -> bool {
    collection
        .indexes
        .iter()
        .all(|index| index.rows(document, &Limits::default()).is_ok())
}

fn params(plan: &Plan) -> impl Iterator<Item = Sql> {
    plan.statement.params.iter().map(sql)
}

fn sql(value: &SqlValue) -> Sql {
    match value {
        SqlValue::Text(text) => Sql::Text(text.clone()),
        SqlValue::Blob(bytes) => Sql::Blob(bytes.clone()),
    }
}

/// Runs a plan as a backend does.
fn found(connection: &Connection, plan: &Plan, filter: &Filter, sort: &Sort) -> Vec<String> {
    found_after(connection, plan, filter, sort, None)
        .into_iter()
        .map(|key| key.id)
        .collect()
}

fn found_after(
    connection: &Connection,
    plan: &Plan,
    filter: &Filter,
    sort: &Sort,
    after: Option<&SortKey>,
) -> Vec<SortKey> {
    let mut statement = connection.prepare(&plan.statement.sql).unwrap();
    let rows = statement
        .query_map(params_from_iter(params(plan)), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let mut seen = HashSet::new();
    let mut matches = Vec::new();
    for row in rows {
        let (id, text): (String, String) = row.unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        if seen.insert(id.clone()) && is_match(filter, &document) {
            let place = sort.key(&document, &id);
            if after.is_none_or(|after| sort.compare(&place, after).is_gt()) {
                matches.push(place);
            }
        }
    }
    if !plan.sorted {
        matches.sort_by(|one, other| sort.compare(one, other));
    }
    matches
}

/// The places of the documents that match, by evaluation alone.
fn expected(documents: &[Value], filter: &Filter, sort: &Sort) -> Vec<SortKey> {
    let matching = documents
        .iter()
        .filter(|document| is_match(filter, document));
    let mut places: Vec<SortKey> = matching
        .map(|document| sort.key(document, document["_id"].as_str().unwrap()))
        .collect();
    places.sort_by(|one, other| sort.compare(one, other));
    places
}

fn explained(connection: &Connection, plan: &Plan) -> String {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", plan.statement.sql))
        .unwrap();
    let rows = statement
        .query_map(params_from_iter(params(plan)), |row| {
            row.get::<_, String>(3)
        })
        .unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn declared_indexes_are_used() {
    let collection = collection();
    let connection = database(&collection, &[]);
    let table = [
        (
            json!({"a": 1}),
            json!({}),
            Some("by_a"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (
            json!({"a": {"$gt": 1}}),
            json!({}),
            Some("by_a"),
            "SEARCH i USING PRIMARY KEY (k0>? AND k0<?)",
        ),
        (
            json!({"a": {"$in": [1, "x"]}}),
            json!({}),
            Some("by_a"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (
            json!({"b": 1, "c": {"$lte": 5}}),
            json!({}),
            Some("by_b_c"),
            "SEARCH i USING PRIMARY KEY (k0=? AND k1>? AND k1<?)",
        ),
        (
            json!({"b": 1, "z": 1}),
            json!({"c": -1}),
            Some("by_b_c"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (
            json!({"a.b": "x", "c": 1}),
            json!({}),
            Some("by_a_b"),
            "SEARCH i USING PRIMARY KEY (k0=? AND k1=?)",
        ),
        (
            json!({"_id": "x", "a": 1}),
            json!({}),
            None,
            "USING PRIMARY KEY (id=?)",
        ),
        (json!({}), json!({"a": -1}), Some("by_a"), "SCAN i"),
        (
            json!({"$or": [{"a": 1}, {"b": 2}]}),
            json!({}),
            Some("by_a, by_b_c"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (
            json!({"z": 1, "$or": [{"_id": "x"}, {"$or": [{"a": 1}, {"b": 2}]}]}),
            json!({}),
            Some("by_a, by_b_c"),
            "USING PRIMARY KEY (id=?)",
        ),
        (
            json!({"$or": [{"a": 1}, {"z": 2}]}),
            json!({}),
            None,
            "SCAN doc:",
        ),
        (
            json!({"a": {"$elemMatch": {"b": 1, "z": 2}}}),
            json!({}),
            Some("by_a_b"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (
            json!({"c": {"$elemMatch": {"$gt": 1, "$lt": 3}}}),
            json!({}),
            Some("sparse_c"),
            "SEARCH i USING PRIMARY KEY (k0>? AND k0<?)",
        ),
        (
            json!({"$and": [{"a": 1}, {"$nor": [{"b": 1}]}]}),
            json!({}),
            Some("by_a"),
            "SEARCH i USING PRIMARY KEY (k0=?)",
        ),
        (json!({"z": 1}), json!({}), None, "SCAN doc:"),
    ];
    for (filter, sort, expected, explanation) in table {
        let parsed = Filter::parse(&filter, &Limits::default()).unwrap();
        let plan = collection.plan(&parsed, &Sort::parse(&sort, &Limits::default()).unwrap());
        assert_eq!(plan.index.as_deref(), expected, "{filter}");
        let explained = explained(&connection, &plan);
        assert!(explained.contains(explanation), "{filter}: {explained}");
    }
}

#[test]
fn an_order_that_an_index_has_is_not_sorted_again() {
    let collection = collection();
    let connection = database(&collection, &[]);
    let table = [
        (
            json!({"b": 1}),
            json!({"c": -1}),
            "SEARCH i USING PRIMARY KEY (k0=?",
        ),
        (json!({}), json!({"a": 1}), "SCAN i"),
        (
            json!({"a": 1}),
            json!({}),
            "SEARCH i USING PRIMARY KEY (k0=?",
        ),
        (
            json!({"a": 1}),
            json!({"_id": 1}),
            "SEARCH i USING PRIMARY KEY (k0=?",
        ),
        (
            json!({"a": 1}),
            json!({"_id": -1}),
            "SEARCH i USING PRIMARY KEY (k0=?",
        ),
        (json!({}), json!({"a": -1, "_id": -1}), "SCAN i"),
        (json!({}), json!({"_id": -1}), "doc:"),
        (
            json!({"_id": {"$in": ["x", "y"]}}),
            json!({"_id": -1}),
            "USING PRIMARY KEY (id=?)",
        ),
    ];
    for (filter, sort, explanation) in table {
        let (parsed_filter, parsed_sort) = parsed(&filter, &sort);
        for after in [None, Some(parsed_sort.key(&json!({"a": 1, "c": 1}), "x"))] {
            let plan = collection.page(&parsed_filter, &parsed_sort, after.as_ref());
            let explained = explained(&connection, &plan);
            assert!(
                plan.sorted && !explained.contains("TEMP B-TREE"),
                "{filter} {sort}: {explained}"
            );
            assert!(
                after.is_some() || explained.contains(explanation),
                "{filter} {sort}: {explained}"
            );
        }
    }
    // Behind a place, SQLite begins there instead of reading up to it.
    for (filter, sort, explanation) in [
        (
            json!({}),
            json!({}),
            "SEARCH doc:\"things\" USING PRIMARY KEY (id>?)",
        ),
        (
            json!({}),
            json!({"a": 1}),
            "SEARCH i USING PRIMARY KEY (k0>?)",
        ),
        (
            json!({"a": 1}),
            json!({}),
            "SEARCH i USING PRIMARY KEY (k0=? AND id>?)",
        ),
        (
            json!({"b": 1}),
            json!({"c": -1}),
            "SEARCH i USING PRIMARY KEY (k0=? AND k1<?)",
        ),
    ] {
        let (filter, sort) = parsed(&filter, &sort);
        let plan = collection.page(
            &filter,
            &sort,
            Some(&sort.key(&json!({"a": 1, "c": 1}), "x")),
        );
        let explained = explained(&connection, &plan);
        assert!(explained.contains(explanation), "{explained}");
    }
}

#[test]
fn counts_come_from_an_index_where_it_alone_can_tell() {
    let collection = collection();
    for (filter, by_index) in [
        (json!({}), true),
        (json!({"a": 1}), true),
        (json!({"a": {"$in": [1, 2]}}), true),
        (json!({"b": 1, "c": {"$gt": 1}}), true),
        (json!({"c": {"$lt": 5}}), true),
        (json!({"a": null}), false),
        (json!({"a": {"$gt": 1, "$lt": 5}}), false),
        (json!({"a": 1, "z": 1}), false),
        (json!({"a": [1]}), false),
        (json!({"a": 1, "$nor": [{"b": 1}]}), false),
        (json!({"a": {"$elemMatch": {"$gt": 1}}}), false),
        (json!({"a": {"$ne": 1}}), false),
    ] {
        assert_eq!(
            collection.count(&parsed(&filter, &json!({})).0).is_some(),
            by_index,
            "{filter}"
        );
    }
}

#[test]
fn plans_are_exact_where_keys_say_all_that_the_filter_does() {
    let collection = collection();
    for (filter, exact) in [
        (json!({}), true),
        (json!({"_id": "x"}), true),
        (json!({"_id": {"$in": ["x", "y", 1]}}), true),
        (json!({"_id": {"$eq": "x", "$ne": "y"}}), false),
        (json!({"_id": {"$gt": "x"}}), false),
        (json!({"_id": "x", "a": 1}), false),
        (json!({"_id": "x", "$or": [{"a": 1}]}), false),
        (json!({"a": 1}), true),
        (json!({"a": {"$in": [1, "x"]}}), true),
        (json!({"a": {"$gt": 1}}), true),
        (json!({"a": {"$gt": 1, "$lt": 5}}), false),
        (json!({"b": 1}), true),
        (json!({"b": 1, "c": {"$gt": 1}}), true),
        (json!({"a": null}), false),
        (json!({"a": [1]}), false),
        (json!({"a": 1, "z": 1}), false),
        (json!({"z": 1}), false),
        (json!({"a": {"$exists": true}}), false),
        (json!({"a": {"$ne": 1}}), false),
        (json!({"a": {"$elemMatch": {"$gt": 1}}}), false),
        (json!({"$or": [{"a": 1}, {"b": 1}]}), false),
        (json!({"$nor": [{"a": 1}]}), false),
    ] {
        for sort in [json!({}), json!({"a": 1}), json!({"c": -1})] {
            let (parsed_filter, sort) = parsed(&filter, &sort);
            let plan = collection.plan(&parsed_filter, &sort);
            assert_eq!(plan.exact, exact, "{filter}: {plan:?}");
        }
    }
}

#[test]
fn unique_indexes_refuse_the_second() {
    let unique = |sparse| Collection {
        table: "t".to_owned(),
        indexes: vec![Index {
            unique: true,
            sparse,
            ..index("email", &[("email", Direction::Ascending)])
        }],
    };
    let connection = database(
        &unique(false),
        &[
            json!({"_id": "1", "email": "a"}),
            json!({"_id": "2", "email": ["b", "b", "c"]}),
            json!({"_id": "3"}),
        ],
    );
    for taken in [
        json!({"_id": "4", "email": "a"}),
        json!({"_id": "5", "email": ["x", "c"]}),
        json!({"_id": "6", "email": null}),
        json!({"_id": "7"}),
    ] {
        let error = insert(&connection, &unique(false), &taken)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("UNIQUE constraint failed: idx:email.k0"),
            "{taken}: {error}"
        );
    }
    insert(
        &connection,
        &unique(false),
        &json!({"_id": "8", "email": "d"}),
    )
    .unwrap();
    delete(&connection, &unique(false), "1");
    insert(
        &connection,
        &unique(false),
        &json!({"_id": "9", "email": "a"}),
    )
    .unwrap();

    let connection = database(
        &unique(true),
        &[
            json!({"_id": "1"}),
            json!({"_id": "2"}),
            json!({"_id": "3", "email": null}),
        ],
    );
    assert!(
        insert(
            &connection,
            &unique(true),
            &json!({"_id": "4", "email": null})
        )
        .is_err()
    );
}

#[test]
fn rows_are_removed_one_by_one() {
    use Direction::{Ascending, Descending};
    let index = index("i", &[("a", Ascending), ("b", Descending)]);
    let collection = Collection {
        table: "t".to_owned(),
        indexes: vec![index.clone()],
    };
    let document = json!({"_id": "x", "a": [1, 2, 3], "b": 4});
    let connection = database(&collection, std::slice::from_ref(&document));
    let mut rows = index.rows(&document, &Limits::default()).unwrap();
    assert!(rows.is_sorted() && rows.len() == 3);
    let keys = rows.remove(1).into_iter().map(Sql::Blob);
    for (id, removed) in [("y", 0), ("x", 1), ("x", 0)] {
        let row = keys.clone().chain([Sql::Text(id.to_owned())]);
        let count = connection.execute(&index.remove(), params_from_iter(row));
        assert_eq!(count.unwrap(), removed);
    }
    let left = connection.query_row("SELECT count(*) FROM \"idx:i\"", [], |row| row.get(0));
    assert_eq!(left, Ok(2));
}

#[test]
fn updates_say_which_indexes_they_may_change() {
    let up = Direction::Ascending;
    for (update, changed) in [
        (json!({"$set": {"a": 1}}), vec!["a", "a.b", "a.0.b"]),
        (json!({"$set": {"a.b": 1}}), vec!["a", "a.b", "a.0.b"]),
        (json!({"$set": {"a.c": 1}}), vec!["a"]),
        (json!({"$inc": {"c": 1}}), vec![]),
        (json!({"$push": {"b": 1}}), vec!["b", "b.c"]),
        // It may make an element, which lacks what others have.
        (json!({"$set": {"a.3.c": 1}}), vec!["a", "a.b", "a.0.b"]),
        (json!({"x": 1}), vec!["a", "a.b", "a.0.b", "b", "b.c"]),
    ] {
        let parsed = Update::parse(&update, &Limits::default()).unwrap();
        let paths = ["a", "a.b", "a.0.b", "b", "b.c"];
        let may = paths
            .into_iter()
            .filter(|path| index("i", &[("other", up), (path, up)]).may_change(&parsed));
        assert_eq!(may.collect::<Vec<_>>(), changed, "{update}");
    }
}

#[test]
fn documents_that_are_due_are_found() {
    let index = Index {
        ttl_seconds: Some(0),
        ..index("ttl", &[("at", Direction::Ascending)])
    };
    let collection = Collection {
        table: "t".to_owned(),
        indexes: vec![index.clone()],
    };
    let at = |id: &str, at: Value| json!({"_id": id, "at": at});
    let documents = [
        at("past", json!("2026-11-23T22:10:00.123Z")),
        at("now", json!("2026-11-23T22:10:00.124Z")),
        at("future", json!("2026-11-23T22:10:00.125Z")),
        at(
            "one of two",
            json!(["2027-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"]),
        ),
        at("no time", json!("1 cat")),
        at("number", json!(5)),
        at("empty", json!("")),
        json!({"_id": "missing"}),
    ];
    let connection = database(&collection, &documents);
    let mut statement = connection.prepare(&index.due().unwrap()).unwrap();
    let mut due = |most: i64| -> Vec<String> {
        let rows = statement
            .query_map((key(&json!("2026-11-23T22:10:00.124Z")), most), |row| {
                row.get(0)
            })
            .unwrap();
        let mut ids: Vec<String> = rows.map(Result::unwrap).collect();
        ids.sort();
        ids
    };
    assert_eq!(due(10), ["now", "one of two", "past"]);
    assert_eq!(due(1).len(), 1);
}

#[test]
fn parallel_lists_are_refused() {
    let rows = |fields: &[(&str, Direction)], unique: bool, document: Value| {
        Index {
            unique,
            ..index("i", fields)
        }
        .rows(&document, &Limits::default())
        .map(|rows| rows.len())
    };
    let up = Direction::Ascending;
    let (a_b, in_a) = ([("a", up), ("b", up)], [("a.b", up), ("a.c", up)]);
    assert_eq!(rows(&a_b, false, json!({"a": [1, 2, 2], "b": 3})), Ok(2));
    assert!(rows(&a_b, false, json!({"a": [1], "b": [2]})).is_err());
    assert!(rows(&a_b, false, json!({"a": [], "b": [2]})).is_err());
    assert_eq!(
        rows(
            &in_a,
            false,
            json!({"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]})
        ),
        Ok(4)
    );
    assert!(rows(&in_a, false, json!({"a": [{"b": [1], "c": [2]}]})).is_err());
    assert_eq!(rows(&in_a, true, json!({"a": [{"b": 1, "c": 2}]})), Ok(1));
    assert!(
        rows(
            &in_a,
            true,
            json!({"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]})
        )
        .is_err()
    );
    assert!(
        rows(
            &[("a", up)],
            false,
            json!({"a": (0..2000).collect::<Vec<_>>()})
        )
        .is_err()
    );
}

#[test]
fn wrong_indexes_are_refused() {
    let up = Direction::Ascending;
    assert_eq!(index("i", &[("a", up), ("_id", up)]).check(), Ok(()));
    for wrong in [
        index("i", &[]),
        index("i", &[("_id", up)]),
        index("i", &[("a", up), ("a", up)]),
        Index {
            ttl_seconds: Some(1),
            ..index("i", &[("a", up), ("b", up)])
        },
        index(
            "i",
            &["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|path| (path, up)),
        ),
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
}

#[test]
fn cursors_belong_to_their_query() {
    let sort = Sort::parse(&json!({"a": 1}), &Limits::default()).unwrap();
    let place = sort.key(&json!({"a": [3, 1]}), "x");
    let cursor = sort.cursor(&place, 7);
    assert_eq!(sort.read_cursor(&cursor, 7).unwrap(), place);
    assert!(sort.read_cursor(&cursor, 8).is_err());
    for wrong in ["", "zz", "00", &cursor[1..], "ü"] {
        assert!(sort.read_cursor(wrong, 7).is_err(), "{wrong}");
    }
    let queries = [
        json!(["things", {"a": 1}, {}]),
        json!(["things", {"a": 2}, {}]),
        json!(["things", {}, {"a": 1}]),
        json!(["other", {"a": 1}, {}]),
    ];
    let prints: HashSet<u64> = queries
        .iter()
        .map(|query| fingerprint(&query.as_array().unwrap().iter().collect::<Vec<_>>()))
        .collect();
    assert_eq!(prints.len(), queries.len());
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        prop_oneof![
            Just(0.5),
            Just(-2.5),
            Just(1e300),
            Just(9_007_199_254_740_992.0)
        ]
        .prop_map(Value::from),
        prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(9_007_199_254_740_993)]
            .prop_map(Value::from),
        "[a-c\0]{0,2}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Also what documents may not hold.
fn key_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => value(),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        // Around the places where neighbouring integers share a floating-point number.
        1 => (0_u32..64, -3_i64..4).prop_map(|(power, step)| Value::from((1_i64 << power.min(62)) + step)),
    ]
}

fn any_update() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        Just("$set"),
        Just("$unset"),
        Just("$inc"),
        Just("$min"),
        Just("$max"),
        Just("$push"),
        Just("$pull"),
        Just("$addToSet")
    ];
    let operand = prop_oneof![2 => value(), 2 => scalar(), 1 => prop::collection::vec(scalar(), 0..3).prop_map(|values| json!({"$each": values})), 1 => scalar().prop_map(|value| json!({"$gte": value}))];
    prop::collection::vec((operator, path(), operand), 1..3).prop_map(|changes| {
        let mut update = json!({});
        for (operator, path, operand) in changes {
            update[operator][path] = operand;
        }
        update
    })
}

fn document() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[abc]", value(), 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn inner_path() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("0"), Just("b.c")].prop_map(str::to_owned)
}

fn id_condition() -> impl Strategy<Value = Value> {
    let id = || (0..12).prop_map(|number| Value::from(format!("{number:02}")));
    prop_oneof![
        id(),
        prop::collection::vec(id(), 0..4).prop_map(|ids| json!({"$in": ids})),
        id().prop_map(|id| json!({"$gt": id}))
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("a.b"),
        Just("a.0"),
        Just("b.c")
    ]
    .prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        Just("$eq"),
        Just("$ne"),
        Just("$gt"),
        Just("$gte"),
        Just("$lt"),
        Just("$lte")
    ];
    prop_oneof![
        scalar(),
        (operator, value()).prop_map(|(operator, value)| json!({operator: value})),
        prop::collection::vec(scalar(), 0..3).prop_map(|values| json!({"$in": values})),
        any::<bool>().prop_map(|exists| json!({"$exists": exists})),
        (scalar(), scalar()).prop_map(|(from, to)| json!({"$gte": from, "$lt": to})),
        scalar().prop_map(|value| json!({"$elemMatch": {"$gte": value}})),
        (scalar(), scalar()).prop_map(|(from, to)| json!({"$elemMatch": {"$gte": from, "$lt": to}})),
        (inner_path(), scalar()).prop_map(|(path, value)| json!({"$elemMatch": {path: value}})),
        (inner_path(), scalar()).prop_map(|(path, value)| json!({"$elemMatch": {path: {"$lte": value}}})),
        (inner_path(), scalar(), scalar()).prop_map(|(path, one, other)| json!({"$elemMatch": {"$or": [{path.clone(): one}, {path: other}]}})),
        (0_u64..3).prop_map(|size| json!({"$size": size})),
        scalar().prop_map(|value| json!({"$not": {"$lt": value}})),
        prop::collection::vec(scalar(), 1..3).prop_map(|values| json!({"$all": values})),
    ]
}

fn any_filter() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::btree_map(path(), condition(), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()));
    let leaf =
        prop_oneof![8 => leaf, 1 => id_condition().prop_map(|condition| json!({"_id": condition}))];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let several = prop::collection::vec(inner, 1..3);
        (
            prop_oneof![Just("$and"), Just("$or"), Just("$nor")],
            several,
        )
            .prop_map(|(operator, filters)| json!({operator: filters}))
    })
}

/// Filters that indexes serve.
fn keyed_filter() -> impl Strategy<Value = Value> {
    let condition = prop_oneof![
        scalar(),
        prop::collection::vec(scalar(), 0..3).prop_map(|values| json!({"$in": values})),
        scalar().prop_map(|value| json!({"$gt": value})),
        scalar().prop_map(|value| json!({"$lte": value})),
    ];
    let fields = prop::collection::btree_map(path(), condition, 1..3);
    prop_oneof![
        8 => fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        1 => id_condition().prop_map(|condition| json!({"_id": condition})),
    ]
}

fn any_sort() -> impl Strategy<Value = Value> {
    let direction = prop_oneof![Just(1), Just(-1)];
    let path = prop_oneof![6 => path(), 1 => Just("_id".to_owned())];
    prop::collection::vec((path, direction), 0..3).prop_map(|fields| {
        fields
            .into_iter()
            .map(|(path, direction)| (path, json!(direction)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    })
}

/// Fixed, so that a run is as good as the one before.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn numbered(collection: &Collection, documents: Vec<Value>) -> Vec<Value> {
    let fitting = documents
        .into_iter()
        .filter(|document| fits(collection, document));
    fitting
        .enumerate()
        .map(|(number, mut document)| {
            document["_id"] = format!("{number:02}").into();
            document
        })
        .collect()
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_plan_finds_what_the_filter_means_in_the_order_of_the_sort(
        documents in prop::collection::vec(document(), 0..12),
        filter in any_filter(),
        sort in any_sort(),
    ) {
        let collection = collection();
        let documents = numbered(&collection, documents);
        let connection = database(&collection, &documents);
        let (filter, sort) = parsed(&filter, &sort);
        let plan = collection.plan(&filter, &sort);
        let got = found(&connection, &plan, &filter, &sort);
        let expected: Vec<String> = expected(&documents, &filter, &sort).into_iter().map(|key| key.id).collect();
        prop_assert_eq!(&got, &expected, "{:?}", plan);
        if let Some(statement) = collection.count(&filter) {
            let params = statement.params.iter().map(sql);
            let count: i64 = connection.query_row(&statement.sql, params_from_iter(params), |row| row.get(0)).unwrap();
            prop_assert_eq!(count, i64::try_from(expected.len()).unwrap());
        }
    }

    #[test]
    fn an_exact_plan_finds_the_matches_and_nothing_else(
        documents in prop::collection::vec(document(), 0..12),
        filter in prop_oneof![3 => keyed_filter(), 1 => any_filter()],
        sort in any_sort(),
        after in prop::option::of(document()),
    ) {
        let collection = collection();
        let documents = numbered(&collection, documents);
        let connection = database(&collection, &documents);
        let (filter, sort) = parsed(&filter, &sort);
        let after = after.map(|document| sort.key(&document, "05"));
        let plan = collection.page(&filter, &sort, after.as_ref());
        if !plan.exact {
            return Ok(());
        }
        let every = found_after(&connection, &plan, &Filter::all(), &sort, after.as_ref());
        let matches = found_after(&connection, &plan, &filter, &sort, after.as_ref());
        prop_assert_eq!(&every, &matches, "{:?}", plan);
        let is_behind = |place: &SortKey| after.as_ref().is_none_or(|after| sort.compare(place, after).is_gt());
        let meant: Vec<SortKey> = expected(&documents, &filter, &sort).into_iter().filter(is_behind).collect();
        prop_assert_eq!(every, meant, "{:?}", plan);
    }

    /// Between two pages documents come and go; who is behind the cursor then is on the next pages.
    #[test]
    fn pages_go_on_where_the_last_one_ended(
        documents in prop::collection::vec(document(), 1..12),
        newcomer in document(),
        filter in any_filter(),
        sort in any_sort(),
        size in 1_usize..4,
    ) {
        let collection = collection();
        let mut documents = numbered(&collection, documents);
        let connection = database(&collection, &documents);
        let (filter, sort) = parsed(&filter, &sort);
        let page = |after: Option<&SortKey>| {
            let plan = collection.page(&filter, &sort, after);
            let mut places = found_after(&connection, &plan, &filter, &sort, after);
            places.truncate(size);
            places
        };
        let first = page(None);
        prop_assert_eq!(&first, &expected(&documents, &filter, &sort).into_iter().take(size).collect::<Vec<_>>());
        let Some(last) = first.last().cloned() else { return Ok(()) };
        delete(&connection, &collection, &last.id);
        documents.retain(|document| document["_id"] != last.id.as_str());
        let mut newcomer = newcomer;
        newcomer["_id"] = "055".into();
        if fits(&collection, &newcomer) {
            insert(&connection, &collection, &newcomer).unwrap();
            documents.push(newcomer);
        }
        let behind = expected(&documents, &filter, &sort).into_iter().filter(|place| sort.compare(place, &last).is_gt());
        let behind: Vec<SortKey> = behind.collect();
        let (mut got, mut after) = (Vec::new(), last);
        loop {
            let places = page(Some(&after));
            let Some(last) = places.last() else { break };
            after = sort.read_cursor(&sort.cursor(last, 1), 1).unwrap();
            got.extend(places);
        }
        prop_assert_eq!(got, behind, "{:?}", collection.page(&filter, &sort, Some(&after)));
    }

    #[test]
    fn an_update_leaves_the_id_and_says_whether_it_changed(before in document(), update in any_update()) {
        let mut before = before;
        before["_id"] = "x".into();
        let Ok(update) = Update::parse(&update, &Limits::default()) else { return Ok(()) };
        let mut after = before.clone();
        if let Ok(changed) = update.apply(&mut after, "2026-11-23T22:10:00.123Z", &Patience::endless()) {
            prop_assert_eq!(changed, before != after);
            prop_assert_eq!(&after["_id"], "x");
            prop_assert!(sbd_documents_query::check_document(&after, &Limits::default()).is_ok());
        }
    }

    #[test]
    fn an_update_changes_only_rows_of_indexes_that_it_says_it_may(before in document(), update in any_update()) {
        let mut before = before;
        before["_id"] = "x".into();
        let Ok(update) = Update::parse(&update, &Limits::default()) else { return Ok(()) };
        let mut after = before.clone();
        if update.apply(&mut after, "2026-11-23T22:10:00.123Z", &Patience::endless()).is_err() {
            return Ok(());
        }
        for index in collection().indexes {
            if !index.may_change(&update) {
                let rows = |document| index.rows(document, &Limits::default());
                prop_assert_eq!(rows(&before), rows(&after), "{:?}", index);
            }
        }
    }

    #[test]
    fn keys_order_as_values_do(one in key_value(), other in key_value()) {
        prop_assert_eq!(key(&one).cmp(&key(&other)), compare(&one, &other), "{} {}", one, other);
    }

    /// However the values of `$in` are searched, it means that the field equals one of them.
    #[test]
    fn one_of_means_equal_to_one(document in document(), path in path(), values in prop::collection::vec(key_value(), 0..6)) {
        let limits = Limits::default();
        let equal = values.iter().map(|value| json!({path.as_str(): {"$eq": value}}));
        let either: Result<Vec<Filter>, _> = equal.map(|equal| Filter::parse(&equal, &limits)).collect();
        let one_of = Filter::parse(&json!({path.as_str(): {"$in": values}}), &limits);
        let none_of = Filter::parse(&json!({path.as_str(): {"$nin": values}}), &limits);
        let (Ok(either), Ok(one_of), Ok(none_of)) = (either, one_of, none_of) else { return Ok(()) };
        let expected = either.iter().any(|equal| is_match(equal, &document));
        prop_assert_eq!(is_match(&one_of, &document), expected);
        prop_assert_eq!(is_match(&none_of, &document), !expected);
    }

    #[test]
    fn parsers_refuse_but_never_panic(value in value(), operator in "\\$(set|inc|push|pull|match|group|in|not|elemMatch|all|[a-z]{1,5})") {
        let limits = Limits::default();
        for value in [value.clone(), json!({ operator.as_str(): value.clone() }), json!({"a": {operator.as_str(): value.clone()}}), json!([{operator.as_str(): value}])] {
            if let Ok(filter) = Filter::parse(&value, &limits) {
                is_match(&filter, &json!({"a": [1, {"b": 2}]}));
            }
            if let Ok(update) = Update::parse(&value, &limits) {
                let _ = update.apply(&mut json!({"_id": "x", "a": [1]}), "now", &Patience::endless());
            }
            let _ = Sort::parse(&value, &limits);
            let _ = Projection::parse(&value, &limits);
            if let Ok(pipeline) = Pipeline::parse(&value, &limits) {
                let _ = pipeline.run(vec![json!({"_id": "x", "a": [1]})]);
            }
        }
    }
}
