//! Who cannot be invited, as what, and by whom; and what is nobody's to see or answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::permissions::Role;
use crate::tests::{app, join, team, workspace};
use http::Method;
use sbd_sdk::testing::App;
use serde_json::{Value, json};

const RECEIVED: &str = "/api/v1/workspaces/invitations";
const NEVER: &str = "019a2f3c8b7e7c2d9f00112233445566";

fn invitations(workspace: &str) -> String {
    format!("/api/v1/workspaces/{workspace}/invitations")
}

/// The own role of another workspace, and an invitation into it.
fn elsewhere(app: &App) -> (String, String) {
    let other = app.signed_in("usr_9");
    let id = workspace(&other, "Other").text("id").to_owned();
    let roles = format!("/api/v1/workspaces/{id}/roles");
    let role = json!({"name": "Theirs", "permissions": []});
    let role = other.post(&roles, role).assert_status(201);
    let invited = other.post(&invitations(&id), json!({"to": "tim"}));
    (
        role.text("id").to_owned(),
        invited.assert_status(201).text("id").to_owned(),
    )
}

#[test]
fn nobody_is_invited_by_what_is_no_name_or_as_what_is_no_role() {
    let app = app();
    let id = team(&app);
    let (foreign, _) = elsewhere(&app);
    let never = format!("rol_{NEVER}");
    for (body, field) in [
        // Who.
        (json!({}), "to"),
        (json!({"to": null}), "to"),
        (json!({"to": 7}), "to"),
        (json!({"to": ["bob"]}), "to"),
        (json!({"to": {"$ne": ""}}), "to"),
        (json!({"to": ""}), "to"),
        (json!({"to": "ab"}), "to"),
        (json!({"to": "a b c"}), "to"),
        (json!({"to": " bob"}), "to"),
        (json!({"to": "bob\n"}), "to"),
        (json!({"to": "b\0b"}), "to"),
        (json!({"to": "x".repeat(51)}), "to"),
        // Marks that turn what follows them, or are not seen.
        (json!({"to": "bob\u{202A}"}), "to"),
        (json!({"to": "bob\u{202B}"}), "to"),
        (json!({"to": "\u{202D}bob"}), "to"),
        (json!({"to": "b\u{202E}ob"}), "to"),
        (json!({"to": "bob\u{2066}"}), "to"),
        (json!({"to": "bob\u{2067}"}), "to"),
        (json!({"to": "bob\u{2069}"}), "to"),
        (json!({"to": "bob\u{200E}"}), "to"),
        (json!({"to": "bob\u{200F}"}), "to"),
        (json!({"to": "bob\u{061C}"}), "to"),
        (json!({"to": "bo\u{200B}b"}), "to"),
        (json!({"to": "bob\u{FEFF}"}), "to"),
        (json!({"to": "gro.elpmaxe@\u{202E}bob"}), "to"),
        // Letters that look like others.
        (json!({"to": "b\u{043E}b"}), "to"),
        (json!({"to": "@example.org"}), "to"),
        (json!({"to": "a@b"}), "to"),
        (json!({"to": "a@b.c, d@e.f"}), "to"),
        (json!({"to": "a@b.c\r\nBcc: x@y.z"}), "to"),
        (json!({"to": format!("a@{}.org", "x".repeat(250))}), "to"),
        // As what.
        (json!({"to": "bob", "role": "owner"}), "role"),
        (json!({"to": "bob", "role": "Editor"}), "role"),
        (json!({"to": "bob", "role": ""}), "role"),
        (json!({"to": "bob", "role": "*"}), "role"),
        (json!({"to": "bob", "role": "editor\u{202E}"}), "role"),
        (json!({"to": "bob", "role": 1}), "role"),
        (json!({"to": "bob", "role": ["viewer"]}), "role"),
        (json!({"to": "bob", "role": {"$gt": ""}}), "role"),
        (json!({"to": "bob", "role": never}), "role"),
        (json!({"to": "bob", "role": foreign}), "role"),
        (
            json!({"to": "bob", "permissions": ["audit"]}),
            "permissions",
        ),
        (json!({"to": "bob", "invited_by": "usr_2"}), "invited_by"),
        (json!({"to": "bob", "token": "x"}), "token"),
    ] {
        let refused = app
            .signed_in("usr_1")
            .post(&invitations(&id), body.clone())
            .assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field, "{body}");
        // Nor among others.
        let path = format!("{}/bulk", invitations(&id));
        let bulk = json!({"invitations": [body]});
        let answer = app.signed_in("usr_1").post(&path, bulk);
        let is_refused = match answer.status() {
            200 => answer["results"][0]["refusal"]["code"] == "VALIDATION_ERROR",
            status => status == 422,
        };
        assert!(is_refused, "{body}: {answer:?}");
    }
    let all = app.signed_in("usr_1").get(&invitations(&id));
    assert_eq!(all["total"], 0);
    assert!(app.mails().is_empty());
}

#[test]
fn nobody_invites_where_or_as_what_they_may_not() {
    let app = app();
    let id = team(&app);
    join(&app, &id, "usr_5", Role::Editor);
    let settings = format!("/api/v1/workspaces/{id}/settings");
    let permitted = json!({"inviters": "permitted", "newcomers": "viewer"});
    for (by, body, status, code) in [
        (
            "usr_3",
            json!({"to": "bob", "role": "admin"}),
            403,
            "FORBIDDEN",
        ),
        (
            "usr_3",
            json!({"to": "bob", "role": "editor"}),
            403,
            "FORBIDDEN",
        ),
        (
            "usr_4",
            json!({"to": "bob", "role": "editor"}),
            403,
            "FORBIDDEN",
        ),
        ("usr_9", json!({"to": "bob"}), 404, "NOT_FOUND"),
        ("usr_2", json!({"to": "usr_3"}), 409, "CONFLICT"),
    ] {
        let refused = app.signed_in(by).post(&invitations(&id), body.clone());
        refused.assert_refused(status, code);
    }
    app.signed_in("usr_1")
        .put(&settings, permitted)
        .assert_status(200);
    app.signed_in("usr_4")
        .post(&invitations(&id), json!({"to": "bob"}))
        .assert_refused(403, "FORBIDDEN");
    app.anonymous()
        .post(&invitations(&id), json!({"to": "bob"}))
        .assert_refused(401, "UNAUTHENTICATED");
    assert_eq!(app.signed_in("usr_1").get(&invitations(&id))["total"], 0);
}

#[test]
fn what_is_anothers_or_nothing_is_not_there() {
    let app = app();
    let id = team(&app);
    let (_, foreign) = elsewhere(&app);
    let never = format!("inv_{NEVER}");
    // Of another workspace, of nothing, of another kind, of no form.
    for one in [
        &*foreign,
        &never,
        "usr_1",
        "inv_x",
        "%00",
        "..%2f",
        "inv_%E2%80%AE",
    ] {
        for by in ["usr_1", "usr_2", "usr_7"] {
            let by = app.signed_in(by);
            let sent: [(Method, String, Option<Value>); 6] = [
                (Method::GET, format!("{}/{one}", invitations(&id)), None),
                (Method::DELETE, format!("{}/{one}", invitations(&id)), None),
                (
                    Method::POST,
                    format!("{}/{one}/resend", invitations(&id)),
                    None,
                ),
                (Method::GET, format!("{RECEIVED}/{one}"), None),
                (
                    Method::POST,
                    format!("{RECEIVED}/{one}/acceptance"),
                    Some(json!({"token": "x"})),
                ),
                (
                    Method::POST,
                    format!("{RECEIVED}/{one}/decline"),
                    Some(json!({})),
                ),
            ];
            for (method, path, body) in sent {
                by.send(method, &path, body)
                    .assert_refused(404, "NOT_FOUND");
            }
        }
    }
    for wrong in ["wsp_x", "fam_019a2f3c8b7e7c2d9f00112233445566", "%00"] {
        app.signed_in("usr_1")
            .post(&invitations(wrong), json!({"to": "bob"}))
            .assert_refused(404, "NOT_FOUND");
    }
}
