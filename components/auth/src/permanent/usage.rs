//! How much a token is used. The host asks whom a token speaks for at most once a minute from each place, and lets
//! what comes in between pass without a word. So minutes are counted in which a token was in use, not requests: that
//! takes one write a minute, however busy it is.

use super::{DAY, PermanentToken};
use crate::model::readable;
use crate::store::PERMANENT_TOKENS;
use sbd_sdk::Result;
use sbd_sdk::authentication::Presented;
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the host takes a token for granted: its use is noted no more often.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// Days of which it is told how much a token was used.
const DAYS: u32 = 30;

/// How much a token was used, as stored in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Minutes in which it was in use, of all time.
    #[serde(default)]
    pub(crate) minutes: u64,
    /// The same by day, like `2026-11-30`, of the last days.
    #[serde(default)]
    days: BTreeMap<String, u64>,
    /// Where it was used last.
    #[serde(default)]
    pub(crate) address: Option<String>,
    /// What the program calls itself that used it last.
    #[serde(default)]
    pub(crate) user_agent: Option<String>,
}

/// Notes that a token is used now, unless that was noted within a minute.
pub(super) async fn note(token: &PermanentToken, presented: &Presented, now: Time) -> Result<()> {
    let last = token.last_used_at;
    if last.is_some_and(|last| now.since(last) < KNOWN_FOR) {
        return Ok(());
    }
    let oldest = day(now - DAY * (DAYS - 1));
    let past = token.usage.days.keys().filter(|day| **day < oldest);
    let past = past.map(|day| (format!("usage.days.{day}"), json!("")));
    let mut unset: Map<String, Value> = past.collect();
    unset.insert("warned_at".to_owned(), json!(""));
    let today = format!("usage.days.{}", day(now));
    let used = json!({
        "$set": {
            "last_used_at": now,
            "usage.address": presented.address.map(|address| address.to_canonical()),
            "usage.user_agent": presented.user_agent.as_deref().and_then(readable),
        },
        "$inc": {"usage.minutes": 1, today: 1},
        "$unset": unset,
    });
    // Of two at once one counts: it is one minute.
    PERMANENT_TOKENS
        .update_one(json!({"_id": token.id, "last_used_at": last}), used)
        .await?;
    Ok(())
}

// === impl Usage ===

impl Usage {
    /// Each of the last days with its minutes, the oldest first.
    pub(crate) fn by_day(&self, now: Time) -> Vec<(String, u64)> {
        let days = (0..DAYS).rev().map(|ago| day(now - DAY * ago));
        days.map(|day| {
            let minutes = self.days.get(&day).copied().unwrap_or_default();
            (day, minutes)
        })
        .collect()
    }
}

/// The day of a moment, in UTC.
fn day(at: Time) -> String {
    let at = at.to_string();
    at.get(..10).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::permanent::tests::{TOKENS, ada, make};
    use crate::tests::{app, bearer_from};

    #[test]
    fn minutes_of_use_are_counted_by_day() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "backup", &["*"]).assert_status(201);
        let (id, token) = (made.text("id"), made.text("token"));
        let usage = || {
            let usage = ada.get(&format!("{TOKENS}/{id}/usage"));
            usage.assert_status(200)
        };
        let unused = usage();
        assert_eq!(unused["minutes"], 0);
        assert_eq!(unused["days"].as_array().unwrap().len(), 30);
        let used = |address: &str| {
            bearer_from(&app, token, address, "backup/1\t").assert_status(200);
        };
        for address in ["192.0.2.1", "192.0.2.2"] {
            used(address);
        }
        app.advance(KNOWN_FOR);
        used("::ffff:192.0.2.3");
        let first = usage();
        assert_eq!(
            (&first["minutes"], &first["days"][29]["minutes"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(first["last_address"], "192.0.2.3");
        assert_eq!(first["last_user_agent"], "backup/1");
        assert_eq!(first["last_used_at"], json!(app.now()));
        app.advance(DAY * 29);
        used("2001:db8::1");
        let later = usage();
        assert_eq!(
            (&later["days"][0]["minutes"], &later["days"][29]["minutes"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(later["days"][0]["day"], first["days"][29]["day"]);
        // What is older is forgotten, but for the sum.
        app.advance(DAY);
        used("2001:db8::1");
        let stored = app.run(PERMANENT_TOKENS.get(id)).unwrap().unwrap();
        assert_eq!((stored.usage.days.len(), stored.usage.minutes), (2, 4));
        assert_eq!(usage()["days"][28]["minutes"], 1);
    }

    #[test]
    fn a_token_is_its_users_to_look_at() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let other = app.by(sbd_sdk::Principal::user("test", "usr_other"));
        let usage = other.get(&format!("{TOKENS}/{}/usage", made.text("id")));
        usage.assert_refused(404, "NOT_FOUND");
    }
}
