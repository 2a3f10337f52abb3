//! Passkeys in a browser, against the real server: Chromium with a device of its own making.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sbd_tests::{Account, Browser, Launch, PASSWORD, Server};
use serde_json::{Value, json};

const APP: &str = "[application.tool.sbd]\nauth = \"auth\"\n{component:auth}\n";

/// What pages of the component have, and how they ask it.
const SCRIPT: &str = include_str!("../../../components/auth/src/passkeys.js");

const ASK: &str = "
globalThis.send = async (method, path, body, token) => {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
};
globalThis.signIn = async () => {
  const options = await send('POST', '/api/v1/auth/login/passkey/options', {});
  return { credential: await passkeys.ask(options.body) };
};
// What an authenticator app shows for a secret (RFC 6238).
globalThis.code = async (secret) => {
  const bits = Array.from(secret, (c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'));
  const bytes = Uint8Array.from(bits.join('').match(/.{8}/g), (byte) => parseInt(byte, 2));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-1' }, false, ['sign']);
  const step = new DataView(new ArrayBuffer(8));
  step.setBigUint64(0, BigInt(Math.floor(Date.now() / 30000)));
  const mac = new DataView(await crypto.subtle.sign('HMAC', key, step));
  const number = mac.getUint32(mac.getUint8(19) & 15) & 0x7fffffff;
  return String(number % 1000000).padStart(6, '0');
};
true";

/// A browser on a page of the server, as people reach it here: passkeys are for names.
async fn on(server: &Server, browser: &mut Browser) {
    let (_, port) = server.address().rsplit_once(':').unwrap();
    let page = format!("http://localhost:{port}/.well-known/jwks.json");
    browser.go(&page).await;
    let script = STANDARD.encode(SCRIPT);
    let import = format!(
        "import('data:text/javascript;base64,{script}').then((it) => {{ globalThis.passkeys = it; return true }})"
    );
    assert_eq!(browser.evaluate(&import).await, true);
    assert_eq!(browser.evaluate(ASK).await, true);
}

async fn add(browser: &mut Browser, name: &str, token: &str) -> Value {
    let add = format!(
        "(async () => {{
           const path = '/api/v1/auth/me/passkeys';
           const options = await send('POST', `${{path}}/options`, {{}}, '{token}');
           if (options.status !== 200) return options;
           const credential = await passkeys.make(options.body);
           return send('POST', path, {{ name: '{name}', credential }}, '{token}');
         }})().catch((error) => error.name)"
    );
    browser.evaluate(&add).await
}

async fn sign_in(browser: &mut Browser) -> Value {
    let sign_in = "signIn().then((it) => send('POST', '/api/v1/auth/login/passkey', it)).catch((error) => error.name)";
    browser.evaluate(sign_in).await
}

/// Asks for what a passkey is to answer, and sends what it answers, both with some more.
async fn answered(browser: &mut Browser, path: &str, more: Value, token: &str) -> Value {
    let answered = format!(
        "(async () => {{
           const options = await send('POST', '{path}/options', {more}, '{token}');
           if (options.status !== 200) return options;
           const credential = await passkeys.ask(options.body);
           return send('POST', '{path}', {{ ...{more}, credential }}, '{token}');
         }})().catch((error) => error.name)"
    );
    browser.evaluate(&answered).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_adds_a_passkey_and_signs_in_by_it() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    let ada = Account::register(&server, "ada").await;
    let device = browser.with_passkeys().await;
    on(&server, &mut browser).await;

    let added = add(&mut browser, "laptop", &ada.access).await;
    assert_eq!(added["status"], 201, "{added}");
    assert_eq!(
        (&added["body"]["host"], &added["body"]["transports"]),
        (&json!("localhost"), &json!(["internal"]))
    );
    // The device knows that it has one.
    assert_eq!(
        add(&mut browser, "again", &ada.access).await,
        "InvalidStateError"
    );

    let tokens = sign_in(&mut browser).await;
    assert_eq!(tokens["status"], 200, "{tokens}");
    let token = tokens["body"]["access_token"].as_str().unwrap();
    let me = format!("send('GET', '/api/v1/auth/me', undefined, '{token}')");
    assert_eq!(browser.evaluate(&me).await["body"]["username"], "ada");

    // Where a name is typed, and in a browser that does not know JSON.
    for ask in [
        "send('POST', '/api/v1/auth/login/passkey/options', {})
           .then(({ body }) => passkeys.ask(body, { mediation: 'conditional' }))
           .then((credential) => send('POST', '/api/v1/auth/login/passkey', { credential }))",
        "delete PublicKeyCredential.parseRequestOptionsFromJSON;
         delete PublicKeyCredential.prototype.toJSON;
         signIn().then((it) => send('POST', '/api/v1/auth/login/passkey', it))",
    ] {
        let tokens = browser.evaluate(ask).await;
        assert_eq!(tokens["status"], 200, "{tokens}");
    }

    // One answer, many times at once: one gets in.
    let storm = "signIn().then((it) =>
        Promise.all(Array.from({ length: 8 }, () => send('POST', '/api/v1/auth/login/passkey', it))))
        .then((all) => all.map(({ status }) => status).sort())";
    assert_eq!(
        browser.evaluate(storm).await,
        json!([200, 401, 401, 401, 401, 401, 401, 401])
    );

    // Nobody who is not verified, be it as the browser has it.
    let not = json!({"authenticatorId": device, "isUserVerified": false});
    browser.command("WebAuthn.setUserVerified", not).await;
    assert_eq!(sign_in(&mut browser).await, "NotAllowedError");
    let yes = json!({"authenticatorId": device, "isUserVerified": true});
    browser.command("WebAuthn.setUserVerified", yes).await;

    let id = added["body"]["id"].as_str().unwrap();
    let remove = format!("send('DELETE', '/api/v1/auth/me/passkeys/{id}', undefined, '{token}')");
    assert_eq!(browser.evaluate(&remove).await["status"], 204);
    let refused = sign_in(&mut browser).await;
    assert_eq!(refused["status"], 401, "{refused}");
    assert_eq!(refused["body"]["error"]["code"], "INVALID_CREDENTIALS");
    let login = json!({"identifier": "ada", "password": PASSWORD});
    assert_eq!(
        server.post("/api/v1/auth/login", &login).await.status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_takes_the_second_step_and_confirms() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    let ada = Account::register(&server, "ada").await;
    browser.with_passkeys().await;
    on(&server, &mut browser).await;
    let added = add(&mut browser, "laptop", &ada.access).await;
    assert_eq!(added["status"], 201, "{added}");

    let token = &ada.access;
    let turn_on = format!(
        "(async () => {{
           const path = '/api/v1/auth/me/totp';
           const {{ body }} = await send('POST', path, undefined, '{token}');
           return send('POST', `${{path}}/confirm`, {{ code: await code(body.secret) }}, '{token}');
         }})()"
    );
    let on = browser.evaluate(&turn_on).await;
    assert_eq!(on["status"], 200, "{on}");
    let login = json!({"identifier": "ada", "password": PASSWORD});
    let login = format!("send('POST', '/api/v1/auth/login', {login})");
    let pending = browser.evaluate(&login).await;
    assert_eq!(pending["status"], 202, "{pending}");
    let methods = pending["body"]["methods"].as_array().unwrap();
    assert!(methods.contains(&json!("passkey")), "{methods:?}");
    let step = json!({"second_factor_token": pending["body"]["second_factor_token"]});
    let path = "/api/v1/auth/login/second-factor/passkey";
    let tokens = answered(&mut browser, path, step, "").await;
    assert_eq!(tokens["status"], 200, "{tokens}");
    // By itself it is two proofs.
    let tokens = sign_in(&mut browser).await;
    assert_eq!(tokens["status"], 200, "{tokens}");

    let path = "/api/v1/auth/me/confirm/passkey";
    let confirmed = answered(&mut browser, path, json!({}), token).await;
    assert_eq!(confirmed["status"], 204, "{confirmed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_an_account_with_a_passkey_and_no_password() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    browser.with_passkeys().await;
    on(&server, &mut browser).await;
    let open = "(async () => {
        const path = '/api/v1/auth/register/passkey';
        const account = { username: 'ada', email: 'ada@example.com' };
        const options = await send('POST', `${path}/options`, account);
        if (options.status !== 200) return options;
        const credential = await passkeys.make(options.body);
        return send('POST', path, { ...account, name: 'laptop', credential });
      })().catch((error) => error.name)";
    let opened = browser.evaluate(open).await;
    assert_eq!(opened["status"], 201, "{opened}");
    assert_eq!(opened["body"]["account"]["has_password"], false);
    let tokens = sign_in(&mut browser).await;
    assert_eq!(tokens["status"], 200, "{tokens}");
    let token = tokens["body"]["access_token"].as_str().unwrap();
    // Another name takes no password there is not.
    let rename =
        format!("send('PUT', '/api/v1/auth/me/username', {{ username: 'lady' }}, '{token}')");
    assert_eq!(browser.evaluate(&rename).await["status"], 204);
}
