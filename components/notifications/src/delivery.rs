//! The ways beside the inbox: to whoever is connected, and by mail. Each is held back as long as it is
//! quiet, and left out if it was read until then.

use crate::model::{Notification, NotificationId};
use crate::store::{self, NOTIFICATIONS};
use crate::{contact, mails};
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result, mail, realtime};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Which notification a task is about.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    notification: NotificationId,
}

/// What whoever is connected hears.
const CREATED: &str = "notification.created";
/// How often a mail is tried again: over some days, later and later.
pub(crate) const RETRIES: u32 = 20;

/// Tells whoever is connected, now or when it is not quiet any more.
pub(crate) async fn push(notification: &Notification, quiet_until: Option<Time>) -> Result<()> {
    if quiet_until.is_some() {
        return later("push", &notification.id, quiet_until).await;
    }
    let channel = format!("user:{}", notification.user_id);
    let heard = json!({
        "id": notification.id,
        "kind": notification.kind,
        "title": notification.title,
        "body": notification.body,
        "link": notification.link,
        "data": notification.data,
        "created_at": notification.created_at,
    });
    // Whoever is not connected finds it in the inbox, and so does whoever did not hear it.
    if let Err(error) = realtime::publish(&channel, CREATED, &heard).await {
        eprintln!("warning: {} was not pushed: {error}", notification.id);
    }
    Ok(())
}

/// Sends a mail, when it is not quiet any more.
pub(crate) async fn mail(id: &NotificationId, quiet_until: Option<Time>) -> Result<()> {
    later("mail", id, quiet_until).await
}

async fn later(task: &str, id: &NotificationId, until: Option<Time>) -> Result<()> {
    let about = About {
        notification: id.clone(),
    };
    let new = New::of(task, &about)?.unique(id.as_str()).retries(RETRIES);
    let new = match until {
        Some(until) => new.delay(until.since(time::now())),
        None => new,
    };
    new.enqueue().await?;
    Ok(())
}

/// Works on what was held back.
pub(crate) async fn push_now(about: &About) -> Result<()> {
    match there(about).await? {
        Some(notification) => push(&notification, None).await,
        None => Ok(()),
    }
}

/// Sends the mail about a notification, once.
pub(crate) async fn mail_now(about: &About) -> Result<()> {
    let Some(notification) = there(about).await? else {
        return Ok(());
    };
    if notification.mailed_at.is_some() {
        return Ok(());
    }
    let Some(contact) = contact::of(&notification.user_id).await? else {
        return Ok(());
    };
    let preferences = store::preferences(&notification.user_id).await?;
    let language = &preferences.wishes.language;
    mail::send(&mails::notice(&notification, &contact, language)).await?;
    let sent = json!({"$set": {"mailed_at": time::now()}});
    NOTIFICATIONS
        .update_one(json!({"_id": notification.id}), sent)
        .await
        .map_err(Error::from)?;
    Ok(())
}

/// The notification, if there is still use in telling it.
async fn there(about: &About) -> Result<Option<Notification>> {
    let notification = NOTIFICATIONS.get(about.notification.as_str()).await?;
    Ok(notification.filter(|notification| !notification.is_over()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{app, tell};
    use sbd_sdk::testing::App;
    use serde_json::{Value, json};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const INBOX: &str = "/api/v1/notifications";

    fn prefer(app: &App, preferences: Value) {
        let ada = app.signed_in("usr_1");
        ada.put(&format!("{INBOX}/preferences"), preferences)
            .assert_status(200);
    }

    /// Quiet from an hour ago on, for two hours.
    fn quiet(app: &App) -> Value {
        let clock = |time: sbd_sdk::time::Time| time.to_string().get(11..16).map(str::to_owned);
        let (from, to) = (clock(app.now() - HOUR), clock(app.now() + HOUR));
        json!({"quiet_hours": {"from": from, "to": to}})
    }

    #[test]
    fn whoever_is_connected_hears_it_and_a_mail_goes_out_once() {
        let app = app();
        tell(&app, 1, "usr_1", "Hello");
        let said = app.said();
        assert_eq!(said.len(), 1);
        assert_eq!(
            (said[0].channel.as_str(), said[0].kind.as_str()),
            ("user:usr_1", "notification.created")
        );
        assert_eq!(
            (&said[0].data["title"], &said[0].data["id"]),
            (&json!("Hello"), &json!(format!("ntf_{:032x}", 1)))
        );
        app.run_tasks();
        tell(&app, 1, "usr_1", "Hello");
        app.run_tasks();
        let mails = app.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(
            (mails[0].to.as_str(), mails[0].subject.as_str()),
            ("ada@example.org", "Hello")
        );
        assert!(mails[0].text.starts_with("Hello ada,"), "{}", mails[0].text);
        // Of somebody who is gone nobody knows where they are reached.
        tell(&app, 2, "usr_2", "Hello");
        app.run_tasks();
        assert_eq!(app.mails().len(), 1);
        assert!(app.enqueued().iter().all(|task| task.state.is_ended()));
    }

    #[test]
    fn quiet_hours_hold_back_all_but_the_inbox() {
        let app = app();
        prefer(&app, quiet(&app));
        tell(&app, 1, "usr_1", "First");
        tell(&app, 2, "usr_1", "Second");
        app.run_tasks();
        let ada = app.signed_in("usr_1");
        assert_eq!(ada.get(INBOX)["total"], 2);
        assert!(app.said().is_empty() && app.mails().is_empty());
        // What is read meanwhile needs no telling any more.
        ada.post(&format!("{INBOX}/ntf_{:032x}/read", 1), json!(null))
            .assert_status(200);
        app.advance(2 * HOUR);
        app.run_tasks();
        let (said, mails) = (app.said(), app.mails());
        assert_eq!((said.len(), mails.len()), (1, 1));
        assert_eq!(
            (&said[0].data["title"], mails[0].subject.as_str()),
            (&json!("Second"), "Second")
        );
    }

    #[test]
    fn a_mail_waits_for_whoever_knows_where_it_goes() {
        let app = app();
        let busy = (
            503,
            json!({"error": {"code": "OVERLOADED", "message": "later"}}),
        );
        app.on_call(move |_| busy.clone());
        tell(&app, 1, "usr_1", "Hello");
        app.run_tasks();
        assert!(app.mails().is_empty());
        app.on_call(|_| (200, json!({"username": "ada", "email": "ada@example.org"})));
        app.advance(HOUR);
        app.run_tasks();
        assert_eq!(app.mails().len(), 1);
    }

    #[test]
    fn what_a_user_does_not_want_does_not_go_out() {
        let app = app();
        let kind = json!({"kinds": [{"kind": "family.renamed", "push": false, "mail": "never"}]});
        prefer(&app, kind);
        tell(&app, 1, "usr_1", "Hello");
        app.run_tasks();
        assert!(app.said().is_empty() && app.mails().is_empty());
        assert_eq!(app.signed_in("usr_1").get(INBOX)["total"], 1);
    }
}
