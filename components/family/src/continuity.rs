//! What happens by itself when its time has come: successions, emergency accesses and account recoveries go on,
//! or are reminded of. All of them say in `due_at` when that is; one schedule looks for what is due, and has a
//! task for each, so that one that fails holds up no other.

use crate::emergency::{self, EmergencyId};
use crate::model::{FamilyId, Membership, Role};
use crate::recovery::{self, RecoveryId};
use crate::store::{ACCESSES, MEMBERSHIPS, PLANS, RECOVERIES, SUCCESSIONS};
use crate::succession::{self, SuccessionId};
use group::notices;
use membership::roles::MAX_ADMINS;
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::{self, New};
use sbd_sdk::{Error, Result, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The task that has one thing go on.
pub(crate) const GO_ON: &str = "go-on";
/// How often it is tried again: over some days, later and later. What is due still is found again besides.
const RETRIES: u32 = 20;
/// Characters in what people are told in one line: names may be long.
const MAX_TITLE: usize = 200;
/// How much of each kind is begun at a time.
const AT_ONCE: u32 = 200;

/// What goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Due {
    /// The family's administrators have been inactive for too long.
    Inactive(FamilyId),
    Succession(SuccessionId),
    Access(EmergencyId),
    Recovery(RecoveryId),
}

/// Something that several people are told, each once, in their inboxes and by mail.
pub(crate) struct Word<'a> {
    pub(crate) family_id: &'a FamilyId,
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    pub(crate) body: Option<&'a str>,
    /// What it is about, and what of it.
    pub(crate) unique: String,
}

/// Has a task for everything whose time has come.
pub(crate) async fn look() -> Result<()> {
    let due = json!({"due_at": {"$lte": time::now()}});
    let plans = PLANS.find(due.clone()).limit(AT_ONCE).fetch().await?;
    let successions = SUCCESSIONS.find(due.clone()).limit(AT_ONCE).fetch().await?;
    let accesses = ACCESSES.find(due.clone()).limit(AT_ONCE).fetch().await?;
    let recoveries = RECOVERIES.find(due).limit(AT_ONCE).fetch().await?;
    let due = plans
        .documents
        .into_iter()
        .map(|plan| Due::Inactive(plan.family_id))
        .chain(
            successions
                .documents
                .into_iter()
                .map(|one| Due::Succession(one.id)),
        )
        .chain(
            accesses
                .documents
                .into_iter()
                .map(|one| Due::Access(one.id)),
        )
        .chain(
            recoveries
                .documents
                .into_iter()
                .map(|one| Due::Recovery(one.id)),
        );
    let tasks = due.map(|due| {
        let task = New::of(GO_ON, &due)?;
        Ok(task.unique(due.key()).retries(RETRIES))
    });
    let tasks = tasks.collect::<Result<Vec<_>>>()?;
    if tasks.is_empty() {
        return Ok(());
    }
    tasks::group(tasks).enqueue().await.map(drop)
}

/// Has one thing go on, if its time has come. Doing so again is doing nothing.
pub(crate) async fn go_on(due: &Due) -> Result<()> {
    match due {
        Due::Inactive(family_id) => succession::found_inactive(family_id).await,
        Due::Succession(id) => succession::go_on(id).await,
        Due::Access(id) => emergency::go_on(id).await,
        Due::Recovery(id) => recovery::go_on(id).await,
    }
}

/// A family's administrators: few enough to be told in the commit of a change.
pub(crate) async fn administrators(family_id: &FamilyId) -> Result<Vec<Membership>> {
    let administrators = json!({"family_id": family_id, "role": Role::Admin});
    let most = u32::try_from(MAX_ADMINS).unwrap_or(u32::MAX);
    let found = MEMBERSHIPS.find(administrators).limit(most).fetch().await?;
    Ok(found.documents)
}

/// With a family goes what it has planned.
pub(crate) fn gone(change: Transaction, family_id: &FamilyId) -> Transaction {
    let of_family = json!({"family_id": family_id});
    change
        .delete_many(&PLANS, json!({"_id": family_id}))
        .delete_many(&SUCCESSIONS, of_family.clone())
        .delete_many(&ACCESSES, of_family.clone())
        .delete_many(&RECOVERIES, of_family)
}

/// Answers 403 to minors, who decide nothing for others.
pub(crate) fn require_adult(membership: &Membership) -> Result<()> {
    match membership.minor {
        false => Ok(()),
        true => Err(Error::forbidden(
            "a minor cannot do this; ask one of your guardians",
        )),
    }
}

/// Answers 422 where there are too few days, or too many.
pub(crate) fn require_within(field: &str, days: u32, within: &RangeInclusive<u32>) -> Result<()> {
    if within.contains(&days) {
        return Ok(());
    }
    let message = format!(
        "a number of days from {} to {}",
        within.start(),
        within.end()
    );
    Err(Error::validation(field, message))
}

// === impl Due ===

impl Due {
    fn key(&self) -> &str {
        match self {
            Self::Inactive(id) => id.as_str(),
            Self::Succession(id) => id.as_str(),
            Self::Access(id) => id.as_str(),
            Self::Recovery(id) => id.as_str(),
        }
    }
}

// === impl Word ===

impl Word<'_> {
    /// Has a change say it to these.
    pub(crate) fn told_to<'u>(
        &self,
        users: impl IntoIterator<Item = &'u str>,
        change: Transaction,
    ) -> Transaction {
        let users: BTreeSet<_> = users.into_iter().collect();
        let title: String = self.title.chars().take(MAX_TITLE).collect();
        users.into_iter().fold(change, |change, user| {
            let notice = notices::about(
                self.family_id,
                user,
                self.kind,
                title.clone(),
                self.unique.clone(),
            );
            let notice = match self.body {
                Some(body) => notice.body(body),
                None => notice,
            };
            notice.by_mail().told_by(change)
        })
    }
}

/// The users behind memberships.
pub(crate) fn users(memberships: &[Membership]) -> impl Iterator<Item = &str> {
    memberships.iter().map(|one| one.user_id.as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_sdk::testing::App;
    use serde_json::Value;
    use std::time::Duration;

    /// Lets time pass, and has happen what is due then; twice, which does nothing more.
    pub(crate) fn pass(app: &App, time: Duration) {
        app.advance(time);
        let before = app.enqueued().len();
        app.anonymous().tick("continuity").assert_status(200);
        app.run_tasks();
        let told = app.published().len();
        for task in app.enqueued().into_iter().skip(before) {
            assert_eq!(task.state, tasks::State::Succeeded, "{task:?}");
            app.anonymous()
                .task(&task.name, task.data)
                .assert_status(200);
        }
        app.anonymous().tick("continuity").assert_status(200);
        app.run_tasks();
        assert_eq!(app.published().len(), told);
    }

    /// What was told of these since so many events, without notices.
    pub(crate) fn told(app: &App, about: &str) -> Vec<String> {
        let told = app.published().into_iter();
        let told = told.filter(|event| event.kind.starts_with(about));
        told.map(|event| event.kind.trim_start_matches(about).to_owned())
            .collect()
    }

    /// Who has had notices of this kind, in order; all of them by mail, and no two the same.
    pub(crate) fn noticed(app: &App, kind: &str) -> Vec<String> {
        let notices = app.published().into_iter();
        let notices = notices.filter(|event| event.kind == "notification.requested");
        let notices: Vec<Value> = notices
            .map(|event| event.data)
            .filter(|data| data["kind"] == kind)
            .collect();
        let mut unique = BTreeSet::new();
        for notice in &notices {
            assert_eq!(notice["mail"], true, "{notice}");
            assert!(
                unique.insert((notice["user"].to_string(), notice["unique"].to_string())),
                "{notice}"
            );
        }
        notices
            .iter()
            .map(|data| data["user"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn of_a_long_name_the_notice_says_as_much_as_fits() {
        let app = crate::tests::app();
        let word = Word {
            family_id: &FamilyId::new(),
            kind: "family.succession.waiting",
            title: "ä".repeat(300),
            body: None,
            unique: "suc_1".to_owned(),
        };
        app.run(
            word.told_to(["usr_1", "usr_1"], Transaction::new())
                .commit(),
        )
        .unwrap();
        let told = app.published();
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].data["title"].as_str().unwrap().chars().count(),
            MAX_TITLE
        );
    }
}
