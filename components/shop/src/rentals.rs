//! What is rented: its owner is reminded a day before, and it ends by itself. Whoever rents it again before has it for
//! longer; whoever buys it, for good.

use crate::commit::committed;
use crate::events::{self, Ended};
use crate::grants;
use crate::holding::Holding;
use crate::store::{GRANTS, HOLDINGS};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Result, metrics, time};
use serde_json::{Value, json};

/// How many the schedule goes through at a time.
const AT_ONCE: u32 = 100;
/// How often it does so before others have their turn.
const TURNS: u32 = 10;

/// Ends what is over, reminds of what ends soon, and shows how much is running.
pub(crate) async fn settle() -> Result<()> {
    for _ in 0..TURNS {
        let over = json!({"until": {"$lte": time::now()}});
        let found = HOLDINGS.find(over).limit(AT_ONCE).fetch().await?.documents;
        if found.is_empty() {
            break;
        }
        for holding in &found {
            // One that is extended at this moment goes on.
            end(holding).await?;
        }
    }
    for _ in 0..TURNS {
        let now = time::now();
        let soon = json!({"remind_at": {"$lte": now}, "until": {"$gt": now}});
        let found = HOLDINGS.find(soon).limit(AT_ONCE).fetch().await?.documents;
        if found.is_empty() {
            break;
        }
        for holding in &found {
            remind(holding).await?;
        }
    }
    metrics::set("shop_rentals_active", &[], active().await?).await;
    Ok(())
}

/// How many rentals are running now.
pub(crate) async fn active() -> Result<u64> {
    let running = json!({"until": {"$gt": time::now()}});
    Ok(HOLDINGS.count(running).await?)
}

/// Ends what is somebody's no more; whether it is done, and not changed at the same moment.
pub(crate) async fn end(holding: &Holding) -> Result<bool> {
    let ids: Vec<_> = holding.parts.iter().map(|part| &part.grant).collect();
    let given = GRANTS.find(json!({"_id": {"$in": ids}})).fetch().await?;
    let mut change = grants::gone(Transaction::new(), holding);
    for grant in &given.documents {
        change = events::ended(change, &grant.told(), Ended::Expired);
    }
    let title = format!("\"{}\" was rented until now", holding.title);
    change = noticed(change, holding, "shop.rental.ended", &title, "");
    let done = committed(change.commit().await)?;
    if done {
        metrics::count("shop_rentals_total", &[("change", "ended")]).await;
    }
    Ok(done)
}

async fn remind(holding: &Holding) -> Result<()> {
    let as_read = json!({"_id": holding.id, "version": holding.version});
    let reminded = json!({"$set": {"remind_at": null}});
    let change = Transaction::new().update_one(&HOLDINGS, as_read, reminded);
    let until = holding
        .until
        .map(|until| until.to_string())
        .unwrap_or_default();
    let title = format!("\"{}\" is rented until {until}", holding.title);
    let again = match holding.renewal {
        Some(term) => format!(
            "It is rented again for {} days and {} tokens.",
            term.days,
            term.price.number()
        ),
        None => String::new(),
    };
    let change = noticed(change, holding, "shop.rental.ending", &title, &again);
    committed(change.commit().await).map(drop)
}

/// Has a change tell whoever rents it.
pub(crate) fn noticed(
    change: Transaction,
    holding: &Holding,
    kind: &str,
    title: &str,
    body: &str,
) -> Transaction {
    let until = json!(holding.until);
    let unique = format!("{}/{}", holding.id, until.as_str().unwrap_or_default());
    let notice: Value = json!({
        "user": holding.user_id, "kind": kind, "title": title, "body": body, "link": "/shop/inventory",
        "data": {"item_id": holding.item_id, "until": until},
        // Of each kind once for each end.
        "unique": format!("{kind}/{unique}"),
    });
    change.publish("notification.requested", Some(&holding.user_id), &notice)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::market::Market;
    use sbd_sdk::Principal;
    use serde_json::json;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Ten days, from the order on: their owner is reminded on the ninth, if anybody looks then.
    #[test]
    fn a_rental_is_reminded_of_and_ends_however_the_clock_jumps() {
        for (jumps, reminders) in [
            (&[1; 12][..], 1),
            (&[9, 1, 1], 1),
            (&[3, 6, 3], 1),
            (&[8, 3], 0),
            (&[400], 0),
        ] {
            let market = Market::new();
            let red = market.item("Red", 1000);
            market
                .put("usr_2", &red, json!({"days": 10}))
                .assert_status(201);
            market
                .send("usr_2", "orders", json!({"total": 100}))
                .assert_status(201);
            let told = |kind: &str| {
                let all = market.app.published().into_iter();
                all.filter(|event| event.data["kind"] == kind).count()
            };
            let mut days = 0;
            for jump in jumps {
                days += jump;
                market.advance(DAY * *jump);
                // However often it is looked at, it is told once.
                for _ in 0..2 {
                    let itself = market.app.by(Principal::service("test", "shop"));
                    itself.tick("settle-rentals").assert_status(200);
                }
                let is_over = days >= 10;
                assert_eq!(market.owns("usr_2").is_empty(), is_over, "{jumps:?} {days}");
                assert_eq!(told("shop.rental.ended"), usize::from(is_over));
                let running = market.app.counted("shop_rentals_active", &[]);
                assert_eq!(running, u64::from(!is_over));
            }
            assert_eq!(told("shop.rental.ending"), reminders, "{jumps:?}");
            let ended = market.app.published().into_iter();
            let mut ended = ended.filter(|event| event.kind == "shop.grant.ended");
            assert_eq!(ended.next().unwrap().data["why"], "expired");
            assert!(ended.next().is_none());
            // It is over, and can be rented anew.
            market
                .put("usr_2", &red, json!({"days": 10}))
                .assert_status(201);
            assert_eq!(market.balance("usr_2"), (900, 0));
        }
    }
}
