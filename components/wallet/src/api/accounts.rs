//! `/api/v1/wallet` and `/api/v1/wallet/accounts`.

use crate::model::{Account, Freeze, Kind, Limits, TransactionId, text};
use crate::{accounts, closure};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Created, Error, Json, Key, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose account is to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WalletOwner)]
pub(crate) struct OwnerInput {
    /// The id of a family or a workspace, or `shop`.
    #[schema(example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    owner: String,
}

/// Why an account is frozen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WalletFreezeInput)]
pub(crate) struct FreezeInput {
    /// Its owner reads it.
    #[schema(min_length = 1, max_length = 200, example = "The phone is lost")]
    reason: String,
}

/// Where what is left on an account goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WalletClosureInput)]
pub(crate) struct ClosureInput {
    /// The account that is given it: its owner's id. Must be said when anything is left.
    #[serde(default)]
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: Option<String>,
}

/// That an account is closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletClosure)]
pub(crate) struct ClosureView {
    /// Where what was left on it went.
    to: Option<String>,
    /// By which transaction, if anything was left.
    transaction_id: Option<TransactionId>,
    /// Since when nothing is given to it or taken from it.
    at: Time,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletAccount)]
pub(crate) struct AccountView {
    /// Its owner's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    kind: Kind,
    /// All that is on it, in whole tokens.
    balance: i64,
    /// What of it can be spent.
    available: i64,
    /// What of it is reserved.
    held: i64,
    limits: Limits,
    /// Why nothing can be spent, if that is so.
    frozen: Option<Freeze>,
    /// That it is closed, if it is.
    closed: Option<ClosureView>,
    /// When it was opened.
    opened_at: Time,
}

/// Reads the caller's own account.
#[operation(get "/api/v1/wallet", permission = "wallet:read", answers = "The account")]
pub(crate) async fn get_own_wallet(caller: Caller) -> Result<Json<AccountView>> {
    Ok(Json(accounts::own(&caller).await?.into()))
}

/// Opens the account of a family or a workspace; for their components.
#[operation(
    post "/api/v1/wallet/accounts", permission = "wallet:write", idempotent,
    location = "The account's address", refuses(forbidden = "The caller is not the owner's component")
)]
pub(crate) async fn open_wallet_account(
    By(by): By,
    Json(input): Json<OwnerInput>,
) -> Result<Created<AccountView>> {
    let account = accounts::open(&by, &input.owner).await?;
    let location = format!("/api/v1/wallet/accounts/{}", account.id);
    Created::at(&location, &account.into())
}

/// Reads an account; administrators read every one.
#[operation(
    get "/api/v1/wallet/accounts/{id}", permission = "wallet:read", answers = "The account",
    parameters(id = "The owner's id"), refuses(not_found = "No account of the caller")
)]
pub(crate) async fn get_wallet_account(
    By(by): By,
    Path(id): Path<String>,
) -> Result<Json<AccountView>> {
    Ok(Json(accounts::get(&by, &id).await?.into()))
}

/// Sets what may be spent from an account; for administrators, and for the component of its owner.
#[operation(
    put "/api/v1/wallet/accounts/{id}/limits", permission = "wallet:write",
    answers = "The account as it is now", parameters(id = "The owner's id"),
    refuses(forbidden = "Users do not set limits of their own", not_found = "No account of the caller")
)]
pub(crate) async fn set_wallet_limits(
    By(by): By,
    Path(id): Path<String>,
    Json(limits): Json<Limits>,
) -> Result<Json<AccountView>> {
    Ok(Json(accounts::limit(&by, &id, limits).await?.into()))
}

/// Freezes an account, so that nothing is spent from it; for administrators, and for the component of its owner.
#[operation(
    post "/api/v1/wallet/accounts/{id}/freeze", permission = "wallet:write", idempotent,
    answers = "The account as it is now", parameters(id = "The owner's id"),
    refuses(forbidden = "Users do not freeze their own", not_found = "No account of the caller")
)]
pub(crate) async fn freeze_wallet_account(
    By(by): By,
    Path(id): Path<String>,
    Json(input): Json<FreezeInput>,
) -> Result<Json<AccountView>> {
    let reason = text("reason", Some(&input.reason))?;
    let reason =
        reason.ok_or_else(|| Error::validation("reason", "say why; its owner reads it"))?;
    Ok(Json(accounts::freeze(&by, &id, &reason).await?.into()))
}

/// Unfreezes an account; for administrators, and for the component of its owner.
#[operation(
    post "/api/v1/wallet/accounts/{id}/unfreeze", permission = "wallet:write", idempotent,
    answers = "The account as it is now", parameters(id = "The owner's id"),
    refuses(forbidden = "Users do not unfreeze their own", not_found = "No account of the caller")
)]
pub(crate) async fn unfreeze_wallet_account(
    By(by): By,
    Path(id): Path<String>,
) -> Result<Json<AccountView>> {
    Ok(Json(accounts::unfreeze(&by, &id).await?.into()))
}

/// Closes the account of a family or a workspace, and gives what is left on it to another one; for its component.
#[operation(
    post "/api/v1/wallet/accounts/{id}/closure", permission = "wallet:write", effect = destructive, idempotent,
    answers = "The account as it is now", parameters(id = "The owner's id"),
    refuses(
        forbidden = "The account is a user's",
        not_found = "No account of the caller, or none that what is left could go to",
        conflict = "It is closed, frozen, or something of it is reserved: `ACCOUNT_CLOSED`, `ACCOUNT_FROZEN`, `HOLDS_OPEN`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn close_wallet_account(
    By(by): By,
    Key(key): Key,
    Path(id): Path<String>,
    Json(input): Json<ClosureInput>,
) -> Result<Json<AccountView>> {
    Ok(Json(closure::close(&by, &key, &id, input.to).await?.into()))
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            kind: account.kind,
            balance: account.available + account.held,
            available: account.available,
            held: account.held,
            limits: account.limits,
            frozen: account.frozen,
            closed: account.closed.map(|closure| ClosureView {
                to: closure.to,
                transaction_id: closure.transaction,
                at: closure.at,
            }),
            opened_at: account.opened_at,
        }
    }
}
