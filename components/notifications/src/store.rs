//! The component's collections; the manifest declares their indexes.

use crate::model::Notification;
use crate::preferences::Preferences;
use sbd_sdk::Result;
use sbd_sdk::documents::Collection;

/// Notifications by id; gone when `expires_at` is past.
pub(crate) const NOTIFICATIONS: Collection<Notification> = Collection::new("notifications");
/// Preferences by the user's id.
pub(crate) const PREFERENCES: Collection<Preferences> = Collection::new("preferences");

/// The index that tells a user of one thing once.
pub(crate) const BY_UNIQUE: &str = "notifications.by_unique";

/// What a user prefers; the usual, if the user never said.
pub(crate) async fn preferences(user_id: &str) -> Result<Preferences> {
    let said = PREFERENCES.get(user_id).await?;
    Ok(said.unwrap_or_else(|| Preferences::usual(user_id)))
}
