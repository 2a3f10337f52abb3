//! A second factor over HTTP: an authenticator app of others', backup codes, a server that is started again, and an
//! administrator.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Response;
use sbd_tests::{Account, PASSWORD, Server, assert_error, json, peer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const TOTP: &str = "/api/v1/auth/me/totp";
const LOGIN: &str = "/api/v1/auth/login";

/// What pyotp makes of the address in the QR code: the secret that it found, and its code after so many seconds.
const APP: &str = "
import sys, time, pyotp
app = pyotp.parse_uri(sys.argv[1])
print(app.issuer, app.name, app.at(int(time.time()) + int(sys.argv[2])), sep='|')
";

/// An authenticator app that has read the code.
struct App {
    python: PathBuf,
    uri: String,
}

impl App {
    fn shows(&self, later: i32) -> Vec<String> {
        let mut python = Command::new(&self.python);
        let said = python.args(["-c", APP, &self.uri, &later.to_string()]);
        let said = said.output().unwrap();
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        let said = String::from_utf8(said.stdout).unwrap();
        said.trim().split('|').map(str::to_owned).collect()
    }

    /// The code now, or that of the next half minute, which is good as well: a clock may be ahead.
    fn code(&self, later: i32) -> String {
        self.shows(later)[2].clone()
    }
}

/// Turns an app on, and answers it with backup codes.
async fn turn_on(ada: &Account, peer: &Path) -> (App, Vec<String>) {
    let setup = json(ada.post(TOTP, &json!({})).send().await.unwrap(), 200).await;
    let app = App {
        python: peer.join("bin/python"),
        uri: setup["uri"].as_str().unwrap().to_owned(),
    };
    assert!(setup["qr"].as_str().unwrap().starts_with("<svg"));
    let code = json!({"code": app.code(0)});
    let on = ada.post(&format!("{TOTP}/confirm"), &code).send().await;
    let on = json(on.unwrap(), 200).await;
    let codes = serde_json::from_value(on["backup_codes"].clone());
    (app, codes.unwrap())
}

async fn first(server: &Server, more: Value) -> Response {
    let mut request = json!({"identifier": "ada", "password": PASSWORD});
    let fields = request.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    server.post(LOGIN, &request).await
}

/// Both steps.
async fn sign_in(server: &Server, code: &str, remember: bool) -> Response {
    let first = json(first(server, json!({})).await, 202).await;
    let second = json!({
        "second_factor_token": first["second_factor_token"],
        "code": code,
        "remember_device": remember,
    });
    server
        .post(&format!("{LOGIN}/second-factor"), &second)
        .await
}

#[tokio::test]
async fn a_second_factor_outlives_the_server_and_not_its_reset() {
    let Some(peer) = peer("totp") else {
        return;
    };
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let (app, codes) = turn_on(&ada, &peer).await;
    let said = app.shows(0);
    assert_eq!(
        (said[0].as_str(), said[1].as_str()),
        ("Second Brain", "ada")
    );

    // The code that turned it on was used, and the password alone is not enough.
    let wrong = sign_in(&server, &app.code(-30), false).await;
    assert_error(wrong, 401, "INVALID_CREDENTIALS").await;
    json(sign_in(&server, &codes[0], false).await, 200).await;
    let again = sign_in(&server, &codes[0], false).await;
    assert_error(again, 401, "INVALID_CREDENTIALS").await;

    // Keys and codes are on the disk.
    let server = server.restart().await;
    let code = app.code(30);
    let tokens = json(sign_in(&server, &code, true).await, 200).await;
    let again = sign_in(&server, &code, false).await;
    assert_error(again, 401, "INVALID_CREDENTIALS").await;
    let device = json!({"remembered_device": tokens["remembered_device"]});
    json(first(&server, device.clone()).await, 200).await;

    // Of many at once with one code one gets in.
    let attempts = (0..4).map(|_| sign_in(&server, &codes[1], false));
    let answers = futures::future::join_all(attempts).await;
    let in_ = answers.iter().filter(|answer| answer.status() == 200);
    assert_eq!(in_.count(), 1);

    let root = Account::administrator(&server).await;
    let reset = format!("/api/v1/auth/users/{}/second-factor/reset", ada.id);
    let reason = json!({"reason": "Lost the phone"});
    let done = root.post(&reset, &reason).send().await.unwrap();
    json(done, 200).await;
    let gone = server
        .client
        .get(server.at("/api/v1/auth/me"))
        .bearer_auth(tokens["access_token"].as_str().unwrap());
    assert_error(gone.send().await.unwrap(), 401, "TOKEN_INVALID").await;
    json(first(&server, json!({})).await, 200).await;
}

#[tokio::test]
async fn a_secret_that_stayed_behind_lets_nobody_in_and_backup_codes_do() {
    let Some(peer) = peer("totp") else {
        return;
    };
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let (app, codes) = turn_on(&ada, &peer).await;
    let archive = server.data().join("default.tar").display().to_string();
    server.done(&["tenant", "export", "default", "--to", &archive]);
    server.done(&["tenant", "import", &archive, "--as", "elsewhere"]);
    let sign_in = async |code: &str| {
        let client = server.as_tenant("elsewhere");
        let post = async |path: &str, body: Value| {
            let request = client.post(server.at(path)).json(&body);
            request.send().await.unwrap()
        };
        let request = json!({"identifier": "ada", "password": PASSWORD});
        let first = json(post(LOGIN, request).await, 202).await;
        let step = json!({"second_factor_token": first["second_factor_token"], "code": code});
        post(&format!("{LOGIN}/second-factor"), step).await
    };
    assert_error(sign_in(&app.code(30)).await, 409, "CONFLICT").await;
    json(sign_in(&codes[0]).await, 200).await;
}
