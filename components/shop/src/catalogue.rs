//! What is offered, kept by administrators.

use crate::item::{Good, Item, ItemId, Offer};
use crate::kinds;
use crate::store::ITEMS;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde_json::json;

/// What an item is offered at now. One that is not offered is not there.
pub(crate) async fn offered(id: &ItemId, now: Time) -> Result<Offer> {
    let item = get(id).await?;
    match item.draft.listed {
        true => offer(&item, now).await,
        false => Err(Error::not_found("item")),
    }
}

/// An item, whether it is offered or not.
pub(crate) async fn get(id: &ItemId) -> Result<Item> {
    let item = ITEMS.get(id.as_str()).await?;
    item.ok_or_else(|| Error::not_found("item"))
}

async fn offer(item: &Item, now: Time) -> Result<Offer> {
    let mut good = good(item).await?;
    if !item.draft.contains.is_empty() {
        let all = json!({"_id": {"$in": item.draft.contains}});
        let found = ITEMS.find(all).fetch().await?.documents;
        for id in &item.draft.contains {
            if let Some(contained) = found.iter().find(|other| other.id == *id) {
                good.contains.push(self::good(contained).await?);
            }
        }
    }
    Ok(Offer {
        good,
        version: item.version,
        price: item.price_at(now),
        usual_price: item.draft.price,
        rentals: item.draft.rentals.clone(),
        stock: item.stock,
        per_buyer: item.draft.per_buyer,
    })
}

async fn good(item: &Item) -> Result<Good> {
    Ok(Good {
        item: item.id.clone(),
        kind: item.draft.kind.clone(),
        title: item.draft.title.clone(),
        reference: item.draft.reference.clone(),
        repeatable: kinds::repeatable(&item.draft.kind).await?,
        contains: Vec::new(),
    })
}
