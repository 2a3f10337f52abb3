//! `/api/v1/auth/users`: for a tenant's administrators.

use crate::model::User;
use crate::sessions::Revoked;
use crate::users::{self, Decided, UserFilter, UserSort};
use crate::{departure, lockdown};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    /// The user's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    /// The name.
    username: String,
    /// The e-mail address.
    email: String,
    /// Whether its owner has shown that they read what is sent there.
    email_verified: bool,
    /// What the user may do.
    roles: Vec<String>,
    /// Whether the user may sign in.
    active: bool,
    /// When the account is deleted, if it is to be.
    ends_at: Option<Time>,
    /// When the account was opened.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

/// Whether somebody may sign in, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveInput {
    active: bool,
    /// It is kept, and the user can read it.
    #[schema(min_length = 1, max_length = 500, example = "Left us")]
    reason: String,
}

/// Whether somebody is an administrator, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminInput {
    admin: bool,
    /// It is kept, and the user can read it.
    #[schema(min_length = 1, max_length = 500, example = "For the holidays")]
    reason: String,
}

/// Why a user's second factor is taken away, or their lockdown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetInput {
    /// It is kept, and the user can read it.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "Lost the phone; called back"
    )]
    reason: String,
}

/// Whether an account is to be deleted, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeletionInput {
    deleted: bool,
    /// It is kept, and the user can read it.
    #[schema(min_length = 1, max_length = 500, example = "Asked for by letter")]
    reason: String,
}

/// Lists the tenant's accounts.
#[operation(get "/api/v1/auth/users", permission = "admin:users:read")]
pub(crate) async fn list_users(
    _: By,
    listing: Listing<UserSort, UserFilter>,
) -> Result<Json<Page<AccountView>>> {
    let page = users::list(&listing).await?;
    Ok(Json(page.map(AccountView::from)))
}

/// Reads an account of the tenant.
#[operation(
    get "/api/v1/auth/users/{id}", permission = "admin:users:read", answers = "The account",
    parameters(id = "The user's id"), refuses(not_found = "No such user")
)]
pub(crate) async fn get_user(_: By, Path(id): Path<String>) -> Result<Json<AccountView>> {
    Ok(Json(users::get(&id).await?.into()))
}

/// Says whether a user may sign in.
///
/// Whoever may not is signed in nowhere any more, and their permanent tokens are taken back.
#[operation(
    put "/api/v1/auth/users/{id}/active", permission = "admin:users:write", answers = "The account",
    parameters(id = "The user's id"),
    refuses(not_found = "No such user", conflict = "It is the caller's own, or was changed meanwhile")
)]
pub(crate) async fn set_user_active(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<ActiveInput>,
) -> Result<(Revoked<String>, Json<AccountView>)> {
    let decided = users::switch(&caller, &id, input.active, &input.reason).await?;
    Ok(decided.answer())
}

/// Says whether a user is an administrator of the tenant.
#[operation(
    put "/api/v1/auth/users/{id}/admin", permission = "admin:users:write", answers = "The account",
    parameters(id = "The user's id"),
    refuses(not_found = "No such user", conflict = "It is the caller's own, or was changed meanwhile")
)]
pub(crate) async fn set_user_admin(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<AdminInput>,
) -> Result<(Revoked<String>, Json<AccountView>)> {
    let decided = users::appoint(&caller, &id, input.admin, &input.reason).await?;
    Ok(decided.answer())
}

/// Takes a user's second factor away, for who has lost it.
///
/// They are signed out everywhere, are told, and sign in with what they have left.
#[operation(
    post "/api/v1/auth/users/{id}/second-factor/reset", permission = "admin:users:write",
    answers = "The account", parameters(id = "The user's id"),
    refuses(
        not_found = "No such user",
        conflict = "It is the caller's own, or has no second factor, or was changed meanwhile"
    )
)]
pub(crate) async fn reset_user_second_factor(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<ResetInput>,
) -> Result<(Revoked<String>, Json<AccountView>)> {
    let decided = users::reset_second_factor(&caller, &id, &input.reason).await?;
    Ok(decided.answer())
}

/// Has a user act from anywhere again, who is bound to places and cannot get there.
///
/// They are told.
#[operation(
    post "/api/v1/auth/users/{id}/lockdown/lift", permission = "admin:users:write",
    answers = "The account", parameters(id = "The user's id"),
    refuses(
        not_found = "No such user",
        conflict = "It is the caller's own, is bound to nothing, or was changed meanwhile"
    )
)]
pub(crate) async fn lift_user_lockdown(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<ResetInput>,
) -> Result<(Revoked<String>, Json<AccountView>)> {
    let decided = lockdown::lift(&caller, &id, &input.reason).await?;
    Ok(decided.answer())
}

/// Has a user's account deleted as if its owner had asked for it, or keeps it.
///
/// It is out of use at once: whoever leaves is signed in nowhere any more, and their permanent tokens are taken back.
#[operation(
    put "/api/v1/auth/users/{id}/deletion", permission = "admin:users:write", answers = "The account",
    parameters(id = "The user's id"),
    refuses(
        not_found = "No such user",
        conflict = "It is the caller's own, is being deleted already, or is not"
    )
)]
pub(crate) async fn set_user_deletion(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<DeletionInput>,
) -> Result<(Revoked<String>, Json<AccountView>)> {
    let decided = match input.deleted {
        true => departure::remove(&caller, &id, &input.reason).await?,
        false => departure::restore(&caller, &id, &input.reason).await?,
    };
    Ok(decided.answer())
}

/// Ends all sessions of a user, and takes all permanent tokens back.
#[operation(
    delete "/api/v1/auth/users/{id}/sessions", permission = "admin:users:write",
    answers = "Signed out everywhere", parameters(id = "The user's id"),
    refuses(not_found = "No such user")
)]
pub(crate) async fn end_user_sessions(
    _: By,
    Path(id): Path<String>,
) -> Result<(Revoked<String>, NoContent)> {
    let ended = users::sign_out(&id).await?;
    Ok((Revoked(ended), NoContent))
}

impl Decided {
    fn answer(self) -> (Revoked<String>, Json<AccountView>) {
        (Revoked(self.ended), Json(self.user.into()))
    }
}

impl From<User> for AccountView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            roles: user.roles,
            active: user.active,
            ends_at: user.ends_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
