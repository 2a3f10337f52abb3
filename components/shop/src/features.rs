//! Features of the application that are sold: on for whoever has them, for good or until their rent ends, where the
//! feature itself names the shop as one that grants it, and no operator has switched it off.
//!
//! What somebody has is in their holdings; here the host is told of it, whenever that has changed (`shop.grant.granted`
//! and `.ended`), and every night of all of it. It is told what is so, and not what has changed: so it may be told twice,
//! and late.

use crate::holding::Holding;
use crate::item::Good;
use crate::kinds::Kind;
use crate::store::HOLDINGS;
use sbd_sdk::features::{self, Granted};
use sbd_sdk::{Error, Result};
use serde_json::json;
use std::collections::BTreeSet;

/// Holdings that are read at once.
const AT_ONCE: u32 = 1000;

const NOT_SOLD: &str = "the feature is not for sale any more";

/// Refuses an item of a feature that the shop does not grant.
pub(crate) async fn require_sold(kind: &Kind, reference: Option<&str>) -> Result<()> {
    if *kind != Kind::Feature {
        return Ok(());
    }
    let sold = features::grantable().await?;
    match reference {
        Some(name) if sold.iter().any(|sold| sold == name) => Ok(()),
        _ => Err(Error::validation(
            "reference",
            match sold.is_empty() {
                true => "the full name of a feature that is sold, of which there is none; its component says so in its manifest, by `granted_by = [\"shop\"]`".to_owned(),
                false => format!("the full name of a feature that is sold: {}", sold.join(", ")),
            },
        )),
    }
}

/// Why something is not given, if it is, or contains, a feature that is not sold any more.
pub(crate) async fn refusal(good: &Good) -> Result<Option<&'static str>> {
    for good in std::iter::once(good).chain(&good.contains) {
        match require_sold(&good.kind, good.reference.as_deref()).await {
            Err(error) if error.status().is_client_error() => return Ok(Some(NOT_SOLD)),
            sold => sold?,
        }
    }
    Ok(None)
}

/// Has the host know what somebody has of a feature now.
pub(crate) async fn tell(user: &str, feature: &str) -> Result<()> {
    if !features::grantable()
        .await?
        .iter()
        .any(|sold| sold == feature)
    {
        return Ok(());
    }
    // Several items may be of the same feature.
    let theirs = json!({"user_id": user, "kind": Kind::Feature, "reference": feature});
    let theirs = HOLDINGS.find(theirs).limit(AT_ONCE).fetch().await?;
    let longest = theirs
        .documents
        .iter()
        .map(had)
        .max_by_key(|had| match had {
            Granted::No => (0, None),
            Granted::Until(time) => (1, Some(*time)),
            Granted::ForGood => (2, None),
        });
    features::grant(feature, user, longest.unwrap_or(Granted::No)).await
}

/// Has the host know what everybody has: whatever was not told, or forgotten, as with a tenant that was moved.
pub(crate) async fn tell_all() -> Result<()> {
    let mut told = BTreeSet::new();
    let mut cursor = None;
    loop {
        let found = HOLDINGS
            .find(json!({"kind": Kind::Feature}))
            .sort(json!({"user_id": 1}))
            .limit(AT_ONCE)
            .after(cursor)
            .fetch()
            .await?;
        for holding in found.documents {
            let Some(feature) = holding.reference else {
                continue;
            };
            if !told.contains(&(holding.user_id.clone(), feature.clone())) {
                tell(&holding.user_id, &feature).await?;
                told.insert((holding.user_id, feature));
            }
        }
        cursor = found.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn had(holding: &Holding) -> Granted {
    match holding.until {
        None => Granted::ForGood,
        Some(until) => Granted::Until(until),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::item::ItemId;
    use crate::kinds::Kind;
    use crate::market::{Market, SHOP};
    use crate::saga::State;
    use crate::shelf::Shelf;
    use sbd_sdk::Principal;
    use serde_json::json;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const COLOURS: &str = "notes.colours";

    /// An item of a feature that the shop grants; 100 for ten days.
    fn colours(market: &Market, title: &str) -> ItemId {
        market.app.grants(COLOURS, true);
        market.offer(title, 1000, |item| {
            item.draft.kind = Kind::Feature;
            item.draft.reference = Some(COLOURS.to_owned());
        })
    }

    fn has(market: &Market, user: &str) -> bool {
        market.hear();
        market.app.has_feature(COLOURS, user)
    }

    #[test]
    fn a_feature_is_on_for_whoever_has_bought_it_until_it_is_paid_back() {
        let market = Market::new();
        let item = colours(&market, "Colours");
        market
            .put("usr_2", &item, json!({"for": "bob"}))
            .assert_status(201);
        assert!(!has(&market, "usr_3"));
        let order = market.send("usr_2", "orders", json!({"total": 1000}));
        let order = order.assert_status(201);
        assert!(has(&market, "usr_3") && !has(&market, "usr_2"));
        let path = format!("{SHOP}/orders/{}/refunds", order.text("id"));
        let root = market.root(&market.app).with_header("idempotency-key", "r");
        root.post(&path, json!({})).assert_status(201);
        assert!(!has(&market, "usr_3"));
        market.assert_settled();
    }

    #[test]
    fn a_rented_one_is_on_as_long_as_the_longest_of_what_somebody_has() {
        let market = Market::new();
        let (one, other) = (colours(&market, "One"), colours(&market, "Other"));
        let rent = |item: &ItemId| {
            market
                .put("usr_2", item, json!({"days": 10}))
                .assert_status(201);
            market
                .send("usr_2", "orders", json!({"total": 100}))
                .assert_status(201)
        };
        rent(&one);
        assert!(has(&market, "usr_2"));
        market.advance(DAY * 5);
        let order = rent(&other);
        rent(&other);
        // The first one is over, and the second one pays back half of what it has.
        let settle = |days: u32| {
            market.advance(DAY * days);
            let itself = market.app.by(Principal::service("test", "shop"));
            itself.tick("settle-rentals").assert_status(200);
            has(&market, "usr_2")
        };
        assert!(settle(6));
        let path = format!("orders/{}/refunds", order.text("id"));
        market.send("usr_2", &path, json!({})).assert_status(201);
        assert!(has(&market, "usr_2"));
        assert!(settle(9));
        // It ends by itself, before anybody looks.
        market.advance(DAY);
        assert!(!market.app.has_feature(COLOURS, "usr_2"));
        assert!(!settle(1));
        market.assert_settled();
    }

    #[test]
    fn what_is_not_sold_any_more_is_not_paid() {
        let market = Market::new();
        let item = colours(&market, "Colours");
        market.put("usr_2", &item, json!({})).assert_status(201);
        market.app.grants(COLOURS, false);
        market
            .send("usr_2", "orders", json!({"total": 1000}))
            .assert_refused(409, "NOT_DELIVERED");
        assert_eq!(market.orders()[0].state, State::Undone);
        market.assert_settled();
        // Nor is it offered.
        let shelf = Shelf::new();
        let body = json!({"kind": "feature", "reference": COLOURS});
        shelf
            .create(body.clone())
            .assert_refused(422, "VALIDATION_ERROR");
        shelf.app.grants(COLOURS, true);
        shelf.create(body).assert_status(201);
        for wrong in [json!(null), json!("notes"), json!("colours")] {
            shelf
                .create(json!({"kind": "feature", "reference": wrong}))
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn what_the_host_has_forgotten_it_is_told_at_night() {
        let market = Market::new();
        let item = colours(&market, "Colours");
        market
            .buy("usr_2", &item, json!({"total": 1000}))
            .assert_status(201);
        assert!(has(&market, "usr_2"));
        market.app.grants(COLOURS, false);
        market.app.grants(COLOURS, true);
        assert!(!has(&market, "usr_2"));
        let itself = market.app.by(Principal::service("test", "shop"));
        itself.tick("tell-features").assert_status(200);
        assert!(has(&market, "usr_2"));
    }
}
