//! The pages, as a browser without scripts has them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::oauth::tests as oauth;
use crate::passkeys::device::SoftDevice;
use crate::policy::Registration;
use crate::second_factor::SecondFactors;
use crate::store::{POLICIES, REMEMBERED, SECOND_FACTORS, USERS};
use crate::tests::{PASSWORD, app, bearer, mailed, mailed_code, register, signed_in_from};
use crate::totp::tests as totp;
use sbd_sdk::testing::{App, Client, Reply};
use sbd_sdk::{Principal, Scopes};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A browser: what it keeps in cookies, and who the host takes it for.
pub(super) struct Browser<'a> {
    app: &'a App,
    form: String,
    pub(super) session: Option<String>,
    /// Its address, and what it calls itself.
    place: (&'static str, &'static str),
}

impl<'a> Browser<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            form: String::new(),
            session: None,
            place: ("192.0.2.7", "browser"),
        }
    }

    pub(super) fn signed_in(app: &'a App, name: &str) -> Self {
        register(app, name).assert_status(201);
        Self::enter(app, name)
    }

    /// Of somebody who has an account.
    fn enter(app: &'a App, name: &str) -> Self {
        let mut browser = Self::new(app);
        let given = [("identifier", name), ("password", PASSWORD), ("to", "")];
        let sent = browser.send("/account/sign-in", "/account/sign-in", &given);
        assert_eq!(sent.assert_status(303).header("location"), Some("/account"));
        browser
    }

    pub(super) fn client(&self) -> Client<'a> {
        let (address, agent) = self.place;
        let anonymous = || {
            let client = self.app.anonymous().with_header("user-agent", agent);
            client.with_header("spin-client-addr", address)
        };
        let client = match &self.session {
            Some(secret) => signed_in_from(self.app, secret, address, agent),
            None => anonymous(),
        };
        client.with_header("cookie", &format!("a=b; sbd-form={}", self.form))
    }

    /// Takes over what an answer sets.
    pub(super) fn keep(&mut self, reply: Reply) -> Reply {
        let cookie = reply.header("set-cookie").unwrap_or_default();
        let (pair, _) = cookie.split_once(';').unwrap_or_default();
        match pair.split_once('=') {
            Some(("sbd-form", value)) => self.form = value.to_owned(),
            Some(("sbd-session", "")) => self.session = None,
            Some(("sbd-session", value)) => self.session = Some(value.to_owned()),
            _ => {}
        }
        reply
    }

    pub(super) fn get(&mut self, path: &str) -> Reply {
        self.keep(self.client().get(path))
    }

    /// The token of the forms of a page.
    pub(super) fn token(&mut self, page: &str) -> String {
        let page = self.get(page).assert_status(200);
        let html = page.body().as_str().unwrap();
        let (_, rest) = html.split_once(r#"name="form_token" value=""#).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends the form of a page.
    pub(super) fn send(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token(page);
        self.send_with(&token, action, fields)
    }

    fn send_with(&mut self, token: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let fields = [&[("form_token", token)], fields].concat();
        let body = fields.iter().map(|(name, value)| {
            let value = value.bytes().map(|byte| format!("%{byte:02X}"));
            format!("{name}={}", value.collect::<String>())
        });
        let body = body.collect::<Vec<_>>().join("&");
        self.keep(self.client().upload("POST", action, FORM, body))
    }
}

/// Asserts that an answer is a page, as strict as all of them, and returns it.
#[track_caller]
pub(super) fn page(reply: &Reply) -> &str {
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{}",
        reply.body()
    );
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    reply.body().as_str().unwrap()
}

#[track_caller]
pub(super) fn leads(reply: &Reply, to: &str) {
    assert_eq!((reply.status(), reply.header("location")), (303, Some(to)));
}

#[test]
fn an_account_is_opened_and_used_in_a_browser() {
    let app = app();
    let mut ada = Browser::new(&app);
    let new = [
        ("username", "ada"),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
    ];
    let sent = ada.send("/account/register", "/account/register", &new);
    leads(&sent, "/account");
    let account = ada.get("/account").assert_status(200);
    assert!(page(&account).contains("ada@example.com (not confirmed)"));
    // Whoever is signed in has nothing to sign in to.
    leads(&ada.get("/account/sign-in"), "/account");
    leads(
        &ada.get("/account/sign-in?to=/account/tokens"),
        "/account/tokens",
    );
    let secret = ada.session.clone().unwrap();
    let out = ada.send("/account", "/account/sign-out", &[]);
    leads(&out, "/account/sign-in?done=signed-out");
    assert!(out.header("sbd-revoked").is_some() && ada.session.is_none());
    bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
    let page_after = ada.get("/account/sign-in?done=signed-out");
    assert!(page(&page_after).contains("You are signed out."));
}

#[test]
fn whoever_is_not_signed_in_is_led_there_and_back_and_never_elsewhere() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let mut ada = Browser::new(&app);
    leads(&ada.get("/account"), "/account/sign-in");
    for path in [
        "tokens",
        "sessions",
        "activity?limit=5",
        "password",
        "address",
    ] {
        let led = ada.get(&format!("/account/{path}"));
        let to = format!("/account/sign-in?to=%2Faccount%2F{path}");
        leads(&led, &to.replace("?limit=", "%3Flimit%3D"));
    }
    for (to, target) in [
        ("/account/tokens", "/account/tokens"),
        ("//evil.example", "/account"),
        ("/\\evil.example", "/account"),
        ("https://evil.example/", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/\u{0}", "/account"),
        ("/\r\nset-cookie: a=b", "/account"),
    ] {
        let query: String = to.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let shown = ada.get(&format!("/account/sign-in?to={query}"));
        assert!(!page(&shown).contains("evil"), "{to}");
        let given = [("identifier", "ada"), ("password", PASSWORD), ("to", to)];
        let sent = ada.send("/account/sign-in", "/account/sign-in", &given);
        leads(&sent, target);
        ada = Browser::new(&app);
    }
    // A token in a header is a program's, which has no pages.
    let tokens = crate::tests::login(&app, "ada", PASSWORD);
    let program = crate::tests::signed_in(&app, &tokens);
    leads(&program.get("/account"), "/account/sign-in");
}

#[test]
fn a_form_is_taken_from_whom_it_was_shown_to() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let mut bob = Browser::signed_in(&app, "bob");
    let (hers, his) = (ada.token("/account"), bob.token("/account"));
    assert_ne!(hers, his);
    let mut nobody = Browser::new(&app);
    let anonymous = nobody.token("/account/sign-in");
    let password = [
        ("current_password", PASSWORD),
        ("new_password", "Battery-staple-8"),
    ];
    for token in ["", "x", &his, &anonymous, &hers[1..]] {
        for (action, fields) in [
            ("/account/password", &password[..]),
            ("/account/sign-out", &[]),
            ("/account/sessions/end-all", &[]),
            ("/account/tokens", &[("name", "x"), ("scopes", "*")]),
        ] {
            let refused = ada.send_with(token, action, fields).assert_status(403);
            assert!(page(&refused).contains("This form is too old"), "{action}");
        }
    }
    bearer(&app, ada.session.as_deref().unwrap()).assert_status(200);
    // The sign-in as well: nobody is signed in as somebody else without knowing.
    let given = [("identifier", "ada"), ("password", PASSWORD)];
    for token in ["", &hers, &Browser::new(&app).token("/account/sign-in")] {
        let refused = nobody.send_with(token, "/account/sign-in", &given);
        page(&refused.assert_status(403));
        assert!(nobody.session.is_none());
    }
    for kind in ["application/json", "text/plain", ""] {
        let refused = ada.client().upload("POST", "/account/sign-out", kind, "{}");
        page(&refused.assert_status(415));
    }
    for body in ["x", "form_token=&form_token=x&more=1"] {
        let body = format!("form_token={hers}&{body}");
        let refused = ada.client().upload("POST", "/account/password", FORM, body);
        let status = refused.status();
        assert!(status == 400 || status == 403, "{status}");
        page(&refused);
    }
}

#[test]
fn what_is_wrong_is_said_on_the_page() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let mut browser = Browser::new(&app);
    let given = [("identifier", "<ada>"), ("password", "wrong")];
    let refused = browser.send("/account/sign-in", "/account/sign-in", &given);
    let html = page(&refused);
    assert_eq!(refused.status(), 401);
    assert!(html.contains(r#"role="alert""#) && html.contains("Name or password is wrong"));
    assert!(
        html.contains("&lt;ada&gt;") && !html.contains("<ada>") && !html.contains(r#""wrong""#)
    );
    let new = [("username", "ada"), ("email", "x"), ("password", "short")];
    let refused = browser.send("/account/register", "/account/register", &new);
    assert_eq!(refused.status(), 422);
    for field in ["email", "password"] {
        let link = format!(r##"href="#{field}""##);
        assert!(page(&refused).contains(&link), "{field}");
    }
    let new = [
        ("username", "ada"),
        ("email", "b@example.com"),
        ("password", PASSWORD),
    ];
    let refused = browser.send("/account/register", "/account/register", &new);
    assert_eq!(refused.status(), 409);
    assert!(page(&refused).contains("Username: is taken"));
    let token = browser.token("/account/sign-in");
    let german = browser.client().with_header("accept-language", "de");
    let body = format!("form_token={token}&identifier=ada&password=wrong");
    let refused = german.upload("POST", "/account/sign-in", FORM, body);
    let html = page(&refused);
    assert!(html.contains(r#"lang="de""#) && html.contains("Die Angaben stimmen nicht"));
    // There is a wait in the end, which a browser is told as well.
    let waits = (0..30).find_map(|_| {
        let refused = browser.send("/account/sign-in", "/account/sign-in", &given[..]);
        (refused.status() == 429).then_some(refused)
    });
    assert!(waits.unwrap().header("retry-after").is_some());
}

#[test]
fn sessions_end_one_by_one_and_all_together() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let other = crate::tests::login(&app, "ada", PASSWORD);
    let id = bearer(&app, other.text("access_token"))
        .text("session")
        .to_owned();
    let listed = ada.get("/account/sessions").assert_status(200);
    let end = format!("/account/sessions/{id}/end");
    assert!(page(&listed).contains(&end) && page(&listed).contains("(this one)"));
    let mut bob = Browser::signed_in(&app, "bob");
    page(&bob.send("/account/sessions", &end, &[]).assert_status(404));
    let ended = ada.send("/account/sessions", &end, &[]);
    leads(&ended, "/account/sessions?done=session");
    assert_eq!(ended.header("sbd-revoked"), Some(&*id));
    bearer(&app, other.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    let secret = ada.session.clone().unwrap();
    let all = ada.send("/account/sessions", "/account/sessions/end-all", &[]);
    leads(&all, "/account/sign-in?done=signed-out");
    bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
}

#[test]
fn a_token_is_shown_once() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let new = |scopes, days| {
        [
            ("name", "<script>"),
            ("scopes", scopes),
            ("expires_in_days", days),
        ]
    };
    for (scopes, days) in [
        ("", ""),
        ("Not a scope", ""),
        ("*", "x"),
        ("*", "0"),
        ("admin:*", ""),
    ] {
        let refused = ada.send("/account/tokens", "/account/tokens", &new(scopes, days));
        assert_eq!(refused.status(), 422, "{scopes} {days}");
        assert!(page(&refused).contains(r#"role="alert""#));
    }
    let made = ada.send(
        "/account/tokens",
        "/account/tokens",
        &new("families:read  notes:*", "90"),
    );
    let html = page(&made).to_owned();
    let (_, rest) = html.split_once(r#"class="secret">"#).unwrap();
    let token = rest.split('<').next().unwrap();
    let identity = bearer(&app, token).assert_status(200);
    assert_eq!(identity["scopes"], json!(["families:read", "notes:*"]));
    let listed = ada.get("/account/tokens").assert_status(200);
    assert!(!page(&listed).contains(token) && page(&listed).contains("&lt;script&gt;"));
    let (_, rest) = page(&listed).split_once("/account/tokens/").unwrap();
    let one = format!("/account/tokens/{}", rest.split('"').next().unwrap());
    let end = format!("{one}/end");
    leads(
        &ada.send("/account/tokens", &end, &[]),
        "/account/tokens?done=token",
    );
    bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
    page(&ada.send("/account/tokens", &end, &[]).assert_status(404));
    page(&ada.get(&one).assert_status(404));
}

#[test]
fn a_token_is_bound_looked_at_and_gets_another_secret() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let new = |networks| {
        [
            ("name", "backup"),
            ("scopes", "*:read"),
            ("networks", networks),
        ]
    };
    let secret = |html: &str| {
        let (_, rest) = html.split_once(r#"class="secret">"#).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let refused = ada.send("/account/tokens", "/account/tokens", &new("here"));
    assert_eq!(refused.status(), 422);
    assert!(page(&refused).contains(r#"value="here""#));
    let networks = "192.0.2.0/24  2001:db8::1";
    let made = ada.send("/account/tokens", "/account/tokens", &new(networks));
    let first = secret(page(&made));
    let good = |token: &str| crate::tests::bearer_from(&app, token, "192.0.2.7", "<b>/1");
    good(&first).assert_status(200);
    bearer(&app, &first).assert_refused(401, "TOKEN_INVALID");
    let listed = ada.get("/account/tokens").assert_status(200);
    let (_, rest) = page(&listed).split_once("/account/tokens/").unwrap();
    let one = format!("/account/tokens/{}", rest.split('"').next().unwrap());
    let shown = ada.get(&one).assert_status(200);
    let html = page(&shown);
    for said in [
        "192.0.2.0/24 2001:db8::1",
        "192.0.2.7",
        "&lt;b&gt;/1",
        "<dd>1</dd>",
    ] {
        assert!(html.contains(said), "{said}: {html}");
    }
    for wrong in ["", "soon", "169", "-1"] {
        let refused = ada.send(&one, &one, &[("overlap_hours", wrong)]);
        assert_eq!(refused.status(), 422, "{wrong}");
        assert!(page(&refused).contains(r#"role="alert""#));
    }
    let second = ada
        .send(&one, &one, &[("overlap_hours", "1")])
        .assert_status(200);
    let second = secret(page(&second));
    assert_ne!(first, second);
    assert!(page(&ada.get(&one)).contains("The one before is good until"));
    good(&first).assert_status(200);
    app.advance(Duration::from_secs(60 * 60));
    good(&first).assert_refused(401, "TOKEN_INVALID");
    good(&second).assert_status(200);
    // It is called otherwise, and good elsewhere.
    let changes = format!("{one}/changes");
    for (name, networks) in [("", ""), ("copies", "everywhere")] {
        let refused = ada.send(&one, &changes, &[("name", name), ("networks", networks)]);
        assert_eq!(refused.status(), 422, "{name} {networks}");
        assert!(page(&refused).contains(r#"role="alert""#));
    }
    let moved = [("name", "copies"), ("networks", "198.51.100.0/24")];
    let moved = ada.send(&one, &changes, &moved).assert_status(303);
    assert_eq!(
        moved.header("location"),
        Some(&*format!("{one}?done=saved"))
    );
    assert!(moved.header("sbd-revoked").is_some());
    let html = ada.get(&one);
    assert!(page(&html).contains(r#"value="copies""#) && page(&html).contains("198.51.100.0/24"));
    good(&second).assert_refused(401, "TOKEN_INVALID");
    let mut bob = Browser::signed_in(&app, "bob");
    page(&bob.get(&one).assert_status(404));
    page(
        &bob.send("/account/tokens", &one, &[("overlap_hours", "1")])
            .assert_status(404),
    );
}

#[test]
fn a_forgotten_password_is_set_anew() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let mut ada = Browser::new(&app);
    let forgot = |browser: &mut Browser<'_>, email| {
        let fields = [("email", email)];
        let page = "/account/forgot-password";
        browser.send(page, page, &fields).assert_status(200)
    };
    let there = forgot(&mut ada, "ada@example.com");
    let nobodys = forgot(&mut ada, "nobody@example.com");
    let said = |reply: &Reply, email| page(reply).replace(email, "");
    assert_eq!(
        said(&there, "ada@example.com"),
        said(&nobodys, "nobody@example.com")
    );
    app.run_tasks();
    let code = mailed(&app, "reset-password", "ada@example.com");
    let given = [("what", "reset-password"), ("code", code.as_str())];
    let form = ada.send("/account/mailed", "/account/mailed", &given);
    assert!(page(&form).contains(&code) && page(&form).contains(r#"autocomplete="new-password""#));
    let code = code.as_str();
    let new = |password| [("code", code), ("new_password", password)];
    let page_of = "/account/mailed";
    let weak = ada.send(page_of, "/account/reset-password", &new("weak"));
    assert_eq!(weak.status(), 422);
    assert!(page(&weak).contains(code), "it can be tried again");
    let set = ada.send(page_of, "/account/reset-password", &new("Battery-staple-8"));
    leads(&set, "/account/sign-in?done=reset");
    let again = ada.send(page_of, "/account/reset-password", &new("Other-staple-9"));
    page(&again.assert_status(401));
    crate::tests::login(&app, "ada", "Battery-staple-8").assert_status(200);
}

#[test]
fn a_short_code_is_typed_where_it_was_asked_for() {
    let app = app();
    register(&app, "ada").assert_status(201);
    let mut ada = Browser::new(&app);
    let (forgot, landing) = ("/account/forgot-password", "/account/mailed");
    let asked = ada.send(forgot, forgot, &[("email", "ada@example.com")]);
    assert!(page(&asked).contains(r#"value="ada@example.com""#));
    app.run_tasks();
    let code = mailed_code(&app, "reset-password", "ada@example.com");
    let new =
        |email, code, password| [("email", email), ("code", code), ("new_password", password)];
    for (email, code, password, status) in [
        ("ada@example.com", "1234-567", "Battery-staple-8", 401),
        ("bob@example.com", &*code, "Battery-staple-8", 401),
        ("", &*code, "Battery-staple-8", 422),
        ("ada@example.com", &*code, "weak", 422),
        ("ada@example.com", &*code, "Battery-staple-8", 303),
    ] {
        let new = new(email, code, password);
        let sent = ada.send(landing, "/account/reset-password", &new);
        assert_eq!(sent.status(), status, "{email} {code} {password}");
    }
    let given = [("what", "reset-password"), ("code", "1234 5678")];
    let form = ada.send(landing, landing, &given);
    assert!(page(&form).contains(r#"name="email""#), "whose it is");
    // An address is confirmed by who is signed in; whoever is not is led there.
    let tokens = crate::tests::login(&app, "ada", "Battery-staple-8");
    let change = json!({"email": "new@example.com", "password": "Battery-staple-8"});
    crate::tests::signed_in(&app, &tokens)
        .put("/api/v1/auth/me/email", change)
        .assert_status(204);
    app.run_tasks();
    let code = mailed_code(&app, "verify-address", "new@example.com");
    let given = [("what", "verify-address"), ("code", &*code)];
    leads(&ada.send(landing, landing, &given), "/account/sign-in");
    let sign_in = [("identifier", "ada"), ("password", "Battery-staple-8")];
    ada.send("/account/sign-in", "/account/sign-in", &sign_in);
    leads(
        &ada.send(landing, landing, &given),
        "/account?done=verified",
    );
    assert!(page(&ada.get("/account")).contains("new@example.com (confirmed)"));
}

#[test]
fn an_address_is_confirmed_and_changed() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    leads(
        &ada.send("/account", "/account/verify", &[]),
        "/account/mailed?done=mail",
    );
    app.run_tasks();
    let code = mailed(&app, "verify-address", "ada@example.com");
    let given = [("what", "verify-address"), ("code", &*code)];
    let confirmed = ada.send("/account/mailed", "/account/mailed", &given);
    leads(&confirmed, "/account?done=verified");
    assert!(page(&ada.get("/account")).contains("ada@example.com (confirmed)"));
    let again = ada.send("/account/mailed", "/account/mailed", &given);
    assert!(page(&again.assert_status(401)).contains(r#"role="alert""#));
    let change = |password| [("email", "new@example.com"), ("password", password)];
    let wrong = ada.send("/account/address", "/account/address", &change("wrong"));
    page(&wrong.assert_status(422));
    let sent = ada.send("/account/address", "/account/address", &change(PASSWORD));
    leads(&sent, "/account/mailed?done=address");
    let change = [
        ("current_password", PASSWORD),
        ("new_password", "Battery-staple-8"),
    ];
    let changed = ada.send("/account/password", "/account/password", &change);
    leads(&changed, "/account?done=password");
    bearer(&app, ada.session.as_deref().unwrap()).assert_status(200);
}

#[test]
fn who_may_open_an_account_is_the_policys_to_say() {
    let app = app();
    let set = |registration: Registration| {
        let policy = json!({"registration": registration});
        let update = POLICIES.upsert(json!({"_id": "policy"}), json!({"$set": policy}));
        app.run(update).unwrap();
    };
    let mut browser = Browser::new(&app);
    let field = r#"name="invitation""#;
    assert!(!page(&browser.get("/account/register")).contains(field));
    set(Registration::Invited);
    assert!(page(&browser.get("/account/register")).contains(field));
    set(Registration::Closed);
    let closed = browser.get("/account/register");
    assert!(!page(&closed).contains("<form") && page(&closed).contains("Ask an administrator"));
    assert!(!page(&browser.get("/account/sign-in")).contains("/account/register"));
}

#[test]
fn what_pages_load_is_kept_by_its_tag() {
    let app = app();
    for (path, kind) in [
        ("/account/look.css", "text/css"),
        ("/account/account.js", "text/javascript"),
    ] {
        let asset = app.anonymous().get(path).assert_status(200);
        assert!(asset.header("content-type").unwrap().starts_with(kind));
        let tag = asset.header("etag").unwrap();
        let again = app.anonymous().with_header("if-none-match", tag).get(path);
        assert_eq!((again.status(), again.bytes()), (304, &b""[..]));
    }
}

#[test]
fn a_program_is_allowed_what_its_user_picks() {
    let app = oauth::tenant();
    let client = oauth::client(&app, true, &["notes:*", "families:read"]);
    let mut ada = Browser::enter(&app, "ada");
    let id = oauth::request(&app, &client, "notes:read families:read");
    let shown = format!("/account/consent?request={id}");
    let mut nobody = Browser::new(&app);
    let led = nobody.get(&shown);
    assert!(
        led.header("location")
            .unwrap()
            .starts_with("/account/sign-in?to=")
    );
    let html = page(&ada.get(&shown)).to_owned();
    assert!(
        html.contains("Reader") && html.contains("notes:read"),
        "{html}"
    );
    let allow = |scopes: &[&'static str]| {
        let scopes = scopes.iter().map(|scope| (*scope, "on"));
        [("request", id.as_str()), ("decision", "allow")]
            .into_iter()
            .chain(scopes)
            .collect::<Vec<_>>()
    };
    for wrong in [&[][..], &["scope/notes:write"], &["scope/admin:*"]] {
        let refused = ada.send(&shown, "/account/consent", &allow(wrong));
        assert_eq!(refused.status(), 422, "{wrong:?}");
        assert!(page(&refused).contains(r#"role="alert""#));
    }
    page(
        &ada.send(&shown, "/account/consent", &allow(&["notes:read"]))
            .assert_status(400),
    );
    let picked = allow(&["scope/notes:read"]);
    let token = ada.token(&shown);
    let done = ada
        .send_with(&token, "/account/consent", &picked)
        .assert_status(200);
    let (_, rest) = page(&done).split_once("content=\"0; url=").unwrap();
    let location = rest.split('"').next().unwrap().replace("&amp;", "&");
    let fields = oauth::fields(&location);
    let tokens = oauth::redeem(&app, &client, fields["code"].as_str().unwrap()).assert_status(200);
    assert_eq!(tokens["scope"], "notes:read");
    page(
        &ada.send_with(&token, "/account/consent", &picked)
            .assert_status(404),
    );
    let listed = page(&ada.get("/account/programs")).to_owned();
    assert!(listed.contains("Reader"));
    let end = format!("/account/programs/{}/end", client.id);
    leads(
        &ada.send("/account/programs", &end, &[]),
        "/account/programs?done=removed",
    );
    bearer(&app, tokens.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    let id = oauth::request(&app, &client, "notes:read");
    let shown = format!("/account/consent?request={id}");
    let deny = [("request", id.as_str()), ("decision", "deny")];
    let denied = ada
        .send(&shown, "/account/consent", &deny)
        .assert_status(200);
    assert!(page(&denied).contains("error=access_denied"));
}

#[test]
fn a_device_is_connected_by_its_code() {
    let app = oauth::tenant();
    let client = oauth::client(&app, false, &["notes:*"]);
    let mut ada = Browser::enter(&app, "ada");
    let begin = || {
        let begun = oauth::ask(&app, &client, "/oauth/device", &[("scope", "notes:read")]);
        begun.assert_status(200).text("user_code").to_owned()
    };
    let path = "/account/device";
    let code = begin();
    let shown = page(&ada.get(&format!("{path}?user_code={code}"))).to_owned();
    assert!(shown.contains(&code));
    let asked = ada
        .send(path, path, &[("user_code", &code)])
        .assert_status(200);
    assert!(page(&asked).contains("Reader") && page(&asked).contains("notes:read"));
    let decide = |code, decision| {
        [
            ("device_code", code),
            ("decision", decision),
            ("scope/notes:read", "on"),
        ]
    };
    let done = ada
        .send(path, path, &decide(code.as_str(), "allow"))
        .assert_status(200);
    assert!(page(&done).contains("The device is connected"));
    page(
        &ada.send(path, path, &decide(code.as_str(), "allow"))
            .assert_status(404),
    );
    let code = begin();
    let done = ada
        .send(path, path, &decide(code.as_str(), "deny"))
        .assert_status(200);
    assert!(page(&done).contains("turned away"));
    let refused = ada
        .send(path, path, &[("user_code", "BBBB-BBBB")])
        .assert_status(404);
    assert!(page(&refused).contains(r#"role="alert""#));
    page(
        &ada.send(path, path, &[("decision", "allow")])
            .assert_status(400),
    );
}

#[test]
fn an_app_is_set_up_and_takes_the_second_step() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let path = "/account/second-factor";
    assert!(page(&ada.get(path)).contains("It is off."));
    let set_up = ada
        .send(path, "/account/second-factor/set-up", &[])
        .assert_status(200);
    let html = page(&set_up).to_owned();
    assert!(html.contains("<svg"));
    let (_, rest) = html.split_once(r#"class="secret">"#).unwrap();
    let secret = rest.split('<').next().unwrap().to_owned();
    let on = "/account/second-factor/turn-on";
    let wrong = ada.send(path, on, &[("code", "abc")]);
    assert_eq!(wrong.status(), 422);
    assert!(page(&wrong).contains(r#"role="alert""#));
    let code = totp::shown(&app, &secret, 0);
    let done = ada.send(path, on, &[("code", &code)]).assert_status(200);
    let codes: Vec<String> = page(&done)
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    let home = page(&ada.get(path)).to_owned();
    assert!(home.contains("It is on since") && !home.contains(&codes[0]));
    ada.send("/account", "/account/sign-out", &[]);

    // The second step, on this device once.
    let given = [
        ("identifier", "ada"),
        ("password", PASSWORD),
        ("to", "/account/tokens"),
    ];
    let step = ada
        .send("/account/sign-in", "/account/sign-in", &given)
        .assert_status(200);
    let html = page(&step).to_owned();
    assert!(ada.session.is_none() && html.contains("The second step"));
    let (_, rest) = html
        .split_once(r#"name="second_factor_token" value=""#)
        .unwrap();
    let token = rest.split('"').next().unwrap().to_owned();
    let second = |code| {
        [
            ("second_factor_token", token.as_str()),
            ("to", "/account/tokens"),
            ("code", code),
        ]
    };
    let action = "/account/sign-in/second-factor";
    let wrong = ada.send("/account/sign-in", action, &second("000000"));
    assert_eq!(wrong.status(), 401);
    assert!(page(&wrong).contains(&token), "it can be tried again");
    let done = ada.send("/account/sign-in", action, &second(&codes[0]));
    leads(&done, "/account/tokens");
    let mut other = Browser::new(&app);
    let over = other.send("/account/sign-in", action, &second(&codes[1]));
    assert_eq!(over.status(), 401);
    assert!(page(&over).contains("name=\"password\""), "it begins anew");
    let step = other.send("/account/sign-in", "/account/sign-in", &given);
    let html = page(&step).to_owned();
    let (_, rest) = html
        .split_once(r#"name="second_factor_token" value=""#)
        .unwrap();
    let remember = [
        ("second_factor_token", rest.split('"').next().unwrap()),
        ("remember", "on"),
        ("code", &codes[1]),
    ];
    let done = other.send("/account/sign-in", action, &remember);
    leads(&done, "/account");
    let device = done.header("set-cookie").unwrap();
    assert!(device.starts_with("sbd-device="), "{device}");
    let listed = page(&ada.get(path)).to_owned();
    let (_, rest) = listed
        .split_once("/account/second-factor/devices/")
        .unwrap();
    let id = rest.split('/').next().unwrap();
    let forget = format!("/account/second-factor/devices/{id}/forget");
    leads(
        &ada.send(path, &forget, &[]),
        "/account/second-factor?done=removed",
    );

    // What matters takes a proof of not long ago.
    app.advance(Duration::from_secs(11 * 60));
    let renew = ada.send(path, "/account/second-factor/backup-codes", &[]);
    leads(&renew, "/account/confirm?to=%2Faccount%2Fsecond-factor");
    let confirm = "/account/confirm?to=%2Faccount%2Fsecond-factor";
    let shown = |name, value| [(name, value), ("to", path)];
    let wrong = ada.send(confirm, "/account/confirm", &shown("password", "wrong"));
    assert_eq!(wrong.status(), 422);
    let elsewhere = [("password", PASSWORD), ("to", "//evil.example")];
    leads(
        &ada.send(confirm, "/account/confirm", &elsewhere),
        "/account",
    );
    app.advance(Duration::from_secs(11 * 60));
    leads(
        &ada.send(confirm, "/account/confirm", &shown("code", &codes[2])),
        path,
    );
    let renewed = ada.send(path, "/account/second-factor/backup-codes", &[]);
    assert!(!page(&renewed.assert_status(200)).contains(&codes[3]));
    let off = "/account/second-factor/turn-off";
    assert_eq!(ada.send(path, off, &[("code", "000000")]).status(), 422);
    let code = totp::shown(&app, &secret, 0);
    leads(
        &ada.send(path, off, &[("code", &code)]),
        "/account/second-factor?done=removed",
    );
}

/// Where browsers have passkeys.
fn at<'a>(browser: &Browser<'a>) -> Client<'a> {
    let url = "http://localhost:4747/account";
    browser.client().with_header("spin-full-url", url)
}

#[test]
fn passkeys_are_offered_where_browsers_have_them() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    // Nothing is said of where this is.
    let nowhere = ada.get("/account/passkeys").assert_status(200);
    assert!(page(&nowhere).contains("Browsers have passkeys for names"));
    let here = at(&ada).get("/account/passkeys").assert_status(200);
    assert!(page(&here).contains("data-passkeys"));
    let token = ada.token("/account/passkeys");
    let body = format!("form_token={token}&name=laptop");
    let asked = at(&ada).upload("POST", "/account/passkeys/new", FORM, body);
    let asked = asked.assert_status(200);
    assert!(page(&asked).contains(r#"data-ask="make""#) && page(&asked).contains("challenge"));
    for (path, field) in [
        ("/account/passkeys", "&name=laptop"),
        ("/account/confirm/passkey/finish", ""),
        ("/account/sign-in/passkey/finish", ""),
        ("/account/sign-in/second-factor/passkey/finish", ""),
    ] {
        for credential in ["", "x", "%7B%7D"] {
            let body = format!("form_token={token}&credential={credential}{field}");
            let refused = at(&ada).upload("POST", path, FORM, body);
            page(&refused.assert_status(400));
        }
    }
    app.advance(Duration::from_secs(11 * 60));
    let body = format!("form_token={token}&name=laptop");
    let asked = at(&ada).upload("POST", "/account/passkeys/new", FORM, body);
    leads(&asked, "/account/confirm?to=%2Faccount%2Fpasskeys");
}

/// What the page asks a passkey by.
fn options(reply: &Reply) -> Value {
    let (_, rest) = page(reply).split_once(r#"data-options=""#).unwrap();
    let options = rest.split('"').next().unwrap();
    serde_json::from_str(&options.replace("&quot;", "\"")).unwrap()
}

fn send_there(browser: &mut Browser<'_>, action: &str, fields: &str) -> Reply {
    let page_of = match browser.session {
        Some(_) => "/account",
        None => "/account/sign-in",
    };
    let body = format!("form_token={}&{fields}", browser.token(page_of));
    let sent = at(browser).upload("POST", action, FORM, body);
    browser.keep(sent)
}

fn encoded(credential: &Value) -> String {
    let text = credential.to_string();
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_passkey_is_renamed_and_takes_the_second_step() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let mut device = SoftDevice::new();
    let asked = send_there(&mut ada, "/account/passkeys/new", "name=laptop");
    let made = encoded(&device.made(&options(&asked)));
    let added = format!("name=laptop&credential={made}");
    leads(
        &send_there(&mut ada, "/account/passkeys", &added),
        "/account/passkeys?done=saved",
    );
    let listed = ada.get("/account/passkeys").assert_status(200);
    let (_, rest) = page(&listed).split_once("/account/passkeys/psk_").unwrap();
    let id = rest.split('/').next().unwrap();
    let name = format!("/account/passkeys/psk_{id}/name");
    assert!(page(&ada.get(&name)).contains(r#"value="laptop""#));
    let refused = ada.send(&name, &name, &[("name", " ")]);
    page(&refused.assert_status(422));
    leads(
        &ada.send(&name, &name, &[("name", "<old>")]),
        "/account/passkeys?done=saved",
    );
    assert!(page(&ada.get("/account/passkeys")).contains("&lt;old&gt;"));
    // Nobody else's is there.
    let mut bob = Browser::signed_in(&app, "bob");
    page(&bob.get(&name).assert_status(404));
    page(
        &bob.send("/account", &name, &[("name", "x")])
            .assert_status(404),
    );

    // It is offered where a name is typed, once: not again where it was refused.
    let mut there = Browser::new(&app);
    assert!(!page(&there.get("/account/sign-in")).contains("data-offer"));
    let offered = at(&there).get("/account/sign-in").assert_status(200);
    let offer = r#"data-offer="/api/v1/auth/login/passkey/options""#;
    assert!(page(&offered).contains(offer));
    assert!(page(&offered).contains(r#"autocomplete="username webauthn""#));
    let wrong = "identifier=ada&password=wrong";
    let refused = send_there(&mut there, "/account/sign-in", wrong);
    assert!(!page(&refused).contains("data-offer"));

    let identity = bearer(&app, ada.session.as_deref().unwrap());
    let factors = json!({"_id": identity["user"], "backup_codes": ["x"]});
    let factors: SecondFactors = serde_json::from_value(factors).unwrap();
    app.run(SECOND_FACTORS.insert(&factors)).unwrap();
    let mut take = |remember: &str| {
        let mut there = Browser::new(&app);
        let given = format!("identifier=ada&password={PASSWORD}");
        let step = send_there(&mut there, "/account/sign-in", &given);
        let (_, rest) = page(&step)
            .split_once(r#"name="second_factor_token" value=""#)
            .unwrap();
        let token = rest.split('"').next().unwrap();
        let begin = format!("second_factor_token={token}{remember}");
        let asked = send_there(&mut there, "/account/sign-in/second-factor/passkey", &begin);
        let kept = page(&asked).contains(r#"name="remember""#);
        assert_eq!(kept, !remember.is_empty());
        let credential = encoded(&device.answer(&options(&asked)));
        let finish = "/account/sign-in/second-factor/passkey/finish";
        let taken = format!("{begin}&credential={credential}");
        leads(&send_there(&mut there, finish, &taken), "/account");
        app.run(REMEMBERED.count(json!({}))).unwrap()
    };
    assert_eq!((take(""), take("&remember=on")), (0, 1));
}

#[test]
fn whoever_lacks_a_second_factor_sees_to_that_first() {
    let app = app();
    let ada = Browser::signed_in(&app, "ada");
    let identity = bearer(&app, ada.session.as_deref().unwrap());
    let scopes = Scopes::new(["account:*", "passkeys:*", "sessions:*"]).unwrap();
    let principal = Principal::user("test", identity.text("user"))
        .in_session(identity.text("session"))
        .with_scopes(scopes);
    let limited = app.by(principal);
    for (path, status) in [
        ("/account", 200),
        ("/account/second-factor", 200),
        ("/account/passkeys", 200),
        ("/account/tokens", 403),
        ("/account/programs", 403),
        ("/account/device", 403),
        (
            "/account/consent?request=oar_019a2f3c8b7e7c2d9f00112233445566",
            403,
        ),
    ] {
        let shown = limited.get(path);
        assert_eq!(shown.status(), status, "{path}");
        page(&shown);
    }
}

#[test]
fn an_account_is_renamed_and_left() {
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    assert!(page(&ada.get("/account")).contains("/api/v1/auth/me/export"));
    let name = |name, password| [("username", name), ("password", password)];
    let path = "/account/username";
    for (new, password) in [("ad", PASSWORD), ("lovelace", "wrong")] {
        let refused = ada.send(path, path, &name(new, password));
        assert_eq!(refused.status(), 422, "{new}");
        assert!(page(&refused).contains(r#"role="alert""#));
    }
    leads(
        &ada.send(path, path, &name("lovelace", PASSWORD)),
        "/account?done=saved",
    );
    assert!(page(&ada.get("/account")).contains("lovelace"));
    let secret = ada.session.clone().unwrap();
    let path = "/account/leave";
    let wrong = ada.send(path, path, &[("password", "wrong")]);
    page(&wrong.assert_status(422));
    let left = ada.send(path, path, &[("password", PASSWORD)]);
    leads(&left, "/account/sign-in?done=left");
    assert!(left.header("sbd-revoked").is_some() && ada.session.is_none());
    bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
    let keep = |password| [("identifier", "lovelace"), ("password", password)];
    let path = "/account/keep";
    page(&ada.send(path, path, &keep("wrong")).assert_status(401));
    leads(
        &ada.send(path, path, &keep(PASSWORD)),
        "/account/sign-in?done=stays",
    );
    Browser::enter(&app, "lovelace");
}

#[test]
fn an_administrator_in_a_users_place_is_told_so_on_every_page_and_changes_nothing() {
    let app = oauth::tenant();
    let user = app.run(USERS.find_one(json!({"username": "ada"}))).unwrap();
    let address = format!("/api/v1/auth/users/{}/impersonation", user.unwrap().id);
    let why = json!({"reason": "Asked for help", "mode": "cookie"});
    let mut browser = Browser::new(&app);
    browser.keep(oauth::root(&app).post(&address, why).assert_status(200));
    for page in ["/account", "/account/sessions"] {
        let shown = browser.client().get(page).assert_status(200);
        let shown = String::from_utf8_lossy(shown.bytes()).into_owned();
        assert!(
            shown.contains("in the place of somebody else"),
            "{page}: {shown}"
        );
    }
    let refused = browser.send(
        "/account/username",
        "/account/username",
        &[("username", "eve"), ("password", PASSWORD)],
    );
    let page = String::from_utf8_lossy(refused.bytes()).into_owned();
    assert_eq!(refused.status(), 403, "{page}");
    assert!(
        page.contains("<html") && page.contains("sign out of it"),
        "{page}"
    );
    let out = browser.send("/account", "/account/sign-out", &[]);
    out.assert_status(303);
    let after = browser.client().get("/account").assert_status(303);
    assert_eq!(after.header("location"), Some("/account/sign-in"));
}

#[test]
fn an_account_is_bound_to_places_and_a_mail_lets_another_one_in() {
    const PLACES: &str = "/account/lockdown";
    const LANDING: &str = "/account/mailed";
    let app = app();
    let mut ada = Browser::signed_in(&app, "ada");
    let verified = json!({"$set": {"email_verified_at": app.now()}});
    let verified = crate::store::USERS.update_one(json!({}), verified);
    app.run(verified).unwrap();
    let shown = ada.get(PLACES).assert_status(200);
    let shown = page(&shown);
    assert!(shown.contains("192.0.2.7") && shown.contains("is used from anywhere"));
    let set = |ada: &mut Browser<'_>, networks: &str, programs: &str| {
        let fields = [("networks", networks), ("programs", programs)];
        ada.send(PLACES, PLACES, &fields)
    };
    let refused = set(&mut ada, "198.51.100.0/24\r\n", " = other/1 \r\n").assert_status(422);
    let refused = page(&refused);
    assert!(
        refused.contains("leaves out where you are now"),
        "{refused}"
    );
    assert!(refused.contains("198.51.100.0/24") && refused.contains("= other/1"));
    let waits = set(
        &mut ada,
        "192.0.2.0/24\r\n2001:db8::/32\r\n",
        "browser\r\n= other/1",
    );
    leads(&waits, "/account/lockdown?done=mail");
    assert!(page(&ada.get(PLACES)).contains("A change waits"));
    app.run_tasks();
    // Whoever opens the mail elsewhere is signed in nowhere.
    let mut phone = Browser::new(&app);
    phone.place = ("198.51.100.1", "phone");
    let code = mailed(&app, "confirm-lockdown", "ada@example.com");
    let what = [("what", "confirm-lockdown"), ("code", &*code)];
    let bound = phone.send(LANDING, LANDING, &what);
    leads(&bound, "/account/sign-in?done=bound");
    let again = phone.send(LANDING, LANDING, &what).assert_status(401);
    assert!(page(&again).contains("This code is not known"));
    assert!(page(&ada.get(PLACES)).contains("= other/1"));

    let given = [("identifier", "ada"), ("password", PASSWORD), ("to", "")];
    let elsewhere = phone.send("/account/sign-in", "/account/sign-in", &given);
    assert!(page(&elsewhere.assert_status(403)).contains(r#"name="pass""#));
    app.run_tasks();
    let code = mailed(&app, "lockdown-attempt", "ada@example.com");
    let what = [("what", "allow-once"), ("code", &*code)];
    let about = phone.send(LANDING, LANDING, &what).assert_status(200);
    assert!(page(&about).contains("198.51.100.1"));
    // Nothing was let in by looking.
    let still = phone.send("/account/sign-in", "/account/sign-in", &given);
    still.assert_status(403);
    let how = [("how", "once"), ("code", &*code)];
    let allowed = phone.send(LANDING, "/account/lockdown/allowed-places", &how);
    leads(&allowed, "/account/sign-in?done=allowed");
    let allowed = phone.send(LANDING, "/account/lockdown/allowed-places", &how);
    allowed.assert_status(401);
    leads(
        &phone.send("/account/sign-in", "/account/sign-in", &given),
        "/account",
    );
    let shown = ada.get(PLACES);
    let (_, pass) = page(&shown)
        .split_once("/account/lockdown/passes/")
        .unwrap();
    let end = format!(
        "/account/lockdown/passes/{}",
        pass.split('"').next().unwrap()
    );
    leads(
        &ada.send(PLACES, &end, &[]),
        "/account/lockdown?done=removed",
    );
    phone.session = None;
    let over = phone.send("/account/sign-in", "/account/sign-in", &given);
    over.assert_status(403);

    // Who goes away has a pass.
    let refused = ada.send(PLACES, "/account/lockdown/passes", &[("hours", "x")]);
    assert!(page(&refused.assert_status(422)).contains("1 to 72"));
    let made = ada.send(PLACES, "/account/lockdown/passes", &[("hours", "2")]);
    let (_, rest) = page(&made).split_once(r#"class="secret">"#).unwrap();
    let pass = rest.split('<').next().unwrap();
    let by_pass = [&given[..], &[("pass", pass)]].concat();
    let signed_in = phone.send("/account/sign-in", "/account/sign-in", &by_pass);
    leads(&signed_in, "/account");
    phone.get("/account").assert_status(200);

    // By a passkey as well.
    let mut device = SoftDevice::new();
    let asked = send_there(&mut ada, "/account/passkeys/new", "name=laptop");
    let made = encoded(&device.made(&options(&asked)));
    let added = format!("name=laptop&credential={made}");
    let added = send_there(&mut ada, "/account/passkeys", &added);
    leads(&added, "/account/passkeys?done=saved");
    phone.session = None;
    let (begin, finish) = (
        "/account/sign-in/passkey",
        "/account/sign-in/passkey/finish",
    );
    let asked = send_there(&mut phone, begin, "");
    assert!(!page(&asked).contains(r#"name="pass""#));
    let answer = encoded(&device.answer(&options(&asked)));
    let refused = send_there(&mut phone, finish, &format!("credential={answer}"));
    assert!(page(&refused.assert_status(403)).contains(r#"id="pass-passkey""#));
    let asked = send_there(&mut phone, begin, &format!("pass={pass}"));
    assert!(page(&asked).contains(&format!(r#"name="pass" value="{pass}""#)));
    let answer = encoded(&device.answer(&options(&asked)));
    let answer = format!("credential={answer}&pass={pass}");
    leads(&send_there(&mut phone, finish, &answer), "/account");
    phone.get("/account").assert_status(200);
    // Whoever empties both is bound to nothing.
    leads(&set(&mut ada, " ", ""), "/account/lockdown?done=saved");
    assert!(page(&ada.get(PLACES)).contains("is used from anywhere"));
}
