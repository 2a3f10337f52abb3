//! What is asked wrongly: by each route, with ids of nothing, of others and of another workspace, and bodies of
//! another form.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::permissions::Role;
use crate::tests::{app, join, workspace};
use http::Method;
use sbd_sdk::testing::App;
use serde_json::{Value, json};

/// A workspace of somebody's, with one of everything in it.
fn full(app: &App, owner: &str) -> Place {
    let by = app.signed_in(owner);
    let id = workspace(&by, "Team").text("id").to_owned();
    let at = format!("/api/v1/workspaces/{id}");
    join(app, &id, &format!("{owner}1"), Role::Viewer);
    let made = |what: &str, body: Value| {
        let made = by.post(&format!("{at}/{what}"), body).assert_status(201);
        made.text("id").to_owned()
    };
    Place {
        role: made("roles", json!({"name": "Role", "permissions": []})),
        label: made("labels", json!({"name": "Label"})),
        link: made("links", json!({})),
        invitation: made("invitations", json!({"to": "joe"})),
        member: format!("{owner}1"),
        at,
    }
}

struct Place {
    at: String,
    role: String,
    label: String,
    link: String,
    invitation: String,
    member: String,
}

#[test]
fn what_is_another_workspaces_is_not_there() {
    let app = app();
    let (own, other) = (full(&app, "usr_1"), full(&app, "usr_2"));
    let ada = app.signed_in("usr_1");
    let role = json!({"name": "New", "permissions": []});
    let label = json!({"name": "New"});
    for (method, path, body) in [
        (Method::PUT, format!("roles/{}", other.role), Some(role)),
        (Method::DELETE, format!("roles/{}", other.role), None),
        (Method::PUT, format!("labels/{}", other.label), Some(label)),
        (Method::DELETE, format!("labels/{}", other.label), None),
        (Method::GET, format!("labels/{}/items", other.label), None),
        (
            Method::PUT,
            format!("labels/{}/items/not_1", other.label),
            None,
        ),
        (
            Method::DELETE,
            format!("labels/{}/items/not_1", other.label),
            None,
        ),
        (Method::DELETE, format!("links/{}", other.link), None),
        (
            Method::GET,
            format!("invitations/{}", other.invitation),
            None,
        ),
        (
            Method::DELETE,
            format!("invitations/{}", other.invitation),
            None,
        ),
        (
            Method::POST,
            format!("invitations/{}/resend", other.invitation),
            None,
        ),
        (Method::GET, format!("members/{}", other.member), None),
        (Method::DELETE, format!("members/{}", other.member), None),
        (
            Method::PUT,
            format!("members/{}/role", other.member),
            Some(json!({"role": "editor"})),
        ),
        (
            Method::PUT,
            "transfer".to_owned(),
            Some(json!({"to": other.member})),
        ),
    ] {
        let path = format!("{}/{path}", own.at);
        ada.send(method, &path, body)
            .assert_refused(404, "NOT_FOUND");
    }
    // Nor is a role of theirs one of ours.
    for (path, field) in [
        ("links", "role"),
        ("invitations", "role"),
        ("settings", "newcomers"),
    ] {
        let (method, body) = match path {
            "links" => (Method::POST, json!({"role": other.role})),
            "invitations" => (Method::POST, json!({"to": "tim", "role": other.role})),
            _ => (
                Method::PUT,
                json!({"inviters": "members", "newcomers": other.role}),
            ),
        };
        let refused = ada.send(method, &format!("{}/{path}", own.at), Some(body));
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field);
    }
}

#[test]
fn ids_of_nothing_lead_nowhere() {
    let app = app();
    let own = full(&app, "usr_1");
    let ada = app.signed_in("usr_1");
    let never = "019a2f3c8b7e7c2d9f00112233445566";
    for wrong in [
        "x",
        "wsp_x",
        "fam_019a2f3c8b7e7c2d9f00112233445566",
        "%00",
        "..%2f",
    ] {
        for path in [
            "",
            "/members",
            "/roles",
            "/labels",
            "/activity",
            "/links",
            "/invitations",
        ] {
            ada.get(&format!("/api/v1/workspaces/{wrong}{path}"))
                .assert_refused(404, "NOT_FOUND");
        }
    }
    for path in [
        format!("roles/rol_{never}"),
        format!("labels/lbl_{never}"),
        format!("links/lnk_{never}"),
        format!("invitations/inv_{never}"),
        "members/usr_9".to_owned(),
        "members/%00".to_owned(),
        "roles/owner".to_owned(),
        "labels/x".to_owned(),
    ] {
        ada.delete(&format!("{}/{path}", own.at))
            .assert_refused(404, "NOT_FOUND");
    }
    for path in ["acceptance", "decline"] {
        ada.post(
            &format!("/api/v1/workspaces/invitations/inv_{never}/{path}"),
            json!({}),
        )
        .assert_refused(404, "NOT_FOUND");
    }
}

#[test]
fn bodies_of_another_form_are_refused_with_their_field() {
    let app = app();
    let own = full(&app, "usr_1");
    let ada = app.signed_in("usr_1");
    let at = |path: &str| format!("{}/{path}", own.at);
    let role = at(&format!("members/{}/role", own.member));
    for (method, path, body, field) in [
        (Method::PUT, own.at.clone(), json!({"name": 1}), "name"),
        (
            Method::PUT,
            own.at.clone(),
            json!({"name": "a\u{2066}bc"}),
            "name",
        ),
        (
            Method::PUT,
            own.at.clone(),
            json!({"name": "abc", "owner": "usr_2"}),
            "owner",
        ),
        (
            Method::PUT,
            role.clone(),
            json!({"role": {"$ne": ""}}),
            "role",
        ),
        (
            Method::PUT,
            role.clone(),
            json!({"role": "admin", "x": 1}),
            "x",
        ),
        (Method::PUT, role, json!({}), "role"),
        (
            Method::POST,
            at("roles"),
            json!({"name": "x"}),
            "permissions",
        ),
        (
            Method::POST,
            at("roles"),
            json!({"name": "x", "permissions": {"$all": []}}),
            "permissions",
        ),
        (
            Method::POST,
            at("invitations"),
            json!({"to": ["bob"]}),
            "to",
        ),
        (
            Method::POST,
            at("invitations"),
            json!({"to": "bob\u{200B}"}),
            "to",
        ),
        (Method::POST, at("invitations"), json!({"to": "a@b"}), "to"),
        (
            Method::POST,
            at("invitations/bulk"),
            json!({"invitations": "bob"}),
            "invitations",
        ),
        (Method::POST, at("links"), json!({"uses": -1}), "uses"),
        (Method::POST, at("links"), json!({"uses": 1.5}), "uses"),
        (Method::POST, at("links"), json!({"days": "7"}), "days"),
        (
            Method::POST,
            at("labels"),
            json!({"name": "x", "items": 5}),
            "items",
        ),
        (Method::PUT, at("transfer"), json!({"to": 1}), "to"),
    ] {
        let refused = ada.send(method, &path, Some(body.clone()));
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        let named = refused["error"]["details"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{path} {body}: {named}");
    }
    // Nothing of it was done.
    assert_eq!(ada.get(&own.at)["name"], "Team");
    assert_eq!(ada.get(&at("labels"))["total"], 1);
    assert_eq!(ada.get(&at("invitations"))["total"], 1);
}
