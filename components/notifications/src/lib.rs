//! What people are told: an inbox for each user, and mail.
//!
//! Any component that this one listens to has somebody told something by publishing
//! `notification.requested`, in the transaction of what happened:
//!
//! ```json
//! {
//!   "user": "usr_...",
//!   "kind": "family.renamed",
//!   "title": "The Lovelaces are called The Babbages now",
//!   "body": "ada has changed the name.",
//!   "link": "/families/fam_...",
//!   "data": {"family_id": "fam_..."},
//!   "mail": true,
//!   "unique": "fam_.../renamed"
//! }
//! ```
//!
//! `user`, `kind` (two or more words, as in the type of an event) and `title` must be there. `mail` wishes
//! for a mail, which the user may decide otherwise; of one `unique` a user is told once.
//!
//! Users decide by kind and channel: inbox, push (to whoever is connected, in `user:{id}`, as
//! `notification.created`) and mail. Quiet hours hold back push and mail, never the inbox.

mod api;
mod arrival;
mod contact;
mod delivery;
mod digest;
mod inbox;
mod mails;
mod model;
mod preferences;
mod quiet_hours;
mod store;
mod zone;

use api::{notifications, preferences as preferences_api};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "notifications",
            [
                notifications::list_notifications(),
                notifications::count_unread_notifications(),
                notifications::read_all_notifications(),
                notifications::delete_all_notifications(),
                preferences_api::get_notification_preferences(),
                preferences_api::replace_notification_preferences(),
                notifications::get_notification(),
                notifications::read_notification(),
                notifications::delete_notification(),
            ],
        )
        .events([api::host::account_deleted(), api::host::requested()])
        .tasks([api::host::push(), api::host::mail(), api::host::digest()])
        .schedules([api::host::digests()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
    use serde_json::{Value, json};

    /// The component with its own manifest, in a tenant where usr_1 is ada@example.org.
    pub(crate) fn app() -> App {
        let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
        app.on_call(|call| {
            assert_eq!(call.to, "auth");
            match call.path.as_str() {
                "/api/v1/auth/users/usr_1/contact" => {
                    (200, json!({"username": "ada", "email": "ada@example.org"}))
                }
                _ => (
                    404,
                    json!({"error": {"code": "NOT_FOUND", "message": "no"}}),
                ),
            }
        });
        app
    }

    /// The host, as it delivers events, tasks and ticks.
    pub(crate) fn host(app: &App) -> Client<'_> {
        app.by(Principal::service("test", "notifications"))
    }

    /// The event of this number comes.
    pub(crate) fn event(app: &App, number: u32, data: Value) -> Reply {
        host(app)
            .with_header("ce-specversion", "1.0")
            .with_header("ce-id", &format!("evt_{number:032x}"))
            .with_header("ce-type", "notification.requested")
            .with_header("ce-source", "family")
            .with_header("ce-time", &app.now().to_string())
            .post(sbd_sdk::path::EVENTS, data)
    }

    /// Somebody is told something.
    pub(crate) fn tell(app: &App, number: u32, user: &str, title: &str) {
        let data = json!({"user": user, "kind": "family.renamed", "title": title, "mail": true});
        event(app, number, data).assert_status(204);
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        assert_constraints(&app().signed_in("usr_1"));
    }
}
