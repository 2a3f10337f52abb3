//! What somebody has of an item: for good, or rented until a time. Each grant adds a part; one that is taken back
//! takes its part along, and rented parts follow each other.

use crate::item::{Good, ItemId, MOST_DAYS, Term};
use crate::kinds::Kind;
use sbd_sdk::id;
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

id!(pub(crate) GrantId, "grn", "grant");

/// Parts of a holding at most.
const MOST_PARTS: usize = 50;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What somebody has of an item, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holding {
    /// The user's and the item's id, so that nobody has an item twice.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) item_id: ItemId,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) reference: Option<String>,
    pub(crate) parts: Vec<Part>,
    /// When it ends; never, if it is for good.
    pub(crate) until: Option<Time>,
    /// How many there are, of what somebody may have several of.
    pub(crate) count: u32,
    pub(crate) since: Time,
    /// That it is rented again by itself, and how.
    #[serde(default)]
    pub(crate) renewal: Option<Term>,
    /// When its owner is to be reminded of its end.
    pub(crate) remind_at: Option<Time>,
    /// Goes up by one with every change.
    pub(crate) version: u64,
}

/// What one grant has added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) grant: GrantId,
    pub(crate) from: Time,
    /// Rented for so long.
    pub(crate) days: Option<u16>,
    pub(crate) until: Option<Time>,
    pub(crate) count: u32,
}

/// Why somebody is not given an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is theirs for good already.
    Owned,
    /// It would be rented for longer than it may.
    TooLong,
}

/// The id of a holding.
pub(crate) fn holding_id(user: &str, item: &ItemId) -> String {
    format!("{user}/{item}")
}

// === impl Holding ===

impl Holding {
    /// Nothing yet.
    pub(crate) fn none(user: &str, good: &Good, now: Time) -> Self {
        Self {
            id: holding_id(user, &good.item),
            user_id: user.to_owned(),
            item_id: good.item.clone(),
            kind: good.kind.clone(),
            title: good.title.clone(),
            reference: good.reference.clone(),
            parts: Vec::new(),
            until: Some(now),
            count: 0,
            since: now,
            renewal: None,
            remind_at: None,
            version: 0,
        }
    }

    /// Whether it is theirs.
    pub(crate) fn is_live(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it is theirs for good.
    pub(crate) fn is_for_good(&self) -> bool {
        self.until.is_none()
    }

    /// The same with one more grant: for good, or for so many days after those that it has.
    pub(crate) fn with(
        &self,
        grant: &GrantId,
        days: Option<u16>,
        (count, repeatable): (u32, bool),
        now: Time,
    ) -> Result<Self, Unfit> {
        if self.is_for_good() && !(repeatable && days.is_none()) {
            return Err(Unfit::Owned);
        }
        let ends = self.parts.iter().filter_map(|part| part.until).max();
        let from = days.and(ends).unwrap_or(now).max(now);
        let until = days.map(|days| from + DAY * u32::from(days));
        let most = DAY * u32::from(MOST_DAYS);
        if self.parts.len() >= MOST_PARTS || until.is_some_and(|until| until.since(now) > most) {
            return Err(Unfit::TooLong);
        }
        let mut with = self.clone();
        with.parts.push(Part {
            grant: grant.clone(),
            from,
            days,
            until,
            count,
        });
        with.summed_up(now);
        Ok(with)
    }

    /// The same without a grant: what was rented after it moves up. It may have nothing left.
    pub(crate) fn without(&self, grant: &GrantId, now: Time) -> Self {
        let mut without = self.clone();
        without.parts.retain(|part| part.grant != *grant);
        let begun = |part: &&Part| part.from <= now;
        let ends = without
            .parts
            .iter()
            .filter(begun)
            .filter_map(|part| part.until);
        let mut next = ends.max().unwrap_or(now).max(now);
        for part in without.parts.iter_mut().filter(|part| part.from > now) {
            if let Some(days) = part.days {
                part.from = next;
                next = next + DAY * u32::from(days);
                part.until = Some(next);
            }
        }
        without.summed_up(now);
        without
    }

    fn summed_up(&mut self, now: Time) {
        let for_good = self.parts.iter().any(|part| part.until.is_none());
        let ends = self.parts.iter().filter_map(|part| part.until).max();
        self.until = match for_good {
            true => None,
            false => Some(ends.unwrap_or(now)),
        };
        // A day before, or the last quarter of less than four.
        self.remind_at = self
            .until
            .map(|until| until - DAY.min(until.since(now) / 4));
        let counts = self.parts.iter().filter(|part| part.until.is_none());
        self.count = counts.map(|part| part.count).sum::<u32>().max(1);
        self.version += 1;
    }
}

// === impl Part ===

impl Part {
    /// What is left of what it was rented for.
    pub(crate) fn left(&self, now: Time) -> Duration {
        let until = self.until.map(|until| until.since(self.from.max(now)));
        until.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn good() -> Good {
        Good {
            item: ItemId::new(),
            kind: Kind::Theme,
            title: "Red".to_owned(),
            reference: None,
            repeatable: false,
            contains: Vec::new(),
        }
    }

    fn day(number: u32) -> Time {
        Time::from_seconds(0) + DAY * number
    }

    #[test]
    fn rents_follow_each_other_and_for_good_is_without_end() {
        let (a, b, c) = (GrantId::new(), GrantId::new(), GrantId::new());
        let none = Holding::none("usr_1", &good(), day(0));
        assert!(!none.is_live(day(0)));
        let one = none.with(&a, Some(7), (1, false), day(0)).unwrap();
        assert!(one.is_live(day(6)) && !one.is_live(day(7)));
        let two = one.with(&b, Some(30), (1, false), day(3)).unwrap();
        assert_eq!(two.until, Some(day(37)));
        let ever = two.with(&c, None, (1, false), day(4)).unwrap();
        assert!(ever.is_for_good());
        assert_eq!(ever.with(&a, None, (1, false), day(5)), Err(Unfit::Owned));
        assert_eq!(
            ever.with(&a, Some(7), (1, false), day(5)),
            Err(Unfit::Owned)
        );
        // Paid back, it is rented as before.
        assert_eq!(ever.without(&c, day(5)).until, Some(day(37)));
    }

    #[test]
    fn what_was_rented_after_it_moves_up() {
        let (a, b) = (GrantId::new(), GrantId::new());
        let none = Holding::none("usr_1", &good(), day(0));
        let one = none.with(&a, Some(7), (1, false), day(0)).unwrap();
        let two = one.with(&b, Some(30), (1, false), day(1)).unwrap();
        assert_eq!(two.without(&a, day(2)).until, Some(day(32)));
        assert_eq!(two.without(&b, day(2)).until, Some(day(7)));
        assert!(!one.without(&a, day(2)).is_live(day(2)));
        // Of what has begun, time that is over stays over.
        assert_eq!(two.without(&a, day(10)).until, Some(day(37)));
    }

    #[test]
    fn there_is_an_end_to_extensions() {
        let mut holding = Holding::none("usr_1", &good(), day(0));
        holding = holding
            .with(&GrantId::new(), Some(1096), (1, false), day(0))
            .unwrap();
        let more = holding.with(&GrantId::new(), Some(1), (1, false), day(0));
        assert_eq!(more, Err(Unfit::TooLong));
        assert!(
            holding
                .with(&GrantId::new(), Some(1), (1, false), day(1))
                .is_ok()
        );
    }

    #[test]
    fn of_some_there_are_several() {
        let good = Good {
            repeatable: true,
            ..good()
        };
        let none = Holding::none("usr_1", &good, day(0));
        let (a, b) = (GrantId::new(), GrantId::new());
        let two = none.with(&a, None, (2, true), day(0)).unwrap();
        let five = two.with(&b, None, (3, true), day(0)).unwrap();
        assert_eq!(
            (two.count, five.count, five.without(&a, day(1)).count),
            (2, 5, 3)
        );
    }
}
