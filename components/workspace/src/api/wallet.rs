//! `/api/v1/workspaces/{id}/wallet`: `group::api::wallet` says what is asked and answered.

use crate::model::WorkspaceId;
use crate::roles;
use group::api::wallet as account;
use group::api::wallet::{
    AccountSettings, DepositInput, DepositView, FreezeView, PaymentInput, PaymentView,
    PermissionView, ReasonInput, RolePermissionsView, Transactions, WalletView,
};
use group::payments::PaymentId;
use group::transactions::Wanted;
use membership::spending::Permission;
use sbd_sdk::{Caller, Created, Json, Key, Path, Query, Result, operation};

/// Characters of the reason for an emergency at least.
const LEAST: usize = 10;

/// Reads the account of a workspace the caller belongs to.
#[operation(
    get "/api/v1/workspaces/{id}/wallet", permission = "workspaces:read", answers = "The account",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn get_workspace_wallet(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<WalletView>> {
    Ok(Json(account::read(&id, &caller).await?))
}

/// Pays into a workspace's account out of the caller's own.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/deposits", permission = "workspaces:write", idempotent,
    location = "The transaction's address",
    refuses(
        not_found = "No workspace the caller belongs to",
        conflict = "The caller's account has too little, is frozen, or a limit is in the way: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deposit_to_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Key(key): Key,
    Json(input): Json<DepositInput>,
) -> Result<Created<DepositView>> {
    account::deposit(&id, &caller, &key, input).await
}

/// Pays somebody out of a workspace's account, as far as the caller may spend.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/payments", permission = "workspaces:write", idempotent,
    location = "The payment's address",
    refuses(
        forbidden = "The caller may spend nothing",
        not_found = "No workspace the caller belongs to",
        conflict = "The account has too little, is frozen, or the caller's limit is in the way: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn pay_from_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Key(key): Key,
    Json(input): Json<PaymentInput>,
) -> Result<Created<PaymentView>> {
    account::pay(&id, &caller, &key, input).await
}

/// Reads a payment out of a workspace's account.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/payments/{payment_id}", permission = "workspaces:read",
    answers = "The payment", refuses(not_found = "No payment of a workspace the caller belongs to")
)]
pub(crate) async fn get_workspace_payment(
    caller: Caller,
    Path((id, payment_id)): Path<(WorkspaceId, PaymentId)>,
) -> Result<Json<PaymentView>> {
    Ok(Json(account::payment(&id, &caller, &payment_id).await?))
}

/// Lists what went to and from a workspace's account, and whose doing it was.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/transactions", permission = "workspaces:read",
    answers = "A page of it", refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_transactions(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(wanted): Query<Wanted>,
) -> Result<Transactions> {
    account::transactions(&id, &caller, &wanted).await
}

/// Reads what a member may spend and has spent: oneself, and any with the permission `wallet`.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/permissions/{user}", permission = "workspaces:read",
    answers = "It", parameters(user = "The member's id"),
    refuses(forbidden = "It is another's, and the caller's role has not the permission `wallet`", not_found = "No member of a workspace the caller belongs to")
)]
pub(crate) async fn get_workspace_spending_permission(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
) -> Result<Json<PermissionView>> {
    Ok(Json(account::permission(&id, &caller, &user).await?))
}

/// Sets what a member may spend; with the permission `wallet`.
#[operation(
    put "/api/v1/workspaces/{id}/wallet/permissions/{user}", permission = "workspaces:write",
    answers = "It, as it is now", parameters(user = "The member's id"),
    refuses(
        forbidden = "The caller is not one to set it",
        not_found = "No member of a workspace the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn set_workspace_spending_permission(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
    Json(permission): Json<Permission>,
) -> Result<Json<PermissionView>> {
    let set = account::set_permission(&id, &caller, &user, permission);
    Ok(Json(set.await?))
}

/// Lists what members may spend by their roles, where something is said of them.
///
/// Of other roles those may spend without limit that have the permission `spend`, and nobody else anything.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/role-permissions", permission = "workspaces:read",
    answers = "What", refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_role_permissions(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<RolePermissionsView>> {
    Ok(Json(account::role_permissions(&id, &caller).await?))
}

/// Sets what members of a role may spend of whom nothing else is said; with the permission `wallet`.
#[operation(
    put "/api/v1/workspaces/{id}/wallet/role-permissions/{role}", permission = "workspaces:write",
    answers = "What members may spend by their roles now", parameters(role = "The role"),
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No role of a workspace the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn set_workspace_role_permission(
    caller: Caller,
    Path((id, role)): Path<(WorkspaceId, String)>,
    Json(permission): Json<Permission>,
) -> Result<Json<RolePermissionsView>> {
    let role = roles::named(&id, &caller, &role).await?;
    let set = account::set_role_permission(&id, &caller, role.as_str(), Some(permission));
    Ok(Json(set.await?))
}

/// Has members of a role spend what is usual again; with the permission `wallet`.
#[operation(
    delete "/api/v1/workspaces/{id}/wallet/role-permissions/{role}", permission = "workspaces:write",
    answers = "What members may spend by their roles now", parameters(role = "The role"),
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No workspace the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn unset_workspace_role_permission(
    caller: Caller,
    Path((id, role)): Path<(WorkspaceId, String)>,
) -> Result<Json<RolePermissionsView>> {
    let set = account::set_role_permission(&id, &caller, &role, None);
    Ok(Json(set.await?))
}

/// Reads which requests for tokens are approved by themselves, and how many unfreeze the account.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/settings", permission = "workspaces:read", answers = "Which",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn get_workspace_wallet_settings(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<AccountSettings>> {
    Ok(Json(account::all_settings(&id, &caller).await?))
}

/// Sets which requests for tokens are approved by themselves, and how many unfreeze the account; with the permission `wallet`.
#[operation(
    put "/api/v1/workspaces/{id}/wallet/settings", permission = "workspaces:write",
    answers = "Which, as it is now",
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No workspace the caller belongs to",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn set_workspace_wallet_settings(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(settings): Json<AccountSettings>,
) -> Result<Json<AccountSettings>> {
    Ok(Json(
        account::set_all_settings(&id, &caller, settings).await?,
    ))
}

/// Freezes a workspace's account, so that nothing is spent from it; with the permission `wallet`.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/freeze", permission = "workspaces:write",
    answers = "Whether it is frozen now",
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No workspace the caller belongs to",
        conflict = "It is frozen already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn freeze_workspace_wallet(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<ReasonInput>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::freeze(&id, &caller, &input).await?))
}

/// Unfreezes a workspace's account; with the permission `wallet`.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/unfreeze", permission = "workspaces:write",
    answers = "Whether it is frozen now",
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No workspace the caller belongs to",
        conflict = "It is not frozen",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn unfreeze_workspace_wallet(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::unfreeze(&id, &caller).await?))
}

/// Reads whether a workspace's account is frozen, and whether its backup administrators are asked to unfreeze it.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/emergency-unfreeze", permission = "workspaces:read",
    answers = "Whether", refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn get_workspace_emergency_unfreeze(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::emergency(&id, &caller).await?))
}

/// Asks the backup administrators to unfreeze the account; for one of them, for a reason of 10 characters at least.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/emergency-unfreeze", permission = "workspaces:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        forbidden = "The caller is no backup administrator",
        not_found = "No workspace the caller belongs to",
        conflict = "It is not frozen, or they are asked already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn ask_for_workspace_unfreeze(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<ReasonInput>,
) -> Result<Json<FreezeView>> {
    let asked = account::ask_for_unfreeze(&id, &caller, &input, LEAST);
    Ok(Json(asked.await?))
}

/// Votes for unfreezing the account.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/emergency-unfreeze/approve", permission = "workspaces:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        forbidden = "The caller is no backup administrator",
        not_found = "No workspace the caller belongs to",
        conflict = "They are not asked, or the caller has voted",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_workspace_unfreeze(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::vote(&id, &caller, true).await?))
}

/// Votes against unfreezing the account.
#[operation(
    post "/api/v1/workspaces/{id}/wallet/emergency-unfreeze/reject", permission = "workspaces:write",
    answers = "Whether it is frozen, and the vote",
    refuses(
        forbidden = "The caller is no backup administrator",
        not_found = "No workspace the caller belongs to",
        conflict = "They are not asked, or the caller has voted",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn reject_workspace_unfreeze(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<FreezeView>> {
    Ok(Json(account::vote(&id, &caller, false).await?))
}
