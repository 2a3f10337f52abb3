//! The rules of the ledger: what may be done to an account, and what must still hold of it in the commit that
//! does it. Plain functions over an account as it was read; if it is otherwise by then, nothing is done.

use crate::model::{Account, Closure, Kind, MAX_SUPPLY, Tokens, day};
use crate::store::ACCOUNTS;
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result};
use serde_json::{Value, json};

/// A change of one account.
#[derive(Debug)]
pub(crate) struct Step {
    still: Value,
    change: Value,
}

// === impl Step ===

impl Step {
    fn new(account: &str, available: i64, held: i64) -> Self {
        Self {
            still: json!({"_id": account}),
            change: json!({"$inc": {"available": available, "held": held, "moves": 1}}),
        }
    }

    /// Only while this holds of the account as well.
    fn while_(mut self, field: &str, condition: Value) -> Self {
        self.still[field] = condition;
        self
    }

    /// Counts what is spent on a day, and gives back what is not after all, by an amount below zero.
    fn counting(mut self, account: &Account, amount: i64, today: &str) -> Self {
        self.still["spending.day"] = account.spending.day.as_str().into();
        if account.spending.day == today {
            self.change["$inc"]["spending.amount"] = amount.into();
        } else {
            self.change["$set"] = json!({"spending": {"day": today, "amount": amount}});
        }
        self
    }

    /// Sets something that the rules look at.
    fn setting(mut self, field: &str, value: Value) -> Self {
        self.change["$set"] = json!({field: value});
        self.change["$inc"]["rules_version"] = 1.into();
        self
    }

    /// Makes it a part of a change.
    pub(crate) fn done_by(self, change: Transaction) -> Transaction {
        change.update_one(&ACCOUNTS, self.still, self.change)
    }
}

/// Spends tokens: never more than there are, than is allowed, and never from a frozen account.
pub(crate) fn spend(account: &Account, amount: Tokens, today: &str) -> Result<Step> {
    take(account, amount, 0, today)
}

/// Reserves tokens; whatever keeps them from being spent keeps them from being reserved, too.
pub(crate) fn reserve(account: &Account, amount: Tokens, today: &str) -> Result<Step> {
    take(account, amount, amount.number(), today)
}

fn take(account: &Account, amount: Tokens, held: i64, today: &str) -> Result<Step> {
    require_may_spend(account, amount, today)?;
    let number = amount.number();
    let step = Step::new(&account.id, -number, held)
        .while_("available", json!({"$gte": number}))
        // Neither frozen nor limited meanwhile.
        .while_("rules_version", account.rules_version.into());
    Ok(match account.limits.per_day {
        Some(limit) if account.spending.day == today => {
            step.while_("spending.amount", json!({"$lte": limit.number() - number}))
        }
        _ => step,
    }
    .counting(account, number, today))
}

/// Pays what was reserved, or a part of it: the rest is free again. What was promised is paid from a frozen
/// account, too.
pub(crate) fn capture(
    account: &Account,
    reserved: Tokens,
    captured: Tokens,
    (made_on, today): (&str, &str),
) -> Step {
    let rest = reserved.number() - captured.number();
    let step = Step::new(&account.id, rest, -reserved.number());
    give_back(step, account, reserved, rest, (made_on, today))
}

/// Frees what was reserved.
pub(crate) fn release(account: &Account, reserved: Tokens, days: (&str, &str)) -> Step {
    let number = reserved.number();
    give_back(
        Step::new(&account.id, number, -number),
        account,
        reserved,
        number,
        days,
    )
}

/// What was not spent after all does not count on the day that it was reserved.
fn give_back(
    step: Step,
    account: &Account,
    reserved: Tokens,
    rest: i64,
    (made_on, today): (&str, &str),
) -> Step {
    let step = step.while_("held", json!({"$gte": reserved.number()}));
    match made_on == today && account.spending.day == today {
        true => step.counting(account, -rest, today),
        false => step,
    }
}

/// Gives an account tokens, unless it is closed.
pub(crate) fn receive(account: &Account, amount: Tokens) -> Result<Step> {
    require_not_closed(account)?;
    let step = Step::new(&account.id, amount.number(), 0);
    Ok(step.while_("closed", Value::Null))
}

/// Takes what is left from an account, whatever its limits, and closes it: never a frozen one, and none that
/// something is reserved on.
pub(crate) fn close(account: &Account, closure: &Closure) -> Result<Step> {
    require_not_closed(account)?;
    require_not_frozen(account)?;
    close_for_good(account, closure)
}

/// The same of an account that nobody will ever act for again, frozen or not.
pub(crate) fn close_for_good(account: &Account, closure: &Closure) -> Result<Step> {
    require_not_closed(account)?;
    if account.held > 0 {
        let message = format!(
            "{} tokens of the account are reserved; capture or release the holds first",
            account.held
        );
        return Err(refused("HOLDS_OPEN", message));
    }
    let step = Step::new(&account.id, -account.available, 0)
        .while_("available", account.available.into())
        .while_("held", 0.into())
        .while_("rules_version", account.rules_version.into());
    Ok(step.setting("closed", json!(closure)))
}

/// Takes tokens from where they come from, as long as there are not too many.
pub(crate) fn mint(system: &Account, amount: Tokens) -> Result<Step> {
    let least = amount.number() - MAX_SUPPLY;
    if system.available < least {
        let message = format!(
            "there are {} tokens, and {MAX_SUPPLY} at most; mint fewer",
            -system.available
        );
        return Err(refused("SUPPLY_EXHAUSTED", message));
    }
    let step = Step::new(&system.id, -amount.number(), 0);
    Ok(step.while_("available", json!({"$gte": least})))
}

/// Takes tokens from an account for good, whatever its limits, be it frozen or not; but never what is reserved.
pub(crate) fn burn(account: &Account, amount: Tokens) -> Result<Step> {
    require_balance(account, amount)?;
    let step = Step::new(&account.id, -amount.number(), 0);
    Ok(step.while_("available", json!({"$gte": amount.number()})))
}

/// Answers 409 for an account that is closed.
pub(crate) fn require_not_closed(account: &Account) -> Result<()> {
    match &account.closed {
        None => Ok(()),
        Some(closure) => {
            let message = format!(
                "the account was closed on {}; name another one",
                day(closure.at)
            );
            Err(refused("ACCOUNT_CLOSED", message))
        }
    }
}

fn require_not_frozen(account: &Account) -> Result<()> {
    match &account.frozen {
        None => Ok(()),
        Some(freeze) => {
            let message = format!(
                "the account is frozen ({}); ask whoever froze it to unfreeze it",
                freeze.reason
            );
            Err(refused("ACCOUNT_FROZEN", message))
        }
    }
}

/// Closed, then frozen, then limits, then the balance: the first that is in the way is what somebody is told.
fn require_may_spend(account: &Account, amount: Tokens, today: &str) -> Result<()> {
    if account.kind == Kind::System {
        return Err(Error::not_found("account"));
    }
    require_not_closed(account)?;
    require_not_frozen(account)?;
    if let Some(limit) = account
        .limits
        .per_transaction
        .filter(|limit| amount > *limit)
    {
        let message = format!(
            "at most {} tokens may be spent at once; spend less",
            limit.number()
        );
        return Err(refused("LIMIT_EXCEEDED", message));
    }
    let spent = match account.spending.day == today {
        true => account.spending.amount,
        false => 0,
    };
    let exceeds = |limit: &Tokens| spent.saturating_add(amount.number()) > limit.number();
    if let Some(limit) = account.limits.per_day.filter(exceeds) {
        let left = (limit.number() - spent).max(0);
        let message = format!(
            "{left} of the {} tokens are left that may be spent today; spend less, or wait until tomorrow",
            limit.number()
        );
        return Err(refused("LIMIT_EXCEEDED", message));
    }
    require_balance(account, amount)
}

fn require_balance(account: &Account, amount: Tokens) -> Result<()> {
    if account.available >= amount.number() {
        return Ok(());
    }
    let message = format!(
        "the account has {} tokens to spend; take fewer",
        account.available
    );
    Err(refused("INSUFFICIENT_BALANCE", message))
}

fn refused(code: &'static str, message: String) -> Error {
    Error::new(StatusCode::CONFLICT, code, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::{Freeze, Limits};
    use proptest::prelude::*;
    use sbd_sdk::testing::App;
    use sbd_sdk::time::Time;

    const TODAY: &str = "2026-01-31";

    fn tokens(amount: u64) -> Tokens {
        Tokens::new(amount).unwrap()
    }

    fn account(available: i64) -> Account {
        Account {
            available,
            ..Account::open("usr_1", Kind::User, Time::from_seconds(1))
        }
    }

    fn why(account: &Account, amount: u64) -> Option<&'static str> {
        spend(account, tokens(amount), TODAY)
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn what_is_in_the_way_is_told_in_order() {
        let limits = Limits {
            per_transaction: Some(tokens(10)),
            per_day: Some(tokens(15)),
        };
        let mut ada = Account {
            limits,
            ..account(12)
        };
        assert_eq!(why(&ada, 10), None);
        assert_eq!(why(&ada, 11), Some("LIMIT_EXCEEDED"));
        ada.spending.day = TODAY.to_owned();
        ada.spending.amount = 6;
        assert_eq!(
            (why(&ada, 9), why(&ada, 10)),
            (None, Some("LIMIT_EXCEEDED"))
        );
        ada.available = 8;
        assert_eq!(why(&ada, 9), Some("INSUFFICIENT_BALANCE"));
        ada.spending.day = "2026-01-30".to_owned();
        assert_eq!(why(&ada, 8), None);
        ada.frozen = Some(Freeze {
            reason: "lost".to_owned(),
            at: Time::from_seconds(1),
        });
        assert_eq!(why(&ada, 1), Some("ACCOUNT_FROZEN"));
        assert!(reserve(&ada, tokens(1), TODAY).is_err());
        // An administrator may take what is there.
        assert!(burn(&ada, tokens(8)).is_ok() && burn(&ada, tokens(9)).is_err());
        let system = Account::open("system", Kind::System, Time::from_seconds(1));
        assert_eq!(why(&system, 1), Some("NOT_FOUND"));
    }

    #[test]
    fn there_are_no_more_tokens_than_every_reader_can_count() {
        let system = |available| Account {
            available,
            ..account(0)
        };
        assert!(mint(&system(0), tokens(5)).is_ok());
        assert!(mint(&system(5 - MAX_SUPPLY), tokens(5)).is_ok());
        assert!(mint(&system(4 - MAX_SUPPLY), tokens(5)).is_err());
    }

    /// What somebody does to an account that they have read.
    #[derive(Clone, Debug)]
    enum Act {
        Spend(u64),
        Reserve(u64),
        Receive(u64),
        Burn(u64),
        /// Of the holds that there are by then, the first.
        Release,
        Capture(u64),
        Freeze,
        Unfreeze,
    }

    fn act() -> impl Strategy<Value = Act> {
        let amount = || 1..40_u64;
        prop_oneof![
            4 => amount().prop_map(Act::Spend),
            3 => amount().prop_map(Act::Reserve),
            2 => amount().prop_map(Act::Receive),
            1 => amount().prop_map(Act::Burn),
            2 => Just(Act::Release),
            2 => amount().prop_map(Act::Capture),
            1 => Just(Act::Freeze),
            2 => Just(Act::Unfreeze),
        ]
    }

    /// The account, and what is reserved of it.
    struct Reference {
        account: Account,
        holds: Vec<u64>,
    }

    impl Reference {
        /// What an act does if nothing comes between; none if it is refused.
        fn after(&self, act: &Act) -> Option<(Account, Vec<u64>)> {
            let (mut account, mut holds) = (self.account.clone(), self.holds.clone());
            let spent = match account.spending.day == TODAY {
                true => account.spending.amount,
                false => 0,
            };
            let count = |account: &mut Account, amount: i64| {
                account.spending.day = TODAY.to_owned();
                account.spending.amount = spent + amount;
            };
            let limit = account.limits.per_day.map_or(i64::MAX, Tokens::number);
            match *act {
                Act::Spend(amount) | Act::Reserve(amount) => {
                    let amount_ = i64::try_from(amount).unwrap();
                    if account.frozen.is_some()
                        || account.available < amount_
                        || spent + amount_ > limit
                    {
                        return None;
                    }
                    account.available -= amount_;
                    count(&mut account, amount_);
                    if matches!(act, Act::Reserve(_)) {
                        account.held += amount_;
                        holds.push(amount);
                    }
                }
                Act::Receive(amount) => account.available += i64::try_from(amount).unwrap(),
                Act::Burn(amount) => {
                    let amount = i64::try_from(amount).unwrap();
                    account.available =
                        account.available.checked_sub(amount).filter(|n| *n >= 0)?;
                }
                Act::Release | Act::Capture(_) => {
                    let reserved = *holds.first()?;
                    let captured = match *act {
                        Act::Capture(amount) => amount.min(reserved),
                        _ => 0,
                    };
                    holds.remove(0);
                    let rest = i64::try_from(reserved - captured).unwrap();
                    account.held -= i64::try_from(reserved).unwrap();
                    account.available += rest;
                    count(&mut account, -rest);
                }
                Act::Freeze | Act::Unfreeze => {
                    let is_frozen = matches!(act, Act::Freeze);
                    account.frozen = is_frozen.then(|| Freeze {
                        reason: "lost".to_owned(),
                        at: Time::from_seconds(1),
                    });
                    account.rules_version += 1;
                    return Some((account, holds));
                }
            }
            account.moves += 1;
            Some((account, holds))
        }
    }

    /// What the rules make of an act, of an account as it was read.
    fn planned(read: &Reference, act: &Act) -> Option<Transaction> {
        let account = &read.account;
        let days = (TODAY, TODAY);
        let step = match *act {
            Act::Spend(amount) => spend(account, tokens(amount), TODAY).ok()?,
            Act::Reserve(amount) => reserve(account, tokens(amount), TODAY).ok()?,
            Act::Receive(amount) => receive(account, tokens(amount)).ok()?,
            Act::Burn(amount) => burn(account, tokens(amount)).ok()?,
            Act::Release => release(account, tokens(*read.holds.first()?), days),
            Act::Capture(amount) => {
                let reserved = *read.holds.first()?;
                let captured = tokens(amount.min(reserved));
                capture(account, tokens(reserved), captured, days)
            }
            Act::Freeze | Act::Unfreeze => {
                let (after, _) = read.after(act)?;
                let change = json!({
                    "$set": {"frozen": after.frozen},
                    "$inc": {"rules_version": 1},
                });
                return Some(Transaction::new().update_one(
                    &ACCOUNTS,
                    json!({"_id": account.id}),
                    change,
                ));
            }
        };
        Some(step.done_by(Transaction::new()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Several read the same account, and then do what they decided on, one after the other: each as if
        /// it had read what is there by then, or not at all.
        #[test]
        fn no_interleaving_does_what_the_rules_do_not_allow(
            start in 0..100_i64,
            limit in proptest::option::of(20..120_u64),
            rounds in proptest::collection::vec(proptest::collection::vec(act(), 1..5), 1..10),
        ) {
            let app = App::new(sbd_sdk::Component::new()).collection("accounts");
            let mut now = Reference {
                account: Account {
                    limits: Limits { per_transaction: None, per_day: limit.map(tokens) },
                    ..account(start)
                },
                holds: Vec::new(),
            };
            app.run(ACCOUNTS.insert(&now.account)).unwrap();
            for acts in rounds {
                let planned: Vec<_> = acts.iter().map(|act| planned(&now, act)).collect();
                let mut holds_ended = false;
                for (act, planned) in acts.iter().zip(planned) {
                    let Some(planned) = planned else { continue };
                    // That a hold ends once is a condition on the hold, beside these.
                    if matches!(act, Act::Release | Act::Capture(_)) && std::mem::replace(&mut holds_ended, true) {
                        continue;
                    }
                    if app.run(planned.commit()).is_ok() {
                        let after = now.after(act);
                        prop_assert!(after.is_some(), "{act:?} was done to {:?}", now.account);
                        let (account, holds) = after.unwrap();
                        now = Reference { account, holds };
                    }
                    let stored = app.run(ACCOUNTS.get("usr_1")).unwrap().unwrap();
                    prop_assert_eq!(&stored, &now.account, "{:?}", act);
                    prop_assert!(stored.available >= 0 && stored.held >= 0);
                }
            }
        }

        /// Without anybody between, an act is done exactly when it is allowed.
        #[test]
        fn what_is_allowed_is_done(start in 0..100_i64, acts in proptest::collection::vec(act(), 1..30)) {
            let app = App::new(sbd_sdk::Component::new()).collection("accounts");
            let mut now = Reference { account: account(start), holds: Vec::new() };
            app.run(ACCOUNTS.insert(&now.account)).unwrap();
            for act in acts {
                let done = planned(&now, &act).map(|planned| app.run(planned.commit()).is_ok());
                let after = now.after(&act);
                prop_assert_eq!(done == Some(true), after.is_some(), "{:?} on {:?}", act, now.account);
                if let Some((account, holds)) = after {
                    now = Reference { account, holds };
                }
            }
        }
    }
}
