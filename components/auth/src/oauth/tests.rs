//! The flows, as clients and users go through them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::store::USERS;
use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sbd_sdk::testing::{App, Client, Reply};
use sbd_sdk::{Principal, Scopes};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const ISSUER: &str = "https://brain.example";
pub(crate) const REDIRECT: &str = "https://reader.example/cb";
/// The example of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const OAUTH: &str = "/api/v1/auth/oauth";

/// A tenant with a user and an administrator.
pub(crate) fn tenant() -> App {
    let app = app().variable("oauth_issuer", ISSUER);
    register(&app, "ada").assert_status(201);
    register(&app, "rita").assert_status(201);
    let admin = json!({"$set": {"roles": ["user", "admin"]}});
    app.run(USERS.update_one(json!({"username": "rita"}), admin))
        .unwrap();
    app
}

/// A user who is signed in.
pub(crate) fn ada(app: &App) -> Client<'_> {
    signed_in(app, &login(app, "ada", PASSWORD))
}

/// The administrator, who has just signed in.
pub(crate) fn root(app: &App) -> Client<'_> {
    let tokens = login(app, "rita", PASSWORD).assert_status(200);
    let who = bearer(app, tokens.text("access_token")).assert_status(200);
    let scopes = Scopes::everything().with_administration();
    app.by(Principal::user("test", who.text("user"))
        .in_session(who.text("session"))
        .with_scopes(scopes))
}

/// What a client knows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// A client that an administrator registered.
pub(crate) fn client(app: &App, confidential: bool, scopes: &[&str]) -> Known {
    let new = json!({
        "name": "Reader", "redirect_uris": [REDIRECT, "http://127.0.0.1/cb"],
        "confidential": confidential, "scopes": scopes,
    });
    let made = root(app)
        .post(&format!("{OAUTH}/clients"), new)
        .assert_status(201);
    Known {
        id: made.text("id").to_owned(),
        secret: made["secret"].as_str().map(str::to_owned),
    }
}

/// A form, as clients send it.
pub(crate) fn form(app: &App, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.extend_pairs(fields).finish();
    app.anonymous()
        .upload("POST", path, "application/x-www-form-urlencoded", body)
}

/// The same by a client, which says who it is.
pub(crate) fn ask(app: &App, client: &Known, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("client_id", &*client.id)];
    all.extend(
        client
            .secret
            .as_deref()
            .map(|secret| ("client_secret", secret)),
    );
    all.extend(fields);
    form(app, path, &all)
}

/// What a client leads its user to.
pub(crate) fn lead(app: &App, fields: &[(&str, &str)]) -> Reply {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(fields).finish();
    app.anonymous().get(&format!("/oauth/authorize?{query}"))
}

/// The request that waits after a client has led its user here.
pub(crate) fn request(app: &App, client: &Known, scope: &str) -> String {
    let led = lead(app, &asking(&client.id, scope)).assert_status(303);
    let page = led.header("location").unwrap();
    page.strip_prefix("/account/consent?request=")
        .unwrap()
        .to_owned()
}

pub(crate) fn asking<'a>(client: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("state", "xyz &?"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", scope),
    ]
}

/// The fields of an address.
pub(crate) fn fields(location: &str) -> Value {
    let query = location.split_once('?').unwrap().1;
    let fields = form_urlencoded::parse(query.as_bytes()).into_owned();
    Value::Object(
        fields
            .map(|(name, value)| (name, Value::String(value)))
            .collect(),
    )
}

/// A user consents; the code that the client gets.
pub(crate) fn code(app: &App, user: &Client<'_>, client: &Known, scope: &str) -> String {
    let id = request(app, client, scope);
    let scopes: Vec<_> = scope.split(' ').collect();
    let consent = format!("{OAUTH}/requests/{id}/consent");
    let led = user
        .post(&consent, json!({"scopes": scopes}))
        .assert_status(200);
    fields(led.text("location"))["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn redeem(app: &App, client: &Known, code: &str) -> Reply {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    ask(app, client, "/oauth/token", &fields)
}

pub(crate) fn renew(app: &App, client: &Known, token: &str) -> Reply {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    ask(app, client, "/oauth/token", &fields)
}

/// Tokens that a user granted.
pub(crate) fn tokens(app: &App, user: &Client<'_>, client: &Known, scope: &str) -> Reply {
    redeem(app, client, &code(app, user, client, scope)).assert_status(200)
}

/// A refusal in OAuth's words.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status(), &reply["error"]),
        (status, &json!(code)),
        "{}",
        reply.body()
    );
    let said = reply["error_description"].as_str().unwrap_or_default();
    assert!(said.len() > 10, "{}", reply.body());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn a_client_acts_for_whoever_consented_as_far_as_they_did() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, false, &["notes:*", "files:read"]));
    assert_eq!(reader.secret, None);
    let id = request(&app, &reader, "notes:read files:read");
    let asked = ada
        .get(&format!("{OAUTH}/requests/{id}"))
        .assert_status(200);
    assert_eq!(asked["client"]["name"], "Reader");
    assert_eq!(asked["client"]["registered_by_administrator"], true);
    assert_eq!(asked["scopes"], json!(["notes:read", "files:read"]));
    assert_eq!(asked["grantable"], asked["scopes"]);
    assert_eq!(asked["granted_before"], Value::Null);
    // Less than was asked for.
    let consent = format!("{OAUTH}/requests/{id}/consent");
    let led = ada
        .post(&consent, json!({"scopes": ["notes:read"]}))
        .assert_status(200);
    let location = led.text("location");
    assert!(
        location.starts_with(&format!("{REDIRECT}?code=oac_")),
        "{location}"
    );
    let brought = fields(location);
    assert_eq!(
        (&brought["state"], &brought["iss"]),
        (&json!("xyz &?"), &json!(ISSUER))
    );
    ada.post(&consent, json!({"scopes": ["notes:read"]}))
        .assert_refused(404, "NOT_FOUND");

    let issued = redeem(&app, &reader, brought["code"].as_str().unwrap()).assert_status(200);
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    assert_eq!(issued.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        (&issued["token_type"], &issued["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert_eq!(issued["scope"], "notes:read");
    let who = bearer(&app, issued.text("access_token")).assert_status(200);
    assert_eq!(
        (who.text("username"), &who["scopes"]),
        ("ada", &json!(["notes:read"]))
    );
    assert!(who.text("session").starts_with("ogr_"));
    assert_eq!(who["roles"], json!(["user"]));

    // What the client has decides nothing about what clients have.
    let by_client =
        app.by(Principal::user("test", who.text("user")).in_session(who.text("session")));
    let other = request(&app, &reader, "notes:read");
    by_client
        .post(
            &format!("{OAUTH}/requests/{other}/consent"),
            json!({"scopes": ["notes:read"]}),
        )
        .assert_refused(403, "FORBIDDEN");
    by_client
        .post(
            "/api/v1/auth/permanent-tokens",
            json!({"name": "x", "scopes": ["notes:read"]}),
        )
        .assert_refused(403, "FORBIDDEN");

    let told = app.published();
    let notice = told
        .iter()
        .find(|event| event.data["kind"] == "account.consent_given")
        .unwrap();
    assert_eq!(
        notice.data["title"],
        "You let a program act for you: Reader"
    );
    let given = told
        .iter()
        .find(|event| event.kind == "consent.given")
        .unwrap();
    assert_eq!(given.data["scopes"], json!(["notes:read"]));
    let recorded = app.recorded();
    for action in ["client.registered", "consent.given", "grant.began"] {
        assert!(
            recorded.iter().any(|entry| entry.action == action),
            "{action}"
        );
    }
    let secrets = format!(
        "{:?}{:?}",
        told.iter().map(|event| &event.data).collect::<Vec<_>>(),
        recorded.iter().map(|entry| &entry.data).collect::<Vec<_>>()
    );
    for prefix in ["oac_", "oat_", "ort_", "ocs_"] {
        assert!(!secrets.contains(prefix), "{prefix}");
    }
}

#[test]
fn consent_taken_back_ends_all_that_the_client_has_at_once() {
    let app = tenant();
    let (ada, reader, other) = (
        ada(&app),
        client(&app, false, &["*"]),
        client(&app, true, &["*"]),
    );
    let first = tokens(&app, &ada, &reader, "notes:read");
    let second = tokens(&app, &ada, &reader, "files:read");
    let others = tokens(&app, &ada, &other, "notes:read");
    let unused = code(&app, &ada, &reader, "notes:read");
    let listed = ada.get(&format!("{OAUTH}/consents")).assert_status(200);
    assert_eq!(listed["total"], 2);
    let items = listed["items"].as_array().unwrap();
    let one = items
        .iter()
        .find(|one| one["client_id"] == json!(reader.id))
        .unwrap();
    assert_eq!(
        (&one["client_name"], &one["scopes"]),
        (&json!("Reader"), &json!(["notes:read", "files:read"]))
    );
    let path = format!("{OAUTH}/consents/{}", reader.id);
    let ended = ada.delete(&path).assert_status(204);
    let revoked = ended.header("sbd-revoked").unwrap();
    for issued in [&first, &second] {
        bearer(&app, issued.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        refused(
            &renew(&app, &reader, issued.text("refresh_token")),
            400,
            "invalid_grant",
        );
    }
    assert_eq!(revoked.split(", ").count(), 2);
    refused(&redeem(&app, &reader, &unused), 400, "invalid_grant");
    bearer(&app, others.text("access_token")).assert_status(200);
    ada.delete(&path).assert_refused(404, "NOT_FOUND");
    assert!(
        app.published()
            .iter()
            .any(|event| event.kind == "consent.withdrawn")
    );
}

#[test]
fn refresh_tokens_go_round_and_a_stolen_one_ends_the_grant() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, true, &["*"]));
    let first = tokens(&app, &ada, &reader, "notes:read files:read");
    let second = renew(&app, &reader, first.text("refresh_token")).assert_status(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    app.advance(Duration::from_secs(29));
    // An answer that got lost.
    let again = renew(&app, &reader, first.text("refresh_token")).assert_status(200);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", second.text("refresh_token")),
        ("scope", "files:read"),
    ];
    let third = ask(&app, &reader, "/oauth/token", &narrow).assert_status(200);
    let who = bearer(&app, third.text("access_token")).assert_status(200);
    assert_eq!(who["scopes"], json!(["files:read"]));
    let fourth = renew(&app, &reader, third.text("refresh_token")).assert_status(200);
    assert_eq!(fourth["scope"], "notes:read files:read");
    app.advance(Duration::from_secs(31));
    let stolen = renew(&app, &reader, first.text("refresh_token"));
    refused(&stolen, 400, "invalid_grant");
    assert_eq!(stolen.header("sbd-revoked"), who["session"].as_str());
    bearer(&app, fourth.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    refused(
        &renew(&app, &reader, fourth.text("refresh_token")),
        400,
        "invalid_grant",
    );
    assert!(
        app.recorded()
            .iter()
            .any(|entry| entry.action == "grant.ended" && entry.data["reason"] == "stolen")
    );
}

#[test]
fn nothing_is_renewed_from_where_nothing_counts() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, false, &["*"]));
    let code = code(&app, &ada, &reader, "notes:read");
    let issued = redeem(&app, &reader, &code).assert_status(200);
    let path = "/api/v1/auth/policy/networks";
    let decide = |policy| {
        let root = crate::tests::root(&app);
        root.put(path, policy).assert_status(200);
    };
    // An address that is not known is on no list.
    decide(json!({"allowed": ["192.0.2.0/24"], "even_if_locked_out": true}));
    let token = issued.text("refresh_token");
    refused(&renew(&app, &reader, token), 400, "invalid_grant");
    decide(json!({}));
    renew(&app, &reader, token).assert_status(200);
}

#[test]
fn a_code_is_good_once_and_for_a_minute() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, false, &["*"]));
    let late = code(&app, &ada, &reader, "notes:read");
    app.advance(Duration::from_secs(60));
    refused(&redeem(&app, &reader, &late), 400, "invalid_grant");
    let good = code(&app, &ada, &reader, "notes:read");
    app.advance(Duration::from_secs(59));
    let issued = redeem(&app, &reader, &good).assert_status(200);
    let grant = bearer(&app, issued.text("access_token")).assert_status(200);
    app.advance(Duration::from_secs(600));
    let twice = redeem(&app, &reader, &good);
    refused(&twice, 400, "invalid_grant");
    assert_eq!(twice.header("sbd-revoked"), grant["session"].as_str());
    bearer(&app, issued.text("access_token")).assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn no_client_may_more_than_its_user_and_none_administers_unasked() {
    let app = tenant();
    let user = login(&app, "ada", PASSWORD);
    let ada = signed_in(&app, &user);
    let tool = client(&app, true, &["*", "admin:*"]);
    // A user who is no administrator grants nothing of it.
    let id = request(&app, &tool, "notes:read admin:users:read");
    let asked = ada
        .get(&format!("{OAUTH}/requests/{id}"))
        .assert_status(200);
    assert_eq!(asked["grantable"], json!(["notes:read"]));
    let consent = format!("{OAUTH}/requests/{id}/consent");
    for scopes in [
        &["admin:users:read"][..],
        &["*"],
        &["notes:write"],
        &[],
        &["nonsense"],
    ] {
        let refused = ada.post(&consent, json!({"scopes": scopes}));
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
    let set =
        |roles: Value| app.run(USERS.update_many(json!({}), json!({"$set": {"roles": roles}})));
    set(json!(["user", "admin"])).unwrap();
    let plain = tokens(&app, &ada, &tool, "*");
    let who = bearer(&app, plain.text("access_token")).assert_status(200);
    assert_eq!(
        (&who["scopes"], &who["roles"]),
        (&json!(["*"]), &json!(["user"]))
    );
    let both = tokens(&app, &ada, &tool, "notes:read admin:users:read");
    let who = bearer(&app, both.text("access_token")).assert_status(200);
    assert_eq!(who["scopes"], json!(["notes:read", "admin:users:read"]));
    assert_eq!(who["roles"], json!(["user", "admin"]));
    // Whoever is no administrator any more lets nobody administer.
    set(json!(["user"])).unwrap();
    let who = bearer(&app, both.text("access_token")).assert_status(200);
    assert_eq!(
        (&who["scopes"], &who["roles"]),
        (&json!(["notes:read"]), &json!(["user"]))
    );
}

#[test]
fn a_device_waits_until_its_user_has_decided() {
    let app = tenant();
    let (ada, tv) = (ada(&app), client(&app, false, &["voice:*"]));
    let begin = || ask(&app, &tv, "/oauth/device", &[("scope", "voice:listen")]).assert_status(200);
    let poll = |begun: &Reply| {
        ask(
            &app,
            &tv,
            "/oauth/token",
            &[
                ("grant_type", DEVICE),
                ("device_code", begun.text("device_code")),
            ],
        )
    };
    let begun = begin();
    assert_eq!(
        (&begun["expires_in"], &begun["interval"]),
        (&json!(600), &json!(5))
    );
    assert_eq!(
        begun["verification_uri"],
        format!("{ISSUER}/account/device")
    );
    let shown = begun.text("user_code");
    assert!(begun.text("verification_uri_complete").ends_with(shown));
    refused(&poll(&begun), 400, "authorization_pending");
    app.advance(Duration::from_secs(4));
    refused(&poll(&begun), 400, "slow_down");
    app.advance(Duration::from_secs(9));
    refused(&poll(&begun), 400, "slow_down");
    app.advance(Duration::from_secs(15));
    refused(&poll(&begun), 400, "authorization_pending");
    // As people type.
    let typed = shown.to_lowercase().replace('-', "%20");
    let asked = ada
        .get(&format!("{OAUTH}/device/{typed}"))
        .assert_status(200);
    assert_eq!(
        (&asked["client"]["name"], &asked["scopes"]),
        (&json!("Reader"), &json!(["voice:listen"]))
    );
    let approve = format!("{OAUTH}/device/{shown}/approve");
    ada.post(&approve, json!({"scopes": ["voice:*"]}))
        .assert_refused(422, "VALIDATION_ERROR");
    ada.post(&approve, json!({"scopes": ["voice:listen"]}))
        .assert_status(204);
    ada.post(&approve, json!({"scopes": ["voice:listen"]}))
        .assert_refused(404, "NOT_FOUND");
    let issued = poll(&begun).assert_status(200);
    let who = bearer(&app, issued.text("access_token")).assert_status(200);
    assert_eq!(who["scopes"], json!(["voice:listen"]));
    refused(&poll(&begun), 400, "invalid_grant");

    let begun = begin();
    ada.post(
        &format!("{OAUTH}/device/{}/deny", begun.text("user_code")),
        json!({}),
    )
    .assert_status(204);
    refused(&poll(&begun), 400, "access_denied");
    let begun = begin();
    app.advance(Duration::from_secs(600));
    refused(&poll(&begun), 400, "expired_token");
    let late = ada.get(&format!("{OAUTH}/device/{}", begun.text("user_code")));
    late.assert_refused(404, "NOT_FOUND");
}

#[test]
fn codes_of_devices_are_not_guessed() {
    let app = tenant();
    let (ada, tv) = (ada(&app), client(&app, false, &["*"]));
    let begun = ask(&app, &tv, "/oauth/device", &[("scope", "*")]).assert_status(200);
    for _ in 0..10 {
        ada.get(&format!("{OAUTH}/device/BBBB-BBBB"))
            .assert_refused(404, "NOT_FOUND");
    }
    let right = ada.get(&format!("{OAUTH}/device/{}", begun.text("user_code")));
    right.assert_refused(429, "RATE_LIMITED");
}

#[test]
fn a_client_shows_by_the_header_who_it_is_as_well() {
    let app = tenant();
    let ada = ada(&app);
    let known = client(&app, true, &["notes:read"]);
    let issued = tokens(&app, &ada, &known, "notes:read");
    let post = |path: &str, pair: &str, fields: &[(&str, &str)]| {
        let shown = format!("Basic {}", STANDARD.encode(pair));
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        let client = app.anonymous().with_header("authorization", &shown);
        client.upload("POST", path, "application/x-www-form-urlencoded", body)
    };
    let right = format!("{}:{}", known.id, known.secret.clone().unwrap());
    let token = [("token", issued.text("access_token"))];
    let worth = post("/oauth/introspect", &right, &token).assert_status(200);
    assert_eq!(worth["active"], true);
    let renewing = [
        ("grant_type", "refresh_token"),
        ("refresh_token", issued.text("refresh_token")),
    ];
    for wrong in [
        format!("{}:ocs_x", known.id),
        format!("{}:", known.id),
        "x:y".to_owned(),
    ] {
        let refused = post("/oauth/token", &wrong, &renewing);
        self::refused(&refused, 401, "invalid_client");
        let challenge = refused.header("www-authenticate");
        assert_eq!(challenge, Some("Basic realm=\"clients\""));
    }
    let renewed = post("/oauth/token", &right, &renewing).assert_status(200);
    let token = [("token", renewed.text("refresh_token"))];
    post("/oauth/revoke", &right, &token).assert_status(200);
    bearer(&app, renewed.text("access_token")).assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn clients_register_themselves_where_an_administrator_lets_them() {
    let app = tenant();
    let ada = ada(&app);
    let said = json!({
        "client_name": "Inspector", "redirect_uris": ["http://localhost:6274/oauth/callback"],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "scope": "notes:read", "software_id": "whatever",
    });
    let register = |said: &Value| app.anonymous().post("/oauth/register", said.clone());
    let metadata = || {
        app.anonymous()
            .get("/.well-known/oauth-authorization-server")
    };
    refused(&register(&said), 403, "access_denied");
    assert_eq!(metadata()["registration_endpoint"], Value::Null);
    let policy = json!({"client_registration": "open"});
    root(&app)
        .put(&format!("{OAUTH}/policy"), policy.clone())
        .assert_status(200);
    assert_eq!(*root(&app).get(&format!("{OAUTH}/policy")).body(), policy);
    assert_eq!(
        metadata()["registration_endpoint"],
        format!("{ISSUER}/oauth/register")
    );

    let made = register(&said).assert_status(201);
    assert_eq!(
        (&made["client_secret"], &made["scope"]),
        (&Value::Null, &json!("notes:read"))
    );
    let usual = register(&json!({"redirect_uris": [REDIRECT]})).assert_status(201);
    assert_eq!(usual["token_endpoint_auth_method"], "client_secret_basic");
    assert!(usual.text("client_secret").starts_with("ocs_"));
    assert_eq!(
        (&usual["client_secret_expires_at"], &usual["scope"]),
        (&json!(0), &json!("*"))
    );
    let listed = root(&app)
        .get(&format!("{OAUTH}/clients"))
        .assert_status(200);
    assert_eq!(listed["total"], 2);
    assert!(!listed.body().to_string().contains("ocs_"));

    // Without a user it is forgotten after a day, with one it stays.
    let known = Known {
        id: usual.text("client_id").to_owned(),
        secret: Some(usual.text("client_secret").to_owned()),
    };
    let request = request(&app, &known, "notes:read");
    let asked = ada
        .get(&format!("{OAUTH}/requests/{request}"))
        .assert_status(200);
    assert_eq!(asked["client"]["registered_by_administrator"], false);
    tokens(&app, &ada, &known, "notes:read");
    app.advance(Duration::from_secs(24 * 60 * 60));
    lead(&app, &asking(made.text("client_id"), "notes:read"))
        .assert_refused(400, "MALFORMED_REQUEST");
    app.sweep();
    assert_eq!(root(&app).get(&format!("{OAUTH}/clients"))["total"], 1);

    for _ in 0..20 {
        register(&said);
    }
    let many = register(&said);
    refused(&many, 429, "temporarily_unavailable");
    assert!(many.header("retry-after").is_some());
}

#[test]
fn a_client_learns_what_its_tokens_are_worth_and_gives_them_back() {
    let app = tenant();
    let (ada, server, other) = (
        ada(&app),
        client(&app, true, &["*"]),
        client(&app, true, &["*"]),
    );
    let issued = tokens(&app, &ada, &server, "notes:read");
    let (access, refresh) = (issued.text("access_token"), issued.text("refresh_token"));
    let worth = |client: &Known, token: &str| {
        ask(&app, client, "/oauth/introspect", &[("token", token)]).assert_status(200)
    };
    for token in [access, refresh] {
        let said = worth(&server, token);
        assert_eq!(
            (&said["active"], &said["username"], &said["scope"]),
            (&json!(true), &json!("ada"), &json!("notes:read"))
        );
        assert_eq!(
            (&said["client_id"], &said["iss"]),
            (&json!(server.id), &json!(ISSUER))
        );
        assert!(said["exp"].as_i64().unwrap() > app.now().seconds());
        // Of nobody else's it is said that it is worth nothing, as of what never was.
        assert_eq!(*worth(&other, token).body(), json!({"active": false}));
    }
    assert_eq!(*worth(&server, "nonsense").body(), json!({"active": false}));
    let back = |client: &Known, token: &str| {
        ask(&app, client, "/oauth/revoke", &[("token", token)]).assert_status(200)
    };
    assert_eq!(back(&other, refresh).header("sbd-revoked"), None);
    bearer(&app, access).assert_status(200);
    assert!(back(&server, refresh).header("sbd-revoked").is_some());
    bearer(&app, access).assert_refused(401, "TOKEN_INVALID");
    assert_eq!(*worth(&server, access).body(), json!({"active": false}));
    back(&server, refresh);
    back(&server, "nonsense");
    let issued = tokens(&app, &ada, &server, "notes:read");
    back(&server, issued.text("access_token"));
    refused(
        &renew(&app, &server, issued.text("refresh_token")),
        400,
        "invalid_grant",
    );
}

#[test]
fn a_client_that_is_removed_has_nothing_left() {
    let app = tenant();
    let (ada, server) = (ada(&app), client(&app, true, &["*"]));
    let issued = tokens(&app, &ada, &server, "notes:read");
    let path = format!("{OAUTH}/clients/{}", server.id);
    let secret = root(&app)
        .post(&format!("{path}/secret"), json!({}))
        .assert_status(200);
    refused(
        &renew(&app, &server, issued.text("refresh_token")),
        401,
        "invalid_client",
    );
    let server = Known {
        secret: Some(secret.text("secret").to_owned()),
        ..server
    };
    renew(&app, &server, issued.text("refresh_token")).assert_status(200);
    let gone = root(&app).delete(&path).assert_status(204);
    assert!(gone.header("sbd-revoked").is_some());
    bearer(&app, issued.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    refused(
        &renew(&app, &server, issued.text("refresh_token")),
        401,
        "invalid_client",
    );
    root(&app).delete(&path).assert_refused(404, "NOT_FOUND");
    let public = client(&app, false, &["*"]);
    // Secrets are for whoever has just shown who they are.
    let late = root(&app);
    app.advance(Duration::from_secs(10 * 60));
    let new = json!({"name": "x", "redirect_uris": [], "confidential": true, "scopes": ["*"]});
    late.post(&format!("{OAUTH}/clients"), new)
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    late.post(&format!("{OAUTH}/clients/{}/secret", public.id), json!({}))
        .assert_refused(403, "CONFIRMATION_REQUIRED");
    let path = format!("{OAUTH}/clients/{}/secret", public.id);
    root(&app)
        .post(&path, json!({}))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn whoever_is_switched_off_is_acted_for_by_nobody() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, false, &["*"]));
    let issued = tokens(&app, &ada, &reader, "notes:read");
    let who = bearer(&app, issued.text("access_token")).assert_status(200);
    let unused = code(&app, &ada, &reader, "notes:read");
    let off = json!({"active": false, "reason": "left us"});
    let path = format!("/api/v1/auth/users/{}/active", who.text("user"));
    let off = root(&app).put(&path, off).assert_status(200);
    assert!(
        off.header("sbd-revoked")
            .unwrap()
            .contains(who.text("session"))
    );
    bearer(&app, issued.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    refused(
        &renew(&app, &reader, issued.text("refresh_token")),
        400,
        "invalid_grant",
    );
    refused(&redeem(&app, &reader, &unused), 400, "invalid_grant");
}

#[test]
fn a_user_has_so_many_grants_to_a_client_and_the_oldest_goes() {
    let app = tenant();
    let (ada, reader) = (ada(&app), client(&app, false, &["*"]));
    let first = tokens(&app, &ada, &reader, "notes:read");
    for _ in 1..super::grants::MOST {
        app.advance(Duration::from_millis(1));
        tokens(&app, &ada, &reader, "notes:read");
    }
    bearer(&app, first.text("access_token")).assert_status(200);
    let more = tokens(&app, &ada, &reader, "notes:read");
    assert!(more.header("sbd-revoked").is_some());
    bearer(&app, first.text("access_token")).assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn the_server_says_where_everything_is() {
    let app = app();
    let asked = app
        .anonymous()
        .with_header("spin-full-url", "https://a.example:8443/.well-known/x?y");
    let said = asked
        .get("/.well-known/oauth-authorization-server")
        .assert_status(200);
    assert_eq!(said["issuer"], "https://a.example:8443");
    assert_eq!(said["token_endpoint"], "https://a.example:8443/oauth/token");
    assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
    for (path, resource) in [
        ("", ""),
        ("/mcp", "/mcp"),
        ("/api/v1/notes", "/api/v1/notes"),
    ] {
        let said = asked
            .get(&format!("/.well-known/oauth-protected-resource{path}"))
            .assert_status(200);
        assert_eq!(
            said["resource"],
            format!("https://a.example:8443{resource}")
        );
        assert_eq!(
            said["authorization_servers"],
            json!(["https://a.example:8443"])
        );
        assert_eq!(said.header("access-control-allow-origin"), Some("*"));
    }
    let before = app
        .anonymous()
        .send(http::Method::OPTIONS, "/oauth/token", None)
        .assert_status(204);
    assert_eq!(before.header("access-control-allow-origin"), Some("*"));
    assert!(before.header("access-control-allow-credentials").is_none());
    // Nobody reads over another's shoulder what the browser is led to.
    let led = app.anonymous().get("/oauth/authorize");
    assert_eq!(led.header("access-control-allow-origin"), None);
}
