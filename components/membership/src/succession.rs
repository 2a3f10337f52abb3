//! Succession: who becomes an administrator of a group when those it has cannot be any more.
//!
//! The plan names backup administrators, in an order; each has to consent. They follow for a reason:
//!
//! ```text
//!  inactivity: no administrator was active for so many days ─┐
//!  death, incapacity: a member reports it ───────────────────┤       ┌─ veto ─────▶ vetoed
//!                                                            ├▶ waiting ─ withdraw ▶ withdrawn
//!                                                            │       ├─ its time ─▶ granted
//!                                                            │       └─ its time ─▶ lapsed
//!  consent: an administrator hands over ─────────────────────┴──────────────────────▶ granted
//! ```
//!
//! It lapses when nobody is there to follow by then, or when what it was about is not so any more: after
//! inactivity an administrator is back, after a report whom it is about is no administrator. A veto is taken as
//! long as nobody has followed, whatever the clock says.

use crate::waiting::{DAY, Waiting};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Days without any administrator's doing after which a backup follows, unless the plan says otherwise.
pub const INACTIVE_DAYS: u32 = 90;
/// Days in which administrators can object, unless the plan says otherwise.
pub const WAITING_DAYS: u32 = 7;
/// How many backups there are at most: more is no order that anybody remembers.
pub const MOST_BACKUPS: usize = 5;

/// Who follows, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// After so many days without an administrator's doing; never for that reason, if there is no number.
    pub inactive_days: Option<u32>,
    /// Days in which administrators can object.
    pub waiting_days: u32,
    /// Whether those who are succeeded are members afterwards, or administrators still.
    pub steps_down: bool,
    /// Who follows, the first first.
    pub backups: Vec<Backup>,
    /// When an administrator last did something, to the day.
    pub active_at: Time,
}

/// Somebody who may follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Who.
    pub user: String,
    /// Since when they belong to the group. Whoever leaves and comes back has not consented.
    pub member_since: Time,
    /// When they consented, if they did.
    pub consented_at: Option<Time>,
}

/// What is done to a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member is asked to be the last of the backups.
    Designate(Backup),
    /// They would be.
    Consent {
        /// Who.
        user: String,
        /// Since when they belong to the group.
        member_since: Time,
    },
    /// Somebody is a backup no more.
    Remove(String),
    /// The same backups in another order.
    Order(Vec<String>),
}

/// Why somebody follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SuccessionReason)]
pub enum Reason {
    /// No administrator was active for long.
    Inactivity,
    /// An administrator has died.
    Death,
    /// An administrator cannot act.
    Incapacity,
    /// An administrator hands over.
    Consent,
}

/// Where a succession is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SuccessionState)]
pub enum State {
    /// Administrators can object.
    Waiting,
    /// A backup has followed.
    Granted,
    /// An administrator objected.
    Vetoed,
    /// Whoever reported it has taken it back.
    Withdrawn,
    /// Nobody could follow, or nobody had to.
    Lapsed,
}

/// What may happen to a succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// An administrator objects.
    Veto,
    /// It is taken back.
    Withdraw,
    /// Time has passed: something may be due.
    Pass {
        /// Whether it is so still, and somebody is there to follow.
        can_follow: bool,
    },
}

/// A succession, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// Why.
    pub reason: Reason,
    /// Where it is.
    pub state: State,
    /// The time to object.
    pub waiting: Waiting,
}

// === impl Plan ===

impl Plan {
    /// What holds where nobody has planned anything.
    pub fn new(now: Time) -> Self {
        Self {
            inactive_days: Some(INACTIVE_DAYS),
            waiting_days: WAITING_DAYS,
            steps_down: false,
            backups: Vec::new(),
            active_at: now,
        }
    }

    /// The plan after a step.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn after(&self, step: Step, now: Time) -> Result<Self> {
        let mut plan = self.clone();
        let place = |user: &str| self.backups.iter().position(|backup| backup.user == user);
        match step {
            Step::Designate(backup) => {
                // Who left and came back is asked anew.
                plan.backups.retain(|other| {
                    other.user != backup.user || other.member_since == backup.member_since
                });
                if plan.backups.iter().any(|other| other.user == backup.user) {
                    return Err(Error::conflict(
                        "they are a backup already; change the order instead",
                    ));
                }
                if plan.backups.len() >= MOST_BACKUPS {
                    return Err(Error::conflict(format!(
                        "there are {MOST_BACKUPS} backups, the most there may be; remove one first"
                    )));
                }
                plan.backups.push(backup);
            }
            Step::Consent { user, member_since } => {
                let asked = plan
                    .backups
                    .iter_mut()
                    .find(|backup| backup.user == user && backup.member_since == member_since)
                    .ok_or_else(|| Error::not_found("backup"))?;
                asked.consented_at = asked.consented_at.or(Some(now));
            }
            Step::Remove(user) => {
                let place = place(&user).ok_or_else(|| Error::not_found("backup"))?;
                plan.backups.remove(place);
            }
            Step::Order(users) => {
                let mut places: Vec<_> = users.iter().filter_map(|user| place(user)).collect();
                plan.backups = places
                    .iter()
                    .filter_map(|place| self.backups.get(*place).cloned())
                    .collect();
                places.sort_unstable();
                places.dedup();
                let each_once = places.len() == self.backups.len();
                if !each_once || users.len() != self.backups.len() {
                    return Err(Error::validation(
                        "backups",
                        "the ids of all backups, each once; read the plan to see them",
                    ));
                }
            }
        }
        Ok(plan)
    }

    /// Those who would follow, in order.
    pub fn heirs(&self) -> impl Iterator<Item = &Backup> {
        let has_consented = |backup: &&Backup| backup.consented_at.is_some();
        self.backups.iter().filter(has_consented)
    }

    /// When administrators have been inactive for too long, if somebody is there who would follow.
    pub fn inactive_at(&self) -> Option<Time> {
        self.heirs().next()?;
        self.inactive_days.map(|days| self.active_at + DAY * days)
    }

    /// Whether what an administrator does now is worth noting: once a day is enough.
    pub fn is_active_anew(&self, now: Time) -> bool {
        now.since(self.active_at) >= DAY
    }
}

// === impl Succession ===

impl Succession {
    /// One that administrators can object to.
    pub fn begin(reason: Reason, waiting_days: u32, now: Time) -> Self {
        Self {
            reason,
            state: State::Waiting,
            waiting: Waiting::begin(now, DAY * waiting_days),
        }
    }

    /// One that an administrator wants.
    pub fn hand_over(now: Time) -> Self {
        Self {
            state: State::Granted,
            ..Self::begin(Reason::Consent, 0, now)
        }
    }

    /// When there is something to do next.
    pub fn next_at(&self) -> Option<Time> {
        (self.state == State::Waiting).then(|| self.waiting.next_at())
    }

    /// What comes of it when something happens; whether whoever does it may is for the caller to know. Time
    /// passing changes nothing as long as nothing is due.
    ///
    /// # Errors
    /// `CONFLICT` when it is over.
    pub fn after(&self, act: Act, now: Time) -> Result<Self> {
        let is = |state| Self {
            state,
            ..self.clone()
        };
        match (self.state, act) {
            (State::Waiting, Act::Veto) => Ok(is(State::Vetoed)),
            (State::Waiting, Act::Withdraw) => Ok(is(State::Withdrawn)),
            (State::Waiting, Act::Pass { can_follow }) => Ok(match self.waiting {
                waiting if waiting.is_reminder_due(now) => Self {
                    waiting: waiting.reminded(now),
                    ..self.clone()
                },
                waiting if !waiting.is_over(now) => self.clone(),
                _ if can_follow => is(State::Granted),
                _ => is(State::Lapsed),
            }),
            (_, Act::Pass { .. }) => Ok(self.clone()),
            (State::Granted, _) => Err(Error::conflict(
                "a backup is an administrator by now; demote them, if that is not right",
            )),
            (State::Vetoed | State::Withdrawn | State::Lapsed, _) => {
                Err(Error::conflict("it is over already, and nobody follows"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(hour: u64) -> Time {
        Time::from_seconds(1_700_000_000) + Duration::from_secs(hour * 60 * 60)
    }

    fn backup(user: &str) -> Backup {
        Backup {
            user: user.to_owned(),
            member_since: at(0),
            consented_at: None,
        }
    }

    #[test]
    fn whoever_comes_back_has_not_consented() {
        let plan = Plan::new(at(0))
            .after(Step::Designate(backup("bob")), at(0))
            .unwrap();
        let consent = |member_since| Step::Consent {
            user: "bob".to_owned(),
            member_since,
        };
        assert!(plan.after(consent(at(1)), at(2)).is_err());
        let plan = plan.after(consent(at(0)), at(2)).unwrap();
        assert_eq!(plan.heirs().count(), 1);
        let again = Backup {
            member_since: at(5),
            ..backup("bob")
        };
        let plan = plan.after(Step::Designate(again), at(6)).unwrap();
        assert_eq!((plan.heirs().count(), plan.backups.len()), (0, 1));
    }

    #[test]
    fn inactivity_needs_somebody_to_follow() {
        let plan = Plan::new(at(0));
        assert_eq!(plan.inactive_at(), None);
        let plan = plan.after(Step::Designate(backup("bob")), at(0)).unwrap();
        assert_eq!(plan.inactive_at(), None);
        let consent = Step::Consent {
            user: "bob".to_owned(),
            member_since: at(0),
        };
        let plan = plan.after(consent, at(1)).unwrap();
        assert_eq!(plan.inactive_at(), Some(at(0) + DAY * INACTIVE_DAYS));
        let never = Plan {
            inactive_days: None,
            ..plan
        };
        assert_eq!(never.inactive_at(), None);
    }

    const USERS: [&str; 7] = ["ada", "bob", "eve", "dan", "joe", "amy", "tim"];

    fn step() -> impl Strategy<Value = Step> {
        let user = || (0..USERS.len()).prop_map(|user| USERS[user].to_owned());
        prop_oneof![
            5 => user().prop_map(|user| Step::Designate(backup(&user))),
            4 => user().prop_map(|user| Step::Consent { user, member_since: at(0) }),
            2 => user().prop_map(Step::Remove),
            3 => Just(USERS.map(str::to_owned).to_vec()).prop_shuffle().prop_flat_map(|users| {
                (0..=users.len()).prop_map(move |most| Step::Order(users[..most].to_vec()))
            }),
        ]
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Veto,
        Withdraw,
        Pass(bool),
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            1 => Just(Event::Veto),
            1 => Just(Event::Withdraw),
            6 => any::<bool>().prop_map(Event::Pass),
            6 => (1..100_u64).prop_map(Event::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// A plan is a list of names in order, some of them with a tick.
        #[test]
        fn a_plan_is_what_was_written_into_it(steps in proptest::collection::vec(step(), 1..60)) {
            let mut plan = Plan::new(at(0));
            let mut list: Vec<(String, bool)> = Vec::new();
            for step in steps {
                let at_place = |list: &[(String, bool)], user: &str| list.iter().position(|(name, _)| name == user);
                let expected = match &step {
                    Step::Designate(backup) => {
                        let fits = at_place(&list, &backup.user).is_none() && list.len() < 5;
                        if fits {
                            list.push((backup.user.clone(), false));
                        }
                        fits
                    }
                    Step::Consent { user, .. } => {
                        let place = at_place(&list, user);
                        if let Some(place) = place {
                            list[place].1 = true;
                        }
                        place.is_some()
                    }
                    Step::Remove(user) => {
                        let place = at_place(&list, user);
                        if let Some(place) = place {
                            list.remove(place);
                        }
                        place.is_some()
                    }
                    Step::Order(users) => {
                        let mut names: Vec<_> = list.iter().map(|(name, _)| name.clone()).collect();
                        let mut wanted = users.clone();
                        names.sort();
                        wanted.sort();
                        if names == wanted {
                            list.sort_by_key(|(name, _)| users.iter().position(|user| user == name));
                        }
                        names == wanted
                    }
                };
                let outcome = plan.after(step.clone(), at(1));
                prop_assert_eq!(outcome.is_ok(), expected, "{:?}: {:?}", step, plan);
                if let Ok(after) = outcome {
                    plan = after;
                }
                let written: Vec<_> = plan.backups.iter().map(|backup| (backup.user.clone(), backup.consented_at.is_some())).collect();
                prop_assert_eq!(&written, &list);
                let heirs: Vec<_> = plan.heirs().map(|heir| heir.user.clone()).collect();
                let ticked: Vec<_> = list.iter().filter(|(_, ticked)| *ticked).map(|(name, _)| name.clone()).collect();
                prop_assert_eq!(heirs, ticked);
            }
        }

        /// The reference: the first thing that ends it, ends it, and before its time is over nobody follows.
        #[test]
        fn a_succession_ends_once(days in 1..=30_u32, events in proptest::collection::vec(event(), 1..60)) {
            let mut hour = 0;
            let mut ended: Option<State> = None;
            let mut succession = Succession::begin(Reason::Death, days, at(0));
            for event in events {
                let was_over = ended.is_some();
                let (outcome, allowed) = match event {
                    Event::Wait(hours) => {
                        hour += hours;
                        continue;
                    }
                    Event::Veto => {
                        ended = ended.or(Some(State::Vetoed));
                        (succession.after(Act::Veto, at(hour)), !was_over)
                    }
                    Event::Withdraw => {
                        ended = ended.or(Some(State::Withdrawn));
                        (succession.after(Act::Withdraw, at(hour)), !was_over)
                    }
                    Event::Pass(can_follow) => {
                        if hour >= u64::from(days) * 24 {
                            ended = ended.or(Some(if can_follow { State::Granted } else { State::Lapsed }));
                        }
                        (succession.after(Act::Pass { can_follow }, at(hour)), true)
                    }
                };
                prop_assert_eq!(outcome.is_ok(), allowed, "{:?}: {:?}", event, succession);
                if let Ok(after) = outcome {
                    succession = after;
                }
                prop_assert_eq!(succession.state, ended.unwrap_or(State::Waiting));
                prop_assert_eq!(succession.next_at().is_none(), ended.is_some());
            }
        }
    }
}
