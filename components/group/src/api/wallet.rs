//! What is asked of an account, and answered: as the component that uses this says it where its routes are.

use crate::account::{self, Seen, Wallet};
use crate::allowances::{self, Allowance};
use crate::payments::{self, Made, Order, Payment, PaymentId};
use crate::requests::RequestId;
use crate::transactions::{self, Format, Wanted};
use crate::wallet::{Entry, Transfer};
use crate::{Group, Member, freezing};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, header};
use membership::freeze::{Act, Frozen, Vote};
use membership::payment::State;
use membership::request::Automatic;
use membership::spending::Permission;
use membership::text;
use sbd_sdk::csv::{cell, line};
use sbd_sdk::idempotency::REPLAYED;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Answer, Caller, Created, Error, Json, Result, Tokens};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a memo or a reason at most: as in the ledger.
pub(super) const MAX_TEXT: usize = 200;
/// Characters in the type of a payment at most: as in the ledger.
const MAX_TYPE: usize = 50;
/// Where the next page of a table begins.
const NEXT: HeaderName = HeaderName::from_static("next-cursor");
/// The columns of one.
const COLUMNS: [&str; 10] = [
    "transaction_id",
    "at",
    "type",
    "amount",
    "counterparty",
    "memo",
    "user_id",
    "payment_id",
    "request_id",
    "approved_by",
];
/// Types that are not for payments of members: they say what made a payment.
const RESERVED: [&str; 5] = ["mint", "burn", "deposit", "token_request", "purchase"];

/// A group's account, as a member sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct WalletView {
    /// All that is on it, in whole tokens.
    balance: i64,
    /// What of it can be spent.
    available: i64,
    /// What of it is reserved.
    held: i64,
    /// Why nothing can be spent, if that is so.
    frozen: Option<Frozen>,
    /// Why nothing can be spent, if an operator of this server says so, and not the group.
    frozen_by_operator: Option<String>,
    /// What the caller may spend.
    own_permission: Permission,
    /// The most that the caller may spend at once just now.
    spendable: i64,
    /// Whether the caller may ask for tokens, or that something is bought.
    may_ask: bool,
}

/// What is to be paid in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountDepositInput)]
pub struct DepositInput {
    amount: Tokens,
    /// For all members to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    memo: Option<String>,
}

/// What was paid in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountDeposit)]
pub struct DepositView {
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
#[schema(as = AccountPaymentInput)]
pub struct PaymentInput {
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

/// A payment out of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountPayment)]
pub struct PaymentView {
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
#[schema(as = AccountPermission)]
pub struct PermissionView {
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
#[schema(as = AccountFreezeInput)]
pub struct ReasonInput {
    /// All members read it.
    #[schema(min_length = 1, max_length = 200, example = "The phone is lost")]
    reason: String,
}

/// Whether the account is frozen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountFreezeState)]
pub struct FreezeView {
    /// Why nothing can be spent, if that is so.
    frozen: Option<Frozen>,
    /// Whether somebody is asked to unfreeze it.
    vote: Option<VoteView>,
}

/// Members who want the account unfrozen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountUnfreezeVote)]
pub struct VoteView {
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

/// What is decided about an account whose backup administrators unfreeze it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountSettings)]
pub struct AccountSettings {
    /// A request for so many tokens at most is approved by itself; without both numbers none is.
    #[serde(default)]
    up_to: Option<Tokens>,
    /// Of a member's requests so many tokens in a month (UTC) at most, together.
    #[serde(default)]
    per_month: Option<Tokens>,
    /// How many backup administrators unfreeze the account in an emergency: 1 or 2.
    #[schema(minimum = 1, maximum = 2)]
    unfreezers: u64,
}

/// What members of a role may spend of whom nothing else is said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountRolePermission)]
pub struct RolePermissionView {
    /// The role.
    role: String,
    permission: Permission,
}

/// All of them that are said; others may spend what is usual for their role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountRolePermissions)]
pub struct RolePermissionsView {
    items: Vec<RolePermissionView>,
}

/// An entry of the account, and whose doing it was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountTransaction)]
pub struct TransactionView {
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
    /// Who approved the request.
    approved_by: Option<String>,
}

/// A page of them in the form that was asked for.
#[derive(Debug)]
pub enum Transactions {
    /// For programs.
    Json(TransactionsView),
    /// For spreadsheets.
    Csv(TransactionsView),
}

/// A page of them, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountTransactions)]
pub struct TransactionsView {
    items: Vec<TransactionView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// The account.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn read(group: &impl Group, caller: &Caller) -> Result<WalletView> {
    Ok(account::seen(group, caller).await?.into())
}

/// Pays into it out of the caller's own.
///
/// # Errors
/// When the ledger would not.
pub async fn deposit(
    group: &impl Group,
    caller: &Caller,
    key: &str,
    input: DepositInput,
) -> Result<Created<DepositView>> {
    let memo = text::line("memo", input.memo.as_deref(), MAX_TEXT)?;
    let transfer = account::deposit(group, caller, key, input.amount, memo.as_deref()).await?;
    let location = format!("/api/v1/wallet/transfers/{}", transfer.id);
    let replayed = transfer.replayed;
    created(&location, replayed, &DepositView::from(transfer))
}

/// Pays somebody out of it, as far as the caller may spend.
///
/// # Errors
/// When the caller may not, or the ledger would not.
pub async fn pay<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    input: PaymentInput,
) -> Result<Created<PaymentView>> {
    let order = input.order()?;
    let Made { made, replayed } = payments::pay(group, caller, key, order).await?;
    let location = format!("/api/v1/{}/{group}/wallet/payments/{}", G::PATH, made.id);
    created(&location, replayed, &PaymentView::from(made))
}

/// A payment out of it.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn payment(group: &impl Group, caller: &Caller, id: &PaymentId) -> Result<PaymentView> {
    Ok(payments::get(group, caller, id).await?.into())
}

/// What went to and from it, and whose doing it was.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn transactions(
    group: &impl Group,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Transactions> {
    let (entries, next) = transactions::page(group, caller, wanted).await?;
    let items = entries.into_iter().map(TransactionView::from).collect();
    let page = TransactionsView { items, next };
    Ok(match wanted.format.unwrap_or_default() {
        Format::Json => Transactions::Json(page),
        Format::Csv => Transactions::Csv(page),
    })
}

/// What a member may spend and has spent.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn permission(group: &impl Group, caller: &Caller, user: &str) -> Result<PermissionView> {
    let of = allowances::get(group, caller, user).await?;
    Ok(PermissionView::of(of))
}

/// Sets what a member may spend.
///
/// # Errors
/// When that is not the caller's to say.
pub async fn set_permission(
    group: &impl Group,
    caller: &Caller,
    user: &str,
    permission: Permission,
) -> Result<PermissionView> {
    let of = allowances::set(group, caller, user, permission).await?;
    Ok(PermissionView::of(of))
}

/// Which requests for tokens are approved by themselves.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn settings(group: &impl Group, caller: &Caller) -> Result<Automatic> {
    group.reader(caller).await?;
    Ok(account::of(group).await?.automatic)
}

/// Sets which requests for tokens are approved by themselves.
///
/// # Errors
/// When that is not the caller's to say.
pub async fn set_settings(
    group: &impl Group,
    caller: &Caller,
    automatic: Automatic,
) -> Result<Automatic> {
    let wallet = account::set_automatic(group, caller, automatic, None).await?;
    Ok(wallet.automatic)
}

/// Which requests are approved by themselves, and how many unfreeze it.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn all_settings<G: Group>(group: &G, caller: &Caller) -> Result<AccountSettings> {
    group.reader(caller).await?;
    Ok(account::of(group).await?.into())
}

/// Sets both.
///
/// # Errors
/// When that is not the caller's to say.
pub async fn set_all_settings<G: Group>(
    group: &G,
    caller: &Caller,
    settings: AccountSettings,
) -> Result<AccountSettings> {
    if !(1..=2).contains(&settings.unfreezers) {
        return Err(Error::validation("unfreezers", "1 or 2"));
    }
    let automatic = Automatic {
        up_to: settings.up_to,
        per_month: settings.per_month,
    };
    let unfreezers = Some(settings.unfreezers);
    let wallet = account::set_automatic(group, caller, automatic, unfreezers).await?;
    Ok(wallet.into())
}

/// What members may spend by their roles.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn role_permissions(group: &impl Group, caller: &Caller) -> Result<RolePermissionsView> {
    group.reader(caller).await?;
    Ok(account::of(group).await?.into())
}

/// Sets what members of a role may spend; none: what is usual.
///
/// # Errors
/// When that is not the caller's to say.
pub async fn set_role_permission(
    group: &impl Group,
    caller: &Caller,
    role: &str,
    permission: Option<Permission>,
) -> Result<RolePermissionsView> {
    let wallet = account::set_of_role(group, caller, role, permission).await?;
    Ok(wallet.into())
}

/// Freezes it, so that nothing is spent from it.
///
/// # Errors
/// When that is not the caller's to say, or it is frozen.
pub async fn freeze(
    group: &impl Group,
    caller: &Caller,
    input: &ReasonInput,
) -> Result<FreezeView> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let wallet = freezing::decide(group, caller, Act::Freeze { reason }).await?;
    Ok(wallet.into())
}

/// Unfreezes it.
///
/// # Errors
/// When that is not the caller's to say, or it is not frozen.
pub async fn unfreeze(group: &impl Group, caller: &Caller) -> Result<FreezeView> {
    Ok(freezing::decide(group, caller, Act::Unfreeze).await?.into())
}

/// Whether it is frozen, and whether somebody is asked to unfreeze it.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn emergency(group: &impl Group, caller: &Caller) -> Result<FreezeView> {
    group.reader(caller).await?;
    Ok(account::of(group).await?.into())
}

/// Asks those whose say it is to unfreeze it, for a reason of so many characters at least.
///
/// # Errors
/// When it is not the caller's to ask, or it is not frozen.
pub async fn ask_for_unfreeze(
    group: &impl Group,
    caller: &Caller,
    input: &ReasonInput,
    least: usize,
) -> Result<FreezeView> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    if reason.chars().count() < least {
        let message = format!("{least} to {MAX_TEXT} characters: why it cannot wait");
        return Err(Error::validation("reason", message));
    }
    Ok(freezing::ask(group, caller, &reason).await?.into())
}

/// Votes for unfreezing it, or against.
///
/// # Errors
/// When nobody is asked, or the caller is not.
pub async fn vote(group: &impl Group, caller: &Caller, approves: bool) -> Result<FreezeView> {
    let act = match approves {
        true => Act::Approve,
        false => Act::Reject,
    };
    Ok(freezing::vote(group, caller, act).await?.into())
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
            let message = format!("another word: `{kind}` is what the group or the wallet writes");
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
    fn of((member, allowance, permission): (Member, Allowance, Permission)) -> Self {
        let now = time::now();
        let (spent_today, spent_this_month) = allowance.spent.at(now);
        Self {
            permission,
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

impl<G> From<Seen<G>> for WalletView {
    fn from(seen: Seen<G>) -> Self {
        let permission = seen.allowance.permission(&seen.member, &seen.wallet);
        let is_frozen = seen.wallet.freeze.frozen.is_some() || seen.account.frozen.is_some();
        let most = permission.left(&seen.allowance.spent, time::now());
        let spendable = most.map_or(seen.account.available, |most| {
            most.min(seen.account.available)
        });
        Self {
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
            may_ask: seen.member.asks,
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

impl<G> From<Payment<G>> for PaymentView {
    fn from(payment: Payment<G>) -> Self {
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

impl<G> From<Wallet<G>> for FreezeView {
    fn from(wallet: Wallet<G>) -> Self {
        let vote = wallet.freeze.open_vote(time::now()).cloned();
        Self {
            frozen: wallet.freeze.frozen,
            vote: vote.map(VoteView::from),
        }
    }
}

impl<G: Group> From<Wallet<G>> for AccountSettings {
    fn from(wallet: Wallet<G>) -> Self {
        Self {
            up_to: wallet.automatic.up_to,
            per_month: wallet.automatic.per_month,
            unfreezers: wallet.unfreezers.unwrap_or_else(|| G::required(0)),
        }
    }
}

impl<G> From<Wallet<G>> for RolePermissionsView {
    fn from(wallet: Wallet<G>) -> Self {
        let roles = wallet.roles.into_iter();
        let items = roles.map(|(role, permission)| RolePermissionView { role, permission });
        Self {
            items: items.collect(),
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

impl<G> From<(Entry, Option<Payment<G>>)> for TransactionView {
    fn from((entry, payment): (Entry, Option<Payment<G>>)) -> Self {
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

// === impl Transactions ===

impl IntoResponse for Transactions {
    fn into_response(self) -> Response {
        match self {
            Self::Json(page) => Json(page).into_response(),
            Self::Csv(page) => {
                let table = page.table();
                let kind = [
                    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                    (
                        header::CONTENT_DISPOSITION,
                        "attachment; filename=\"transactions.csv\"",
                    ),
                ];
                match page.next {
                    Some(next) => (kind, [(NEXT, next)], table).into_response(),
                    None => (kind, table).into_response(),
                }
            }
        }
    }
}

/// As JSON; a table has the same columns, and the next page in `next-cursor`.
impl Output for Transactions {
    fn describe(description: &mut Description) {
        <Json<TransactionsView> as Output>::describe(description);
        description.answer_header("next-cursor", "Of a table: where the next page begins");
    }
}

impl TransactionsView {
    fn table(&self) -> String {
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
        let lines = self.items.iter().map(|one| {
            let cells = [
                cell(&one.transaction_id),
                cell(&one.at.to_string()),
                cell(&one.kind),
                one.amount.to_string(),
                cell(&one.counterparty),
                text(&one.memo),
                text(&one.user_id),
                cell(one.payment_id.as_ref().map_or("", PaymentId::as_str)),
                cell(one.request_id.as_ref().map_or("", RequestId::as_str)),
                text(&one.approved_by),
            ];
            format!("{}\r\n", cells.join(","))
        });
        std::iter::once(line(COLUMNS)).chain(lines).collect()
    }
}
