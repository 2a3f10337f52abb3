//! Plans on a real SQLite find exactly what the evaluation means, and use the declared indexes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rusqlite::{Connection, params_from_iter, types::Value as Sql};
use sbd_documents_query::sqlite::{Collection, Index, Plan, SqlValue};
use sbd_documents_query::{Direction, Filter, Limits, Path, Pipeline, Projection, Sort, Update, compare, key};
use serde_json::{Value, json};
use std::collections::HashSet;

fn index(name: &str, fields: &[(&str, Direction)]) -> Index {
    let fields = fields.iter().map(|(path, direction)| (Path::parse(path, &Limits::default()).unwrap(), *direction));
    Index { table: format!("idx:{name}"), name: name.to_owned(), fields: fields.collect(), unique: false, sparse: false, ttl_seconds: None }
}

fn collection() -> Collection {
    use Direction::{Ascending, Descending};
    Collection {
        table: "doc:\"things\"".to_owned(),
        indexes: vec![
            index("by_a", &[("a", Ascending)]),
            index("by_b_c", &[("b", Ascending), ("c", Descending)]),
            index("by_a_b", &[("a.b", Ascending), ("c", Ascending)]),
            Index { sparse: true, ..index("sparse_c", &[("c", Ascending)]) },
        ],
    }
}

fn database(collection: &Collection, documents: &[Value]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for statement in collection.schema() {
        connection.execute(&statement, []).unwrap();
    }
    for document in documents {
        let id = document["_id"].as_str().unwrap();
        connection.execute(&collection.insert(), (id, document.to_string())).unwrap();
        for index in &collection.indexes {
            for row in index.rows(document, &Limits::default()).unwrap() {
                let row = row.into_iter().map(Sql::Blob).chain([Sql::Text(id.to_owned())]);
                connection.execute(&index.insert(), params_from_iter(row)).unwrap();
            }
        }
    }
    connection
}

fn params(plan: &Plan) -> impl Iterator<Item = Sql> {
    plan.statement.params.iter().map(|value| match value {
        SqlValue::Text(text) => Sql::Text(text.clone()),
        SqlValue::Blob(bytes) => Sql::Blob(bytes.clone()),
    })
}

/// Runs a plan as a backend does.
fn found(connection: &Connection, plan: &Plan, filter: &Filter, sort: &Sort) -> Vec<String> {
    let mut statement = connection.prepare(&plan.statement.sql).unwrap();
    let rows = statement.query_map(params_from_iter(params(plan)), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut seen = HashSet::new();
    let mut matches = Vec::new();
    for row in rows {
        let (id, text): (String, String) = row.unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        if seen.insert(id.clone()) && filter.matches(&document) {
            matches.push(sort.key(&document, &id));
        }
    }
    if !plan.sorted {
        matches.sort_by(|one, other| sort.compare(one, other));
    }
    matches.into_iter().map(|key| key.id).collect()
}

fn explained(connection: &Connection, plan: &Plan) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", plan.statement.sql)).unwrap();
    let rows = statement.query_map(params_from_iter(params(plan)), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn declared_indexes_are_used() {
    let collection = collection();
    let connection = database(&collection, &[]);
    let table = [
        (json!({"a": 1}), json!({}), Some("by_a"), "SEARCH i USING PRIMARY KEY (k0=?)"),
        (json!({"a": {"$gt": 1}}), json!({}), Some("by_a"), "SEARCH i USING PRIMARY KEY (k0>? AND k0<?)"),
        (json!({"a": {"$in": [1, "x"]}}), json!({}), Some("by_a"), "SEARCH i USING PRIMARY KEY (k0=?)"),
        (json!({"b": 1, "c": {"$lte": 5}}), json!({}), Some("by_b_c"), "SEARCH i USING PRIMARY KEY (k0=? AND k1>? AND k1<?)"),
        (json!({"b": 1, "z": 1}), json!({"c": -1}), Some("by_b_c"), "SEARCH i USING PRIMARY KEY (k0=?)"),
        (json!({"a.b": "x", "c": 1}), json!({}), Some("by_a_b"), "SEARCH i USING PRIMARY KEY (k0=? AND k1=?)"),
        (json!({"_id": "x", "a": 1}), json!({}), None, "USING PRIMARY KEY (id=?)"),
        (json!({}), json!({"a": -1}), Some("by_a"), "SCAN i"),
        (json!({"z": 1}), json!({}), None, "SCAN doc:"),
    ];
    for (filter, sort, expected, explanation) in table {
        let parsed = Filter::parse(&filter, &Limits::default()).unwrap();
        let plan = collection.plan(&parsed, &Sort::parse(&sort, &Limits::default()).unwrap());
        assert_eq!(plan.index.as_deref(), expected, "{filter}");
        let explained = explained(&connection, &plan);
        assert!(explained.contains(explanation), "{filter}: {explained}");
    }
    let plan = collection.plan(&Filter::parse(&json!({"b": 1}), &Limits::default()).unwrap(), &Sort::parse(&json!({"c": -1}), &Limits::default()).unwrap());
    assert!(plan.sorted && !explained(&connection, &plan).contains("TEMP B-TREE"), "{}", explained(&connection, &plan));
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
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(-2.5), Just(1e300), Just(9_007_199_254_740_992.0)].prop_map(Value::from),
        prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(9_007_199_254_740_993)].prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        "[a-c\0]{0,2}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[abc]", value(), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("a.b"), Just("a.0"), Just("b.c")].prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![Just("$eq"), Just("$ne"), Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte")];
    prop_oneof![
        scalar(),
        (operator, value()).prop_map(|(operator, value)| json!({operator: value})),
        prop::collection::vec(scalar(), 0..3).prop_map(|values| json!({"$in": values})),
        any::<bool>().prop_map(|exists| json!({"$exists": exists})),
        (scalar(), scalar()).prop_map(|(from, to)| json!({"$gte": from, "$lt": to})),
        scalar().prop_map(|value| json!({"$elemMatch": {"$gte": value}})),
        scalar().prop_map(|value| json!({"$not": {"$lt": value}})),
        prop::collection::vec(scalar(), 1..3).prop_map(|values| json!({"$all": values})),
    ]
}

fn any_filter() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::btree_map(path(), condition(), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect()));
    leaf.prop_recursive(2, 6, 2, |inner| {
        let several = prop::collection::vec(inner, 1..3);
        (prop_oneof![Just("$and"), Just("$or"), Just("$nor")], several).prop_map(|(operator, filters)| json!({operator: filters}))
    })
}

fn any_sort() -> impl Strategy<Value = Value> {
    let direction = prop_oneof![Just(1), Just(-1)];
    prop::collection::btree_map(path(), direction, 0..3).prop_map(|fields| json!(fields))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_finds_what_the_filter_means_in_the_order_of_the_sort(
        documents in prop::collection::vec(document(), 0..12),
        filter in any_filter(),
        sort in any_sort(),
    ) {
        let mut documents = documents;
        for (number, document) in documents.iter_mut().enumerate() {
            document["_id"] = format!("{number:02}").into();
        }
        let collection = collection();
        let connection = database(&collection, &documents);
        let filter = Filter::parse(&filter, &Limits::default()).unwrap();
        let sort = Sort::parse(&sort, &Limits::default()).unwrap();
        let plan = collection.plan(&filter, &sort);
        let got = found(&connection, &plan, &filter, &sort);
        let matching = documents.iter().filter(|document| filter.matches(document));
        let mut expected: Vec<_> = matching.map(|document| sort.key(document, document["_id"].as_str().unwrap())).collect();
        expected.sort_by(|one, other| sort.compare(one, other));
        let expected: Vec<String> = expected.into_iter().map(|key| key.id).collect();
        prop_assert_eq!(&got, &expected, "{:?}", plan);
        if let Some(statement) = collection.count(&filter) {
            let key = match &statement.params[0] { SqlValue::Blob(key) => key.clone(), SqlValue::Text(_) => unreachable!() };
            let count: i64 = connection.query_row(&statement.sql, [key], |row| row.get(0)).unwrap();
            prop_assert_eq!(count, i64::try_from(expected.len()).unwrap());
        }
    }

    #[test]
    fn keys_order_as_values_do(one in value(), other in value()) {
        prop_assert_eq!(key(&one).cmp(&key(&other)), compare(&one, &other), "{} {}", one, other);
    }

    #[test]
    fn parsers_refuse_but_never_panic(value in value(), operator in "\\$(set|inc|push|pull|match|group|in|not|elemMatch|all|[a-z]{1,5})") {
        let limits = Limits::default();
        for value in [value.clone(), json!({ operator.as_str(): value.clone() }), json!({"a": {operator.as_str(): value.clone()}}), json!([{operator.as_str(): value}])] {
            if let Ok(filter) = Filter::parse(&value, &limits) {
                filter.matches(&json!({"a": [1, {"b": 2}]}));
            }
            if let Ok(update) = Update::parse(&value, &limits) {
                let _ = update.apply(&mut json!({"_id": "x", "a": [1]}), "now");
            }
            let _ = Sort::parse(&value, &limits);
            let _ = Projection::parse(&value, &limits);
            if let Ok(pipeline) = Pipeline::parse(&value, &limits) {
                let _ = pipeline.run(vec![json!({"_id": "x", "a": [1]})]);
            }
        }
    }
}
