//! What is rented again by itself, an hour before its end, out of its owner's own account, as long as the price is the
//! one that they have agreed to. Whatever stands in the way is told, and nothing is tried again.
//!
//! A task for the user orders it, once for each end (`checkout`): whoever dies, it is ordered once.

use crate::cart::CartLine;
use crate::catalogue;
use crate::checkout::{self, Wanted};
use crate::commit::{busy, committed, tries};
use crate::holding::Holding;
use crate::inventory;
use crate::item::{ItemId, MOST_DAYS, Term};
use crate::model::LineId;
use crate::rentals;
use crate::saga::State;
use crate::store::HOLDINGS;
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// How long before its end something is rented again.
const BEFORE: Duration = Duration::from_secs(60 * 60);
/// As far ahead as a task can be set; it looks then, and is set again.
const FAR: Duration = Duration::from_secs(300 * 24 * 60 * 60);
/// When it is looked at again what became of an order that others have to do something for.
const AGAIN: Duration = Duration::from_secs(20 * 60);

/// Which end a task is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    item_id: ItemId,
    until: Time,
}

/// Has what the caller rents be rented again by itself, as it is offered now; or not any more.
pub(crate) async fn set(caller: &Caller, item: &ItemId, term: Option<Term>) -> Result<Holding> {
    if let Some(term) = term {
        if !(1..=MOST_DAYS).contains(&term.days) {
            let message = format!("1 to {MOST_DAYS} days, as it is offered");
            return Err(Error::validation("days", message));
        }
        let offer = catalogue::offered(item, time::now()).await?;
        if offer.price_for(Some(term.days))? != term.price {
            let message = "it is offered at another price now; look at the item again";
            return Err(Error::new(StatusCode::CONFLICT, "PRICE_CHANGED", message));
        }
    }
    for _ in tries() {
        let holding = inventory::holding(&caller.user, item).await?;
        let holding = holding.ok_or_else(|| Error::not_found("rental"))?;
        let until = holding.until.ok_or_else(|| Error::not_found("rental"))?;
        if let Some(holding) = agreed(&holding, term).await? {
            if term.is_some() {
                enqueue(&holding, until).await?;
            }
            return Ok(holding);
        }
    }
    Err(busy())
}

/// Rents again what ends soon, if that is still wanted.
pub(crate) async fn renew(caller: &Caller, about: &About) -> Result<()> {
    let holding = inventory::holding(&caller.user, &about.item_id).await?;
    let Some(holding) = holding else {
        return Ok(());
    };
    let (Some(term), Some(until)) = (holding.renewal, holding.until) else {
        return Ok(());
    };
    if until != about.until || until.since(time::now()) > BEFORE {
        // It was extended meanwhile, or its end is far.
        return enqueue(&holding, until).await;
    }
    let ordered = checkout::order(caller, &key(about), &wanted(&holding, term)).await;
    let why = match ordered {
        // Another component is asked first: what came of it is seen when it has answered, or its time is over.
        Ok(made) if made.order.state != State::Completed => {
            return enqueue_in(&holding, until, AGAIN).await;
        }
        Ok(_) => {
            let extended = inventory::holding(&caller.user, &about.item_id).await?;
            return match extended.and_then(|holding| holding.until) {
                Some(until) if until > about.until => enqueue(&holding, until).await,
                _ => Ok(()),
            };
        }
        Err(error) if error.status().is_client_error() => error,
        Err(error) => return Err(error),
    };
    let title = format!("\"{}\" is not rented again", holding.title);
    for _ in tries() {
        let Some(holding) = inventory::holding(&caller.user, &about.item_id).await? else {
            return Ok(());
        };
        let change = changed(&holding, None);
        let change = rentals::noticed(
            change,
            &holding,
            "shop.rental.not_renewed",
            &title,
            why.message(),
        );
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// What is ordered: the same item for the agreed time.
fn wanted(holding: &Holding, term: Term) -> Wanted {
    let price = u64::try_from(term.price.number()).unwrap_or(0);
    Wanted {
        total: price,
        payer: None,
        voucher: None,
        line: Some(CartLine {
            id: LineId::new(),
            item: holding.item_id.clone(),
            title: holding.title.clone(),
            days: Some(term.days),
            count: 1,
            user: holding.user_id.clone(),
            note: None,
            price,
        }),
    }
}

/// By which it is ordered once for each end.
fn key(about: &About) -> String {
    format!("renewal/{}/{}", about.item_id, about.until)
}

async fn agreed(holding: &Holding, term: Option<Term>) -> Result<Option<Holding>> {
    let done = committed(changed(holding, term).commit().await)?;
    Ok(done.then(|| Holding {
        renewal: term,
        version: holding.version + 1,
        ..holding.clone()
    }))
}

fn changed(holding: &Holding, term: Option<Term>) -> Transaction {
    let as_read = json!({"_id": holding.id, "version": holding.version});
    let set = json!({"$set": {"renewal": term}, "$inc": {"version": 1}});
    Transaction::new().update_one(&HOLDINGS, as_read, set)
}

/// Has it looked at an hour before its end, for the user who asks; once, however often this is said.
async fn enqueue(holding: &Holding, until: Time) -> Result<()> {
    let delay = (until - BEFORE).since(time::now());
    enqueue_in(holding, until, delay.min(FAR)).await
}

async fn enqueue_in(holding: &Holding, until: Time, delay: Duration) -> Result<()> {
    let about = About {
        item_id: holding.item_id.clone(),
        until,
    };
    let task = New::of("renew-rental", &about)?.for_user();
    let task = task.unique(format!("{}/{}", holding.id, time::now() + delay));
    task.delay(delay).enqueue().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::market::{Market, SHOP};
    use sbd_sdk::testing::Reply;
    use sbd_sdk::{Principal, Tokens};
    use serde_json::Value;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// `usr_4` rents an item for ten days, at 4 tokens.
    fn rented() -> (Market, ItemId) {
        let market = Market::new();
        let item = market.item("Red", 40);
        market
            .put("usr_4", &item, json!({"days": 10}))
            .assert_status(201);
        market
            .send("usr_4", "orders", json!({"total": 4}))
            .assert_status(201);
        (market, item)
    }

    fn renew(market: &Market, item: &ItemId, body: Value) -> Reply {
        let path = format!("{SHOP}/inventory/{item}/renewal");
        market.app.signed_in("usr_4").put(&path, body)
    }

    /// The last hour has begun, and then the end has come.
    fn end(market: &Market) {
        market.advance(DAY * 10 - BEFORE);
        market.app.run_tasks();
        market.advance(BEFORE);
        let host = market.app.by(Principal::service("test", "shop"));
        host.tick("settle-rentals").assert_status(200);
    }

    fn told(market: &Market) -> Vec<String> {
        let all = market.app.published().into_iter();
        let notices = all.filter(|event| event.data["kind"] == "shop.rental.not_renewed");
        notices
            .map(|event| event.data["body"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_is_rented_is_rented_again_until_that_is_not_wanted() {
        let (market, item) = rented();
        renew(&market, &item, json!({"days": 10, "price": 5})).assert_refused(409, "PRICE_CHANGED");
        renew(&market, &item, json!({"days": 9, "price": 4})).assert_refused(409, "CONFLICT");
        for _ in 0..2 {
            let agreed = renew(&market, &item, json!({"days": 10, "price": 4})).assert_status(200);
            assert_eq!(agreed["renewal"], json!({"days": 10, "price": 4}));
        }
        for times in 2..4 {
            end(&market);
            // Asked for twice, it is paid once.
            market.app.run_tasks();
            assert_eq!(
                (market.owns("usr_4"), market.balance("usr_4")),
                (vec!["Red".to_owned()], (1000 - 4 * times, 0))
            );
        }
        let path = format!("{SHOP}/inventory/{item}/renewal");
        market
            .app
            .signed_in("usr_4")
            .delete(&path)
            .assert_status(204);
        end(&market);
        assert!(market.owns("usr_4").is_empty());
        assert_eq!(
            (market.balance("usr_4"), told(&market).len()),
            ((988, 0), 0)
        );
        market
            .app
            .signed_in("usr_4")
            .delete(&path)
            .assert_refused(404, "NOT_FOUND");
        renew(&market, &item, json!({"days": 10, "price": 4})).assert_refused(404, "NOT_FOUND");
        market.assert_settled();
    }

    #[test]
    fn at_another_price_or_without_tokens_it_ends_and_is_told() {
        for (price, why) in [(Some(50), "not"), (None, "balance")] {
            let (market, item) = rented();
            renew(&market, &item, json!({"days": 10, "price": 4})).assert_status(200);
            match price {
                Some(_) => {
                    let change = json!({"$set": {"rentals": [Term { days: 10, price: Tokens::new(5).unwrap() }]}, "$inc": {"version": 1}});
                    market
                        .app
                        .run(crate::store::ITEMS.update_one(json!({"_id": item}), change))
                        .unwrap();
                }
                None => {
                    let other = market.item("All", 996);
                    market
                        .buy("usr_4", &other, json!({"total": 996}))
                        .assert_status(201);
                }
            }
            let before = market.balance("usr_4");
            end(&market);
            market.app.run_tasks();
            assert!(!market.owns("usr_4").contains(&"Red".to_owned()));
            assert_eq!(
                (market.balance("usr_4"), told(&market).len()),
                (before, 1),
                "{why}"
            );
        }
    }

    #[test]
    fn what_another_component_grants_is_extended_when_it_confirms() {
        let market = Market::new();
        let courses = market.app.by(Principal::service("test", "courses"));
        let body = json!({"title": "A lesson"});
        courses
            .put(&format!("{SHOP}/kinds/lesson"), body)
            .assert_status(200);
        let item = market.offer("Red", 40, |item| {
            item.draft.kind = "courses.lesson".to_owned().try_into().unwrap();
        });
        let confirm = || {
            let mut asked = market.app.published().into_iter();
            let asked = asked
                .rfind(|event| event.kind == "shop.grant.requested")
                .unwrap();
            let path = format!(
                "{SHOP}/grants/{}/confirmation",
                asked.data["grant_id"].as_str().unwrap()
            );
            courses.post(&path, json!({})).assert_status(200);
            market.hear();
        };
        market
            .put("usr_4", &item, json!({"days": 10}))
            .assert_status(201);
        market
            .send("usr_4", "orders", json!({"total": 4}))
            .assert_status(201);
        confirm();
        renew(&market, &item, json!({"days": 10, "price": 4})).assert_status(200);
        for times in 2..4 {
            market.advance(DAY * 10 - BEFORE);
            market.app.run_tasks();
            confirm();
            market.advance(AGAIN);
            market.app.run_tasks();
            market.advance(BEFORE - AGAIN);
            assert_eq!(market.balance("usr_4"), (1000 - 4 * times, 0));
            let held = market.app.run(inventory::holding("usr_4", &item)).unwrap();
            assert!(held.unwrap().until.unwrap().since(market.app.now()) > DAY * 9);
        }
    }
}
