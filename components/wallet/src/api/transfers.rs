//! `/api/v1/wallet/transfers`.

use super::key::created;
use crate::model::{HoldId, Movement, Tokens, Transaction, TransactionId, kind, text};
use crate::{access, transfers};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Created, Json, Key, Path, Principal, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TransferInput)]
pub(crate) struct TransferInput {
    /// The account that pays; one's own when not said.
    #[serde(default)]
    pub(super) from: Option<String>,
    /// The account that is paid: its owner's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    pub(super) to: String,
    pub(super) amount: Tokens,
    /// For both to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub(super) memo: Option<String>,
    /// What it is: a word, `transfer` when not said.
    #[serde(default, rename = "type")]
    #[schema(max_length = 50, pattern = "^[a-z][a-z0-9_]*$", example = "transfer")]
    pub(super) kind: Option<String>,
    /// What it is for: the id of an order or a request.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub(super) cause: Option<String>,
}

/// That tokens went from one account to another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletTransaction)]
pub(crate) struct TransactionView {
    #[schema(inline)]
    id: TransactionId,
    /// The account that paid.
    from: String,
    /// The account that was paid.
    to: String,
    amount: Tokens,
    /// What it is: `mint`, `burn`, or what whoever paid says.
    #[serde(rename = "type")]
    kind: String,
    /// For both to read.
    memo: Option<String>,
    /// What it is for.
    cause: Option<String>,
    /// The hold that it was paid out of.
    hold_id: Option<HoldId>,
    /// Who had it done: a user, a component, or a component for a user.
    by: String,
    /// When.
    at: Time,
}

/// Pays somebody, or another account, out of one's own.
#[operation(
    post "/api/v1/wallet/transfers", permission = "wallet:write", idempotent,
    location = "The transaction's address",
    refuses(
        not_found = "No such account, or none that the caller may pay out of",
        conflict = "The account has too little, is frozen, or a limit is in the way, or one of both is closed: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`, `ACCOUNT_CLOSED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn transfer_tokens(
    By(by): By,
    Key(key): Key,
    Json(input): Json<TransferInput>,
) -> Result<Created<TransactionView>> {
    let movement = input.movement(&by)?;
    let done = transfers::transfer(&by, &key, movement).await?;
    created(done, address, TransactionView::from)
}

/// Reads a transaction of an account of one's own; administrators read every one.
#[operation(
    get "/api/v1/wallet/transfers/{id}", permission = "wallet:read", answers = "The transaction",
    refuses(not_found = "No transaction of an account of the caller")
)]
pub(crate) async fn get_wallet_transaction(
    By(by): By,
    Path(id): Path<TransactionId>,
) -> Result<Json<TransactionView>> {
    Ok(Json(transfers::get(&by, &id).await?.into()))
}

/// Where a transaction is read.
pub(crate) fn address(transaction: &Transaction) -> String {
    format!("/api/v1/wallet/transfers/{}", transaction.id)
}

impl TransferInput {
    /// What is to be moved, checked.
    pub(super) fn movement(self, by: &Principal) -> Result<Movement> {
        Ok(Movement {
            kind: kind(self.kind.as_deref())?,
            memo: text("memo", self.memo.as_deref())?,
            cause: text("cause", self.cause.as_deref())?,
            from: match self.from {
                Some(from) => from,
                None => access::own(by)?.to_owned(),
            },
            to: self.to,
            amount: self.amount,
        })
    }
}

impl From<Transaction> for TransactionView {
    fn from(transaction: Transaction) -> Self {
        let movement = transaction.movement;
        Self {
            id: transaction.id,
            from: movement.from,
            to: movement.to,
            amount: movement.amount,
            kind: movement.kind,
            memo: movement.memo,
            cause: movement.cause,
            hold_id: transaction.hold,
            by: transaction.by,
            at: transaction.at,
        }
    }
}
