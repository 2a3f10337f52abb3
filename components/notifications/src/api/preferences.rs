//! `/api/v1/notifications/preferences`.

use crate::preferences::{self, Wishes};
use crate::store;
use sbd_sdk::{Caller, Json, Result, operation};

/// Reads what the caller wants to be told, and where.
#[operation(
    get "/api/v1/notifications/preferences", permission = "notifications:read",
    answers = "The preferences"
)]
pub(crate) async fn get_notification_preferences(caller: Caller) -> Result<Json<Wishes>> {
    let preferences = store::preferences(&caller.user).await?;
    Ok(Json(preferences.wishes))
}

/// Replaces what the caller wants to be told, and where. What is not said is the usual.
#[operation(
    put "/api/v1/notifications/preferences", permission = "notifications:write",
    answers = "The preferences as they are now"
)]
pub(crate) async fn replace_notification_preferences(
    caller: Caller,
    Json(wishes): Json<Wishes>,
) -> Result<Json<Wishes>> {
    preferences::replace(&caller, wishes).await.map(Json)
}
