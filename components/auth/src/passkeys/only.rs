//! Accounts that have no password, as a browser opens and uses them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::challenge::GOOD_FOR;
use super::device::SoftDevice;
use super::tests::{PASSKEYS, add, member, options_to_add, sign_in, there, told};
use crate::confirmation;
use crate::tests::{PASSWORD, app, bearer, login, mailed, register, signed_in};
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::{Value, json};

const OPEN: &str = "/api/v1/auth/register/passkey";
const PASSWORD_AT: &str = "/api/v1/auth/me/password";
const EMAIL: &str = "ada@example.com";

fn new(name: &str) -> Value {
    json!({"username": name, "email": format!("{name}@example.com")})
}

fn options(app: &App, new: Value) -> Reply {
    there(&app.anonymous()).post(&format!("{OPEN}/options"), new)
}

fn open(app: &App, mut new: Value, made: Value) -> Reply {
    new["name"] = json!("phone");
    new["credential"] = made;
    there(&app.anonymous()).post(OPEN, new)
}

/// Opens an account with a device, and answers its backup codes.
fn opened(app: &App, name: &str, device: &mut SoftDevice) -> Reply {
    let made = device.made(options(app, new(name)).assert_status(200).body());
    open(app, new(name), made).assert_status(201)
}

/// Whom a device signs in.
fn enter<'a>(app: &'a App, device: &mut SoftDevice) -> Client<'a> {
    there(&signed_in(app, &sign_in(app, device).assert_status(200)))
}

/// A new password by mail, and a sign-in with it.
fn recovered(app: &App) -> Reply {
    let ask = json!({"email": EMAIL});
    let resets = "/api/v1/auth/password-resets";
    app.anonymous().post(resets, ask).assert_status(204);
    app.run_tasks();
    let token = mailed(app, "reset-password", EMAIL);
    let reset = json!({"token": token, "new_password": PASSWORD});
    app.anonymous()
        .post(&format!("{resets}/complete"), reset)
        .assert_status(204);
    login(app, "ada", PASSWORD)
}

fn step(app: &App, first: &Reply, code: &Value) -> Reply {
    let step = json!({"second_factor_token": first["second_factor_token"], "code": code});
    app.anonymous()
        .post("/api/v1/auth/login/second-factor", step)
}

fn decide(app: &App, second: &str) {
    let policy = json!({"registration": "open", "second_factor": second});
    let root = app.signed_in("usr_root");
    root.put("/api/v1/auth/policy", policy).assert_status(200);
}

#[test]
fn an_account_is_opened_with_a_passkey_and_used_without_a_password() {
    let app = app();
    let mut device = SoftDevice::new();
    let made = opened(&app, "ada", &mut device);
    assert_eq!(made["account"]["has_password"], false);
    assert_eq!(made["backup_codes"].as_array().unwrap().len(), 10);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    for password in ["", "x", PASSWORD] {
        let refused = login(&app, "ada", password);
        assert!([401, 422].contains(&refused.status()), "{password}");
    }
    let ada = enter(&app, &mut device);
    assert_eq!(ada.get("/api/v1/auth/me")["username"], "ada");
    // What else takes the password takes that they have just shown who they are.
    let renamed = ada.put("/api/v1/auth/me/username", json!({"username": "lady"}));
    renamed.assert_status(204);
    app.advance(confirmation::FRESH);
    let confirm = "/api/v1/auth/me/confirm";
    for given in [
        json!({"username": "x-1"}),
        json!({"username": "x-1", "password": PASSWORD}),
    ] {
        let refused = ada.put("/api/v1/auth/me/username", given);
        refused.assert_refused(403, "CONFIRMATION_REQUIRED");
    }
    ada.put("/api/v1/auth/me/deletion", json!({}))
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    // No password shows that, whatever it is.
    ada.post(confirm, json!({"password": PASSWORD}))
        .assert_refused(422, "VALIDATION_ERROR");
    let asked = ada.post(&format!("{confirm}/passkey/options"), json!({}));
    let credential = device.answer(asked.assert_status(200).body());
    ada.post(
        &format!("{confirm}/passkey"),
        json!({"credential": credential}),
    )
    .assert_status(204);
    // While it is shown, a password does not show it anew.
    ada.post(confirm, json!({"password": PASSWORD}))
        .assert_refused(422, "VALIDATION_ERROR");
    ada.put("/api/v1/auth/me/deletion", json!({}))
        .assert_status(200);
}

#[test]
fn what_is_wrong_with_a_new_account_opens_none() {
    let app = app();
    register(&app, "bob").assert_status(201);
    for (field, value) in [
        ("username", json!("root")),
        ("username", json!("a")),
        ("email", json!("x")),
        ("more", json!(1)),
    ] {
        let mut wrong = new("ada");
        wrong[field] = value;
        options(&app, wrong.clone()).assert_refused(422, "VALIDATION_ERROR");
        let mut device = SoftDevice::new();
        let made = device.made(options(&app, new("ada")).body());
        open(&app, wrong, made).assert_refused(422, "VALIDATION_ERROR");
    }
    let mut device = SoftDevice::new();
    // Of no challenge, of another's, late, and twice.
    let ours = device.made(&options_to_add(&member(&app, "eve")));
    open(&app, new("ada"), ours).assert_refused(422, "VALIDATION_ERROR");
    let late = device.made(options(&app, new("ada")).body());
    app.advance(GOOD_FOR);
    open(&app, new("ada"), late).assert_refused(422, "VALIDATION_ERROR");
    let made = device.made(options(&app, new("ada")).body());
    let taken = open(&app, new("bob"), made.clone()).assert_refused(409, "CONFLICT");
    assert_eq!(taken["error"]["details"][0]["field"], "username");
    open(&app, new("ada"), made).assert_refused(422, "VALIDATION_ERROR");
    let made = device.made(options(&app, new("ada")).body());
    open(&app, new("ada"), made).assert_status(201);
    // The same passkey for a second account.
    let made = device.made(options(&app, new("cleo")).body());
    let taken = open(&app, new("cleo"), made).assert_refused(409, "CONFLICT");
    assert!(
        taken["error"]["message"]
            .as_str()
            .unwrap()
            .contains("passkey")
    );
    let policy = json!({"registration": "closed"});
    let root = app.signed_in("usr_root");
    root.put("/api/v1/auth/policy", policy).assert_status(200);
    options(&app, new("dan")).assert_refused(403, "FORBIDDEN");
}

#[test]
fn whoever_has_to_show_to_be_a_person_does_so_at_first() {
    let app = app();
    crate::captcha::tests::set_up(&app);
    options(&app, new("ada")).assert_refused(403, "CAPTCHA_REQUIRED");
    let mut solved = new("ada");
    solved["captcha"] = json!("good");
    let mut device = SoftDevice::new();
    let made = device.made(options(&app, solved).assert_status(200).body());
    open(&app, new("ada"), made).assert_status(201);
}

#[test]
fn a_password_is_removed_once_there_is_a_passkey_and_the_last_way_in_stays() {
    let app = app();
    let ada = member(&app, "ada");
    ada.delete(PASSWORD_AT).assert_refused(409, "CONFLICT");
    let (mut first, mut second) = (SoftDevice::new(), SoftDevice::new());
    let one = add(&ada, &mut first).text("id").to_owned();
    app.advance(confirmation::FRESH);
    ada.delete(PASSWORD_AT)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    let ada = enter(&app, &mut first);
    let codes = ada.delete(PASSWORD_AT).assert_status(200);
    assert_eq!(codes["backup_codes"].as_array().unwrap().len(), 10);
    ada.delete(PASSWORD_AT).assert_refused(409, "CONFLICT");
    login(&app, "ada", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
    for kind in ["account.password_removed", "account.backup_codes_made"] {
        assert!(told(&app, kind) > 0, "{kind}");
    }
    let address = |id: &str| format!("{PASSKEYS}/{id}");
    ada.delete(&address(&one)).assert_refused(409, "CONFLICT");
    let two = add(&ada, &mut second).text("id").to_owned();
    ada.delete(&address(&one)).assert_status(204);
    ada.delete(&address(&two)).assert_refused(409, "CONFLICT");
    let ada = enter(&app, &mut second);
    // One that was there before is none of a new one either.
    let set = |password: &str| ada.put(PASSWORD_AT, json!({"new_password": password}));
    set(PASSWORD).assert_refused(422, "VALIDATION_ERROR");
    set("Battery-staple-8").assert_status(204);
    assert_eq!(ada.get("/api/v1/auth/me")["has_password"], true);
    // The second step stays: its codes are there still.
    login(&app, "ada", "Battery-staple-8").assert_status(202);
    ada.delete(&address(&two)).assert_status(204);
}

#[test]
fn whoever_loses_the_passkey_comes_back_by_mail_and_a_backup_code() {
    let app = app();
    let codes = opened(&app, "ada", &mut SoftDevice::new());
    let codes = &codes["backup_codes"];
    let first = recovered(&app).assert_status(202);
    assert_eq!(first["methods"], json!(["backup_code", "passkey"]));
    step(&app, &first, &json!("abcd-efgh-jkmn-pqrs")).assert_refused(401, "INVALID_CREDENTIALS");
    step(&app, &first, &codes[0]).assert_status(200);
    let again = login(&app, "ada", PASSWORD).assert_status(202);
    step(&app, &again, &codes[0]).assert_refused(401, "INVALID_CREDENTIALS");
}

#[test]
fn backup_codes_are_renewed_without_an_app_by_who_has_no_password() {
    let app = app();
    let mut device = SoftDevice::new();
    let before = opened(&app, "ada", &mut device);
    let ada = enter(&app, &mut device);
    let codes = ada.post("/api/v1/auth/me/backup-codes", json!({}));
    let codes = codes.assert_status(200);
    let first = recovered(&app).assert_status(202);
    step(&app, &first, &before["backup_codes"][0]).assert_status(401);
    step(&app, &first, &codes["backup_codes"][0]).assert_status(200);
    // Who has a password and a passkey alone does not get a second factor by it.
    let bob = member(&app, "bob");
    add(&bob, &mut SoftDevice::new()).assert_status(201);
    bob.post("/api/v1/auth/me/backup-codes", json!({}))
        .assert_refused(409, "CONFLICT");
}

#[test]
fn a_passkey_alone_is_two_proofs_where_two_are_required() {
    let app = app();
    decide(&app, "required");
    let mut device = SoftDevice::new();
    opened(&app, "ada", &mut device);
    let tokens = sign_in(&app, &mut device).assert_status(200);
    let scopes = |tokens: &Reply| bearer(&app, tokens.text("access_token"))["scopes"].clone();
    assert_eq!(scopes(&tokens), json!(["*"]));
    // With a password it is the second step.
    let bob = member(&app, "bob");
    let mut bobs = SoftDevice::new();
    let id = add(&bob, &mut bobs)
        .assert_status(201)
        .text("id")
        .to_owned();
    let first = login(&app, "bob", PASSWORD).assert_status(202);
    assert_eq!(first["methods"], json!(["passkey"]));
    assert_eq!(scopes(&sign_in(&app, &mut bobs)), json!(["*"]));
    // And stays, as long as it is required.
    let address = format!("{PASSKEYS}/{id}");
    bob.delete(&address).assert_refused(409, "CONFLICT");
    decide(&app, "optional");
    login(&app, "bob", PASSWORD).assert_status(200);
    bob.delete(&address).assert_status(204);
}
