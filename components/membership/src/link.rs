//! A link by which people join a group, whoever has it.
//!
//! ```text
//!           join: once more used
//!           ┌───┐
//!           ▼   │
//!   ──────▶ open ──┬─ join, for the last time ──▶ used up
//!                  ├─ its time ─────────────────▶ expired
//!                  └─ revoke ───────────────────▶ revoked
//! ```
//!
//! What is used up or has expired is so at once, without anybody writing it down.

use http::StatusCode;
use sbd_sdk::Error;
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use utoipa::ToSchema;

use crate::waiting::DAY;

/// Days that a link may be good for.
pub const DAYS: RangeInclusive<u32> = 1..=30;
/// How many may join by one link.
pub const USES: RangeInclusive<u32> = 1..=1000;

/// Where a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JoinLinkState)]
pub enum State {
    /// Whoever has it may join.
    Open,
    /// As many have joined as may.
    UsedUp,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// How far a link is used, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Until when one can join by it.
    pub expires_at: Time,
    /// How many may.
    pub uses: u32,
    /// How many have.
    pub used: u32,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

// === impl Use ===

impl Use {
    /// A new link.
    pub fn begin(days: u32, uses: u32, now: Time) -> Self {
        Self {
            expires_at: now + DAY * days,
            uses,
            used: 0,
            revoked_at: None,
        }
    }

    /// Where it is now.
    pub fn state(&self, now: Time) -> State {
        match self {
            Self {
                revoked_at: Some(_),
                ..
            } => State::Revoked,
            one if one.used >= one.uses => State::UsedUp,
            one if one.expires_at <= now => State::Expired,
            _ => State::Open,
        }
    }

    /// Once more used.
    ///
    /// # Errors
    /// `LINK_ENDED` when nobody joins by it any more.
    pub fn join(self, now: Time) -> Result<Self, Error> {
        let why = match self.state(now) {
            State::Open => {
                return Ok(Self {
                    used: self.used + 1,
                    ..self
                });
            }
            State::UsedUp => "as many have joined by this link as may",
            State::Expired => "this link has expired",
            State::Revoked => "this link was taken back",
        };
        let message = format!("{why}; ask for another one");
        Err(Error::new(StatusCode::CONFLICT, "LINK_ENDED", message))
    }

    /// Taken back; nothing, where it was before.
    pub fn revoke(self, now: Time) -> Option<Self> {
        match self.revoked_at {
            Some(_) => None,
            None => Some(Self {
                revoked_at: Some(now),
                ..self
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn at(hour: u64) -> Time {
        Time::from_seconds(1_700_000_000) + DAY / 24 * u32::try_from(hour).unwrap()
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Join,
        Revoke,
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            8 => Just(Event::Join),
            1 => Just(Event::Revoke),
            3 => (1..20_u64).prop_map(Event::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// The reference: so many join, in time, before it is revoked.
        #[test]
        fn so_many_join_in_time(
            days in 1..=3_u32, uses in 1..=5_u32, events in proptest::collection::vec(event(), 1..60),
        ) {
            let (mut hour, mut joined, mut revoked) = (0, 0, false);
            let mut link = Use::begin(days, uses, at(0));
            for event in events {
                match event {
                    Event::Wait(hours) => hour += hours,
                    Event::Revoke => {
                        let after = link.revoke(at(hour));
                        prop_assert_eq!(after.is_none(), revoked);
                        link = after.unwrap_or(link);
                        revoked = true;
                    }
                    Event::Join => {
                        let may = !revoked && joined < uses && hour < u64::from(days) * 24;
                        let after = link.join(at(hour));
                        prop_assert_eq!(after.is_ok(), may, "{:?}", link);
                        joined += u32::from(may);
                        link = after.unwrap_or(link);
                    }
                }
                prop_assert_eq!(link.used, joined);
                let is_open = !revoked && joined < uses && hour < u64::from(days) * 24;
                prop_assert_eq!(link.state(at(hour)) == State::Open, is_open);
            }
        }
    }
}
