//! Permanent tokens of all users: for a tenant's administrators.

use super::permanent::PermanentTokenView;
use crate::permanent::oversight::{self, UserTokenFilter, UserTokenSort, Which};
use crate::permanent::policy::{self, Decided};
use crate::permanent::{PermanentToken, TokenId, approval};
use crate::sessions::Revoked;
use sbd_sdk::paging::Page;
use sbd_sdk::{By, Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token of a user's, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserToken)]
pub(crate) struct UserTokenView {
    #[serde(flatten)]
    token: PermanentTokenView,
    /// Whose it is.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: String,
    /// Minutes in which it was in use, of all time.
    minutes_used: u64,
}

/// Whether a token may act, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenApproval {
    /// If not, it is taken back.
    approved: bool,
    /// It is kept, and the user can read it.
    #[schema(min_length = 1, max_length = 500, example = "Known backup script")]
    reason: String,
}

/// Which tokens are taken back, those that all of it is true of, and why. At least one of the three is said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserTokenRevocation {
    /// This user's.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    #[serde(default)]
    user_id: Option<String>,
    /// Those that were made more than so many days ago.
    #[schema(minimum = 1, maximum = 3650)]
    #[serde(default)]
    older_than_days: Option<u32>,
    /// Those that were not used for so many days.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    #[serde(default)]
    unused_days: Option<u32>,
    /// It is kept, and the users can read it.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "Secrets were in a public repository"
    )]
    reason: String,
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokedTokens {
    /// How many tokens, 100 at most.
    ended: usize,
    /// Whether there are more, for another request.
    more: bool,
}

/// Lists the permanent tokens of all users, the one used last first.
#[operation(get "/api/v1/auth/user-tokens", permission = "admin:users:read")]
pub(crate) async fn list_user_tokens(
    _: By,
    listing: Listing<UserTokenSort, UserTokenFilter>,
) -> Result<Json<Page<UserTokenView>>> {
    let page = oversight::list(&listing).await?;
    Ok(Json(page.map(UserTokenView::from)))
}

/// Approves a permanent token that waits for it, or turns it down, which takes it back.
#[operation(
    post "/api/v1/auth/user-tokens/{id}/approval", permission = "admin:users:write",
    answers = "Decided; the user is told",
    refuses(
        not_found = "No such token",
        conflict = "It does not wait, or not any more, or is the caller's own"
    )
)]
pub(crate) async fn decide_on_user_token(
    caller: Caller,
    Path(id): Path<TokenId>,
    Json(input): Json<TokenApproval>,
) -> Result<NoContent> {
    approval::decide(&caller, &id, input.approved, &input.reason).await?;
    Ok(NoContent)
}

/// Takes permanent tokens of users back: a user's, old ones, or those that nobody uses; up to 100 at a time.
#[operation(
    post "/api/v1/auth/user-tokens/revocations", permission = "admin:users:write",
    answers = "Taken back; the users are told", refuses(not_found = "No such user")
)]
pub(crate) async fn end_user_tokens(
    _: By,
    Json(input): Json<UserTokenRevocation>,
) -> Result<(Revoked<TokenId>, Json<RevokedTokens>)> {
    let which = Which {
        user_id: input.user_id,
        older_than_days: input.older_than_days,
        unused_days: input.unused_days,
    };
    let (ids, more) = oversight::take_back(&which, &input.reason).await?;
    let ended = RevokedTokens {
        ended: ids.len(),
        more,
    };
    Ok((Revoked(ids), Json(ended)))
}

/// Reads whether users have permanent tokens, and when unused ones end.
#[operation(
    get "/api/v1/auth/user-tokens/policy", permission = "admin:users:read", answers = "What is decided"
)]
pub(crate) async fn get_token_policy(_: By) -> Result<Json<Decided>> {
    Ok(Json(policy::get().await?))
}

/// Says whether users have permanent tokens, everybody, with approval, or nobody; and when unused ones end.
#[operation(
    put "/api/v1/auth/user-tokens/policy", permission = "admin:users:write",
    answers = "What is decided now", refuses(conflict = "Somebody else decided at the same time")
)]
pub(crate) async fn set_token_policy(
    caller: Caller,
    Json(input): Json<Decided>,
) -> Result<Json<Decided>> {
    policy::set(&caller, &input).await?;
    Ok(Json(input))
}

impl From<PermanentToken> for UserTokenView {
    fn from(token: PermanentToken) -> Self {
        Self {
            user_id: token.user_id.clone(),
            minutes_used: token.usage.minutes,
            token: token.into(),
        }
    }
}
