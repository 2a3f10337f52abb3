//! `/api/v1/wallet/holds`.

use super::key::created;
use super::transfers::TransferInput;
use crate::holds;
use crate::model::{Hold, HoldId, HoldState, Tokens, TransactionId};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Created, Error, Json, Key, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long tokens are reserved when nothing is said: an hour.
const USUAL: u32 = 60 * 60;
/// The longest: 30 days.
const LONGEST: u32 = 30 * 24 * 60 * 60;

/// What is to be reserved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HoldInput)]
pub(crate) struct HoldInput {
    /// The account that is to pay; one's own when not said.
    #[serde(default)]
    from: Option<String>,
    /// The account that is to be paid: its owner's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: String,
    amount: Tokens,
    /// After how many seconds the tokens are free again; an hour when not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2_592_000)]
    expires_in: Option<u32>,
    /// For both to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
    /// What the transaction is to be: a word, `transfer` when not said.
    #[serde(default, rename = "type")]
    #[schema(max_length = 50, pattern = "^[a-z][a-z0-9_]*$", example = "purchase")]
    kind: Option<String>,
    /// What it is for: the id of an order or a request.
    #[serde(default)]
    #[schema(max_length = 200)]
    cause: Option<String>,
}

/// How much is to be captured.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CaptureInput)]
pub(crate) struct CaptureInput {
    /// All that is reserved when not said; what is left of it is free again.
    #[serde(default)]
    amount: Option<Tokens>,
}

/// Tokens that are, or were, reserved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct HoldView {
    #[schema(inline)]
    id: HoldId,
    /// The account that pays.
    from: String,
    /// The account that is paid.
    to: String,
    /// What was reserved.
    amount: Tokens,
    /// What became of it.
    state: HoldState,
    /// What was paid of it.
    captured: Option<Tokens>,
    /// By which transaction.
    transaction_id: Option<TransactionId>,
    /// What the transaction is.
    #[serde(rename = "type")]
    kind: String,
    /// For both to read.
    memo: Option<String>,
    /// What it is for.
    cause: Option<String>,
    /// When it was made.
    made_at: Time,
    /// When what is reserved is free again.
    expires_at: Time,
}

/// Reserves tokens, to be captured or released by the same caller.
#[operation(
    post "/api/v1/wallet/holds", permission = "wallet:write", idempotent, location = "The hold's address",
    refuses(
        not_found = "No such account, or none that the caller may pay out of",
        conflict = "The account has too little, is frozen, or a limit is in the way, or one of both is closed: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`, `ACCOUNT_CLOSED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn hold_tokens(
    By(by): By,
    Key(key): Key,
    Json(input): Json<HoldInput>,
) -> Result<Created<HoldView>> {
    let seconds = input.expires_in.unwrap_or(USUAL);
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Error::validation(
            "expires_in",
            format!("seconds from 1 to {LONGEST}"),
        ));
    }
    let movement = input.transfer().movement(&by)?;
    let done = holds::reserve(&by, &key, movement, seconds).await?;
    let address = |hold: &Hold| format!("/api/v1/wallet/holds/{}", hold.id);
    created(done, address, HoldView::from)
}

/// Reads a hold that one made, or of an account of one's own.
#[operation(
    get "/api/v1/wallet/holds/{id}", permission = "wallet:read", answers = "The hold",
    refuses(not_found = "No hold of the caller")
)]
pub(crate) async fn get_hold(By(by): By, Path(id): Path<HoldId>) -> Result<Json<HoldView>> {
    Ok(Json(holds::get(&by, &id).await?.into()))
}

/// Pays what is reserved, or a part of it; for whoever made the hold.
#[operation(
    post "/api/v1/wallet/holds/{id}/capture", permission = "wallet:write", idempotent,
    answers = "The hold as it is now",
    refuses(
        not_found = "No hold that the caller made",
        conflict = "It was released, has expired, or another amount was captured",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn capture_hold(
    By(by): By,
    Path(id): Path<HoldId>,
    Json(input): Json<CaptureInput>,
) -> Result<Json<HoldView>> {
    Ok(Json(holds::capture(&by, &id, input.amount).await?.into()))
}

/// Frees what is reserved; for whoever made the hold.
#[operation(
    post "/api/v1/wallet/holds/{id}/release", permission = "wallet:write", idempotent,
    answers = "The hold as it is now",
    refuses(
        not_found = "No hold that the caller made",
        conflict = "It was captured",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn release_hold(By(by): By, Path(id): Path<HoldId>) -> Result<Json<HoldView>> {
    Ok(Json(holds::release(&by, &id).await?.into()))
}

impl HoldInput {
    /// The transfer that the tokens are reserved for.
    fn transfer(self) -> TransferInput {
        TransferInput {
            from: self.from,
            to: self.to,
            amount: self.amount,
            memo: self.memo,
            kind: self.kind,
            cause: self.cause,
        }
    }
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let movement = hold.movement;
        Self {
            id: hold.id,
            from: movement.from,
            to: movement.to,
            amount: movement.amount,
            state: hold.state,
            captured: hold.captured,
            transaction_id: hold.transaction,
            kind: movement.kind,
            memo: movement.memo,
            cause: movement.cause,
            made_at: hold.made_at,
            expires_at: hold.expires_at,
        }
    }
}
