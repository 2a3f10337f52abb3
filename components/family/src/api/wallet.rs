//! `/api/v1/families/{id}/wallet`: `group::api::wallet` says what is asked and answered.

use crate::model::FamilyId;
use group::api::wallet as account;
use group::api::wallet::{
    DepositInput, DepositView, FreezeView, PaymentInput, PaymentView, PermissionView, ReasonInput,
    Transactions, WalletView,
};
use group::payments::PaymentId;
use group::transactions::Wanted;
use membership::request::Automatic;
use membership::spending::Permission;
use sbd_sdk::{Caller, Created, Json, Key, Path, Query, Result, operation};

/// Reads the account of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/wallet", permission = "families:read", answers = "The account",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family_wallet(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<WalletView>> {
    Ok(Json(account::read(&id, &caller).await?))
}

/// Pays into a family's account out of the caller's own.
#[operation(
    post "/api/v1/families/{id}/wallet/deposits", permission = "families:write", idempotent,
    location = "The transaction's address",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "The caller's account has too little, is frozen, or a limit is in the way: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deposit_to_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Key(key): Key,
    Json(input): Json<DepositInput>,
) -> Result<Created<DepositView>> {
    account::deposit(&id, &caller, &key, input).await
}

/// Pays somebody out of a family's account, as far as the caller may spend.
#[operation(
    post "/api/v1/families/{id}/wallet/payments", permission = "families:write", idempotent,
    location = "The payment's address",
    refuses(
        forbidden = "The caller may spend nothing",
        not_found = "No family the caller belongs to",
        conflict = "The account has too little, is frozen, or the caller's limit is in the way: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn pay_from_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Key(key): Key,
    Json(input): Json<PaymentInput>,
) -> Result<Created<PaymentView>> {
    account::pay(&id, &caller, &key, input).await
}

/// Reads a payment out of a family's account.
#[operation(
    get "/api/v1/families/{id}/wallet/payments/{payment_id}", permission = "families:read",
    answers = "The payment", refuses(not_found = "No payment of a family the caller belongs to")
)]
pub(crate) async fn get_family_payment(
    caller: Caller,
    Path((id, payment_id)): Path<(FamilyId, PaymentId)>,
) -> Result<Json<PaymentView>> {
    Ok(Json(account::payment(&id, &caller, &payment_id).await?))
}

/// Lists what went to and from a family's account, and whose doing it was.
#[operation(
    get "/api/v1/families/{id}/wallet/transactions", permission = "families:read",
    answers = "A page of it", refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_family_transactions(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Query(wanted): Query<Wanted>,
) -> Result<Transactions> {
    account::transactions(&id, &caller, &wanted).await
}

/// Reads what a member may spend and has spent: oneself, and any for administrators.
#[operation(
    get "/api/v1/families/{id}/wallet/permissions/{user}", permission = "families:read",
    answers = "It", parameters(user = "The member's id"),
    refuses(forbidden = "It is another's, and the caller is no administrator", not_found = "No member of a family the caller belongs to")
)]
pub(crate) async fn get_spending_permission(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
) -> Result<Json<PermissionView>> {
    Ok(Json(account::permission(&id, &caller, &user).await?))
}

/// Sets what a member may spend; for administrators.
#[operation(
    put "/api/v1/families/{id}/wallet/permissions/{user}", permission = "families:write",
    answers = "It, as it is now", parameters(user = "The member's id"),
    refuses(
        forbidden = "The caller is not one to set it",
        not_found = "No member of a family the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn set_spending_permission(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
    Json(permission): Json<Permission>,
) -> Result<Json<PermissionView>> {
    let set = account::set_permission(&id, &caller, &user, permission);
    Ok(Json(set.await?))
}

/// Reads which requests for tokens are approved without an administrator.
#[operation(
    get "/api/v1/families/{id}/wallet/settings", permission = "families:read", answers = "Which",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family_wallet_settings(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<Automatic>> {
    Ok(Json(account::settings(&id, &caller).await?))
}

/// Sets which requests for tokens are approved without an administrator; for administrators.
#[operation(
    put "/api/v1/families/{id}/wallet/settings", permission = "families:write",
    answers = "Which, as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn set_family_wallet_settings(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(automatic): Json<Automatic>,
) -> Result<Json<Automatic>> {
    Ok(Json(account::set_settings(&id, &caller, automatic).await?))
}

/// Freezes a family's account, so that nothing is spent from it; for administrators.
#[operation(
    post "/api/v1/families/{id}/wallet/freeze", permission = "families:write",
    answers = "Whether it is frozen now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "It is frozen already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn freeze_family_wallet(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<ReasonInput>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::freeze(&id, &caller, &input).await?))
}

/// Unfreezes a family's account; for administrators.
#[operation(
    post "/api/v1/families/{id}/wallet/unfreeze", permission = "families:write",
    answers = "Whether it is frozen now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "It is not frozen",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn unfreeze_family_wallet(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::unfreeze(&id, &caller).await?))
}

/// Reads whether a family's account is frozen, and whether the members are asked to unfreeze it.
#[operation(
    get "/api/v1/families/{id}/wallet/emergency-unfreeze", permission = "families:read",
    answers = "Whether", refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_emergency_unfreeze(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::emergency(&id, &caller).await?))
}

/// Asks all members to unfreeze the account: as many as half of them do it, two at least.
#[operation(
    post "/api/v1/families/{id}/wallet/emergency-unfreeze", permission = "families:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "It is not frozen, or the members are asked already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn ask_for_unfreeze(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<ReasonInput>,
) -> Result<Json<FreezeView>> {
    let asked = account::ask_for_unfreeze(&id, &caller, &input, 1);
    Ok(Json(asked.await?))
}

/// Votes for unfreezing the account.
#[operation(
    post "/api/v1/families/{id}/wallet/emergency-unfreeze/approve", permission = "families:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "The members are not asked, or the caller has voted",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_unfreeze(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::vote(&id, &caller, true).await?))
}

/// Votes against unfreezing the account.
#[operation(
    post "/api/v1/families/{id}/wallet/emergency-unfreeze/reject", permission = "families:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "The members are not asked, or the caller has voted",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn reject_unfreeze(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::vote(&id, &caller, false).await?))
}
