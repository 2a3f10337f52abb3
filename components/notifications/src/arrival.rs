//! Somebody is to be told something.

use crate::delivery;
use crate::model::{Notification, Requested};
use crate::store::{self, BY_UNIQUE, NOTIFICATIONS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::events::Event;
use sbd_sdk::{Result, time};

/// Puts what an event asks for into the inbox, once however often the event comes, and sends it on the
/// other ways that the user wants.
pub(crate) async fn arrive(event: Event<Requested>) -> Result<()> {
    let requested = event.data.clone();
    requested.check()?;
    let (now, is_asked) = (time::now(), requested.mail);
    let preferences = store::preferences(&requested.user).await?;
    let channels = preferences.channels(&requested.kind);
    let mailed = channels.mail.goes(is_asked);
    if !channels.inbox && !channels.push && !mailed {
        return Ok(());
    }
    let made = Notification::of(requested, &event.id, &preferences, now)?;
    let kept = Transaction::new().insert(&NOTIFICATIONS, &made);
    match event.commit(kept).await {
        Ok(()) => {}
        // The user was told this before; or it is a replay of what is there.
        Err(DocumentsError::Duplicate(index)) if index == BY_UNIQUE || index == "_id" => {
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    let quiet_until = preferences.quiet_until(now);
    if channels.push {
        delivery::push(&made, quiet_until).await?;
    }
    if mailed {
        delivery::mail(&made.id, quiet_until).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{app, event, tell};
    use serde_json::json;

    const INBOX: &str = "/api/v1/notifications";

    #[test]
    fn an_event_that_comes_again_is_one_notification() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for _ in 0..3 {
            tell(&app, 1, "usr_1", "Hello");
        }
        tell(&app, 2, "usr_1", "Hello");
        let inbox = ada.get(INBOX).assert_status(200);
        assert_eq!(inbox["total"], 2);
        assert_eq!(inbox["items"][0]["title"], "Hello");
        assert_eq!(app.signed_in("usr_2").get(INBOX)["total"], 0);
    }

    #[test]
    fn of_what_is_unique_a_user_is_told_once() {
        let app = app();
        let told = |number, user: &str| {
            let data = json!({
                "user": user, "kind": "family.renamed", "title": "Hello", "unique": "fam_1/renamed",
            });
            event(&app, number, data).assert_status(204);
        };
        for (number, user) in [(1, "usr_1"), (2, "usr_1"), (3, "usr_2")] {
            told(number, user);
        }
        for user in ["usr_1", "usr_2"] {
            assert_eq!(app.signed_in(user).get(INBOX)["total"], 1);
        }
    }

    #[test]
    fn what_nobody_can_be_told_is_refused_for_good() {
        let app = app();
        for data in [
            json!({"user": "usr_1", "kind": "family.renamed"}),
            json!({"user": "usr_1", "kind": "family", "title": "Hello"}),
            json!({"user": "usr_1", "kind": "family.renamed", "title": "Hello", "titel": "x"}),
        ] {
            event(&app, 1, data).assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn whoever_wants_none_of_it_has_none() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let none = json!({"usual": {"inbox": false, "push": false, "mail": "never"}});
        ada.put("/api/v1/notifications/preferences", none)
            .assert_status(200);
        tell(&app, 1, "usr_1", "Hello");
        let mail_alone = json!({"usual": {"inbox": false, "push": false, "mail": "asked"}});
        ada.put("/api/v1/notifications/preferences", mail_alone)
            .assert_status(200);
        tell(&app, 2, "usr_1", "Hello");
        assert_eq!(ada.get(INBOX)["total"], 0);
        let address = format!("{INBOX}/ntf_{:032x}", 2);
        ada.get(&address).assert_refused(404, "NOT_FOUND");
        assert_eq!(ada.get("/api/v1/notifications/unread")["unread"], 0);
    }
}
