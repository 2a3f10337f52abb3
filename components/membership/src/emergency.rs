//! Emergency access: somebody (the grantor) lets a person they trust see what they see in the group, if ever
//! they cannot look themselves.
//!
//! ```text
//! ── invite ──▶ invited ── accept ──▶ accepted ── initiate ──▶ waiting ── its time ──▶ granted ─┬▶ ended
//!                │                     │                        │                                │
//!                ├─ decline ▶ declined ├─ withdraw ▶ withdrawn  ├─ veto ────▶ vetoed             ├─ its time
//!                ├─ withdraw ▶ withdrawn                        └─ withdraw ▶ withdrawn          └─ end
//!                └─ 7 days ─▶ expired
//! ```
//!
//! The trusted person accepts, declines, initiates; the grantor vetoes; either withdraws or ends. A veto is
//! taken as long as the access is not granted, whatever the clock says; what was granted is over, for whoever
//! looks, at once when its time is.

use crate::waiting::{DAY, Waiting};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long an invitation can be accepted: 7 days, as one to a family.
pub const INVITED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Days that a grantor may have to object, and that access may last, at most.
pub const MOST_DAYS: u32 = 30;
/// How many people a grantor trusts at a time at most: enough for a family, few enough to keep in mind.
pub const MOST_TRUSTED: u64 = 5;

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EmergencyState)]
pub enum State {
    /// The trusted person has not answered.
    Invited,
    /// They would help.
    Accepted,
    /// They would not.
    Declined,
    /// The grantor, or whom they trusted, has thought otherwise.
    Withdrawn,
    /// They did not answer in time.
    Expired,
    /// They ask for access, and the grantor may object.
    Waiting,
    /// The grantor objected.
    Vetoed,
    /// They have access.
    Granted,
    /// They had.
    Ended,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The invitation is accepted.
    Accept,
    /// It is declined.
    Decline,
    /// It is taken back, or given back.
    Withdraw,
    /// Access is asked for.
    Initiate,
    /// The grantor objects.
    Veto,
    /// Access is ended before its time.
    End,
    /// Time has passed: something may be due.
    Pass,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Whose access it is.
    Grantor,
    /// Who may have it.
    Trusted,
    /// Nobody; time has passed, or the grantor is no member any more.
    Clock,
}

/// An emergency access, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Where it is, as far as anybody has noticed.
    pub state: State,
    /// Days that the grantor has to object.
    pub waiting_days: u32,
    /// Days that the access lasts.
    pub access_days: u32,
    /// The time to object, once it has begun.
    pub waiting: Option<Waiting>,
    /// When the invitation, or the access, is over.
    pub until: Option<Time>,
}

// === impl Access ===

impl Access {
    /// An invitation.
    pub fn invite(waiting_days: u32, access_days: u32, now: Time) -> Self {
        Self {
            state: State::Invited,
            waiting_days,
            access_days,
            waiting: None,
            until: Some(now + INVITED),
        }
    }

    /// Where it is now.
    pub fn state(&self, now: Time) -> State {
        let is_over = self.until.is_some_and(|until| until <= now);
        match self.state {
            State::Invited if is_over => State::Expired,
            State::Granted if is_over => State::Ended,
            state => state,
        }
    }

    /// When there is something to do next.
    pub fn next_at(&self) -> Option<Time> {
        match self.state {
            State::Invited | State::Granted => self.until,
            State::Waiting => self.waiting.map(|waiting| waiting.next_at()),
            _ => None,
        }
    }

    /// What comes of it when somebody acts. Time passing changes nothing as long as nothing is due.
    ///
    /// # Errors
    /// `CONFLICT` when it is not the time for that, `FORBIDDEN` when it is the other's to do.
    pub fn after(&self, act: Act, by: Party, now: Time) -> Result<Self> {
        use Party::{Clock, Grantor, Trusted};
        use State::{
            Accepted, Declined, Ended, Expired, Granted, Invited, Vetoed, Waiting as Waits,
            Withdrawn,
        };
        let state = self.state(now);
        let is = |state| Ok(self.is(state));
        match (state, act, by) {
            (_, Act::Accept | Act::Decline | Act::Initiate, Grantor) => Err(Error::forbidden(
                "that is for the trusted person to do; ask them",
            )),
            (_, Act::Veto, Trusted) => Err(Error::forbidden(
                "only the grantor may object; withdraw it if you do not need it",
            )),
            (Invited, Act::Accept, Trusted) => is(Accepted),
            (Invited, Act::Decline, Trusted) => is(Declined),
            (Invited, Act::Withdraw, Grantor | Clock) => is(Withdrawn),
            (Accepted, Act::Withdraw, _) => is(Withdrawn),
            (Accepted, Act::Initiate, Trusted) => Ok(Self {
                waiting: Some(Waiting::begin(now, DAY * self.waiting_days)),
                ..self.is(Waits)
            }),
            (Waits, Act::Veto, Grantor) => is(Vetoed),
            (Waits, Act::Withdraw, Trusted | Clock) => is(Withdrawn),
            (Waits, Act::Pass, Clock) => Ok(self.passed(now)),
            (Granted, Act::End, _) => is(Ended),
            (state, Act::Pass, Clock) => match state == self.state {
                true => Ok(self.clone()),
                false => is(state),
            },
            (state, ..) => Err(Error::conflict(match state {
                Invited => "the trusted person has not answered the invitation; wait for it",
                Accepted => "access was not asked for; the trusted person initiates it",
                Waits => "the grantor may still object; wait until the time for it is over",
                Granted => "access is granted; end it instead",
                Expired => "the invitation has expired; send another one",
                Declined | Withdrawn | Vetoed | Ended => {
                    "it is over; the grantor may send another invitation"
                }
            })),
        }
    }

    /// Granted when the time to object is over; until then reminded of.
    fn passed(&self, now: Time) -> Self {
        match self.waiting {
            Some(waiting) if waiting.is_reminder_due(now) => Self {
                waiting: Some(waiting.reminded(now)),
                ..self.clone()
            },
            Some(waiting) if !waiting.is_over(now) => self.clone(),
            _ => Self {
                until: Some(now + DAY * self.access_days),
                ..self.is(State::Granted)
            },
        }
    }

    fn is(&self, state: State) -> Self {
        let kept = matches!(state, State::Ended | State::Expired);
        Self {
            state,
            until: self.until.filter(|_| kept),
            ..self.clone()
        }
    }
}

// === impl State ===

impl State {
    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        !matches!(
            self,
            Self::Invited | Self::Accepted | Self::Waiting | Self::Granted
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    const ACTS: [Act; 7] = [
        Act::Accept,
        Act::Decline,
        Act::Withdraw,
        Act::Initiate,
        Act::Veto,
        Act::End,
        Act::Pass,
    ];
    const PARTIES: [Party; 3] = [Party::Grantor, Party::Trusted, Party::Clock];

    /// What the diagram says, arrow by arrow: from, what, who (G, T, C), to.
    const ARROWS: [(&str, &str, &str, &str); 8] = [
        ("Invited", "Accept", "T", "Accepted"),
        ("Invited", "Decline", "T", "Declined"),
        ("Invited", "Withdraw", "GC", "Withdrawn"),
        ("Accepted", "Withdraw", "GTC", "Withdrawn"),
        ("Accepted", "Initiate", "T", "Waiting"),
        ("Waiting", "Veto", "G", "Vetoed"),
        ("Waiting", "Withdraw", "TC", "Withdrawn"),
        ("Granted", "End", "GTC", "Ended"),
    ];

    /// The reference: a name, the hour in which it was entered, and the plain rules of the clock.
    struct Reference {
        state: &'static str,
        entered: u64,
        waits: u64,
        lasts: u64,
    }

    impl Reference {
        fn seen(&self, hour: u64) -> &'static str {
            match self.state {
                "Invited" if hour - self.entered >= 7 * 24 => "Expired",
                "Granted" if hour - self.entered >= self.lasts * 24 => "Ended",
                state => state,
            }
        }

        fn act(&mut self, act: &str, by: &str, hour: u64) -> bool {
            self.state = self.seen(hour);
            if (act, by) == ("Pass", "C") {
                if self.state == "Waiting" && hour - self.entered >= self.waits * 24 {
                    (self.state, self.entered) = ("Granted", hour);
                }
                return true;
            }
            let arrow = ARROWS
                .iter()
                .find(|arrow| (arrow.0, arrow.1) == (self.state, act) && arrow.2.contains(by));
            if let Some(arrow) = arrow {
                (self.state, self.entered) = (arrow.3, hour);
            }
            arrow.is_some()
        }
    }

    fn at(hour: u64) -> Time {
        Time::from_seconds(1_700_000_000) + Duration::from_secs(hour * 60 * 60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// Whoever does what, whenever: it is as the diagram and the clock say; access is never there without a
        /// waiting time that nobody objected to, and never longer than it was set.
        #[test]
        fn a_walk_goes_along_the_arrows(
            waits in 1..=MOST_DAYS,
            lasts in 1..=MOST_DAYS,
            steps in proptest::collection::vec((0..ACTS.len() + 2, 0..PARTIES.len(), 0..200_u64), 1..60),
        ) {
            let mut hour = 0;
            let mut access = Access::invite(waits, lasts, at(0));
            let mut reference = Reference { state: "Invited", entered: 0, waits: waits.into(), lasts: lasts.into() };
            for (act, by, later) in steps {
                hour += later;
                let act = *ACTS.get(act).unwrap_or(&Act::Pass);
                let by = if act == Act::Pass { Party::Clock } else { PARTIES[by] };
                let before = access.clone();
                let outcome = access.after(act, by, at(hour));
                let (name, who) = (format!("{act:?}"), &format!("{by:?}")[..1]);
                let done = reference.act(&name, who, hour);
                prop_assert_eq!(outcome.is_ok(), done, "{:?} by {:?}: {:?}", act, by, before);
                if let Ok(after) = outcome {
                    access = after;
                }
                prop_assert_eq!(format!("{:?}", access.state(at(hour))), reference.seen(hour));
                if access.state == State::Granted {
                    let waiting = access.waiting.unwrap();
                    prop_assert!(waiting.until <= at(hour));
                    prop_assert_eq!(waiting.until.since(waiting.since), DAY * waits);
                    prop_assert!(access.until.unwrap() <= at(hour) + DAY * lasts);
                }
                // What is over stays as it is, and is not looked at again.
                if before.state.is_over() {
                    prop_assert_eq!(&access, &before);
                    prop_assert_eq!(access.next_at(), None);
                }
            }
        }

        /// A clock that calls when it is told to reminds as often as it should, and comes to an end.
        #[test]
        fn the_clock_is_called_as_often_as_there_is_something_to_do(waits in 1..=MOST_DAYS, lasts in 1..=MOST_DAYS) {
            let access = Access::invite(waits, lasts, at(0)).after(Act::Accept, Party::Trusted, at(1)).unwrap();
            prop_assert_eq!(access.next_at(), None);
            let mut access = access.after(Act::Initiate, Party::Trusted, at(2)).unwrap();
            let mut calls = 0;
            while let Some(now) = access.next_at() {
                let after = access.after(Act::Pass, Party::Clock, now).unwrap();
                prop_assert_ne!(&after, &access);
                // Called twice at the same time, it does nothing more.
                prop_assert_eq!(&after.after(Act::Pass, Party::Clock, now).unwrap(), &after);
                access = after;
                calls += 1;
            }
            prop_assert_eq!(access.state, State::Ended);
            prop_assert_eq!(calls, if waits <= 2 { 3 } else { 4 });
        }
    }
}
