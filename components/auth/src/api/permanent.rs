//! Permanent tokens of the caller.

use crate::networks::Networks;
use crate::permanent::change::{self, Change};
use crate::permanent::{self, PermanentToken, TokenId, TokenSort, Wanted, rotation};
use crate::sessions::Revoked;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
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
    /// What it may do, in 1 to 50 words: permissions like `notes:read`, all of an area like `families:*`, `*:read` for
    /// reading alone, or `*`; nothing that its owner may not.
    #[schema(example = json!(["notes:read"]))]
    scopes: Vec<String>,
    /// When it runs out; never, if nothing is said.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    #[serde(default)]
    expires_in_days: Option<u32>,
    /// Where it is good: 50 addresses or networks at most; anywhere, if nothing is said.
    #[schema(example = json!(["192.0.2.7", "2001:db8::/32"]))]
    #[serde(default)]
    networks: Vec<String>,
}

/// What of a token is to be otherwise; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermanentTokenChange {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 100, example = "backup of my notes")]
    #[serde(default)]
    name: Option<String>,
    /// Where it is good: 50 addresses or networks at most; anywhere, if the list is empty.
    #[schema(example = json!(["192.0.2.7", "2001:db8::/32"]))]
    #[serde(default)]
    networks: Option<Vec<String>>,
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
    /// Where it is good; anywhere, if there is none.
    #[schema(value_type = Vec<String>)]
    networks: Networks,
    /// Whether it does nothing until an administrator approves it.
    waiting: bool,
    /// Until when its secret before is good still.
    former_until: Option<Time>,
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

/// How long the secret before stays good.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRotation {
    /// In hours. With 0 it ends at once.
    #[schema(minimum = 0, maximum = 168, example = 24)]
    overlap_hours: u32,
}

/// Which tokens are taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRevocation {
    /// 1 to 20 tokens of the caller's.
    #[schema(value_type = Vec<String>, example = json!(["ptk_019a2f3c8b7e7c2d9f00112233445566"]))]
    ids: Vec<TokenId>,
}

/// How much a token was used: minutes in which requests came with it, not requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenUsage {
    /// Minutes in which it was in use, of all time.
    minutes: u64,
    /// The last 30 days, the oldest first, in UTC.
    days: Vec<TokenDay>,
    /// When it was last used, to about a minute.
    last_used_at: Option<Time>,
    /// The address that it was used from then.
    last_address: Option<String>,
    /// What the program called itself that used it then.
    last_user_agent: Option<String>,
}

/// A day, and for how many minutes a token was in use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenDay {
    #[schema(example = "2026-11-30")]
    day: String,
    minutes: u64,
}

/// Makes a token for a program that acts for the caller.
#[operation(
    post "/api/v1/auth/permanent-tokens", permission = "tokens:write",
    answers = "Made; the token is in this answer and nowhere else",
    location = "The caller's tokens",
    refuses(
        conflict = "There are as many as there may be",
        forbidden = "Whoever asks is not signed in with a session, or there are no permanent tokens here"
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
        networks: new.networks,
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

/// Gives a permanent token another name, or binds it to other networks.
///
/// Where administrators approve tokens, it waits for them again if it is to be good in more networks than before.
#[operation(
    patch "/api/v1/auth/permanent-tokens/{id}", permission = "tokens:write",
    answers = "The token",
    refuses(
        not_found = "No token of the caller",
        conflict = "It waits for approval as it is, or was approved at the same time",
        forbidden = "Whoever asks is not signed in with a session, or there are no permanent tokens here"
    )
)]
pub(crate) async fn change_permanent_token(
    caller: Caller,
    Path(id): Path<TokenId>,
    Json(input): Json<PermanentTokenChange>,
) -> Result<(Revoked<TokenId>, Json<PermanentTokenView>)> {
    let wanted = Change {
        name: input.name,
        networks: input.networks,
    };
    let (changed, told) = change::change(&caller, &id, &wanted).await?;
    Ok((Revoked(Vec::from_iter(told)), Json(changed.into())))
}

/// Gives a permanent token another secret; the one before stays good for a while, so that no program stands still.
#[operation(
    post "/api/v1/auth/permanent-tokens/{id}/rotate", permission = "tokens:write",
    answers = "The new secret is in this answer and nowhere else",
    refuses(
        not_found = "No token of the caller",
        conflict = "It got another secret at the same time",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn rotate_permanent_token(
    caller: Caller,
    Path(id): Path<TokenId>,
    Json(input): Json<TokenRotation>,
) -> Result<((Revoked<TokenId>, NoStore), Json<MadePermanentToken>)> {
    let (rotated, token) = rotation::rotate(&caller, &id, input.overlap_hours).await?;
    let made = rotated.into();
    let made = MadePermanentToken { made, token };
    Ok(((Revoked(vec![id]), NoStore), Json(made)))
}

/// Reads how much a permanent token of the caller's was used.
#[operation(
    get "/api/v1/auth/permanent-tokens/{id}/usage", permission = "tokens:read",
    answers = "How much", refuses(not_found = "No token of the caller")
)]
pub(crate) async fn get_permanent_token_usage(
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<Json<TokenUsage>> {
    let token = permanent::own(&caller.user, &id).await?;
    let days = token.usage.by_day(time::now()).into_iter();
    Ok(Json(TokenUsage {
        minutes: token.usage.minutes,
        days: days
            .map(|(day, minutes)| TokenDay { day, minutes })
            .collect(),
        last_used_at: token.last_used_at,
        last_address: token.usage.address,
        last_user_agent: token.usage.user_agent,
    }))
}

/// Takes permanent tokens back: all of these, or none where one is not the caller's.
#[operation(
    post "/api/v1/auth/permanent-tokens/revocations", permission = "tokens:write",
    answers = "Taken back; they are worthless with the next request",
    refuses(not_found = "One is no token of the caller")
)]
pub(crate) async fn end_some_permanent_tokens(
    caller: Caller,
    Json(input): Json<TokenRevocation>,
) -> Result<(Revoked<TokenId>, NoContent)> {
    let ended = permanent::take_these_back(&caller.user, input.ids).await?;
    Ok((Revoked(ended), NoContent))
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
            networks: token.networks,
            waiting: token.waiting,
            former_until: token
                .former
                .map(|former| former.until)
                .filter(|until| *until > time::now()),
        }
    }
}
