//! Signing in, renewing tokens, and the keys to check them with.

use crate::api::second_factor::FirstStep;
use crate::model::{Device, Mode};
use crate::place::Place;
use crate::remembered::Secret;
use crate::sessions::Revoked;
use crate::sign_in::SignedIn;
use crate::tokens::{self, ACCESS, Kept, Pair};
use crate::{cookies, login};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sbd_sdk::keys::{self, KeySet};
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::{Error, Json, NoContent, NoStore, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    /// The username or the e-mail address, in any case.
    #[schema(min_length = 1, max_length = 254, example = "ada")]
    identifier: String,
    /// The password.
    #[schema(format = Password, min_length = 1, max_length = 1024)]
    password: String,
    /// What a device keeps that is remembered: the `remembered_device` of the second step.
    #[serde(default)]
    #[schema(max_length = 100)]
    remembered_device: Option<String>,
    /// A pass that was made beforehand, for who is where the account is not used from.
    #[serde(default)]
    #[schema(max_length = 100)]
    pass: Option<String>,
    /// What shows that there is a person, where that is asked for after some failures: see `GET /api/v1/auth/captcha`.
    #[serde(default)]
    captcha: Option<String>,
    /// In what the session is kept: `tokens` in the answer, or a `cookie`, for browsers.
    #[serde(default)]
    #[schema(inline)]
    mode: Mode,
}

/// What to renew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    /// The refresh token of the last sign-in or renewal. It works once, and for 30 seconds it gives
    /// the same successor again.
    refresh_token: String,
}

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensView {
    /// Send it with every request: `Authorization: Bearer ...`.
    access_token: String,
    /// Trade it for the next pair, once; a use more than 30 seconds after that ends the session.
    refresh_token: String,
    /// How the access token is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token runs out.
    #[schema(example = 900)]
    expires_in: u64,
    /// For a device that is remembered from now on: send it with the next sign-in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    remembered_device: Option<String>,
}

/// Tokens, which nobody but the client may keep.
pub(crate) type Fresh = (NoStore, Json<TokensView>);

/// What who signed in keeps the session in: tokens in the body, or a cookie and no body.
pub(crate) enum Welcome {
    Tokens(Fresh),
    Cookie(Vec<HeaderValue>),
}

/// What stands before an answer that anybody may keep for a while, and the pages of anybody may read.
type ForEverybody = [(HeaderName, &'static str); 2];

const FOR_EVERYBODY: ForEverybody = [
    (header::CACHE_CONTROL, "public, max-age=300"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
];

/// Signs in by username or e-mail address.
///
/// The answer is the same for a wrong password and for an account that does not exist; after 10
/// failures under a name everybody has to wait with it, at most 15 minutes. Whoever has a second factor
/// gets no tokens yet, but a token for the second step, good for five minutes.
///
/// In the mode `cookie` no token is answered: the session is in a cookie that no script can read, and counts for what
/// a page of this very address asks for.
#[operation(
    post "/api/v1/auth/login",
    refuses(
        invalid_credentials,
        forbidden = "The account is switched off, or used from other places only (`PLACE_REFUSED`), or it takes an answer that shows that there is a person (`CAPTCHA_REQUIRED`)",
        rate_limited = "Too many attempts under this name; see `Retry-After`"
    )
)]
pub(crate) async fn login(
    headers: HeaderMap,
    Json(request): Json<LoginRequest>,
) -> Result<FirstStep> {
    if request
        .remembered_device
        .as_ref()
        .is_some_and(|secret| secret.len() > 100)
    {
        return Err(Error::validation(
            "remembered_device",
            "at most 100 characters",
        ));
    }
    let device = Device::of(&headers)
        .keeping(request.mode)
        .showing(request.captcha);
    let device = Device {
        shown_pass: pass(request.pass)?,
        secret: request.remembered_device.map(Secret).or(device.secret),
        ..device
    };
    let admitted = login::login(&request.identifier, &request.password, &device).await?;
    FirstStep::of(admitted, &headers)
}

/// Trades a refresh token for a new pair of tokens.
///
/// Asked twice, it gives the same refresh token again for 30 seconds, so that no answer that gets
/// lost signs anybody out.
#[operation(
    post "/api/v1/auth/refresh", answers = "Renewed",
    refuses(
        token_invalid = "Unknown, run out, from where the account is not used, or used more than 30 seconds before, which ends its session"
    )
)]
pub(crate) async fn refresh(
    headers: HeaderMap,
    Json(request): Json<RefreshRequest>,
) -> Result<Fresh> {
    let place = Place::of(&Device::of(&headers));
    let pair = tokens::refresh(&request.refresh_token, &place).await?;
    Ok(fresh(pair, None))
}

/// The pass that is shown, of a length that one can have.
pub(crate) fn pass(pass: Option<String>) -> Result<Option<String>> {
    match pass {
        Some(pass) if pass.len() > 100 => Err(Error::validation("pass", "at most 100 characters")),
        pass => Ok(pass.map(|pass| tokens::digest(&pass))),
    }
}

/// The public keys that check access tokens (RFC 7517).
#[operation(get "/.well-known/jwks.json", answers = "A JSON Web Key Set")]
pub(crate) async fn get_jwks() -> Result<(ForEverybody, Json<KeySet>)> {
    Ok((FOR_EVERYBODY, Json(keys::jwks().await?)))
}

/// The answer to whoever signed in by a request with these headers.
pub(crate) fn welcome(signed_in: SignedIn, headers: &HeaderMap) -> Result<(Revoked, Welcome)> {
    let welcome = match signed_in.kept {
        Kept::Tokens(tokens) => Welcome::Tokens(fresh(tokens, signed_in.device)),
        Kept::Cookie(secret) => {
            let session = cookies::keep(headers, &secret)?;
            let device = signed_in
                .device
                .map(|device| cookies::keep_device(headers, &device));
            let cookies = device.into_iter().flatten().chain([Ok(session)]);
            Welcome::Cookie(cookies.collect::<Result<_>>()?)
        }
    };
    Ok((Revoked(signed_in.ended), welcome))
}

impl IntoResponse for Welcome {
    fn into_response(self) -> Response {
        match self {
            Self::Tokens(fresh) => fresh.into_response(),
            Self::Cookie(cookies) => {
                let cookies = cookies
                    .into_iter()
                    .map(|cookie| (header::SET_COOKIE, cookie));
                let cookies = AppendHeaders(cookies.collect::<Vec<_>>());
                (cookies, (NoStore, NoContent)).into_response()
            }
        }
    }
}

impl Output for Welcome {
    fn describe(description: &mut Description) {
        description.answers(StatusCode::OK, "Signed in");
        description.answer_body::<TokensView>();
        description.also_answers(
            StatusCode::NO_CONTENT,
            "Signed in; the session is in the cookie of this answer",
        );
    }
}

fn fresh(tokens: Pair, device: Option<Secret>) -> Fresh {
    let tokens = TokensView {
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        token_type: "Bearer",
        expires_in: ACCESS.as_secs(),
        remembered_device: device.map(|Secret(secret)| secret),
    };
    (NoStore, Json(tokens))
}
