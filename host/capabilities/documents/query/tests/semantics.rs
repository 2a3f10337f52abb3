//! MongoDB's meaning of filters, updates, projections and pipelines, case by case.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_documents_query::{
    Distinct, Failed, Filter, Limits, Path, Patience, Pipeline, Projection, TooLong, Update,
    check_document, id_of,
};
use serde_json::{Value, json};
use std::time::Instant;

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
        (
            json!({"a": {"$gt": 5, "$lt": 8}}),
            json!({"a": [1, 10]}),
            true,
        ),
        (
            json!({"a": {"$elemMatch": {"$gt": 5, "$lt": 8}}}),
            json!({"a": [1, 10]}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"$gt": 5, "$lt": 8}}}),
            json!({"a": [1, 7]}),
            true,
        ),
        (
            json!({"a": {"$gte": "2026-01-01"}}),
            json!({"a": "2026-02-01"}),
            true,
        ),
        (json!({"a.b": 1}), json!({"a": {"b": 1}}), true),
        (json!({"a.b": 1}), json!({"a": [{"b": 2}, {"b": 1}]}), true),
        (
            json!({"a.b": 1, "a.c": 2}),
            json!({"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]}),
            true,
        ),
        (
            json!({"a": {"$elemMatch": {"b": 1, "c": 2}}}),
            json!({"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"b": 1, "c": 2}}}),
            json!({"a": [{"b": 1, "c": 2}]}),
            true,
        ),
        (json!({"a.0": 1}), json!({"a": [1, 2]}), true),
        (json!({"a.1": 1}), json!({"a": [1, 2]}), false),
        (
            json!({"a.b": null}),
            json!({"a": [{"b": 1}, {"c": 1}]}),
            true,
        ),
        (json!({"a.b": {"$exists": false}}), json!({"a": 5}), true),
        (json!({"a": {"$exists": true}}), json!({"a": null}), true),
        (json!({"a": {"$exists": false}}), json!({"a": null}), false),
        (json!({"a": {"$size": 2}}), json!({"a": [1, 2]}), true),
        (json!({"a": {"$size": 2}}), json!({"a": 2}), false),
        (
            json!({"a": {"$all": [1, 2]}}),
            json!({"a": [2, 3, 1]}),
            true,
        ),
        (json!({"a": {"$all": [1, 2]}}), json!({"a": [1]}), false),
        (json!({"a": {"$all": []}}), json!({"a": []}), false),
        (json!({"a": {"$not": {"$gt": 1}}}), json!({"a": 1}), true),
        (json!({"a": {"$not": {"$gt": 1}}}), json!({}), true),
        (json!({"$or": [{"a": 1}, {"b": 1}]}), json!({"b": 1}), true),
        (
            json!({"$nor": [{"a": 1}, {"b": 1}]}),
            json!({"b": 1}),
            false,
        ),
        (
            json!({"$and": [{"a": 1}, {"b": 1}]}),
            json!({"a": 1, "b": 2}),
            false,
        ),
        (json!({"a": {"b": 1}}), json!({"a": {"b": 1}}), true),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 1, "c": 2}}),
            false,
        ),
        (
            json!({"a": 9_007_199_254_740_993_u64}),
            json!({"a": 9_007_199_254_740_992_u64}),
            false,
        ),
        (
            json!({"a": {"$lt": 9_223_372_036_854_775_808.0}}),
            json!({"a": i64::MAX}),
            true,
        ),
        (json!({"a": 0}), json!({"a": -0.0}), true),
        (json!({"a": {"$gte": null}}), json!({}), true),
        (json!({"a": {"$lte": null}}), json!({"a": null}), true),
        (json!({"a": {"$gt": null}}), json!({}), false),
        (json!({"a": {"$lt": "b"}}), json!({"a": 1}), false),
        (json!({"a": {"$gt": false}}), json!({"a": true}), true),
        (json!({"a": {"$gt": [1]}}), json!({"a": [1, 0]}), true),
        (
            json!({"a": {"$gt": {"b": 1}}}),
            json!({"a": {"b": 2}}),
            true,
        ),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"c": 2, "b": 1}}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"$gt": 5}}}),
            json!({"a": [[10]]}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"$elemMatch": {"$gt": 5}}}}),
            json!({"a": [[10]]}),
            true,
        ),
        (
            json!({"a": {"$elemMatch": {"$not": {"$gt": 5}}}}),
            json!({"a": [10, 1]}),
            true,
        ),
        (
            json!({"a": {"$not": {"$elemMatch": {"$gt": 5}}}}),
            json!({"a": [10, 1]}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"b": 1}}}),
            json!({"a": [[{"b": 1}]]}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"0": 1}}}),
            json!({"a": [[1]]}),
            true,
        ),
        (json!({"a": {"$elemMatch": {}}}), json!({"a": [1]}), false),
        (json!({"a": {"$elemMatch": {}}}), json!({"a": [{}]}), true),
        (
            json!({"a": {"$elemMatch": {"$exists": true}}}),
            json!({"a": []}),
            false,
        ),
        (
            json!({"a": {"$elemMatch": {"b": 1}}}),
            json!({"a": {"b": 1}}),
            false,
        ),
        (
            json!({"a.b": {"$elemMatch": {"c": 1}}}),
            json!({"a": [{"b": [{"c": 1}]}]}),
            true,
        ),
        (json!({"a": {"$all": [[1, 2]]}}), json!({"a": [1, 2]}), true),
        (
            json!({"a": {"$all": [{"$elemMatch": {"b": 1}}, {"$elemMatch": {"b": 2}}]}}),
            json!({"a": [{"b": 1}, {"b": 2}]}),
            true,
        ),
        (json!({"a": {"$all": [5]}}), json!({"a": 5}), true),
        (
            json!({"a.b": {"$ne": 1}}),
            json!({"a": [{"b": 2}, {"b": 1}]}),
            false,
        ),
        (
            json!({"a.b": {"$ne": 1}}),
            json!({"a": [{"b": 2}, {}]}),
            true,
        ),
        (
            json!({"a.b": {"$nin": [1, null]}}),
            json!({"a": [{"b": 2}, {}]}),
            false,
        ),
        (json!({"a.0.b": 1}), json!({"a": [{"b": 1}]}), true),
        (json!({"a.b.c": 1}), json!({"a": [{"b": [{"c": 1}]}]}), true),
        (json!({"a.b": 1}), json!({"a": [[{"b": 1}]]}), false),
        (json!({"a": {"$size": 1}}), json!({"a": [[1, 2]]}), true),
        (json!({"a": {"$exists": true}}), json!({"a": []}), true),
        (json!({"a": "x\u{0}y"}), json!({"a": "x\u{0}y"}), true),
        (json!({"a": "x"}), json!({"a": "x\u{0}y"}), false),
        (json!({"a'\" b": 1}), json!({"a'\" b": 1}), true),
        (json!({"a": {"$in": [[1], 5]}}), json!({"a": [1]}), true),
        (json!({"a": {"$eq": {}}}), json!({"a": {}}), true),
        (json!({"a": []}), json!({"a": []}), true),
        (json!({"a": []}), json!({"a": [[]]}), true),
    ];
    for (condition, document, matches) in table {
        assert_eq!(
            filter(condition.clone()).matches(document, &Patience::endless()),
            Ok(*matches),
            "{condition} on {document}"
        );
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
        (
            json!({"a": {"$elemmatch": {}}}),
            "did you mean `$elemMatch`?",
        ),
        (
            json!({"a": {"b": 1, "$gt": 2}}),
            "at `a`: `$gt` is no field name",
        ),
        (
            json!({"a": {"$in": [{"b": {"c.d": 1}}]}}),
            "at `a.b`: `c.d` is no field name",
        ),
        (
            json!({"a": {"$gt": 2, "b": 1}}),
            "unknown operator `b` at `a`",
        ),
        (json!({"a": u64::MAX}), "write it as a text"),
        (
            json!({"a": "x".repeat(70_000)}),
            "compare with a shorter one",
        ),
        (json!({"x".repeat(2000): 1}), "more than 1024 bytes"),
        (json!({["x"; 20].join("."): 1}), "more than 16 segments"),
    ];
    for (wrong, said) in table {
        let error = Filter::parse(&wrong, &Limits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn updates() {
    let table: &[(Value, Value, Value)] = &[
        (
            json!({"$set": {"a.b": 1}}),
            json!({}),
            json!({"a": {"b": 1}}),
        ),
        (
            json!({"$set": {"a.1": 9}}),
            json!({"a": [1]}),
            json!({"a": [1, 9]}),
        ),
        (
            json!({"$unset": {"a.b": ""}}),
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"c": 2}}),
        ),
        (
            json!({"$unset": {"x": ""}}),
            json!({"a": 1}),
            json!({"a": 1}),
        ),
        (
            json!({"$inc": {"n": 2}}),
            json!({"n": 40}),
            json!({"n": 42}),
        ),
        (json!({"$inc": {"n": 2}}), json!({}), json!({"n": 2})),
        (
            json!({"$inc": {"n": 0.5}}),
            json!({"n": 1}),
            json!({"n": 1.5}),
        ),
        (
            json!({"$min": {"n": 3}, "$max": {"m": 3}}),
            json!({"n": 5, "m": 5}),
            json!({"n": 3, "m": 5}),
        ),
        (json!({"$push": {"a": 1}}), json!({}), json!({"a": [1]})),
        (
            json!({"$push": {"a": {"$each": [1, 2], "$position": 0, "$slice": 2}}}),
            json!({"a": [9]}),
            json!({"a": [1, 2]}),
        ),
        (
            json!({"$push": {"a": {"$each": [4], "$slice": -2}}}),
            json!({"a": [1, 2, 3]}),
            json!({"a": [3, 4]}),
        ),
        (
            json!({"$addToSet": {"a": {"$each": [1, 2]}}}),
            json!({"a": [2]}),
            json!({"a": [2, 1]}),
        ),
        (
            json!({"$pull": {"a": 1}}),
            json!({"a": [1, 2, 1.0]}),
            json!({"a": [2]}),
        ),
        (
            json!({"$pull": {"a": {"$gt": 1}}}),
            json!({"a": [1, 2, 3]}),
            json!({"a": [1]}),
        ),
        (
            json!({"$pull": {"a": {"b": 1}}}),
            json!({"a": [{"b": 1, "c": 2}, {"b": 2}]}),
            json!({"a": [{"b": 2}]}),
        ),
        (json!({"$pull": {"x": 1}}), json!({}), json!({})),
        (
            json!({"$currentDate": {"at": true}}),
            json!({}),
            json!({"at": "now"}),
        ),
        (
            json!({"$currentDate": {"at": {"$type": "date"}}}),
            json!({}),
            json!({"at": "now"}),
        ),
        (
            json!({"$pull": {"a.0.b": 1}}),
            json!({"a": [{"b": [1, 2]}]}),
            json!({"a": [{"b": [2]}]}),
        ),
        (
            json!({"$unset": {"a.0": ""}}),
            json!({"a": [1, 2]}),
            json!({"a": [null, 2]}),
        ),
        (
            json!({"$set": {"a.2": 9}}),
            json!({"a": []}),
            json!({"a": [null, null, 9]}),
        ),
        (
            json!({"$min": {"n": 1}}),
            json!({"n": "x"}),
            json!({"n": 1}),
        ),
        (json!({"$max": {"n": 1}}), json!({}), json!({"n": 1})),
        (
            json!({"$addToSet": {"a": {"b": 1}}}),
            json!({"a": [{"b": 1}]}),
            json!({"a": [{"b": 1}]}),
        ),
        (
            json!({"b": 2}),
            json!({"_id": "x", "a": 1}),
            json!({"_id": "x", "b": 2}),
        ),
    ];
    for (update, before, after) in table {
        let mut document = before.clone();
        let changed = Update::parse(update, &Limits::default())
            .unwrap()
            .apply(&mut document, "now", &Patience::endless())
            .unwrap();
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
        json!({"$set": {"a": u64::MAX}}),
        json!({"$inc": {"a": u64::MAX}}),
        json!({"$addToSet": {"a": {"$each": [1], "$slice": 1}}}),
        json!({"$set": {"a.$": 1}}),
        json!({"$unset": {"_id": 1}}),
        json!({"$set": (0..300).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>()}),
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
        assert!(
            parse(update.clone())
                .unwrap()
                .apply(&mut document.clone(), "now", &Patience::endless())
                .is_err(),
            "{update}"
        );
    }
}

#[test]
fn an_upsert_takes_what_the_filter_equals() {
    let update = Update::parse(&json!({"$inc": {"n": 1}}), &Limits::default()).unwrap();
    let made = update
        .upserted(
            &filter(json!({"_id": "x", "a.b": 2, "c": {"$gt": 1}})),
            "now",
            &Patience::endless(),
        )
        .unwrap();
    assert_eq!(made, json!({"_id": "x", "a": {"b": 2}, "n": 1}));
    let replacement = Update::parse(&json!({"n": 5}), &Limits::default()).unwrap();
    assert_eq!(
        replacement
            .upserted(
                &filter(json!({"_id": "x", "a": 2})),
                "now",
                &Patience::endless()
            )
            .unwrap(),
        json!({"_id": "x", "n": 5})
    );
    assert!(
        update
            .upserted(
                &filter(json!({"$and": [{"a": 1}, {"a": 2}]})),
                "now",
                &Patience::endless()
            )
            .is_err()
    );
    assert!(
        update
            .upserted(
                &filter(json!({"a": 1, "a.b": 2})),
                "now",
                &Patience::endless()
            )
            .is_err()
    );
}

#[test]
fn projections() {
    let document = json!({"_id": "x", "a": 1, "b": {"c": 2, "d": 3}, "e": [{"c": 1, "d": 2}, 5]});
    let table = [
        (json!({"a": 1}), json!({"_id": "x", "a": 1})),
        (json!({"a": 1, "_id": 0}), json!({"a": 1})),
        (
            json!({"b.c": 1, "e.d": 1}),
            json!({"_id": "x", "b": {"c": 2}, "e": [{"d": 2}]}),
        ),
        (
            json!({"b.c": 0, "e": 0}),
            json!({"_id": "x", "a": 1, "b": {"d": 3}}),
        ),
        (json!({"_id": 1}), json!({"_id": "x"})),
        (json!({}), document.clone()),
    ];
    for (projection, expected) in table {
        let parsed = Projection::parse(&projection, &Limits::default()).unwrap();
        assert_eq!(parsed.apply(&document), expected, "{projection}");
    }
    for wrong in [
        json!({"a": 1, "b": 0}),
        json!({"a": 1, "a.b": 1}),
        json!({"a": "x"}),
        json!([]),
    ] {
        assert!(
            Projection::parse(&wrong, &Limits::default()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn pipelines() {
    let documents = vec![
        json!({"_id": "1", "kind": "a", "n": 1, "tags": ["x", "y"]}),
        json!({"_id": "2", "kind": "b", "n": 2, "tags": []}),
        json!({"_id": "3", "kind": "a", "n": 3.5}),
    ];
    let run = |pipeline: Value| {
        Pipeline::parse(&pipeline, &Limits::default())
            .unwrap()
            .run(documents.clone())
            .unwrap()
    };
    assert_eq!(
        run(json!([{"$match": {"kind": "a"}}, {"$count": "many"}])),
        [json!({"many": 2})]
    );
    assert_eq!(
        run(
            json!([{"$group": {"_id": "$kind", "sum": {"$sum": "$n"}, "avg": {"$avg": "$n"}, "min": {"$min": "$n"}, "max": {"$max": "$n"}, "first": {"$first": "$_id"}, "last": {"$last": "$_id"}, "all": {"$push": "$n"}, "count": {"$sum": 1}}}])
        ),
        [
            json!({"_id": "a", "sum": 4.5, "avg": 2.25, "min": 1, "max": 3.5, "first": "1", "last": "3", "all": [1, 3.5], "count": 2}),
            json!({"_id": "b", "sum": 2, "avg": 2.0, "min": 2, "max": 2, "first": "2", "last": "2", "all": [2], "count": 1}),
        ]
    );
    assert_eq!(
        run(json!([{"$unwind": "$tags"}, {"$project": {"tag": "$tags", "_id": 0}}])),
        [json!({"tag": "x"}), json!({"tag": "y"})]
    );
    assert_eq!(
        run(json!([{"$unwind": {"path": "$tags", "preserveNullAndEmptyArrays": true}}])).len(),
        4
    );
    assert_eq!(
        run(json!([{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 1}, {"$project": {"n": 1}}])),
        [json!({"_id": "2", "n": 2})]
    );
    assert_eq!(
        run(
            json!([{"$project": {"id": "$_id", "_id": 0, "o": {"k": "$kind", "one": {"$literal": "$x"}}}}, {"$limit": 1}])
        ),
        [json!({"id": "1", "o": {"k": "a", "one": "$x"}})]
    );
    assert_eq!(
        run(
            json!([{"$group": {"_id": null, "least": {"$min": "$missing"}, "none": {"$avg": "$kind"}, "tags": {"$push": "$tags"}}}])
        ),
        [json!({"_id": null, "least": null, "none": null, "tags": [["x", "y"], []]})]
    );
    // The `_id` of a group orders as any value does.
    assert_eq!(
        run(json!([{"$group": {"_id": "$n"}}, {"$sort": {"_id": -1}}])),
        [json!({"_id": 3.5}), json!({"_id": 2}), json!({"_id": 1})]
    );
    assert_eq!(
        run(json!([{"$match": {"n": 99}}, {"$count": "many"}])),
        [] as [Value; 0]
    );
    for wrong in [
        json!([{"$limit": 0}]),
        json!([{"$project": {"n": 0, "m": "$n"}}]),
        json!([{"$count": "a.b"}]),
        json!([{"$unwind": "tags"}]),
        json!([{"$group": {"_id": 1, "a": {"$sun": 1}}}]),
    ] {
        assert!(
            Pipeline::parse(&wrong, &Limits::default()).is_err(),
            "{wrong}"
        );
    }
    for wrong in [
        json!({}),
        json!([{"$lookup": {}}]),
        json!([{"$group": {}}]),
        json!([{"$limit": -1}]),
        json!([{"$match": {}, "$limit": 1}]),
    ] {
        assert!(
            Pipeline::parse(&wrong, &Limits::default()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn expressions_look_through_arrays() {
    let documents =
        vec![json!({"_id": "1", "items": [{"n": 1}, {"n": [2]}, {"m": 3}, 4, [{"n": 5}]]})];
    let pipeline = Pipeline::parse(
        &json!([{"$project": {"_id": 0, "all": "$items.n"}}]),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(pipeline.run(documents).unwrap(), [json!({"all": [1, [2]]})]);
}

#[test]
fn sums_stay_whole_until_they_overflow() {
    let run = |values: Vec<Value>| {
        let documents = values.into_iter().map(|n| json!({"n": n}));
        let pipeline = Pipeline::parse(
            &json!([{"$group": {"_id": null, "sum": {"$sum": "$n"}}}]),
            &Limits::default(),
        )
        .unwrap();
        pipeline.run(documents).unwrap()[0]["sum"].clone()
    };
    assert_eq!(
        run(vec![json!(9_007_199_254_740_993_i64), json!(1)]),
        json!(9_007_199_254_740_994_i64)
    );
    assert_eq!(
        run(vec![json!(i64::MAX), json!(i64::MAX)]),
        json!(18_446_744_073_709_551_616.0)
    );
    assert_eq!(run(vec![json!(f64::MAX), json!(f64::MAX)]), Value::Null);
}

#[test]
fn a_pipeline_holds_and_copies_no_more_than_allowed() {
    let limits = Limits {
        held: 10,
        held_bytes: 10_000,
        copied_bytes: 100_000,
        ..Limits::default()
    };
    let run = |pipeline: Value, documents: Vec<Value>| {
        Pipeline::parse(&pipeline, &limits).unwrap().run(documents)
    };
    let many = || {
        (0..1000)
            .map(|n| json!({"_id": n.to_string(), "n": n}))
            .collect::<Vec<_>>()
    };
    assert!(run(json!([]), many()).is_err());
    assert!(run(json!([{"$sort": {"n": 1}}, {"$count": "c"}]), many()).is_err());
    assert!(run(json!([{"$group": {"_id": "$n"}}, {"$count": "c"}]), many()).is_err());
    assert!(
        run(
            json!([{"$group": {"_id": null, "all": {"$push": "$n"}}}]),
            many()
        )
        .is_err()
    );
    // What streams is bounded by nothing but the answer.
    assert_eq!(
        run(
            json!([{"$match": {"n": {"$gte": 5}}}, {"$count": "c"}]),
            many()
        )
        .unwrap(),
        [json!({"c": 995})]
    );
    assert_eq!(
        run(
            json!([{"$group": {"_id": null, "sum": {"$sum": "$n"}}}]),
            many()
        )
        .unwrap()[0]["sum"],
        499_500
    );
    let bomb = || vec![json!({"_id": "x", "text": "x".repeat(1000), "list": vec![0; 1000]})];
    assert!(run(json!([{"$unwind": "$list"}, {"$count": "c"}]), bomb()).is_err());
    assert_eq!(
        run(
            json!([{"$unwind": "$list"}, {"$limit": 3}, {"$count": "c"}]),
            bomb()
        )
        .unwrap(),
        [json!({"c": 3})]
    );
}

#[test]
fn a_sort_before_a_limit_holds_only_what_is_wanted() {
    let limits = Limits {
        held: 200,
        ..Limits::default()
    };
    let pipeline = json!([{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 2}, {"$project": {"n": 1, "_id": 0}}]);
    let documents = (0..5000).map(|n| json!({"_id": n.to_string(), "n": n * 7919 % 5000}));
    let answer = Pipeline::parse(&pipeline, &limits)
        .unwrap()
        .run(documents)
        .unwrap();
    assert_eq!(answer, [json!({"n": 4998}), json!({"n": 4997})]);
}

#[test]
fn a_run_says_when_it_has_seen_enough() {
    let pipeline = Pipeline::parse(
        &json!([{"$match": {"n": {"$gt": 1}}}, {"$limit": 2}]),
        &Limits::default(),
    )
    .unwrap();
    let patience = Patience::endless();
    let mut run = pipeline.begin(&patience);
    let more: Vec<bool> = (0..4).map(|n| run.push(json!({"n": n})).unwrap()).collect();
    assert_eq!(more, [true, true, true, false]);
    assert_eq!(run.finish().unwrap().len(), 2);
}

#[test]
fn distinct_values_come_in_order() {
    let path = Path::parse("a.b", &Limits::default()).unwrap();
    let mut distinct = Distinct::new(&path, 4);
    for document in [
        json!({"a": [{"b": "x"}, {"b": [2, 1.0]}]}),
        json!({"a": {"b": 1}}),
        json!({}),
        json!({"a": {"b": null}}),
        json!({"a": {"b": []}}),
    ] {
        distinct.add(&document).unwrap();
    }
    assert!(distinct.add(&json!({"a": {"b": true}})).is_err());
    assert_eq!(
        distinct.finish(),
        [json!(null), json!(1.0), json!(2), json!("x"), json!(true)]
    );
}

#[test]
fn large_and_deep_documents_are_refused_with_their_place() {
    let limits = Limits {
        document_bytes: 20,
        ..Limits::default()
    };
    assert!(check_document(&json!({"a": "012345678901"}), &limits).is_ok());
    assert!(check_document(&json!({"a": "0123456789012"}), &limits).is_err());
    let error = check_document(&json!({"a": [1, {"b": {"$c": 1}}]}), &Limits::default())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("at `a.1.b`: `$c`"), "{error}");
    assert!(check_document(&json!({"a": u64::MAX}), &Limits::default()).is_err());
    assert!(check_document(&json!({"a": [i64::MAX, i64::MIN]}), &Limits::default()).is_ok());
    for (document, good) in [
        (json!({"_id": "x"}), true),
        (json!({"_id": ""}), false),
        (json!({"_id": 1}), false),
        (json!({}), false),
        (json!({"_id": "x".repeat(201)}), false),
    ] {
        assert_eq!(id_of(&document).is_ok(), good, "{document}");
    }
}

#[test]
fn documents_that_no_path_could_reach_are_refused() {
    let deep = (0..200).fold(json!(1), |inner, _| json!({"a": inner}));
    for wrong in [
        json!(1),
        json!({"$a": 1}),
        json!({"a.b": 1}),
        json!({"": 1}),
        json!({"a": [{"b\0": 1}]}),
        deep,
    ] {
        assert!(check_document(&wrong, &Limits::default()).is_err());
    }
    assert!(check_document(&json!({"a": [{"b-ü \" '": 1}]}), &Limits::default()).is_ok());
}

/// `$nin` of so many numbers, none of which is 0.
fn none_of(count: usize) -> Value {
    json!({"a": {"$nin": (1..=count).collect::<Vec<_>>()}})
}

#[test]
fn the_values_of_a_filter_and_of_each_are_bounded() {
    let limits = Limits::default();
    let all_of = |conditions| json!({"$and": vec![none_of(1000); conditions]});
    assert!(Filter::parse(&all_of(50), &limits).is_ok());
    for wrong in [
        all_of(51),
        json!({"$and": vec![json!({"a": vec![0; 25_000]}); 2]}),
        json!({"$or": (0..200).map(|_| json!({"a": {"$in": [vec![0; 300]]}})).collect::<Vec<_>>()}),
    ] {
        let error = Filter::parse(&wrong, &limits).unwrap_err().to_string();
        assert!(error.contains("50000 values"), "{error}");
    }
    let adding = |count| json!({"$addToSet": {"a": {"$each": vec![0; count]}}});
    assert!(Update::parse(&adding(1000), &limits).is_ok());
    let error = Update::parse(&adding(1001), &limits).unwrap_err();
    assert!(error.to_string().contains("at most 1000"), "{error}");
    assert!(Update::parse(&json!({"$push": {"a": {"$each": vec![0; 1001]}}}), &limits).is_ok());
}

#[test]
fn one_document_takes_no_longer_than_there_is_time() {
    let over = || Patience::until(Instant::now());
    let zeros = json!({"a": vec![0; 10_000]});
    let objects = json!({"a": vec![json!({"b": 0}); 10_000]});
    // Far more ways lead through arrays in arrays than there are values.
    let nested = (0..12).fold(json!(0), |inner, _| json!([{"0": inner}]));
    let nothing = json!({"$and": vec![json!({}); 1000]});
    for (of, document) in [
        (none_of(1), &zeros),
        (json!({"a": 1}), &zeros),
        (json!({"a": {"$not": {"$gt": 1}}}), &zeros),
        (json!({"a": {"$elemMatch": {"$gt": 1}}}), &zeros),
        (json!({"a": {"$elemMatch": {"$exists": false}}}), &zeros),
        (json!({"a": {"$elemMatch": {"$size": 1}}}), &zeros),
        (
            json!({"a": {"$elemMatch": {"$elemMatch": {"$gt": 1}}}}),
            &zeros,
        ),
        (json!({"a": {"$elemMatch": {"b": 1}}}), &zeros),
        (json!({"a": {"$elemMatch": {"b": 1}}}), &objects),
        (json!({"a": {"$elemMatch": {"$nor": [{}]}}}), &objects),
        (json!({"a.b": 1}), &objects),
        (json!({"a.b": {"$size": 1}}), &objects),
        (json!({"a.b": {"$exists": false}}), &objects),
        (json!({"a.c": 1}), &objects),
        (
            json!({"a.0.0.0.0.0.0.0.0.0.0.0.0": 1}),
            &json!({"a": nested}),
        ),
        (nothing, &json!({})),
    ] {
        let of_it = filter(of.clone());
        assert_eq!(of_it.matches(document, &over()), Err(TooLong), "{of}");
        assert!(
            of_it.matches(document, &Patience::endless()).is_ok(),
            "{of}"
        );
    }
    for (update, document) in [
        (json!({"$addToSet": {"a": 1}}), &zeros),
        (json!({"$pull": {"a": {"$gt": 1}}}), &zeros),
        (json!({"$pull": {"a": {"b": 1}}}), &objects),
    ] {
        let parsed = Update::parse(&update, &Limits::default()).unwrap();
        let changed = parsed.apply(&mut document.clone(), "now", &over());
        assert_eq!(changed, Err(Failed::TooLong(TooLong)), "{update}");
    }
    let pipeline = json!([{"$unwind": "$a"}, {"$match": {"a": 1}}, {"$count": "n"}]);
    let pipeline = Pipeline::parse(&pipeline, &Limits::default()).unwrap();
    let patience = over();
    let pushed = pipeline.begin(&patience).push(zeros.clone());
    assert_eq!(pushed, Err(Failed::TooLong(TooLong)));
    // What takes little is not asked for the time.
    assert_eq!(filter(json!({"b": 1})).matches(&zeros, &over()), Ok(false));
}
