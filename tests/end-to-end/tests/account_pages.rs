//! The account's pages in a browser, against the real server: by keyboard alone, in light and dark, on a phone and on
//! a desk. What axe-core finds wrong for whoever sees or handles them otherwise is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Browser, Launch, PASSWORD, Server};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;

const APP: &str = "[application.tool.sbd]\nauth = \"auth\"\n{component:auth}\n";

/// How far the Tab key may have to go.
const TABS: usize = 60;

/// What axe-core says of a page: what is wrong, and where.
const AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`))";

/// axe-core, as `cargo xtask test` got it; `None`, and said, where it has not.
fn axe() -> Option<String> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/axe-core");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if folder.join("complete").exists() {
        return Some(std::fs::read_to_string(script).unwrap());
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    let lacks = lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets it".to_owned());
    // libtest keeps back what `println!` prints in a test that passes.
    let mut shown = std::io::stdout();
    writeln!(shown, "SKIPPED-PEER: axe-core: {}", lacks.trim()).unwrap();
    None
}

/// The server by its name: passkeys are for names.
fn at(server: &Server, path: &str) -> String {
    let (_, port) = server.address().rsplit_once(':').unwrap();
    format!("http://localhost:{port}{path}")
}

/// Somebody who has a keyboard and nothing else.
struct Person {
    browser: Browser,
    axe: Option<String>,
    looked_at: Vec<String>,
}

impl Person {
    async fn new() -> Option<Self> {
        Some(Self {
            browser: Browser::start().await?,
            axe: axe(),
            looked_at: Vec::new(),
        })
    }

    /// Goes with the Tab key to what an expression says of the element that has the focus.
    async fn tab_to(&mut self, what: &str) {
        let there = format!("((it) => {what})(document.activeElement)");
        for _ in 0..TABS {
            self.browser.press("Tab").await;
            if self.browser.evaluate(&there).await == true {
                return;
            }
        }
        panic!("the keyboard does not lead to {what}");
    }

    async fn fill(&mut self, field: &str, text: &str) {
        self.tab_to(&format!("it.name === '{field}'")).await;
        self.browser.type_in(text).await;
    }

    /// Presses what has this text, and waits for the page that it leads to.
    async fn press(&mut self, text: &str, path: &str) {
        self.tab_to(&format!(
            "['A', 'BUTTON'].includes(it.tagName) && it.textContent.trim() === '{text}'"
        ))
        .await;
        self.browser.evaluate("globalThis.before = true").await;
        self.browser.press("Enter").await;
        self.arrive(path).await;
    }

    async fn arrive(&mut self, path: &str) {
        let there = format!(
            "!globalThis.before && location.pathname === '{path}' && document.readyState === 'complete'"
        );
        self.browser.wait_for(&there).await;
        assert_eq!(
            self.browser.complaints().await,
            Vec::<String>::new(),
            "{path}"
        );
    }

    async fn says(&mut self, text: &str) {
        let said = self.browser.evaluate("document.body.innerText").await;
        assert!(said.as_str().unwrap().contains(text), "{text}: {said}");
    }

    /// Looks at the page that is shown, in every way that people do.
    async fn look(&mut self, name: &str) {
        for (form, width, height, mobile) in [("phone", 360, 780, true), ("desk", 1280, 900, false)]
        {
            let size = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
            });
            self.browser
                .command("Emulation.setDeviceMetricsOverride", size)
                .await;
            for scheme in ["light", "dark"] {
                let media =
                    json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
                self.browser
                    .command("Emulation.setEmulatedMedia", media)
                    .await;
                let what = format!("{name}-{form}-{scheme}");
                let fits = "document.documentElement.scrollWidth <= innerWidth";
                assert_eq!(
                    self.browser.evaluate(fits).await,
                    true,
                    "{what} is too wide"
                );
                if let Some(folder) = std::env::var_os("SBD_PICTURES") {
                    let picture = self.browser.picture().await;
                    let path = PathBuf::from(folder).join(format!("{what}.png"));
                    std::fs::write(path, picture).unwrap();
                }
                if let Some(axe) = &self.axe {
                    self.browser.evaluate(&format!("{axe};0")).await;
                    let found = self.browser.evaluate(AXE).await;
                    assert_eq!(found, json!([]), "{what}");
                }
            }
        }
        self.looked_at.push(name.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_used_and_left_by_keyboard_alone() {
    let Some(mut ada) = Person::new().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    ada.browser.go(&at(&server, "/account")).await;
    ada.arrive("/account/sign-in").await;
    ada.look("sign-in").await;

    // The first stop of the keyboard goes past all that is on every page.
    ada.browser.press("Tab").await;
    let skips = "document.activeElement.getAttribute('href') === '#main'";
    assert_eq!(ada.browser.evaluate(skips).await, true);

    ada.press("Forgot your password?", "/account/forgot-password")
        .await;
    ada.look("forgot-password").await;
    ada.press("Back to the sign-in", "/account/sign-in").await;
    ada.press("Open an account", "/account/register").await;
    ada.look("register").await;
    ada.fill("username", "ada").await;
    ada.fill("email", "ada@example.com").await;
    ada.fill("password", "Correct-horse").await;
    ada.press("Open an account", "/account/register").await;
    ada.says("This was not taken").await;
    ada.look("register-refused").await;
    // What was right is still there, and the focus is where something is to be done.
    let focus = "document.activeElement.name + ' ' + document.forms[0].elements.username.value";
    assert_eq!(ada.browser.evaluate(focus).await, "password ada");
    ada.browser.type_in(PASSWORD).await;
    ada.browser.evaluate("globalThis.before = true").await;
    ada.browser.press("Enter").await;
    ada.arrive("/account").await;
    ada.says("ada@example.com (not confirmed)").await;
    ada.look("account").await;

    ada.press("Sign out", "/account/sign-in").await;
    ada.says("You are signed out.").await;
    ada.fill("identifier", "ada").await;
    ada.fill("password", "wrong").await;
    ada.press("Sign in", "/account/sign-in").await;
    ada.look("sign-in-refused").await;
    ada.fill("password", PASSWORD).await;
    ada.press("Sign in", "/account").await;

    ada.press("Sessions", "/account/sessions").await;
    ada.says("(this one)").await;
    ada.look("sessions").await;

    ada.press("Second factor", "/account/second-factor").await;
    ada.look("second-factor").await;
    ada.press(
        "Set up an authenticator app",
        "/account/second-factor/set-up",
    )
    .await;
    ada.look("second-factor-set-up").await;
    ada.fill("code", "000000").await;
    ada.press("Turn on", "/account/second-factor/turn-on").await;
    ada.says("This was not taken").await;
    ada.browser.go(&at(&server, "/account/confirm")).await;
    ada.look("confirm").await;

    ada.press("Tokens", "/account/tokens").await;
    ada.look("tokens-none").await;
    ada.fill("name", "a script").await;
    ada.fill("scopes", "families:read").await;
    ada.press("Make a token", "/account/tokens").await;
    ada.says("it is not shown again").await;
    ada.look("token-made").await;
    let token = ada
        .browser
        .evaluate("document.querySelector('.secret').textContent");
    let token = token.await.as_str().unwrap().to_owned();
    let asked = server
        .client
        .get(server.at("/api/v1/auth/me"))
        .bearer_auth(token);
    let status = asked.send().await.unwrap().status();
    assert_eq!(status, 403, "it is somebody's, who may not do this with it");
    ada.press("I have copied it", "/account/tokens").await;
    ada.look("tokens").await;

    ada.press("Places", "/account/lockdown").await;
    ada.says("is used from anywhere").await;
    ada.look("places").await;
    ada.fill("networks", "198.51.100.0/24").await;
    ada.press("Bind the account to places", "/account/lockdown")
        .await;
    ada.says("leaves out where you are now").await;
    ada.look("places-refused").await;
    ada.press("Programs", "/account/programs").await;
    ada.look("programs").await;
    ada.press("Activity", "/account/activity").await;
    ada.says("A token was made").await;
    ada.look("activity").await;
    ada.press("Account", "/account").await;
    ada.press("Change the password", "/account/password").await;
    ada.look("password").await;
    ada.press("Account", "/account").await;
    ada.press("Change the address", "/account/address").await;
    ada.look("address").await;
    ada.browser.go(&at(&server, "/account/device")).await;
    ada.look("device").await;
    ada.browser
        .go(&at(&server, "/account/consent?request=oar_none"))
        .await;
    ada.look("problem").await;

    // Nothing that a script could read, and nothing that another site sends counts.
    assert_eq!(ada.browser.evaluate("document.cookie").await, "");
    let action = at(&server, "/account/sign-out");
    let evil = format!(
        "document.body.innerHTML = `<form method=post action='{action}'><input name=form_token></form>`;
         document.forms[0].submit()"
    );
    ada.browser.go(&server.at("/.well-known/jwks.json")).await;
    ada.browser.evaluate(&evil).await;
    // It came without the cookie, and signs nobody out: who is signed in is led on from the sign-in.
    let still = format!("location.href === '{}'", at(&server, "/account"));
    ada.browser.wait_for(&still).await;
    ada.browser.complaints().await;
    ada.says("ada@example.com").await;

    ada.press("Sign out", "/account/sign-in").await;
    ada.browser.go(&at(&server, "/account/sessions")).await;
    ada.arrive("/account/sign-in").await;
}

/// The id of the passkey on the page.
async fn passkey(person: &mut Person) -> String {
    let link = "document.querySelector('a[href$=\"/name\"]').href";
    let link = person.browser.evaluate(link).await;
    link.as_str()
        .unwrap()
        .rsplit('/')
        .nth(1)
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_and_signs_in() {
    let Some(mut ada) = Person::new().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    Account::register(&server, "ada").await;
    ada.browser.with_passkeys().await;
    let sign_in = "/account/sign-in?to=/account/passkeys";
    ada.browser.go(&at(&server, sign_in)).await;
    ada.look("sign-in-passkey").await;
    ada.fill("identifier", "ada").await;
    ada.fill("password", PASSWORD).await;
    ada.press("Sign in", "/account/passkeys").await;
    ada.fill("name", "laptop").await;
    ada.press("Add a passkey", "/account/passkeys").await;
    ada.says("laptop").await;
    ada.look("passkeys").await;
    // A browser offers it where a name is typed, and this one's user takes it at once.
    ada.press("Sign out", "/account").await;
    ada.says("ada@example.com").await;
    // Another does not, and they ask for it.
    let offers_none = "PublicKeyCredential.isConditionalMediationAvailable = async () => false";
    let before_each_page = "Page.addScriptToEvaluateOnNewDocument";
    ada.browser
        .command(before_each_page, json!({"source": offers_none}))
        .await;
    ada.press("Sign out", "/account/sign-in").await;
    ada.press("Use a passkey", "/account").await;
    ada.says("ada@example.com").await;
    ada.press("Passkeys", "/account/passkeys").await;
    let own = passkey(&mut ada).await;
    ada.press("Rename", &format!("/account/passkeys/{own}/name"))
        .await;
    ada.look("passkey-name").await;
    ada.fill("name", "old ").await;
    ada.press("Rename", "/account/passkeys").await;
    ada.says("old").await;
    ada.press("Remove", "/account/passkeys").await;
    ada.says("Removed.").await;
    // Nobody has it any more.
    ada.press("Sign out", "/account/sign-in").await;
    ada.press("Use a passkey", "/account/sign-in/passkey/finish")
        .await;
    ada.says("This was not taken").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_allowed_and_leads_back() {
    let Some(mut ada) = Person::new().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    Account::register(&server, "ada").await;
    let root = Account::administrator(&server).await;
    // Where the program waits for its user: nothing answers there.
    let back = "http://127.0.0.1:9/cb";
    let client = json!({
        "name": "Reader", "redirect_uris": [back], "confidential": false,
        "scopes": ["notes:*", "families:read"],
    });
    let made = root
        .post("/api/v1/auth/oauth/clients", &client)
        .send()
        .await;
    let made: Value = made.unwrap().json().await.unwrap();
    let asked = format!(
        "/oauth/authorize?response_type=code&client_id={}&redirect_uri={}&state=xyz\
         &scope=notes:read%20families:read&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        made["id"].as_str().unwrap(),
        back.replace(':', "%3A").replace('/', "%2F"),
    );
    let asked = at(&server, &asked);
    ada.browser.go(&asked).await;
    ada.arrive("/account/sign-in").await;
    ada.fill("identifier", "ada").await;
    ada.fill("password", PASSWORD).await;
    ada.press("Sign in", "/account/consent").await;
    ada.says("Reader asks to act for you").await;
    ada.look("consent").await;
    ada.tab_to("it.id === 'scope/families:read'").await;
    ada.browser.press(" ").await;
    ada.tab_to("it.value === 'allow'").await;
    ada.browser.press("Enter").await;
    // Where it leads nothing listens: that the browser went there is enough.
    ada.browser
        .wait_for("location.href === 'chrome-error://chromewebdata/'")
        .await;
    ada.browser.complaints().await;
    ada.browser.go(&at(&server, "/account/programs")).await;
    ada.says("notes:read").await;
    ada.look("programs-some").await;
    ada.browser.go(&at(&server, "/account/device")).await;
    ada.look("device").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_goes_from_the_link_of_a_mail_into_its_form() {
    let Some(mut ada) = Person::new().await else {
        return;
    };
    let server = Launch::app(APP).start().await;
    let landing = at(&server, "/account/mailed");
    ada.browser.go(&landing).await;
    ada.look("mailed").await;
    ada.browser.go(&at(&server, "/account/sign-in")).await;
    ada.browser
        .go(&format!("{landing}#reset-password=mt_abc-_123"))
        .await;
    let filled = "((form) => [form.elements.code.value, form.elements.what.value, location.hash,
        document.activeElement.textContent])(document.forms[0])";
    ada.browser
        .wait_for("document.forms[0].elements.code.value !== ''")
        .await;
    assert_eq!(
        ada.browser.evaluate(filled).await,
        json!(["mt_abc-_123", "reset-password", "", "Continue"])
    );
    ada.browser.evaluate("globalThis.before = true").await;
    ada.browser.press("Enter").await;
    ada.arrive("/account/mailed").await;
    ada.look("reset-password").await;
    ada.fill("new_password", PASSWORD).await;
    ada.press("Set the password", "/account/reset-password")
        .await;
    ada.says("This code is not known").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_site_sends_with_the_cookie_is_refused() {
    let server = Launch::app(APP).start().await;
    let client = reqwest::Client::new();
    let account = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD});
    assert_eq!(
        server
            .post("/api/v1/auth/register", &account)
            .await
            .status(),
        201
    );
    let login = json!({"identifier": "ada", "password": PASSWORD, "mode": "cookie"});
    let signed_in = server.post("/api/v1/auth/login", &login).await;
    assert_eq!(signed_in.status(), 204);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let (cookie, told) = cookie.split_once("; ").unwrap();
    assert_eq!(told, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    let send = async |path: &str, headers: &[(&str, &str)]| {
        let request = client.post(server.at(path)).header("cookie", cookie);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        (
            status,
            body["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let refused = (403, "CROSS_SITE_REQUEST".to_owned());
    for path in ["/api/v1/auth/logout", "/account/sign-out"] {
        assert_eq!(send(path, &[]).await, refused);
        assert_eq!(
            send(path, &[("sec-fetch-site", "cross-site")]).await,
            refused
        );
        assert_eq!(
            send(path, &[("origin", "https://evil.example")]).await,
            refused
        );
    }
    let own = [("sec-fetch-site", "same-origin")];
    // A page of ours has a token in its forms besides, which answers with a page.
    let form = [
        own[0],
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(send("/account/sign-out", &form).await, (403, String::new()));
    let read = client
        .get(server.at("/api/v1/auth/me"))
        .header("cookie", cookie);
    assert_eq!(read.send().await.unwrap().status(), 200);
    assert_eq!(send("/api/v1/auth/logout", &own).await.0, 204);
    let after = client
        .get(server.at("/api/v1/auth/me"))
        .header("cookie", cookie);
    assert_eq!(after.send().await.unwrap().status(), 401, "at once");
}
