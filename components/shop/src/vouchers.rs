//! Vouchers take something off an order: so many tokens, or so many of a hundred. Each buyer uses one once; what is
//! used is used in the commit of the order, and given back when nothing comes of it.

use crate::order::Order;
use crate::store::{REDEMPTIONS, VOUCHERS};
use membership::text;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Characters of a code at most, and at least.
const CODE: std::ops::RangeInclusive<usize> = 4..=40;

/// A voucher, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voucher {
    /// Its code, in capitals.
    #[serde(rename = "_id")]
    pub(crate) code: String,
    #[serde(flatten)]
    pub(crate) off: Off,
    /// What an order is at least that it is for.
    pub(crate) least: Option<Tokens>,
    /// How often it may be used still; without it there is no end.
    pub(crate) left: Option<u64>,
    /// How often it was used.
    pub(crate) used: u64,
    pub(crate) from: Option<Time>,
    pub(crate) until: Option<Time>,
    pub(crate) note: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: Time,
}

/// What a voucher takes off: one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Off {
    pub(crate) percent: Option<u8>,
    pub(crate) amount: Option<Tokens>,
}

/// That a buyer has used a voucher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Redemption {
    /// The voucher's code and the buyer's id.
    #[serde(rename = "_id")]
    id: String,
    order_id: String,
}

/// What is to be a voucher.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) code: String,
    pub(crate) off: Off,
    pub(crate) least: Option<Tokens>,
    pub(crate) uses: Option<u64>,
    pub(crate) from: Option<Time>,
    pub(crate) until: Option<Time>,
    pub(crate) note: Option<String>,
}

/// Makes a voucher, if there is none of this code.
pub(crate) async fn make(by: &Caller, new: New) -> Result<Voucher> {
    let voucher = new.check(&by.user, time::now())?;
    match VOUCHERS.insert(&voucher).await {
        Ok(_) => Ok(voucher),
        Err(sbd_sdk::DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "there is a voucher of this code already; choose another code",
        )),
        Err(error) => Err(error.into()),
    }
}

/// What there is by this code, for whoever has it; refused where it is not good, or not any more.
pub(crate) async fn usable(code: &str, buyer: &str, subtotal: u64) -> Result<Voucher> {
    let code = key(code);
    if code.len() > *CODE.end() {
        return Err(Error::validation(
            "voucher",
            "a code, of 40 characters at most",
        ));
    }
    let voucher = match CODE.contains(&code.len()) {
        true => VOUCHERS.get(&code).await?,
        false => None,
    };
    let now = time::now();
    let voucher =
        voucher.ok_or_else(|| unusable("there is no such voucher; look at its code again"))?;
    if voucher.from.is_some_and(|from| now < from) {
        return Err(unusable("the voucher is not good yet"));
    }
    if voucher.until.is_some_and(|until| until <= now) || voucher.left == Some(0) {
        return Err(unusable("the voucher is not good any more"));
    }
    if let Some(least) = voucher.least.filter(|least| subtotal < number(*least)) {
        let message = format!(
            "the voucher is for orders of {} tokens or more",
            least.number()
        );
        return Err(unusable(&message));
    }
    if REDEMPTIONS.get(&redemption(&code, buyer)).await?.is_some() {
        return Err(unusable("you have used this voucher before"));
    }
    Ok(voucher)
}

/// Has a change use a voucher, as long as nobody else has used it up.
pub(crate) fn used(change: Transaction, voucher: &Voucher, order: &Order) -> Transaction {
    let (still, update) = match voucher.left {
        Some(_) => (
            json!({"_id": voucher.code, "left": {"$gte": 1}}),
            json!({"$inc": {"left": -1, "used": 1}}),
        ),
        None => (
            json!({"_id": voucher.code, "left": null}),
            json!({"$inc": {"used": 1}}),
        ),
    };
    let redemption = Redemption {
        id: redemption(&voucher.code, &order.buyer),
        order_id: order.id.to_string(),
    };
    change
        .update_one(&VOUCHERS, still, update)
        .insert(&REDEMPTIONS, &redemption)
}

/// Has a change give back what [`used`] took.
pub(crate) fn give_back(change: Transaction, order: &Order) -> Transaction {
    let Some(code) = &order.voucher else {
        return change;
    };
    let used = json!({"_id": redemption(code, &order.buyer), "order_id": order.id});
    change
        .delete_many(&REDEMPTIONS, used)
        .update_many(
            &VOUCHERS,
            json!({"_id": code, "left": null}),
            json!({"$inc": {"used": -1}}),
        )
        .update_many(
            &VOUCHERS,
            json!({"_id": code, "left": {"$gte": 0}}),
            json!({"$inc": {"left": 1, "used": -1}}),
        )
}

/// Ends a voucher: nobody uses it any more.
pub(crate) async fn end(code: &str) -> Result<()> {
    match VOUCHERS.delete_one(json!({"_id": key(code)})).await? {
        true => Ok(()),
        false => Err(Error::not_found("voucher")),
    }
}

fn redemption(code: &str, buyer: &str) -> String {
    format!("{code}/{buyer}")
}

/// A code as it is compared.
fn key(code: &str) -> String {
    code.trim().to_ascii_uppercase()
}

fn number(tokens: Tokens) -> u64 {
    u64::try_from(tokens.number()).unwrap_or(0)
}

fn unusable(why: &str) -> Error {
    Error::new(
        http::StatusCode::CONFLICT,
        "VOUCHER_REFUSED",
        why.to_owned(),
    )
}

// === impl Voucher ===

impl Voucher {
    /// What it takes off: never more than there is.
    pub(crate) fn discount(&self, subtotal: u64) -> u64 {
        let percent = |percent: u8| {
            let part = u128::from(subtotal) * u128::from(percent) / 100;
            u64::try_from(part).unwrap_or(subtotal)
        };
        let off = self
            .off
            .percent
            .map(percent)
            .or(self.off.amount.map(number));
        off.unwrap_or(0).min(subtotal)
    }
}

// === impl New ===

impl New {
    fn check(self, by: &str, now: Time) -> Result<Voucher> {
        let code = key(&self.code);
        let is_part = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-';
        if !CODE.contains(&code.len()) || !code.bytes().all(is_part) {
            let message = "4 to 40 of A-Z, 0-9 and -";
            return Err(Error::validation("code", message));
        }
        if self
            .off
            .percent
            .is_some_and(|percent| !(1..=100).contains(&percent))
        {
            return Err(Error::validation("percent", "a whole number from 1 to 100"));
        }
        if self
            .uses
            .is_some_and(|uses| !(1..=1_000_000_000).contains(&uses))
        {
            let message = "a whole number from 1 to 1000000000; without it there is no end";
            return Err(Error::validation("uses", message));
        }
        let note = text::line("note", self.note.as_deref(), 200)?;
        if self.off.percent.is_some() == self.off.amount.is_some() {
            let message = "either `percent`, a whole number from 1 to 100, or `amount`, in tokens";
            return Err(Error::validation("percent", message));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return Err(Error::validation("until", "a time after `from`"));
        }
        Ok(Voucher {
            code,
            off: self.off,
            least: self.least,
            left: self.uses,
            used: 0,
            from: self.from,
            until: self.until,
            note,
            created_by: by.to_owned(),
            created_at: now,
        })
    }
}
