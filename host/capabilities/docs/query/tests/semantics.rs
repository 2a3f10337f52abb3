//! MongoDB's meaning of filters, updates, projections and pipelines, case by case.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use sbd_documents_query::{Filter, Limits, Pipeline, Projection, Update, check_document};
use serde_json::{Value, json};

fn filter(value: Value) -> Filter {
    Filter::parse(&value, &Limits::default()).unwrap()
}

#[test]
fn filters() {
    let table: &[(Value, Value, bool)] = &[
        (json!({}), json!({"a": 1}), true),
        (json!({"a": 1}), json!({"a": 1.0}), true),
        (json!({"a": 1}), json!({"a": "1"}), false),
        (json!({"a": 1}), json!({"a": [3, 1]}), true),
        (json!({"a": [3, 1]}), json!({"a": [3, 1]}), true),
        (json!({"a": [1, 3]}), json!({"a": [3, 1]}), false),
        (json!({"a": [1]}), json!({"a": [[1], 2]}), true),
        (json!({"a": null}), json!({}), true),
        (json!({"a": null}), json!({"a": null}), true),
        (json!({"a": null}), json!({"a": 1}), false),
        (json!({"a": {"$ne": 1}}), json!({}), true),
        (json!({"a": {"$ne": 1}}), json!({"a": [1, 2]}), false),
        (json!({"a": {"$nin": [1, 2]}}), json!({"a": 3}), true),
        (json!({"a": {"$nin": [1, 2]}}), json!({"a": [3, 2]}), false),
        (json!({"a": {"$in": [1, null]}}), json!({}), true),
        (json!({"a": {"$in": []}}), json!({"a": 1}), false),
        (json!({"a": {"$gt": 1}}), json!({"a": 2}), true),
        (json!({"a": {"$gt": 1}}), json!({"a": "2"}), false),
        (json!({"a": {"$gt": 5, "$lt": 8}}), json!({"a": [1, 10]}), true),
        (json!({"a": {"$elemMatch": {"$gt": 5, "$lt": 8}}}), json!({"a": [1, 10]}), false),
        (json!({"a": {"$elemMatch": {"$gt": 5, "$lt": 8}}}), json!({"a": [1, 7]}), true),
        (json!({"a": {"$gte": "2026-01-01"}}), json!({"a": "2026-02-01"}), true),
        (json!({"a.b": 1}), json!({"a": {"b": 1}}), true),
        (json!({"a.b": 1}), json!({"a": [{"b": 2}, {"b": 1}]}), true),
        (json!({"a.b": 1, "a.c": 2}), json!({"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]}), true),
        (json!({"a": {"$elemMatch": {"b": 1, "c": 2}}}), json!({"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]}), false),
        (json!({"a": {"$elemMatch": {"b": 1, "c": 2}}}), json!({"a": [{"b": 1, "c": 2}]}), true),
        (json!({"a.0": 1}), json!({"a": [1, 2]}), true),
        (json!({"a.1": 1}), json!({"a": [1, 2]}), false),
        (json!({"a.b": null}), json!({"a": [{"b": 1}, {"c": 1}]}), true),
        (json!({"a.b": {"$exists": false}}), json!({"a": 5}), true),
        (json!({"a": {"$exists": true}}), json!({"a": null}), true),
        (json!({"a": {"$exists": false}}), json!({"a": null}), false),
        (json!({"a": {"$size": 2}}), json!({"a": [1, 2]}), true),
        (json!({"a": {"$size": 2}}), json!({"a": 2}), false),
        (json!({"a": {"$all": [1, 2]}}), json!({"a": [2, 3, 1]}), true),
        (json!({"a": {"$all": [1, 2]}}), json!({"a": [1]}), false),
        (json!({"a": {"$all": []}}), json!({"a": []}), false),
        (json!({"a": {"$not": {"$gt": 1}}}), json!({"a": 1}), true),
        (json!({"a": {"$not": {"$gt": 1}}}), json!({}), true),
        (json!({"$or": [{"a": 1}, {"b": 1}]}), json!({"b": 1}), true),
        (json!({"$nor": [{"a": 1}, {"b": 1}]}), json!({"b": 1}), false),
        (json!({"$and": [{"a": 1}, {"b": 1}]}), json!({"a": 1, "b": 2}), false),
        (json!({"a": {"b": 1}}), json!({"a": {"b": 1}}), true),
        (json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}}), false),
        (json!({"a": 9_007_199_254_740_993_u64}), json!({"a": 9_007_199_254_740_992_u64}), false),
        (json!({"a": {"$lt": 9_223_372_036_854_775_808.0}}), json!({"a": i64::MAX}), true),
        (json!({"a": 0}), json!({"a": -0.0}), true),
    ];
    for (condition, document, matches) in table {
        assert_eq!(filter(condition.clone()).matches(document), *matches, "{condition} on {document}");
    }
}

#[test]
fn wrong_filters_say_what_to_write() {
    let deep = (0..40).fold(json!({"a": 1}), |inner, _| json!({"$and": [inner]}));
    let wide = json!({"$or": (0..300).map(|n| json!({"a": n})).collect::<Vec<_>>()});
    let table = [
        (json!([]), "must be an object"),
        (json!({"$foo": 1}), "unknown operator `$foo`"),
        (json!({"a": {"$gr": 1}}), "unknown operator `$gr` at `a`"),
        (json!({"a": {"$in": 1}}), "takes a list"),
        (json!({"a": {"$exists": 1}}), "true or false"),
        (json!({"a": {"$size": -1}}), "a whole number"),
        (json!({"a": {"$not": 1}}), "operators"),
        (json!({"$or": []}), "at least one"),
        (json!({"a..b": 1}), "no field path"),
        (deep, "nested deeper"),
        (wide, "more than 256 conditions"),
        (json!({"a": {"$in": vec![0; 1001]}}), "at most 1000"),
    ];
    for (wrong, said) in table {
        let error = Filter::parse(&wrong, &Limits::default()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn updates() {
    let table: &[(Value, Value, Value)] = &[
        (json!({"$set": {"a.b": 1}}), json!({}), json!({"a": {"b": 1}})),
        (json!({"$set": {"a.1": 9}}), json!({"a": [1]}), json!({"a": [1, 9]})),
        (json!({"$unset": {"a.b": ""}}), json!({"a": {"b": 1, "c": 2}}), json!({"a": {"c": 2}})),
        (json!({"$unset": {"x": ""}}), json!({"a": 1}), json!({"a": 1})),
        (json!({"$inc": {"n": 2}}), json!({"n": 40}), json!({"n": 42})),
        (json!({"$inc": {"n": 2}}), json!({}), json!({"n": 2})),
        (json!({"$inc": {"n": 0.5}}), json!({"n": 1}), json!({"n": 1.5})),
        (json!({"$min": {"n": 3}, "$max": {"m": 3}}), json!({"n": 5, "m": 5}), json!({"n": 3, "m": 5})),
        (json!({"$push": {"a": 1}}), json!({}), json!({"a": [1]})),
        (json!({"$push": {"a": {"$each": [1, 2], "$position": 0, "$slice": 2}}}), json!({"a": [9]}), json!({"a": [1, 2]})),
        (json!({"$push": {"a": {"$each": [4], "$slice": -2}}}), json!({"a": [1, 2, 3]}), json!({"a": [3, 4]})),
        (json!({"$addToSet": {"a": {"$each": [1, 2]}}}), json!({"a": [2]}), json!({"a": [2, 1]})),
        (json!({"$pull": {"a": 1}}), json!({"a": [1, 2, 1.0]}), json!({"a": [2]})),
        (json!({"$pull": {"a": {"$gt": 1}}}), json!({"a": [1, 2, 3]}), json!({"a": [1]})),
        (json!({"$pull": {"a": {"b": 1}}}), json!({"a": [{"b": 1, "c": 2}, {"b": 2}]}), json!({"a": [{"b": 2}]})),
        (json!({"$pull": {"x": 1}}), json!({}), json!({})),
        (json!({"$currentDate": {"at": true}}), json!({}), json!({"at": "now"})),
        (json!({"b": 2}), json!({"_id": "x", "a": 1}), json!({"_id": "x", "b": 2})),
    ];
    for (update, before, after) in table {
        let mut document = before.clone();
        let changed = Update::parse(update, &Limits::default()).unwrap().apply(&mut document, "now").unwrap();
        assert_eq!(document, *after, "{update}");
        assert_eq!(changed, before != after, "{update}");
    }
}

#[test]
fn wrong_updates_are_refused() {
    let parse = |update: Value| Update::parse(&update, &Limits::default());
    for wrong in [
        json!(1),
        json!({"$set": 1}),
        json!({"$foo": {"a": 1}}),
        json!({"$set": {"a": 1}, "b": 2}),
        json!({"$set": {"a": 1, "a.b": 2}}),
        json!({"$set": {"_id": 1}}),
        json!({"$set": {"a": {"$b": 1}}}),
        json!({"$inc": {"a": "x"}}),
        json!({"$push": {"a": {"$each": 1}}}),
        json!({"a.b": 1}),
    ] {
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
    for (update, document) in [
        (json!({"$inc": {"a": 1}}), json!({"a": i64::MAX})),
        (json!({"$inc": {"a": 1}}), json!({"a": "x"})),
        (json!({"$push": {"a": 1}}), json!({"a": 1})),
        (json!({"$set": {"a.b": 1}}), json!({"a": 1})),
        (json!({"$set": {"a.x": 1}}), json!({"a": []})),
        (json!({"$set": {"a.99999": 1}}), json!({"a": []})),
        (json!({"_id": "other"}), json!({"_id": "x"})),
    ] {
        assert!(parse(update.clone()).unwrap().apply(&mut document.clone(), "now").is_err(), "{update}");
    }
}

#[test]
fn an_upsert_takes_what_the_filter_equals() {
    let update = Update::parse(&json!({"$inc": {"n": 1}}), &Limits::default()).unwrap();
    let made = update.upserted(&filter(json!({"_id": "x", "a.b": 2, "c": {"$gt": 1}})), "now").unwrap();
    assert_eq!(made, json!({"_id": "x", "a": {"b": 2}, "n": 1}));
}

#[test]
fn projections() {
    let document = json!({"_id": "x", "a": 1, "b": {"c": 2, "d": 3}, "e": [{"c": 1, "d": 2}, 5]});
    let table = [
        (json!({"a": 1}), json!({"_id": "x", "a": 1})),
        (json!({"a": 1, "_id": 0}), json!({"a": 1})),
        (json!({"b.c": 1, "e.d": 1}), json!({"_id": "x", "b": {"c": 2}, "e": [{"d": 2}]})),
        (json!({"b.c": 0, "e": 0}), json!({"_id": "x", "a": 1, "b": {"d": 3}})),
        (json!({"_id": 1}), json!({"_id": "x"})),
        (json!({}), document.clone()),
    ];
    for (projection, expected) in table {
        let parsed = Projection::parse(&projection, &Limits::default()).unwrap();
        assert_eq!(parsed.apply(&document), expected, "{projection}");
    }
    assert!(Projection::parse(&json!({"a": 1, "b": 0}), &Limits::default()).is_err());
}

#[test]
fn pipelines() {
    let documents = vec![
        json!({"_id": "1", "kind": "a", "n": 1, "tags": ["x", "y"]}),
        json!({"_id": "2", "kind": "b", "n": 2, "tags": []}),
        json!({"_id": "3", "kind": "a", "n": 3.5}),
    ];
    let run = |pipeline: Value| Pipeline::parse(&pipeline, &Limits::default()).unwrap().run(documents.clone()).unwrap();
    assert_eq!(run(json!([{"$match": {"kind": "a"}}, {"$count": "many"}])), [json!({"many": 2})]);
    assert_eq!(
        run(json!([{"$group": {"_id": "$kind", "sum": {"$sum": "$n"}, "avg": {"$avg": "$n"}, "min": {"$min": "$n"}, "max": {"$max": "$n"}, "first": {"$first": "$_id"}, "last": {"$last": "$_id"}, "all": {"$push": "$n"}, "count": {"$sum": 1}}}])),
        [
            json!({"_id": "a", "sum": 4.5, "avg": 2.25, "min": 1, "max": 3.5, "first": "1", "last": "3", "all": [1, 3.5], "count": 2}),
            json!({"_id": "b", "sum": 2, "avg": 2.0, "min": 2, "max": 2, "first": "2", "last": "2", "all": [2], "count": 1}),
        ]
    );
    assert_eq!(run(json!([{"$unwind": "$tags"}, {"$project": {"tag": "$tags", "_id": 0}}])), [json!({"tag": "x"}), json!({"tag": "y"})]);
    assert_eq!(run(json!([{"$unwind": {"path": "$tags", "preserveNullAndEmptyArrays": true}}])).len(), 4);
    assert_eq!(run(json!([{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 1}, {"$project": {"n": 1}}])), [json!({"_id": "2", "n": 2})]);
    for wrong in [json!({}), json!([{"$lookup": {}}]), json!([{"$group": {}}]), json!([{"$limit": -1}]), json!([{"$match": {}, "$limit": 1}])] {
        assert!(Pipeline::parse(&wrong, &Limits::default()).is_err(), "{wrong}");
    }
}

#[test]
fn documents_that_no_path_could_reach_are_refused() {
    let deep = (0..200).fold(json!(1), |inner, _| json!({"a": inner}));
    for wrong in [json!(1), json!({"$a": 1}), json!({"a.b": 1}), json!({"": 1}), json!({"a": [{"b\0": 1}]}), deep] {
        assert!(check_document(&wrong, &Limits::default()).is_err());
    }
    assert!(check_document(&json!({"a": [{"b-ü \" '": 1}]}), &Limits::default()).is_ok());
}
