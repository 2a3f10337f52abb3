//! Signing in by an issuer, which is played here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use super::attempts::{self, Purpose};
use crate::oauth::tests::{ISSUER, ada, fields, root, tenant};
use crate::store::{PROVIDERS, USERS};
use crate::tests::{PASSWORD, bearer, login, mailed, register, signed_in};
use crate::tokens::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, rand_core::OsRng};
use sbd_sdk::testing::{App, Call, Client, Reply};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

const LOGIN: &str = "https://login.example";
const PROVIDERS_PATH: &str = "/api/v1/auth/providers";
const BROWSER: &str = "/api/v1/auth/login/provider";
const OWN: &str = "/api/v1/auth/me/providers";
static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut OsRng, 2048).unwrap());
static OTHER: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut OsRng, 2048).unwrap());

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn token(key: &RsaPrivateKey, head: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        encoded(head.to_string().as_bytes()),
        encoded(claims.to_string().as_bytes())
    );
    let signature = SigningKey::<Sha256>::new(key.clone()).sign(signed.as_bytes());
    format!("{signed}.{}", encoded(&signature.to_bytes()))
}

/// A tenant whose users may sign in by an issuer, which answers nothing of use yet.
fn linked_tenant() -> App {
    let app = set_up();
    issuer(&app, || json!({}), json!({}));
    app
}

/// The same, of an issuer that cannot be reached.
fn set_up() -> App {
    let app = tenant();
    let provider = json!({
        "preset": "oidc", "label": "Our login", "issuer": LOGIN, "client_id": "brain", "client_secret": "hush hush",
    });
    root(&app)
        .put(&format!("{PROVIDERS_PATH}/ours"), provider)
        .assert_status(200);
    app
}

/// An issuer that answers this for tokens, and this for who somebody is.
fn issuer(app: &App, tokens: impl Fn() -> Value + 'static, about: Value) {
    app.on_call(move |call: &Call| {
        assert_eq!(call.to, "login.example");
        let numbers = |key: &RsaPrivateKey| (encoded(&key.n().to_bytes_be()), encoded(&key.e().to_bytes_be()));
        match &*call.path {
            "/.well-known/openid-configuration" => {
                let at = |path: &str| format!("{LOGIN}{path}");
                (200, json!({
                    "issuer": LOGIN, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
                    "jwks_uri": at("/keys"), "userinfo_endpoint": at("/me"), "unknown": 1,
                    "authorization_response_iss_parameter_supported": true,
                }))
            }
            "/keys" => {
                let (n, e) = numbers(&KEY);
                (200, json!({"keys": [{"kty": "EC", "crv": "x"}, 7, {"kty": "RSA", "kid": "k", "use": "sig", "n": n, "e": e}]}))
            }
            "/token" => {
                assert_eq!(call.headers["authorization"], "Basic YnJhaW46aHVzaCtodXNo");
                let form = call.body.as_str().unwrap();
                assert!(form.contains("code_verifier=") && form.contains("code=good"), "{form}");
                (200, tokens())
            }
            "/me" => {
                assert_eq!(call.headers["authorization"], "Bearer at");
                (200, about.clone())
            }
            other => panic!("{other}"),
        }
    });
}

/// A browser that was led away: where to, and the cookie it was given.
struct Away {
    location: Value,
    cookie: String,
}

fn away(led: &Reply) -> Away {
    let cookie = led.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    Away {
        location: fields(led.text("location")),
        cookie: cookie.split(';').next().unwrap().to_owned(),
    }
}

/// A browser that is led to the issuer to sign in.
fn lead(app: &App) -> Away {
    let led = app
        .anonymous()
        .post(&format!("{PROVIDERS_PATH}/ours/sign-in"), json!({}))
        .assert_status(200);
    assert!(led.text("location").starts_with(&format!("{LOGIN}/auth?")));
    away(&led)
}

/// What an issuer says of somebody to the browser that was led away.
fn says(app: &App, away: &Away, subject: &str) -> Value {
    json!({
        "iss": LOGIN, "aud": "brain", "sub": subject, "nonce": away.location["nonce"],
        "iat": app.now().seconds(), "exp": app.now().seconds() + 300,
    })
}

fn back(away: &Away) -> Value {
    json!({"state": away.location["state"], "code": "good", "iss": LOGIN})
}

fn signed(claims: Value) -> impl Fn() -> Value {
    move || json!({"access_token": "at", "id_token": token(&KEY, &json!({"alg": "RS256", "kid": "k"}), &claims)})
}

/// Somebody signs in by the issuer, which says this of them.
fn sign_in(app: &App, subject: &str, about: Value) -> Reply {
    let away = lead(app);
    let mut about = about;
    about["sub"] = json!(subject);
    issuer(app, signed(says(app, &away, subject)), about);
    app.anonymous()
        .with_header("cookie", &away.cookie)
        .post(BROWSER, back(&away))
}

fn eve() -> Value {
    json!({"email": "eve@example.com", "email_verified": true, "preferred_username": "eve"})
}

#[test]
fn whoever_is_new_opens_an_account_and_signs_in_by_it_from_then_on() {
    let app = linked_tenant();
    issuer(&app, || json!({}), json!({}));
    let listed = app.anonymous().get(PROVIDERS_PATH).assert_status(200);
    assert_eq!(
        listed["items"],
        json!([{"id": "ours", "label": "Our login"}])
    );
    let away = lead(&app);
    assert_eq!(
        away.location["redirect_uri"],
        format!("{ISSUER}/account/provider")
    );
    assert_eq!(
        (&away.location["scope"], &away.location["client_id"]),
        (&json!("openid email profile"), &json!("brain"))
    );
    assert_eq!(away.location["code_challenge_method"], "S256");
    let tokens = sign_in(&app, "1", eve()).assert_status(200);
    let eve_in = signed_in(&app, &tokens);
    let me = eve_in.get("/api/v1/auth/me").assert_status(200);
    assert_eq!(
        (&me["username"], &me["email_verified"]),
        (&json!("eve"), &json!(true))
    );
    let sessions = eve_in.get("/api/v1/auth/sessions");
    assert_eq!(sessions["items"][0]["proofs"], json!(["provider"]));
    // Whatever the issuer says of them later.
    let again = sign_in(
        &app,
        "1",
        json!({"email": "ada@example.com", "preferred_username": "root"}),
    )
    .assert_status(200);
    let again = signed_in(&app, &again).get("/api/v1/auth/me");
    assert_eq!(again["id"], me["id"]);
    let links = eve_in.get(OWN).assert_status(200);
    assert_eq!(
        (&links["items"][0]["provider"], &links["items"][0]["name"]),
        (&json!("ours"), &json!("eve"))
    );
    // A name that is taken, or nobody's to take, gets an end; an address that nobody has shown to read is not taken so.
    for (subject, name) in [("2", "eve"), ("3", "admin")] {
        let about = json!({"email": format!("{subject}@example.com"), "preferred_username": name});
        let tokens = sign_in(&app, subject, about).assert_status(200);
        let me = signed_in(&app, &tokens).get("/api/v1/auth/me");
        assert!(
            me.text("username").starts_with(&format!("{name}-")),
            "{}",
            me.body()
        );
        assert_eq!(me["email_verified"], false);
    }
    for about in [json!({}), json!({"email": "nonsense"})] {
        sign_in(&app, "4", about).assert_refused(403, "FORBIDDEN");
    }
}

#[test]
fn a_pass_that_was_shown_before_one_was_led_away_counts_when_one_is_back() {
    let app = linked_tenant();
    let home = sign_in(&app, "1", eve()).assert_status(200);
    let eve_in = signed_in(&app, &home);
    let eve_in = eve_in
        .with_header("spin-client-addr", "192.0.2.7")
        .with_header("user-agent", "phone");
    let bound = eve_in.put(
        "/api/v1/auth/me/lockdown",
        json!({"networks": ["192.0.2.7"]}),
    );
    bound.assert_status(200);
    app.run_tasks();
    let code = mailed(&app, "confirm-lockdown", "eve@example.com");
    let confirm = "/api/v1/auth/lockdown-confirmations";
    let confirmed = app.anonymous().post(confirm, json!({"token": code}));
    confirmed.assert_status(204);
    let made = eve_in.post("/api/v1/auth/me/lockdown/passes", json!({"hours": 1}));
    let made = made.assert_status(201);
    let away_by = |pass: Option<&str>| {
        let purpose = Purpose::SignIn {
            invitation: None,
            pass: pass.map(digest),
        };
        let led = app.run(attempts::begin("ours", purpose, &HeaderMap::new()));
        let led = led.unwrap();
        let cookie = led.cookie.to_str().unwrap().split(';').next().unwrap();
        let away = Away {
            location: fields(&led.location),
            cookie: cookie.to_owned(),
        };
        let mut about = eve();
        about["sub"] = json!("1");
        issuer(&app, signed(says(&app, &away, "1")), about);
        let browser = app.anonymous().with_header("cookie", &away.cookie);
        let browser = browser.with_header("spin-client-addr", "198.51.100.1");
        browser.post(BROWSER, back(&away))
    };
    away_by(None).assert_refused(403, "PLACE_REFUSED");
    away_by(Some("lp_nonsense")).assert_refused(403, "PLACE_REFUSED");
    away_by(Some(made.text("pass"))).assert_status(200);
}

#[test]
fn an_account_is_linked_by_whoever_is_signed_in_to_it_and_never_by_an_address() {
    let app = linked_tenant();
    let verified = || json!({"email": "ADA@example.com", "email_verified": true});
    sign_in(&app, "1", verified()).assert_refused(409, "CONFLICT");
    let (mine, bob) = (ada(&app), {
        register(&app, "bob").assert_status(201);
        signed_in(&app, &login(&app, "bob", PASSWORD))
    });
    let begin = |user: &Client<'_>| {
        let away = away(
            &user
                .post(&format!("{OWN}/ours"), json!({}))
                .assert_status(200),
        );
        issuer(
            &app,
            signed(says(&app, &away, "1")),
            json!({"sub": "1", "email": "ada@example.com"}),
        );
        away
    };
    let end = |user: &Client<'_>, away: &Away| {
        user.with_header("cookie", &away.cookie)
            .post(OWN, back(away))
    };
    // Neither signs anybody in, nor links anybody else.
    let led = begin(&mine);
    let signed = app
        .anonymous()
        .with_header("cookie", &led.cookie)
        .post(BROWSER, back(&led));
    signed.assert_refused(401, "TOKEN_INVALID");
    let led = begin(&mine);
    end(&bob, &led).assert_refused(401, "TOKEN_INVALID");
    let led = lead(&app);
    issuer(&app, self::signed(says(&app, &led, "1")), json!({}));
    end(&mine, &led).assert_refused(401, "TOKEN_INVALID");
    let led = begin(&mine);
    let link = end(&mine, &led).assert_status(200);
    end(&mine, &led).assert_refused(401, "TOKEN_INVALID");
    let tokens = sign_in(&app, "1", verified()).assert_status(200);
    assert_eq!(bearer(&app, tokens.text("access_token"))["username"], "ada");
    let led = begin(&bob);
    end(&bob, &led).assert_refused(409, "CONFLICT");
    let told = app.published();
    assert!(
        told.iter()
            .any(|event| event.data["kind"] == "account.provider_linked")
    );
    assert!(
        told.iter()
            .any(|event| event.kind == "account.provider_linked")
    );

    let path = format!("{OWN}/{}", link.text("id"));
    bob.delete(&path).assert_refused(404, "NOT_FOUND");
    app.advance(Duration::from_secs(10 * 60));
    mine.delete(&path)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    mine.post(&format!("{OWN}/ours"), json!({}))
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    let mine = ada(&app);
    mine.delete(&path).assert_status(204);
    mine.delete(&path).assert_refused(404, "NOT_FOUND");
    assert_eq!(mine.get(OWN)["items"], json!([]));
    sign_in(&app, "1", verified()).assert_refused(409, "CONFLICT");
}

#[test]
fn what_is_brought_back_is_good_once_in_the_browser_that_was_led_away() {
    let app = linked_tenant();
    let come = |cookie: Option<&str>, brought: &Value| {
        let browser = app.anonymous();
        let browser = cookie.map_or(browser.clone(), |cookie| {
            browser.with_header("cookie", cookie)
        });
        browser.post(BROWSER, brought.clone())
    };
    let led = lead(&app);
    let other = lead(&app);
    let about = || json!({"sub": "1", "email": "eve@example.com"});
    issuer(&app, signed(says(&app, &led, "1")), about());
    let right = back(&led);
    let cookie = Some(&*led.cookie);
    for (cookie, brought) in [
        (None, right.clone()),
        (Some("sbd-provider="), right.clone()),
        (Some(&*other.cookie), right.clone()),
        (cookie, json!({"state": "x", "code": "good", "iss": LOGIN})),
        (cookie, json!({"state": "", "code": "good", "iss": LOGIN})),
        (cookie, json!({"state": "x".repeat(5000), "code": "good"})),
        (cookie, back(&other)),
    ] {
        come(cookie, &brought).assert_refused(401, "TOKEN_INVALID");
    }
    for wrong in [
        json!({}),
        json!({"state": 1, "code": "good"}),
        json!({"state": "x"}),
        json!({"state": "x", "code": "y", "z": 1}),
    ] {
        come(cookie, &wrong).assert_refused(422, "VALIDATION_ERROR");
    }
    let more = format!("a=b; {}; c=d", led.cookie);
    come(Some(&more), &right).assert_status(200);
    come(cookie, &right).assert_refused(401, "TOKEN_INVALID");
    // Mixed up: it comes from another issuer, or does not say from which.
    for iss in [json!("https://evil.example"), Value::Null] {
        let led = lead(&app);
        issuer(&app, signed(says(&app, &led, "1")), about());
        let mut brought = back(&led);
        brought["iss"] = iss;
        come(Some(&led.cookie), &brought).assert_refused(401, "TOKEN_INVALID");
    }
    let late = lead(&app);
    issuer(&app, signed(says(&app, &late, "1")), about());
    app.advance(Duration::from_secs(600));
    come(Some(&late.cookie), &back(&late)).assert_refused(401, "TOKEN_INVALID");
    let nobody = app
        .anonymous()
        .post(&format!("{PROVIDERS_PATH}/nobody/sign-in"), json!({}));
    nobody.assert_refused(404, "NOT_FOUND");
}

#[test]
fn what_the_issuer_says_is_believed_only_as_it_signed_it() {
    let app = linked_tenant();
    issuer(&app, || json!({}), json!({}));
    let head = json!({"alg": "RS256", "kid": "k"});
    let now = app.now().seconds();
    let refused = |made: &dyn Fn(Value) -> Value| {
        let led = lead(&app);
        let tokens = made(says(&app, &led, "1"));
        issuer(
            &app,
            move || tokens.clone(),
            json!({"sub": "1", "email": "eve@example.com"}),
        );
        let answer = app
            .anonymous()
            .with_header("cookie", &led.cookie)
            .post(BROWSER, back(&led));
        answer.assert_refused(502, "PROVIDER_FAILED");
    };
    let with = |head: &Value, key: &RsaPrivateKey, claims: &Value| json!({"access_token": "at", "id_token": token(key, head, claims)});
    refused(&|claims| with(&head, &OTHER, &claims));
    for head in [
        json!({"alg": "none", "kid": "k"}),
        json!({"alg": "HS256", "kid": "k"}),
        json!({"alg": "RS256", "kid": "other"}),
        json!({"alg": "RS256", "kid": "k", "crit": ["x"]}),
        json!({}),
    ] {
        refused(&|claims| with(&head, &KEY, &claims));
    }
    for (field, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://login.example/")),
        ("aud", json!("other")),
        ("aud", json!(["brain", "other"])),
        ("aud", json!([])),
        ("azp", json!("other")),
        ("exp", json!(now - 61)),
        ("exp", Value::Null),
        ("iat", json!(now + 120)),
        ("nonce", json!("other")),
        ("nonce", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
    ] {
        refused(&|mut claims| {
            claims[field] = value.clone();
            with(&head, &KEY, &claims)
        });
    }
    refused(&|claims| {
        // Not a letter of what is signed may be another one.
        let whole = token(&KEY, &head, &claims);
        let (signed, signature) = whole.rsplit_once('.').unwrap();
        let mut other = claims.clone();
        other["sub"] = json!("2");
        let head = signed.split_once('.').unwrap().0;
        json!({"access_token": "at", "id_token": format!("{head}.{}.{signature}", encoded(other.to_string().as_bytes()))})
    });
    refused(&|claims| {
        let unsigned = format!(
            "{}.{}.",
            encoded(br#"{"alg":"none"}"#),
            encoded(claims.to_string().as_bytes())
        );
        json!({"access_token": "at", "id_token": unsigned})
    });
    for tokens in [
        json!({"access_token": "at"}),
        json!({"id_token": "x"}),
        json!({"error": "server_error"}),
    ] {
        refused(&|_| tokens.clone());
    }
    // Of several that it is for it says which asked.
    let led = lead(&app);
    let mut claims = says(&app, &led, "1");
    claims["aud"] = json!(["other", "brain"]);
    claims["azp"] = json!("brain");
    issuer(
        &app,
        signed(claims),
        json!({"sub": "2", "email": "ada@example.com"}),
    );
    let answer = app
        .anonymous()
        .with_header("cookie", &led.cookie)
        .post(BROWSER, back(&led));
    // What is said of somebody else is not said of them.
    answer.assert_refused(403, "FORBIDDEN");
    let led = lead(&app);
    issuer(&app, || json!({"error": "invalid_grant"}), json!({}));
    let made_up = app
        .anonymous()
        .with_header("cookie", &led.cookie)
        .post(BROWSER, back(&led));
    made_up.assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn accounts_are_opened_as_the_tenant_lets_them_be() {
    let app = linked_tenant();
    let policy = |registration: &str| {
        let policy = json!({"registration": registration});
        root(&app)
            .put("/api/v1/auth/policy", policy)
            .assert_status(200);
    };
    policy("closed");
    sign_in(&app, "1", eve()).assert_refused(403, "FORBIDDEN");
    policy("invited");
    sign_in(&app, "1", eve()).assert_refused(403, "FORBIDDEN");
    let invited = root(&app).post(
        "/api/v1/auth/invitations",
        json!({"email": "eve@example.com"}),
    );
    invited.assert_status(201);
    let code = {
        let work = app
            .run(crate::store::INVITATIONS.find_one(json!({})))
            .unwrap()
            .unwrap();
        app.anonymous()
            .task("mail-invitation", json!({"invitation_id": work.id}));
        mailed(&app, "invitation", "eve@example.com")
    };
    let come = |invitation: &str, email: &str| {
        let begin = json!({"invitation": invitation});
        let led = away(
            &app.anonymous()
                .post(&format!("{PROVIDERS_PATH}/ours/sign-in"), begin)
                .assert_status(200),
        );
        issuer(
            &app,
            signed(says(&app, &led, "1")),
            json!({"sub": "1", "email": email}),
        );
        app.anonymous()
            .with_header("cookie", &led.cookie)
            .post(BROWSER, back(&led))
    };
    come("mt_wrong", "eve@example.com").assert_refused(401, "TOKEN_INVALID");
    come(&code, "bob@example.com").assert_refused(401, "TOKEN_INVALID");
    let tokens = come(&code, "eve@example.com").assert_status(200);
    let me = signed_in(&app, &tokens).get("/api/v1/auth/me");
    assert_eq!(me["email_verified"], true);
    // Whoever is linked signs in whatever is decided about new accounts; and not who is switched off.
    policy("closed");
    sign_in(&app, "1", eve()).assert_status(200);
    let off = json!({"$set": {"active": false}});
    app.run(USERS.update_one(json!({"_id": me["id"]}), off))
        .unwrap();
    sign_in(&app, "1", eve()).assert_refused(403, "FORBIDDEN");
}

#[test]
fn administrators_set_providers_up_and_nobody_sees_their_secrets() {
    let app = linked_tenant();
    let path = format!("{PROVIDERS_PATH}/ours");
    let shown = root(&app).get(&path).assert_status(200);
    assert_eq!(
        (&shown["issuer"], &shown["client_id"]),
        (&json!(LOGIN), &json!("brain"))
    );
    let stored = app.run(PROVIDERS.get("ours")).unwrap().unwrap();
    let stored = serde_json::to_string(&stored).unwrap();
    let told: Vec<_> = app
        .recorded()
        .into_iter()
        .map(|entry| entry.data.to_string())
        .collect();
    for text in [shown.body().to_string(), stored, told.concat()] {
        assert!(!text.contains("hush"), "{text}");
    }
    let right = json!({"preset": "oidc", "label": "x", "issuer": LOGIN, "client_id": "brain"});
    root(&app).put(&path, right.clone()).assert_status(200);
    sign_in(&app, "1", eve()).assert_status(200);
    root(&app)
        .put(&format!("{PROVIDERS_PATH}/new"), right.clone())
        .assert_refused(422, "VALIDATION_ERROR");
    for (field, value) in [
        ("label", json!("")),
        ("label", json!("a\nb")),
        ("issuer", Value::Null),
        ("issuer", json!("http://login.example")),
        ("issuer", json!("https://login.example?x")),
        ("issuer", json!("https://user@login.example")),
        ("issuer", json!("login.example")),
        ("client_id", json!("")),
        ("client_secret", json!("")),
        ("redirect_uri", json!("javascript:alert(1)")),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        let refused = root(&app)
            .put(&path, wrong)
            .assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field);
    }
    for id in ["Ours", "a_b", &"x".repeat(31)] {
        root(&app)
            .put(&format!("{PROVIDERS_PATH}/{id}"), right.clone())
            .assert_refused(422, "VALIDATION_ERROR");
    }
    let mut google = right.clone();
    google["preset"] = json!("google");
    root(&app)
        .put(&path, google.clone())
        .assert_refused(422, "VALIDATION_ERROR");
    google["issuer"] = Value::Null;
    assert_eq!(
        root(&app).put(&path, google)["issuer"],
        "https://accounts.google.com"
    );
    let late = root(&app);
    app.advance(Duration::from_secs(600));
    late.put(&path, right)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    root(&app).delete(&path).assert_status(204);
    root(&app).delete(&path).assert_refused(404, "NOT_FOUND");
    // No name of any.
    let none = format!("{path}%00");
    root(&app).delete(&none).assert_refused(404, "NOT_FOUND");
    assert_eq!(app.anonymous().get(PROVIDERS_PATH)["items"], json!([]));
}

#[test]
fn an_issuer_that_is_not_what_it_should_be_is_not_asked_further() {
    let app = set_up();
    let begin = || {
        app.anonymous()
            .post(&format!("{PROVIDERS_PATH}/ours/sign-in"), json!({}))
    };
    // Nothing is granted by the operator.
    begin().assert_refused(502, "PROVIDER_FAILED");
    let right = json!({"issuer": LOGIN, "authorization_endpoint": "https://a.example", "token_endpoint": "https://a.example", "jwks_uri": "https://a.example"});
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("token_endpoint", json!("http://a.example")),
        ("jwks_uri", json!("http://a.example")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", Value::Null),
    ] {
        let mut said = right.clone();
        said[field] = value;
        app.on_call(move |_| (200, said.clone()));
        begin().assert_refused(502, "PROVIDER_FAILED");
    }
    app.on_call(|_| (500, json!("down")));
    begin().assert_refused(502, "PROVIDER_FAILED");
}

#[test]
fn one_that_speaks_as_github_does_is_asked_who_that_is() {
    let app = tenant();
    let provider = json!({"preset": "github", "label": "GitHub", "client_id": "brain", "client_secret": "hush"});
    root(&app)
        .put(&format!("{PROVIDERS_PATH}/github"), provider)
        .assert_status(200);
    let begin = || {
        app.anonymous()
            .post(&format!("{PROVIDERS_PATH}/github/sign-in"), json!({}))
            .assert_status(200)
    };
    let led = begin();
    assert!(
        led.text("location")
            .starts_with("https://github.com/login/oauth/authorize?")
    );
    let led = away(&led);
    assert_eq!(led.location["scope"], "read:user user:email");
    app.on_call(|call| match (&*call.to, &*call.path) {
        ("github.com", "/login/oauth/access_token") => {
            let form = call.body.as_str().unwrap();
            assert!(form.contains("client_secret=hush"), "{form}");
            match form.contains("code=good") {
                true => (200, json!({"access_token": "gho_x", "token_type": "bearer"})),
                false => (200, json!({"error": "bad_verification_code"})),
            }
        }
        ("api.github.com", path) => {
            assert_eq!(call.headers["authorization"], "Bearer gho_x");
            match path {
                "/user" => (200, json!({"id": 42, "login": "eve", "email": "public@example.com"})),
                _ => (200, json!([{"email": "old@example.com", "primary": false, "verified": true}, {"email": "eve@example.com", "primary": true, "verified": true}])),
            }
        }
        other => panic!("{other:?}"),
    });
    let brought = json!({"state": led.location["state"], "code": "good"});
    let tokens = app
        .anonymous()
        .with_header("cookie", &led.cookie)
        .post(BROWSER, brought)
        .assert_status(200);
    let me = signed_in(&app, &tokens).get("/api/v1/auth/me");
    assert_eq!(
        (&me["username"], &me["email"]),
        (&json!("eve"), &json!("eve@example.com"))
    );
    let led = away(&begin());
    let brought = json!({"state": led.location["state"], "code": "made-up"});
    let refused = app
        .anonymous()
        .with_header("cookie", &led.cookie)
        .post(BROWSER, brought);
    refused.assert_refused(401, "TOKEN_INVALID");
}
