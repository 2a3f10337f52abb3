//! Opening an account, and reading one's own.

use crate::model::User;
use crate::{registration, store};
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Caller, Error, ErrorBody, Json, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterRequest {
    /// 3 to 50 characters out of a-z, A-Z, 0-9, `_` and `-`; unique without regard to case.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[a-zA-Z0-9_-]+$",
        example = "ada"
    )]
    username: String,
    /// Unique without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// 8 to 1024 bytes with an upper-case letter, a lower-case letter, a digit and another
    /// character; without the username.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: String,
}

/// An account, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// The user's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    /// The name.
    username: String,
    /// The e-mail address.
    email: String,
    /// What the user may do.
    roles: Vec<String>,
    /// When the account was opened.
    created_at: Time,
}

/// Opens an account. Sign in afterwards.
#[utoipa::path(
    post, path = "/api/v1/auth/register", operation_id = "register", tag = "auth",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "Opened", body = UserView,
            headers(("Location" = String, description = "Where the account is read, once signed in"))),
        (status = 409, description = "Name or address is taken; whoever chooses one must know", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody))
)]
pub(crate) async fn register(Json(new): Json<RegisterRequest>) -> Result<Answer> {
    let user = registration::register(&new.username, &new.email, &new.password).await?;
    Answer::created("/api/v1/auth/me", &UserView::from(user))
}

/// Reads the caller's own account.
#[utoipa::path(
    get, path = "/api/v1/auth/me", operation_id = "getMe", tag = "auth",
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "Not signed in", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn me(caller: Caller) -> Result<Json<UserView>> {
    let user = store::USERS.get(&caller.user).await?;
    user.map(|user| Json(user.into()))
        .ok_or_else(Error::unauthenticated)
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            roles: user.roles,
            created_at: user.created_at,
        }
    }
}
