//! What is asked of those who review, and answered: as the component that uses this says it where its routes are.

use super::wallet::{MAX_TEXT, account_id, created};
use crate::Group;
use crate::payments::{Made, PaymentId};
use crate::purchase_requests::{self, Wish};
use crate::requests::{self, Item, Kind, Request, RequestFilter, RequestId, RequestSort};
use crate::token_requests;
use membership::request::State;
use membership::text;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Error, Listing, Principal, Result, Tokens};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a comment at most: as in the reference.
const MAX_COMMENT: usize = 500;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRequestInput)]
pub struct TokenInput {
    amount: Tokens,
    /// What for; those who review read it.
    #[schema(min_length = 1, max_length = 200, example = "A book about engines")]
    reason: String,
}

/// What is to be bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseRequestInput)]
pub struct PurchaseInput {
    item: ItemInput,
    /// What it costs. Whoever sells it compares before it delivers.
    price: Tokens,
    /// Who is paid: the id of a user, a family or a workspace.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    seller: String,
    /// What for; those who review read it.
    #[serde(default)]
    #[schema(max_length = 200)]
    reason: Option<String>,
}

/// Which thing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseItemInput)]
pub struct ItemInput {
    /// The component that sells it. One that asks for a member sells it itself.
    #[schema(min_length = 1, max_length = 64, example = "shop")]
    component: String,
    /// The component's own id of it.
    #[schema(min_length = 1, max_length = 100, example = "itm_1")]
    id: String,
    /// What it is called; those who review read it.
    #[schema(min_length = 1, max_length = 100, example = "A red theme")]
    title: String,
}

/// A reviewer's words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RequestReviewInput)]
pub struct ReviewInput {
    /// Whoever asked reads it.
    #[serde(default)]
    #[schema(max_length = 500)]
    comment: Option<String>,
}

/// Why nothing is delivered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseFailureInput)]
pub struct FailureInput {
    /// Whoever asked reads it.
    #[schema(min_length = 1, max_length = 200, example = "It is sold out")]
    reason: String,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountRequest)]
pub struct RequestView {
    #[schema(inline)]
    id: RequestId,
    /// Who asks.
    user_id: String,
    /// Their name, as it was then.
    username: String,
    amount: Tokens,
    /// What for.
    reason: Option<String>,
    /// What is to be bought, if it is that.
    item: Option<ItemView>,
    state: State,
    /// Whether it was approved by itself.
    automatic: bool,
    /// Who decided.
    reviewed_by: Option<String>,
    /// When.
    reviewed_at: Option<Time>,
    /// What they said.
    comment: Option<String>,
    /// Why it could not be carried out, when that was tried last.
    failure: Option<String>,
    payment_id: Option<PaymentId>,
    created_at: Time,
    /// Until when somebody must decide.
    expires_at: Time,
    ended_at: Option<Time>,
}

/// What is to be bought.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PurchaseItem)]
pub struct ItemView {
    /// The component that sells it.
    component: String,
    /// The component's own id of it.
    id: String,
    /// What it is called.
    title: String,
    /// Who is paid.
    seller: String,
}

/// Asks for tokens.
///
/// # Errors
/// When nothing can be asked for now.
pub async fn ask_for_tokens<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    input: &TokenInput,
) -> Result<Created<RequestView>> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let made = token_requests::ask(group, caller, key, input.amount, &reason).await?;
    made_at("token-requests", made)
}

/// Asks that something is bought.
///
/// # Errors
/// When nothing can be asked for now, or the price cannot be held.
pub async fn ask_for_purchase<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    input: PurchaseInput,
) -> Result<Created<RequestView>> {
    let wish = input.wish(caller)?;
    let made = purchase_requests::ask(group, caller, key, wish).await?;
    made_at("purchase-requests", made)
}

fn made_at<G: Group>(path: &str, made: Made<Request<G>>) -> Result<Created<RequestView>> {
    let Made { made, replayed } = made;
    let location = format!("/api/v1/{}/{}/{path}/{}", G::PATH, made.group, made.id);
    created(&location, replayed, &RequestView::from(made))
}

/// Requests: one's own, and all for those who review.
///
/// # Errors
/// When they are not the caller's to see.
pub async fn list<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    listing: &Listing<RequestSort, RequestFilter>,
) -> Result<Page<RequestView>> {
    let page = requests::list(group, caller, kind, listing).await?;
    Ok(page.map(RequestView::from))
}

/// A request for tokens: one's own, and any for those who review.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn token_request(
    group: &impl Group,
    caller: &Caller,
    id: &RequestId,
) -> Result<RequestView> {
    let request = requests::get(group, caller, Kind::Token, id).await?;
    Ok(request.into())
}

/// A request for a purchase: one's own, any for those who review, and for the component that sells.
///
/// # Errors
/// When it is not theirs to see.
pub async fn purchase_request(
    group: &impl Group,
    by: Principal,
    id: &RequestId,
) -> Result<RequestView> {
    Ok(purchase_requests::get(group, by, id).await?.into())
}

/// Approves a request, or denies it.
///
/// # Errors
/// When that is not the caller's to do, or it is decided.
pub async fn review(
    group: &impl Group,
    caller: &Caller,
    (kind, id): (Kind, &RequestId),
    approves: bool,
    input: &ReviewInput,
) -> Result<RequestView> {
    let comment = text::line("comment", input.comment.as_deref(), MAX_COMMENT)?;
    let request = match approves {
        true => requests::approve(group, caller, kind, id, comment).await?,
        false => requests::deny(group, caller, kind, id, comment).await?,
    };
    Ok(request.into())
}

/// Takes one's own request back.
///
/// # Errors
/// When it is another's, or decided.
pub async fn cancel(
    group: &impl Group,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
) -> Result<RequestView> {
    Ok(requests::cancel(group, caller, kind, id).await?.into())
}

/// Takes what is held for an approved purchase: it is delivered.
///
/// # Errors
/// When it is not for the component that asks to say, or not approved.
pub async fn fulfil(group: &impl Group, by: &Principal, id: &RequestId) -> Result<RequestView> {
    Ok(purchase_requests::fulfil(group, by, id).await?.into())
}

/// Frees what is held for a purchase: it cannot be delivered.
///
/// # Errors
/// When it is not for the component that asks to say, or has ended otherwise.
pub async fn fail(
    group: &impl Group,
    by: &Principal,
    id: &RequestId,
    input: &FailureInput,
) -> Result<RequestView> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let request = purchase_requests::fail(group, by, id, &reason).await?;
    Ok(request.into())
}

impl PurchaseInput {
    /// What is wanted. A component that asks for somebody asks for what it sells itself.
    fn wish(self, by: &Principal) -> Result<Wish> {
        let item = Item {
            component: text::some_line("item.component", &self.item.component, 64)?,
            id: text::some_line("item.id", &self.item.id, 100)?,
            title: text::some_line("item.title", &self.item.title, 100)?,
        };
        if by
            .asking_component()
            .is_some_and(|asking| asking != item.component)
        {
            let message = "the component that asks: none asks for what another one sells";
            return Err(Error::validation("item.component", message));
        }
        Ok(Wish {
            item,
            price: self.price,
            seller: account_id("seller", self.seller)?,
            reason: text::line("reason", self.reason.as_deref(), MAX_TEXT)?,
        })
    }
}

impl<G> From<Request<G>> for RequestView {
    fn from(request: Request<G>) -> Self {
        let seller = request.to;
        Self {
            id: request.id,
            user_id: request.user_id,
            username: request.username,
            amount: request.amount,
            reason: request.reason,
            item: request.item.map(|item| ItemView {
                component: item.component,
                id: item.id,
                title: item.title,
                seller,
            }),
            state: request.state,
            automatic: request.automatic,
            reviewed_by: request.reviewed_by,
            reviewed_at: request.reviewed_at,
            comment: request.comment,
            failure: request.refusal.map(|refusal| refusal.message().to_owned()),
            payment_id: request.payment,
            created_at: request.created_at,
            expires_at: request.expires_at,
            ended_at: request.ended_at,
        }
    }
}
