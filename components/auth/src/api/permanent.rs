//! Permanent tokens of the caller.

use crate::permanent::{self, PermanentToken, TokenId, TokenSort, Wanted};
use crate::sessions::Revoked;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{
    Caller, Created, Json, Listing, NoContent, NoStore, Path, Result, Scopes, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token for a program.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPermanentToken {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 100, example = "backup of my notes")]
    name: String,
    /// What it may do, in 1 to 50 words: permissions like `notes:read`, all of an area like `families:*`, or `*`; nothing that its
    /// owner may not.
    #[schema(example = json!(["notes:read"]))]
    scopes: Vec<String>,
    /// When it runs out; never, if nothing is said.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    #[serde(default)]
    expires_in_days: Option<u32>,
}

/// A token for a program, without the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PermanentToken)]
pub(crate) struct PermanentTokenView {
    #[schema(inline)]
    id: TokenId,
    /// What its owner calls it.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// When it was made.
    created_at: Time,
    /// When it was last used, to about a minute.
    last_used_at: Option<Time>,
    /// When it runs out, if it does.
    expires_at: Option<Time>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadePermanentToken {
    #[serde(flatten)]
    made: PermanentTokenView,
    /// The token, which is not shown again: `Authorization: Bearer ...`.
    #[schema(example = "sbd_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvYx1Yz2w")]
    token: String,
}

/// Makes a token for a program that acts for the caller.
#[operation(
    post "/api/v1/auth/permanent-tokens", permission = "tokens:write",
    answers = "Made; the token is in this answer and nowhere else",
    location = "The caller's tokens",
    refuses(
        conflict = "There are as many as there may be",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn make_permanent_token(
    caller: Caller,
    Json(new): Json<NewPermanentToken>,
) -> Result<(NoStore, Created<MadePermanentToken>)> {
    let wanted = Wanted {
        name: new.name,
        scopes: new.scopes,
        days: new.expires_in_days,
    };
    let (made, token) = permanent::make(&caller, wanted).await?;
    let made = MadePermanentToken {
        made: made.into(),
        token,
    };
    Ok((
        NoStore,
        Created::at("/api/v1/auth/permanent-tokens", &made)?,
    ))
}

/// Lists the caller's permanent tokens.
#[operation(get "/api/v1/auth/permanent-tokens", permission = "tokens:read")]
pub(crate) async fn list_permanent_tokens(
    caller: Caller,
    listing: Listing<TokenSort>,
) -> Result<Json<Page<PermanentTokenView>>> {
    let page = permanent::list(&caller.user, &listing).await?;
    Ok(Json(page.map(PermanentTokenView::from)))
}

/// Takes a permanent token back.
#[operation(
    delete "/api/v1/auth/permanent-tokens/{id}", permission = "tokens:write",
    answers = "Taken back; it is worthless with the next request",
    refuses(not_found = "No token of the caller")
)]
pub(crate) async fn end_permanent_token(
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<(Revoked<TokenId>, NoContent)> {
    permanent::take_back(&caller.user, &id).await?;
    Ok((Revoked(vec![id]), NoContent))
}

/// Takes all permanent tokens of the caller back.
#[operation(
    delete "/api/v1/auth/permanent-tokens", permission = "tokens:write",
    answers = "Taken back; they are worthless with the next request"
)]
pub(crate) async fn end_permanent_tokens(caller: Caller) -> Result<(Revoked<TokenId>, NoContent)> {
    let ended = permanent::take_all_back(&caller.user).await?;
    Ok((Revoked(ended), NoContent))
}

impl From<PermanentToken> for PermanentTokenView {
    fn from(token: PermanentToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
        }
    }
}
