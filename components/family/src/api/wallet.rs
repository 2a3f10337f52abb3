//! `/api/v1/families/{id}/wallet`.

use crate::account::{self, Seen, Wallet};
use crate::allowances::{self, Allowance};
use crate::freezing;
use crate::model::{FamilyId, Membership};
use crate::payments::{self, Made, Order, Payment, PaymentId};
use crate::requests::RequestId;
use crate::transactions::{self, Wanted};
use crate::wallet::{Entry, Transfer};
use membership::freeze::{Act, Frozen, Vote};
use membership::payment::State;
use membership::request::Automatic;
use membership::spending::Permission;
use membership::text;
use sbd_sdk::idempotency::REPLAYED;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Answer, Caller, Created, Error, Json, Key, Path, Query, Result, Tokens, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a memo or a reason at most: as in the ledger.
pub(super) const MAX_TEXT: usize = 200;
/// Characters in the type of a payment at most: as in the ledger.
const MAX_TYPE: usize = 50;
/// Types that are not for payments of members: they say what made a payment.
const RESERVED: [&str; 5] = ["mint", "burn", "deposit", "token_request", "purchase"];

/// A family's account, as a member sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyWallet)]
pub(crate) struct WalletView {
    #[schema(inline)]
    family_id: FamilyId,
    /// All that is on it, in whole tokens.
    balance: i64,
    /// What of it can be spent.
    available: i64,
    /// What of it is reserved.
    held: i64,
    /// Why nothing can be spent, if that is so.
    frozen: Option<Frozen>,
    /// Why nothing can be spent, if an operator of this server says so, and not the family.
    frozen_by_operator: Option<String>,
    /// What the caller may spend.
    own_permission: Permission,
    /// The most that the caller may spend at once just now.
    spendable: i64,
}

/// What is to be paid in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyDepositInput)]
pub(crate) struct DepositInput {
    amount: Tokens,
    /// For all members to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
}

/// What was paid in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyDeposit)]
pub(crate) struct DepositView {
    /// The transaction in the ledger.
    #[schema(example = "txn_019a2f3c8b7e7c2d9f00112233445566")]
    transaction_id: String,
    amount: Tokens,
    /// For all members to read.
    memo: Option<String>,
    /// When.
    at: Time,
}

/// What is to be paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyPaymentInput)]
pub(crate) struct PaymentInput {
    /// Who is paid: the id of a user, a family or a workspace.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    to: String,
    amount: Tokens,
    /// For both to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
    /// What it is: a word, `payment` when not said.
    #[serde(default, rename = "type")]
    #[schema(max_length = 50, pattern = "^[a-z][a-z0-9_]*$", example = "payment")]
    kind: Option<String>,
}

/// A payment out of a family's account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyPayment)]
pub(crate) struct PaymentView {
    #[schema(inline)]
    id: PaymentId,
    /// The member whom it was made for.
    user_id: String,
    /// Who was paid.
    to: String,
    amount: Tokens,
    /// What it is.
    #[serde(rename = "type")]
    kind: String,
    /// For both to read.
    memo: Option<String>,
    state: State,
    /// The request that it carries out.
    request_id: Option<RequestId>,
    /// Who approved that; nobody, where it was approved by itself.
    approved_by: Option<String>,
    /// The transaction in the ledger.
    transaction_id: Option<String>,
    /// When it was decided.
    made_at: Time,
    /// When it was paid or undone.
    ended_at: Option<Time>,
}

/// What a member may spend, and has spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyPermission)]
pub(crate) struct PermissionView {
    /// The member.
    user_id: String,
    permission: Permission,
    /// Whether somebody said so; otherwise it is what the role gives.
    is_set: bool,
    /// Who said so.
    set_by: Option<String>,
    /// When.
    set_at: Option<Time>,
    /// What was spent today, in UTC.
    spent_today: i64,
    /// What was spent this month, in UTC.
    spent_this_month: i64,
    /// What of the member's requests was approved by itself this month.
    approved_this_month: i64,
}

/// Why the account is frozen, or is not to be any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyFreezeInput)]
pub(crate) struct ReasonInput {
    /// All members read it.
    #[schema(min_length = 1, max_length = 200, example = "The phone is lost")]
    reason: String,
}

/// Whether the account is frozen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyFreezeState)]
pub(crate) struct FreezeView {
    /// Why nothing can be spent, if that is so.
    frozen: Option<Frozen>,
    /// Whether the members are asked to unfreeze it.
    vote: Option<VoteView>,
}

/// Members who want the account unfrozen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyUnfreezeVote)]
pub(crate) struct VoteView {
    /// Who asked for it.
    asked_by: String,
    /// Why.
    reason: String,
    /// How many are for it.
    approvals: usize,
    /// How many are against it.
    rejections: usize,
    /// How many must be for it.
    required: u64,
    /// When it is over.
    expires_at: Time,
}

/// An entry of the account, and whose doing it was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyTransaction)]
pub(crate) struct TransactionView {
    transaction_id: String,
    /// When.
    at: Time,
    /// What it is.
    #[serde(rename = "type")]
    kind: String,
    /// So many tokens came, or, below zero, went.
    amount: i64,
    /// The account at the other end.
    counterparty: String,
    /// For both to read.
    memo: Option<String>,
    /// The member whose doing it was: who spent, asked or paid in. Others than members may pay in, too.
    user_id: Option<String>,
    payment_id: Option<PaymentId>,
    request_id: Option<RequestId>,
    /// The administrator who approved the request.
    approved_by: Option<String>,
}

/// A page of them, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyTransactions)]
pub(crate) struct TransactionsView {
    items: Vec<TransactionView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// Reads the account of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/wallet", permission = "families:read", answers = "The account",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family_wallet(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<WalletView>> {
    Ok(Json(account::seen(&id, &caller).await?.into()))
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
    let memo = text::line("memo", input.memo.as_deref(), MAX_TEXT)?;
    let transfer = account::deposit(&id, &caller, &key, input.amount, memo.as_deref()).await?;
    let location = format!("/api/v1/wallet/transfers/{}", transfer.id);
    let replayed = transfer.replayed;
    created(&location, replayed, &DepositView::from(transfer))
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
    let order = input.order()?;
    let Made { made, replayed } = payments::pay(&id, &caller, &key, order).await?;
    let location = format!("/api/v1/families/{id}/wallet/payments/{}", made.id);
    created(&location, replayed, &PaymentView::from(made))
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
    Ok(Json(payments::get(&id, &caller, &payment_id).await?.into()))
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
) -> Result<Json<TransactionsView>> {
    let (entries, next) = transactions::page(&id, &caller, &wanted).await?;
    let items = entries.into_iter().map(TransactionView::from).collect();
    Ok(Json(TransactionsView { items, next }))
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
    let of = allowances::get(&id, &caller, &user).await?;
    Ok(Json(PermissionView::of(of)))
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
    let of = allowances::set(&id, &caller, &user, permission).await?;
    Ok(Json(PermissionView::of(of)))
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
    crate::store::reader(&id, &caller).await?;
    Ok(Json(account::of(&id).await?.automatic))
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
    let wallet = account::set_automatic(&id, &caller, automatic).await?;
    Ok(Json(wallet.automatic))
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
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let wallet = freezing::decide(&id, &caller, Act::Freeze { reason }).await?;
    Ok(Json(wallet.into()))
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
    Ok(Json(
        freezing::decide(&id, &caller, Act::Unfreeze).await?.into(),
    ))
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
    crate::store::reader(&id, &caller).await?;
    Ok(Json(account::of(&id).await?.into()))
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
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    Ok(Json(freezing::ask(&id, &caller, &reason).await?.into()))
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
    Ok(Json(
        freezing::vote(&id, &caller, Act::Approve).await?.into(),
    ))
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
    Ok(Json(
        freezing::vote(&id, &caller, Act::Reject).await?.into(),
    ))
}

/// What was made, now or when the same was asked before.
pub(super) fn created<T: Serialize>(
    location: &str,
    replayed: bool,
    view: &T,
) -> Result<Created<T>> {
    let answer = Answer::created(location, view)?;
    Ok(match replayed {
        true => answer.header(REPLAYED, "true"),
        false => answer,
    }
    .into())
}

impl PaymentInput {
    fn order(self) -> Result<Order> {
        let kind = self.kind.as_deref().unwrap_or("payment");
        let kind = text::word("type", kind, MAX_TYPE)?;
        if RESERVED.contains(&&*kind) {
            let message = format!("another word: `{kind}` is what the family or the wallet writes");
            return Err(Error::validation("type", message));
        }
        Ok(Order {
            to: account_id("to", self.to)?,
            amount: self.amount,
            kind,
            memo: text::line("memo", self.memo.as_deref(), MAX_TEXT)?,
        })
    }
}

/// The id of whoever has an account.
pub(super) fn account_id(field: &str, id: String) -> Result<String> {
    match (1..=64).contains(&id.chars().count()) && !id.chars().any(char::is_control) {
        true => Ok(id),
        false => Err(Error::validation(
            field,
            "the id of a user, a family or a workspace, 64 characters at most",
        )),
    }
}

impl PermissionView {
    fn of((member, allowance): (Membership, Allowance)) -> Self {
        let now = time::now();
        let (spent_today, spent_this_month) = allowance.spent.at(now);
        Self {
            permission: allowance.permission(&member),
            is_set: allowance.permission.is_some(),
            user_id: member.user_id,
            spent_today,
            spent_this_month,
            approved_this_month: allowance.approved_at(now),
            set_by: allowance.set_by,
            set_at: allowance.set_at,
        }
    }
}

impl From<Seen> for WalletView {
    fn from(seen: Seen) -> Self {
        let permission = seen.allowance.permission(&seen.membership);
        let is_frozen = seen.wallet.freeze.frozen.is_some() || seen.account.frozen.is_some();
        let most = permission.left(&seen.allowance.spent, time::now());
        let spendable = most.map_or(seen.account.available, |most| {
            most.min(seen.account.available)
        });
        Self {
            family_id: seen.wallet.family_id,
            balance: seen.account.balance,
            available: seen.account.available,
            held: seen.account.held,
            frozen_by_operator: match &seen.wallet.freeze.frozen {
                Some(_) => None,
                None => seen.account.frozen.map(|frozen| frozen.reason),
            },
            frozen: seen.wallet.freeze.frozen,
            own_permission: permission,
            spendable: if is_frozen { 0 } else { spendable },
        }
    }
}

impl From<Transfer> for DepositView {
    fn from(transfer: Transfer) -> Self {
        Self {
            transaction_id: transfer.id,
            amount: transfer.amount,
            memo: transfer.memo,
            at: transfer.at,
        }
    }
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        Self {
            id: payment.id,
            user_id: payment.user_id,
            to: payment.order.to,
            amount: payment.order.amount,
            kind: payment.order.kind,
            memo: payment.order.memo,
            state: payment.state,
            request_id: payment.request,
            approved_by: payment.approved_by,
            transaction_id: payment.transaction_id,
            made_at: payment.made_at,
            ended_at: payment.ended_at,
        }
    }
}

impl From<Wallet> for FreezeView {
    fn from(wallet: Wallet) -> Self {
        let vote = wallet.freeze.open_vote(time::now()).cloned();
        Self {
            frozen: wallet.freeze.frozen,
            vote: vote.map(VoteView::from),
        }
    }
}

impl From<Vote> for VoteView {
    fn from(vote: Vote) -> Self {
        Self {
            asked_by: vote.asked_by,
            reason: vote.reason,
            approvals: vote.approvals.len(),
            rejections: vote.rejections.len(),
            required: vote.required,
            expires_at: vote.expires_at,
        }
    }
}

impl From<(Entry, Option<Payment>)> for TransactionView {
    fn from((entry, payment): (Entry, Option<Payment>)) -> Self {
        let comes_from_user = entry.amount > 0 && entry.counterparty.starts_with("usr_");
        let (user_id, payment_id, request_id, approved_by) = match payment {
            Some(payment) => (
                Some(payment.user_id),
                Some(payment.id),
                payment.request,
                payment.approved_by,
            ),
            None => (
                comes_from_user.then(|| entry.counterparty.clone()),
                None,
                None,
                None,
            ),
        };
        Self {
            transaction_id: entry.transaction_id,
            at: entry.at,
            kind: entry.kind,
            amount: entry.amount,
            counterparty: entry.counterparty,
            memo: entry.memo,
            user_id,
            payment_id,
            request_id,
            approved_by,
        }
    }
}
