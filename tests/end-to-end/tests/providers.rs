//! Signing in by an issuer: a real one (`oidc-provider`), to which a browser is led and from which it comes back. And
//! another that this server asks outside, whether somebody is a person.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::Method;
use sbd_tests::{Account, Launch, PASSWORD, Server, assert_error, json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

const PROVIDERS: &str = "/api/v1/auth/providers";
const BROWSER: &str = "/api/v1/auth/login/provider";
const OWN: &str = "/api/v1/auth/me/providers";

/// The issuer, which this machine may not have.
fn package() -> Option<PathBuf> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/oidc-provider");
    if folder.join("complete").exists() {
        return Some(folder);
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    let lacks = lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets it".to_owned());
    assert!(
        std::env::var_os("CI").is_none(),
        "an issuer is missing: {lacks}"
    );
    eprintln!("skipped: {lacks}");
    None
}

/// Starts it at a port, for browsers that come from a server.
async fn issuer(package: &Path, port: u16, server: &Server) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/issuer.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(package)
        .arg(port.to_string())
        .arg(server.at("/account/provider"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(node.stdout.take().unwrap()).lines();
    let first = said.next_line().await.unwrap();
    assert_eq!(first.as_deref(), Some("up"));
    // Whoever writes where nobody reads dies of it.
    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    node
}

/// A server that may reach an issuer at this port, and nothing else.
async fn served(port: u16) -> Server {
    let host = format!("http://127.0.0.1:{port}");
    let launch = Launch::app("[application.tool.sbd]\nauth = \"auth\"\n{component:auth}");
    launch
        .env("SPIN_VARIABLE_AUTH_PROVIDER_HOST", &host)
        .start()
        .await
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An administrator sets the issuer up.
async fn set_up(server: &Server, port: u16) {
    let root = Account::administrator(server).await;
    let provider = json!({
        "preset": "oidc", "label": "Ours", "issuer": format!("http://127.0.0.1:{port}"),
        "client_id": "brain", "client_secret": "hush hush",
    });
    let set = root.request(Method::PUT, &format!("{PROVIDERS}/ours"));
    let set = set.json(&provider).send().await.unwrap();
    let shown = json(set, 200).await;
    assert!(!shown.to_string().contains("hush"), "{shown}");
}

/// What a browser was given when it was led away, and what it came back with.
struct Back {
    cookie: String,
    fields: Value,
}

/// Goes where it is led, until that is back.
async fn browse(led: reqwest::Response) -> Back {
    assert_eq!(led.status(), 200);
    let cookie = led.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let led: Value = led.json().await.unwrap();
    let mut address = reqwest::Url::parse(led["location"].as_str().unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut cookies = BTreeMap::new();
    while address.path() != "/account/provider" {
        let sent: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let asked = client
            .get(address.clone())
            .header("cookie", sent.join("; "));
        let answer = asked.send().await.unwrap();
        let set = answer.headers().get_all("set-cookie").iter();
        let set = set.map(|cookie| {
            cookie
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned()
        });
        let (kept, gone): (Vec<_>, Vec<_>) = set.partition(|pair| !pair.ends_with('='));
        for pair in gone {
            cookies.remove(pair.trim_end_matches('='));
        }
        for pair in kept {
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location");
        let location = location.unwrap_or_else(|| panic!("{address}: {}", answer.status()));
        address = address.join(location.to_str().unwrap()).unwrap();
    }
    let fields = address.query_pairs().into_owned();
    let fields = fields.map(|(name, value)| (name, Value::String(value)));
    Back {
        cookie,
        fields: Value::Object(fields.collect()),
    }
}

async fn sign_in(server: &Server, back: &Back) -> reqwest::Response {
    let signed_in = server.client.post(server.at(BROWSER));
    let signed_in = signed_in.header("cookie", &back.cookie).json(&back.fields);
    signed_in.send().await.unwrap()
}

#[tokio::test]
async fn a_real_issuer_signs_somebody_in_and_an_account_is_linked_to_it() {
    let Some(package) = package() else {
        return;
    };
    let port = free_port();
    let server = served(port).await;
    let _issuer = issuer(&package, port, &server).await;
    set_up(&server, port).await;
    let away = format!("{PROVIDERS}/ours/sign-in");

    // Whoever is new has an account by it.
    let back = browse(server.post(&away, &json!({})).await).await;
    let stolen = Back {
        cookie: "sbd-provider=x".to_owned(),
        fields: back.fields.clone(),
    };
    assert_error(sign_in(&server, &stolen).await, 401, "TOKEN_INVALID").await;
    let tokens = json(sign_in(&server, &back).await, 200).await;
    let me = server.client.get(server.at("/api/v1/auth/me"));
    let me = me.bearer_auth(tokens["access_token"].as_str().unwrap());
    let me = json(me.send().await.unwrap(), 200).await;
    assert_eq!(
        (&me["username"], &me["email"]),
        (&json!("eve"), &json!("eve@example.com"))
    );
    assert_eq!(me["email_verified"], true);
    assert_error(sign_in(&server, &back).await, 401, "TOKEN_INVALID").await;

    // The same browser keeps the next session in a cookie.
    let mut back = browse(server.post(&away, &json!({})).await).await;
    back.fields["mode"] = json!("cookie");
    let kept = sign_in(&server, &back).await;
    assert_eq!(kept.status(), 204);
    assert!(
        kept.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("sbd-session=")
    );

    // Of many that bring the same back at once one is signed in.
    let back = browse(server.post(&away, &json!({})).await).await;
    let answers = join_all((0..8).map(|_| sign_in(&server, &back))).await;
    let good = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    assert_eq!(good, 1);

    // Whoever they are there is linked already; unlinked they are nobody's, and their address is no proof.
    let bob = Account::register(&server, "bob").await;
    let link = async || {
        let led = bob
            .post(&format!("{OWN}/ours"), &json!({}))
            .send()
            .await
            .unwrap();
        let back = browse(led).await;
        let link = bob.post(OWN, &back.fields).header("cookie", &back.cookie);
        link.send().await.unwrap()
    };
    assert_error(link().await, 409, "CONFLICT").await;
    let eve = |method: Method, path: &str| {
        let request = server.client.request(method, server.at(path));
        request
            .bearer_auth(tokens["access_token"].as_str().unwrap())
            .send()
    };
    let links = json(eve(Method::GET, OWN).await.unwrap(), 200).await;
    let id = links["items"][0]["id"].as_str().unwrap();
    let gone = eve(Method::DELETE, &format!("{OWN}/{id}")).await.unwrap();
    assert_eq!(gone.status(), 204);
    let back = browse(server.post(&away, &json!({})).await).await;
    assert_error(sign_in(&server, &back).await, 409, "CONFLICT").await;
    assert_eq!(json(link().await, 200).await["name"], "eve");
    let back = browse(server.post(&away, &json!({})).await).await;
    let tokens = json(sign_in(&server, &back).await, 200).await;
    let me = server.client.get(server.at("/api/v1/auth/me"));
    let me = me.bearer_auth(tokens["access_token"].as_str().unwrap());
    assert_eq!(json(me.send().await.unwrap(), 200).await["username"], "bob");
}

#[tokio::test]
async fn an_issuer_that_the_operator_has_not_granted_is_not_reached() {
    let server = served(free_port()).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set_up(&server, listener.local_addr().unwrap().port()).await;
    let led = server
        .post(&format!("{PROVIDERS}/ours/sign-in"), &json!({}))
        .await;
    assert_error(led, 502, "PROVIDER_FAILED").await;
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was reached");
}

/// A service that takes the answer `good`, and counts what it is asked.
async fn captcha(listener: tokio::net::TcpListener, asked: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = Vec::new();
        // What is sent last.
        while !String::from_utf8_lossy(&request).contains("&remoteip=127.0.0.1") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let request = String::from_utf8_lossy(&request);
        assert!(request.contains("secret=hush&response="), "{request}");
        asked.fetch_add(1, Ordering::SeqCst);
        let said = json!({"success": request.contains("response=good&")}).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{said}", said.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_captcha_is_checked_by_its_service_and_nobody_gets_past_it_when_that_is_down() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = tokio::spawn(captcha(listener, Arc::clone(&asked)));
    let launch = Launch::app("[application.tool.sbd]\nauth = \"auth\"\n{component:auth}");
    let launch = launch.env("SPIN_VARIABLE_AUTH_CAPTCHA_HOST", &service);
    let server = launch.start().await;
    let root = Account::administrator(&server).await;
    let wanted = json!({
        "kind": "turnstile", "site_key": "site", "secret": "hush", "verify_url": format!("{service}/verify"),
    });
    let set = root.request(Method::PUT, "/api/v1/auth/captcha");
    json(set.json(&wanted).send().await.unwrap(), 200).await;

    let open = async |name: &str, answer: &str| {
        let account = json!({
            "username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "captcha": answer,
        });
        server.post("/api/v1/auth/register", &account).await
    };
    assert_error(open("ada", "").await, 403, "CAPTCHA_REQUIRED").await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_error(open("ada", "bad").await, 403, "CAPTCHA_REQUIRED").await;
    json(open("ada", "good").await, 201).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    answers.abort();
    let _ = answers.await;
    assert_error(open("bob", "good").await, 503, "CAPTCHA_FAILED").await;
}
