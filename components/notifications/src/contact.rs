//! Where a user's mail goes: the auth component knows, and tells components alone.

use axum::body::Body;
use http::{Request, StatusCode};
use sbd_sdk::{Error, Result, call, read_json};
use serde::Deserialize;

/// The component that knows.
const AUTH: &str = "auth";

/// Where a user's mail goes.
#[derive(Debug, Deserialize)]
pub(crate) struct Contact {
    pub(crate) username: String,
    pub(crate) email: String,
}

/// Asks where a user's mail goes; nowhere, where the user is gone or switched off.
pub(crate) async fn of(user_id: &str) -> Result<Option<Contact>> {
    // What is no user's id is nobody's, and no other address of that component.
    if !user_id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Ok(None);
    }
    let request = Request::get(format!("/api/v1/auth/users/{user_id}/contact"));
    let request = request.body(Body::empty()).map_err(Error::internal)?;
    let answer = call(AUTH, request).await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        _ => read_json(answer).await.map(Some),
    }
}
