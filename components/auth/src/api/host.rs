//! What only the host asks, under `/-/`: it is not reachable from outside.

use crate::sessions::revoked;
use crate::{administrators, tokens};
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Json, Result};
use serde::{Deserialize, Serialize};

/// A bearer token to check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthenticateRequest {
    token: String,
}

/// Whom the token speaks for.
#[derive(Debug, Serialize)]
pub(crate) struct PrincipalView {
    user: String,
    session: String,
    username: String,
    roles: Vec<String>,
    expires_at: Time,
}

/// Who is to be an administrator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdministratorRequest {
    email: String,
    #[serde(default)]
    username: Option<String>,
    password: String,
}

/// An administrator.
#[derive(Debug, Serialize)]
pub(crate) struct AdministratorView {
    id: String,
    username: String,
    email: String,
    roles: Vec<String>,
}

/// Checks an access token.
pub(crate) async fn authenticate(
    Json(request): Json<AuthenticateRequest>,
) -> Result<Json<PrincipalView>> {
    let principal = tokens::authenticate(&request.token).await?;
    Ok(Json(PrincipalView {
        user: principal.user.id,
        session: principal.session.id,
        username: principal.user.username,
        roles: principal.user.roles,
        expires_at: principal.expires_at,
    }))
}

/// Makes an administrator: 201 with a new account, 200 when the account was there.
pub(crate) async fn administrators(Json(request): Json<AdministratorRequest>) -> Result<Answer> {
    let appointed = administrators::appoint(
        &request.email,
        request.username.as_deref(),
        &request.password,
    )
    .await?;
    let view = AdministratorView {
        id: appointed.user.id,
        username: appointed.user.username,
        email: appointed.user.email,
        roles: appointed.user.roles,
    };
    match appointed.created {
        true => Answer::created("/api/v1/auth/me", &view),
        false => Ok(revoked(Answer::ok(&view)?, &appointed.sessions)),
    }
}
