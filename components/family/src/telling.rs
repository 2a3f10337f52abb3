//! Telling many of what happened, after its own event: page by page, so that a family may be as large as it likes.
//! Each notice says what it is of, so that nobody is told twice.

use crate::model::FamilyId;
use crate::recovery::RecoveryId;
use crate::store::RECOVERIES;
use group::{notices, telling};
use membership::recovery;
use sbd_sdk::{Result, time};
use serde::Deserialize;
use serde_json::json;

/// What an event says.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    family_id: FamilyId,
    #[serde(default)]
    recovery_id: Option<RecoveryId>,
}

/// All who can confirm it, that somebody has lost access to their account.
pub(crate) async fn of_recovery(told: &Told) -> Result<()> {
    let Some(id) = &told.recovery_id else {
        return Ok(());
    };
    let Some(recovery) = RECOVERIES.get(id.as_str()).await? else {
        return Ok(());
    };
    if recovery.recovery.state(time::now()) != recovery::State::Asked {
        return Ok(());
    }
    let title = format!(
        "{} has lost access to their account, says another member: confirm it, if you know that it is so",
        recovery.username,
    );
    let others = [&recovery.user_id, &recovery.asked_by];
    let others = json!({"family_id": told.family_id, "minor": false, "user_id": {"$nin": others}});
    telling::tell(others, |user| {
        let unique = format!("{}/asked", recovery.id);
        let kind = "family.recovery.asked";
        let notice = notices::about(&told.family_id, user, kind, title.clone(), unique);
        notice.body(recovery.reason.clone()).by_mail()
    })
    .await
}
