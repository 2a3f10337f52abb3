//! An invitation into a group.
//!
//! ```text
//!                accept (invited)
//!   pending ───────────────────────▶ accepted
//!    │ ▲ │ │     decline (invited)
//!    │ │ │ └───────────────────────▶ declined
//!    │ │ │       cancel (administrator)
//!    │ │ └─────────────────────────▶ cancelled
//!    │ └──────────┐ resend (administrator): 7 days from then
//!    └─▶ expired ─┘
//!   7 days
//! ```
//!
//! What has expired is expired at once, without anybody writing it down. Whoever has declined is left alone for
//! a day. An answer that is given again is the same answer.

use http::StatusCode;
use sbd_sdk::Error;
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long one can accept: 7 days, as in the reference.
pub const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long whoever has declined is left alone: 24 hours, as in the reference.
pub const COOL_DOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long nothing is sent again.
pub const RESEND_AFTER: Duration = Duration::from_secs(10 * 60);
/// How often one invitation is sent at most, so that nobody is pestered.
pub const MAX_SENT: u32 = 5;

/// Where an invitation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = InvitationState)]
pub enum State {
    /// Nobody has answered.
    Pending,
    /// The invited belongs to the group.
    Accepted,
    /// The invited does not want to.
    Declined,
    /// Taken back.
    Cancelled,
    /// Nobody has answered in time.
    Expired,
}

/// Where an invitation is on its way, as it is stored: expired is never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last that was done.
    pub state: State,
    /// When.
    pub changed_at: Time,
    /// Until when one can accept.
    pub expires_at: Time,
    /// How often it was sent.
    pub sent: u32,
    /// When it was sent last.
    pub sent_at: Time,
}

/// What is done with an invitation. Who may do it is known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The invited wants to belong to the group.
    Accept,
    /// The invited does not.
    Decline,
    /// The group does not want it any more.
    Cancel,
    /// The group reminds the invited.
    Resend,
}

/// Why it is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was answered, or taken back.
    Ended(State),
    /// It is too late.
    Expired,
    /// It was sent a moment ago.
    TooSoon,
    /// It was sent as often as it may.
    TooOften,
}

// === impl Progress ===

impl Progress {
    /// A new invitation.
    pub fn begin(now: Time) -> Self {
        Self {
            state: State::Pending,
            changed_at: now,
            expires_at: now + OPEN,
            sent: 1,
            sent_at: now,
        }
    }

    /// Where it is now.
    pub fn now(&self, now: Time) -> State {
        match self.state {
            State::Pending if self.expires_at <= now => State::Expired,
            state => state,
        }
    }

    /// What comes of it; nothing, where it was done before.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn act(self, act: Act, now: Time) -> Result<Option<Self>, Refusal> {
        let ended = |state| {
            Ok(Some(Self {
                state,
                changed_at: now,
                ..self
            }))
        };
        match (act, self.now(now)) {
            (Act::Accept, State::Accepted)
            | (Act::Decline, State::Declined)
            | (Act::Cancel, State::Cancelled) => Ok(None),
            (_, state @ (State::Accepted | State::Declined | State::Cancelled)) => {
                Err(Refusal::Ended(state))
            }
            (Act::Accept, State::Pending) => ended(State::Accepted),
            (Act::Accept, State::Expired) => Err(Refusal::Expired),
            (Act::Decline, _) => ended(State::Declined),
            (Act::Cancel, _) => ended(State::Cancelled),
            (Act::Resend, _) if self.sent >= MAX_SENT => Err(Refusal::TooOften),
            (Act::Resend, _) if now < self.sent_at + RESEND_AFTER => Err(Refusal::TooSoon),
            (Act::Resend, _) => Ok(Some(Self {
                expires_at: now + OPEN,
                sent: self.sent + 1,
                sent_at: now,
                ..self
            })),
        }
    }

    /// Whether whoever declined it is to be left alone still.
    pub fn is_cooling(&self, now: Time) -> bool {
        self.state == State::Declined && now < self.changed_at + COOL_DOWN
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::Ended(State::Accepted) => ("INVITATION_ENDED", "it was accepted already"),
            Refusal::Ended(State::Declined) => (
                "INVITATION_ENDED",
                "it was declined already; ask for another invitation",
            ),
            Refusal::Ended(_) => (
                "INVITATION_ENDED",
                "it was taken back; ask for another invitation",
            ),
            Refusal::Expired => (
                "INVITATION_EXPIRED",
                "it has expired; ask whoever invited you to send it again",
            ),
            Refusal::TooSoon => (
                "INVITATION_SENT",
                "it was sent within the last ten minutes; wait a while before it is sent again",
            ),
            Refusal::TooOften => (
                "INVITATION_SENT",
                "it was sent five times, which is enough; cancel it and invite anew if you must",
            ),
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    /// The model: all that was done, from which everything is told anew each time.
    struct Model {
        log: Vec<(i64, Act)>,
    }

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;

    impl Model {
        fn sends(&self) -> Vec<i64> {
            let resent = self.log.iter().filter(|(_, act)| *act == Act::Resend);
            std::iter::once(0)
                .chain(resent.map(|(at, _)| *at))
                .collect()
        }

        fn end(&self) -> Option<(i64, Act)> {
            self.log
                .iter()
                .find(|(_, act)| *act != Act::Resend)
                .copied()
        }

        fn state(&self, now: i64) -> State {
            match self.end() {
                Some((_, Act::Accept)) => State::Accepted,
                Some((_, Act::Decline)) => State::Declined,
                Some(_) => State::Cancelled,
                None if now >= self.sends().last().unwrap() + 7 * DAY => State::Expired,
                None => State::Pending,
            }
        }

        /// Whether it may be done; none where it was.
        fn allows(&self, act: Act, now: i64) -> Option<bool> {
            if let Some((_, ended)) = self.end() {
                return match ended == act {
                    true => None,
                    false => Some(false),
                };
            }
            let sends = self.sends();
            Some(match act {
                Act::Accept => self.state(now) == State::Pending,
                Act::Decline | Act::Cancel => true,
                Act::Resend => sends.len() < 5 && now - sends.last().unwrap() >= 10 * MINUTE,
            })
        }
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            1 => Just(Act::Accept),
            1 => Just(Act::Decline),
            1 => Just(Act::Cancel),
            6 => Just(Act::Resend),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn an_invitation_is_where_its_history_says(
            walk in prop::collection::vec(
                (prop_oneof![0..20 * MINUTE, 0..3 * DAY, 6 * DAY..8 * DAY, Just(7 * DAY), Just(10 * MINUTE)], acts()),
                1..20,
            ),
        ) {
            let (mut now, mut model) = (0, Model { log: Vec::new() });
            let mut invitation = Progress::begin(Time::from_seconds(0));
            for (pause, act) in walk {
                now += pause;
                let time = Time::from_seconds(now);
                prop_assert_eq!(invitation.now(time), model.state(now));
                match (invitation.act(act, time), model.allows(act, now)) {
                    (Ok(None), None) => {}
                    (Ok(Some(then)), Some(true)) => {
                        invitation = then;
                        model.log.push((now, act));
                    }
                    (Err(_), Some(false)) => {}
                    (said, allowed) => prop_assert!(false, "{:?} {:?} {:?}", act, said, allowed),
                }
                prop_assert_eq!(invitation.now(time), model.state(now));
                prop_assert_eq!(invitation.sent as usize, model.sends().len());
                let cooling = matches!(model.end(), Some((at, Act::Decline)) if now - at < DAY);
                prop_assert_eq!(invitation.is_cooling(time), cooling);
            }
        }
    }
}
