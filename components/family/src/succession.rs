//! Succession: backup administrators, and how they follow. The rules are `membership::succession`.
//!
//! A family has one plan, and one succession at a time that administrators can object to: which one it is stands
//! in the plan. Both have a version, which each change expects as it was read; so of a veto and a grant at the
//! same moment, of two vetoes, or of an administrator who comes back in the last moment, one is first and the
//! other sees it.

use crate::commit::{busy, committed, member_who_is, still_admin, tries};
use crate::continuity::{Word, administrators, require_adult, users};
use crate::events::{self, BackupStep, Happened};
use crate::members;
use crate::model::{Family, FamilyId, Membership, Role, require_admin};
use crate::store::{self, FAMILIES, MEMBERSHIPS, PLANS, SUCCESSIONS};
use membership::roles::MAX_ADMINS;
use membership::succession::{Act, Backup, Plan, Reason, State, Step, Succession};
use membership::waiting::DAY;
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, id, time};
use serde::{Deserialize, Serialize};
use serde_json::json;

id!(pub(crate) SuccessionId, "suc", "succession");

/// How long a member whose report was vetoed reports nothing more: else one could keep administrators busy
/// until they miss one.
const AFTER_VETO: u32 = 30;

/// A family's plan, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FamilyPlan {
    #[serde(rename = "_id")]
    pub(crate) family_id: FamilyId,
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// The succession that administrators can object to.
    pub(crate) open: Option<SuccessionId>,
    /// When administrators will have been inactive for too long.
    pub(crate) due_at: Option<Time>,
    /// None is stored yet in version 0.
    pub(crate) version: u64,
}

/// A succession, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FamilySuccession {
    #[serde(rename = "_id")]
    pub(crate) id: SuccessionId,
    pub(crate) family_id: FamilyId,
    #[serde(flatten)]
    pub(crate) succession: Succession,
    /// The administrator whom it is about; all of them, if there is none.
    pub(crate) administrator: Option<String>,
    /// What whoever reported it says.
    pub(crate) statement: Option<String>,
    /// Who reported it, or hands over; nobody, if it was found.
    pub(crate) begun_by: Option<String>,
    /// Who objected, or has taken it back.
    pub(crate) ended_by: Option<String>,
    /// Who has followed.
    pub(crate) successor: Option<String>,
    pub(crate) begun_at: Time,
    pub(crate) ended_at: Option<Time>,
    pub(crate) due_at: Option<Time>,
    pub(crate) version: u64,
}

/// What administrators decide about the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) inactive_days: Option<u32>,
    pub(crate) waiting_days: u32,
    pub(crate) steps_down: bool,
}

/// What a member reports.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) reason: Reason,
    pub(crate) administrator: String,
    pub(crate) statement: String,
}

/// The plan of the caller's family.
pub(crate) async fn plan(family_id: &FamilyId, caller: &Caller) -> Result<FamilyPlan> {
    store::membership(family_id, caller).await?;
    FamilyPlan::of(family_id).await
}

/// Changes when backups follow; administrators do.
pub(crate) async fn set(
    family_id: &FamilyId,
    caller: &Caller,
    settings: Settings,
) -> Result<FamilyPlan> {
    let set = |plan: &Plan| {
        Ok(Plan {
            inactive_days: settings.inactive_days,
            waiting_days: settings.waiting_days,
            steps_down: settings.steps_down,
            active_at: time::now(),
            ..plan.clone()
        })
    };
    planned(family_id, caller, set).await
}

/// Asks a member to be the last of the backups; administrators do.
pub(crate) async fn designate(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
) -> Result<FamilyPlan> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_admin(&own)?;
        let member = MEMBERSHIPS
            .find_one(json!({"family_id": family_id, "user_id": user}))
            .await?
            .ok_or_else(|| Error::validation("user", "the id of a member of the family"))?;
        require_backup(&member)?;
        let backup = Backup {
            user: user.to_owned(),
            member_since: member.joined_at,
            consented_at: None,
        };
        let unique = format!("{family_id}/backup/{user}/{}", time::now());
        let word = Word {
            family_id,
            kind: "family.succession.backup",
            title: format!(
                "{} asks you to be a backup administrator of {}",
                own.username, family.name
            ),
            body: Some(
                "If the administrators cannot be it any more, you would follow. Say whether you would.",
            ),
            unique,
        };
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            .check(
                &MEMBERSHIPS,
                can_follow(family_id, user, member.joined_at),
                1,
            );
        let change = word.told_to([user], change);
        let step = Step::Designate(backup);
        if let Some(plan) = stepped(
            family_id,
            caller,
            user,
            step,
            BackupStep::Designated,
            change,
        )
        .await?
        {
            return Ok(plan);
        }
    }
    Err(busy())
}

/// The caller would follow.
pub(crate) async fn consent(family_id: &FamilyId, caller: &Caller) -> Result<FamilyPlan> {
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        let step = Step::Consent {
            user: caller.user.to_string(),
            member_since: own.joined_at,
        };
        let can = can_follow(family_id, &caller.user, own.joined_at);
        if own.role == Role::Admin || own.minor {
            require_backup(&own)?;
        }
        let change = Transaction::new().check(&MEMBERSHIPS, can, 1);
        let done = BackupStep::Consented;
        if let Some(plan) = stepped(family_id, caller, &caller.user, step, done, change).await? {
            return Ok(plan);
        }
    }
    Err(busy())
}

/// Somebody is a backup no more: administrators say so, or they themselves.
pub(crate) async fn remove(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
) -> Result<FamilyPlan> {
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        let mut change = Transaction::new();
        if *caller.user != *user {
            require_admin(&own)?;
            change = change.check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1);
        }
        let step = Step::Remove(user.to_owned());
        let done = BackupStep::Removed;
        if let Some(plan) = stepped(family_id, caller, user, step, done, change).await? {
            return Ok(plan);
        }
    }
    Err(busy())
}

/// Puts the backups into another order; administrators do.
pub(crate) async fn order(
    family_id: &FamilyId,
    caller: &Caller,
    backups: &[String],
) -> Result<FamilyPlan> {
    let order = |plan: &Plan| plan.after(Step::Order(backups.to_vec()), time::now());
    planned(family_id, caller, order).await
}

/// Makes a plan another one; administrators do.
async fn planned(
    family_id: &FamilyId,
    caller: &Caller,
    change: impl Fn(&Plan) -> Result<Plan>,
) -> Result<FamilyPlan> {
    for _ in tries() {
        require_admin(&store::membership(family_id, caller).await?)?;
        let before = FamilyPlan::of(family_id).await?;
        let plan = change(&before.plan)?;
        let after = FamilyPlan { plan, ..before };
        let change = after.written_by(Transaction::new());
        let change = change.check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1);
        let planned = Happened::SuccessionPlanned {
            family_id,
            changed_by: &caller.user,
        };
        if committed(planned.told_by(change).commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// Takes a step of the plan, beside a change; nothing when another one was quicker.
async fn stepped(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
    step: Step,
    what: BackupStep,
    change: Transaction,
) -> Result<Option<FamilyPlan>> {
    let before = FamilyPlan::of(family_id).await?;
    let plan = before.plan.after(step, time::now())?;
    let after = FamilyPlan { plan, ..before };
    let told = Happened::Backup {
        family_id,
        user_id: user,
        by: &caller.user,
        what,
    };
    let change = told.told_by(after.written_by(change));
    Ok(committed(change.commit().await)?.then_some(after))
}

/// A member reports that an administrator cannot be one any more. Administrators can object.
pub(crate) async fn report(
    family_id: &FamilyId,
    caller: &Caller,
    report: &Report,
) -> Result<FamilySuccession> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_adult(&own)?;
        let about = MEMBERSHIPS
            .find_one(json!({"family_id": family_id, "user_id": report.administrator, "role": Role::Admin}))
            .await?
            .filter(|about| about.user_id != own.user_id)
            .ok_or_else(|| {
                Error::validation("administrator", "the id of an administrator of the family, other than you")
            })?;
        let plan = FamilyPlan::of(family_id).await?;
        plan.require_none_open()?;
        require_unvetoed(family_id, &caller.user).await?;
        if plan.heir(&family).await?.is_none() {
            return Err(nobody_to_follow());
        }
        let now = time::now();
        let begun = FamilySuccession {
            administrator: Some(report.administrator.clone()),
            statement: Some(report.statement.clone()),
            begun_by: Some(caller.user.to_string()),
            ..FamilySuccession::begin(family_id, report.reason, &plan, now)
        };
        let title = format!(
            "{} says that {} cannot administer {} any more: object by {}, if that is not so",
            own.username,
            about.username,
            family.name,
            day(begun.succession.waiting.until),
        );
        let change = Transaction::new()
            .check(
                &MEMBERSHIPS,
                member_who_is(family_id, &caller.user, json!({"minor": false})),
                1,
            )
            .check(&MEMBERSHIPS, still_admin(family_id, &about.user_id), 1);
        if begin(&plan, &begun, title, change).await? {
            return Ok(begun);
        }
    }
    Err(busy())
}

/// Nobody has administered a family for long. Administrators can object, and be it by coming back.
pub(crate) async fn found_inactive(family_id: &FamilyId) -> Result<()> {
    for _ in tries() {
        let now = time::now();
        let plan = FamilyPlan::of(family_id).await?;
        let Some(family) = FAMILIES.get(family_id.as_str()).await? else {
            return Ok(());
        };
        if plan.open.is_some() || plan.plan.inactive_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        if plan.heir(&family).await?.is_none() {
            // Those who consented are gone: the plan forgets them, and waits for others.
            let heirs: Vec<_> = plan.plan.heirs().map(|heir| heir.user.clone()).collect();
            let mut plan = plan;
            plan.plan
                .backups
                .retain(|backup| !heirs.contains(&backup.user));
            if committed(plan.written_by(Transaction::new()).commit().await)? {
                return Ok(());
            }
            continue;
        }
        let begun = FamilySuccession::begin(family_id, Reason::Inactivity, &plan, now);
        let title = format!(
            "Nobody has administered {} for long, and a backup will: object by {}, or just look in",
            family.name,
            day(begun.succession.waiting.until),
        );
        if begin(&plan, &begun, title, Transaction::new()).await? {
            return Ok(());
        }
    }
    Err(busy())
}

async fn begin(
    plan: &FamilyPlan,
    begun: &FamilySuccession,
    title: String,
    change: Transaction,
) -> Result<bool> {
    let administrators = administrators(&begun.family_id).await?;
    let backups = plan.plan.heirs().map(|heir| heir.user.as_str());
    let plan = FamilyPlan {
        open: Some(begun.id.clone()),
        ..plan.clone()
    };
    let change = plan.written_by(change).insert(&SUCCESSIONS, begun);
    let change = begun.happened().told_by(change);
    let word = begun.word(title);
    let change = word.told_to(users(&administrators).chain(backups), change);
    committed(change.commit().await)
}

/// An administrator has the first of the backups follow at once.
pub(crate) async fn hand_over(
    family_id: &FamilyId,
    caller: &Caller,
    steps_down: Option<bool>,
) -> Result<FamilySuccession> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_admin(&own)?;
        let plan = FamilyPlan::of(family_id).await?;
        plan.require_none_open()?;
        let heir = plan.heir(&family).await?.ok_or_else(nobody_to_follow)?;
        let now = time::now();
        let done = FamilySuccession {
            succession: Succession::hand_over(now),
            begun_by: Some(caller.user.to_string()),
            administrator: Some(caller.user.to_string()),
            successor: Some(heir.user_id.clone()),
            ended_at: Some(now),
            due_at: None,
            ..FamilySuccession::begin(family_id, Reason::Consent, &plan, now)
        };
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            .insert(&SUCCESSIONS, &done);
        let steps_down = steps_down.unwrap_or(plan.plan.steps_down);
        let change = followed(&family, &plan, &done, &heir, steps_down, change).await?;
        if committed(change.commit().await)? {
            return Ok(done);
        }
    }
    Err(busy())
}

/// An administrator objects.
pub(crate) async fn veto(
    family_id: &FamilyId,
    caller: &Caller,
    id: &SuccessionId,
) -> Result<FamilySuccession> {
    ended_by(family_id, caller, id, Act::Veto).await
}

/// Whoever reported it takes it back.
pub(crate) async fn withdraw(
    family_id: &FamilyId,
    caller: &Caller,
    id: &SuccessionId,
) -> Result<FamilySuccession> {
    ended_by(family_id, caller, id, Act::Withdraw).await
}

async fn ended_by(
    family_id: &FamilyId,
    caller: &Caller,
    id: &SuccessionId,
    act: Act,
) -> Result<FamilySuccession> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        let before = of_family(family_id, id).await?;
        let change = match act {
            Act::Veto => {
                require_admin(&own)?;
                Transaction::new().check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            }
            _ if before.begun_by.as_deref() == Some(&*caller.user) => Transaction::new(),
            _ => {
                return Err(Error::forbidden(
                    "only whoever reported it takes it back; an administrator vetoes it",
                ));
            }
        };
        let now = time::now();
        let succession = before.succession.after(act, now)?;
        let mut plan = FamilyPlan::of(family_id).await?;
        plan.open = None;
        if act == Act::Veto {
            plan.plan.active_at = now;
        }
        let after = FamilySuccession {
            succession,
            ended_by: Some(caller.user.to_string()),
            ended_at: Some(now),
            ..before
        };
        let change = after.written_by(plan.written_by(change));
        let change = after.happened().told_by(change);
        let title = match act {
            Act::Veto => format!(
                "{} has objected: the administrators of {} stay",
                own.username, family.name
            ),
            _ => format!(
                "{} has taken back the report about {}",
                own.username, family.name
            ),
        };
        let administrators = administrators(family_id).await?;
        let told = users(&administrators).chain(after.begun_by.as_deref());
        let change = after.word(title).told_to(told, change);
        if committed(change.commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// Reminds administrators, or has the backup follow, if it is time for that.
pub(crate) async fn go_on(id: &SuccessionId) -> Result<()> {
    for _ in tries() {
        let Some(before) = SUCCESSIONS.get(id.as_str()).await? else {
            return Ok(());
        };
        let Some(family) = FAMILIES.get(before.family_id.as_str()).await? else {
            return Ok(());
        };
        let now = time::now();
        let plan = FamilyPlan::of(&family.id).await?;
        let heir = match before.is_so(&plan).await? {
            true => plan.heir(&family).await?,
            false => None,
        };
        let pass = Act::Pass {
            can_follow: heir.is_some(),
        };
        let succession = before.succession.after(pass, now)?;
        if succession == before.succession {
            return Ok(());
        }
        let is_over = succession.state != State::Waiting;
        let after = FamilySuccession {
            succession,
            ended_at: is_over.then_some(now),
            ..before
        };
        let change = match (after.succession.state, heir) {
            (State::Granted, Some(heir)) => {
                let after = FamilySuccession {
                    successor: Some(heir.user_id.clone()),
                    ..after
                };
                let change = after.written_by(Transaction::new());
                followed(&family, &plan, &after, &heir, plan.plan.steps_down, change).await?
            }
            (State::Waiting, _) => {
                let title = format!(
                    "A backup will administer {}: object by {}, if that is not right",
                    family.name,
                    day(after.succession.waiting.until),
                );
                let administrators = administrators(&family.id).await?;
                let word = after.word(title);
                word.told_to(users(&administrators), after.written_by(Transaction::new()))
            }
            _ => {
                let plan = FamilyPlan { open: None, ..plan };
                let change = after.written_by(plan.written_by(Transaction::new()));
                let change = after.happened().told_by(change);
                let title = format!("Nobody follows the administrators of {}", family.name);
                let administrators = administrators(&family.id).await?;
                let told = users(&administrators).chain(after.begun_by.as_deref());
                after.word(title).told_to(told, change)
            }
        };
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Has a backup be an administrator, as a part of a change: not done if they leave at the same moment.
async fn followed(
    family: &Family,
    plan: &FamilyPlan,
    done: &FamilySuccession,
    heir: &Membership,
    steps_down: bool,
    change: Transaction,
) -> Result<Transaction> {
    let administrators = administrators(&family.id).await?;
    let mut plan = plan.clone();
    plan.open = None;
    plan.plan.active_at = time::now();
    plan.plan
        .backups
        .retain(|backup| backup.user != heir.user_id);
    // Decided by a member, or by nobody but the succession itself.
    let by = match done.succession.reason {
        Reason::Consent => done.begun_by.as_deref().unwrap_or_default(),
        _ => done.id.as_str(),
    };
    let change = plan.written_by(change).check(
        &MEMBERSHIPS,
        can_follow(&family.id, &heir.user_id, heir.joined_at),
        1,
    );
    let change = members::promote(change, &family.id, &heir.user_id, by);
    let succeeded = administrators.iter().filter(|one| {
        steps_down
            && done
                .administrator
                .as_deref()
                .is_none_or(|about| about == one.user_id)
    });
    let change = succeeded.fold(change, |change, one| {
        members::demote(change, &family.id, &one.user_id, by)
    });
    let change = done.happened().told_by(change);
    let title = format!(
        "{} is an administrator of {} now",
        heir.username, family.name
    );
    let told = users(&administrators).chain([heir.user_id.as_str()]);
    Ok(done.word(title).told_to(told, change))
}

/// A succession of the caller's family.
pub(crate) async fn get(
    family_id: &FamilyId,
    caller: &Caller,
    id: &SuccessionId,
) -> Result<FamilySuccession> {
    store::membership(family_id, caller).await?;
    of_family(family_id, id).await
}

/// Those of the caller's family.
pub(crate) async fn list(
    family_id: &FamilyId,
    caller: &Caller,
    listing: &Listing,
) -> Result<Page<FamilySuccession>> {
    store::membership(family_id, caller).await?;
    SUCCESSIONS
        .find(json!({"family_id": family_id}))
        .page(listing)
        .await
}

async fn of_family(family_id: &FamilyId, id: &SuccessionId) -> Result<FamilySuccession> {
    let found = SUCCESSIONS.get(id.as_str()).await?;
    found
        .filter(|found| found.family_id == *family_id)
        .ok_or_else(|| Error::not_found("succession"))
}

/// Notes that an administrator did something.
pub(crate) async fn active(family_id: &FamilyId) -> Result<()> {
    let Some(before) = PLANS.get(family_id.as_str()).await? else {
        return Ok(());
    };
    let now = time::now();
    if !before.plan.is_active_anew(now) {
        return Ok(());
    }
    let plan = Plan {
        active_at: now,
        ..before.plan.clone()
    };
    let after = FamilyPlan { plan, ..before };
    // If another change was quicker, the next request is noted.
    committed(after.written_by(Transaction::new()).commit().await).map(drop)
}

async fn require_unvetoed(family_id: &FamilyId, user: &str) -> Result<()> {
    let since = time::now() - DAY * AFTER_VETO;
    let vetoed = json!({
        "family_id": family_id, "begun_by": user, "state": State::Vetoed, "ended_at": {"$gt": since},
    });
    match SUCCESSIONS.find_one(vetoed).await? {
        None => Ok(()),
        Some(_) => Err(Error::conflict(format!(
            "an administrator has objected to your last report; wait {AFTER_VETO} days, or ask another member"
        ))),
    }
}

fn require_backup(member: &Membership) -> Result<()> {
    match (member.role, member.minor) {
        (Role::Admin, _) => Err(Error::conflict("they are an administrator already")),
        (_, true) => Err(Error::conflict(
            "a minor cannot be an administrator; choose somebody of age",
        )),
        _ => Ok(()),
    }
}

fn can_follow(family_id: &FamilyId, user: &str, member_since: Time) -> serde_json::Value {
    let conditions = json!({"role": Role::Member, "minor": false, "joined_at": member_since});
    member_who_is(family_id, user, conditions)
}

fn nobody_to_follow() -> Error {
    Error::conflict(
        "no backup administrator is there to follow; an administrator designates one, who has to consent",
    )
}

/// The day of a time, for people.
pub(crate) fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

// === impl FamilyPlan ===

impl FamilyPlan {
    async fn of(family_id: &FamilyId) -> Result<Self> {
        let stored = PLANS.get(family_id.as_str()).await?;
        Ok(stored.unwrap_or_else(|| Self {
            family_id: family_id.clone(),
            plan: Plan::new(time::now()),
            open: None,
            due_at: None,
            version: 0,
        }))
    }

    /// Has a change write it, if it is stored as it was read.
    fn written_by(&self, change: Transaction) -> Transaction {
        let next = Self {
            due_at: self.plan.inactive_at().filter(|_| self.open.is_none()),
            version: self.version + 1,
            ..self.clone()
        };
        match self.version {
            0 => change.insert(&PLANS, &next),
            version => change.update_one(
                &PLANS,
                json!({"_id": self.family_id, "version": version}),
                json!(next),
            ),
        }
    }

    fn require_none_open(&self) -> Result<()> {
        match self.open {
            None => Ok(()),
            Some(_) => Err(Error::conflict(
                "a succession is going on already; wait for its end, or veto it",
            )),
        }
    }

    /// The first of those who would follow, and can.
    async fn heir(&self, family: &Family) -> Result<Option<Membership>> {
        if family.admin_count >= MAX_ADMINS {
            return Ok(None);
        }
        for heir in self.plan.heirs() {
            let can = can_follow(&self.family_id, &heir.user, heir.member_since);
            if let Some(membership) = MEMBERSHIPS.find_one(can).await? {
                return Ok(Some(membership));
            }
        }
        Ok(None)
    }
}

// === impl FamilySuccession ===

impl FamilySuccession {
    fn begin(family_id: &FamilyId, reason: Reason, plan: &FamilyPlan, now: Time) -> Self {
        let succession = Succession::begin(reason, plan.plan.waiting_days, now);
        Self {
            id: SuccessionId::new(),
            family_id: family_id.clone(),
            due_at: succession.next_at(),
            succession,
            administrator: None,
            statement: None,
            begun_by: None,
            ended_by: None,
            successor: None,
            begun_at: now,
            ended_at: None,
            version: 1,
        }
    }

    /// Has a change write it, if it is stored as it was read.
    fn written_by(&self, change: Transaction) -> Transaction {
        let next = Self {
            due_at: self.succession.next_at(),
            version: self.version + 1,
            ..self.clone()
        };
        let as_read = json!({"_id": self.id, "version": self.version});
        change.update_one(&SUCCESSIONS, as_read, json!(next))
    }

    /// Whether what it is about is so still.
    async fn is_so(&self, plan: &FamilyPlan) -> Result<bool> {
        match &self.administrator {
            None => Ok(plan.plan.active_at <= self.succession.waiting.since),
            Some(about) => {
                let is_admin = MEMBERSHIPS.count(still_admin(&self.family_id, about));
                Ok(is_admin.await? == 1)
            }
        }
    }

    fn happened(&self) -> Happened<'_> {
        Happened::Succession {
            family_id: &self.family_id,
            succession_id: &self.id,
            reason: self.succession.reason,
            by: self.ended_by.as_deref().or(self.begun_by.as_deref()),
            successor: self.successor.as_deref(),
            state: self.succession.state,
        }
    }

    fn word(&self, title: String) -> Word<'_> {
        let kind = events::succeeded(self.succession.state);
        Word {
            family_id: &self.family_id,
            kind,
            title,
            body: self.statement.as_deref(),
            unique: format!(
                "{}/{}/{}",
                self.id, kind, self.succession.waiting.reminded_at
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::continuity::tests::{noticed, pass, told};
    use crate::tests::{app, family_with, join};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::Value;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// What somebody does in a family, about a succession or an access, at the same moment.
    type Other<'a> = &'a dyn Fn(&str, &str) -> Reply;

    fn at(family: &str, rest: &str) -> String {
        format!("/api/v1/families/{family}/{rest}")
    }

    fn post(app: &App, by: &str, family: &str, rest: &str, body: Value) -> Reply {
        app.signed_in(by).post(&at(family, rest), body)
    }

    fn designate(app: &App, family: &str, user: &str) {
        post(
            app,
            "usr_1",
            family,
            "succession/backups",
            json!({"user": user}),
        )
        .assert_status(200);
        post(app, user, family, "succession/consent", json!({})).assert_status(200);
    }

    /// A family of `usr_1` with members 2 to 4, where 2 and then 3 would follow.
    fn planned(app: &App) -> String {
        let family = family_with(app, &["usr_2", "usr_3", "usr_4"]);
        designate(app, &family, "usr_2");
        designate(app, &family, "usr_3");
        family
    }

    fn report(app: &App, family: &str) -> String {
        let body = json!({"reason": "death", "administrator": "usr_1", "statement": "On Sunday"});
        let begun = post(app, "usr_4", family, "successions", body).assert_status(201);
        let address = begun.header("location").unwrap();
        assert_eq!(
            address,
            at(family, &format!("successions/{}", begun.text("id")))
        );
        let read = app.signed_in("usr_3").get(address).assert_status(200);
        assert_eq!(read.body(), begun.body());
        begun.text("id").to_owned()
    }

    fn role(app: &App, family: &str, user: &str) -> String {
        let member = app
            .signed_in("usr_4")
            .get(&at(family, &format!("members/{user}")));
        member.assert_status(200).text("role").to_owned()
    }

    fn state(app: &App, family: &str, id: &str) -> String {
        let read = app
            .signed_in("usr_4")
            .get(&at(family, &format!("successions/{id}")));
        read.assert_status(200).text("state").to_owned()
    }

    fn admins(app: &App, family: &str) -> u64 {
        let family: Family = app.run(FAMILIES.get(family)).unwrap().unwrap();
        let admins = json!({"family_id": family.id, "role": Role::Admin});
        assert_eq!(
            app.run(MEMBERSHIPS.count(admins)).unwrap(),
            family.admin_count
        );
        family.admin_count
    }

    #[test]
    fn backups_are_members_who_consent_in_an_order() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3", "usr_4"]);
        let backups = |by: &str, user: &str| {
            post(
                &app,
                by,
                &family,
                "succession/backups",
                json!({"user": user}),
            )
        };
        backups("usr_2", "usr_3").assert_refused(403, "FORBIDDEN");
        backups("usr_9", "usr_3").assert_refused(404, "NOT_FOUND");
        backups("usr_1", "usr_9").assert_refused(422, "VALIDATION_ERROR");
        backups("usr_1", "usr_1").assert_refused(409, "CONFLICT");
        backups("usr_1", "usr_2").assert_status(200);
        backups("usr_1", "usr_2").assert_refused(409, "CONFLICT");
        backups("usr_1", "usr_3").assert_status(200);
        assert_eq!(
            noticed(&app, "family.succession.backup"),
            ["usr_2", "usr_3"]
        );
        post(&app, "usr_4", &family, "succession/consent", json!({}))
            .assert_refused(404, "NOT_FOUND");
        post(&app, "usr_3", &family, "succession/consent", json!({})).assert_status(200);
        let order = |by: &str, backups: Value| {
            app.signed_in(by).put(
                &at(&family, "succession/order"),
                json!({"backups": backups}),
            )
        };
        order("usr_1", json!(["usr_3"])).assert_refused(422, "VALIDATION_ERROR");
        order("usr_1", json!(["usr_3", "usr_3"])).assert_refused(422, "VALIDATION_ERROR");
        order("usr_3", json!(["usr_3", "usr_2"])).assert_refused(403, "FORBIDDEN");
        let plan = order("usr_1", json!(["usr_3", "usr_2"])).assert_status(200);
        assert_eq!(
            (
                &plan["backups"][0]["user_id"],
                &plan["backups"][1]["consented_at"]
            ),
            (&json!("usr_3"), &Value::Null)
        );
        let remove = |by: &str, user: &str| {
            app.signed_in(by)
                .delete(&at(&family, &format!("succession/backups/{user}")))
        };
        remove("usr_4", "usr_2").assert_refused(403, "FORBIDDEN");
        remove("usr_2", "usr_2").assert_status(200);
        remove("usr_1", "usr_2").assert_refused(404, "NOT_FOUND");
        assert_eq!(
            told(&app, "family.succession."),
            [
                "backup.designated",
                "backup.designated",
                "backup.consented",
                "planned",
                "backup.removed"
            ]
        );
        let read = app
            .signed_in("usr_4")
            .get(&at(&family, "succession"))
            .assert_status(200);
        assert_eq!(read["backups"].as_array().unwrap().len(), 1);
        app.signed_in("usr_9")
            .get(&at(&family, "succession"))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn a_reported_administrator_is_followed_when_nobody_objects() {
        let app = app();
        let family = planned(&app);
        let id = report(&app, &family);
        // One at a time.
        let again = json!({"reason": "incapacity", "administrator": "usr_1", "statement": "x"});
        post(&app, "usr_3", &family, "successions", again).assert_refused(409, "CONFLICT");
        pass(&app, DAY * 3);
        assert_eq!(
            noticed(&app, "family.succession.waiting"),
            ["usr_1", "usr_2", "usr_3"]
        );
        pass(&app, DAY / 2);
        pass(&app, DAY * 2 + DAY / 2);
        assert_eq!(
            noticed(&app, "family.succession.waiting"),
            ["usr_1", "usr_2", "usr_3", "usr_1", "usr_1"]
        );
        pass(&app, DAY - HOUR);
        assert_eq!(
            (state(&app, &family, &id), role(&app, &family, "usr_2")),
            ("waiting".into(), "member".into())
        );
        pass(&app, HOUR);
        assert_eq!(
            (state(&app, &family, &id), role(&app, &family, "usr_2")),
            ("granted".into(), "admin".into())
        );
        // Who is succeeded stays, as the plan says, and it is too late to object.
        assert_eq!(
            (role(&app, &family, "usr_1"), admins(&app, &family)),
            ("admin".into(), 2)
        );
        let veto = format!("successions/{id}/veto");
        post(&app, "usr_1", &family, &veto, json!({})).assert_refused(409, "CONFLICT");
        assert_eq!(
            noticed(&app, "family.succession.granted"),
            ["usr_1", "usr_2"]
        );
        assert_eq!(
            told(&app, "family.succession.").get(4..).unwrap(),
            ["waiting", "granted"]
        );
        assert_eq!(told(&app, "family.member."), ["added", "promoted"]);
        let plan = app.signed_in("usr_2").get(&at(&family, "succession"));
        assert_eq!(
            (&plan["open"], &plan["backups"][0]["user_id"]),
            (&Value::Null, &json!("usr_3"))
        );
        let all = app
            .signed_in("usr_2")
            .get(&at(&family, "successions"))
            .assert_status(200);
        assert_eq!(
            (&all["total"], &all["items"][0]["successor"]),
            (&json!(1), &json!("usr_2"))
        );
    }

    #[test]
    fn administrators_object_and_whoever_reported_takes_it_back() {
        let app = app();
        let family = planned(&app);
        let id = report(&app, &family);
        for (by, what, status, code) in [
            ("usr_2", "veto", 403, "FORBIDDEN"),
            ("usr_9", "veto", 404, "NOT_FOUND"),
            ("usr_1", "withdraw", 403, "FORBIDDEN"),
        ] {
            post(
                &app,
                by,
                &family,
                &format!("successions/{id}/{what}"),
                json!({}),
            )
            .assert_refused(status, code);
        }
        let other = family_with(&app, &[]);
        post(
            &app,
            "usr_1",
            &other,
            &format!("successions/{id}/veto"),
            json!({}),
        )
        .assert_refused(404, "NOT_FOUND");
        post(
            &app,
            "usr_1",
            &family,
            &format!("successions/{id}/veto"),
            json!({}),
        )
        .assert_status(200);
        // Two vetoes: one.
        post(
            &app,
            "usr_1",
            &family,
            &format!("successions/{id}/veto"),
            json!({}),
        )
        .assert_refused(409, "CONFLICT");
        pass(&app, DAY * 8);
        assert_eq!(
            (state(&app, &family, &id), admins(&app, &family)),
            ("vetoed".into(), 1)
        );
        // The same member waits; another one may think so, too, and think better of it.
        let body = json!({"reason": "death", "administrator": "usr_1", "statement": "Really"});
        post(&app, "usr_4", &family, "successions", body.clone()).assert_refused(409, "CONFLICT");
        let second = post(&app, "usr_3", &family, "successions", body.clone()).assert_status(201);
        let withdraw = format!("successions/{}/withdraw", second.text("id"));
        post(&app, "usr_4", &family, &withdraw, json!({})).assert_refused(403, "FORBIDDEN");
        post(&app, "usr_3", &family, &withdraw, json!({})).assert_status(200);
        pass(&app, DAY * 31);
        post(&app, "usr_4", &family, "successions", body).assert_status(201);
        assert_eq!(
            told(&app, "family.succession.").get(4..).unwrap(),
            ["waiting", "vetoed", "waiting", "withdrawn", "waiting"]
        );
        assert_eq!(
            noticed(&app, "family.succession.vetoed"),
            ["usr_1", "usr_4"]
        );
    }

    #[test]
    fn what_is_reported_must_be_somebody_whom_somebody_can_follow() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        let body = |administrator: &str, reason: &str, statement: &str| json!({"reason": reason, "administrator": administrator, "statement": statement});
        let report = |by: &str, body: Value| post(&app, by, &family, "successions", body);
        report("usr_3", body("usr_1", "death", "x")).assert_refused(409, "CONFLICT");
        post(
            &app,
            "usr_1",
            &family,
            "succession/backups",
            json!({"user": "usr_2"}),
        )
        .assert_status(200);
        // Not consented.
        report("usr_3", body("usr_1", "death", "x")).assert_refused(409, "CONFLICT");
        post(&app, "usr_2", &family, "succession/consent", json!({})).assert_status(200);
        for (about, reason, statement) in [
            ("usr_2", "death", "x"),
            ("usr_9", "death", "x"),
            ("usr_1", "boredom", "x"),
            ("usr_1", "consent", "x"),
            ("usr_1", "death", " "),
            ("usr_1", "death", "a\u{0}b"),
            ("usr_1", "death", "a\nb"),
            ("usr_1", "death", "a\u{85}b"),
        ] {
            report("usr_3", body(about, reason, statement)).assert_refused(422, "VALIDATION_ERROR");
        }
        report("usr_1", body("usr_1", "death", "x")).assert_refused(422, "VALIDATION_ERROR");
        report("usr_9", body("usr_1", "death", "x")).assert_refused(404, "NOT_FOUND");
        // Nothing that is not seen, or turns what others read.
        for hidden in ["died\u{202e}deid", "di\u{200b}ed"] {
            report("usr_3", body("usr_1", "death", hidden)).assert_refused(422, "VALIDATION_ERROR");
        }
        // Look-alikes are text like any other.
        let odd = "Аdа 𝐝𝐢𝐞𝐝 \u{5e2}\u{5d3}\u{5d4}";
        let begun = report("usr_3", body("usr_1", "death", odd)).assert_status(201);
        assert_eq!(begun["statement"], odd);
    }

    #[test]
    fn nobody_is_active_for_long() {
        let app = app();
        let family = planned(&app);
        let set = |by: &str, days: Value| {
            app.signed_in(by).put(
                &at(&family, "succession"),
                json!({"inactive_days": days, "waiting_days": 10, "steps_down": true}),
            )
        };
        set("usr_2", json!(40)).assert_refused(403, "FORBIDDEN");
        for wrong in [json!(29), json!(366), json!(-1), json!("40"), json!(40.5)] {
            set("usr_1", wrong).assert_refused(422, "VALIDATION_ERROR");
        }
        set("usr_1", json!(40)).assert_status(200);
        // Members do not count, and administrators do, whatever they ask.
        pass(&app, DAY * 39);
        app.signed_in("usr_2")
            .get(&at(&family, "members"))
            .assert_status(200);
        app.signed_in("usr_1")
            .get(&at(&family, "members"))
            .assert_status(200);
        pass(&app, DAY * 39);
        assert!(noticed(&app, "family.succession.waiting").is_empty());
        pass(&app, DAY);
        assert_eq!(
            noticed(&app, "family.succession.waiting"),
            ["usr_1", "usr_2", "usr_3"]
        );
        // The administrator looks in, and it comes to nothing.
        pass(&app, DAY * 9);
        app.signed_in("usr_1")
            .get(&at(&family, "members"))
            .assert_status(200);
        pass(&app, DAY);
        assert_eq!(
            (
                told(&app, "family.succession.").last().unwrap().as_str(),
                admins(&app, &family)
            ),
            ("lapsed", 1)
        );
        // They do not the next time.
        pass(&app, DAY * 40);
        pass(&app, DAY * 10);
        assert_eq!(
            (role(&app, &family, "usr_2"), role(&app, &family, "usr_1")),
            ("admin".into(), "member".into())
        );
        assert_eq!(admins(&app, &family), 1);
        assert_eq!(
            told(&app, "family.member."),
            ["added", "promoted", "demoted"]
        );
        let last = app
            .published()
            .into_iter()
            .rev()
            .find(|event| event.kind == "family.succession.granted")
            .unwrap();
        assert_eq!(
            (
                &last.data["reason"],
                &last.data["by"],
                &last.data["successor"]
            ),
            (&json!("inactivity"), &Value::Null, &json!("usr_2"))
        );
    }

    #[test]
    fn an_administrator_hands_over() {
        let app = app();
        let family = planned(&app);
        post(&app, "usr_2", &family, "succession/hand-over", json!({}))
            .assert_refused(403, "FORBIDDEN");
        post(&app, "usr_9", &family, "succession/hand-over", json!({}))
            .assert_refused(404, "NOT_FOUND");
        let body = json!({"steps_down": true});
        let done = post(&app, "usr_1", &family, "succession/hand-over", body).assert_status(201);
        assert_eq!(
            (&done["state"], &done["reason"], &done["successor"]),
            (&json!("granted"), &json!("consent"), &json!("usr_2"))
        );
        assert_eq!(
            (role(&app, &family, "usr_1"), admins(&app, &family)),
            ("member".into(), 1)
        );
        // The next one stays beside.
        post(&app, "usr_2", &family, "succession/hand-over", json!({})).assert_status(201);
        assert_eq!(
            (role(&app, &family, "usr_3"), admins(&app, &family)),
            ("admin".into(), 2)
        );
        post(&app, "usr_3", &family, "succession/hand-over", json!({}))
            .assert_refused(409, "CONFLICT");
    }

    #[test]
    fn the_first_who_can_follows_and_without_one_it_lapses() {
        let app = app();
        let family = planned(&app);
        let id = report(&app, &family);
        // The first has left; and whoever comes back was not asked.
        app.signed_in("usr_2")
            .delete(&at(&family, "members/usr_2"))
            .assert_status(204);
        app.advance(HOUR);
        join(&app, &family, "usr_2");
        pass(&app, DAY * 7);
        assert_eq!(
            (state(&app, &family, &id), role(&app, &family, "usr_3")),
            ("granted".into(), "admin".into())
        );
        assert_eq!(role(&app, &family, "usr_2"), "member");
        let second = planned(&app);
        let id = report(&app, &second);
        for user in ["usr_2", "usr_3"] {
            app.signed_in(user)
                .delete(&at(&second, &format!("members/{user}")))
                .assert_status(204);
        }
        pass(&app, DAY * 7);
        assert_eq!(
            (state(&app, &second, &id), admins(&app, &second)),
            ("lapsed".into(), 1)
        );
        // Nobody follows in vain again and again, however long it takes.
        let told = app.published().len();
        pass(&app, DAY * 200);
        pass(&app, DAY * 200);
        let begun = app
            .published()
            .into_iter()
            .skip(told)
            .filter(|event| event.data["family_id"] == second.as_str());
        assert_eq!(
            begun
                .filter(|event| event.kind.starts_with("family.succession."))
                .count(),
            0
        );
    }

    /// A grant that was decided on, and not committed yet.
    fn grant(app: &App, family: &str, id: &str) -> Transaction {
        app.run(async {
            let before = SUCCESSIONS.get(id).await?.unwrap();
            let family = FAMILIES.get(family).await?.unwrap();
            let plan = FamilyPlan::of(&family.id).await?;
            let heir = plan.heir(&family).await?.unwrap();
            let succession = before
                .succession
                .after(Act::Pass { can_follow: true }, time::now())?;
            let after = FamilySuccession {
                succession,
                ..before
            };
            let change = after.written_by(Transaction::new());
            followed(&family, &plan, &after, &heir, true, change).await
        })
        .unwrap()
    }

    #[test]
    fn of_a_grant_and_what_comes_between_one_is_done() {
        let app = app();
        let others: [(&str, Other<'_>); 3] = [
            ("usr_1", &|family, id| {
                post(
                    &app,
                    "usr_1",
                    family,
                    &format!("successions/{id}/veto"),
                    json!({}),
                )
            }),
            ("usr_4", &|family, id| {
                post(
                    &app,
                    "usr_4",
                    family,
                    &format!("successions/{id}/withdraw"),
                    json!({}),
                )
            }),
            ("usr_2", &|family, _| {
                app.signed_in("usr_2").delete(&at(family, "members/usr_2"))
            }),
        ];
        for (who, other) in &others {
            // The other is quicker.
            let family = planned(&app);
            let id = report(&app, &family);
            app.advance(DAY * 7);
            let grant_then = grant(&app, &family, &id);
            assert!(other(&family, &id).status() < 300, "{who}");
            let told = app.published().len();
            assert!(!committed(app.run(grant_then.commit())).unwrap(), "{who}");
            assert_eq!((app.published().len(), admins(&app, &family)), (told, 1));
            // The grant is quicker, and done once.
            let family = planned(&app);
            // Whoever was vetoed reports nothing for a while, in that family.
            let id = report(&app, &family);
            app.advance(DAY * 7);
            let (first, second) = (grant(&app, &family, &id), grant(&app, &family, &id));
            assert!(committed(app.run(first.commit())).unwrap());
            assert!(!committed(app.run(second.commit())).unwrap());
            assert!(other(&family, &id).status() >= 400, "{who}");
            assert_eq!(
                (role(&app, &family, "usr_2"), admins(&app, &family)),
                ("admin".into(), 1)
            );
        }
    }

    #[test]
    fn an_administrator_who_comes_back_in_the_last_moment_stays_one() {
        let app = app();
        let family = planned(&app);
        pass(&app, DAY * 90);
        let open = app
            .signed_in("usr_2")
            .get(&at(&family, "succession"))
            .text("open")
            .to_owned();
        app.advance(DAY * 7);
        let grant = grant(&app, &family, &open);
        app.signed_in("usr_1")
            .get(&format!("/api/v1/families/{family}"))
            .assert_status(200);
        assert!(!committed(app.run(grant.commit())).unwrap());
        pass(&app, Duration::ZERO);
        assert_eq!(
            (state(&app, &family, &open), admins(&app, &family)),
            ("lapsed".into(), 1)
        );
    }

    #[test]
    fn with_the_family_goes_its_plan() {
        let app = app();
        let family = planned(&app);
        report(&app, &family);
        app.signed_in("usr_1")
            .delete(&format!("/api/v1/families/{family}"))
            .assert_status(204);
        assert_eq!(
            app.run(PLANS.count(json!({}))).unwrap()
                + app.run(SUCCESSIONS.count(json!({}))).unwrap(),
            0
        );
        pass(&app, DAY * 100);
    }
}
