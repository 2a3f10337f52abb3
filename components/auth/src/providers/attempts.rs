//! A browser that was led to a provider. It brings back the state with which it was, once, within ten minutes; and the
//! cookie that it was given with it, so that nobody is signed in by what somebody else began.

use super::configuration::{self, Preset, Provider};
use super::discovery;
use super::identity::{self, Begun, Identity, unknown};
use crate::cookies;
use crate::oauth::{issuer, redirect};
use crate::store::PROVIDER_ATTEMPTS;
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// How long a browser may be away: signing in there takes its time.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Bytes of what a browser brings back, at most.
const MAX_BROUGHT: usize = 4096;

/// A browser on its way, as stored: of state and cookie the digests alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    #[serde(rename = "_id")]
    state: String,
    cookie: String,
    pub(crate) provider: String,
    redirect_uri: String,
    nonce: String,
    verifier: String,
    pub(crate) purpose: Purpose,
    expires_at: Time,
}

/// What a browser is led there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Whoever comes back signs in, or opens an account, by an invitation if they have one.
    SignIn {
        invitation: Option<String>,
        /// The digest of the pass that they showed before they were led away.
        #[serde(default)]
        pass: Option<String>,
    },
    /// Whoever comes back is linked to the account of this user, who is signed in.
    Link { user_id: String },
}

/// Where a browser is led to, and the cookie that it is given.
pub(crate) struct Led {
    pub(crate) location: String,
    pub(crate) cookie: HeaderValue,
}

/// What a browser brings back.
pub(crate) struct Brought<'a> {
    pub(crate) state: &'a str,
    pub(crate) code: &'a str,
    /// Who says that it comes from there (RFC 9207), if that is said.
    pub(crate) issuer: Option<&'a str>,
}

/// Leads a browser to a provider.
pub(crate) async fn begin(id: &str, purpose: Purpose, headers: &HeaderMap) -> Result<Led> {
    let provider = configuration::get(id).await?;
    let places = discovery::of(&provider).await?;
    let [state, cookie, nonce, verifier] = [secret()?, secret()?, secret()?, secret()?];
    let attempt = Attempt {
        state: tokens::digest(&state),
        cookie: tokens::digest(&cookie),
        provider: provider.id.clone(),
        redirect_uri: provider.leads_back(&issuer::of(headers)?),
        nonce: nonce.clone(),
        verifier: verifier.clone(),
        purpose,
        expires_at: time::now() + GOOD_FOR,
    };
    PROVIDER_ATTEMPTS.insert(&attempt).await?;
    let scope = match provider.preset {
        Preset::Oidc | Preset::Google => "openid email profile",
        Preset::Github => "read:user user:email",
    };
    let fields = [
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &attempt.redirect_uri),
        ("scope", scope),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &tokens::digest(&verifier)),
        ("code_challenge_method", "S256"),
    ];
    Ok(Led {
        location: redirect::with(&places.authorization_endpoint, &fields),
        cookie: set(headers, &cookie)?,
    })
}

/// What a browser that came back was led away for, by which provider, and who that says it is. It comes back once.
pub(crate) async fn end(
    brought: &Brought<'_>,
    headers: &HeaderMap,
) -> Result<(Purpose, Provider, Identity)> {
    let all = [
        brought.state,
        brought.code,
        brought.issuer.unwrap_or_default(),
    ];
    if all.iter().any(|text| text.len() > MAX_BROUGHT) {
        return Err(unknown());
    }
    let attempt = PROVIDER_ATTEMPTS
        .get(&tokens::digest(brought.state))
        .await?;
    let now = time::now();
    let cookie = tokens::digest(kept(headers).unwrap_or_default());
    let is_own = |attempt: &Attempt| {
        now < attempt.expires_at && attempt.cookie.as_bytes().ct_eq(cookie.as_bytes()).into()
    };
    let attempt = attempt.filter(is_own).ok_or_else(unknown)?;
    let used = Transaction::new().delete_one(&PROVIDER_ATTEMPTS, json!({"_id": attempt.state}));
    match used.commit().await {
        Ok(_) => {}
        // Another request was faster by a moment.
        Err(DocumentsError::PreconditionFailed(_)) => return Err(unknown()),
        Err(error) => return Err(error.into()),
    }
    let provider = configuration::get(&attempt.provider).await?;
    let places = discovery::of(&provider).await?;
    let is_from_there = match brought.issuer {
        Some(issuer) => issuer == provider.issuer,
        None => !places.authorization_response_iss_parameter_supported,
    };
    if !is_from_there {
        return Err(unknown());
    }
    let begun = Begun {
        redirect_uri: &attempt.redirect_uri,
        nonce: &attempt.nonce,
        verifier: &attempt.verifier,
    };
    let identity = identity::of(&provider, brought.code, &begun).await?;
    Ok((attempt.purpose, provider, identity))
}

fn secret() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(tokens::random()?))
}

/// What the cookie is called: over https a name that no other host can set.
fn name(headers: &HeaderMap) -> &'static str {
    match cookies::is_secure(headers) {
        true => "__Host-sbd-provider",
        false => "sbd-provider",
    }
}

/// `Lax`: the browser comes back from another site.
fn set(headers: &HeaderMap, value: &str) -> Result<HeaderValue> {
    let (name, age) = (name(headers), GOOD_FOR.as_secs());
    let secure = if cookies::is_secure(headers) {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).map_err(Error::internal)
}

/// What the browser keeps.
fn kept(headers: &HeaderMap) -> Option<&str> {
    let name = name(headers);
    let lines = headers.get_all(header::COOKIE).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(one, value)| (one == name).then_some(value))
}
