//! A request to the administrators of the group's account: for tokens, or that something is bought.
//!
//! ```text
//!               ┌───────── not paid ─────────┐
//!               ▼                            │
//! ── ask ──▶ pending ── approve ──▶ approved ┴─ done ──▶ completed
//!               │                       └────── failed ──▶ failed
//!               ├── deny ──▶ denied
//!               ├── cancel ──▶ canceled   (whoever asked)
//!               ├── failed ──▶ failed     (what is to be bought cannot be)
//!               └── its time ──▶ expired
//! ```
//!
//! Approved, the decision stands and is being carried out; completed, it was, once. What cannot be paid just
//! now is pending again. A pending request whose time is over is read as expired at once.

use http::StatusCode;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, Tokens};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long a request waits for a decision: 7 days, as in the reference.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long an approved purchase waits for whoever sells: what is not there after two days does not come.
pub const FULFILLED_IN: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// How many requests one member has pending at most. The reference counts 10 an hour; a number that is
/// open at once keeps the administrators' list readable.
pub const MOST_PENDING: u64 = 20;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RequestState)]
pub enum State {
    /// Nobody has decided yet.
    Pending,
    /// It is approved, and is being carried out.
    Approved,
    /// It was carried out.
    Completed,
    /// An administrator denied it.
    Denied,
    /// Whoever asked took it back.
    Canceled,
    /// Nobody decided in time.
    Expired,
    /// It could not be carried out.
    Failed,
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// An administrator approves it, or it is approved by itself.
    Approve,
    /// An administrator denies it.
    Deny,
    /// Whoever asked takes it back.
    Cancel,
    /// Its time is over.
    Expire,
    /// What was approved is done.
    Complete,
    /// What was approved cannot be paid just now.
    NotPaid,
    /// It cannot be done for good.
    Fail,
}

/// What is approved without an administrator. Without both numbers nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AutomaticApproval)]
pub struct Automatic {
    /// A request for so many tokens at most.
    #[serde(default)]
    pub up_to: Option<Tokens>,
    /// Of a member's requests so many tokens in a month (UTC) at most, together.
    #[serde(default)]
    pub per_month: Option<Tokens>,
}

// === impl State ===

impl State {
    /// As it is read at a time.
    #[must_use]
    pub fn at(self, expires_at: Time, now: Time) -> Self {
        match self {
            Self::Pending if expires_at <= now => Self::Expired,
            state => state,
        }
    }

    /// Where it is after something happened.
    ///
    /// # Errors
    /// `CONFLICT` with what it is already.
    pub fn after(self, act: Act, expires_at: Time, now: Time) -> Result<Self> {
        match (self.at(expires_at, now), act) {
            (Self::Pending, Act::Approve) => Ok(Self::Approved),
            (Self::Pending, Act::Deny) => Ok(Self::Denied),
            (Self::Pending, Act::Cancel) => Ok(Self::Canceled),
            (Self::Pending | Self::Approved, Act::Fail) => Ok(Self::Failed),
            (Self::Expired, Act::Expire) if self == Self::Pending => Ok(Self::Expired),
            (Self::Approved, Act::Complete) => Ok(Self::Completed),
            // It expires, if its time is over by now.
            (Self::Approved, Act::NotPaid) => Ok(Self::Pending),
            (state, _) => Err(state.refusal()),
        }
    }

    /// Whether it is for good.
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved)
    }

    fn refusal(self) -> Error {
        Error::conflict(match self {
            Self::Pending => "the request is pending; approve or deny it first",
            Self::Approved => "the request is approved already, and is being carried out",
            Self::Completed => "the request was approved and carried out already",
            Self::Denied => "the request was denied; ask anew",
            Self::Canceled => "the request was canceled; ask anew",
            Self::Expired => "the request has expired; ask anew",
            Self::Failed => "the request could not be carried out; ask anew",
        })
    }
}

// === impl Automatic ===

impl Automatic {
    /// Whether so many tokens are approved by themselves, where so many were in this month.
    pub fn approves(&self, amount: Tokens, this_month: i64) -> bool {
        let is_small = self.up_to.is_some_and(|most| amount <= most);
        let has_room = self
            .per_month
            .is_some_and(|most| this_month.saturating_add(amount.number()) <= most.number());
        is_small && has_room
    }
}

/// Nobody decides on what they asked for themselves, but the only administrator there is: nobody else could.
///
/// # Errors
/// `OWN_REQUEST` where another administrator is to decide.
pub fn require_reviewer(asked_by: &str, reviewer: &str, administrators: u64) -> Result<()> {
    if asked_by != reviewer || administrators <= 1 {
        return Ok(());
    }
    Err(own_request())
}

/// What whoever would decide on what they asked for themselves is told.
pub fn own_request() -> Error {
    let message = "this is your own request; another administrator decides on it";
    Error::new(StatusCode::FORBIDDEN, "OWN_REQUEST", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn tokens(amount: u64) -> Tokens {
        Tokens::new(amount).unwrap()
    }

    #[test]
    fn small_requests_are_approved_by_themselves_up_to_a_sum() {
        let automatic = Automatic {
            up_to: Some(tokens(10)),
            per_month: Some(tokens(25)),
        };
        assert!(automatic.approves(tokens(10), 15));
        assert!(!automatic.approves(tokens(10), 16));
        assert!(!automatic.approves(tokens(11), 0));
        for half in [
            Automatic {
                per_month: None,
                ..automatic
            },
            Automatic {
                up_to: None,
                ..automatic
            },
        ] {
            assert!(!half.approves(tokens(1), 0));
        }
    }

    #[test]
    fn nobody_decides_on_their_own_but_the_only_administrator() {
        assert!(require_reviewer("usr_1", "usr_2", 2).is_ok());
        assert!(require_reviewer("usr_1", "usr_1", 1).is_ok());
        let error = require_reviewer("usr_1", "usr_1", 2).unwrap_err();
        assert_eq!(error.code(), "OWN_REQUEST");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Act(Act),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let acts = [
            Act::Approve,
            Act::Deny,
            Act::Cancel,
            Act::Expire,
            Act::Complete,
            Act::NotPaid,
            Act::Fail,
        ];
        prop_oneof![
            4 => proptest::sample::select(acts.to_vec()).prop_map(Step::Act),
            1 => (1..100_u64).prop_map(Step::Wait),
        ]
    }

    /// What is known of a request: a plain reference, which knows what was done and nothing of states.
    #[derive(Default)]
    struct Reference {
        /// Whether somebody's approval is being carried out.
        approved: bool,
        paid: u32,
        /// How it ended.
        end: Option<State>,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// Whatever happens in whatever order, at whatever time: it is as the reference says, it is paid once
        /// at most, and an end is an end.
        #[test]
        fn a_request_goes_its_way(steps in proptest::collection::vec(step(), 1..60)) {
            let mut now = Time::from_seconds(1_700_000_000);
            let expires_at = now + KEPT;
            let (mut state, mut reference) = (State::Pending, Reference::default());
            for step in steps {
                let act = match step {
                    Step::Wait(hours) => {
                        now = now + Duration::from_secs(hours * 60 * 60);
                        continue;
                    }
                    Step::Act(act) => act,
                };
                let before = state;
                let outcome = state.after(act, expires_at, now);
                let open = reference.end.is_none() && !reference.approved;
                let in_time = now < expires_at;
                let expected = match act {
                    Act::Approve | Act::Deny | Act::Cancel => open && in_time,
                    Act::Expire => open && !in_time,
                    Act::Complete | Act::NotPaid => reference.approved,
                    Act::Fail => reference.approved || open && in_time,
                };
                prop_assert_eq!(outcome.is_ok(), expected, "{:?} in {:?}", act, before);
                if let Ok(after) = outcome {
                    state = after;
                    let ended = match act {
                        Act::Approve => {
                            reference.approved = true;
                            continue;
                        }
                        Act::NotPaid => None,
                        Act::Complete => {
                            reference.paid += 1;
                            Some(State::Completed)
                        }
                        Act::Deny => Some(State::Denied),
                        Act::Cancel => Some(State::Canceled),
                        Act::Expire => Some(State::Expired),
                        Act::Fail => Some(State::Failed),
                    };
                    reference.approved = false;
                    reference.end = ended;
                } else {
                    prop_assert_eq!(state, before);
                }
                prop_assert!(reference.paid <= 1);
                prop_assert_eq!(reference.paid == 1, state == State::Completed);
                let read = state.at(expires_at, now);
                match reference.end {
                    Some(end) => prop_assert_eq!(state, end),
                    None if reference.approved => prop_assert_eq!(read, State::Approved),
                    None => prop_assert_eq!(read, if in_time { State::Pending } else { State::Expired }),
                }
            }
        }
    }
}
