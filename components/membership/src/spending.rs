//! What a member may spend out of the group's account, and what of it is spent.
//!
//! Whoever spends has the amount counted first, in the group's own commit, under the condition that it is
//! within the limits still; what is not paid after all is given back. So no two at once are over a limit:
//!
//! ```text
//! counted ── paid ──▶ stays counted
//!    └─── not paid ──▶ given back, if its day or its month is the present one still
//! ```

use http::StatusCode;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// What a member may spend. Without a number there is no limit of that kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpendingPermission)]
pub struct Permission {
    /// Whether the member may spend at all.
    pub may_spend: bool,
    /// At once.
    #[serde(default)]
    pub per_transaction: Option<Tokens>,
    /// On a day in UTC.
    #[serde(default)]
    pub per_day: Option<Tokens>,
    /// In a month in UTC.
    #[serde(default)]
    pub per_month: Option<Tokens>,
}

/// What a member has spent lately, what is being paid included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The last day on which anything was, like `2026-01-31`; empty before the first.
    pub day: String,
    /// On that day.
    pub on_day: i64,
    /// The month of that day, like `2026-01`.
    pub month: String,
    /// In that month.
    pub in_month: i64,
}

/// A change of what is counted, and what must still hold of it in the commit that makes it. Both name fields
/// below one that the caller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    still: Vec<(&'static str, Value)>,
    increase: Vec<(&'static str, i64)>,
    set: Vec<(&'static str, Value)>,
}

// === impl Permission ===

impl Permission {
    /// To spend whatever there is: what administrators have unless somebody says otherwise.
    pub const UNLIMITED: Self = Self {
        may_spend: true,
        per_transaction: None,
        per_day: None,
        per_month: None,
    };
    /// To spend nothing: what members have unless somebody says otherwise.
    pub const NOTHING: Self = Self {
        may_spend: false,
        ..Self::UNLIMITED
    };

    /// The most that may be spent at once now, if the account has so much; none: whatever it has.
    pub fn left(&self, spent: &Spent, now: Time) -> Option<i64> {
        if !self.may_spend {
            return Some(0);
        }
        let (today, this_month) = spent.at(now);
        let left = [
            self.per_transaction.map(Tokens::number),
            self.per_day.map(|limit| limit.number() - today),
            self.per_month.map(|limit| limit.number() - this_month),
        ];
        left.into_iter().flatten().min().map(|left| left.max(0))
    }
}

// === impl Spent ===

impl Spent {
    /// What is counted for the present day and the present month.
    pub fn at(&self, now: Time) -> (i64, i64) {
        let is = |of: &str, period: String, amount| if of == period { amount } else { 0 };
        (
            is(&self.day, day(now), self.on_day),
            is(&self.month, month(now), self.in_month),
        )
    }

    /// What is counted after a step, if its conditions hold.
    pub fn after(&self, step: &Step) -> Option<Self> {
        let mut fields = serde_json::to_value(self).ok()?;
        let holds = step.still.iter().all(|(field, condition)| {
            let most = condition["$lte"].as_i64();
            match most {
                Some(most) => fields[*field].as_i64().is_some_and(|is| is <= most),
                None => fields[*field] == *condition,
            }
        });
        if !holds {
            return None;
        }
        for (field, amount) in &step.increase {
            fields[*field] = (fields[*field].as_i64()? + amount).into();
        }
        for (field, value) in &step.set {
            fields[*field] = value.clone();
        }
        serde_json::from_value(fields).ok()
    }
}

// === impl Step ===

impl Step {
    /// The conditions, for the filter of an update.
    pub fn still(&self, below: &str) -> Map<String, Value> {
        let still = self.still.iter();
        still
            .map(|(field, condition)| (format!("{below}.{field}"), condition.clone()))
            .collect()
    }

    /// The update.
    pub fn change(&self, below: &str) -> Value {
        let of = |field: &str| format!("{below}.{field}");
        let increase: Map<_, _> = self
            .increase
            .iter()
            .map(|(field, by)| (of(field), json!(by)))
            .collect();
        let set: Map<_, _> = self
            .set
            .iter()
            .map(|(field, to)| (of(field), to.clone()))
            .collect();
        match (increase.is_empty(), set.is_empty()) {
            (false, false) => json!({"$inc": increase, "$set": set}),
            (false, true) => json!({"$inc": increase}),
            (true, _) => json!({"$set": set}),
        }
    }
}

/// Counts an amount as spent, if it may be.
///
/// # Errors
/// `FORBIDDEN` for whoever may spend nothing, `LIMIT_EXCEEDED` with what is left.
pub fn count(permission: &Permission, spent: &Spent, amount: Tokens, now: Time) -> Result<Step> {
    if !permission.may_spend {
        return Err(Error::forbidden(
            "you may not spend out of this account; ask for the tokens instead, or ask an administrator to let you",
        ));
    }
    if let Some(limit) = permission.per_transaction.filter(|limit| amount > *limit) {
        let message = format!(
            "you may spend {} tokens at once; spend less, or ask for the tokens instead",
            limit.number()
        );
        return Err(exceeded(message));
    }
    let number = amount.number();
    let (today, this_month) = spent.at(now);
    let periods = [
        ("today", permission.per_day, today),
        ("this month", permission.per_month, this_month),
    ];
    for (period, limit, is) in periods {
        if let Some(limit) = limit.filter(|limit| is.saturating_add(number) > limit.number()) {
            let message = format!(
                "{} of the {} tokens are left that you may spend {period}; spend less, or ask for the tokens instead",
                (limit.number() - is).max(0),
                limit.number()
            );
            return Err(exceeded(message));
        }
    }
    let (day, month) = (day(now), month(now));
    let mut step = Step {
        still: vec![
            ("day", spent.day.as_str().into()),
            ("month", spent.month.as_str().into()),
        ],
        increase: Vec::new(),
        set: Vec::new(),
    };
    step.add("on_day", spent.day == day, number, permission.per_day);
    step.add(
        "in_month",
        spent.month == month,
        number,
        permission.per_month,
    );
    step.set.push(("day", day.into()));
    step.set.push(("month", month.into()));
    Ok(step)
}

/// Gives back what was counted at a time and not paid after all; nothing, where that day and that month are
/// over.
pub fn give_back(spent: &Spent, amount: Tokens, counted_at: Time) -> Option<Step> {
    let mut step = Step {
        still: vec![
            ("day", spent.day.as_str().into()),
            ("month", spent.month.as_str().into()),
        ],
        increase: Vec::new(),
        set: Vec::new(),
    };
    if spent.day == day(counted_at) {
        step.increase.push(("on_day", -amount.number()));
    }
    if spent.month == month(counted_at) {
        step.increase.push(("in_month", -amount.number()));
    }
    (!step.increase.is_empty()).then_some(step)
}

impl Step {
    /// Adds to what is counted in a period, or begins to count in the next one.
    fn add(&mut self, field: &'static str, goes_on: bool, amount: i64, limit: Option<Tokens>) {
        match goes_on {
            false => self.set.push((field, amount.into())),
            true => {
                if let Some(limit) = limit {
                    let most = limit.number() - amount;
                    self.still.push((field, json!({"$lte": most})));
                }
                self.increase.push((field, amount));
            }
        }
    }
}

/// The day of a time, in UTC, like `2026-01-31`.
pub fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// The month of a time, in UTC, like `2026-01`.
pub fn month(time: Time) -> String {
    time.to_string().chars().take(7).collect()
}

fn exceeded(message: String) -> Error {
    Error::new(StatusCode::CONFLICT, "LIMIT_EXCEEDED", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn tokens(amount: u64) -> Tokens {
        Tokens::new(amount).unwrap()
    }

    /// The last day of a month, at noon.
    fn noon() -> Time {
        serde_json::from_value(json!("2026-01-31T12:00:00Z")).unwrap()
    }

    const LIMITED: fn() -> Permission = || Permission {
        may_spend: true,
        per_transaction: Some(tokens(10)),
        per_day: Some(tokens(15)),
        per_month: Some(tokens(20)),
    };

    #[test]
    fn what_is_in_the_way_is_told() {
        let fresh = Spent::default();
        let why = |permission: &Permission, spent: &Spent, amount, now| {
            count(permission, spent, tokens(amount), now).map_err(|error| error.code())
        };
        assert_eq!(
            why(&Permission::NOTHING, &fresh, 1, noon()),
            Err("FORBIDDEN")
        );
        assert!(why(&Permission::UNLIMITED, &fresh, 1_000_000, noon()).is_ok());
        let limited = LIMITED();
        assert_eq!(why(&limited, &fresh, 11, noon()), Err("LIMIT_EXCEEDED"));
        let first = fresh
            .after(&why(&limited, &fresh, 10, noon()).unwrap())
            .unwrap();
        assert_eq!((first.on_day, first.in_month), (10, 10));
        assert_eq!(limited.left(&first, noon()), Some(5));
        assert_eq!(why(&limited, &first, 6, noon()), Err("LIMIT_EXCEEDED"));
        let second = first
            .after(&why(&limited, &first, 5, noon()).unwrap())
            .unwrap();
        assert_eq!(limited.left(&second, noon()), Some(0));
        // The next day is in the next month.
        let tomorrow = noon() + Duration::from_secs(24 * 60 * 60);
        assert_eq!(limited.left(&second, tomorrow), Some(10));
        assert!(why(&limited, &second, 10, tomorrow).is_ok());
        assert_eq!(Permission::UNLIMITED.left(&second, noon()), None);
    }

    #[test]
    fn a_limit_is_a_condition_of_the_commit() {
        let limited = LIMITED();
        let before = Spent {
            day: day(noon()),
            on_day: 8,
            month: month(noon()),
            in_month: 8,
        };
        let step = count(&limited, &before, tokens(7), noon()).unwrap();
        assert!(before.after(&step).is_some());
        // Somebody else was quicker by a token.
        let meanwhile = Spent {
            on_day: 9,
            in_month: 9,
            ..before.clone()
        };
        assert_eq!(meanwhile.after(&step), None);
        let still = Value::Object(step.still("spent"));
        assert_eq!(still["spent.on_day"], json!({"$lte": 8}));
        assert_eq!(still["spent.in_month"], json!({"$lte": 13}));
        let change = step.change("spent");
        assert_eq!(
            change["$inc"],
            json!({"spent.on_day": 7, "spent.in_month": 7})
        );
    }

    #[derive(Clone, Debug)]
    enum Act {
        Spend(u64),
        /// Of what was spent, this is not paid after all.
        GiveBack(usize),
        Wait(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            5 => (1..40_u64).prop_map(Act::Spend),
            2 => (0..20_usize).prop_map(Act::GiveBack),
            2 => (1..72_u64).prop_map(Act::Wait),
        ]
    }

    fn limit() -> impl Strategy<Value = Option<Tokens>> {
        proptest::option::of((1..60_u64).prop_map(tokens))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Against a list of all that was spent: what is counted is the sum of the day and of the month, what
        /// is within the limits is allowed, and nothing else is.
        #[test]
        fn what_is_counted_is_what_was_spent(
            (per_transaction, per_day, per_month) in (limit(), limit(), limit()),
            acts in proptest::collection::vec(act(), 1..60),
        ) {
            let permission = Permission { may_spend: true, per_transaction, per_day, per_month };
            let (mut now, mut spent) = (noon(), Spent::default());
            let mut all: Vec<(Time, u64)> = Vec::new();
            for act in acts {
                let sum = |all: &[(Time, u64)], period: fn(Time) -> String| {
                    let of = all.iter().filter(|(at, _)| period(*at) == period(now));
                    of.map(|(_, amount)| *amount).sum::<u64>()
                };
                match act {
                    Act::Wait(hours) => now = now + Duration::from_secs(hours * 60 * 60),
                    Act::GiveBack(which) if !all.is_empty() => {
                        let (at, amount) = all.remove(which % all.len());
                        if let Some(step) = give_back(&spent, tokens(amount), at) {
                            spent = spent.after(&step).unwrap();
                        }
                    }
                    Act::GiveBack(_) => {}
                    Act::Spend(amount) => {
                        let within = |limit: Option<Tokens>, sum: u64| {
                            limit.is_none_or(|limit| i64::try_from(sum).unwrap() <= limit.number())
                        };
                        let allowed = within(per_transaction, amount)
                            && within(per_day, sum(&all, day) + amount)
                            && within(per_month, sum(&all, month) + amount);
                        let step = count(&permission, &spent, tokens(amount), now);
                        prop_assert_eq!(step.is_ok(), allowed);
                        let fits = permission.left(&spent, now).is_none_or(|left| i64::try_from(amount).unwrap() <= left);
                        prop_assert_eq!(fits, allowed);
                        if let Ok(step) = step {
                            spent = spent.after(&step).unwrap();
                            all.push((now, amount));
                        }
                    }
                }
                let sum = |period: fn(Time) -> String| {
                    let of = all.iter().filter(|(at, _)| period(*at) == period(now));
                    i64::try_from(of.map(|(_, amount)| *amount).sum::<u64>()).unwrap()
                };
                prop_assert_eq!(spent.at(now), (sum(day), sum(month)));
            }
        }
    }
}
