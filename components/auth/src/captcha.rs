//! Whether somebody is a person: asked of a service that shows them a task, hCaptcha, Turnstile, or one that is asked
//! as they are. Administrators set it up; without it nobody is asked.
//!
//! It is asked for where anybody can have much done for nothing: an account, a mail for a new password, and passwords
//! that are tried. Where the service cannot be asked, nobody gets further.

use crate::confirmation;
use crate::model::Device;
use crate::oauth::redirect;
use crate::providers::outside::{self, Ask};
use crate::store::CAPTCHAS;
use crate::throttle;
use http::StatusCode;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, vault};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// There is one.
const ID: &str = "captcha";
/// What secrets are sealed for.
const PURPOSE: &str = "captcha-secret";
/// Bytes of a site's key and of a secret, at most.
const MAX_KEY: usize = 2000;
/// Bytes of an answer at most: those of hCaptcha have some thousand.
const MAX_ANSWER: usize = 8 * 1024;
/// How often signing in may fail before it is asked for, unless administrators say otherwise.
const USUAL_FAILURES: u8 = 3;
/// How many times as often it may fail from one network, whatever the names: there may be many people.
const FROM_NETWORK: i64 = 5;

/// What is answered to who has not shown to be a person.
pub(crate) const REQUIRED: &str = "CAPTCHA_REQUIRED";

/// Whose service it is, which says what it takes in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Of Cloudflare, or one that does as it does.
    Turnstile,
    /// Of Intuition Machines, or one that does as it does.
    Hcaptcha,
}

/// What is set up, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Captcha {
    #[serde(rename = "_id")]
    id: String,
    pub(crate) kind: Kind,
    /// What the service calls this site; everybody may know it.
    pub(crate) site_key: String,
    /// Sealed.
    secret: String,
    /// Where answers are checked.
    pub(crate) verify_url: String,
    /// What pages load to show the task.
    pub(crate) script_url: String,
    /// How often signing in may fail before it is asked for.
    pub(crate) after_failures: u8,
    pub(crate) updated_at: Time,
}

/// What is to be set up.
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) site_key: String,
    /// The one there is stays, without one.
    pub(crate) secret: Option<String>,
    pub(crate) verify_url: Option<String>,
    pub(crate) script_url: Option<String>,
    pub(crate) after_failures: Option<u8>,
}

/// What a service says of an answer.
#[derive(Deserialize)]
struct Verdict {
    success: bool,
    #[serde(default, rename = "error-codes")]
    problems: Vec<String>,
}

/// What is set up, if anything is.
pub(crate) async fn get() -> Result<Option<Captcha>> {
    Ok(CAPTCHAS.get(ID).await?)
}

/// Sets it up, which is recorded, but for its secret.
pub(crate) async fn set(by: &Caller, wanted: Wanted) -> Result<Captcha> {
    let after_failures = wanted.after_failures.unwrap_or(USUAL_FAILURES);
    let verify_url = wanted.verify_url.as_deref();
    let verify_url = verify_url.unwrap_or(wanted.kind.verify_url());
    let script_url = wanted.script_url.as_deref();
    let script_url = script_url.unwrap_or(wanted.kind.script_url());
    check(&wanted, verify_url, script_url, after_failures)?;
    confirmation::fresh(by).await?;
    let secret = match (&wanted.secret, get().await?) {
        (Some(secret), _) => vault::encrypt(PURPOSE, ID, secret).await?,
        (None, Some(before)) => before.secret,
        (None, None) => return Err(Error::validation("secret", "is missing")),
    };
    let captcha = Captcha {
        id: ID.to_owned(),
        kind: wanted.kind,
        site_key: wanted.site_key,
        secret,
        verify_url: verify_url.to_owned(),
        script_url: script_url.to_owned(),
        after_failures,
        updated_at: time::now(),
    };
    let told = json!({
        "kind": captcha.kind, "site_key": captcha.site_key, "verify_url": captcha.verify_url,
        "script_url": captcha.script_url, "after_failures": after_failures, "by": by.user,
    });
    let change = Transaction::new()
        .delete_many(&CAPTCHAS, json!({"_id": ID}))
        .insert(&CAPTCHAS, &captcha)
        .audit(ID, "captcha.changed", &told);
    match change.commit().await {
        Ok(_) => Ok(captcha),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "somebody else changed it at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

fn check(wanted: &Wanted, verify_url: &str, script_url: &str, after_failures: u8) -> Result<()> {
    let is_key = |key: &str| {
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    // Over https, or of a test on the same machine.
    let is_address = |url: &str| url.starts_with("http") && redirect::is_registrable(url);
    // It stands in a header that has signs of its own.
    let is_script = is_address(script_url) && !script_url.contains([';', ',', '\'']);
    let most = u8::try_from(throttle::SIGN_IN.most).unwrap_or(u8::MAX);
    let address = "an address like `https://captcha.example/verify`";
    crate::registration::refuse(&[
        (
            "site_key",
            (!is_key(&wanted.site_key)).then_some("1 to 2000 characters without blanks"),
        ),
        (
            "secret",
            wanted
                .secret
                .as_ref()
                .is_some_and(|secret| !is_key(secret))
                .then_some("1 to 2000 characters without blanks"),
        ),
        ("verify_url", (!is_address(verify_url)).then_some(address)),
        ("script_url", (!is_script).then_some(address)),
        (
            "after_failures",
            (!(1..=most).contains(&after_failures)).then_some("a number from 1 to 10"),
        ),
    ])
}

/// Takes it away: nobody is asked any more.
pub(crate) async fn remove(by: &Caller) -> Result<()> {
    confirmation::fresh(by).await?;
    let change = Transaction::new()
        .delete_one(&CAPTCHAS, json!({"_id": ID}))
        .audit(ID, "captcha.removed", &json!({"by": by.user}));
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("captcha")),
        Err(error) => Err(error.into()),
    }
}

/// Refuses whoever has not shown to be a person, where that is asked for.
pub(crate) async fn required(device: &Device) -> Result<()> {
    match get().await? {
        Some(captcha) => captcha.solved(device).await,
        None => Ok(()),
    }
}

/// The same of whoever signs in, once it has failed: the how manieth attempt it is under its name, and from its
/// network. Whether there is such an account decides nothing.
pub(crate) async fn required_after(attempt: i64, from: i64, device: &Device) -> Result<()> {
    if attempt <= 1 && from <= FROM_NETWORK {
        return Ok(());
    }
    match get().await? {
        Some(captcha) if captcha.is_due(attempt, from) => captcha.solved(device).await,
        _ => Ok(()),
    }
}

// === impl Kind ===

impl Kind {
    fn verify_url(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            Self::Hcaptcha => "https://api.hcaptcha.com/siteverify",
        }
    }

    fn script_url(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/api.js",
            Self::Hcaptcha => "https://js.hcaptcha.com/1/api.js",
        }
    }

    /// The class of the element in which its script shows the task.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Turnstile => "cf-turnstile",
            Self::Hcaptcha => "h-captcha",
        }
    }
}

// === impl Captcha ===

impl Captcha {
    fn is_due(&self, attempt: i64, from: i64) -> bool {
        let most = i64::from(self.after_failures);
        attempt > most || from > most * FROM_NETWORK
    }

    /// Of where a page loads it: hCaptcha has several hosts for that.
    pub(crate) fn sources(&self) -> String {
        if self.script_url == Kind::Hcaptcha.script_url() {
            return "https://hcaptcha.com https://*.hcaptcha.com".to_owned();
        }
        let end = self.script_url.match_indices('/').nth(2);
        let origin = end.and_then(|(end, _)| self.script_url.get(..end));
        origin.unwrap_or(&self.script_url).to_owned()
    }

    /// Refuses whoever has not solved it.
    async fn solved(&self, device: &Device) -> Result<()> {
        let Some(answer) = device
            .captcha
            .as_deref()
            .filter(|answer| !answer.is_empty())
        else {
            return Err(unsolved(
                "show that you are a person: solve what `GET /api/v1/auth/captcha` names, and send the answer as `captcha`",
            ));
        };
        // Each is a question to somebody else's server.
        if let Some(address) = &device.address {
            let attempts = throttle::CAPTCHA.of_network(address);
            attempts.count(time::now()).await?;
        }
        match answer.len() <= MAX_ANSWER && self.confirms(answer, device).await? {
            true => Ok(()),
            false => Err(unsolved(
                "this answer is wrong, too old, or was used; solve another one",
            )),
        }
    }

    async fn confirms(&self, answer: &str, device: &Device) -> Result<bool> {
        let secret = vault::decrypt(PURPOSE, ID, &self.secret).await?.text();
        let secret = secret.ok_or_else(|| failed("its secret does not open; set it again"))?;
        let address = device.address.as_deref();
        let fields = [
            ("secret", &*secret),
            ("response", answer),
            ("sitekey", &self.site_key),
        ];
        let fields = fields
            .into_iter()
            .chain(address.map(|address| ("remoteip", address)));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let said = outside::ask(Ask {
            to: &self.verify_url,
            authorization: None,
            form: Some(form),
        });
        let said = said.await;
        let said = said.map_err(|error| failed(error.cause().unwrap_or_default()))?;
        let verdict: Verdict =
            serde_json::from_value(said).map_err(|error| failed(&error.to_string()))?;
        // What is wrong with the setup is no fault of whoever answers.
        let is_setup = |problem: &String| problem.contains("secret") || problem.contains("sitekey");
        match verdict.problems.iter().any(is_setup) {
            true => Err(failed(&verdict.problems.join(", "))),
            false => Ok(verdict.success),
        }
    }
}

fn unsolved(message: &'static str) -> Error {
    Error::new(StatusCode::FORBIDDEN, REQUIRED, message)
}

/// A service that cannot be asked. Why is for the log.
fn failed(cause: &str) -> Error {
    let message = "whether you are a person cannot be checked just now; try again in a while, and tell an administrator if it goes on";
    Error::new(StatusCode::SERVICE_UNAVAILABLE, "CAPTCHA_FAILED", message)
        .caused_by(format_args!("captcha: {cause}"))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, register};
    use sbd_sdk::testing::{App, Call, Client, Reply};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::Value;

    const AT: &str = "/api/v1/auth/captcha";
    const WRONG: &str = "Wrong-horse-7";

    /// An administrator who has just shown who they are.
    fn root(app: &App) -> Client<'_> {
        register(app, "rita").assert_status(201);
        let tokens = login(app, "rita", PASSWORD);
        let rita = crate::tests::bearer(app, tokens.text("access_token"));
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", rita.text("user"))
            .in_session(rita.text("session"))
            .with_roles(["user", "admin"])
            .with_scopes(scopes))
    }

    fn wanted() -> Value {
        json!({
            "kind": "turnstile", "site_key": "site", "secret": "hush",
            "verify_url": "https://captcha.example/verify", "script_url": "https://captcha.example/api.js",
        })
    }

    /// A service that takes one answer, once it is set up.
    pub(crate) fn set_up(app: &App) {
        app.on_call(|call: &Call| {
            assert_eq!((&*call.to, &*call.path), ("captcha.example", "/verify"));
            let form = call.body.as_str().unwrap();
            assert!(form.contains("secret=hush&"), "{form}");
            let good = form.contains("response=good&");
            let problems = if good {
                vec![]
            } else {
                vec!["invalid-input-response"]
            };
            (200, json!({"success": good, "error-codes": problems}))
        });
        root(app).put(AT, wanted()).assert_status(200);
    }

    fn open(app: &App, name: &str, answer: Option<&str>) -> Reply {
        let email = format!("{name}@example.com");
        let mut account = json!({"username": name, "email": email, "password": PASSWORD});
        if let Some(answer) = answer {
            account["captcha"] = json!(answer);
        }
        app.anonymous().post("/api/v1/auth/register", account)
    }

    #[test]
    fn whoever_opens_an_account_or_wants_a_mail_shows_to_be_a_person() {
        let app = app();
        app.anonymous().get(AT).assert_refused(404, "NOT_FOUND");
        open(&app, "ada", None).assert_status(201);
        // What nobody asks for is nothing wrong.
        open(&app, "bob", Some("x")).assert_status(201);
        set_up(&app);
        let shown = app.anonymous().get(AT).assert_status(200);
        assert_eq!(shown["site_key"], "site");
        assert!(!shown.body().to_string().contains("hush"));
        for answer in [None, Some(""), Some("bad"), Some(&*"x".repeat(9000))] {
            open(&app, "eve", answer).assert_refused(403, REQUIRED);
        }
        open(&app, "eve", Some("good")).assert_status(201);
        let resets = "/api/v1/auth/password-resets";
        let ask = |body: Value| app.anonymous().post(resets, body);
        ask(json!({"email": "ada@example.com"})).assert_refused(403, REQUIRED);
        ask(json!({"email": "nobody@example.com"})).assert_refused(403, REQUIRED);
        assert!(app.enqueued().is_empty());
        ask(json!({"email": "ada@example.com", "captcha": "good"})).assert_status(204);
    }

    #[test]
    fn whoever_fails_to_sign_in_is_asked_and_names_make_no_difference() {
        let app = app();
        register(&app, "ada").assert_status(201);
        set_up(&app);
        let answered = |name: &str, password: &str| {
            let request = json!({"identifier": name, "password": password, "captcha": "good"});
            app.anonymous().post("/api/v1/auth/login", request)
        };
        for name in ["ada", "nobody"] {
            for _ in 0..USUAL_FAILURES {
                login(&app, name, WRONG).assert_refused(401, "INVALID_CREDENTIALS");
            }
            for password in [WRONG, PASSWORD] {
                login(&app, name, password).assert_refused(403, REQUIRED);
            }
            answered(name, WRONG).assert_refused(401, "INVALID_CREDENTIALS");
        }
        answered("ada", PASSWORD).assert_status(200);
        // Whoever gets in starts anew.
        login(&app, "ada", PASSWORD).assert_status(200);
    }

    #[test]
    fn a_network_that_tries_many_names_is_asked() {
        let app = app();
        register(&app, "ada").assert_status(201);
        set_up(&app);
        let from = |address: &str, name: &str| {
            let request = json!({"identifier": name, "password": WRONG});
            let device = app.anonymous().with_header("spin-client-addr", address);
            device.post("/api/v1/auth/login", request)
        };
        for n in 0..i64::from(USUAL_FAILURES) * FROM_NETWORK {
            from("192.0.2.7:1", &format!("user-{n}")).assert_status(401);
        }
        from("192.0.2.7:1", "ada").assert_refused(403, REQUIRED);
        from("192.0.2.8:1", "ada").assert_refused(401, "INVALID_CREDENTIALS");
    }

    #[test]
    fn where_the_service_fails_nobody_gets_further() {
        let app = app();
        set_up(&app);
        let answers = [
            (500, json!("down")),
            (200, json!({"success": "yes"})),
            (200, json!([])),
            (
                200,
                json!({"success": false, "error-codes": ["invalid-input-secret"]}),
            ),
        ];
        for (status, said) in answers {
            app.on_call(move |_: &Call| (status, said.clone()));
            open(&app, "ada", Some("good")).assert_refused(503, "CAPTCHA_FAILED");
        }
        app.lose_vault_keys();
        open(&app, "ada", Some("good")).assert_refused(503, "CAPTCHA_FAILED");
    }

    #[test]
    fn administrators_set_it_up_and_take_it_away() {
        let app = app();
        let root = root(&app);
        let bad = [
            ("kind", json!("none")),
            ("site_key", json!("")),
            ("site_key", json!("a b")),
            ("secret", json!("")),
            ("secret", json!(null)),
            ("verify_url", json!("captcha.example")),
            ("verify_url", json!("http://captcha.example/")),
            ("script_url", json!("javascript:alert(1)")),
            ("script_url", json!("https://x.example/a;script-src *")),
            ("after_failures", json!(0)),
            ("after_failures", json!(11)),
            ("more", json!(1)),
        ];
        for (field, value) in bad {
            let mut wanted = wanted();
            wanted[field] = value;
            let refused = root.put(AT, wanted.clone());
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        app.anonymous().get(AT).assert_refused(404, "NOT_FOUND");
        root.put(AT, wanted()).assert_status(200);
        // The secret there is stays, and what the kind says is taken for granted.
        let changed = root.put(AT, json!({"kind": "hcaptcha", "site_key": "other"}));
        let changed = changed.assert_status(200);
        assert_eq!(changed["verify_url"], Kind::Hcaptcha.verify_url());
        assert_eq!(changed["after_failures"], USUAL_FAILURES);
        assert!(!format!("{:?}", app.recorded()).contains("hush"));
        app.advance(confirmation::FRESH);
        root.delete(AT).assert_refused(403, "CONFIRMATION_REQUIRED");
        let fresh = json!({"password": PASSWORD});
        root.post("/api/v1/auth/me/confirm", fresh)
            .assert_status(204);
        root.delete(AT).assert_status(204);
        root.delete(AT).assert_refused(404, "NOT_FOUND");
    }
}
