//! Account recovery: members confirm that one of them has lost access to their account. The rules are
//! `membership::recovery`; what is done about it, once it is confirmed, is told in `docs/continuity.md`.

use crate::commit::{busy, committed, member_who_is, tries};
use crate::continuity::{Word, administrators, require_adult, users};
use crate::events::{self, Happened, RecoveryStep};
use crate::model::{FamilyId, Membership, Role};
use crate::store::{self, MEMBERSHIPS, RECOVERIES};
use crate::succession::day;
use membership::recovery::{Act, Recovery, State};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, id, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

id!(pub(crate) RecoveryId, "rec", "recovery");

/// A recovery, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FamilyRecovery {
    #[serde(rename = "_id")]
    pub(crate) id: RecoveryId,
    pub(crate) family_id: FamilyId,
    /// Whose account it is.
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) asked_by: String,
    pub(crate) reason: String,
    #[serde(flatten)]
    pub(crate) recovery: Recovery,
    /// Of these there is one: the family and the account, as long as it is not over.
    pub(crate) living: String,
    pub(crate) asked_at: Time,
    pub(crate) ended_at: Option<Time>,
    pub(crate) ended_by: Option<String>,
    pub(crate) due_at: Option<Time>,
    pub(crate) version: u64,
}

/// A member asks for another one, who cannot sign in.
pub(crate) async fn ask(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
    reason: &str,
) -> Result<FamilyRecovery> {
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        require_adult(&own)?;
        let member = MEMBERSHIPS
            .find_one(json!({"family_id": family_id, "user_id": user}))
            .await?
            .filter(|member| member.user_id != own.user_id)
            .ok_or_else(|| Error::validation("user", "the id of another member of the family"))?;
        let now = time::now();
        let living = format!("{family_id}/{user}");
        if let Some(living) = RECOVERIES.find_one(json!({"living": living})).await? {
            if !living.recovery.state(now).is_over() {
                return Err(Error::conflict(
                    "that is asked for already; confirm it, if it is so",
                ));
            }
            // Over, and nobody has noticed.
            go_on(&living.id).await?;
            continue;
        }
        let others = json!({"family_id": family_id, "minor": false, "user_id": {"$ne": user}});
        let others = MEMBERSHIPS.count(others).await?;
        let recovery = Recovery::ask(&own.user_id, others, now)?;
        let asked = FamilyRecovery {
            id: RecoveryId::new(),
            family_id: family_id.clone(),
            user_id: user.to_owned(),
            username: member.username.clone(),
            asked_by: own.user_id.clone(),
            reason: reason.to_owned(),
            due_at: recovery.next_at(),
            recovery,
            living,
            asked_at: now,
            ended_at: None,
            ended_by: None,
            version: 1,
        };
        let change = Transaction::new()
            .insert(&RECOVERIES, &asked)
            .check(&MEMBERSHIPS, grown_up(&own), 1)
            .check(&MEMBERSHIPS, asked.account(), 1);
        let change = asked
            .happened(RecoveryStep::Asked, Some(&caller.user))
            .told_by(change);
        let title = format!(
            "{} says that you have lost access to your account: object, if that is not so",
            own.username,
        );
        // The others are told after it: they may be many.
        let change = asked
            .word(RecoveryStep::Asked, title)
            .told_to([user], change);
        if committed(change.commit().await)? {
            return Ok(asked);
        }
    }
    Err(busy())
}

/// Another member confirms it.
pub(crate) async fn confirm(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RecoveryId,
) -> Result<FamilyRecovery> {
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        require_adult(&own)?;
        let before = of_family(family_id, id).await?;
        if before.user_id == own.user_id {
            return Err(Error::forbidden("others have to confirm it"));
        }
        // Nobody is taken into a family to confirm who somebody else is.
        if own.joined_at > before.asked_at {
            return Err(Error::forbidden(
                "you belong to the family since it was asked for; somebody else has to confirm it",
            ));
        }
        let now = time::now();
        let recovery = before.recovery.after(Act::Confirm, &caller.user, now)?;
        let after = before.moved_to(recovery, now);
        let change = Transaction::new()
            .check(&MEMBERSHIPS, grown_up(&own), 1)
            .check(&MEMBERSHIPS, after.account(), 1);
        let change = after.written_by(change);
        let by = Some(&*caller.user);
        let change = after.happened(RecoveryStep::Vouched, by).told_by(change);
        let change = match after.recovery.waiting {
            None => change,
            Some(waiting) => {
                let change = after.happened(RecoveryStep::Waiting, by).told_by(change);
                after.told_of_waiting(waiting.until, change).await?
            }
        };
        if committed(change.commit().await)? {
            return Ok(after);
        }
        if MEMBERSHIPS.count(after.account()).await? == 0 {
            return Err(Error::conflict("they are no member of the family any more"));
        }
    }
    Err(busy())
}

/// The account itself, or an administrator, objects.
pub(crate) async fn veto(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RecoveryId,
) -> Result<FamilyRecovery> {
    ended_by(family_id, caller, id, Act::Veto).await
}

/// Whoever asked takes it back.
pub(crate) async fn withdraw(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RecoveryId,
) -> Result<FamilyRecovery> {
    ended_by(family_id, caller, id, Act::Withdraw).await
}

async fn ended_by(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RecoveryId,
    act: Act,
) -> Result<FamilyRecovery> {
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        let before = of_family(family_id, id).await?;
        let may = match act {
            Act::Veto => own.role == Role::Admin || own.user_id == before.user_id,
            _ => own.user_id == before.asked_by,
        };
        if !may {
            return Err(Error::forbidden(
                "the account itself or an administrator objects, and whoever asked takes it back",
            ));
        }
        let now = time::now();
        let recovery = before.recovery.after(act, &caller.user, now)?;
        let after = FamilyRecovery {
            ended_by: Some(caller.user.to_string()),
            ..before.moved_to(recovery, now)
        };
        let what = after.step();
        let still = member_who_is(family_id, &own.user_id, json!({"role": own.role}));
        let change = Transaction::new().check(&MEMBERSHIPS, still, 1);
        let change = after.written_by(change);
        let change = after.happened(what, Some(&caller.user)).told_by(change);
        let title = match act {
            Act::Veto => format!(
                "{} has objected to the recovery of {}'s account",
                own.username, after.username
            ),
            _ => format!(
                "{} has taken back the recovery of {}'s account",
                own.username, after.username
            ),
        };
        let change = after.told_all(what, title, change).await?;
        if committed(change.commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// Reminds the account, or has it be given back, if it is time for that.
pub(crate) async fn go_on(id: &RecoveryId) -> Result<()> {
    for _ in tries() {
        let Some(before) = RECOVERIES.get(id.as_str()).await? else {
            return Ok(());
        };
        let now = time::now();
        let is_member = MEMBERSHIPS.count(before.account()).await?;
        let act = match is_member {
            0 if !before.recovery.state(now).is_over() => Act::Withdraw,
            _ => Act::Pass,
        };
        let recovery = before.recovery.after(act, "", now)?;
        if recovery == before.recovery {
            return Ok(());
        }
        let after = before.moved_to(recovery, now);
        let change = Transaction::new().check(&MEMBERSHIPS, after.account(), is_member);
        let change = after.written_by(change);
        let change = match (after.recovery.state, after.recovery.waiting) {
            (State::Waiting, Some(waiting)) => after.told_of_waiting(waiting.until, change).await?,
            (State::Confirmed, _) => {
                let title = format!(
                    "{} gets their account back: the family has confirmed it",
                    after.username
                );
                let change = after.confirmed(now).told_by(change);
                let administrators = administrators(&after.family_id).await?;
                let told = users(&administrators).chain(after.parties());
                after
                    .word_of("family.recovery.confirmed", title)
                    .told_to(told, change)
            }
            _ => {
                let what = after.step();
                let title = format!(
                    "The recovery of {}'s account comes to nothing",
                    after.username
                );
                let change = after.happened(what, None).told_by(change);
                after.told_all(what, title, change).await?
            }
        };
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// A recovery in the caller's family.
pub(crate) async fn get(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RecoveryId,
) -> Result<FamilyRecovery> {
    store::membership(family_id, caller).await?;
    of_family(family_id, id).await
}

/// Those of the caller's family.
pub(crate) async fn list(
    family_id: &FamilyId,
    caller: &Caller,
    listing: &Listing,
) -> Result<Page<FamilyRecovery>> {
    store::membership(family_id, caller).await?;
    RECOVERIES
        .find(json!({"family_id": family_id}))
        .page(listing)
        .await
}

async fn of_family(family_id: &FamilyId, id: &RecoveryId) -> Result<FamilyRecovery> {
    let found = RECOVERIES.get(id.as_str()).await?;
    found
        .filter(|found| found.family_id == *family_id)
        .ok_or_else(|| Error::not_found("recovery"))
}

fn grown_up(member: &Membership) -> Value {
    let as_read = json!({"minor": false, "joined_at": member.joined_at});
    member_who_is(&member.family_id, &member.user_id, as_read)
}

// === impl FamilyRecovery ===

impl FamilyRecovery {
    /// The same after something happened.
    fn moved_to(&self, recovery: Recovery, now: Time) -> Self {
        let is_over = recovery.state.is_over();
        Self {
            due_at: recovery.next_at(),
            living: match is_over {
                true => self.id.to_string(),
                false => self.living.clone(),
            },
            ended_at: is_over.then_some(now),
            recovery,
            ..self.clone()
        }
    }

    /// Has a change write it, if it is stored as it was read.
    fn written_by(&self, change: Transaction) -> Transaction {
        let next = Self {
            version: self.version + 1,
            ..self.clone()
        };
        let as_read = json!({"_id": self.id, "version": self.version});
        change.update_one(&RECOVERIES, as_read, json!(next))
    }

    /// The membership of whose account it is.
    fn account(&self) -> Value {
        member_who_is(&self.family_id, &self.user_id, json!({}))
    }

    fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.asked_by]
    }

    fn step(&self) -> RecoveryStep {
        match self.recovery.state {
            State::Asked => RecoveryStep::Asked,
            State::Waiting | State::Confirmed => RecoveryStep::Waiting,
            State::Vetoed => RecoveryStep::Vetoed,
            State::Withdrawn => RecoveryStep::Withdrawn,
            State::Expired => RecoveryStep::Expired,
        }
    }

    fn happened<'a>(&'a self, what: RecoveryStep, by: Option<&'a str>) -> Happened<'a> {
        Happened::Recovery {
            family_id: &self.family_id,
            recovery_id: &self.id,
            user_id: &self.user_id,
            by,
            what,
        }
    }

    fn confirmed(&self, now: Time) -> Happened<'_> {
        Happened::RecoveryConfirmed {
            family_id: &self.family_id,
            recovery_id: &self.id,
            user_id: &self.user_id,
            asked_by: &self.asked_by,
            confirmed_by: &self.recovery.confirmed_by,
            confirmed_at: now,
        }
    }

    async fn told_of_waiting(&self, until: Time, change: Transaction) -> Result<Transaction> {
        let title = format!(
            "{} gets their account back on {}, unless they or an administrator object",
            self.username,
            day(until),
        );
        self.told_all(RecoveryStep::Waiting, title, change).await
    }

    /// Has a change tell the account, whoever asked, and the administrators.
    async fn told_all(
        &self,
        what: RecoveryStep,
        title: String,
        change: Transaction,
    ) -> Result<Transaction> {
        let administrators = administrators(&self.family_id).await?;
        let told = users(&administrators).chain(self.parties());
        Ok(self.word(what, title).told_to(told, change))
    }

    fn word(&self, what: RecoveryStep, title: String) -> Word<'_> {
        self.word_of(events::recovered(what), title)
    }

    fn word_of(&self, kind: &'static str, title: String) -> Word<'_> {
        Word {
            family_id: &self.family_id,
            kind,
            title,
            body: Some(&self.reason),
            unique: format!("{}/{kind}/{}", self.id, self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::continuity::tests::{noticed, pass, told};
    use crate::tests::{app, family_with, join};
    use membership::waiting::DAY;
    use sbd_sdk::testing::{App, Reply};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn at(family: &str, rest: &str) -> String {
        format!("/api/v1/families/{family}/recoveries{rest}")
    }

    fn ask(app: &App, by: &str, family: &str, user: &str) -> Reply {
        let body = json!({"user": user, "reason": "His phone is in the lake"});
        app.signed_in(by).post(&at(family, ""), body)
    }

    fn act(app: &App, by: &str, address: &str, what: &str) -> Reply {
        app.signed_in(by)
            .post(&format!("{address}/{what}"), json!({}))
    }

    /// A family of `usr_1` with members 2 to 6, of whom `usr_2` asks for `usr_3`.
    fn asked(app: &App) -> (String, String) {
        let family = family_with(app, &["usr_2", "usr_3", "usr_4", "usr_5", "usr_6"]);
        let asked = ask(app, "usr_2", &family, "usr_3").assert_status(201);
        assert_eq!(
            (&asked["needed"], &asked["confirmed_by"]),
            (&json!(3), &json!(["usr_2"]))
        );
        (family, asked.header("location").unwrap().to_owned())
    }

    fn state(app: &App, address: &str) -> String {
        app.signed_in("usr_1")
            .get(address)
            .assert_status(200)
            .text("state")
            .to_owned()
    }

    /// Has the component hear its own events, as the host delivers them.
    fn heard(app: &App) {
        for event in app.published() {
            if event.kind == "family.recovery.asked" {
                app.by(sbd_sdk::Principal::service("test", "family"))
                    .event(&event.kind, event.data)
                    .assert_status(204);
            }
        }
    }

    #[test]
    fn the_family_confirms_and_the_account_has_three_days() {
        let app = app();
        let (family, address) = asked(&app);
        heard(&app);
        assert_eq!(
            noticed(&app, "family.recovery.asked"),
            ["usr_3", "usr_1", "usr_4", "usr_5", "usr_6"]
        );
        for (who, status, code) in [
            ("usr_2", 409, "CONFLICT"),
            ("usr_3", 403, "FORBIDDEN"),
            ("usr_9", 404, "NOT_FOUND"),
        ] {
            act(&app, who, &address, "confirm").assert_refused(status, code);
        }
        // Who came later does not count.
        app.advance(HOUR);
        join(&app, &family, "usr_7");
        act(&app, "usr_7", &address, "confirm").assert_refused(403, "FORBIDDEN");
        act(&app, "usr_4", &address, "confirm").assert_status(200);
        act(&app, "usr_4", &address, "confirm").assert_refused(409, "CONFLICT");
        let enough = act(&app, "usr_1", &address, "confirm").assert_status(200);
        assert_eq!(
            (&enough["state"], &enough["waits_until"]),
            (&json!("waiting"), &json!((app.now() + DAY * 3).to_string()))
        );
        act(&app, "usr_5", &address, "confirm").assert_refused(409, "CONFLICT");
        pass(&app, DAY * 3 / 2);
        pass(&app, DAY / 2);
        pass(&app, DAY - HOUR);
        assert_eq!(state(&app, &address), "waiting");
        assert_eq!(
            noticed(&app, "family.recovery.waiting")
                .iter()
                .filter(|user| *user == "usr_3")
                .count(),
            3
        );
        pass(&app, HOUR);
        assert_eq!(state(&app, &address), "confirmed");
        act(&app, "usr_3", &address, "veto").assert_refused(409, "CONFLICT");
        assert_eq!(
            told(&app, "family.recovery."),
            ["asked", "vouched", "vouched", "waiting", "confirmed"]
        );
        let last = app
            .published()
            .into_iter()
            .find(|event| event.kind == "family.recovery.confirmed")
            .unwrap();
        assert_eq!(last.subject.as_deref(), Some(&*family));
        let id = address.rsplit('/').next().unwrap();
        assert_eq!(
            last.data,
            json!({
                "family_id": family, "recovery_id": id, "user_id": "usr_3", "asked_by": "usr_2",
                "confirmed_by": ["usr_2", "usr_4", "usr_1"], "confirmed_at": app.now(),
            })
        );
        assert_eq!(
            noticed(&app, "family.recovery.confirmed"),
            ["usr_1", "usr_2", "usr_3"]
        );
    }

    #[test]
    fn whoever_has_not_lost_it_objects() {
        let app = app();
        for who in ["usr_3", "usr_1"] {
            let (_, address) = asked(&app);
            act(&app, "usr_4", &address, "confirm").assert_status(200);
            act(&app, "usr_5", &address, "confirm").assert_status(200);
            act(&app, "usr_4", &address, "veto").assert_refused(403, "FORBIDDEN");
            act(&app, "usr_9", &address, "veto").assert_refused(404, "NOT_FOUND");
            // However late the clock is.
            app.advance(DAY * 4);
            act(&app, who, &address, "veto").assert_status(200);
            act(&app, who, &address, "veto").assert_refused(409, "CONFLICT");
            pass(&app, DAY * 10);
            assert_eq!(state(&app, &address), "vetoed");
        }
        assert!(!told(&app, "family.recovery.").contains(&"confirmed".to_owned()));
    }

    #[test]
    fn it_is_taken_back_or_expires_or_the_member_goes() {
        let app = app();
        let (family, address) = asked(&app);
        ask(&app, "usr_4", &family, "usr_3").assert_refused(409, "CONFLICT");
        act(&app, "usr_1", &address, "withdraw").assert_refused(403, "FORBIDDEN");
        act(&app, "usr_2", &address, "withdraw").assert_status(200);
        let second = ask(&app, "usr_4", &family, "usr_3").assert_status(201);
        let second = second.header("location").unwrap();
        app.advance(DAY * 7);
        assert_eq!(state(&app, second), "expired");
        act(&app, "usr_5", second, "confirm").assert_refused(409, "CONFLICT");
        // Nobody has noticed, and it is no obstacle.
        let third = ask(&app, "usr_4", &family, "usr_3").assert_status(201);
        let third = third.header("location").unwrap();
        for who in ["usr_1", "usr_5"] {
            act(&app, who, third, "confirm").assert_status(200);
        }
        app.signed_in("usr_3")
            .delete(&format!("/api/v1/families/{family}/members/usr_3"))
            .assert_status(204);
        pass(&app, DAY * 3);
        assert_eq!(state(&app, third), "withdrawn");
        let list = app
            .signed_in("usr_5")
            .get(&at(&family, ""))
            .assert_status(200);
        assert_eq!(list["total"], 3);
        assert_eq!(
            told(&app, "family.recovery."),
            [
                "asked",
                "withdrawn",
                "asked",
                "expired",
                "asked",
                "vouched",
                "vouched",
                "waiting",
                "withdrawn"
            ]
        );
    }

    #[test]
    fn it_takes_others_of_age_and_a_member() {
        let app = app();
        let (family, address) = asked(&app);
        let guard = format!("/api/v1/families/{family}/members/usr_6/guardians");
        app.signed_in("usr_1")
            .put(&guard, json!({"guardians": ["usr_1"]}))
            .assert_status(200);
        act(&app, "usr_6", &address, "confirm").assert_refused(403, "FORBIDDEN");
        ask(&app, "usr_6", &family, "usr_5").assert_refused(403, "FORBIDDEN");
        for (by, user, status, code) in [
            ("usr_2", "usr_9", 422, "VALIDATION_ERROR"),
            ("usr_2", "usr_2", 422, "VALIDATION_ERROR"),
            ("usr_9", "usr_3", 404, "NOT_FOUND"),
        ] {
            ask(&app, by, &family, user).assert_refused(status, code);
        }
        for reason in ["", " ", "a\u{0}b", "a\u{1b}[2Jb"] {
            let body = json!({"user": "usr_5", "reason": reason});
            app.signed_in("usr_2")
                .post(&at(&family, ""), body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        let two = family_with(&app, &["usr_2"]);
        ask(&app, "usr_1", &two, "usr_2").assert_refused(409, "CONFLICT");
        // Of another family it is nothing.
        let there = address.replace(&family, &two);
        for what in ["confirm", "veto", "withdraw"] {
            act(&app, "usr_1", &there, what).assert_refused(404, "NOT_FOUND");
        }
    }

    #[test]
    fn two_last_confirmations_and_a_veto_at_once_are_one_after_the_other() {
        let app = app();
        let (_, address) = asked(&app);
        act(&app, "usr_4", &address, "confirm").assert_status(200);
        let id = address.rsplit('/').next().unwrap();
        let confirmed_by = |user: &str| {
            let before = app.run(RECOVERIES.get(id)).unwrap().unwrap();
            let recovery = before
                .recovery
                .after(Act::Confirm, user, app.now())
                .unwrap();
            before
                .moved_to(recovery, app.now())
                .written_by(Transaction::new())
        };
        let (first, second, third) = (
            confirmed_by("usr_1"),
            confirmed_by("usr_5"),
            confirmed_by("usr_6"),
        );
        assert!(committed(app.run(first.commit())).unwrap());
        assert!(!committed(app.run(second.commit())).unwrap());
        act(&app, "usr_3", &address, "veto").assert_status(200);
        assert!(!committed(app.run(third.commit())).unwrap());
        assert_eq!(state(&app, &address), "vetoed");
    }
}
