//! The mail that tells every day or week what is unread.

use crate::preferences::{Digest, Preferences, Wishes};
use crate::store::{self, NOTIFICATIONS, PREFERENCES};
use crate::zone::{Zone, clock};
use crate::{contact, delivery, mails};
use jiff::civil::Weekday;
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Result, mail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Users that are looked up at once.
const AT_ONCE: u32 = 1000;
/// Notifications that one names.
const NAMED: u32 = 20;

/// Which digest a task is about.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    user: String,
    due: Time,
}

/// When the next digest is due, if the user wants any.
pub(crate) fn next(wishes: &Wishes, now: Time) -> Option<Time> {
    let is_day = |weekday: Weekday| match wishes.digest {
        Digest::Off => false,
        Digest::Daily => true,
        Digest::Weekly => weekday == Weekday::Monday,
    };
    let (zone, at) = (Zone::known(&wishes.time_zone), clock(&wishes.digest_at)?);
    let mut day = zone.shows(now).date();
    // The day that was, where the clock is put back: today, a week, and the day after.
    for _ in 0..=8 {
        if is_day(day.weekday())
            && let Some(due) = zone.when(day.to_datetime(at), now)
        {
            return Some(due);
        }
        day = day.tomorrow().ok()?;
    }
    None
}

/// Has every digest sent that is due next.
pub(crate) async fn begin_all() -> Result<()> {
    let mut next = None;
    loop {
        let some = PREFERENCES
            .find(json!({"has_digest": true}))
            .limit(AT_ONCE)
            .after(next);
        let some = some.fetch().await?;
        for preferences in &some.documents {
            begin(preferences).await?;
        }
        next = some.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Has the next digest of a user sent when it is due, and it is not quiet; as often as this is asked for,
/// it is one task.
pub(crate) async fn begin(preferences: &Preferences) -> Result<()> {
    let now = time::now();
    let Some(due) = next(&preferences.wishes, now) else {
        return Ok(());
    };
    let begins = preferences.quiet_until(due).unwrap_or(due);
    let about = About {
        user: preferences.user_id.clone(),
        due,
    };
    let new = New::of("digest", &about)?
        .unique(format!("{}/{due}/{begins}", about.user))
        .delay(begins.since(now))
        .retries(delivery::RETRIES);
    new.enqueue().await?;
    Ok(())
}

/// Sends a digest, once, if anything is unread.
pub(crate) async fn send(about: &About) -> Result<()> {
    let preferences = store::preferences(&about.user).await?;
    let before = about.due - Duration::from_secs(1);
    // By what the user wants now, none may be due then.
    let is_wanted = next(&preferences.wishes, before) == Some(about.due);
    if !is_wanted || preferences.digested >= Some(about.due) {
        return Ok(());
    }
    let unread = NOTIFICATIONS
        .find(json!({"user_id": about.user, "unread": true}))
        .sort(json!({"created_at": -1}))
        .limit(NAMED);
    let unread = unread.fetch_with_total().await?;
    if unread.total == 0 {
        return Ok(());
    }
    let Some(contact) = contact::of(&about.user).await? else {
        return Ok(());
    };
    let id = format!("digest/{}/{}", about.user, about.due);
    let language = &preferences.wishes.language;
    let message = mails::digest(id, unread.total, &unread.documents, &contact, language);
    mail::send(&message).await?;
    let sent = json!({"$set": {"digested": about.due}});
    PREFERENCES
        .update_one(json!({"_id": about.user}), sent)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, host, tell};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const INBOX: &str = "/api/v1/notifications";

    fn time(text: &str) -> Time {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn the_next_one_is_due_by_the_users_clock() {
        for (digest, at, now, due) in [
            (
                Digest::Daily,
                "08:00",
                "2026-01-10T06:59:00Z",
                Some("2026-01-10T07:00:00.000Z"),
            ),
            (
                Digest::Daily,
                "08:00",
                "2026-01-10T07:00:00Z",
                Some("2026-01-11T07:00:00.000Z"),
            ),
            // It is the 11th there already.
            (
                Digest::Daily,
                "00:10",
                "2026-01-10T23:05:00Z",
                Some("2026-01-10T23:10:00.000Z"),
            ),
            // 10 January 2026 is a Saturday.
            (
                Digest::Weekly,
                "08:00",
                "2026-01-10T06:59:00Z",
                Some("2026-01-12T07:00:00.000Z"),
            ),
            (
                Digest::Weekly,
                "08:00",
                "2026-01-12T07:00:00Z",
                Some("2026-01-19T07:00:00.000Z"),
            ),
            // The clock is put forward, and back.
            (
                Digest::Daily,
                "08:00",
                "2026-03-28T07:00:00Z",
                Some("2026-03-29T06:00:00.000Z"),
            ),
            (
                Digest::Daily,
                "02:30",
                "2026-03-28T12:00:00Z",
                Some("2026-03-29T01:30:00.000Z"),
            ),
            (
                Digest::Daily,
                "08:00",
                "2026-10-24T06:00:00Z",
                Some("2026-10-25T07:00:00.000Z"),
            ),
            (Digest::Off, "08:00", "2026-01-10T06:59:00Z", None),
        ] {
            let wishes = Wishes {
                digest,
                digest_at: at.to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                ..Wishes::default()
            };
            let next = next(&wishes, time(now)).map(|due| due.to_string());
            assert_eq!(next.as_deref(), due, "{digest:?} {now}");
        }
    }

    #[test]
    fn it_tells_once_a_day_what_is_unread() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let preferences = format!("{INBOX}/preferences");
        let wanted = json!({"digest": "daily", "language": "de-CH", "usual": {"mail": "never"}});
        ada.put(&preferences, wanted).assert_status(200);
        let tick = || {
            host(&app).tick("digests").assert_status(200);
            app.enqueued().len()
        };
        tell(&app, 1, "usr_1", "First");
        app.advance(Duration::from_secs(1));
        tell(&app, 2, "usr_1", "Second & last");
        assert_eq!((tick(), tick()), (1, 1), "one, from the wish on");
        app.run_tasks();
        assert!(app.mails().is_empty(), "not due yet");
        app.advance(DAY);
        app.run_tasks();
        let mails = app.mails();
        assert_eq!(mails.len(), 1);
        let subject = "2 ungelesene Benachrichtigungen";
        assert_eq!(
            (mails[0].subject.as_str(), mails[0].to.as_str()),
            (subject, "ada@example.org")
        );
        let text = &mails[0].text;
        assert!(text.contains("* Second & last\n* First\n"), "{text}");
        let html = mails[0].html.as_deref().unwrap();
        assert!(html.contains("Second &amp; last"), "{html}");
        // With nothing unread there is none, and whoever wants none any more has none.
        let read = format!("{INBOX}/read");
        ada.post(&read, json!(null)).assert_status(200);
        assert_eq!(tick(), 2);
        app.advance(DAY);
        app.run_tasks();
        tell(&app, 3, "usr_1", "Third");
        assert_eq!(tick(), 3);
        let off = json!({"digest": "off"});
        ada.put(&preferences, off).assert_status(200);
        app.advance(DAY);
        app.run_tasks();
        assert_eq!((tick(), app.mails().len()), (3, 1));
    }

    #[test]
    fn it_waits_for_the_end_of_quiet_hours_and_follows_what_is_wanted() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let preferences = format!("{INBOX}/preferences");
        let clock = |hours: u32| {
            let time = app.now() + hours * Duration::from_secs(60 * 60);
            time.to_string()[11..16].to_owned()
        };
        let mut wanted = json!({
            "digest": "daily", "digest_at": clock(4), "usual": {"mail": "never"},
            "quiet_hours": {"from": clock(3), "to": clock(6)},
        });
        ada.put(&preferences, wanted.clone()).assert_status(200);
        // Earlier, and no more at that time.
        let (fourth, fifth) = (clock(4), clock(5));
        wanted["digest_at"] = fifth.into();
        ada.put(&preferences, wanted.clone()).assert_status(200);
        wanted["digest_at"] = fourth.into();
        ada.put(&preferences, wanted).assert_status(200);
        assert_eq!(app.enqueued().len(), 2);
        tell(&app, 1, "usr_1", "First");
        app.advance(Duration::from_secs(5 * 60 * 60 + 90));
        app.run_tasks();
        assert!(app.mails().is_empty(), "quiet");
        app.advance(Duration::from_secs(60 * 60));
        app.run_tasks();
        assert_eq!(app.mails().len(), 1);
    }
}
