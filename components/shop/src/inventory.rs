//! What somebody has, and which of it is in use.

use crate::catalogue;
use crate::commit::{busy, committed, tries};
use crate::holding::{Holding, holding_id};
use crate::item::{Item, ItemId};
use crate::kinds::Kind;
use crate::store::{ACTIVE, Active, HOLDINGS};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// What an inventory is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShopInventorySort)]
pub(crate) enum HoldingSort {
    /// Since when it is theirs.
    #[default]
    Since,
    /// Until when.
    Until,
}

/// Which of what somebody has.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoldingFilter {
    /// Only what is of this kind.
    #[param(value_type = Option<String>, example = "theme")]
    kind: Option<Kind>,
    /// Only what is rented, or what is theirs for good.
    rented: Option<bool>,
}

impl Sort for HoldingSort {
    const ITEMS: &'static str = "holdings";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::Since => "since",
            Self::Until => "until",
        }
    }
}

/// A page of what the caller has.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<HoldingSort, HoldingFilter>,
) -> Result<Page<Holding>> {
    let mut filter = json!({"user_id": caller.user});
    if let Some(kind) = &listing.filter.kind {
        filter["kind"] = json!(kind);
    }
    // What has ended is there until the schedule puts it away.
    let (ever, rented) = (
        json!({"until": null}),
        json!({"until": {"$gt": time::now()}}),
    );
    filter["$or"] = match listing.filter.rented {
        None => json!([ever, rented]),
        Some(true) => json!([rented]),
        Some(false) => json!([ever]),
    };
    HOLDINGS.find(filter).page(listing).await
}

/// What somebody has of an item now.
pub(crate) async fn holding(user: &str, item: &ItemId) -> Result<Option<Holding>> {
    let holding = HOLDINGS.get(&holding_id(user, item)).await?;
    Ok(holding.filter(|holding| holding.is_live(time::now())))
}

/// An item whose file the caller may download: they have it, or keep the catalogue.
pub(crate) async fn downloadable(caller: &Caller, id: &ItemId, keeps: bool) -> Result<Item> {
    if !keeps && holding(&caller.user, id).await?.is_none() {
        return Err(Error::not_found("file"));
    }
    catalogue::get(id).await
}

/// Which of what somebody has is in use.
pub(crate) async fn active(user: &str) -> Result<Active> {
    let mut active = ACTIVE.get(user).await?.unwrap_or_else(|| Active {
        user_id: user.to_owned(),
        ..Active::default()
    });
    // What has ended a moment ago is in use no more.
    for used in [&mut active.theme, &mut active.avatar, &mut active.banner] {
        if let Some(item) = used
            && holding(user, item).await?.is_none()
        {
            *used = None;
        }
    }
    Ok(active)
}

/// Uses what the caller has.
pub(crate) async fn activate(caller: &Caller, kind: &Kind, item: &ItemId) -> Result<Active> {
    let field = used_field(kind)?;
    for _ in tries() {
        let held = holding(&caller.user, item).await?;
        let held = held.filter(|held| held.kind == *kind);
        let held = held.ok_or_else(|| {
            Error::validation("item_id", format!("one of your own of the kind `{kind}`"))
        })?;
        let none = Active {
            user_id: caller.user.to_string(),
            ..Active::default()
        };
        if ACTIVE.count(json!({"_id": caller.user})).await? == 0 {
            committed(Transaction::new().insert(&ACTIVE, &none).commit().await)?;
        }
        let change = Transaction::new()
            .check(
                &HOLDINGS,
                json!({"_id": held.id, "version": held.version}),
                1,
            )
            .update_one(
                &ACTIVE,
                json!({"_id": caller.user}),
                json!({"$set": {(&*field): item}}),
            );
        if committed(change.commit().await)? {
            return active(&caller.user).await;
        }
    }
    Err(busy())
}

/// Uses nothing of a kind any more.
pub(crate) async fn deactivate(caller: &Caller, kind: &Kind) -> Result<()> {
    let field = used_field(kind)?;
    let own = json!({"_id": caller.user});
    ACTIVE
        .update_one(own, json!({"$unset": {(field): ""}}))
        .await?;
    Ok(())
}

fn used_field(kind: &Kind) -> Result<String> {
    match kind.is_used() {
        true => Ok(kind.to_string()),
        false => Err(Error::not_found("kind")),
    }
}

#[cfg(test)]
mod tests {
    use crate::shelf::{INVENTORY, Shelf};
    use serde_json::{Value, json};

    const ACTIVE: &str = "/api/v1/shop/active";

    #[test]
    fn only_ones_own_is_used_and_only_as_long() {
        let shelf = Shelf::new();
        let (theme, avatar) = (
            shelf.item(json!({})),
            shelf.item(json!({"kind": "avatar", "title": "A cat"})),
        );
        let (ada, bob) = (shelf.app.signed_in("usr_1"), shelf.app.signed_in("usr_2"));
        let line = shelf.give("usr_1", &theme, None);
        shelf.give("usr_1", &avatar, None);
        let put =
            |kind: &str, item: &str| ada.put(&format!("{ACTIVE}/{kind}"), json!({"item_id": item}));
        assert_eq!(put("theme", &theme).assert_status(200)["theme"], theme);
        let both = put("avatar", &avatar).assert_status(200);
        assert_eq!(
            (&both["theme"], &both["avatar"]),
            (&json!(theme), &json!(avatar))
        );
        put("banner", &avatar).assert_refused(422, "VALIDATION_ERROR");
        for kind in ["bundle", "file", "x", "$set", "courses.lesson"] {
            put(kind, &avatar).assert_refused(404, "NOT_FOUND");
        }
        let other = bob.put(&format!("{ACTIVE}/theme"), json!({"item_id": theme}));
        other.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(bob.get(ACTIVE).assert_status(200)["theme"], Value::Null);
        shelf.take_back(&line);
        let left = ada.get(ACTIVE).assert_status(200);
        assert_eq!(
            (&left["theme"], &left["avatar"]),
            (&Value::Null, &json!(avatar))
        );
        ada.delete(&format!("{ACTIVE}/avatar")).assert_status(204);
        ada.delete(&format!("{ACTIVE}/avatar")).assert_status(204);
        assert_eq!(ada.get(ACTIVE)["avatar"], Value::Null);
    }

    #[test]
    fn an_inventory_is_listed_by_kind_and_by_what_is_rented() {
        let shelf = Shelf::new();
        let theme = shelf.item(json!({"rentals": [{"days": 7, "price": 3}]}));
        let avatar = shelf.item(json!({"kind": "avatar", "title": "A cat"}));
        shelf.give("usr_1", &theme, Some(7));
        shelf.give("usr_1", &avatar, None);
        let ada = shelf.app.signed_in("usr_1");
        for (query, expected) in [
            ("", 2),
            ("kind=avatar", 1),
            ("rented=true", 1),
            ("rented=false", 1),
            ("kind=banner", 0),
        ] {
            let found = ada.get(&format!("{INVENTORY}?{query}")).assert_status(200);
            assert_eq!(found["total"], expected, "{query}");
        }
        assert_eq!(shelf.app.signed_in("usr_2").get(INVENTORY)["total"], 0);
        for query in ["kind=x", "rented=2", "sort=x", "x=1"] {
            ada.get(&format!("{INVENTORY}?{query}"))
                .assert_refused(422, "VALIDATION_ERROR");
        }
        shelf
            .app
            .anonymous()
            .get(INVENTORY)
            .assert_refused(401, "UNAUTHENTICATED");
    }
}
