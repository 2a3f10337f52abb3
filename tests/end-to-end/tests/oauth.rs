//! Programs that act for a user by OAuth: a client library of another language (Authlib) against the real server, with
//! the example of the documentation; and what must happen once when many ask at the same time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use sbd_tests::{Account, Launch, Server, json};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

const OAUTH: &str = "/api/v1/auth/oauth";
const DOCUMENTATION: &str = include_str!("../../../docs/oauth.md");
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How many ask at the same time.
const MANY: usize = 12;

/// What else Authlib does after the example: refreshes, is refused what was not granted, gives its tokens back, and
/// begins on a device.
const AFTER: &str = r#"
assert me["username"] == "ada", me
assert session.get(f"{base}/api/v1/auth/sessions").status_code == 403
first = session.token["refresh_token"]
session.refresh_token(server["token_endpoint"])
assert session.token["refresh_token"] != first
assert session.get(f"{base}/api/v1/auth/me").status_code == 200
access = session.token["access_token"]
gone = session.revoke_token(server["revocation_endpoint"], session.token["refresh_token"])
assert gone.status_code == 200, gone.text
after = session.get(f"{base}/api/v1/auth/me", withhold_token=True, headers={"authorization": f"Bearer {access}"})
assert after.status_code == 401, after.text

import time
from authlib.integrations.base_client import OAuthError

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
begun = session.post(
    server["device_authorization_endpoint"],
    data={"client_id": client_id, "scope": "account:read"},
    withhold_token=True,
).json()
print("Type", begun["user_code"], flush=True)
seen = []
while True:
    try:
        session.fetch_token(server["token_endpoint"], grant_type=DEVICE, device_code=begun["device_code"])
        break
    except OAuthError as error:
        seen.append(error.error)
        assert error.error in ("authorization_pending", "slow_down"), error
        time.sleep(begun["interval"])
assert session.get(f"{base}/api/v1/auth/me").json()["username"] == "ada"
print("Done", flush=True)
"#;

/// The component alone, and a user.
async fn served() -> (Server, Account) {
    let server = Launch::app("[application.tool.sbd]\nauth = \"auth\"\n{component:auth}");
    let server = server.start().await;
    let ada = Account::register(&server, "ada").await;
    (server, ada)
}

/// A client that an administrator registered.
async fn client(server: &Server, redirect_uri: &str, scopes: &[&str]) -> String {
    let root = Account::administrator(server).await;
    let new = json!({
        "name": "Reader", "redirect_uris": [redirect_uri], "confidential": false, "scopes": scopes,
    });
    let made = root
        .post(&format!("{OAUTH}/clients"), &new)
        .send()
        .await
        .unwrap();
    let made = json(made, 201).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Where a browser is led from here, without going there.
async fn led(address: &str) -> String {
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = browser.get(address).send().await.unwrap();
    assert_eq!(answer.status(), 303, "{address}");
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// The user reads what is asked for, consents, and is led back.
async fn consents(user: &Account, page: &str) -> String {
    let id = page.strip_prefix("/account/consent?request=").unwrap();
    let request = user.read(&format!("{OAUTH}/requests/{id}")).await;
    assert_eq!(request["client"]["name"], "Reader");
    let scopes = json!({"scopes": request["grantable"]});
    let consent = user.post(&format!("{OAUTH}/requests/{id}/consent"), &scopes);
    let answer = json(consent.send().await.unwrap(), 200).await;
    answer["location"].as_str().unwrap().to_owned()
}

fn skipped(why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "a client of another language is missing: {why}"
    );
    eprintln!("skipped: {why}");
}

/// A program that tests speak to, if this machine has it.
fn peer(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers").join(name);
    if folder.join("complete").exists() {
        return Some(folder);
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    skipped(&lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets it".to_owned()));
    None
}

#[tokio::test]
async fn a_client_library_of_another_language_does_all_of_it() {
    let Some(authlib) = peer("oauth") else {
        return;
    };
    let (server, ada) = served().await;
    let id = client(&server, "http://127.0.0.1/callback", &["account:read"]).await;
    let example = DOCUMENTATION.split("```python\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let mut python = Command::new(authlib.join("bin/python"))
        .args(["-c", &format!("{example}{AFTER}"), &server.url, &id])
        .env("AUTHLIB_INSECURE_TRANSPORT", "1")
        .env("NO_PROXY", "127.0.0.1")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(python.stdout.take().unwrap()).lines();
    let mut next = async |word: &str| {
        let line = said
            .next_line()
            .await
            .unwrap()
            .expect("the client to go on");
        line.strip_prefix(word).expect(word).trim().to_owned()
    };
    let page = led(&next("Open").await).await;
    let back = consents(&ada, &page).await;
    server.client.get(&back).send().await.unwrap();
    assert_eq!(next("Acting for").await, "ada");
    let code = next("Type").await;
    let waiting = ada.read(&format!("{OAUTH}/device/{code}")).await;
    let scopes = json!({"scopes": waiting["grantable"]});
    let approved = ada.post(&format!("{OAUTH}/device/{code}/approve"), &scopes);
    assert_eq!(approved.send().await.unwrap().status(), 204);
    next("Done").await;
    assert!(python.wait().await.unwrap().success());
}

#[tokio::test]
async fn what_was_granted_ends_with_the_next_request() {
    let (server, ada) = served().await;
    let id = client(&server, "https://reader.example/cb", &["*"]).await;
    let issued = redeemed(&server, &id, &code(&server, &ada, &id).await).await;
    let issued = json(issued, 200).await;
    let me = async || {
        let token = issued["access_token"].as_str().unwrap();
        let me = server.client.get(server.at("/api/v1/auth/me"));
        me.bearer_auth(token).send().await.unwrap().status()
    };
    assert_eq!(me().await, 200);
    let path = format!("{OAUTH}/consents/{id}");
    let withdrawn = ada.request(reqwest::Method::DELETE, &path);
    assert_eq!(withdrawn.send().await.unwrap().status(), 204);
    assert_eq!(me().await, 401);
}

#[tokio::test]
async fn a_client_that_registered_itself_finds_everything_by_what_the_server_says() {
    let (server, ada) = served().await;
    let resource = json(
        server
            .get("/.well-known/oauth-protected-resource/mcp")
            .await,
        200,
    )
    .await;
    assert_eq!(resource["resource"], format!("{}/mcp", server.url));
    let at = resource["authorization_servers"][0].as_str().unwrap();
    assert_eq!(at, server.url);
    let said = || async {
        json(
            server.get("/.well-known/oauth-authorization-server").await,
            200,
        )
        .await
    };
    assert_eq!(said().await["registration_endpoint"], Value::Null);
    let root = Account::administrator(&server).await;
    let policy = root.request(reqwest::Method::PUT, &format!("{OAUTH}/policy"));
    let policy = policy.json(&json!({"client_registration": "open"}));
    assert_eq!(policy.send().await.unwrap().status(), 200);
    let said = said().await;
    let metadata = json!({
        "client_name": "Reader", "redirect_uris": ["https://reader.example/cb"],
        "token_endpoint_auth_method": "none",
    });
    let register = server
        .client
        .post(said["registration_endpoint"].as_str().unwrap());
    let made = json(register.json(&metadata).send().await.unwrap(), 201).await;
    let id = made["client_id"].as_str().unwrap();
    let issued = redeemed(&server, id, &code(&server, &ada, id).await).await;
    assert_eq!(json(issued, 200).await["scope"], "*");
}

/// The code of a user who consents to all that a client may ask for.
async fn code(server: &Server, user: &Account, client: &str) -> String {
    let address = server.at(&format!(
        "/oauth/authorize?client_id={client}&redirect_uri=https%3A%2F%2Freader.example%2Fcb&response_type=code&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256"
    ));
    let back = consents(user, &led(&address).await).await;
    assert!(back.contains("&state=s&iss=http"), "{back}");
    let code = back.split_once("code=").unwrap().1;
    code.split('&').next().unwrap().to_owned()
}

async fn asked(server: &Server, fields: &[(&str, &str)]) -> reqwest::Response {
    posted(server, "/oauth/token", fields).await
}

/// A form whose values need no encoding.
async fn posted(server: &Server, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let form = server.client.post(server.at(path)).body(fields.join("&"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    form.send().await.unwrap()
}

async fn redeemed(server: &Server, client: &str, code: &str) -> reqwest::Response {
    let fields = [
        ("client_id", client),
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "https://reader.example/cb"),
        ("code_verifier", VERIFIER),
    ];
    asked(server, &fields).await
}

/// How many of many that ask at the same time get what they ask for, and what the first of them gets.
async fn at_once(server: &Server, fields: &[(&str, &str)]) -> (usize, Option<Value>) {
    let answers = join_all((0..MANY).map(|_| asked(server, fields))).await;
    let mut good = Vec::new();
    for answer in answers {
        match answer.status().as_u16() {
            200 => good.push(answer.json::<Value>().await.unwrap()),
            400 => assert_eq!(
                answer.json::<Value>().await.unwrap()["error"],
                "invalid_grant"
            ),
            other => panic!("{other}"),
        }
    }
    (good.len(), good.into_iter().next())
}

#[tokio::test]
async fn of_many_that_use_one_code_at_once_one_wins() {
    let (server, ada) = served().await;
    let id = client(&server, "https://reader.example/cb", &["*"]).await;
    for _ in 0..5 {
        let code = code(&server, &ada, &id).await;
        let fields = [
            ("client_id", &*id),
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", "https://reader.example/cb"),
            ("code_verifier", VERIFIER),
        ];
        let (count, issued) = at_once(&server, &fields).await;
        assert_eq!(count, 1);
        // And what it got has ended, for the code was stolen by one of them.
        let refresh = issued.unwrap()["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let fields = [
            ("client_id", &*id),
            ("grant_type", "refresh_token"),
            ("refresh_token", &*refresh),
        ];
        assert_eq!(asked(&server, &fields).await.status(), 400);
    }
}

#[tokio::test]
async fn of_many_that_trade_one_refresh_token_at_once_all_have_the_same_next_one() {
    let (server, ada) = served().await;
    let id = client(&server, "https://reader.example/cb", &["*"]).await;
    let issued = redeemed(&server, &id, &code(&server, &ada, &id).await).await;
    let issued = json(issued, 200).await;
    let token = issued["refresh_token"].as_str().unwrap();
    let fields = [
        ("client_id", &*id),
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
    ];
    let answers = join_all((0..MANY).map(|_| asked(&server, &fields))).await;
    let mut next = Vec::new();
    for answer in answers {
        next.push(
            json(answer, 200).await["refresh_token"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    next.dedup();
    assert_eq!(next.len(), 1);
}

#[tokio::test]
async fn of_many_that_ask_with_one_device_code_at_once_one_wins() {
    let (server, ada) = served().await;
    let id = client(&server, "https://reader.example/cb", &["*"]).await;
    for _ in 0..5 {
        let begun = posted(&server, "/oauth/device", &[("client_id", &id)]).await;
        let begun = json(begun, 200).await;
        let path = format!(
            "{OAUTH}/device/{}/approve",
            begun["user_code"].as_str().unwrap()
        );
        let approved = ada
            .post(&path, &json!({"scopes": ["*"]}))
            .send()
            .await
            .unwrap();
        assert_eq!(approved.status(), 204);
        let code = begun["device_code"].as_str().unwrap();
        let fields = [
            ("client_id", &*id),
            ("grant_type", DEVICE),
            ("device_code", code),
        ];
        assert_eq!(at_once(&server, &fields).await.0, 1);
    }
}
