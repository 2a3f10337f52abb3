//! `/api/v1/workspaces/{id}/token-requests` and `/api/v1/workspaces/{id}/purchase-requests`: `group::api::requests` says
//! what is asked and answered.

use crate::model::WorkspaceId;
use group::api::requests as asked;
use group::api::requests::{FailureInput, PurchaseInput, RequestView, ReviewInput, TokenInput};
use group::requests::{Kind, RequestFilter, RequestId, RequestSort};
use sbd_sdk::paging::Page;
use sbd_sdk::{By, Caller, Created, Json, Key, Listing, Path, Result, operation};

/// Asks for tokens out of a workspace's account.
///
/// A small request is approved by itself, as long as there is room for it this month.
#[operation(
    post "/api/v1/workspaces/{id}/token-requests", permission = "workspaces:write", idempotent,
    location = "The request's address",
    refuses(
        forbidden = "The caller's role has not the permission `request`",
        not_found = "No workspace the caller belongs to",
        conflict = "The account is frozen (`ACCOUNT_FROZEN`), or the caller has too many requests pending",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn create_workspace_token_request(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Key(key): Key,
    Json(input): Json<TokenInput>,
) -> Result<Created<RequestView>> {
    asked::ask_for_tokens(&id, &caller, &key, &input).await
}

/// Lists requests for tokens: one's own, and all with the permission `review`.
#[operation(
    get "/api/v1/workspaces/{id}/token-requests", permission = "workspaces:read",
    refuses(
        forbidden = "They are another's, and the caller's role has not the permission `review`",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn list_workspace_token_requests(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<RequestSort, RequestFilter>,
) -> Result<Json<Page<RequestView>>> {
    Ok(Json(
        asked::list(&id, &caller, Kind::Token, &listing).await?,
    ))
}

/// Reads a request for tokens: one's own, and any with the permission `review`.
#[operation(
    get "/api/v1/workspaces/{id}/token-requests/{request_id}", permission = "workspaces:read",
    answers = "The request", refuses(not_found = "No request that the caller may see")
)]
pub(crate) async fn get_workspace_token_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
) -> Result<Json<RequestView>> {
    Ok(Json(asked::token_request(&id, &caller, &request).await?))
}

/// Approves a request for tokens, and pays; with the permission `review`.
#[operation(
    post "/api/v1/workspaces/{id}/token-requests/{request_id}/approve", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller's role has not the permission `review`, or the request is the caller's own",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already, or cannot be paid: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_workspace_token_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let which = (Kind::Token, &request);
    let request = asked::review(&id, &caller, which, true, &input);
    Ok(Json(request.await?))
}

/// Denies a request for tokens; with the permission `review`.
#[operation(
    post "/api/v1/workspaces/{id}/token-requests/{request_id}/deny", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller's role has not the permission `review`, or the request is the caller's own",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deny_workspace_token_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let which = (Kind::Token, &request);
    let request = asked::review(&id, &caller, which, false, &input);
    Ok(Json(request.await?))
}

/// Takes one's own request for tokens back.
#[operation(
    post "/api/v1/workspaces/{id}/token-requests/{request_id}/cancel", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "It is another's",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn cancel_workspace_token_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = asked::cancel(&id, &caller, Kind::Token, &request);
    Ok(Json(request.await?))
}

/// Asks that something is bought out of a workspace's account.
///
/// The price is held at once. Who may spend so much needs no approval.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests", permission = "workspaces:write", idempotent,
    location = "The request's address",
    refuses(
        forbidden = "The caller's role has not the permission `request`",
        not_found = "No workspace the caller belongs to",
        conflict = "The account has too little or is frozen (`INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`), or the caller has too many requests pending",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn create_workspace_purchase_request(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Key(key): Key,
    Json(input): Json<PurchaseInput>,
) -> Result<Created<RequestView>> {
    asked::ask_for_purchase(&id, &caller, &key, input).await
}

/// Lists requests for purchases: one's own, and all with the permission `review`.
#[operation(
    get "/api/v1/workspaces/{id}/purchase-requests", permission = "workspaces:read",
    refuses(
        forbidden = "They are another's, and the caller's role has not the permission `review`",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn list_workspace_purchase_requests(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<RequestSort, RequestFilter>,
) -> Result<Json<Page<RequestView>>> {
    Ok(Json(
        asked::list(&id, &caller, Kind::Purchase, &listing).await?,
    ))
}

/// Reads a request for a purchase: one's own, any with the permission `review`, and for the component that sells.
#[operation(
    get "/api/v1/workspaces/{id}/purchase-requests/{request_id}", permission = "workspaces:read",
    answers = "The request", refuses(not_found = "No request that the caller may see")
)]
pub(crate) async fn get_workspace_purchase_request(
    By(by): By,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
) -> Result<Json<RequestView>> {
    Ok(Json(asked::purchase_request(&id, by, &request).await?))
}

/// Approves a request for a purchase, which the component that sells then delivers; with the permission `review`.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests/{request_id}/approve", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller's role has not the permission `review`, or the request is the caller's own",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already, or the account is frozen (`ACCOUNT_FROZEN`)",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn approve_workspace_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let which = (Kind::Purchase, &request);
    let request = asked::review(&id, &caller, which, true, &input);
    Ok(Json(request.await?))
}

/// Denies a request for a purchase, and frees what is held; with the permission `review`.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests/{request_id}/deny", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "The caller's role has not the permission `review`, or the request is the caller's own",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn deny_workspace_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
    Json(input): Json<ReviewInput>,
) -> Result<Json<RequestView>> {
    let which = (Kind::Purchase, &request);
    let request = asked::review(&id, &caller, which, false, &input);
    Ok(Json(request.await?))
}

/// Takes one's own request for a purchase back, and frees what is held.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests/{request_id}/cancel", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        forbidden = "It is another's",
        not_found = "No request of a workspace the caller belongs to",
        conflict = "It is decided already",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn cancel_workspace_purchase_request(
    caller: Caller,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
) -> Result<Json<RequestView>> {
    let request = asked::cancel(&id, &caller, Kind::Purchase, &request);
    Ok(Json(request.await?))
}

/// Takes what is held for an approved purchase: it is delivered. For the component that sells.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests/{request_id}/fulfilment", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        not_found = "No request for what the component sells",
        conflict = "It is not approved, or not any more",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn fulfil_workspace_purchase_request(
    By(by): By,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
) -> Result<Json<RequestView>> {
    Ok(Json(asked::fulfil(&id, &by, &request).await?))
}

/// Frees what is held for a purchase: it cannot be delivered. For the component that sells.
#[operation(
    post "/api/v1/workspaces/{id}/purchase-requests/{request_id}/failure", permission = "workspaces:write",
    answers = "The request as it is now", idempotent,
    refuses(
        not_found = "No request for what the component sells",
        conflict = "It has ended otherwise",
        overloaded = "Much is moved on the account just now"
    )
)]
pub(crate) async fn fail_workspace_purchase_request(
    By(by): By,
    Path((id, request)): Path<(WorkspaceId, RequestId)>,
    Json(input): Json<FailureInput>,
) -> Result<Json<RequestView>> {
    Ok(Json(asked::fail(&id, &by, &request, &input).await?))
}
