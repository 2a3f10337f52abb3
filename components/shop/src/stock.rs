//! How many of an item are left, and how many each buyer may have: conditions of the commit that takes them.

use crate::item::{ItemId, MOST_STOCK, Offer};
use crate::store::{ITEMS, TAKEN, Taken};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;

/// Has a change take all that an order is of, as long as each is offered as it was when `offers` were read. What
/// cannot be taken is refused here already; where others are quicker, the commit fails, and whoever reads the offers
/// again learns why.
pub(crate) async fn reserve(
    mut change: Transaction,
    buyer: &str,
    lines: &[(&Offer, u32)],
) -> Result<Transaction> {
    let mut unchanged = Vec::new();
    for (offer, count) in by_item(lines) {
        let item = &offer.good.item;
        let as_read = json!({"_id": item, "version": offer.version, "listed": true});
        match offer.stock {
            Some(stock) if stock < u64::from(count) => return Err(sold_out(offer, stock)),
            Some(_) => {
                let mut enough = as_read;
                enough["stock"] = json!({"$gte": count});
                let taken = json!({"$inc": {"stock": -i64::from(count)}});
                change = change.update_one(&ITEMS, enough, taken);
            }
            None => unchanged.push(as_read),
        }
        if let Some(most) = offer.per_buyer {
            change = take(change, item, buyer, (count, most)).await?;
        }
    }
    // However many there are, one step sees that none of them has changed.
    let all = u64::try_from(unchanged.len()).unwrap_or(u64::MAX);
    Ok(match unchanged.is_empty() {
        true => change,
        false => change.check(&ITEMS, json!({"$or": unchanged}), all),
    })
}

/// Has a change give back what [`reserve`] took.
pub(crate) fn give_back(
    mut change: Transaction,
    buyer: &str,
    lines: &[(&ItemId, u32)],
) -> Transaction {
    let mut counts: BTreeMap<&ItemId, u32> = BTreeMap::new();
    for (item, count) in lines {
        let sum = counts.entry(item).or_default();
        *sum = sum.saturating_add(*count);
    }
    for (item, count) in counts {
        // One without an end has none to go up; nor one that was deleted.
        let counted = json!({"_id": item, "stock": {"$gte": 0}});
        change = change
            .update_many(&ITEMS, counted, json!({"$inc": {"stock": count}}))
            .update_many(
                &TAKEN,
                json!({"_id": taken_id(item, buyer), "count": {"$gte": count}}),
                json!({"$inc": {"count": -i64::from(count)}}),
            );
    }
    change
}

/// Counts what a buyer takes of an item that each may have only so many of.
async fn take(
    change: Transaction,
    item: &ItemId,
    buyer: &str,
    (count, most): (u32, u32),
) -> Result<Transaction> {
    let id = taken_id(item, buyer);
    let known = TAKEN.get(&id).await?;
    let before = known.as_ref().map_or(0, |taken| taken.count);
    let after = before.saturating_add(count);
    if after > most {
        let message = format!("each buyer may have {most} of this item, and you have {before}");
        return Err(Error::conflict(message));
    }
    if known.is_none() {
        return Ok(change.insert(&TAKEN, &Taken { id, count }));
    }
    let as_read = json!({"_id": id, "count": before});
    Ok(change.update_one(&TAKEN, as_read, json!({"$set": {"count": after}})))
}

fn taken_id(item: &ItemId, buyer: &str) -> String {
    format!("{item}/{buyer}")
}

fn by_item<'a>(lines: &[(&'a Offer, u32)]) -> Vec<(&'a Offer, u32)> {
    let mut sums: Vec<(&Offer, u32)> = Vec::new();
    for (offer, count) in lines {
        match sums
            .iter_mut()
            .find(|(known, _)| known.good.item == offer.good.item)
        {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => sums.push((offer, *count)),
        }
    }
    sums
}

fn sold_out(offer: &Offer, stock: u64) -> Error {
    let title = &offer.good.title;
    Error::conflict(match stock {
        0 => format!("\"{title}\" is sold out"),
        left => format!("only {left} of \"{title}\" are left; take less of it"),
    })
}

/// A number of pieces, if there can be so many.
pub(crate) fn checked(field: &str, stock: Option<u64>) -> Result<Option<u64>> {
    match stock {
        Some(stock) if stock > MOST_STOCK => Err(Error::validation(
            field,
            format!(
                "a whole number from 0 to {MOST_STOCK}; without it there is no end to the item"
            ),
        )),
        stock => Ok(stock),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::catalogue;
    use crate::shelf::{ITEMS, Shelf};

    fn offer(shelf: &Shelf, item: &str) -> Offer {
        let id = item.parse().unwrap();
        shelf
            .app
            .run(catalogue::offered(&id, shelf.app.now()))
            .unwrap()
    }

    fn take(
        shelf: &Shelf,
        buyer: &str,
        lines: &[(&Offer, u32)],
    ) -> std::result::Result<(), String> {
        shelf.app.run(async {
            let change = reserve(Transaction::new(), buyer, lines).await;
            let change = change.map_err(|error| error.message().to_owned())?;
            change
                .commit()
                .await
                .map(drop)
                .map_err(|_| "overtaken".to_owned())
        })
    }

    #[test]
    fn of_one_there_is_one_however_many_want_it() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({"left": 1}));
        let before = offer(&shelf, &item);
        let taken = (0..100)
            .filter(|number| take(&shelf, &format!("usr_{number}"), &[(&before, 1)]).is_ok());
        assert_eq!(taken.count(), 1);
        let now = offer(&shelf, &item);
        assert_eq!(now.stock, Some(0));
        assert!(
            take(&shelf, "usr_9", &[(&now, 1)])
                .unwrap_err()
                .contains("sold out")
        );
        let back = give_back(Transaction::new(), "usr_0", &[(&now.good.item, 1)]);
        shelf.app.run(back.commit()).unwrap();
        assert_eq!(offer(&shelf, &item).stock, Some(1));
    }

    #[test]
    fn whoever_buys_at_another_price_reads_again() {
        let shelf = Shelf::new();
        let (limited, endless) = (shelf.item(json!({"left": 5})), shelf.item(json!({})));
        for item in [limited, endless] {
            let before = offer(&shelf, &item);
            shelf
                .keeper()
                .put(
                    &format!("{ITEMS}/{item}"),
                    Shelf::said(json!({"price": 41})),
                )
                .assert_status(200);
            assert_eq!(
                take(&shelf, "usr_1", &[(&before, 1)]).unwrap_err(),
                "overtaken"
            );
            take(&shelf, "usr_1", &[(&offer(&shelf, &item), 1)]).unwrap();
        }
    }

    #[test]
    fn each_buyer_has_as_many_as_they_may() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({"per_buyer": 2}));
        let offer = offer(&shelf, &item);
        take(&shelf, "usr_1", &[(&offer, 1)]).unwrap();
        assert!(
            take(&shelf, "usr_1", &[(&offer, 1), (&offer, 1)])
                .unwrap_err()
                .contains("you have 1")
        );
        take(&shelf, "usr_1", &[(&offer, 1)]).unwrap();
        assert!(take(&shelf, "usr_1", &[(&offer, 1)]).is_err());
        take(&shelf, "usr_2", &[(&offer, 2)]).unwrap();
        let back = give_back(Transaction::new(), "usr_1", &[(&offer.good.item, 1)]);
        shelf.app.run(back.commit()).unwrap();
        take(&shelf, "usr_1", &[(&offer, 1)]).unwrap();
    }
}
