//! A user who is gone has nothing in a cart, and owns nothing. Their orders stay: they are the shop's books, and say
//! whose they were by an id alone.

use crate::commit::committed;
use crate::events::{self, Ended};
use crate::grants;
use crate::holding::Holding;
use crate::store::{ACTIVE, CARTS, GRANTS, HOLDINGS};
use sbd_sdk::Result;
use sbd_sdk::documents::Transaction;
use serde_json::json;

/// How many possessions are looked for at a time.
const AT_ONCE: u32 = 100;

/// Leaves nothing of a user who is gone.
pub(crate) async fn of(user: &str) -> Result<()> {
    let own = json!({"_id": user});
    let change = Transaction::new()
        .delete_many(&CARTS, own.clone())
        .delete_many(&ACTIVE, own);
    change.commit().await?;
    loop {
        let found = HOLDINGS.find(json!({"user_id": user})).limit(AT_ONCE);
        let found = found.fetch().await?.documents;
        if found.is_empty() {
            return Ok(());
        }
        for holding in &found {
            end(holding).await?;
        }
    }
}

/// Ends what was theirs, unless it changes at this moment; the components that sold it learn of it.
async fn end(holding: &Holding) -> Result<()> {
    let ids: Vec<_> = holding.parts.iter().map(|part| &part.grant).collect();
    let given = GRANTS.find(json!({"_id": {"$in": ids}})).fetch().await?;
    let change = given.documents.iter().fold(
        grants::gone(Transaction::new(), holding),
        |change, grant| events::ended(change, &grant.told(), Ended::OwnerGone),
    );
    committed(change.commit().await).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::market::Market;
    use sbd_sdk::Principal;

    #[test]
    fn whoever_is_gone_owns_nothing_and_wants_nothing() {
        let market = Market::new();
        let items = [market.item("Red", 40), market.item("Blue", 40)];
        for user in ["usr_4", "usr_5"] {
            market
                .buy(user, &items[0], json!({"total": 40}))
                .assert_status(201);
            let used = "/api/v1/shop/active/theme";
            let using = json!({"item_id": items[0]});
            market
                .app
                .signed_in(user)
                .put(used, using)
                .assert_status(200);
            market.put(user, &items[1], json!({})).assert_status(201);
        }
        let host = market.app.by(Principal::service("test", "shop"));
        for _ in 0..2 {
            let gone = json!({"user_id": "usr_4"});
            host.event("account.deleted", gone).assert_status(204);
        }
        assert_eq!(
            (market.owns("usr_4").len(), market.owns("usr_5").len()),
            (0, 1)
        );
        let left = |user: &str| {
            let app = &market.app;
            let active = app.run(ACTIVE.get(user)).unwrap().is_some();
            let cart = app.run(CARTS.get(user)).unwrap().is_some();
            (active, cart)
        };
        assert_eq!(
            (left("usr_4"), left("usr_5")),
            ((false, false), (true, true))
        );
        let told = market.app.published();
        let told = told.iter().filter(|event| event.kind == "shop.grant.ended");
        let why: Vec<_> = told.map(|event| &event.data["why"]).collect();
        assert_eq!(why, ["owner_gone"]);
        // What was paid stays in the books.
        assert_eq!(market.orders().len(), 2);
    }
}
