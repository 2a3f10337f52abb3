//! Signing in, renewing tokens, and the keys to check them with.

use crate::login;
use crate::sessions::revoked;
use crate::tokens::{self, ACCESS, Pair};
use http::{HeaderMap, header};
use sbd_sdk::{Answer, ErrorBody, Json, Result, keys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    /// The username or the e-mail address, in any case.
    #[schema(example = "ada")]
    identifier: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
}

/// What to renew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    /// The refresh token of the last sign-in or renewal. It works once.
    refresh_token: String,
}

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensView {
    /// Send it with every request: `Authorization: Bearer ...`.
    access_token: String,
    /// Trade it for the next pair, once; a second use ends the session.
    refresh_token: String,
    /// How the access token is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token runs out.
    #[schema(example = 900)]
    expires_in: u64,
}

/// Signs in by username or e-mail address.
///
/// The answer is the same for a wrong password and for an account that does not exist; after 10
/// failures under a name everybody has to wait with it, at most 15 minutes.
#[utoipa::path(
    post, path = "/api/v1/auth/login", operation_id = "login", tag = "auth",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Signed in", body = TokensView),
        (status = 401, description = "Name or password is wrong", body = ErrorBody),
        (status = 403, description = "The account is switched off", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody),
        (status = 429, description = "Too many attempts under this name; see `Retry-After`", body = ErrorBody))
)]
pub(crate) async fn login(headers: HeaderMap, Json(request): Json<LoginRequest>) -> Result<Answer> {
    let user_agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let signed_in = login::login(&request.identifier, &request.password, user_agent).await?;
    Ok(revoked(answer(signed_in.tokens)?, &signed_in.ended))
}

/// Trades a refresh token for a new pair of tokens.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", operation_id = "refresh", tag = "auth",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "Renewed", body = TokensView),
        (status = 401, description = "Unknown, run out, or used before, which ends its session", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody))
)]
pub(crate) async fn refresh(Json(request): Json<RefreshRequest>) -> Result<Answer> {
    answer(tokens::refresh(&request.refresh_token).await?)
}

/// The public keys that check access tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "getJwks", tag = "auth",
    responses((status = 200, description = "A JSON Web Key Set", body = Object))
)]
pub(crate) async fn jwks() -> Result<Answer> {
    Ok(Answer::ok(&keys::jwks().await?)?.header(header::CACHE_CONTROL, "public, max-age=300"))
}

fn answer(tokens: Pair) -> Result<Answer> {
    let tokens = TokensView {
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        token_type: "Bearer",
        expires_in: ACCESS.as_secs(),
    };
    Ok(Answer::ok(&tokens)?.no_store())
}
