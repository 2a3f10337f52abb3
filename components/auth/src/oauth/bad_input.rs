//! For each address what is malformed, missing, expired, replayed, stolen, or another client's, user's or tenant's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::tests::{
    CHALLENGE, DEVICE, ISSUER, Known, REDIRECT, VERIFIER, ada, ask, asking, client, code, fields,
    form, lead, redeem, refused, request, root, tenant, tokens,
};
use crate::tests::{PASSWORD, bearer, login, register, signed_in};
use serde_json::json;
use std::time::Duration;

const OAUTH: &str = "/api/v1/auth/oauth";
const NOWHERE: &str = "oar_019a2f3c8b7e7c2d9f00112233445566";
const NOBODY: &str = "ocl_019a2f3c8b7e7c2d9f00112233445566";

/// The same fields with another value for one, or without it.
fn with<'a>(
    fields: &[(&'a str, &'a str)],
    name: &'a str,
    value: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let mut other: Vec<_> = fields
        .iter()
        .copied()
        .filter(|(one, _)| *one != name)
        .collect();
    other.extend(value.map(|value| (name, value)));
    other
}

#[test]
fn a_browser_is_led_nowhere_but_to_the_client() {
    let app = tenant();
    let reader = client(&app, false, &["notes:*"]);
    let right = asking(&reader.id, "notes:read");
    lead(&app, &right).assert_status(303);
    for (name, value) in [
        ("client_id", None),
        ("client_id", Some("")),
        ("client_id", Some("nonsense")),
        ("client_id", Some(NOBODY)),
        ("client_id", Some("{\"$ne\":null}")),
        ("redirect_uri", None),
        ("redirect_uri", Some("https://evil.example/cb")),
        ("redirect_uri", Some("https://reader.example/cb/")),
        ("redirect_uri", Some("https://reader.example/cb?x=1")),
        ("redirect_uri", Some("https://reader.example/CB")),
        (
            "redirect_uri",
            Some("https://reader.example.evil.example/cb"),
        ),
        ("redirect_uri", Some("https://reader.example/cb#x")),
        ("redirect_uri", Some("http://reader.example/cb")),
        ("redirect_uri", Some("http://127.0.0.1:1@evil.example/cb")),
        ("redirect_uri", Some("http://127.0.0.1.evil.example/cb")),
        ("redirect_uri", Some("//evil.example/cb")),
        ("redirect_uri", Some("javascript:alert(1)")),
    ] {
        let answer = lead(&app, &with(&right, name, value));
        assert_eq!(answer.header("location"), None, "{name} {value:?}");
        answer.assert_refused(400, "MALFORMED_REQUEST");
    }
    for twice in ["client_id", "redirect_uri"] {
        let mut both = right.clone();
        both.push((twice, "x"));
        lead(&app, &both).assert_refused(400, "MALFORMED_REQUEST");
    }
}

#[test]
fn what_else_is_wrong_the_client_is_told() {
    let app = tenant();
    let reader = client(&app, false, &["notes:*"]);
    let right = asking(&reader.id, "notes:read");
    let long = "x".repeat(2001);
    for (name, value, error) in [
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        (
            "response_type",
            Some("code id_token"),
            "unsupported_response_type",
        ),
        ("response_mode", Some("fragment"), "invalid_request"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", Some("short"), "invalid_request"),
        ("code_challenge", Some(&CHALLENGE[1..]), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("code_challenge_method", Some("s256"), "invalid_request"),
        ("scope", Some("openid"), "invalid_scope"),
        ("scope", Some("*"), "invalid_scope"),
        (
            "scope",
            Some("notes:read admin:users:read"),
            "invalid_scope",
        ),
        ("request", Some("x"), "request_not_supported"),
        ("request_uri", Some("https://x"), "request_not_supported"),
        ("resource", Some("https://other.example/"), "invalid_target"),
        (
            "resource",
            Some("https://brain.example.evil.example"),
            "invalid_target",
        ),
        (
            "resource",
            Some("https://brain.example/mcp#x"),
            "invalid_target",
        ),
        ("nonce", Some(&long), ""),
        ("nonce", Some(&"x".repeat(5000)), "invalid_request"),
    ] {
        let answer = lead(&app, &with(&right, name, value)).assert_status(303);
        let location = answer.header("location").unwrap();
        if error.is_empty() {
            assert!(location.starts_with("/account/consent"), "{name}");
            continue;
        }
        assert!(
            location.starts_with(&format!("{REDIRECT}?error=")),
            "{name} {location}"
        );
        let told = fields(location);
        assert_eq!(told["error"], error, "{name} {value:?}");
        assert_eq!(
            (&told["state"], &told["iss"]),
            (&json!("xyz &?"), &json!(ISSUER))
        );
    }
    let endless = lead(&app, &with(&right, "state", Some(&long))).assert_status(303);
    assert_eq!(
        fields(endless.header("location").unwrap())["error"],
        "invalid_request"
    );
    let mut twice = right.clone();
    twice.push(("scope", "notes:write"));
    let twice = lead(&app, &twice).assert_status(303);
    assert_eq!(
        fields(twice.header("location").unwrap())["error"],
        "invalid_request"
    );
    // A program on one's own machine, at any port; and for all it may ask for.
    let local = with(
        &with(&right, "scope", None),
        "redirect_uri",
        Some("http://127.0.0.1:49152/cb"),
    );
    let led = lead(&app, &local).assert_status(303);
    let id = led
        .header("location")
        .unwrap()
        .rsplit('=')
        .next()
        .unwrap()
        .to_owned();
    let asked = ada(&app)
        .get(&format!("{OAUTH}/requests/{id}"))
        .assert_status(200);
    assert_eq!(asked["scopes"], json!(["notes:*"]));
}

#[test]
fn tokens_are_for_the_client_that_shows_who_it_is() {
    let app = tenant();
    let (ada, public, server) = (
        ada(&app),
        client(&app, false, &["*"]),
        client(&app, true, &["*"]),
    );
    let secret = server.secret.clone().unwrap();
    for path in [
        "/oauth/token",
        "/oauth/device",
        "/oauth/introspect",
        "/oauth/revoke",
    ] {
        for (id, secret) in [
            (None, None),
            (None, Some(&*secret)),
            (Some("nonsense"), None),
            (Some(NOBODY), Some(&*secret)),
            (Some(&*server.id), None),
            (Some(&*server.id), Some("")),
            (Some(&*server.id), Some("ocs_wrong")),
            (Some(&*server.id), Some(&secret[1..])),
            (Some(&*public.id), Some(&*secret)),
        ] {
            let mut form_fields = vec![
                ("token", "x"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ];
            form_fields.extend(id.map(|id| ("client_id", id)));
            form_fields.extend(secret.map(|secret| ("client_secret", secret)));
            refused(&form(&app, path, &form_fields), 401, "invalid_client");
        }
        let twice = [("client_id", &*public.id), ("client_id", &*public.id)];
        refused(&form(&app, path, &twice), 400, "invalid_request");
        let json = app.anonymous().post(path, json!({"client_id": public.id}));
        refused(&json, 400, "invalid_request");
    }
    // Whoever cannot keep a secret learns nothing of tokens.
    let issued = tokens(&app, &ada, &public, "notes:read");
    let asked = ask(
        &app,
        &public,
        "/oauth/introspect",
        &[("token", issued.text("access_token"))],
    );
    refused(&asked, 401, "invalid_client");
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        refused(&ask(&app, &server, path, &[]), 400, "invalid_request");
    }
}

#[test]
fn codes_are_of_one_client_one_address_and_one_verifier() {
    let app = tenant();
    let (ada, reader, other) = (
        ada(&app),
        client(&app, false, &["*"]),
        client(&app, false, &["*"]),
    );
    let mine = code(&app, &ada, &reader, "notes:read");
    let right = [
        ("grant_type", "authorization_code"),
        ("code", &*mine),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let wrong = "x".repeat(43);
    for (name, value, error) in [
        ("grant_type", None, "invalid_request"),
        ("grant_type", Some("password"), "unsupported_grant_type"),
        (
            "grant_type",
            Some("client_credentials"),
            "unsupported_grant_type",
        ),
        ("code", None, "invalid_request"),
        ("code", Some(""), "invalid_request"),
        ("code", Some("oac_wrong"), "invalid_grant"),
        ("code", Some(&mine[1..]), "invalid_grant"),
        ("redirect_uri", None, "invalid_request"),
        ("redirect_uri", Some("http://127.0.0.1/cb"), "invalid_grant"),
        ("code_verifier", None, "invalid_request"),
        ("code_verifier", Some("short"), "invalid_grant"),
        ("code_verifier", Some(&wrong), "invalid_grant"),
        ("code_verifier", Some(CHALLENGE), "invalid_grant"),
        ("resource", Some("https://other.example"), "invalid_target"),
    ] {
        let answer = ask(&app, &reader, "/oauth/token", &with(&right, name, value));
        refused(&answer, 400, error);
    }
    refused(&redeem(&app, &other, &mine), 400, "invalid_grant");
    let elsewhere = tenant();
    let there = client(&elsewhere, false, &["*"]);
    refused(&redeem(&elsewhere, &there, &mine), 400, "invalid_grant");
    refused(&redeem(&elsewhere, &reader, &mine), 401, "invalid_client");
    // None of it has used the code up, and it is nothing but a code.
    let issued = redeem(&app, &reader, &mine).assert_status(200);
    let access = issued.text("access_token").to_owned();
    for token in [
        &*mine,
        issued.text("refresh_token"),
        &access[4..],
        &format!("{access}x"),
        "oat_",
        "oat_x.y.z",
    ] {
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
    }
    bearer(&elsewhere, &access).assert_refused(401, "TOKEN_INVALID");
    bearer(&app, &access).assert_status(200);
    app.advance(Duration::from_secs(15 * 60));
    bearer(&app, &access).assert_refused(401, "TOKEN_EXPIRED");
}

#[test]
fn refresh_tokens_are_of_one_client_and_one_tenant() {
    let app = tenant();
    let (ada, reader, other) = (
        ada(&app),
        client(&app, false, &["*"]),
        client(&app, false, &["*"]),
    );
    let issued = tokens(&app, &ada, &reader, "notes:read");
    let token = issued.text("refresh_token");
    let session = login(&app, "ada", PASSWORD);
    let right = [("grant_type", "refresh_token"), ("refresh_token", token)];
    for (name, value, error) in [
        ("refresh_token", None, "invalid_request"),
        ("refresh_token", Some("nonsense"), "invalid_grant"),
        ("refresh_token", Some(&token[1..]), "invalid_grant"),
        (
            "refresh_token",
            Some(issued.text("access_token")),
            "invalid_grant",
        ),
        (
            "refresh_token",
            Some(session.text("refresh_token")),
            "invalid_grant",
        ),
        ("scope", Some("notes:write"), "invalid_scope"),
        ("scope", Some("*"), "invalid_scope"),
        ("scope", Some("nonsense"), "invalid_scope"),
    ] {
        let answer = ask(&app, &reader, "/oauth/token", &with(&right, name, value));
        refused(&answer, 400, error);
    }
    refused(
        &ask(&app, &other, "/oauth/token", &right),
        400,
        "invalid_grant",
    );
    // Of a session's tokens it is none.
    let asked = app
        .anonymous()
        .post("/api/v1/auth/refresh", json!({"refresh_token": token}));
    asked.assert_refused(401, "TOKEN_INVALID");
    ask(&app, &reader, "/oauth/token", &right).assert_status(200);
    let issued = tokens(&app, &ada, &reader, "notes:read");
    app.advance(Duration::from_secs(30 * 24 * 60 * 60));
    let late = [
        ("grant_type", "refresh_token"),
        ("refresh_token", issued.text("refresh_token")),
    ];
    refused(
        &ask(&app, &reader, "/oauth/token", &late),
        400,
        "invalid_grant",
    );
    app.sweep();
    refused(
        &ask(&app, &reader, "/oauth/token", &late),
        400,
        "invalid_grant",
    );
}

#[test]
fn device_codes_are_of_one_client() {
    let app = tenant();
    let (ada, tv, other) = (
        ada(&app),
        client(&app, false, &["voice:*"]),
        client(&app, false, &["*"]),
    );
    for (scope, error) in [("*", "invalid_scope"), ("nonsense", "invalid_scope")] {
        refused(
            &ask(&app, &tv, "/oauth/device", &[("scope", scope)]),
            400,
            error,
        );
    }
    let begun = ask(&app, &tv, "/oauth/device", &[]).assert_status(200);
    let device_code = begun.text("device_code");
    let poll = |client: &Known, code: &str| {
        ask(
            &app,
            client,
            "/oauth/token",
            &[("grant_type", DEVICE), ("device_code", code)],
        )
    };
    refused(&poll(&other, device_code), 400, "invalid_grant");
    refused(&poll(&tv, "odc_wrong"), 400, "invalid_grant");
    refused(&poll(&tv, begun.text("user_code")), 400, "invalid_grant");
    refused(
        &ask(&app, &tv, "/oauth/token", &[("grant_type", DEVICE)]),
        400,
        "invalid_request",
    );
    for code in ["BBBBBBBB", "x", "%00", "%7B%22$ne%22:null%7D"] {
        ada.get(&format!("{OAUTH}/device/{code}"))
            .assert_refused(404, "NOT_FOUND");
        ada.post(
            &format!("{OAUTH}/device/{code}/approve"),
            json!({"scopes": ["voice:listen"]}),
        )
        .assert_refused(404, "NOT_FOUND");
    }
    let approve = format!("{OAUTH}/device/{}/approve", begun.text("user_code"));
    app.anonymous()
        .post(&approve, json!({"scopes": ["voice:*"]}))
        .assert_refused(401, "UNAUTHENTICATED");
    ada.post(&approve, json!({}))
        .assert_refused(422, "VALIDATION_ERROR");
    ada.post(&approve, json!({"scopes": ["voice:*"]}))
        .assert_status(204);
    refused(&poll(&other, device_code), 400, "invalid_grant");
    poll(&tv, device_code).assert_status(200);
}

#[test]
fn a_request_is_decided_once_by_whoever_is_signed_in() {
    let app = tenant();
    register(&app, "bob").assert_status(201);
    let (ada, bob) = (ada(&app), signed_in(&app, &login(&app, "bob", PASSWORD)));
    let reader = client(&app, false, &["*"]);
    let scopes = json!({"scopes": ["notes:read"]});
    for id in [NOWHERE, "nonsense", "ocl_019a2f3c8b7e7c2d9f00112233445566"] {
        let path = format!("{OAUTH}/requests/{id}");
        ada.get(&path).assert_refused(404, "NOT_FOUND");
        ada.post(&format!("{path}/consent"), scopes.clone())
            .assert_refused(404, "NOT_FOUND");
        ada.post(&format!("{path}/deny"), json!({}))
            .assert_refused(404, "NOT_FOUND");
    }
    let path = format!("{OAUTH}/requests/{}", request(&app, &reader, "notes:read"));
    let consent = format!("{path}/consent");
    app.anonymous()
        .get(&path)
        .assert_refused(401, "UNAUTHENTICATED");
    app.anonymous()
        .post(&consent, scopes.clone())
        .assert_refused(401, "UNAUTHENTICATED");
    for body in [
        json!({}),
        json!({"scopes": "notes:read"}),
        json!({"scopes": [1]}),
        json!({"scopes": ["notes:read"], "x": 1}),
    ] {
        ada.post(&consent, body)
            .assert_refused(422, "VALIDATION_ERROR");
    }
    ada.post(&consent, scopes.clone()).assert_status(200);
    // Whoever was second finds nothing to decide.
    bob.get(&path).assert_refused(404, "NOT_FOUND");
    bob.post(&consent, scopes.clone())
        .assert_refused(404, "NOT_FOUND");
    bob.delete(&format!("{OAUTH}/consents/{}", reader.id))
        .assert_refused(404, "NOT_FOUND");
    assert_eq!(bob.get(&format!("{OAUTH}/consents"))["total"], 0);
    let denied = format!(
        "{OAUTH}/requests/{}/deny",
        request(&app, &reader, "notes:read")
    );
    let led = bob.post(&denied, json!({})).assert_status(200);
    let told = fields(led.text("location"));
    assert_eq!(
        (&told["error"], &told["state"]),
        (&json!("access_denied"), &json!("xyz &?"))
    );
    bob.post(&denied, json!({}))
        .assert_refused(404, "NOT_FOUND");
    let late = format!("{OAUTH}/requests/{}", request(&app, &reader, "notes:read"));
    app.advance(Duration::from_secs(600));
    ada.get(&late).assert_refused(404, "NOT_FOUND");
    ada.post(&format!("{late}/consent"), scopes)
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn clients_are_registered_in_order() {
    let app = tenant();
    let right =
        json!({"name": "x", "redirect_uris": [REDIRECT], "confidential": true, "scopes": ["*"]});
    let path = format!("{OAUTH}/clients");
    for (field, value, named) in [
        ("name", json!(""), "name"),
        ("name", json!("a\nb"), "name"),
        ("name", json!("a\u{202e}b"), "name"),
        ("name", json!("x".repeat(101)), "name"),
        ("page", json!("http://x.example"), "page"),
        ("page", json!("javascript:alert(1)"), "page"),
        (
            "redirect_uris",
            json!(["https://a.example", "http://a.example"]),
            "redirect_uris[1]",
        ),
        ("redirect_uris", json!(vec![REDIRECT; 11]), "redirect_uris"),
        ("scopes", json!([]), "scopes"),
        ("scopes", json!(["nonsense"]), "scopes"),
        ("scopes", json!(vec!["notes:read"; 51]), "scopes"),
        ("x", json!(1), "x"),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        let refused = root(&app)
            .post(&path, wrong)
            .assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], named);
    }
    root(&app)
        .put(
            &format!("{OAUTH}/policy"),
            json!({"client_registration": "maybe"}),
        )
        .assert_refused(422, "VALIDATION_ERROR");
    root(&app)
        .put(
            &format!("{OAUTH}/policy"),
            json!({"client_registration": "open"}),
        )
        .assert_status(200);
    for (said, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["http://a.example"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": REDIRECT}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "client_name": " "}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "client_uri": "x"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "scope": "admin:users:read"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "scope": "nonsense"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "grant_types": ["client_credentials"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "response_types": ["token"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
        ),
        (json!([]), "invalid_client_metadata"),
    ] {
        refused(&app.anonymous().post("/oauth/register", said), 400, error);
    }
}
