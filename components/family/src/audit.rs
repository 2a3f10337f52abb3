//! What is told of a family is recorded, once, and `group::audit` reads it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::tests::{app, family_with};
use sbd_sdk::testing::Reply;
use serde_json::json;
use std::time::Duration;

fn actions(page: &Reply) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["action"].as_str().unwrap()).collect()
}

#[test]
fn what_is_told_is_recorded_once_with_who_did_it() {
    let app = app();
    let id = family_with(&app, &["usr_2"]);
    let ada = app.signed_in("usr_1");
    let address = format!("/api/v1/families/{id}");
    ada.put(&address, json!({"name": "B"})).assert_status(200);
    ada.with_header("if-match", "\"1\"")
        .put(&address, json!({"name": "C"}))
        .assert_refused(412, "PRECONDITION_FAILED");
    let page = ada.get(&format!("{address}/audit")).assert_status(200);
    assert_eq!(
        actions(&page),
        ["family.renamed", "family.member.added", "family.created"]
    );
    let renamed = &page["items"][0];
    assert_eq!(
        (&renamed["number"], &renamed["actor"], &renamed["kind"]),
        (&json!(3), &json!("usr_1"), &json!("user"))
    );
    assert_eq!(
        renamed["data"],
        json!({"family_id": id, "changed_by": "usr_1"})
    );
    let told: Vec<_> = app
        .published()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    let recorded: Vec<_> = app
        .recorded()
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(told, recorded);
    let verdict = ada
        .get(&format!("{address}/audit/verification"))
        .assert_status(200);
    assert_eq!(
        (&verdict["entries"], &verdict["broken_at"]),
        (&json!(3), &json!(null))
    );
}

#[test]
fn it_is_read_page_by_page_and_by_what_is_asked_for() {
    let app = app();
    let id = family_with(&app, &["usr_2"]);
    let ada = app.signed_in("usr_1");
    let address = format!("/api/v1/families/{id}");
    app.advance(Duration::from_secs(60));
    let middle = app.now();
    for number in 0..5 {
        ada.put(&address, json!({"name": format!("A{number}")}))
            .assert_status(200);
    }
    let read = |query: &str| {
        ada.get(&format!("{address}/audit?{query}"))
            .assert_status(200)
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(&format!("limit=3{cursor}"));
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["number"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let count = |query: &str| actions(&read(query)).len();
    assert_eq!(
        (
            count("action=family.renamed"),
            count("action=family.member.")
        ),
        (5, 1)
    );
    assert_eq!((count("actor=usr_1"), count("actor=usr_2")), (7, 0));
    assert_eq!(
        (
            count(&format!("from={middle}")),
            count(&format!("to={middle}"))
        ),
        (5, 2)
    );
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=nonsense", "cursor"),
        ("from=yesterday", "from"),
        ("action=a%00b", "action"),
        ("acton=x", "acton"),
    ] {
        let refused = ada.get(&format!("{address}/audit?{query}"));
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field, "{query}");
    }
}

#[test]
fn members_see_what_concerns_them_and_strangers_see_nothing() {
    let app = app();
    let id = family_with(&app, &["usr_2", "usr_3"]);
    let address = format!("/api/v1/families/{id}");
    let admin = json!({"role": "admin"});
    app.signed_in("usr_1")
        .put(&format!("{address}/members/usr_2/role"), admin)
        .assert_status(200);
    let promoted = |user: &str| {
        let path = format!("{address}/audit?action=family.member.promoted");
        let page = app.signed_in(user).get(&path).assert_status(200);
        assert_eq!(page["items"][0]["actor"], "usr_1");
        page["items"][0]["data"].clone()
    };
    assert_eq!(promoted("usr_1")["user_id"], "usr_2");
    assert_eq!(promoted("usr_2")["user_id"], "usr_2");
    assert_eq!(promoted("usr_3"), json!(null));
    for path in ["audit", "audit/verification"] {
        app.signed_in("usr_9")
            .get(&format!("{address}/{path}"))
            .assert_refused(404, "NOT_FOUND");
    }
}
