//! `/api/v1/notifications`.

use crate::inbox::{self, NotificationFilter, NotificationSort};
use crate::model::{Notification, NotificationId};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Something that the user was told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView {
    #[schema(inline)]
    id: NotificationId,
    /// What it is about.
    #[schema(example = "family.renamed")]
    kind: String,
    /// One line.
    title: String,
    /// More of it; may be empty.
    body: String,
    /// Where to go: a path of the application, or an address.
    link: Option<String>,
    /// For programs.
    data: Option<Value>,
    /// When it was read, if it was.
    read_at: Option<Time>,
    /// When it came.
    created_at: Time,
}

/// How many notifications were not read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnreadNotifications {
    /// So many.
    unread: u64,
}

/// How many notifications are read now that were not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadNotifications {
    /// So many.
    read: u64,
}

/// Lists what the caller was told, the newest first.
#[operation(get "/api/v1/notifications", permission = "notifications:read")]
pub(crate) async fn list_notifications(
    caller: Caller,
    listing: Listing<NotificationSort, NotificationFilter>,
) -> Result<Json<Page<NotificationView>>> {
    let page = inbox::list(&caller, &listing).await?;
    Ok(Json(page.map(NotificationView::from)))
}

/// Counts what the caller has not read.
#[operation(get "/api/v1/notifications/unread", permission = "notifications:read", answers = "How many")]
pub(crate) async fn count_unread_notifications(
    caller: Caller,
) -> Result<Json<UnreadNotifications>> {
    let unread = inbox::unread(&caller).await?;
    Ok(Json(UnreadNotifications { unread }))
}

/// Reads one notification.
#[operation(
    get "/api/v1/notifications/{id}", permission = "notifications:read", answers = "The notification",
    refuses(not_found = "No notification of the caller")
)]
pub(crate) async fn get_notification(
    caller: Caller,
    Path(id): Path<NotificationId>,
) -> Result<Json<NotificationView>> {
    Ok(Json(inbox::get(&caller, &id).await?.into()))
}

/// Says that the caller has read a notification.
#[operation(
    post "/api/v1/notifications/{id}/read", permission = "notifications:write", idempotent,
    answers = "The notification as it is now",
    refuses(not_found = "No notification of the caller")
)]
pub(crate) async fn read_notification(
    caller: Caller,
    Path(id): Path<NotificationId>,
) -> Result<Json<NotificationView>> {
    Ok(Json(inbox::read(&caller, &id).await?.into()))
}

/// Says that the caller has read all notifications.
#[operation(
    post "/api/v1/notifications/read", permission = "notifications:write", idempotent,
    answers = "How many were not read"
)]
pub(crate) async fn read_all_notifications(caller: Caller) -> Result<Json<ReadNotifications>> {
    let read = inbox::read_all(&caller).await?;
    Ok(Json(ReadNotifications { read }))
}

/// Deletes a notification.
#[operation(
    delete "/api/v1/notifications/{id}", permission = "notifications:write",
    refuses(not_found = "No notification of the caller")
)]
pub(crate) async fn delete_notification(
    caller: Caller,
    Path(id): Path<NotificationId>,
) -> Result<NoContent> {
    inbox::delete(&caller, &id).await?;
    Ok(NoContent)
}

/// Deletes all notifications of the caller.
#[operation(delete "/api/v1/notifications", permission = "notifications:write")]
pub(crate) async fn delete_all_notifications(caller: Caller) -> Result<NoContent> {
    inbox::delete_all(&caller).await?;
    Ok(NoContent)
}

impl From<Notification> for NotificationView {
    fn from(notification: Notification) -> Self {
        Self {
            id: notification.id,
            kind: notification.kind,
            title: notification.title,
            body: notification.body,
            link: notification.link,
            data: notification.data,
            read_at: notification.read_at,
            created_at: notification.created_at,
        }
    }
}
