//! Who is invited, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::tests::{app, team};
use sbd_sdk::Principal;
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::{Value, json};
use std::time::Duration;

const RECEIVED: &str = "/api/v1/workspaces/invitations";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `usr_5` is `bob`, `usr_6` is `eve`; nobody else has an account.
fn with_accounts(app: App) -> App {
    app.on_call(|call| {
        assert_eq!(
            (&*call.to, &*call.path),
            ("auth", "/api/v1/auth/users/lookup")
        );
        match call.body["identifier"].as_str().unwrap() {
            "bob" | "bob@example.com" => (200, json!({"id": "usr_5", "username": "bob"})),
            "eve" => (200, json!({"id": "usr_6", "username": "eve"})),
            _ => (
                404,
                json!({"error": {"code": "NOT_FOUND", "message": "no such user"}}),
            ),
        }
    });
    app
}

/// What is told is heard, once, and done.
fn deliver(app: &App) {
    let host = app.by(Principal::service("test", "workspace"));
    let sent = app.published().into_iter();
    for event in sent.filter(|event| event.kind == "workspace.invitation.sent") {
        host.event(&event.kind, event.data).assert_status(204);
    }
    app.run_tasks();
}

fn invitations(workspace: &str) -> String {
    format!("/api/v1/workspaces/{workspace}/invitations")
}

fn invite(app: &App, by: &str, workspace: &str, body: Value) -> Reply {
    let invited = app.signed_in(by).post(&invitations(workspace), body);
    deliver(app);
    invited
}

fn answer(by: &Client<'_>, id: &str, how: &str, body: Value) -> Reply {
    by.post(&format!("{RECEIVED}/{id}/{how}"), body)
}

/// The one invitation that somebody has received.
fn received(app: &App, user: &str) -> Value {
    let page = app.signed_in(user).get(RECEIVED).assert_status(200);
    assert_eq!(page["total"], 1);
    page["items"][0].clone()
}

#[test]
fn whoever_accepts_belongs_as_what_was_said() {
    let app = with_accounts(app());
    let workspace = team(&app);
    let body = json!({"to": "Bob", "role": "editor"});
    let made = invite(&app, "usr_2", &workspace, body).assert_status(201);
    let one = received(&app, "usr_5");
    assert_eq!(
        (&one["workspace_name"], &one["role"], &one["state"]),
        (&json!("Team"), &json!("editor"), &json!("pending"))
    );
    let id = one["id"].as_str().unwrap();
    for other in ["usr_6", "usr_1"] {
        let other = app.signed_in(other);
        answer(&other, id, "acceptance", json!({})).assert_refused(404, "NOT_FOUND");
        answer(&other, id, "decline", json!({})).assert_refused(404, "NOT_FOUND");
    }
    app.anonymous()
        .post(&format!("{RECEIVED}/{id}/acceptance"), json!({}))
        .assert_refused(401, "UNAUTHENTICATED");
    let bob = app.signed_in("usr_5");
    let accepted = answer(&bob, id, "acceptance", json!({})).assert_status(200);
    assert_eq!(
        (&accepted["role"], &accepted["member_count"]),
        (&json!("editor"), &json!(5))
    );
    answer(&bob, id, "acceptance", json!({})).assert_status(200);
    answer(&bob, id, "decline", json!({})).assert_refused(409, "INVITATION_ENDED");
    let seen = app
        .signed_in("usr_1")
        .get(made.header("location").unwrap())
        .assert_status(200);
    assert_eq!(
        (&seen["state"], &seen["answered_by"]),
        (&json!("accepted"), &json!("usr_5"))
    );
    let counted = |outcome| app.counted("workspace_invitations_total", &[("outcome", outcome)]);
    assert_eq!((counted("sent"), counted("accepted")), (1, 1));
}

#[test]
fn members_invite_newcomers_as_long_as_the_settings_say_so() {
    let app = with_accounts(app());
    let workspace = team(&app);
    let refused = invite(
        &app,
        "usr_4",
        &workspace,
        json!({"to": "bob", "role": "editor"}),
    );
    refused.assert_refused(403, "FORBIDDEN");
    let made = invite(&app, "usr_4", &workspace, json!({"to": "bob"})).assert_status(201);
    assert_eq!(made["role"], "viewer");
    // What one has sent one looks after, and not what others have.
    invite(&app, "usr_2", &workspace, json!({"to": "eve"})).assert_status(201);
    let list = |user: &str| app.signed_in(user).get(&invitations(&workspace))["total"].clone();
    assert_eq!(
        (list("usr_4"), list("usr_1"), list("usr_3")),
        (json!(1), json!(2), json!(0))
    );
    app.signed_in("usr_3")
        .delete(made.header("location").unwrap())
        .assert_refused(404, "NOT_FOUND");
    // Whoever may not any more has invited nobody.
    let settings = format!("/api/v1/workspaces/{workspace}/settings");
    let decided = json!({"inviters": "permitted", "newcomers": "viewer"});
    app.signed_in("usr_1")
        .put(&settings, decided)
        .assert_status(200);
    let id = received(&app, "usr_5")["id"].as_str().unwrap().to_owned();
    let bob = app.signed_in("usr_5");
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "CONFLICT");
    invite(&app, "usr_4", &workspace, json!({"to": "joe"})).assert_refused(403, "FORBIDDEN");
    // Unless somebody answers for it who may.
    app.advance(Duration::from_secs(11 * 60));
    let resend = format!("{}/resend", made.header("location").unwrap());
    app.signed_in("usr_2")
        .post(&resend, json!({}))
        .assert_status(200);
    answer(&bob, &id, "acceptance", json!({})).assert_status(200);
}

#[test]
fn nobody_is_invited_as_more_than_the_inviter_is() {
    let app = with_accounts(app());
    let workspace = team(&app);
    for (role, code, status) in [
        ("owner", "VALIDATION_ERROR", 422),
        ("boss", "VALIDATION_ERROR", 422),
        (
            "rol_019a2f3c8b7e7c2d9f00112233445566",
            "VALIDATION_ERROR",
            422,
        ),
    ] {
        let body = json!({"to": "bob", "role": role});
        let refused = invite(&app, "usr_1", &workspace, body).assert_refused(status, code);
        assert_eq!(refused["error"]["details"][0]["field"], "role");
    }
    // An administrator invites one, and is one no more when it is accepted.
    let body = json!({"to": "bob", "role": "admin"});
    invite(&app, "usr_2", &workspace, body).assert_status(201);
    let role = format!("/api/v1/workspaces/{workspace}/members/usr_2/role");
    app.signed_in("usr_1")
        .put(&role, json!({"role": "editor"}))
        .assert_status(200);
    let id = received(&app, "usr_5")["id"].as_str().unwrap().to_owned();
    let bob = app.signed_in("usr_5");
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "CONFLICT");
}

#[test]
fn whoever_declines_is_left_alone_for_a_day() {
    let app = with_accounts(app());
    let workspace = team(&app);
    invite(&app, "usr_1", &workspace, json!({"to": "bob"})).assert_status(201);
    let refused = invite(&app, "usr_2", &workspace, json!({"to": "BOB"}));
    refused.assert_refused(409, "CONFLICT");
    let id = received(&app, "usr_5")["id"].as_str().unwrap().to_owned();
    answer(&app.signed_in("usr_5"), &id, "decline", json!({})).assert_status(204);
    invite(&app, "usr_1", &workspace, json!({"to": "bob"})).assert_refused(409, "CONFLICT");
    app.advance(DAY);
    invite(&app, "usr_1", &workspace, json!({"to": "bob"})).assert_status(201);
    let kinds = app.published().into_iter().map(|event| event.kind);
    assert!(
        kinds
            .into_iter()
            .any(|kind| kind == "workspace.invitation.declined")
    );
}

#[test]
fn an_invitation_ends_after_its_time_or_when_it_is_taken_back() {
    let app = with_accounts(app());
    let workspace = team(&app);
    let made = invite(&app, "usr_1", &workspace, json!({"to": "bob"})).assert_status(201);
    let id = made.text("id");
    let bob = app.signed_in("usr_5");
    app.advance(DAY * 7);
    answer(&bob, id, "acceptance", json!({})).assert_refused(409, "INVITATION_EXPIRED");
    let path = made.header("location").unwrap();
    let ada = app.signed_in("usr_1");
    ada.post(&format!("{path}/resend"), json!({}))
        .assert_status(200);
    ada.delete(path).assert_status(204);
    ada.delete(path).assert_status(204);
    answer(&bob, id, "acceptance", json!({})).assert_refused(409, "INVITATION_ENDED");
    let cancelled = ada.get(&format!("{}?state=cancelled", invitations(&workspace)));
    assert_eq!(cancelled["total"], 1);
}

#[test]
fn a_mail_has_a_token_that_works_once_for_whoever_signs_in() {
    let app = with_accounts(app());
    let workspace = team(&app);
    let body = json!({"to": "amy@example.com", "role": "viewer"});
    let made = invite(&app, "usr_1", &workspace, body).assert_status(201);
    let mail = app.mails().pop().unwrap();
    let line = mail
        .text
        .lines()
        .find(|line| line.contains("inv_"))
        .unwrap();
    let (id, token) = line.split_once('.').unwrap();
    assert_eq!(id, made.text("id"));
    let amy = app.signed_in("usr_7");
    for wrong in ["", "x", &token[1..]] {
        let body = json!({"token": wrong});
        answer(&amy, id, "acceptance", body).assert_refused(404, "NOT_FOUND");
    }
    answer(&amy, id, "acceptance", json!({"token": token})).assert_status(200);
    let joe = app.signed_in("usr_8");
    answer(&joe, id, "acceptance", json!({"token": token})).assert_refused(404, "NOT_FOUND");
}

#[test]
fn many_are_invited_each_for_itself() {
    let app = with_accounts(app());
    let workspace = team(&app);
    let path = format!("{}/bulk", invitations(&workspace));
    let many = json!({"invitations": [
        {"to": "bob"}, {"to": "bob"}, {"to": "!"}, {"to": "eve", "role": "editor"},
    ]});
    let done = app.signed_in("usr_4").post(&path, many).assert_status(200);
    let codes = done["results"].as_array().unwrap().iter();
    let codes: Vec<_> = codes.map(|one| one["refusal"]["code"].clone()).collect();
    assert_eq!(
        codes,
        [
            json!(null),
            json!("CONFLICT"),
            json!("VALIDATION_ERROR"),
            json!("FORBIDDEN")
        ]
    );
    let too_many = vec![json!({"to": "bob"}); 51];
    for wrong in [json!([]), json!(too_many)] {
        app.signed_in("usr_1")
            .post(&path, json!({"invitations": wrong}))
            .assert_refused(422, "VALIDATION_ERROR");
    }
    app.signed_in("usr_9")
        .post(&path, json!({"invitations": [{"to": "bob"}]}))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn there_is_room_for_so_many() {
    let app = with_accounts(app())
        .variable("members_per_workspace", "5")
        .variable("invitations_per_day", "3");
    let workspace = team(&app);
    for to in ["bob", "eve", "joe"] {
        invite(&app, "usr_1", &workspace, json!({"to": to})).assert_status(201);
    }
    invite(&app, "usr_1", &workspace, json!({"to": "tim"})).assert_refused(429, "RATE_LIMITED");
    let accept = |user: &str| {
        let id = received(&app, user)["id"].as_str().unwrap().to_owned();
        answer(&app.signed_in(user), &id, "acceptance", json!({}))
    };
    accept("usr_5").assert_status(200);
    accept("usr_6").assert_refused(409, "CONFLICT");
    invite(&app, "usr_2", &workspace, json!({"to": "tim"})).assert_refused(409, "CONFLICT");
}
