//! Signing out, and one's own sessions.

use crate::model::Session;
use crate::sessions::{self, SessionSort, revoked};
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Caller, ErrorBody, Json, Path, Query, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A session: one sign-in on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// The session's id.
    #[schema(example = "ses_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    /// The program that signed in, as it called itself.
    user_agent: Option<String>,
    /// Whether it is the session of this very request.
    current: bool,
    /// When it began.
    created_at: Time,
    /// When its tokens were last renewed.
    last_used_at: Time,
    /// When it ends if it is not used before.
    expires_at: Time,
}

/// Which sessions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Sessions on a page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    per_page: Option<u32>,
    /// What to sort by.
    #[serde(default)]
    #[param(inline, required = false)]
    sort: SessionSort,
    /// Up or down; down when not said, so that the latest comes first.
    #[param(inline)]
    order: Option<Order>,
}

/// Signs out: ends the session of this request.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "auth",
    responses(
        (status = 204, description = "Signed out; both tokens are worthless"),
        (status = 401, description = "Not signed in", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn logout(caller: Caller) -> Result<Answer> {
    let ended: Vec<_> = caller.session.into_iter().collect();
    sessions::end_all(&ended).await?;
    Ok(revoked(Answer::no_content(), &ended))
}

/// Signs out everywhere: ends all sessions of the caller.
#[utoipa::path(
    post, path = "/api/v1/auth/logout-all", operation_id = "logoutAll", tag = "auth",
    responses(
        (status = 204, description = "Signed out everywhere"),
        (status = 401, description = "Not signed in", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn logout_all(caller: Caller) -> Result<Answer> {
    let ended = sessions::of_user(&caller.user).await?;
    sessions::end_all(&ended).await?;
    Ok(revoked(Answer::no_content(), &ended))
}

/// Lists the caller's sessions.
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", operation_id = "listSessions", tag = "auth",
    params(SessionQuery),
    responses(
        (status = 200, description = "A page of sessions", body = Page<SessionView>),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 422, description = "A query field is wrong", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn list(
    caller: Caller,
    Query(query): Query<SessionQuery>,
) -> Result<Json<Page<SessionView>>> {
    let paging = Paging::new(query.page, query.per_page)?;
    let order = query.order.unwrap_or(Order::Desc);
    let page = sessions::list(&caller.user, paging, query.sort, order).await?;
    let items = page
        .items
        .into_iter()
        .map(|session| SessionView::new(session, &caller))
        .collect();
    Ok(Json(paging.page(items, page.total)))
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", operation_id = "endSession", tag = "auth",
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 204, description = "Ended; its tokens are worthless"),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 404, description = "No session of the caller", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn end(caller: Caller, Path(id): Path<String>) -> Result<Answer> {
    sessions::end(&id, &caller.user).await?;
    Ok(revoked(Answer::no_content(), &[id]))
}

impl SessionView {
    fn new(session: Session, caller: &Caller) -> Self {
        Self {
            current: caller.session.as_ref() == Some(&session.id),
            id: session.id,
            user_agent: session.user_agent,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}
