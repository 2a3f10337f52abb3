//! Whether a component describes all that it offers.

use super::App;
use crate::Component;
use sbd_contract::{Offer, offer};
use serde_json::Value;
use std::collections::HashSet;

/// Checks a component's description: each operation has an id of its own, a tag, a summary in one line
/// and answers, and names a permission if it wants to know who asks; nothing that only the host asks
/// for is described; the offer can be read; and every reference leads somewhere.
///
/// # Panics
/// At the first thing that is wrong.
#[track_caller]
pub fn assert_described(component: impl Into<Component>) {
    let document = App::new(component)
        .anonymous()
        .get(crate::path::OFFER)
        .assert_status(200);
    let document = document.body();
    Offer::read(document).unwrap_or_else(|error| panic!("{error}"));
    let mut ids = HashSet::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        assert!(
            !path.starts_with(crate::path::RESERVED),
            "{path} is for the host only, and not to be described"
        );
        for method in offer::METHODS {
            if let Some(operation) = item.get(method) {
                let id = operation["operationId"].as_str().unwrap_or_default();
                assert!(
                    ids.insert(id.to_owned()),
                    "two operations are called `{id}`"
                );
                check(operation, id);
            }
        }
    }
    check_references(document, document);
}

#[track_caller]
fn check(operation: &Value, id: &str) {
    let is_listed = |field: &str| {
        let list = operation[field].as_array();
        list.is_some_and(|list| !list.is_empty())
    };
    assert!(!id.is_empty(), "an operation has no id: {operation}");
    assert!(is_listed("tags"), "`{id}` has no tag");
    let summary = operation["summary"].as_str().unwrap_or_default();
    assert!(
        !summary.is_empty() && !summary.contains('\n'),
        "`{id}` needs a comment whose first paragraph is one line, not {summary:?}"
    );
    let responses = operation["responses"].as_object();
    let is_good = |status: &String| status.starts_with('2');
    assert!(
        responses.is_some_and(|responses| responses.keys().any(is_good)),
        "`{id}` has no good answer"
    );
    let must_sign_in = operation["security"]
        .as_array()
        .is_some_and(|ways| ways.iter().all(|way| way.get(crate::BEARER).is_some()));
    assert!(
        !must_sign_in || operation.get(offer::PERMISSION).is_some(),
        "`{id}` is for who is signed in, and names no permission; add `permission = \"...\"`"
    );
}

/// Every `$ref` must lead somewhere.
#[track_caller]
fn check_references(node: &Value, document: &Value) {
    match node {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap_or_default();
                assert!(document.pointer(pointer).is_some(), "dangling: {target}");
            }
            for field in fields.values() {
                check_references(field, document);
            }
        }
        Value::Array(items) => {
            for item in items {
                check_references(item, document);
            }
        }
        _ => {}
    }
}
