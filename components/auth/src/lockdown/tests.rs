#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::passes::ONCE;
use super::*;
use crate::oauth::tests as oauth;
use crate::tests::{
    PASSWORD, app, bearer_from, login, mailed, register, root, signed_in, signed_in_by,
    signed_in_from,
};
use crate::totp::tests::with_app;
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::Value;
use std::time::Duration;

const LOCKDOWN: &str = "/api/v1/auth/me/lockdown";
const PASSES: &str = "/api/v1/auth/me/lockdown/passes";
const HOME: &str = "192.0.2.7";
const AWAY: &str = "198.51.100.1";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Somebody there, with this program.
fn at<'a>(client: &Client<'a>, address: &str, agent: &str) -> Client<'a> {
    let there = client.with_header("spin-client-addr", address);
    there.with_header("user-agent", agent)
}

fn enter(app: &App, address: &str, agent: &str) -> Reply {
    let request = json!({"identifier": "ada", "password": PASSWORD});
    at(&app.anonymous(), address, agent).post("/api/v1/auth/login", request)
}

/// Ada, whose address is verified, in a session at home.
fn ada(app: &App) -> Reply {
    register(app, "ada").assert_status(201);
    verified(app)
}

/// The same where she has an account.
fn verified(app: &App) -> Reply {
    let set = json!({"$set": {"email_verified_at": app.now()}});
    let verified = crate::store::USERS.update_one(json!({"username": "ada"}), set);
    app.run(verified).unwrap();
    enter(app, HOME, "phone").assert_status(200)
}

fn set(app: &App, tokens: &Reply, input: Value) -> Reply {
    at(&signed_in(app, tokens), HOME, "phone").put(LOCKDOWN, input)
}

fn confirm(app: &App, token: &str) -> Reply {
    let token = json!({"token": token});
    app.anonymous()
        .post("/api/v1/auth/lockdown-confirmations", token)
}

/// Ada, who is bound to this.
fn bound(app: &App, input: Value) -> Reply {
    let tokens = ada(app);
    let waiting = set(app, &tokens, input).assert_status(200);
    assert_ne!(waiting["waiting"], Value::Null);
    app.run_tasks();
    let code = mailed(app, "confirm-lockdown", "ada@example.com");
    confirm(app, &code).assert_status(204);
    tokens
}

fn at_home() -> Value {
    json!({"networks": [HOME]})
}

fn allow(app: &App, token: &str, always: bool) -> Reply {
    let place = json!({"token": token, "always": always});
    app.anonymous().post("/api/v1/auth/allowed-places", place)
}

/// Who is at this place is let in by what was mailed of it.
fn let_in(app: &App, always: bool) {
    app.run_tasks();
    let code = mailed(app, "lockdown-attempt", "ada@example.com");
    allow(app, &code, always).assert_status(204);
}

fn mails(app: &App, template: &str) -> usize {
    let mails = app.mails().into_iter();
    mails.filter(|mail| mail.template == template).count()
}

fn recorded(app: &App, action: &str) -> Vec<Value> {
    let entries = app.recorded().into_iter();
    let entries = entries.filter(|entry| entry.action == action);
    entries.map(|entry| entry.data).collect()
}

#[test]
fn whoever_is_bound_confirms_it_by_mail_and_other_sessions_end() {
    let app = app();
    let tokens = ada(&app);
    let other = enter(&app, HOME, "laptop").assert_status(200);
    let answer = set(&app, &tokens, at_home()).assert_status(200);
    assert_eq!(
        (&answer["networks"], &answer["since"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(answer["waiting"]["networks"], json!([HOME]));
    assert_eq!(
        answer["here"],
        json!({"address": HOME, "user_agent": "phone"})
    );
    // It does not count before that.
    enter(&app, AWAY, "phone").assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    let done = confirm(&app, &code).assert_status(204);
    // Of the two that ended, and of the one that goes on at home alone.
    let told = done.header("sbd-revoked").unwrap().split(", ").count();
    assert_eq!(told, 3);
    confirm(&app, &code).assert_refused(401, "TOKEN_INVALID");
    let access = |tokens: &Reply| tokens.text("access_token").to_owned();
    bearer_from(&app, &access(&tokens), HOME, "phone").assert_status(200);
    bearer_from(&app, &access(&other), HOME, "laptop").assert_refused(401, "TOKEN_INVALID");
    bearer_from(&app, &access(&tokens), AWAY, "phone").assert_refused(401, "TOKEN_INVALID");
    enter(&app, AWAY, "phone").assert_refused(403, "PLACE_REFUSED");
    enter(&app, HOME, "another").assert_status(200);
    let now = signed_in_at_home(&app, &tokens)
        .get(LOCKDOWN)
        .assert_status(200);
    assert_eq!(
        (&now["networks"], &now["waiting"]),
        (&json!([HOME]), &Value::Null)
    );
}

/// Ada, as the host takes her for at home.
fn signed_in_at_home<'a>(app: &'a App, tokens: &Reply) -> Client<'a> {
    signed_in_from(app, tokens.text("access_token"), HOME, "phone")
}

#[test]
fn programs_are_known_by_a_part_of_their_name_or_by_all_of_it() {
    let app = app();
    let programs = json!([{"text": "phone"}, {"text": "laptop/1", "exact": true}]);
    bound(&app, json!({"programs": programs}));
    for (agent, status) in [
        ("phone", 200),
        ("my phone/2", 200),
        ("Phone", 403),
        ("laptop/1", 200),
        ("laptop/12", 403),
        ("", 403),
    ] {
        enter(&app, AWAY, agent).assert_status(status);
    }
}

#[test]
fn whoever_does_not_know_the_password_learns_nothing() {
    let app = app();
    bound(&app, at_home());
    let request = json!({"identifier": "ada", "password": "Wrong-horse-7"});
    let wrong = at(&app.anonymous(), AWAY, "phone").post("/api/v1/auth/login", request);
    wrong.assert_refused(401, "INVALID_CREDENTIALS");
    app.run_tasks();
    assert_eq!(mails(&app, "lockdown-attempt"), 0);
}

#[test]
fn where_somebody_is_counts_after_the_second_step() {
    let app = app();
    let tokens = ada(&app);
    let (_, codes) = with_app(&app, &signed_in(&app, &tokens));
    set(&app, &tokens, at_home()).assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    confirm(&app, &code).assert_status(204);
    let step = |first: &Reply, code: &str| {
        let request = json!({
            "second_factor_token": first["second_factor_token"], "code": code,
        });
        at(&app.anonymous(), AWAY, "phone").post("/api/v1/auth/login/second-factor", request)
    };
    // One proof tells nothing of it, and neither does a wrong second one.
    let first = enter(&app, AWAY, "phone").assert_status(202);
    step(&first, "000000").assert_refused(401, "INVALID_CREDENTIALS");
    app.run_tasks();
    assert_eq!(mails(&app, "lockdown-attempt"), 0);
    step(&first, &codes[0]).assert_refused(403, "PLACE_REFUSED");
    // What was refused has used nothing.
    let_in(&app, false);
    step(&first, &codes[0]).assert_status(200);
}

#[test]
fn who_comes_from_elsewhere_is_recorded_and_mailed_once_an_hour_for_a_place() {
    let app = app();
    let tokens = bound(&app, at_home());
    for _ in 0..3 {
        enter(&app, AWAY, "phone").assert_refused(403, "PLACE_REFUSED");
        app.run_tasks();
    }
    bearer_from(&app, tokens.text("access_token"), AWAY, "phone")
        .assert_refused(401, "TOKEN_INVALID");
    app.run_tasks();
    assert_eq!(mails(&app, "lockdown-attempt"), 1);
    let first = recorded(&app, "account.place_refused");
    let place = json!({"address": AWAY, "user_agent": "phone"});
    assert_eq!((first.len(), &first[0]["place"]), (1, &place));
    let told = app.published().into_iter();
    let told: Vec<_> = told
        .filter(|event| event.kind == "account.place_refused")
        .collect();
    assert_eq!(told.len(), 1);
    assert!(!told[0].data.to_string().contains(AWAY));
    // Another place has a mail of its own, and so does this one in an hour.
    enter(&app, "2001:db8::1", "phone").assert_status(403);
    enter(&app, "2001:db8::2", "phone").assert_status(403);
    app.run_tasks();
    assert_eq!(mails(&app, "lockdown-attempt"), 2);
    app.advance(HOUR);
    enter(&app, AWAY, "phone").assert_status(403);
    app.run_tasks();
    assert_eq!(mails(&app, "lockdown-attempt"), 3);
    // Nobody fills a mailbox.
    for agent in 0..20 {
        enter(&app, AWAY, &format!("phone/{agent}")).assert_status(403);
        app.run_tasks();
    }
    assert_eq!(mails(&app, "lockdown-attempt"), 12);
}

#[test]
fn a_place_is_let_in_once_for_a_while() {
    let app = app();
    let home = bound(&app, at_home());
    enter(&app, AWAY, "laptop").assert_refused(403, "PLACE_REFUSED");
    app.run_tasks();
    let code = mailed(&app, "lockdown-attempt", "ada@example.com");
    allow(&app, "mt_nonsense", false).assert_refused(401, "TOKEN_INVALID");
    allow(&app, &code, false).assert_status(204);
    let end = app.now() + ONCE;
    app.advance(Duration::from_secs(60));
    allow(&app, &code, false).assert_refused(401, "TOKEN_INVALID");
    allow(&app, &code, true).assert_refused(401, "TOKEN_INVALID");
    let tokens = enter(&app, AWAY, "laptop").assert_status(200);
    // That place alone.
    enter(&app, AWAY, "phone").assert_status(403);
    enter(&app, "198.51.100.2", "laptop").assert_status(403);
    app.run_tasks();
    let access = tokens.text("access_token");
    let who = bearer_from(&app, access, AWAY, "laptop").assert_status(200);
    assert_eq!(who["expires_at"], end.to_string());
    app.advance(ONCE - Duration::from_secs(61));
    bearer_from(&app, access, AWAY, "laptop").assert_status(200);
    app.advance(Duration::from_secs(1));
    bearer_from(&app, access, AWAY, "laptop").assert_refused(401, "TOKEN_INVALID");
    enter(&app, AWAY, "laptop").assert_refused(403, "PLACE_REFUSED");
    // A mail is there for it again, as the one before was used; and it can be taken back.
    let_in(&app, false);
    enter(&app, AWAY, "laptop").assert_status(200);
    let ada = signed_in_from(&app, &renewed(&app, &home), HOME, "phone");
    let passes = ada.get(PASSES).assert_status(200);
    assert_eq!(passes["items"][0]["place"]["address"], AWAY);
    let pass = passes["items"][0]["id"].as_str().unwrap();
    ada.delete(&format!("{PASSES}/{pass}")).assert_status(204);
    enter(&app, AWAY, "laptop").assert_refused(403, "PLACE_REFUSED");
}

/// A new access token, as the one there is has run out; had at home alone.
fn renewed(app: &App, tokens: &Reply) -> String {
    let from = |address| {
        let request = json!({"refresh_token": tokens["refresh_token"]});
        let there = at(&app.anonymous(), address, "phone");
        there.post("/api/v1/auth/refresh", request)
    };
    from(AWAY).assert_refused(401, "TOKEN_INVALID");
    let renewed = from(HOME).assert_status(200);
    // Asked once more, as who has lost the answer would, elsewhere.
    from(AWAY).assert_refused(401, "TOKEN_INVALID");
    renewed.text("access_token").to_owned()
}

#[test]
fn a_place_is_trusted_from_now_on() {
    let app = app();
    let home = bound(
        &app,
        json!({"networks": [HOME], "programs": [{"text": "phone"}]}),
    );
    enter(&app, "2001:db8:1:2::9", "laptop/1").assert_refused(403, "PLACE_REFUSED");
    let_in(&app, true);
    enter(&app, "2001:db8:1:2::7", "laptop/1").assert_status(200);
    enter(&app, "2001:db8:1:3::7", "laptop/1").assert_status(403);
    enter(&app, "2001:db8:1:2::7", "laptop/12").assert_status(403);
    let now = signed_in_at_home(&app, &home)
        .get(LOCKDOWN)
        .assert_status(200);
    assert_eq!(now["networks"], json!([HOME, "2001:db8:1:2::/64"]));
    let programs = json!([
        {"text": "phone", "exact": false}, {"text": "laptop/1", "exact": true},
    ]);
    assert_eq!(now["programs"], programs);
}

#[test]
fn codes_run_out_and_are_worth_nothing_once_something_else_was_decided() {
    let app = app();
    let tokens = ada(&app);
    set(&app, &tokens, at_home()).assert_status(200);
    app.run_tasks();
    let late = mailed(&app, "confirm-lockdown", "ada@example.com");
    // Another change takes the place of the first, and none takes it away.
    let both = json!({"networks": [HOME, AWAY]});
    set(&app, &tokens, both).assert_status(200);
    confirm(&app, &late).assert_refused(401, "TOKEN_INVALID");
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    set(&app, &tokens, json!({})).assert_status(200);
    confirm(&app, &code).assert_refused(401, "TOKEN_INVALID");
    set(&app, &tokens, at_home()).assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    app.advance(HOUR);
    confirm(&app, &code).assert_refused(401, "TOKEN_INVALID");
    let app = self::app();
    bound(&app, at_home());
    enter(&app, AWAY, "phone").assert_status(403);
    app.run_tasks();
    let code = mailed(&app, "lockdown-attempt", "ada@example.com");
    app.advance(HOUR);
    allow(&app, &code, false).assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn more_room_counts_at_once_and_so_does_none_of_it() {
    let app = app();
    let tokens = bound(&app, at_home());
    let wider = json!({"networks": [HOME, AWAY]});
    let now = set_at_home(&app, &tokens, wider).assert_status(200);
    assert_eq!(now["waiting"], Value::Null);
    enter(&app, AWAY, "phone").assert_status(200);
    // Less is asked for again.
    let less = set_at_home(&app, &tokens, at_home()).assert_status(200);
    assert_ne!(less["waiting"], Value::Null);
    enter(&app, AWAY, "phone").assert_status(200);
    let off = set_at_home(&app, &tokens, json!({})).assert_status(200);
    assert_eq!(
        (&off["networks"], &off["waiting"]),
        (&Value::Null, &Value::Null)
    );
    enter(&app, "203.0.113.9", "any").assert_status(200);
    let told = app.published().into_iter();
    let told = told.filter(|event| event.kind == "account.lockdown_changed");
    let told: Vec<_> = told.map(|event| event.data["networks"].clone()).collect();
    assert_eq!(told, [json!(true), json!(true), json!(false)]);
}

fn set_at_home(app: &App, tokens: &Reply, input: Value) -> Reply {
    signed_in_at_home(app, tokens).put(LOCKDOWN, input)
}

#[test]
fn nobody_locks_themselves_out_unawares() {
    let app = app();
    let tokens = ada(&app);
    for (input, field) in [
        (json!({"networks": [AWAY]}), "networks"),
        (json!({"programs": [{"text": "laptop"}]}), "programs"),
        (json!({"networks": []}), "networks"),
        (json!({"programs": []}), "programs"),
        (json!({"networks": ["10.0.0.1/8"]}), "networks"),
        (json!({"networks": ["nonsense"]}), "networks"),
        (json!({"networks": vec![HOME; 51]}), "networks"),
        (json!({"networks": HOME}), "networks"),
        (json!({"programs": [{"text": "ph"}]}), "programs"),
        (json!({"programs": [{"text": " phone"}]}), "programs"),
        (json!({"programs": [{"text": "pho\nne"}]}), "programs"),
        (json!({"programs": [{"text": "x".repeat(201)}]}), "programs"),
        (
            json!({"programs": vec![json!({"text": "phone"}); 21]}),
            "programs",
        ),
        (json!({"network": [HOME]}), "network"),
    ] {
        let refused = set(&app, &tokens, input).assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field);
    }
    let away = json!({"networks": [AWAY], "even_if_locked_out": true});
    set(&app, &tokens, away).assert_status(200);
    // Where nothing is known of where the caller is, nothing is left to chance.
    let unknown = signed_in(&app, &tokens).put(LOCKDOWN, at_home());
    unknown.assert_refused(422, "VALIDATION_ERROR");
}

#[test]
fn it_takes_a_person_who_has_shown_who_they_are_and_reads_their_mail() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let tokens = login(&app, "ada", PASSWORD).assert_status(200);
    set(&app, &tokens, at_home()).assert_refused(409, "CONFLICT");
    let anonymous = at(&app.anonymous(), HOME, "phone");
    anonymous
        .put(LOCKDOWN, at_home())
        .assert_refused(401, "UNAUTHENTICATED");
    let app = self::app();
    let tokens = ada(&app);
    let program = json!({"name": "x", "scopes": ["*"]});
    let program = signed_in(&app, &tokens).post("/api/v1/auth/permanent-tokens", program);
    let program = at(&signed_in_by(&app, program.text("token")), HOME, "phone");
    program
        .put(LOCKDOWN, at_home())
        .assert_refused(403, "FORBIDDEN");
    app.advance(crate::confirmation::FRESH);
    set(&app, &tokens, at_home()).assert_refused(403, "CONFIRMATION_REQUIRED");
    set(&app, &tokens, json!({})).assert_refused(403, "CONFIRMATION_REQUIRED");
    let pass = signed_in(&app, &tokens).post(PASSES, json!({"hours": 1}));
    pass.assert_refused(403, "CONFIRMATION_REQUIRED");
}

#[test]
fn whatever_token_it_is_counts_where_its_user_is_alone() {
    let app = oauth::tenant();
    let tokens = verified(&app);
    let reader = oauth::client(&app, false, &["notes:*"]);
    let granted = oauth::tokens(&app, &oauth::ada(&app), &reader, "notes:read");
    let program = json!({"name": "x", "scopes": ["*"]});
    let program = signed_in(&app, &tokens).post("/api/v1/auth/permanent-tokens", program);
    let cookie = json!({"identifier": "ada", "password": PASSWORD, "mode": "cookie"});
    set(&app, &tokens, at_home()).assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    confirm(&app, &code).assert_status(204);
    let cookie = at(&app.anonymous(), HOME, "phone").post("/api/v1/auth/login", cookie);
    let cookie = cookie
        .assert_status(204)
        .header("set-cookie")
        .unwrap()
        .to_owned();
    let (_, cookie) = cookie.split_once('=').unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let (own, others) = (tokens.text("access_token"), granted.text("access_token"));
    for token in [own, program.text("token"), cookie, others] {
        bearer_from(&app, token, HOME, "any").assert_status(200);
        bearer_from(&app, token, AWAY, "any").assert_refused(401, "TOKEN_INVALID");
        crate::tests::bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
    }
    // What its user has left to be done is done all the same: it comes from nowhere.
    let question =
        json!({"delegation": {"user": recorded(&app, "account.lockdown_changed")[0]["user_id"]}});
    let left = app.anonymous().post(sbd_sdk::path::AUTHENTICATE, question);
    left.assert_status(200);
}

#[test]
fn who_goes_away_makes_a_pass_before() {
    let app = app();
    let home = ada(&app);
    let make = |hours: Value| signed_in(&app, &home).post(PASSES, json!({"hours": hours}));
    make(json!(1)).assert_refused(409, "CONFLICT");
    set(&app, &home, at_home()).assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    confirm(&app, &code).assert_status(204);
    let make = |hours: Value| signed_in_at_home(&app, &home).post(PASSES, json!({"hours": hours}));
    for hours in [json!(0), json!(73), json!(-1), json!(1.5), json!("1")] {
        make(hours).assert_refused(422, "VALIDATION_ERROR");
    }
    let made = make(json!(2)).assert_status(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let (id, pass) = (made.text("id").to_owned(), made.text("pass").to_owned());
    let list = signed_in_at_home(&app, &home)
        .get(PASSES)
        .assert_status(200);
    assert_eq!(list["items"][0]["id"], id.as_str());
    assert!(!list.body().to_string().contains(&pass));
    let enter_by = |pass: &str| {
        let request = json!({"identifier": "ada", "password": PASSWORD, "pass": pass});
        at(&app.anonymous(), AWAY, "phone").post("/api/v1/auth/login", request)
    };
    enter_by("lp_nonsense").assert_refused(403, "PLACE_REFUSED");
    enter_by(&"x".repeat(101)).assert_refused(422, "VALIDATION_ERROR");
    let away = enter_by(&pass).assert_status(200);
    // That session counts from anywhere, and no other one.
    let access = away.text("access_token");
    bearer_from(&app, access, AWAY, "phone").assert_status(200);
    bearer_from(&app, access, "203.0.113.9", "any").assert_status(200);
    bearer_from(&app, home.text("access_token"), AWAY, "phone")
        .assert_refused(401, "TOKEN_INVALID");
    // Somebody else's pass is nothing to her, and hers is nobody else's to take back.
    register(&app, "bob").assert_status(201);
    let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
    bob.delete(&format!("{PASSES}/{id}"))
        .assert_refused(404, "NOT_FOUND");
    app.advance(2 * HOUR);
    let late = renewed(&app, &away);
    bearer_from(&app, &late, AWAY, "phone").assert_refused(401, "TOKEN_INVALID");
    bearer_from(&app, &late, HOME, "phone").assert_status(200);
    enter_by(&pass).assert_refused(403, "PLACE_REFUSED");
}

#[test]
fn a_pass_that_is_taken_back_lets_nobody_in_any_more_and_there_are_ten_at_most() {
    let app = app();
    let home = bound(&app, at_home());
    let ada = signed_in_at_home(&app, &home);
    let make = || ada.post(PASSES, json!({"hours": 72}));
    let made = make().assert_status(201);
    let request = json!({
        "identifier": "ada", "password": PASSWORD, "pass": made["pass"],
    });
    let away = at(&app.anonymous(), AWAY, "phone").post("/api/v1/auth/login", request);
    let away = away.assert_status(200);
    let access = away.text("access_token").to_owned();
    let who = bearer_from(&app, &access, AWAY, "phone").assert_status(200);
    let own = format!("{PASSES}/{}", made.text("id"));
    // The host asks about whoever was let in, and about the others, anew.
    let gone = ada.delete(&own).assert_status(204);
    let told = gone.header("sbd-revoked").unwrap();
    assert!(told.contains(who.text("session")) && told.split(", ").count() == 2);
    ada.delete(&own).assert_refused(404, "NOT_FOUND");
    bearer_from(&app, &access, AWAY, "phone").assert_refused(401, "TOKEN_INVALID");
    for _ in 0..10 {
        make().assert_status(201);
    }
    make().assert_refused(409, "CONFLICT");
    // With the lockdown they go.
    set_at_home(&app, &home, json!({})).assert_status(200);
    assert_eq!(ada.get(PASSES)["total"], 0);
}

#[test]
fn a_pass_goes_with_the_second_step_as_well() {
    let app = app();
    let tokens = ada(&app);
    let (_, codes) = with_app(&app, &signed_in(&app, &tokens));
    set(&app, &tokens, at_home()).assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    confirm(&app, &code).assert_status(204);
    let made = signed_in_at_home(&app, &tokens).post(PASSES, json!({"hours": 1}));
    let request = json!({
        "identifier": "ada", "password": PASSWORD, "pass": made["pass"],
    });
    let away = at(&app.anonymous(), AWAY, "phone");
    let first = away.post("/api/v1/auth/login", request).assert_status(202);
    let second = json!({"second_factor_token": first["second_factor_token"], "code": codes[0]});
    let second = away.post("/api/v1/auth/login/second-factor", second);
    let access = second.assert_status(200).text("access_token").to_owned();
    bearer_from(&app, &access, AWAY, "phone").assert_status(200);
}

#[test]
fn an_administrator_sees_whether_there_is_one_and_lifts_it_for_a_reason() {
    let app = app();
    let home = bound(&app, at_home());
    let id = recorded(&app, "account.lockdown_changed")[0]["user_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/auth/users/{id}/lockdown");
    let seen = root(&app).get(&path).assert_status(200);
    assert_eq!(
        (&seen["networks"], &seen["programs"]),
        (&json!(true), &json!(false))
    );
    assert!(!seen.body().to_string().contains(HOME));
    root(&app)
        .get("/api/v1/auth/users/usr_none/lockdown")
        .assert_refused(404, "NOT_FOUND");
    let lift =
        |by: &Client<'_>, reason: &str| by.post(&format!("{path}/lift"), json!({"reason": reason}));
    lift(&root(&app), " ").assert_refused(422, "VALIDATION_ERROR");
    lift(&signed_in_at_home(&app, &home), "me").assert_refused(409, "CONFLICT");
    lift(&root(&app), "moved house").assert_status(200);
    lift(&root(&app), "again").assert_refused(409, "CONFLICT");
    enter(&app, AWAY, "phone").assert_status(200);
    let reason = &recorded(&app, "account.lockdown_lifted")[0]["reason"];
    assert_eq!(reason, "moved house");
    let told = app.published().into_iter();
    let told = told.filter(|event| event.kind == "notification.requested");
    let bodies: Vec<_> = told.map(|event| event.data["body"].to_string()).collect();
    assert!(bodies.iter().any(|body| body.contains("moved house")));
}
