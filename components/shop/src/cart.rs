//! What somebody is about to buy. A cart keeps the price that each line was put in at, so that whoever looks at it
//! sees what has changed; what is paid is fixed when it is ordered.

use crate::catalogue;
use crate::commit::{busy, committed, tries};
use crate::grants;
use crate::item::{ItemId, MOST_DAYS, Offer};
use crate::model::LineId;
use crate::order::Order;
use crate::recipient;
use crate::store::CARTS;
use crate::vouchers::{self, Voucher};
use membership::text;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Lines in a cart at most: an order takes, and gives back, what it is of in one commit, which has 100 steps, two of them
/// for each line of an item of which there are only so many, in all and for each buyer.
pub(crate) const MOST_LINES: usize = 40;
/// Of one item at most.
const MOST_OF_ONE: u32 = 1000;
/// Characters in a note at most.
pub(crate) const LONGEST_NOTE: usize = 200;

/// A cart, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    /// Whose it is.
    #[serde(rename = "_id")]
    pub(crate) user: String,
    pub(crate) lines: Vec<CartLine>,
    pub(crate) updated_at: Time,
    /// Goes up by one with every change.
    pub(crate) version: u64,
}

/// A line of a cart: one item, for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CartLine {
    pub(crate) id: LineId,
    pub(crate) item: ItemId,
    pub(crate) title: String,
    /// For so many days; for good without.
    pub(crate) days: Option<u16>,
    pub(crate) count: u32,
    /// Whom it is for.
    pub(crate) user: String,
    /// What that one is told.
    pub(crate) note: Option<String>,
    /// What it cost when it was put in.
    pub(crate) price: u64,
}

/// What is to be put into a cart.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) item: ItemId,
    pub(crate) days: Option<u16>,
    pub(crate) count: u32,
    /// Whom it is for, by id or name, if not for whoever buys it.
    pub(crate) user: Option<String>,
    pub(crate) note: Option<String>,
}

/// A line as it can be bought now.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) line: CartLine,
    pub(crate) offer: Option<Offer>,
    /// What it costs now.
    pub(crate) price: Option<u64>,
    /// Why it cannot be bought.
    pub(crate) problem: Option<Error>,
}

/// A cart as it can be bought now.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) cart: Cart,
    pub(crate) lines: Vec<Priced>,
    pub(crate) subtotal: u64,
    pub(crate) discount: u64,
    pub(crate) voucher: Option<Voucher>,
}

/// Somebody's cart; an empty one, where there is none.
pub(crate) async fn of(user: &str) -> Result<Cart> {
    let cart = CARTS.get(user).await?;
    Ok(cart.unwrap_or_else(|| Cart {
        user: user.to_owned(),
        lines: Vec::new(),
        updated_at: time::now(),
        version: 0,
    }))
}

/// Somebody's cart as it can be bought now, with a voucher if they have one.
pub(crate) async fn sum(user: &str, voucher: Option<&str>) -> Result<Sum> {
    let cart = of(user).await?;
    summed(cart, voucher).await
}

/// One line that is in no cart, as it can be bought now.
pub(crate) async fn sum_of(line: &CartLine) -> Result<Sum> {
    let cart = Cart {
        lines: vec![line.clone()],
        ..of(&line.user).await?
    };
    summed(cart, None).await
}

async fn summed(cart: Cart, voucher: Option<&str>) -> Result<Sum> {
    let now = time::now();
    let mut lines = Vec::with_capacity(cart.lines.len());
    for line in &cart.lines {
        lines.push(priced(line, now).await?);
    }
    let subtotal = lines.iter().filter_map(|line| line.price).sum();
    let voucher = match voucher {
        Some(code) => Some(vouchers::usable(code, &cart.user, subtotal).await?),
        None => None,
    };
    let discount = voucher
        .as_ref()
        .map_or(0, |voucher| voucher.discount(subtotal));
    Ok(Sum {
        cart,
        lines,
        subtotal,
        discount,
        voucher,
    })
}

async fn priced(line: &CartLine, now: Time) -> Result<Priced> {
    let unsold = |problem| Priced {
        line: line.clone(),
        offer: None,
        price: None,
        problem: Some(problem),
    };
    let offer = match catalogue::offered(&line.item, now).await {
        Err(error) if error.code() == "NOT_FOUND" => {
            let message = format!(
                "\"{}\" is not offered any more; take it out of the cart",
                line.title
            );
            return Ok(unsold(Error::conflict(message)));
        }
        offer => offer?,
    };
    let price = match price(&offer, line.days, line.count) {
        Ok(price) => price,
        Err(error) => return Ok(unsold(error)),
    };
    let problem = grants::require_fit(&line.user, &offer.good, line.days)
        .await
        .err();
    let problem = match problem {
        Some(error) if !error.status().is_client_error() => return Err(error),
        problem => problem,
    };
    Ok(Priced {
        line: line.clone(),
        offer: Some(offer),
        price: Some(price),
        problem,
    })
}

fn price(offer: &Offer, days: Option<u16>, count: u32) -> Result<u64> {
    offer.require_count(count)?;
    let price = u64::try_from(offer.price_for(days)?.number()).unwrap_or(0);
    Ok(price.saturating_mul(u64::from(count)))
}

/// Puts something into a cart.
pub(crate) async fn put(user: &str, new: New) -> Result<(Cart, LineId)> {
    let new = new.check()?;
    let to = new.recipient(user).await?;
    for _ in tries() {
        let mut cart = of(user).await?;
        if cart.lines.len() >= MOST_LINES {
            let message = format!("a cart has {MOST_LINES} lines at most; order these first");
            return Err(Error::validation("item_id", message));
        }
        let offer = catalogue::offered(&new.item, time::now()).await?;
        grants::require_fit(&to, &offer.good, new.days).await?;
        let line = CartLine {
            id: LineId::new(),
            item: new.item.clone(),
            title: offer.good.title.clone(),
            days: new.days,
            count: new.count,
            user: to.clone(),
            note: new.note.clone(),
            price: price(&offer, new.days, new.count)?,
        };
        let known = |other: &CartLine| (&other.item, &other.user) == (&line.item, &line.user);
        if cart.lines.iter().any(known) {
            let message = "it is in the cart already; take that line out to change it";
            return Err(Error::conflict(message));
        }
        let id = line.id.clone();
        cart.lines.push(line);
        if let Some(cart) = kept(cart).await? {
            return Ok((cart, id));
        }
    }
    Err(busy())
}

/// Takes a line out of a cart.
pub(crate) async fn take_out(user: &str, id: &LineId) -> Result<()> {
    for _ in tries() {
        let mut cart = of(user).await?;
        let before = cart.lines.len();
        cart.lines.retain(|line| line.id != *id);
        if cart.lines.len() == before {
            return Err(Error::not_found("line"));
        }
        if kept(cart).await?.is_some() {
            return Ok(());
        }
    }
    Err(busy())
}

/// Empties a cart; nothing happens if it is.
pub(crate) async fn empty(user: &str) -> Result<()> {
    CARTS.update_one(json!({"_id": user}), emptied()).await?;
    Ok(())
}

/// Has a change empty a cart that is as it was read.
pub(crate) fn ordered(change: Transaction, cart: &Cart) -> Transaction {
    let as_read = json!({"_id": cart.user, "version": cart.version});
    change.update_one(&CARTS, as_read, emptied())
}

/// Has a change put into the cart again what nothing came of, if nobody has touched the cart since.
pub(crate) fn given_back(change: Transaction, order: &Order) -> Transaction {
    let Some(version) = order.cart else {
        return change;
    };
    let lines = order.lines.iter().map(|line| CartLine {
        id: line.id.clone(),
        item: line.good.item.clone(),
        title: line.good.title.clone(),
        days: line.days,
        count: line.count,
        user: line.user.clone(),
        note: line.note.clone(),
        price: line.price,
    });
    let lines: Vec<_> = lines.collect();
    change.update_many(
        &CARTS,
        json!({"_id": order.buyer, "version": version}),
        json!({"$set": {"lines": lines, "updated_at": time::now()}, "$inc": {"version": 1}}),
    )
}

/// It stays, so that no version of it comes twice.
fn emptied() -> Value {
    json!({"$set": {"lines": [], "updated_at": time::now()}, "$inc": {"version": 1}})
}

/// Writes a cart down, if it is still in the version that was read; none where it is not.
async fn kept(cart: Cart) -> Result<Option<Cart>> {
    let next = Cart {
        version: cart.version + 1,
        updated_at: time::now(),
        ..cart
    };
    let change = Transaction::new();
    let change = match next.version {
        1 => change.insert(&CARTS, &next),
        _ => {
            let as_read = json!({"_id": next.user, "version": next.version - 1});
            let set = json!({
                "lines": next.lines, "updated_at": next.updated_at, "version": next.version,
            });
            change.update_one(&CARTS, as_read, json!({"$set": set}))
        }
    };
    Ok(committed(change.commit().await)?.then_some(next))
}

// === impl New ===

impl New {
    fn check(self) -> Result<Self> {
        if !(1..=MOST_OF_ONE).contains(&self.count) {
            let message = format!("a whole number from 1 to {MOST_OF_ONE}");
            return Err(Error::validation("count", message));
        }
        if self
            .days
            .is_some_and(|days| !(1..=MOST_DAYS).contains(&days))
        {
            let message = format!("a whole number from 1 to {MOST_DAYS}");
            return Err(Error::validation("days", message));
        }
        let note = text::line("note", self.note.as_deref(), LONGEST_NOTE)?;
        Ok(Self { note, ..self })
    }

    /// The id of whom it is for.
    async fn recipient(&self, buyer: &str) -> Result<String> {
        let to = match self.user.as_deref() {
            Some(other) if other != buyer => recipient::find(other).await?,
            _ => buyer.to_owned(),
        };
        if self.note.is_some() && to == buyer {
            let message = "only with a gift: say whom it is for";
            return Err(Error::validation("note", message));
        }
        Ok(to)
    }
}

// === impl Sum ===

impl Sum {
    /// What is to be paid.
    pub(crate) fn total(&self) -> u64 {
        self.subtotal.saturating_sub(self.discount)
    }
}
