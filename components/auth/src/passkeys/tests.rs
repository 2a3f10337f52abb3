//! Passkeys, as a browser has them made and uses them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::MOST;
use super::challenge::GOOD_FOR;
use super::device::{BACKED_UP, BACKUP_ELIGIBLE, ORIGIN, SoftDevice, USER_PRESENT, USER_VERIFIED};
use crate::second_factor::SecondFactors;
use crate::store::{CHALLENGES, SECOND_FACTORS, USERS};
use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
use crate::throttle;
use crate::{confirmation, departure, store};
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const PASSKEYS: &str = "/api/v1/auth/me/passkeys";
const SIGN_IN: &str = "/api/v1/auth/login/passkey";
const SECOND_STEP: &str = "/api/v1/auth/login/second-factor/passkey";
const CONFIRM: &str = "/api/v1/auth/me/confirm/passkey";

/// Sent to where the device's browser is.
pub(super) fn there<'a>(client: &Client<'a>) -> Client<'a> {
    client.with_header("spin-full-url", &format!("{ORIGIN}/x"))
}

pub(super) fn member<'a>(app: &'a App, name: &str) -> Client<'a> {
    register(app, name).assert_status(201);
    there(&signed_in(app, &login(app, name, PASSWORD)))
}

pub(super) fn options_to_add(by: &Client<'_>) -> Value {
    let options = by.post(&format!("{PASSKEYS}/options"), json!({}));
    options.assert_status(200).body().clone()
}

pub(super) fn add(by: &Client<'_>, device: &mut SoftDevice) -> Reply {
    let made = device.made(&options_to_add(by));
    by.post(PASSKEYS, json!({"name": "phone", "credential": made}))
}

fn options(app: &App) -> Value {
    let options = there(&app.anonymous()).post(&format!("{SIGN_IN}/options"), json!({}));
    options.assert_status(200).body().clone()
}

fn answer(app: &App, credential: &Value) -> Reply {
    there(&app.anonymous()).post(SIGN_IN, json!({"credential": credential}))
}

pub(super) fn sign_in(app: &App, device: &mut SoftDevice) -> Reply {
    answer(app, &device.answer(&options(app)))
}

/// The session of who asked, of those in the answer.
fn here(sessions: &Reply) -> &Value {
    let mut sessions = sessions["items"].as_array().unwrap().iter();
    sessions.find(|session| session["current"] == true).unwrap()
}

pub(super) fn told(app: &App, kind: &str) -> usize {
    let told = app.published().into_iter();
    told.filter(|event| event.data["kind"] == kind || event.kind == kind)
        .count()
}

#[test]
fn a_passkey_is_added_and_signs_in_without_a_name() {
    let app = app();
    let ada = member(&app, "ada");
    let mut device = SoftDevice::new();
    let options = options_to_add(&ada);
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["attestation"], "none");
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "required");
    assert_eq!(selection["userVerification"], "required");
    let made = device.made(&options);
    let added = ada.post(PASSKEYS, json!({"name": " my phone ", "credential": made}));
    let added = added.assert_status(201);
    let id = added.text("id").to_owned();
    assert_eq!(added.header("location"), Some(&*format!("{PASSKEYS}/{id}")));
    let asked = self::options(&app);
    assert_eq!(asked["allowCredentials"], json!([]));
    assert_eq!(asked["userVerification"], "required");
    let tokens = answer(&app, &device.answer(&asked)).assert_status(200);
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    let who = bearer(&app, tokens.text("access_token")).assert_status(200);
    assert_eq!(who.text("username"), "ada");
    let ada = there(&signed_in(&app, &tokens));
    let sessions = ada.get("/api/v1/auth/sessions").assert_status(200);
    assert_eq!(here(&sessions)["proofs"], json!(["passkey"]));
    let listed = ada.get(PASSKEYS).assert_status(200);
    let listed = &listed["items"][0];
    assert_eq!(
        (&listed["name"], &listed["host"], &listed["transports"]),
        (
            &json!("my phone"),
            &json!("localhost"),
            &json!(["internal"])
        )
    );
    assert_eq!(listed["last_used_at"], app.now().to_string());
    assert!(!listed.to_string().contains("handle") && !listed.to_string().contains("key"));
    for (kind, times) in [
        ("account.passkey_added", 1),
        ("passkey.added", 1),
        ("passkey.used", 1),
    ] {
        assert_eq!(told(&app, kind), times, "{kind}");
    }
}

#[test]
fn passkeys_are_their_owners_to_name_and_to_remove() {
    let app = app();
    let (ada, bob) = (member(&app, "ada"), member(&app, "bob"));
    let mut device = SoftDevice::new();
    let id = add(&ada, &mut device).text("id").to_owned();
    let address = format!("{PASSKEYS}/{id}");
    for refused in [
        bob.patch(&address, json!({"name": "mine"})),
        bob.delete(&address),
        ada.delete(&format!("{PASSKEYS}/psk_1")),
    ] {
        refused.assert_refused(404, "NOT_FOUND");
    }
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let refused = ada.patch(&address, json!({"name": name}));
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
    let renamed = ada.patch(&address, json!({"name": "old phone"}));
    assert_eq!(renamed.assert_status(200)["name"], "old phone");
    assert_eq!(told(&app, "passkey.renamed"), 1);
    ada.delete(&address).assert_status(204);
    ada.delete(&address).assert_refused(404, "NOT_FOUND");
    assert_eq!(told(&app, "account.passkey_removed"), 1);
    sign_in(&app, &mut device).assert_refused(401, "INVALID_CREDENTIALS");
    app.anonymous()
        .post(PASSKEYS, json!({}))
        .assert_refused(401, "UNAUTHENTICATED");
}

#[test]
fn there_are_twenty_at_most_of_devices_that_have_none_yet() {
    let app = app();
    let ada = member(&app, "ada");
    let mut handles = Vec::new();
    for others in 0..MOST {
        let options = options_to_add(&ada);
        let excluded = options["excludeCredentials"].as_array().unwrap();
        assert_eq!(excluded.len(), others);
        let mut device = SoftDevice::new();
        let made = device.made(&options);
        handles.extend(device.handle);
        ada.post(PASSKEYS, json!({"name": "x", "credential": made}))
            .assert_status(201);
    }
    handles.dedup();
    assert_eq!(handles.len(), 1, "devices take one user for several");
    ada.post(&format!("{PASSKEYS}/options"), json!({}))
        .assert_refused(409, "CONFLICT");
}

/// What makes a device another than it should be.
type Change = fn(&mut SoftDevice);

/// Devices that are not as they should be.
const UNFIT: [(&str, Change); 9] = [
    ("another origin", |device| {
        device.origin = "http://evil.localhost:4747".to_owned();
    }),
    ("another port", |device| {
        device.origin = "http://localhost:4748".to_owned();
    }),
    ("another party", |device| {
        device.host = Some("evil.example".to_owned())
    }),
    ("nobody verified", |device| device.flags = USER_PRESENT),
    ("nobody there", |device| device.flags = USER_VERIFIED),
    ("another challenge", |device| {
        device.challenge = Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    }),
    ("no challenge", |device| {
        device.challenge = Some(String::new())
    }),
    ("another ceremony", |device| {
        device.kind = Some("payment.get")
    }),
    ("backed up without being able to", |device| {
        device.flags |= BACKED_UP
    }),
];

#[test]
fn what_was_not_asked_for_is_not_added() {
    let app = app();
    let ada = member(&app, "ada");
    for (what, change) in UNFIT {
        let mut device = SoftDevice::new();
        change(&mut device);
        let refused = add(&ada, &mut device);
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        let details = &refused["error"]["details"][0];
        assert_eq!(details["field"], "credential", "{what}");
    }
    // A challenge is good once, in time, for one purpose, and for whoever asked for it.
    let mut device = SoftDevice::new();
    let options = options_to_add(&ada);
    app.advance(GOOD_FOR);
    let request = |made: Value| json!({"name": "x", "credential": made});
    let late = ada.post(PASSKEYS, request(device.made(&options)));
    late.assert_refused(422, "VALIDATION_ERROR");
    let ada = there(&signed_in(&app, &login(&app, "ada", PASSWORD)));
    let bob = member(&app, "bob");
    let for_bob = device.made(&options_to_add(&bob));
    for (what, challenge) in [
        ("for another user", for_bob),
        ("for a sign-in", {
            let mut options = options_to_add(&ada);
            options["challenge"] = self::options(&app)["challenge"].clone();
            device.made(&options)
        }),
    ] {
        let refused = ada.post(PASSKEYS, request(challenge));
        assert_eq!(refused.status(), 422, "{what}");
    }
    let made = device.made(&options_to_add(&ada));
    ada.post(PASSKEYS, request(made.clone())).assert_status(201);
    let again = ada.post(PASSKEYS, request(made));
    again.assert_refused(422, "VALIDATION_ERROR");
    // It is nobody else's as well.
    let again = bob.post(PASSKEYS, request(device.made(&options_to_add(&bob))));
    again.assert_refused(409, "CONFLICT");
    assert_eq!(told(&app, "passkey.added"), 1);
}

#[test]
fn what_was_not_asked_for_signs_nobody_in() {
    let app = app();
    let mut device = SoftDevice::new();
    add(&member(&app, "ada"), &mut device).assert_status(201);
    let mut bobs = SoftDevice::new();
    add(&member(&app, "bob"), &mut bobs).assert_status(201);
    let mut said = Vec::new();
    for (what, change) in UNFIT {
        let mut unfit = device.clone();
        change(&mut unfit);
        let refused = sign_in(&app, &mut unfit);
        assert_eq!(refused.status(), 401, "{what}");
        said.push(refused.body().clone());
    }
    let unknown = sign_in(&app, &mut SoftDevice::new());
    let mut nobodys = SoftDevice::new();
    nobodys.handle = device.handle.clone();
    let forged = sign_in(&app, &mut device.forged());
    for refused in [unknown, sign_in(&app, &mut nobodys), forged] {
        said.push(
            refused
                .assert_refused(401, "INVALID_CREDENTIALS")
                .body()
                .clone(),
        );
    }
    // Of another user, of nobody, and of who is not said.
    let own = device.handle.clone();
    for handle in [bobs.handle.clone(), Some(String::new()), None] {
        device.handle = handle;
        let refused = sign_in(&app, &mut device);
        said.push(
            refused
                .assert_refused(401, "INVALID_CREDENTIALS")
                .body()
                .clone(),
        );
    }
    device.handle = own;
    // Late, of another tenant, and for another purpose.
    let asked = options(&app);
    app.advance(GOOD_FOR);
    let late = answer(&app, &device.answer(&asked));
    let elsewhere = device.answer(&options(&crate::tests::app()));
    let elsewhere = answer(&app, &elsewhere);
    let ada = there(&signed_in(&app, &login(&app, "ada", PASSWORD)));
    let mut asked = options(&app);
    asked["challenge"] = options_to_add(&ada)["challenge"].clone();
    for refused in [late, elsewhere, answer(&app, &device.answer(&asked))] {
        said.push(
            refused
                .assert_refused(401, "INVALID_CREDENTIALS")
                .body()
                .clone(),
        );
    }
    assert!(said.windows(2).all(|two| two[0] == two[1]), "{said:?}");
    // Once.
    let used = device.answer(&options(&app));
    answer(&app, &used).assert_status(200);
    let again = answer(&app, &used).assert_refused(401, "INVALID_CREDENTIALS");
    assert_eq!(again.body(), &said[0]);
    // A wrong answer uses the challenge up as well.
    let asked = options(&app);
    answer(&app, &device.forged().answer(&asked)).assert_status(401);
    answer(&app, &device.answer(&asked)).assert_status(401);
    sign_in(&app, &mut device).assert_status(200);
}

#[test]
fn who_counts_backwards_may_be_a_copy() {
    let app = app();
    let ada = member(&app, "ada");
    let mut device = SoftDevice::new();
    add(&ada, &mut device).assert_status(201);
    device.counter = 7;
    sign_in(&app, &mut device).assert_status(200);
    for counter in [7, 3, 0] {
        device.counter = counter;
        sign_in(&app, &mut device).assert_refused(401, "INVALID_CREDENTIALS");
    }
    assert_eq!(told(&app, "passkey.suspected"), 3);
    assert_eq!(told(&app, "account.passkey_suspected"), 1);
    let listed = ada.get(PASSKEYS).assert_status(200);
    assert_eq!(listed["items"][0]["suspected_at"], app.now().to_string());
    device.counter = 8;
    sign_in(&app, &mut device).assert_status(200);
    // Of those that count nothing nothing is expected.
    let mut silent = SoftDevice::new();
    silent.counter = 0;
    add(&ada, &mut silent).assert_status(201);
    for _ in 0..2 {
        silent.counter = 0;
        sign_in(&app, &mut silent).assert_status(200);
    }
}

#[test]
fn whether_a_passkey_is_backed_up_is_what_it_said_last() {
    let app = app();
    let ada = member(&app, "ada");
    let mut device = SoftDevice::new();
    device.flags |= BACKUP_ELIGIBLE;
    assert_eq!(add(&ada, &mut device)["backed_up"], false);
    device.flags |= BACKED_UP;
    sign_in(&app, &mut device).assert_status(200);
    assert_eq!(ada.get(PASSKEYS)["items"][0]["backed_up"], true);
    // Whether it can be is for ever.
    device.flags &= !(BACKED_UP | BACKUP_ELIGIBLE);
    sign_in(&app, &mut device).assert_refused(401, "INVALID_CREDENTIALS");
}

#[test]
fn what_is_no_credential_is_said_to_be_none() {
    let app = app();
    let ada = member(&app, "ada");
    let mut device = SoftDevice::new();
    add(&ada, &mut device).assert_status(201);
    let good = device.answer(&options(&app));
    let without = |field: &str| {
        let mut credential = good.clone();
        credential.as_object_mut().unwrap().remove(field);
        credential
    };
    let with = |field: &str, value: Value| {
        let mut credential = good.clone();
        credential["response"][field] = value;
        credential
    };
    for credential in [
        json!(null),
        json!("x"),
        json!({}),
        without("rawId"),
        without("response"),
        with("signature", json!("not base64url!")),
        with("clientDataJSON", json!(7)),
    ] {
        answer(&app, &credential).assert_refused(422, "VALIDATION_ERROR");
        let request = json!({"name": "x", "credential": credential});
        ada.post(PASSKEYS, request)
            .assert_refused(422, "VALIDATION_ERROR");
    }
    for (field, value) in [
        ("clientDataJSON", ""),
        ("clientDataJSON", "AAAA"),
        ("clientDataJSON", "e30"),
        ("authenticatorData", ""),
        ("authenticatorData", "AAAA"),
        ("signature", ""),
        ("signature", "AAAA"),
    ] {
        let mut credential = device.answer(&options(&app));
        credential["response"][field] = json!(value);
        let refused = answer(&app, &credential);
        assert_eq!(refused.status(), 401, "{field}: {value}");
    }
    for object in ["", "AAAA", "oA", "_____w"] {
        let mut made = SoftDevice::new().made(&options_to_add(&ada));
        made["response"]["attestationObject"] = json!(object);
        let refused = ada.post(PASSKEYS, json!({"name": "x", "credential": made}));
        assert_eq!(refused.status(), 422, "{object}");
    }
}

#[test]
fn who_is_switched_off_does_not_get_in() {
    let app = app();
    let mut device = SoftDevice::new();
    add(&member(&app, "ada"), &mut device).assert_status(201);
    let off = json!({"$set": {"active": false}});
    app.run(USERS.update_many(json!({}), off)).unwrap();
    sign_in(&app, &mut device).assert_refused(403, "FORBIDDEN");
    app.run(USERS.delete_many(json!({}))).unwrap();
    sign_in(&app, &mut device).assert_refused(401, "INVALID_CREDENTIALS");
}

#[test]
fn nobody_asks_without_end() {
    let app = app();
    let ask = |address: &str| {
        let client = there(&app.anonymous()).with_header("spin-client-addr", address);
        client.post(&format!("{SIGN_IN}/options"), json!({}))
    };
    for _ in 0..throttle::PASSKEY.most {
        ask("192.0.2.7:1").assert_status(200);
    }
    let wait = ask("192.0.2.7:2").assert_refused(429, "RATE_LIMITED");
    assert!(wait.header("retry-after").is_some());
    ask("192.0.2.8:1").assert_status(200);
    // What was not answered goes by itself, and a user's last one alone is kept.
    app.advance(Duration::from_secs(15 * 60));
    app.sweep();
    assert_eq!(app.run(CHALLENGES.count(json!({}))).unwrap(), 0);
    let ada = member(&app, "ada");
    for _ in 0..3 {
        options_to_add(&ada);
    }
    assert_eq!(app.run(CHALLENGES.count(json!({}))).unwrap(), 1);
}

#[test]
fn where_browsers_have_no_passkeys_is_said() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let ada = signed_in(&app, &login(&app, "ada", PASSWORD));
    for url in [
        "http://127.0.0.1:4747/x",
        "http://brain.example/x",
        "nonsense",
    ] {
        let ada = ada.with_header("spin-full-url", url);
        let refused = ada.post(&format!("{PASSKEYS}/options"), json!({}));
        refused.assert_refused(409, "CONFLICT");
        let nobody = app.anonymous().with_header("spin-full-url", url);
        let refused = nobody.post(&format!("{SIGN_IN}/options"), json!({}));
        refused.assert_refused(409, "CONFLICT");
    }
    let app = app.variable("passkey_origin", "https://brain.example");
    let ada = signed_in(&app, &login(&app, "ada", PASSWORD));
    let options = options_to_add(&ada);
    assert_eq!(options["rp"]["id"], "brain.example");
    let mut device = SoftDevice::new();
    device.origin = "https://brain.example".to_owned();
    add(&ada, &mut device).assert_status(201);
}

/// Whoever signs in as this user by the password has a second step before them.
fn in_two_steps(app: &App, name: &str) {
    let user = app.run(USERS.find_one(json!({"username": name}))).unwrap();
    let factors = json!({"_id": user.unwrap().id, "backup_codes": ["x"]});
    let factors: SecondFactors = serde_json::from_value(factors).unwrap();
    app.run(SECOND_FACTORS.insert(&factors)).unwrap();
}

fn first_step(app: &App, name: &str) -> String {
    let pending = login(app, name, PASSWORD).assert_status(202);
    let methods = pending["methods"].as_array().unwrap();
    assert!(methods.contains(&json!("passkey")), "{methods:?}");
    pending.text("second_factor_token").to_owned()
}

fn second_step(app: &App, token: &str, credential: &Value) -> Reply {
    let request = json!({"second_factor_token": token, "credential": credential});
    there(&app.anonymous()).post(SECOND_STEP, request)
}

fn options_for_second_step(app: &App, token: &str) -> Reply {
    let request = json!({"second_factor_token": token});
    there(&app.anonymous()).post(&format!("{SECOND_STEP}/options"), request)
}

#[test]
fn a_passkey_takes_the_second_step_of_its_owner_alone() {
    let app = app();
    let (mut device, mut bobs) = (SoftDevice::new(), SoftDevice::new());
    let added = add(&member(&app, "ada"), &mut device).assert_status(201);
    add(&member(&app, "bob"), &mut bobs).assert_status(201);
    // By itself it makes no second step necessary.
    login(&app, "ada", PASSWORD).assert_status(200);
    for name in ["ada", "bob"] {
        in_two_steps(&app, name);
    }
    let token = first_step(&app, "ada");
    let asked = options_for_second_step(&app, &token).assert_status(200);
    let allowed = &asked["allowCredentials"];
    assert_eq!(allowed.as_array().unwrap().len(), 1);
    assert_eq!(allowed[0]["transports"], json!(["internal"]));
    // Of another user, for another purpose, and forged.
    let mut asked = asked.body().clone();
    let refused = second_step(&app, &token, &bobs.answer(&asked));
    refused.assert_refused(401, "INVALID_CREDENTIALS");
    asked = options(&app);
    let refused = second_step(&app, &token, &device.answer(&asked));
    refused.assert_refused(401, "INVALID_CREDENTIALS");
    asked = options_for_second_step(&app, &token).body().clone();
    let refused = second_step(&app, &token, &device.forged().answer(&asked));
    refused.assert_refused(401, "INVALID_CREDENTIALS");
    let for_bob = options_for_second_step(&app, &first_step(&app, "bob"));
    let refused = second_step(&app, &token, &device.answer(for_bob.body()));
    refused.assert_refused(401, "INVALID_CREDENTIALS");
    // A device need not say whose passkey it is, where it was asked for this one.
    asked = options_for_second_step(&app, &token).body().clone();
    let handle = device.handle.take();
    let credential = device.answer(&asked);
    device.handle = handle;
    answer(&app, &credential).assert_refused(401, "INVALID_CREDENTIALS");
    let tokens = second_step(&app, &token, &credential).assert_status(200);
    let sessions = signed_in(&app, &tokens).get("/api/v1/auth/sessions");
    assert_eq!(here(&sessions)["proofs"], json!(["password", "passkey"]));
    second_step(&app, &token, &credential).assert_refused(401, "TOKEN_INVALID");
    options_for_second_step(&app, "st_1").assert_refused(401, "TOKEN_INVALID");
    // A sign-in by it takes no second step.
    let tokens = sign_in(&app, &mut device).assert_status(200);
    let ada = there(&signed_in(&app, &tokens));
    let address = format!("{PASSKEYS}/{}", added.text("id"));
    let token = first_step(&app, "ada");
    ada.delete(&address).assert_status(204);
    options_for_second_step(&app, &token).assert_refused(409, "CONFLICT");
}

#[test]
fn the_device_of_a_passkey_is_remembered_by_who_wants_it() {
    let app = app();
    let mut device = SoftDevice::new();
    add(&member(&app, "ada"), &mut device).assert_status(201);
    in_two_steps(&app, "ada");
    let step = |device: &mut SoftDevice, remember: Value| {
        let token = first_step(&app, "ada");
        let credential = device.answer(options_for_second_step(&app, &token).body());
        let request = json!({
            "second_factor_token": token, "credential": credential, "remember_device": remember,
        });
        there(&app.anonymous()).post(SECOND_STEP, request)
    };
    step(&mut device, json!("yes")).assert_refused(422, "VALIDATION_ERROR");
    let tokens = step(&mut device, json!(false)).assert_status(200);
    assert!(tokens.body().get("remembered_device").is_none());
    let tokens = step(&mut device, json!(true)).assert_status(200);
    let again = json!({
        "identifier": "ada", "password": PASSWORD,
        "remembered_device": tokens["remembered_device"],
    });
    let tokens = app.anonymous().post("/api/v1/auth/login", again);
    let sessions = signed_in(&app, &tokens.assert_status(200)).get("/api/v1/auth/sessions");
    assert_eq!(
        here(&sessions)["proofs"],
        json!(["password", "remembered_device"])
    );
}

#[test]
fn a_passkey_shows_that_its_owner_is_still_there() {
    let app = app();
    let ada = member(&app, "ada");
    let (mut device, mut bobs) = (SoftDevice::new(), SoftDevice::new());
    let bob = member(&app, "bob");
    let none = ada.post(&format!("{CONFIRM}/options"), json!({}));
    none.assert_refused(409, "CONFLICT");
    let id = add(&ada, &mut device).text("id").to_owned();
    add(&bob, &mut bobs).assert_status(201);
    app.advance(confirmation::FRESH);
    let address = format!("{PASSKEYS}/{id}");
    ada.delete(&address)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    for path in [format!("{PASSKEYS}/options"), PASSKEYS.to_owned()] {
        let made = SoftDevice::new().made(&json!({"rp": {"id": "localhost"}}));
        let request = match path == PASSKEYS {
            true => json!({"name": "x", "credential": made}),
            false => json!({}),
        };
        ada.post(&path, request)
            .assert_refused(403, "CONFIRMATION_REQUIRED");
    }
    let ask = || {
        let asked = ada.post(&format!("{CONFIRM}/options"), json!({}));
        asked.assert_status(200).body().clone()
    };
    let confirm = |credential: Value| ada.post(CONFIRM, json!({"credential": credential}));
    confirm(bobs.answer(&ask())).assert_refused(422, "VALIDATION_ERROR");
    confirm(device.answer(&options(&app))).assert_refused(422, "VALIDATION_ERROR");
    ada.delete(&address)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    let credential = device.answer(&ask());
    confirm(credential.clone()).assert_status(204);
    confirm(credential).assert_refused(422, "VALIDATION_ERROR");
    ada.delete(&address).assert_status(204);
}

#[test]
fn passkeys_go_with_their_account() {
    let app = app();
    let ada = member(&app, "ada");
    let (mut device, mut bobs) = (SoftDevice::new(), SoftDevice::new());
    add(&ada, &mut device).assert_status(201);
    add(&member(&app, "bob"), &mut bobs).assert_status(201);
    options_to_add(&ada);
    let export = ada.get("/api/v1/auth/me/export").assert_status(200);
    assert_eq!(export["passkeys"][0]["name"], "phone");
    let over = json!({"$set": {"ends_at": app.now()}});
    let ada = json!({"username": "ada"});
    app.run(USERS.update_one(ada, over)).unwrap();
    app.run(departure::end_due()).unwrap();
    sign_in(&app, &mut device).assert_refused(401, "INVALID_CREDENTIALS");
    sign_in(&app, &mut bobs).assert_status(200);
    assert_eq!(app.run(store::PASSKEYS.count(json!({}))).unwrap(), 1);
}
