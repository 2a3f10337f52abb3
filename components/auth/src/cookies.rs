//! Sessions that a browser keeps: in a cookie that no script can read.
//!
//! Its value is a secret of the session, of which the digest alone is kept. It is good for as long as the session
//! is, which moves with use. The host takes it for a token and shows it to nobody, this component neither; that a
//! page of ours sends it is the host's to see.

use crate::model::{SESSION_ABSOLUTE, Session, User};
use crate::remembered::{self, Secret};
use crate::store::{SESSIONS, USERS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use sbd_sdk::authentication::Identity;
use sbd_sdk::time;
use sbd_sdk::{Error, Result, session_cookie};
use serde_json::json;
use std::time::Duration;

/// What the secret of a session begins with.
pub(crate) const PREFIX: &str = "sc_";
/// How long the host takes one for granted: its use is noted no more often.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// The cookie of a device that is remembered, and where it is sent: to no other component, and to nothing of this one
/// but the sign-in, by the API and by a page.
const DEVICE: &str = "sbd-device";
const SIGN_IN: [&str; 2] = ["/api/v1/auth/login", "/account/sign-in"];
/// Where the host writes to which address a request was sent, as it knows it to be true.
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");

/// The secret of a session.
pub(crate) fn secret() -> Result<String> {
    let random = URL_SAFE_NO_PAD.encode(tokens::random()?);
    Ok(format!("{PREFIX}{random}"))
}

/// Whose session has this secret, if it lasts.
pub(crate) async fn bearer(secret: &str) -> Result<Identity> {
    let now = time::now();
    let kept = json!({"cookie": tokens::digest(secret)});
    let session = SESSIONS.find_one(kept).await?;
    let session = session.filter(|session| session.is_alive(now));
    let session = session.ok_or_else(tokens::session_over)?;
    let user = USERS.get(&session.user_id).await?;
    let user = user.filter(User::may_act);
    let user = user.ok_or_else(tokens::session_over)?;
    let session = match now.since(session.last_used_at) >= KNOWN_FOR {
        true => used(session.used(now)).await?,
        false => session,
    };
    let end = session.expires_at;
    Ok(tokens::identity(user, Some(session), end))
}

async fn used(session: Session) -> Result<Session> {
    let used =
        json!({"$set": {"last_used_at": session.last_used_at, "expires_at": session.expires_at}});
    SESSIONS
        .update_one(json!({"_id": session.id}), used)
        .await?;
    Ok(session)
}

/// Has the browser keep a secret.
pub(crate) fn keep(headers: &HeaderMap, secret: &str) -> Result<HeaderValue> {
    set(headers, secret, SESSION_ABSOLUTE)
}

/// Has the browser keep the secret of a device that is remembered, for whoever signs in there.
pub(crate) fn keep_device(
    headers: &HeaderMap,
    Secret(secret): &Secret,
) -> [Result<HeaderValue>; 2] {
    let secure = if is_secure(headers) { "; Secure" } else { "" };
    let age = remembered::GOOD_FOR.as_secs();
    SIGN_IN.map(|path| {
        let cookie = format!(
            "{DEVICE}={secret}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
        );
        HeaderValue::try_from(cookie).map_err(Error::internal)
    })
}

/// The secret of a device that is remembered, where the browser keeps one.
pub(crate) fn device(headers: &HeaderMap) -> Option<Secret> {
    let lines = headers.get_all(COOKIE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';').filter_map(|pair| pair.split_once('=')));
    let device = pairs.find(|(name, _)| name.trim() == DEVICE);
    device.map(|(_, secret)| Secret(secret.trim().to_owned()))
}

/// Has the browser forget what it keeps.
pub(crate) fn forget(headers: &HeaderMap) -> Result<HeaderValue> {
    set(headers, "", Duration::ZERO)
}

/// `Lax`: whoever follows a link to this server is signed in; what another site posts here is nobody's.
fn set(headers: &HeaderMap, value: &str, good_for: Duration) -> Result<HeaderValue> {
    let https = is_secure(headers);
    let name = session_cookie::name(https);
    let secure = if https { "; Secure" } else { "" };
    let age = good_for.as_secs();
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).map_err(Error::internal)
}

/// Whether a request came over https.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    let url = headers.get(FULL_URL);
    url.is_some_and(|url| url.as_bytes().starts_with(b"https://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SESSION_IDLE;
    use crate::tests::{PASSWORD, app, bearer, register, signed_in_by};
    use sbd_sdk::testing::{App, Reply};

    fn login(app: &App, url: &str) -> Reply {
        let request = json!({"identifier": "ada", "password": PASSWORD, "mode": "cookie"});
        let browser = app.anonymous().with_header("spin-full-url", url);
        browser.post("/api/v1/auth/login", request)
    }

    /// The name and the value of the cookie that an answer sets, and what the browser is told of it.
    fn cookie(answer: &Reply) -> (String, String, String) {
        let cookie = answer.header("set-cookie").unwrap_or_default();
        let (pair, told) = cookie.split_once("; ").unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or_default();
        (name.to_owned(), value.to_owned(), told.to_owned())
    }

    #[test]
    fn the_scheme_decides_what_the_cookie_is_called() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let told = "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax";
        for (url, name, secure) in [
            ("https://a.example/x", "__Host-sbd-session", "; Secure"),
            ("http://a.example/x", "sbd-session", ""),
            ("", "sbd-session", ""),
        ] {
            let answer = login(&app, url).assert_status(204);
            let (found, value, attributes) = cookie(&answer);
            assert_eq!((&*found, attributes), (name, format!("{told}{secure}")));
            assert!(value.starts_with(PREFIX) && value.len() == 46, "{value}");
            assert!(answer.bytes().is_empty());
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }

    #[test]
    fn it_lasts_as_long_as_its_session() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let (_, secret, _) = cookie(&login(&app, "http://a.example/"));
        let session = || app.run(SESSIONS.find_one(json!({}))).ok().flatten();
        let first = bearer(&app, &secret).assert_status(200);
        let begun = session().map(|session| (session.last_used_at, session.expires_at));
        assert_eq!(begun, Some((app.now(), app.now() + SESSION_IDLE)));
        assert_eq!(first["expires_at"], (app.now() + SESSION_IDLE).to_string());
        let stored = session().and_then(|session| serde_json::to_string(&session).ok());
        assert!(!stored.unwrap_or_default().contains(&secret[3..]));
        // Use moves its end, and is noted no more often than the host asks.
        app.advance(KNOWN_FOR - Duration::from_secs(1));
        bearer(&app, &secret).assert_status(200);
        assert_eq!(
            session().map(|session| (session.last_used_at, session.expires_at)),
            begun
        );
        for _ in 0..4 {
            app.advance(SESSION_IDLE - Duration::from_secs(3600));
            bearer(&app, &secret).assert_status(200);
            let noted = session().map(|session| session.last_used_at);
            assert_eq!(noted, Some(app.now()));
        }
        app.advance(SESSION_IDLE - Duration::from_secs(3600));
        bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
        let (_, unused, _) = cookie(&login(&app, "http://a.example/"));
        app.advance(SESSION_IDLE);
        bearer(&app, &unused).assert_refused(401, "TOKEN_INVALID");
        for forged in [PREFIX, "sc_nonsense", &unused[..45], ""] {
            bearer(&app, forged).assert_refused(401, "TOKEN_INVALID");
        }
    }

    #[test]
    fn signing_out_ends_it_and_has_the_browser_forget_it() {
        let app = app();
        register(&app, "ada").assert_status(201);
        for end in ["logout", "logout-all"] {
            let (_, secret, _) = cookie(&login(&app, "http://a.example/"));
            let ada = signed_in_by(&app, &secret);
            let listed = ada.get("/api/v1/auth/sessions").assert_status(200);
            let first = &listed["items"][0];
            assert_eq!(
                (&first["mode"], &first["current"]),
                (&json!("cookie"), &json!(true))
            );
            let out = ada.post(&format!("/api/v1/auth/{end}"), json!({}));
            let (name, value, told) = cookie(&out.assert_status(204));
            assert_eq!((&*name, &*value), ("sbd-session", ""));
            assert_eq!(told, "Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
            bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
        }
    }

    #[test]
    fn a_switched_off_account_is_nobodys() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let (_, secret, _) = cookie(&login(&app, "http://a.example/"));
        let off = USERS.update_many(json!({}), json!({"$set": {"active": false}}));
        assert!(app.run(off).is_ok());
        bearer(&app, &secret).assert_refused(401, "TOKEN_INVALID");
    }
}
