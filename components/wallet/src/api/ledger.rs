//! What administrators do: `/api/v1/wallet/mint`, `/burn` and `/reconciliation`.

use super::key::created;
use super::transfers::{TransactionView, address};
use crate::model::{Tokens, text};
use crate::reconciliation::{self, Report};
use crate::supply;
use sbd_sdk::{By, Created, Json, Key, Result, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// What is to be minted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MintInput)]
pub(crate) struct MintInput {
    /// The account that is given it: its owner's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: String,
    amount: Tokens,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
}

/// What is to be burned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BurnInput)]
pub(crate) struct BurnInput {
    /// The account that it is taken from: its owner's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    from: String,
    amount: Tokens,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
}

/// Gives an account tokens that were not there before.
#[operation(
    post "/api/v1/wallet/mint", permission = "admin:wallet:mint", idempotent,
    location = "The transaction's address",
    refuses(
        not_found = "No such account",
        conflict = "There are as many tokens as there can be: `SUPPLY_EXHAUSTED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn mint_tokens(
    By(by): By,
    Key(key): Key,
    Json(input): Json<MintInput>,
) -> Result<Created<TransactionView>> {
    let memo = text("memo", input.memo.as_deref())?;
    let done = supply::mint(&by, &key, input.to, input.amount, memo).await?;
    created(done, address, TransactionView::from)
}

/// Takes tokens from an account for good, whatever its limits.
#[operation(
    post "/api/v1/wallet/burn", permission = "admin:wallet:burn", effect = destructive, idempotent,
    location = "The transaction's address",
    refuses(
        not_found = "No such account",
        conflict = "The account has too little: `INSUFFICIENT_BALANCE`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn burn_tokens(
    By(by): By,
    Key(key): Key,
    Json(input): Json<BurnInput>,
) -> Result<Created<TransactionView>> {
    let memo = text("memo", input.memo.as_deref())?;
    let done = supply::burn(&by, &key, input.from, input.amount, memo).await?;
    created(done, address, TransactionView::from)
}

/// Finds out whether the books are right.
#[operation(
    get "/api/v1/wallet/reconciliation", permission = "admin:wallet:reconcile",
    answers = "What is wrong: nothing, if all is well"
)]
pub(crate) async fn reconcile_wallets(By(_): By) -> Result<Json<Report>> {
    reconciliation::reconcile().await.map(Json)
}
