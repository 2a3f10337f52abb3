//! `/api/v1/families/{id}/token-requests` and `/api/v1/families/{id}/purchase-requests`.

use super::wallet::{MAX_TEXT, account_id, created};
use crate::model::FamilyId;
use crate::payments::{Made, PaymentId};
use crate::purchase_requests::{self, Wish};
use crate::requests::{self, Item, Kind, Request, RequestFilter, RequestId, RequestSort};
use crate::token_requests;
use membership::request::State;
use membership::text;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{
    By, Caller, Created, Error, Json, Key, Listing, Path, Principal, Result, Tokens, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a comment at most: as in the reference.
const MAX_COMMENT: usize = 500;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRequestInput)]
pub(crate) struct TokenInput {
    amount: Tokens,
    /// What for; administrators read it.
    #[schema(min_length = 1, max_length = 200, example = "A book about engines")]
    reason: String,
}

/// What is to be bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseRequestInput)]
pub(crate) struct PurchaseInput {
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
    /// What for; administrators read it.
    #[serde(default)]
    #[schema(max_length = 200)]
    reason: Option<String>,
}

/// Which thing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseItemInput)]
pub(crate) struct ItemInput {
    /// The component that sells it. One that asks for a member sells it itself.
    #[schema(min_length = 1, max_length = 64, example = "shop")]
    component: String,
    /// The component's own id of it.
    #[schema(min_length = 1, max_length = 100, example = "itm_1")]
    id: String,
    /// What it is called; administrators read it.
    #[schema(min_length = 1, max_length = 100, example = "A red theme")]
    title: String,
}

/// An administrator's words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RequestReviewInput)]
pub(crate) struct ReviewInput {
    /// Whoever asked reads it.
    #[serde(default)]
    #[schema(max_length = 500)]
    comment: Option<String>,
}

/// Why nothing is delivered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseFailureInput)]
pub(crate) struct FailureInput {
    /// Whoever asked reads it.
    #[schema(min_length = 1, max_length = 200, example = "It is sold out")]
    reason: String,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyRequest)]
pub(crate) struct RequestView {
    #[schema(inline)]
    id: RequestId,
    #[schema(inline)]
    family_id: FamilyId,
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
    /// Whether it was approved without an administrator.
    automatic: bool,
    /// The administrator who decided.
    reviewed_by: Option<String>,
    /// When.
    reviewed_at: Option<Time>,
    /// What the administrator said.
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
pub(crate) struct ItemView {
    /// The component that sells it.
    component: String,
    /// The component's own id of it.
    id: String,
    /// What it is called.
    title: String,
    /// Who is paid.
    seller: String,
}

/// Asks for tokens out of a family's account.
///
/// A small request of somebody who may spend so much is approved by itself.
#[operation(
    post "/api/v1/families/{id}/token-requests", permission = "families:write", idempotent,
    location = "The request's address",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "The account is frozen (`ACCOUNT_FROZEN`), or the caller has too many requests pending",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn create_token_request(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Key(key): Key,
    Json(input): Json<TokenInput>,
) -> Result<Created<RequestView>> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let Made { made, replayed } =
        token_requests::ask(&id, &caller, &key, input.amount, &reason).await?;
    let location = format!("/api/v1/families/{id}/token-requests/{}", made.id);
    created(&location, replayed, &RequestView::from(made))
}

/// Lists requests for tokens: one's own, and all for administrators.
#[operation(
    get "/api/v1/families/{id}/token-requests", permission = "families:read",
    refuses(
        forbidden = "They are another's, and the caller is no administrator",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn list_token_requests(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing<RequestSort, RequestFilter>,
) -> Result<Json<Page<RequestView>>> {
    let page = requests::list(&id, &caller, Kind::Token, &listing).await?;
    Ok(Json(page.map(RequestView::from)))
}

/// Reads a request for tokens: one's own, and any for administrators.
#[operation(
    get "/api/v1/families/{id}/token-requests/{request_id}", permission = "families:read",
    answers = "The request", refuses(not_found = "No request that the caller may see")
)]
pub(crate) async fn get_token_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = requests::get(&id, &caller, Kind::Token, &request).await?;
    Ok(Json(request.into()))
}

/// Approves a request for tokens, and pays; for administrators.
#[operation(
    post "/api/v1/families/{id}/token-requests/{request_id}/approve", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller is no administrator, or asked for it and is not the only one",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already, or cannot be paid: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_token_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let comment = input.comment()?;
    let request = requests::approve(&id, &caller, Kind::Token, &request, comment).await?;
    Ok(Json(request.into()))
}

/// Denies a request for tokens; for administrators.
#[operation(
    post "/api/v1/families/{id}/token-requests/{request_id}/deny", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller is no administrator, or asked for it and is not the only one",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deny_token_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let comment = input.comment()?;
    let request = requests::deny(&id, &caller, Kind::Token, &request, comment).await?;
    Ok(Json(request.into()))
}

/// Takes one's own request for tokens back.
#[operation(
    post "/api/v1/families/{id}/token-requests/{request_id}/cancel", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "It is another's",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn cancel_token_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = requests::cancel(&id, &caller, Kind::Token, &request).await?;
    Ok(Json(request.into()))
}

/// Asks that something is bought out of a family's account.
///
/// The price is held at once. Who may spend so much needs no approval.
#[operation(
    post "/api/v1/families/{id}/purchase-requests", permission = "families:write", idempotent,
    location = "The request's address",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "The account has too little or is frozen (`INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`), or the caller has too many requests pending",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn create_purchase_request(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Key(key): Key,
    Json(input): Json<PurchaseInput>,
) -> Result<Created<RequestView>> {
    let wish = input.wish(&caller)?;
    let Made { made, replayed } = purchase_requests::ask(&id, &caller, &key, wish).await?;
    let location = format!("/api/v1/families/{id}/purchase-requests/{}", made.id);
    created(&location, replayed, &RequestView::from(made))
}

/// Lists requests for purchases: one's own, and all for administrators.
#[operation(
    get "/api/v1/families/{id}/purchase-requests", permission = "families:read",
    refuses(
        forbidden = "They are another's, and the caller is no administrator",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn list_purchase_requests(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing<RequestSort, RequestFilter>,
) -> Result<Json<Page<RequestView>>> {
    let page = requests::list(&id, &caller, Kind::Purchase, &listing).await?;
    Ok(Json(page.map(RequestView::from)))
}

/// Reads a request for a purchase: one's own, any for administrators, and for the component that sells.
#[operation(
    get "/api/v1/families/{id}/purchase-requests/{request_id}", permission = "families:read",
    answers = "The request", refuses(not_found = "No request that the caller may see")
)]
pub(crate) async fn get_purchase_request(
    By(by): By,
    Path((id, request)): Path<(FamilyId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = purchase_requests::get(&id, by, &request).await?;
    Ok(Json(request.into()))
}

/// Approves a request for a purchase, which the component that sells then delivers; for administrators.
#[operation(
    post "/api/v1/families/{id}/purchase-requests/{request_id}/approve", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller is no administrator, or asked for it and is not the only one",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already, or the account is frozen (`ACCOUNT_FROZEN`)",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let comment = input.comment()?;
    let request = requests::approve(&id, &caller, Kind::Purchase, &request, comment).await?;
    Ok(Json(request.into()))
}

/// Denies a request for a purchase, and frees what is held; for administrators.
#[operation(
    post "/api/v1/families/{id}/purchase-requests/{request_id}/deny", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller is no administrator, or asked for it and is not the only one",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deny_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let comment = input.comment()?;
    let request = requests::deny(&id, &caller, Kind::Purchase, &request, comment).await?;
    Ok(Json(request.into()))
}

/// Takes one's own request for a purchase back, and frees what is held.
#[operation(
    post "/api/v1/families/{id}/purchase-requests/{request_id}/cancel", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "It is another's",
        not_found = "No request of a family the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn cancel_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(FamilyId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = requests::cancel(&id, &caller, Kind::Purchase, &request).await?;
    Ok(Json(request.into()))
}

/// Takes what is held for an approved purchase: it is delivered. For the component that sells.
#[operation(
    post "/api/v1/families/{id}/purchase-requests/{request_id}/fulfilment", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        not_found = "No request for what the component sells",
        conflict = "It is not approved, or not any more",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn fulfil_purchase_request(
    By(by): By,
    Path((id, request)): Path<(FamilyId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = purchase_requests::fulfil(&id, &by, &request).await?;
    Ok(Json(request.into()))
}

/// Frees what is held for a purchase: it cannot be delivered. For the component that sells.
#[operation(
    post "/api/v1/families/{id}/purchase-requests/{request_id}/failure", permission = "families:write",
    answers = "The request as it is now", idempotent,
    refuses(
        not_found = "No request for what the component sells",
        conflict = "It has ended otherwise",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn fail_purchase_request(
    By(by): By,
    Path((id, request)): Path<(FamilyId, RequestId)>,
    Json(input): Json<FailureInput>,
) -> Result<Json<RequestView>> {
    let reason = text::some_line("reason", &input.reason, MAX_TEXT)?;
    let request = purchase_requests::fail(&id, &by, &request, &reason).await?;
    Ok(Json(request.into()))
}

impl ReviewInput {
    fn comment(&self) -> Result<Option<String>> {
        text::line("comment", self.comment.as_deref(), MAX_COMMENT)
    }
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

impl From<Request> for RequestView {
    fn from(request: Request) -> Self {
        let seller = request.to;
        Self {
            id: request.id,
            family_id: request.family_id,
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
