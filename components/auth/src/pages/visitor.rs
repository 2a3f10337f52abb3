//! Whoever looks at a page, and that a form they send was on a page that was shown to them.
//!
//! The token of a form is made of a secret that only their browser has: of the session, whose cookie no other page
//! can read; and for who is not signed in yet of a cookie that lasts for as long as somebody may think about a form.

use crate::model::{Device, Mode, Session};
use crate::store::SESSIONS;
use crate::{cookies, tokens};
use axum::extract::FromRequestParts;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use page::{Language, Posted};
use sbd_sdk::{Caller, Error, Result};
use serde::de::DeserializeOwned;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// How long a form may be thought about by who is not signed in.
const THOUGHT: Duration = Duration::from_secs(60 * 60);
/// The cookie for it, over https and over plain http.
const SECURE: &str = "__Host-sbd-form";
const PLAIN: &str = "sbd-form";

/// Whoever looks at a page.
pub(super) struct Visitor {
    pub(super) language: Language,
    pub(super) headers: HeaderMap,
    signed_in: Option<(Caller, Session)>,
    /// What the tokens of forms are made of.
    secret: String,
}

// === impl Visitor ===

impl Visitor {
    /// Who they are; they are led to the sign-in if that is not known.
    pub(super) fn caller(&self) -> Result<&Caller> {
        let signed_in = self.signed_in.as_ref();
        signed_in
            .map(|(caller, _)| caller)
            .ok_or_else(Error::unauthenticated)
    }

    /// The same, if what they may do includes this: who lacks a second factor sees to that first.
    pub(super) fn may(&self, permission: &str) -> Result<&Caller> {
        let caller = self.caller()?;
        caller.require(permission).map(|()| caller)
    }

    /// Their session, if they are signed in.
    pub(super) fn session(&self) -> Option<&Session> {
        self.signed_in.as_ref().map(|(_, session)| session)
    }

    /// What they sign in with.
    pub(super) fn device(&self) -> Device {
        Device::of(&self.headers).keeping(Mode::Cookie)
    }

    /// The same, with what shows in a form that there is a person before it.
    pub(super) fn person(&self, posted: &Posted) -> Device {
        let captcha = posted.captcha().map(str::to_owned);
        self.device().showing(captcha)
    }

    /// The token of the forms that are shown to them.
    pub(super) fn token(&self) -> String {
        tokens::digest(&format!("form:{}", self.secret))
    }

    /// What a form of a page sent that was shown to them.
    pub(super) fn read<T: DeserializeOwned>(&self, posted: &Posted) -> Result<T> {
        let (ours, theirs) = (self.token(), posted.token());
        if bool::from(ours.as_bytes().ct_eq(theirs.as_bytes())) {
            return posted.read();
        }
        Err(Error::new(
            StatusCode::FORBIDDEN,
            "FORM_INVALID",
            "this form is too old, or was not on a page of ours that was shown to you; open the page again and send it from there",
        ))
    }

    /// Has their browser keep what the tokens of their forms are made of, as long as it has no session.
    pub(super) fn kept(&self) -> Result<Option<HeaderValue>> {
        if self.signed_in.is_some() {
            return Ok(None);
        }
        let https = cookies::is_secure(&self.headers);
        let (name, secure) = if https {
            (SECURE, "; Secure")
        } else {
            (PLAIN, "")
        };
        let (secret, age) = (&self.secret, THOUGHT.as_secs());
        let cookie =
            format!("{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        let cookie = HeaderValue::try_from(cookie).map_err(Error::internal)?;
        Ok(Some(cookie))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let headers = parts.headers.clone();
        let caller = Caller::from_request_parts(parts, state).await.ok();
        let session = match caller.as_ref().and_then(|caller| caller.session.clone()) {
            Some(id) => SESSIONS.get(&id).await?,
            None => None,
        };
        // Who brings a token is a program.
        let digest = session.as_ref().and_then(|session| session.cookie.clone());
        let secret = match &digest {
            Some(digest) => digest.clone(),
            None => match anonymous(&headers) {
                Some(secret) => secret.to_owned(),
                None => URL_SAFE_NO_PAD.encode(tokens::random()?),
            },
        };
        Ok(Self {
            language: Language::of(&headers),
            headers,
            signed_in: caller.zip(session).filter(|_| digest.is_some()),
            secret,
        })
    }
}

/// What a browser keeps for forms.
fn anonymous(headers: &HeaderMap) -> Option<&str> {
    let https = cookies::is_secure(headers);
    let name = if https { SECURE } else { PLAIN };
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?.split(';');
    let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    let (_, secret) = pairs.find(|(found, _)| *found == name)?;
    let whole = URL_SAFE_NO_PAD
        .decode(secret)
        .is_ok_and(|secret| secret.len() == 32);
    whole.then_some(secret)
}
