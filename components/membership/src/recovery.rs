//! Account recovery: members of a group confirm that one of them has lost access to their account, and that it
//! is they who want it back.
//!
//! ```text
//! ── ask ──▶ asked ── enough have confirmed ──▶ waiting ── 72 hours ──▶ confirmed
//!             │                                  │
//!             ├─ 7 days ──▶ expired              ├─ veto ─────▶ vetoed
//!             ├─ veto ────▶ vetoed               └─ withdraw ─▶ withdrawn
//!             └─ withdraw ▶ withdrawn
//! ```
//!
//! Whoever asks confirms with that; each confirms once, and nobody for themselves. Everybody's word counts the
//! same, an administrator's too: one who deceives, or is deceived, needs others. Half of the others are needed,
//! two at least, for one is nobody to check, and [`MOST_NEEDED`] at most, for nobody is known to more. A veto is
//! the account's own, for whoever can object by it has not lost it, or an administrator's.

use crate::waiting::Waiting;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long it can be confirmed: 7 days, as long as an invitation.
pub const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the account has to object: 72 hours, as the reference keeps a recovery open.
pub const DELAY: Duration = Duration::from_secs(72 * 60 * 60);
/// How many must confirm at most.
pub const MOST_NEEDED: u64 = 10;

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecoveryState)]
pub enum State {
    /// Members are to confirm it.
    Asked,
    /// Enough have; the account may object.
    Waiting,
    /// It did not.
    Confirmed,
    /// It did, or an administrator.
    Vetoed,
    /// Whoever asked has taken it back.
    Withdrawn,
    /// Too few have confirmed it in time.
    Expired,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A member confirms.
    Confirm,
    /// The account, or an administrator, objects.
    Veto,
    /// Whoever asked takes it back.
    Withdraw,
    /// Time has passed: something may be due.
    Pass,
}

/// A recovery, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Where it is, as far as anybody has noticed.
    pub state: State,
    /// Who has confirmed; whoever asked is the first.
    pub confirmed_by: Vec<String>,
    /// How many must.
    pub needed: u64,
    /// When it cannot be confirmed any more.
    pub expires_at: Time,
    /// The time to object, once it has begun.
    pub waiting: Option<Waiting>,
}

/// How many must confirm, of so many who can.
///
/// # Errors
/// `CONFLICT` when there are too few.
pub fn needed(others: u64) -> Result<u64> {
    if others < 2 {
        return Err(Error::conflict(
            "it takes two others of age to confirm who somebody is; use the recovery codes of the account",
        ));
    }
    Ok(others.div_ceil(2).clamp(2, MOST_NEEDED))
}

// === impl Recovery ===

impl Recovery {
    /// Somebody asks, where so many others can confirm.
    ///
    /// # Errors
    /// As [`needed`].
    pub fn ask(by: &str, others: u64, now: Time) -> Result<Self> {
        Ok(Self {
            state: State::Asked,
            confirmed_by: vec![by.to_owned()],
            needed: needed(others)?,
            expires_at: now + OPEN,
            waiting: None,
        })
    }

    /// Where it is now.
    pub fn state(&self, now: Time) -> State {
        match self.state {
            State::Asked if self.expires_at <= now => State::Expired,
            state => state,
        }
    }

    /// When there is something to do next.
    pub fn next_at(&self) -> Option<Time> {
        match self.state {
            State::Asked => Some(self.expires_at),
            State::Waiting => self.waiting.map(|waiting| waiting.next_at()),
            _ => None,
        }
    }

    /// What comes of it when somebody acts; whether they may is for the caller to know. Time passing changes
    /// nothing as long as nothing is due.
    ///
    /// # Errors
    /// `CONFLICT` when it is not the time for that.
    pub fn after(&self, act: Act, by: &str, now: Time) -> Result<Self> {
        let state = self.state(now);
        let is = |state| Self {
            state,
            ..self.clone()
        };
        match (state, act) {
            (State::Asked, Act::Confirm) => self.confirmed(by, now),
            (State::Asked | State::Waiting, Act::Veto) => Ok(is(State::Vetoed)),
            (State::Asked | State::Waiting, Act::Withdraw) => Ok(is(State::Withdrawn)),
            (State::Waiting, Act::Pass) => Ok(match self.waiting {
                Some(waiting) if waiting.is_reminder_due(now) => Self {
                    waiting: Some(waiting.reminded(now)),
                    ..self.clone()
                },
                Some(waiting) if !waiting.is_over(now) => self.clone(),
                _ => is(State::Confirmed),
            }),
            (state, Act::Pass) => Ok(is(state)),
            (State::Waiting, Act::Confirm) => Err(Error::conflict(
                "enough have confirmed it; the account has 72 hours to object",
            )),
            (State::Expired, _) => Err(Error::conflict(
                "too few have confirmed it in seven days; ask anew",
            )),
            (State::Confirmed | State::Vetoed | State::Withdrawn, _) => {
                Err(Error::conflict("it is over; ask anew if it must be"))
            }
        }
    }

    fn confirmed(&self, by: &str, now: Time) -> Result<Self> {
        if self.confirmed_by.iter().any(|user| user == by) {
            return Err(Error::conflict(
                "you have confirmed it already; others have to",
            ));
        }
        let mut after = self.clone();
        after.confirmed_by.push(by.to_owned());
        if after.confirmed_by.len() as u64 >= self.needed {
            after.state = State::Waiting;
            after.waiting = Some(Waiting::begin(now, DELAY));
        }
        Ok(after)
    }
}

// === impl State ===

impl State {
    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Asked | Self::Waiting)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn half_of_the_others_two_at_least_and_ten_at_most() {
        assert!(needed(0).is_err() && needed(1).is_err());
        let needed: Vec<_> = [2, 3, 4, 5, 6, 19, 20, 10_000]
            .into_iter()
            .map(|others| needed(others).unwrap())
            .collect();
        assert_eq!(needed, [2, 2, 2, 3, 3, 10, 10, 10]);
    }

    const MEMBERS: [&str; 6] = ["ada", "bob", "eve", "dan", "joe", "amy"];

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Confirm(usize),
        Veto,
        Withdraw,
        Pass,
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..MEMBERS.len()).prop_map(Step::Confirm),
            1 => Just(Step::Veto),
            1 => Just(Step::Withdraw),
            4 => Just(Step::Pass),
            4 => (1..60_u64).prop_map(Step::Wait),
        ]
    }

    /// The reference remembers who has said what and in which hour, and works out the rest.
    struct Reference {
        said: BTreeSet<&'static str>,
        enough_at: Option<u64>,
        ended: Option<&'static str>,
    }

    impl Reference {
        fn state(&self, hour: u64) -> &'static str {
            match (self.ended, self.enough_at) {
                (Some(ended), _) => ended,
                (None, Some(_)) => "Waiting",
                (None, None) if hour >= 7 * 24 => "Expired",
                (None, None) => "Asked",
            }
        }
    }

    fn at(hour: u64) -> Time {
        Time::from_seconds(1_700_000_000) + Duration::from_secs(hour * 60 * 60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// Whoever does what, whenever: it is as the reference says. It is never confirmed by fewer than are
        /// needed, nor sooner than 72 hours after they were enough, nor after anybody objected.
        #[test]
        fn it_is_confirmed_by_enough_and_after_the_delay(others in 2..40_u64, steps in proptest::collection::vec(step(), 1..80)) {
            let enough = if others <= 4 { 2 } else { std::cmp::min(others / 2 + others % 2, 10) };
            let mut hour = 0;
            let mut recovery = Recovery::ask("ada", others, at(0)).unwrap();
            let mut reference = Reference { said: ["ada"].into(), enough_at: None, ended: None };
            for step in steps {
                let state = reference.state(hour);
                let is_open = ["Asked", "Waiting"].contains(&state);
                let before = recovery.clone();
                let (outcome, expected) = match step {
                    Step::Wait(hours) => {
                        hour += hours;
                        continue;
                    }
                    Step::Confirm(who) => {
                        let expected = state == "Asked" && reference.said.insert(MEMBERS[who]);
                        if expected && reference.said.len() as u64 >= enough {
                            reference.enough_at = Some(hour);
                        }
                        (recovery.after(Act::Confirm, MEMBERS[who], at(hour)), expected)
                    }
                    Step::Veto => {
                        reference.ended = reference.ended.or(is_open.then_some("Vetoed"));
                        (recovery.after(Act::Veto, "ada", at(hour)), is_open)
                    }
                    Step::Withdraw => {
                        reference.ended = reference.ended.or(is_open.then_some("Withdrawn"));
                        (recovery.after(Act::Withdraw, "ada", at(hour)), is_open)
                    }
                    Step::Pass => {
                        if state == "Waiting" && reference.enough_at.is_some_and(|enough| hour - enough >= 72) {
                            reference.ended = Some("Confirmed");
                        }
                        (recovery.after(Act::Pass, "", at(hour)), true)
                    }
                };
                prop_assert_eq!(outcome.is_ok(), expected, "{:?}: {:?}", step, before);
                if let Ok(after) = outcome {
                    recovery = after;
                }
                prop_assert_eq!(format!("{:?}", recovery.state(at(hour))), reference.state(hour));
                prop_assert_eq!(recovery.confirmed_by.len(), reference.said.len());
                let again = recovery.after(Act::Pass, "", at(hour)).unwrap();
                if matches!(step, Step::Pass) {
                    prop_assert_eq!(&again, &recovery);
                }
            }
        }
    }
}
