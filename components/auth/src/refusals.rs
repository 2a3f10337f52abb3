//! Sign-ins that failed, as whose account it was reads of them.
//!
//! Recorded by a task, which is there whether the account is or not: neither the answer nor its time shows it. Of many
//! under a name the first and the last that is tried in a while are recorded, so that nobody fills an account's
//! activity by guessing.

use crate::model::{Device, User};
use crate::throttle::SIGN_IN;
use sbd_sdk::Result;
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The task that records one.
pub(crate) const RECORD: &str = "record-refusal";

/// A sign-in that failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// Whose it was to be, if anybody's.
    user_id: Option<String>,
    device: Device,
    /// The how manieth under its name.
    attempt: i64,
}

/// Has a sign-in recorded that failed, the how manieth under its name.
pub(crate) async fn noted(user: Option<&User>, device: &Device, attempt: i64) -> Result<()> {
    if attempt != 1 && attempt != SIGN_IN.most {
        return Ok(());
    }
    let about = About {
        user_id: user.map(|user| user.id.clone()),
        device: device.clone(),
        attempt,
    };
    New::of(RECORD, &about)?.enqueue().await.map(drop)
}

/// Records it.
pub(crate) async fn record(about: &About) -> Result<()> {
    let Some(user_id) = &about.user_id else {
        return Ok(());
    };
    let data = json!({"device": about.device, "attempt": about.attempt});
    let change = Transaction::new().audit(user_id, "sign_in.refused", &data);
    change.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use serde_json::Value;

    #[test]
    fn the_first_and_the_last_that_fail_are_recorded_and_no_name_that_is_not_there() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        for (name, noted) in [("ada", 2), ("nobody", 4)] {
            for _ in 0..SIGN_IN.most {
                login(&app, name, "Wrong-horse-7").assert_status(401);
            }
            for _ in 0..3 {
                login(&app, name, "Wrong-horse-7").assert_status(429);
            }
            // As much is left to do for who is there as for who is not.
            let left = app.enqueued().into_iter();
            let left = left.filter(|task| task.name == RECORD);
            assert_eq!(left.count(), noted, "{name}");
            app.run_tasks();
        }
        let page = signed_in(&app, &tokens).get("/api/v1/auth/me/activity");
        let entries = page["items"].as_array().unwrap().iter();
        let refused = entries.filter(|entry| entry["action"] == "sign_in.refused");
        let attempts: Vec<&Value> = refused.map(|entry| &entry["data"]["attempt"]).collect();
        assert_eq!(attempts, [&json!(10), &json!(1)]);
        assert!(!page.body().to_string().contains("Wrong-horse"));
    }
}
