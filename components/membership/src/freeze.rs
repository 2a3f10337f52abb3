//! Whether the group's account can be spent from.
//!
//! ```text
//! open ── freeze (administrator, why) ──▶ frozen ── unfreeze (administrator) ──▶ open
//!                                            │ ▲
//!                   ask (member, why) ───────┘ └── so many against that it cannot be, or 48 hours
//!                            ▼                 │
//!                     frozen, with a vote ─────┴── half of the members are for it ──▶ open
//! ```
//!
//! An administrator who has frozen the account and cannot be reached is what the vote is for. Whoever asks
//! for it votes for it; each member votes once. The account is unfrozen by as many as half of the members,
//! two at least, or by as many backup administrators as a group says; a vote that cannot come to that any more has failed at once, and another may be begun.

use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long a vote is open: 48 hours, as in the reference.
pub const VOTE: Duration = Duration::from_secs(48 * 60 * 60);

/// Whether an account is frozen, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Why nothing can be spent, if that is so.
    pub frozen: Option<Frozen>,
    /// Whether it is to be unfrozen nevertheless.
    pub vote: Option<Vote>,
    /// Goes up with every change.
    pub version: u64,
}

/// Why an account is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountFreeze)]
pub struct Frozen {
    /// In the words of whoever froze it.
    pub reason: String,
    /// The administrator who froze it.
    pub by: String,
    /// Since when.
    pub at: Time,
}

/// Members who want an account unfrozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who asked for it.
    pub asked_by: String,
    /// Why.
    pub reason: String,
    /// Who is for it; whoever asked is the first.
    pub approvals: Vec<String>,
    /// Who is against it.
    pub rejections: Vec<String>,
    /// How many must be for it.
    pub required: u64,
    /// How many members there were when it began.
    pub members: u64,
    /// When it is over.
    pub expires_at: Time,
}

/// What members do about it. Whether they are members, and administrators, is for the caller to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// An administrator freezes it.
    Freeze {
        /// Why.
        reason: String,
    },
    /// An administrator unfreezes it.
    Unfreeze,
    /// A member asks the others to unfreeze it.
    Ask {
        /// Why.
        reason: String,
        /// How many members there are whose say it is.
        members: u64,
        /// How many of them must be for it.
        required: u64,
    },
    /// A member is for it.
    Approve,
    /// A member is against it.
    Reject,
}

// === impl Freeze ===

impl Freeze {
    /// What it is after a member did something.
    ///
    /// # Errors
    /// `CONFLICT` with what is so already.
    pub fn after(&self, act: Act, who: &str, now: Time) -> Result<Self> {
        let version = self.version + 1;
        let open = Self {
            frozen: None,
            vote: None,
            version,
        };
        let with = |vote: Option<Vote>| Self {
            frozen: self.frozen.clone(),
            vote,
            version,
        };
        match act {
            Act::Freeze { reason } => match &self.frozen {
                Some(_) => Err(Error::conflict(
                    "the account is frozen already; unfreeze it first to freeze it for another reason",
                )),
                None => Ok(Self {
                    frozen: Some(Frozen {
                        reason,
                        by: who.to_owned(),
                        at: now,
                    }),
                    ..open
                }),
            },
            Act::Unfreeze => self.require_frozen().map(|_| open),
            Act::Ask {
                reason,
                members,
                required,
            } => {
                self.require_frozen()?;
                if self.open_vote(now).is_some() {
                    return Err(Error::conflict(
                        "the members are asked already; vote instead",
                    ));
                }
                let vote = Vote {
                    asked_by: who.to_owned(),
                    reason,
                    approvals: vec![who.to_owned()],
                    rejections: Vec::new(),
                    required,
                    members,
                    expires_at: now + VOTE,
                };
                Ok(match vote.is_passed() {
                    true => open,
                    false => with(Some(vote)),
                })
            }
            Act::Approve => {
                let vote = self.votable(who, now)?;
                let mut vote = vote.clone();
                vote.approvals.push(who.to_owned());
                Ok(match vote.is_passed() {
                    true => open,
                    false => with(Some(vote)),
                })
            }
            Act::Reject => {
                let mut vote = self.votable(who, now)?.clone();
                vote.rejections.push(who.to_owned());
                Ok(with(Some(vote).filter(Vote::can_pass)))
            }
        }
    }

    /// The vote that is open, if one is.
    pub fn open_vote(&self, now: Time) -> Option<&Vote> {
        self.vote.as_ref().filter(|vote| now < vote.expires_at)
    }

    /// The same without the votes of those who are no members any more.
    #[must_use]
    pub fn of_members(&self, is_member: impl Fn(&str) -> bool) -> Self {
        let mut freeze = self.clone();
        if let Some(vote) = &mut freeze.vote {
            vote.approvals.retain(|user| is_member(user));
            vote.rejections.retain(|user| is_member(user));
        }
        freeze
    }

    fn require_frozen(&self) -> Result<&Frozen> {
        self.frozen
            .as_ref()
            .ok_or_else(|| Error::conflict("the account is not frozen; there is nothing to do"))
    }

    fn votable(&self, who: &str, now: Time) -> Result<&Vote> {
        self.require_frozen()?;
        let vote = self.open_vote(now);
        let vote = vote.ok_or_else(|| {
            Error::conflict("the members are not asked (any more); ask them to unfreeze it first")
        })?;
        match vote.has_voted(who) {
            true => Err(Error::conflict(
                "you have voted already; wait for the others",
            )),
            false => Ok(vote),
        }
    }
}

// === impl Vote ===

impl Vote {
    fn has_voted(&self, who: &str) -> bool {
        let mut all = self.approvals.iter().chain(&self.rejections);
        all.any(|voted| voted == who)
    }

    fn is_passed(&self) -> bool {
        count(&self.approvals) >= self.required
    }

    fn can_pass(&self) -> bool {
        self.members.saturating_sub(count(&self.rejections)) >= self.required
    }
}

/// Half of the members, two at least, as in the reference: one alone never lifts what an administrator of a family has set.
pub fn half(members: u64) -> u64 {
    (members / 2).max(2)
}

fn count(users: &[String]) -> u64 {
    u64::try_from(users.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    const WHY: fn() -> String = || "why".to_owned();

    #[test]
    fn half_of_the_members_are_enough_and_two_at_least() {
        assert_eq!([1, 2, 3, 4, 5, 6, 9].map(half), [2, 2, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn two_of_four_unfreeze_and_one_alone_never_does() {
        let now = Time::from_seconds(1);
        let freeze = Act::Freeze { reason: WHY() };
        let ask = |members| Act::Ask {
            reason: WHY(),
            members,
            required: half(members),
        };
        let frozen = Freeze::default().after(freeze.clone(), "ada", now).unwrap();
        assert_eq!(frozen.frozen.as_ref().unwrap().by, "ada");
        assert_eq!(
            frozen.after(freeze, "ada", now).unwrap_err().code(),
            "CONFLICT"
        );
        let asked = frozen.after(ask(4), "bob", now).unwrap();
        assert!(asked.after(ask(4), "eve", now).is_err());
        assert!(asked.after(Act::Approve, "bob", now).is_err());
        let open = asked.after(Act::Approve, "eve", now).unwrap();
        assert_eq!((open.frozen, open.vote), (None, None));
        // Whoever left does not count.
        let left = asked.of_members(|user| user != "bob");
        assert!(
            left.after(Act::Approve, "eve", now)
                .unwrap()
                .frozen
                .is_some()
        );
        // Three of four against it: nobody is asked any more, and it stays frozen.
        let rejected = asked.after(Act::Reject, "eve", now).unwrap();
        let rejected = rejected.after(Act::Reject, "dan", now).unwrap();
        let rejected = rejected.after(Act::Reject, "ada", now).unwrap();
        assert!(rejected.vote.is_none() && rejected.frozen.is_some());
        assert!(rejected.after(Act::Approve, "bob", now).is_err());
        // Nobody answers: it can be asked for again.
        let later = now + VOTE;
        assert!(asked.after(Act::Approve, "eve", later).is_err());
        assert!(asked.after(ask(4), "eve", later).is_ok());
        // In a family of one it cannot be.
        let alone = frozen.after(ask(1), "ada", now).unwrap();
        assert!(alone.after(Act::Approve, "ada", now).is_err());
    }

    const MEMBERS: [&str; 5] = ["ada", "bob", "eve", "dan", "joe"];

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Freeze(usize),
        Unfreeze(usize),
        Ask(usize),
        Approve(usize),
        Reject(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let who = || 0..MEMBERS.len();
        prop_oneof![
            2 => who().prop_map(Step::Freeze),
            1 => who().prop_map(Step::Unfreeze),
            3 => who().prop_map(Step::Ask),
            5 => who().prop_map(Step::Approve),
            3 => who().prop_map(Step::Reject),
            1 => (1..40_u64).prop_map(Step::Wait),
        ]
    }

    /// A plain reference: what each member said since it was asked.
    #[derive(Default)]
    struct Reference {
        frozen: bool,
        asked_at: Option<Time>,
        said: [Option<bool>; MEMBERS.len()],
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// Whoever does what, when: it is as the reference says, and nobody unfreezes it alone but an
        /// administrator.
        #[test]
        fn an_account_is_frozen_as_the_members_say(members in 2..=MEMBERS.len(), steps in proptest::collection::vec(step(), 1..80)) {
            let required = if members / 2 > 2 { members / 2 } else { 2 };
            let mut now = Time::from_seconds(1_700_000_000);
            let (mut freeze, mut reference) = (Freeze::default(), Reference::default());
            for step in steps {
                let count = |reference: &Reference, what| reference.said.iter().filter(|said| **said == Some(what)).count();
                let asked = reference.asked_at.is_some_and(|at| now.since(at) < VOTE);
                let (who, act, expected) = match step {
                    Step::Wait(hours) => {
                        now = now + Duration::from_secs(hours * 60 * 60);
                        continue;
                    }
                    Step::Freeze(who) => (who, Act::Freeze { reason: WHY() }, !reference.frozen),
                    Step::Unfreeze(who) => (who, Act::Unfreeze, reference.frozen),
                    Step::Ask(who) => {
                        let ask = Act::Ask {
                        reason: WHY(),
                        members: u64::try_from(members).unwrap(),
                        required: half(u64::try_from(members).unwrap()),
                    };
                        (who, ask, reference.frozen && !asked)
                    }
                    Step::Approve(who) | Step::Reject(who) => {
                        let act = if matches!(step, Step::Approve(_)) { Act::Approve } else { Act::Reject };
                        (who, act, asked && reference.said[who % members].is_none())
                    }
                };
                let who = who % members;
                let before = freeze.clone();
                let outcome = freeze.after(act, MEMBERS[who], now);
                prop_assert_eq!(outcome.is_ok(), expected, "{:?}: {:?}", step, before);
                let Ok(after) = outcome else { continue };
                freeze = after;
                prop_assert_eq!(freeze.version, before.version + 1);
                match step {
                    Step::Freeze(_) => reference = Reference { frozen: true, ..Reference::default() },
                    Step::Unfreeze(_) => reference = Reference::default(),
                    Step::Ask(_) => {
                        reference.asked_at = Some(now);
                        reference.said = [None; MEMBERS.len()];
                        reference.said[who] = Some(true);
                    }
                    Step::Approve(_) => {
                        reference.said[who] = Some(true);
                        if count(&reference, true) >= required {
                            reference = Reference::default();
                        }
                    }
                    Step::Reject(_) => {
                        reference.said[who] = Some(false);
                        if members - count(&reference, false) < required {
                            reference.asked_at = None;
                        }
                    }
                    Step::Wait(_) => {}
                }
                prop_assert_eq!(freeze.frozen.is_some(), reference.frozen);
                let asked = reference.asked_at.is_some_and(|at| now.since(at) < VOTE);
                prop_assert_eq!(freeze.open_vote(now).is_some(), asked);
            }
        }
    }
}
