//! `/api/v1/families/{id}/token-requests` and `/api/v1/families/{id}/purchase-requests`: `group::api::requests` says
//! what is asked and answered.

use crate::model::FamilyId;
use group::api::requests as asked;
use group::api::requests::{FailureInput, PurchaseInput, RequestView, ReviewInput, TokenInput};
use group::requests::{Kind, RequestFilter, RequestId, RequestSort};
use sbd_sdk::paging::Page;
use sbd_sdk::{By, Caller, Created, Json, Key, Listing, Path, Result, operation};

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
    asked::ask_for_tokens(&id, &caller, &key, &input).await
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
    Ok(Json(
        asked::list(&id, &caller, Kind::Token, &listing).await?,
    ))
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
    Ok(Json(asked::token_request(&id, &caller, &request).await?))
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
    let which = (Kind::Token, &request);
    let request = asked::review(&id, &caller, which, true, &input);
    Ok(Json(request.await?))
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
    let which = (Kind::Token, &request);
    let request = asked::review(&id, &caller, which, false, &input);
    Ok(Json(request.await?))
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
    let request = asked::cancel(&id, &caller, Kind::Token, &request);
    Ok(Json(request.await?))
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
    asked::ask_for_purchase(&id, &caller, &key, input).await
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
    Ok(Json(
        asked::list(&id, &caller, Kind::Purchase, &listing).await?,
    ))
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
    Ok(Json(asked::purchase_request(&id, by, &request).await?))
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
    let which = (Kind::Purchase, &request);
    let request = asked::review(&id, &caller, which, true, &input);
    Ok(Json(request.await?))
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
    let which = (Kind::Purchase, &request);
    let request = asked::review(&id, &caller, which, false, &input);
    Ok(Json(request.await?))
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
    let request = asked::cancel(&id, &caller, Kind::Purchase, &request);
    Ok(Json(request.await?))
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
    Ok(Json(asked::fulfil(&id, &by, &request).await?))
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
    Ok(Json(asked::fail(&id, &by, &request, &input).await?))
}
