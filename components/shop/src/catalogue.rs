//! What is offered, kept by administrators. Every change is recorded.

use crate::categories;
use crate::commit::committed;
use crate::features;
use crate::item::{Draft, Good, Item, ItemId, MOST_STOCK, Offer};
use crate::kinds::{self, Kind};
use crate::stock;
use crate::store::ITEMS;
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Items that are imported at once at most: all of them are one commit.
pub(crate) const MOST_IMPORTED: usize = 40;

/// How the stock of an item is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restock {
    /// There are so many; without a number there is no end to them.
    Set(Option<u64>),
    /// There are so many more, or, below zero, less.
    Add(i64),
}

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

/// An item that the caller may see: administrators see what is not offered, too.
pub(crate) async fn seen(id: &ItemId, is_admin: bool) -> Result<Item> {
    let item = get(id).await?;
    match item.draft.listed || is_admin {
        true => Ok(item),
        false => Err(Error::not_found("item")),
    }
}

/// Has a new item in the catalogue.
pub(crate) async fn create(by: &Caller, draft: Draft, left: Option<u64>) -> Result<Item> {
    let item = made(by, draft, left).await?;
    let change = Transaction::new().insert(&ITEMS, &item);
    let change = as_they_say(change, &[&item.draft])?;
    let change = recorded(change, &item, "shop.item.created");
    match committed(change.commit().await)? {
        true => Ok(item),
        false => Err(overtaken()),
    }
}

/// Has many new items in the catalogue, or none.
pub(crate) async fn import(by: &Caller, drafts: Vec<(Draft, Option<u64>)>) -> Result<Vec<Item>> {
    if !(1..=MOST_IMPORTED).contains(&drafts.len()) {
        let message = format!("1 to {MOST_IMPORTED} items; send more in another request");
        return Err(Error::validation("items", message));
    }
    let mut change = Transaction::new();
    let mut items = Vec::new();
    for (place, (draft, left)) in drafts.into_iter().enumerate() {
        let item = made(by, draft, left).await;
        let item = item.map_err(|error| within(error, &format!("items[{place}]")))?;
        change = change.insert(&ITEMS, &item);
        change = recorded(change, &item, "shop.item.created");
        items.push(item);
    }
    let drafts: Vec<_> = items.iter().map(|item| &item.draft).collect();
    let change = as_they_say(change, &drafts)?;
    match committed(change.commit().await)? {
        true => Ok(items),
        false => Err(overtaken()),
    }
}

/// Changes what is said of an item, which was checked, if it is still in the version that was read here.
pub(crate) async fn replace(
    by: &Caller,
    id: &ItemId,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<Item> {
    let before = get(id).await?;
    wanted.require(before.version)?;
    if draft.kind != before.draft.kind {
        let message = format!(
            "`{}`: an item stays of its kind; make another one",
            before.draft.kind
        );
        return Err(Error::validation("kind", message));
    }
    // What is not sold any more can be taken out of the catalogue.
    if draft.listed {
        features::require_sold(&draft.kind, draft.reference.as_deref()).await?;
    }
    let now = time::now();
    let item = Item {
        title_key: text::key(&draft.title),
        words: Item::words_of(&draft),
        listed_at: before.listed_at.or(draft.listed.then_some(now)),
        updated_at: now,
        updated_by: by.user.to_string(),
        version: before.version + 1,
        draft,
        ..before.clone()
    };
    require_listable(&item)?;
    let change = as_they_say(changed(&before, &item)?, &[&item.draft])?;
    let change = recorded(change, &item, "shop.item.changed");
    match committed(change.commit().await)? {
        true => get(id).await,
        false => Err(lost(wanted)),
    }
}

/// Has a change put an item as it is now where it was before. What is left of it is not touched: it changes by itself.
pub(crate) fn changed(before: &Item, item: &Item) -> Result<Transaction> {
    let as_read = json!({"_id": before.id, "version": before.version});
    let mut set = serde_json::to_value(item).map_err(Error::internal)?;
    if let Value::Object(fields) = &mut set {
        fields.retain(|field, _| field != "_id" && field != "stock");
    }
    Ok(Transaction::new().update_one(&ITEMS, as_read, json!({"$set": set})))
}

/// Has a change stand in the audit, with what the item is now.
pub(crate) fn recorded(change: Transaction, item: &Item, action: &str) -> Transaction {
    let data = json!({
        "item_id": item.id, "title": item.draft.title, "price": item.draft.price, "sale": item.draft.sale,
        "rentals": item.draft.rentals, "listed": item.draft.listed, "version": item.version,
    });
    change.audit(item.id.as_str(), action, &data)
}

/// Changes how many of an item there are.
pub(crate) async fn restock(id: &ItemId, restock: Restock) -> Result<Item> {
    let item = get(id).await?;
    let (filter, update) = match restock {
        Restock::Set(left) => {
            let left = stock::checked("left", left)?;
            (json!({"_id": id}), json!({"$set": {"stock": left}}))
        }
        Restock::Add(more) => {
            let most = i64::try_from(MOST_STOCK).unwrap_or(i64::MAX);
            if !(-most..=most).contains(&more) {
                let message = format!("a whole number from -{most} to {most}");
                return Err(Error::validation("add", message));
            }
            // Neither below zero nor beyond the most.
            let room = json!({"$gte": (-more).max(0), "$lte": most - more.max(0)});
            (
                json!({"_id": id, "stock": room}),
                json!({"$inc": {"stock": more}}),
            )
        }
    };
    let data = match restock {
        Restock::Set(left) => json!({"item_id": id, "left": left}),
        Restock::Add(more) => json!({"item_id": id, "add": more}),
    };
    let change = Transaction::new().update_one(&ITEMS, filter, update);
    let change = change.audit(id.as_str(), "shop.item.restocked", &data);
    match committed(change.commit().await)? {
        true => get(id).await,
        false => Err(Error::conflict(match item.stock {
            None => "there is no end to the item; say how many are left by `left` first".to_owned(),
            Some(left) => format!(
                "{left} are left; fewer than none, and more than a thousand million, there cannot be"
            ),
        })),
    }
}

/// Deletes an item that never was offered. One that was, stays for those who have it.
pub(crate) async fn delete(id: &ItemId, wanted: &Preconditions) -> Result<Item> {
    let item = get(id).await?;
    wanted.require(item.version)?;
    if item.listed_at.is_some() {
        return Err(Error::conflict(
            "it was offered, and somebody may have it; set `listed` to false to offer it no more",
        ));
    }
    if ITEMS.count(json!({"contains": id})).await? > 0 {
        return Err(Error::conflict(
            "a bundle contains it; take it out there first",
        ));
    }
    let as_read = json!({"_id": id, "version": item.version});
    let change =
        Transaction::new()
            .delete_one(&ITEMS, as_read)
            .check(&ITEMS, json!({"contains": id}), 0);
    let change = recorded(change, &item, "shop.item.deleted");
    match committed(change.commit().await)? {
        true => Ok(item),
        false => Err(lost(wanted)),
    }
}

/// A new item, as somebody wants it.
async fn made(by: &Caller, draft: Draft, left: Option<u64>) -> Result<Item> {
    let draft = draft.check()?;
    kinds::repeatable(&draft.kind).await?;
    features::require_sold(&draft.kind, draft.reference.as_deref()).await?;
    let now = time::now();
    let item = Item {
        id: ItemId::new(),
        title_key: text::key(&draft.title),
        words: Item::words_of(&draft),
        stock: stock::checked("left", left)?,
        images: Vec::new(),
        file: None,
        listed_at: draft.listed.then_some(now),
        created_at: now,
        updated_at: now,
        updated_by: by.user.to_string(),
        version: 1,
        draft,
    };
    require_listable(&item)?;
    require_there(&item.draft).await?;
    Ok(item)
}

fn require_listable(item: &Item) -> Result<()> {
    match item.draft.listed && item.draft.kind == Kind::File && item.file.is_none() {
        false => Ok(()),
        true => Err(Error::conflict(
            "there is nothing to download yet; upload its file to `/api/v1/shop/items/{id}/file`, then offer it",
        )),
    }
}

/// Refuses what names a category or items that are not there.
async fn require_there(draft: &Draft) -> Result<()> {
    if let Some(category) = &draft.category {
        categories::require(category).await?;
    }
    if draft.contains.is_empty() {
        return Ok(());
    }
    let found = ITEMS
        .find(contained(&draft.contains))
        .fetch()
        .await?
        .documents;
    let missing = draft
        .contains
        .iter()
        .position(|id| found.iter().all(|item| item.id != *id));
    match missing {
        None => Ok(()),
        Some(place) => Err(Error::validation(
            format!("contains[{place}]"),
            "an item of the catalogue, neither a bundle nor one that another component grants",
        )),
    }
}

/// Has a change happen only as long as what drafts name is there.
fn as_they_say(mut change: Transaction, drafts: &[&Draft]) -> Result<Transaction> {
    let categories: BTreeSet<_> = drafts
        .iter()
        .filter_map(|draft| draft.category.as_ref())
        .collect();
    change = categories::while_there(change, &categories);
    let items: BTreeSet<_> = drafts.iter().flat_map(|draft| &draft.contains).collect();
    let items: Vec<_> = items.into_iter().cloned().collect();
    if items.len() > 1000 {
        let message = "bundles of at most 1000 items at once; send some in another request";
        return Err(Error::validation("items", message));
    }
    let all = u64::try_from(items.len()).unwrap_or(u64::MAX);
    Ok(match items.is_empty() {
        true => change,
        false => change.check(&ITEMS, contained(&items), all),
    })
}

/// Those of these that a bundle may contain.
fn contained(items: &[ItemId]) -> Value {
    let kinds = [
        Kind::Theme,
        Kind::Avatar,
        Kind::Banner,
        Kind::File,
        Kind::Feature,
    ];
    json!({"_id": {"$in": items}, "kind": {"$in": kinds}})
}

/// The same refusal, of a field within another.
fn within(error: Error, field: &str) -> Error {
    match error.details().first() {
        Some(detail) => {
            Error::validation(format!("{field}.{}", detail.field), detail.message.clone())
        }
        None => error,
    }
}

fn overtaken() -> Error {
    Error::conflict(
        "what the item names was changed at the same moment; read it again and repeat the change",
    )
}

/// What to say when another change came between reading and writing.
pub(crate) fn lost(wanted: &Preconditions) -> Error {
    match wanted.has_if_match() {
        true => Error::precondition_failed(),
        false => Error::conflict(
            "somebody else changed it at the same moment; read it again and repeat the change",
        ),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::shelf::{ITEMS, Shelf};
    use sbd_sdk::testing::{assert_constraints, assert_described};
    use serde_json::{Value, json};

    #[test]
    fn every_operation_is_described() {
        assert_described(crate::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        let shelf = Shelf::new();
        assert_constraints(&shelf.keeper().with_header("idempotency-key", "k-1"));
    }

    #[test]
    fn administrators_keep_it_and_everybody_sees_what_is_offered() {
        let shelf = Shelf::new();
        let (keeper, ada) = (shelf.keeper(), shelf.app.signed_in("usr_1"));
        let body =
            Shelf::said(json!({"description": "As red\nas it gets", "left": 3, "featured": true}));
        let made = keeper.post(ITEMS, body).assert_status(201);
        let address = made.header("location").unwrap().to_owned();
        let seen = ada.get(&address).assert_status(200);
        assert_eq!(
            (&seen["title"], &seen["price"], &seen["left"], &seen["new"]),
            (&json!("A red theme"), &json!(40), &json!(3), &json!(true))
        );
        let first = keeper.with_header("if-match", "\"1\"");
        let dearer = Shelf::said(json!({"price": 50}));
        let changed = first.put(&address, dearer.clone()).assert_status(200);
        // What is left is not said again.
        assert_eq!(
            (&changed["price"], &changed["version"], &changed["left"]),
            (&json!(50), &json!(2), &json!(3))
        );
        first
            .put(&address, dearer)
            .assert_refused(412, "PRECONDITION_FAILED");
        // It was offered: it is withdrawn, and stays.
        keeper.delete(&address).assert_refused(409, "CONFLICT");
        keeper
            .put(&address, Shelf::said(json!({"listed": false})))
            .assert_status(200);
        ada.get(&address).assert_refused(404, "NOT_FOUND");
        keeper.get(&address).assert_status(200);
        assert_eq!(ada.get(ITEMS)["items"], json!([]));
        let draft = shelf.item(json!({"listed": false}));
        keeper
            .delete(&format!("{ITEMS}/{draft}"))
            .assert_status(204);
        let actions: Vec<_> = shelf
            .app
            .recorded()
            .into_iter()
            .map(|done| done.action)
            .collect();
        assert_eq!(
            actions,
            [
                "shop.item.created",
                "shop.item.changed",
                "shop.item.changed",
                "shop.item.created",
                "shop.item.deleted"
            ]
        );
    }

    #[test]
    fn what_is_no_item_is_refused_by_its_field() {
        let shelf = Shelf::new();
        let theme = shelf.item(json!({}));
        let bundle = shelf.item(json!({"kind": "bundle", "contains": [theme]}));
        let sale = |price: Value, from: &str, until: &str| json!({"sale": {"price": price, "from": from, "until": until}});
        let (early, late) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        for (field, change) in [
            ("price", json!({"price": 1.5})),
            ("price", json!({"price": 40.0})),
            ("price", json!({"price": -1})),
            ("price", json!({"price": 0})),
            ("price", json!({"price": "40"})),
            ("price", json!({"price": 1_000_000_000_001_u64})),
            ("price", json!({"price": 1e300})),
            ("price", json!({"price": null})),
            ("sale.price", sale(json!(40), early, late)),
            ("sale.price", sale(json!(0), early, late)),
            ("sale.price", sale(json!(1.5), early, late)),
            ("sale.until", sale(json!(20), late, early)),
            ("sale.from", sale(json!(20), "soon", late)),
            (
                "rentals[0].price",
                json!({"rentals": [{"days": 7, "price": -3}]}),
            ),
            (
                "rentals[0].days",
                json!({"rentals": [{"days": 0, "price": 3}]}),
            ),
            (
                "rentals[0].days",
                json!({"rentals": [{"days": 1097, "price": 3}]}),
            ),
            (
                "rentals[1].days",
                json!({"rentals": [{"days": 7, "price": 3}, {"days": 7, "price": 4}]}),
            ),
            ("title", json!({"title": "  "})),
            ("title", json!({"title": "A \u{202e}red theme"})),
            ("title", json!({"title": "A r\u{200b}ed theme"})),
            ("title", json!({"title": "x".repeat(101)})),
            ("description", json!({"description": "\u{2066}x"})),
            ("description", json!({"description": "a\u{0}b"})),
            ("reference", json!({"reference": "a\nb"})),
            ("kind", json!({"kind": "features"})),
            ("reference", json!({"kind": "feature"})),
            ("kind", json!({"kind": "courses.lesson"})),
            ("contains", json!({"contains": [theme]})),
            ("contains", json!({"kind": "bundle"})),
            (
                "contains",
                json!({"kind": "bundle", "contains": [theme, theme]}),
            ),
            (
                "contains[1]",
                json!({"kind": "bundle", "contains": [theme, bundle]}),
            ),
            (
                "contains[0]",
                json!({"kind": "bundle", "contains": ["itm_019a2f3c8b7e7c2d9f00112233445566"]}),
            ),
            (
                "category_id",
                json!({"category_id": "cat_019a2f3c8b7e7c2d9f00112233445566"}),
            ),
            ("per_buyer", json!({"per_buyer": 0})),
            ("left", json!({"left": -1})),
            ("left", json!({"left": 1_000_000_001})),
            ("colour", json!({"colour": "red"})),
        ] {
            let refused = shelf
                .create(change.clone())
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field, "{change}");
        }
        // A file that cannot be downloaded is not offered.
        shelf
            .create(json!({"kind": "file"}))
            .assert_refused(409, "CONFLICT");
        // And it stays of its kind.
        let avatar = Shelf::said(json!({"kind": "avatar"}));
        let other = shelf.keeper().put(&format!("{ITEMS}/{theme}"), avatar);
        assert_eq!(
            other.assert_refused(422, "VALIDATION_ERROR")["error"]["details"][0]["field"],
            "kind"
        );
        assert_eq!(
            shelf.app.signed_in("usr_1").get(ITEMS)["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn many_are_imported_or_none() {
        let shelf = Shelf::new();
        let import = |items: Vec<Value>| {
            shelf
                .keeper()
                .post(&format!("{ITEMS}/import"), json!({"items": items}))
        };
        let many = |count: usize| {
            (0..count).map(|number| Shelf::said(json!({"title": format!("Theme {number}")})))
        };
        let mut wrong: Vec<_> = many(5).collect();
        wrong[3]["price"] = json!(0);
        let refused = import(wrong).assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], "items[3].price");
        let mut hidden: Vec<_> = many(5).collect();
        hidden[4]["title"] = json!("\u{202e}x");
        let refused = import(hidden).assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], "items[4].title");
        for count in [0, 41] {
            import(many(count).collect()).assert_refused(422, "VALIDATION_ERROR");
        }
        let everybody = shelf.app.signed_in("usr_1");
        assert_eq!(everybody.get(ITEMS)["items"], json!([]));
        let done = import(many(40).collect()).assert_status(200);
        assert_eq!(done["ids"].as_array().unwrap().len(), 40);
        assert_eq!(everybody.get(ITEMS)["items"].as_array().unwrap().len(), 40);
    }

    #[test]
    fn stock_goes_up_and_down_whatever_is_bought_meanwhile() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({"left": 3}));
        let stock = |body: Value| shelf.keeper().post(&format!("{ITEMS}/{item}/stock"), body);
        assert_eq!(stock(json!({"add": 4})).assert_status(200)["left"], 7);
        assert_eq!(stock(json!({"add": -7})).assert_status(200)["left"], 0);
        stock(json!({"add": -1})).assert_refused(409, "CONFLICT");
        assert_eq!(
            stock(json!({"left": null})).assert_status(200)["left"],
            Value::Null
        );
        stock(json!({"add": 1})).assert_refused(409, "CONFLICT");
        assert_eq!(stock(json!({"left": 5})).assert_status(200)["left"], 5);
        for body in [
            json!({}),
            json!({"left": 1, "add": 1}),
            json!({"add": 1.5}),
            json!({"left": -1}),
            json!({"add": i64::MIN}),
        ] {
            stock(body).assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn categories_are_in_order_and_have_names_of_their_own() {
        let shelf = Shelf::new();
        let (keeper, ada) = (shelf.keeper(), shelf.app.signed_in("usr_1"));
        let path = "/api/v1/shop/categories";
        let dark = keeper
            .post(path, json!({"name": "Dark", "position": 2}))
            .assert_status(201);
        let light = keeper
            .post(path, json!({"name": "Light", "position": 1}))
            .assert_status(201);
        keeper
            .post(path, json!({"name": " dark "}))
            .assert_refused(409, "CONFLICT");
        keeper
            .post(path, json!({"name": "\u{202e}x"}))
            .assert_refused(422, "VALIDATION_ERROR");
        let item = shelf.item(json!({"category_id": dark["id"]}));
        let all = ada.get(path).assert_status(200);
        let names: Vec<_> = all
            .body()
            .as_array()
            .unwrap()
            .iter()
            .map(|of| (of["name"].as_str().unwrap(), of["items"].as_u64().unwrap()))
            .collect();
        assert_eq!(names, [("Light", 0), ("Dark", 1)]);
        let found = ada
            .get(&format!("{ITEMS}?category_id={}", dark.text("id")))
            .assert_status(200);
        assert_eq!(found["items"][0]["id"], item);
        let (dark, light) = (
            format!("{path}/{}", dark.text("id")),
            format!("{path}/{}", light.text("id")),
        );
        keeper
            .put(&light, json!({"name": "Dark"}))
            .assert_refused(409, "CONFLICT");
        let first = keeper.with_header("if-match", "\"1\"");
        first
            .put(&light, json!({"name": "Bright"}))
            .assert_status(200);
        first
            .put(&light, json!({"name": "Pale"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        keeper.delete(&dark).assert_refused(409, "CONFLICT");
        keeper.delete(&light).assert_status(204);
        ada.get(&light).assert_refused(404, "NOT_FOUND");
    }
}
