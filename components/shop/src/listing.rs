//! Which items there are: by words, kind, category and price, page by page.

use crate::item::{CategoryId, Item, NEW, words};
use crate::kinds::Kind;
use crate::store::ITEMS;
use sbd_sdk::documents::{DocumentsError, Found};
use sbd_sdk::paging::Order;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result, Tokens};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Items on a page when the request does not say.
const USUAL: u32 = 50;
/// Items on a page at most.
const MOST: u32 = 100;
/// Words that are looked for at most.
const MOST_WORDS: usize = 8;

/// Which items, and in which order.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only those with words that begin so, in title or description.
    #[param(max_length = 200, example = "red")]
    q: Option<String>,
    /// Only those of this kind.
    #[param(value_type = Option<String>, example = "theme")]
    kind: Option<Kind>,
    /// Only those of this category.
    #[param(inline)]
    category_id: Option<CategoryId>,
    /// Only those that are featured, or those that are not.
    featured: Option<bool>,
    /// Only those that were first offered within 30 days, or those that were before.
    new: Option<bool>,
    /// Only those at a lower price than usual.
    #[serde(default)]
    on_sale: bool,
    /// Only those that are rented.
    #[serde(default)]
    rented: bool,
    /// Only those of which there are some.
    #[serde(default)]
    in_stock: bool,
    /// Only those that cost as much or more, for good and not on sale.
    #[param(inline)]
    min_price: Option<Tokens>,
    /// Only those that cost as much or less.
    #[param(inline)]
    max_price: Option<Tokens>,
    /// Others than those that are offered: for administrators.
    #[param(inline)]
    state: Option<Offered>,
    /// The latest first when not said.
    #[param(inline)]
    sort: Option<ItemSort>,
    /// Titles and prices go up, times go down, when not said.
    #[param(inline)]
    order: Option<Order>,
    /// The `next` of the page before, with the same filters.
    cursor: Option<String>,
    /// Items on a page; 50 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Whether items are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShopItemState)]
pub(crate) enum Offered {
    /// They are.
    Listed,
    /// They are not, or not yet.
    Unlisted,
    /// Both.
    All,
}

/// What items are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShopItemSort)]
pub(crate) enum ItemSort {
    /// When they were first offered.
    #[default]
    ListedAt,
    /// Their titles.
    Title,
    /// Their prices for good, not on sale.
    Price,
}

/// A page of the catalogue.
pub(crate) async fn page(wanted: &Wanted, is_admin: bool) -> Result<Found<Item>> {
    let limit = wanted.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::validation(
            "limit",
            format!("a number from 1 to {MOST}"),
        ));
    }
    if !is_admin && wanted.state.is_some_and(|state| state != Offered::Listed) {
        return Err(Error::lacks_permission("admin:shop:catalogue"));
    }
    // All pages are of the moment of the first one: what is new and on sale is a matter of time.
    let (as_of, cursor) = match &wanted.cursor {
        None => (time::now(), None),
        Some(cursor) => {
            let (as_of, cursor) = cursor.split_once('.').ok_or_else(bad_cursor)?;
            let as_of = as_of.parse().map_err(|_| bad_cursor())?;
            (Time::from_milliseconds(as_of), Some(cursor.to_owned()))
        }
    };
    let found = ITEMS.find(wanted.filter(as_of)?).sort(wanted.sorted());
    let found = found.limit(limit).after(cursor).fetch().await;
    let found = found.map_err(|error| match error {
        DocumentsError::Invalid(_) if wanted.cursor.is_some() => bad_cursor(),
        error => error.into(),
    })?;
    let milliseconds = as_of.since(Time::from_milliseconds(0)).as_millis();
    Ok(Found {
        next: found.next.map(|next| format!("{milliseconds}.{next}")),
        documents: found.documents,
    })
}

fn bad_cursor() -> Error {
    Error::validation(
        "cursor",
        "the `next` of the page before, with the same filters; begin without one",
    )
}

// === impl Wanted ===

impl Wanted {
    fn filter(&self, as_of: Time) -> Result<Value> {
        let mut filter = match self.state {
            None | Some(Offered::Listed) => json!({"listed": true}),
            Some(Offered::Unlisted) => json!({"listed": false}),
            Some(Offered::All) => json!({}),
        };
        if let Some(kind) = &self.kind {
            filter["kind"] = json!(kind);
        }
        if let Some(category) = &self.category_id {
            filter["category"] = json!(category);
        }
        if let Some(featured) = self.featured {
            filter["featured"] = featured.into();
        }
        let new = as_of - NEW;
        match self.new {
            None => {}
            Some(true) => filter["listed_at"] = json!({"$gte": new}),
            Some(false) => filter["listed_at"] = json!({"$lt": new}),
        }
        if self.on_sale {
            filter["sale.from"] = json!({"$lte": as_of});
            filter["sale.until"] = json!({"$gt": as_of});
        }
        if self.rented {
            filter["rentals.0"] = json!({"$exists": true});
        }
        if let Some(price) = self.min_price {
            filter["price"]["$gte"] = json!(price);
        }
        if let Some(price) = self.max_price {
            filter["price"]["$lte"] = json!(price);
        }
        let mut all = Vec::new();
        if self.in_stock {
            all.push(json!({"$or": [{"stock": null}, {"stock": {"$gt": 0}}]}));
        }
        if let Some(q) = &self.q {
            let words = words(q);
            if words.is_empty() || words.len() > MOST_WORDS || q.chars().count() > 200 {
                let message = format!("1 to {MOST_WORDS} words");
                return Err(Error::validation("q", message));
            }
            all.extend(words.into_iter().map(|word| {
                json!({"words": {"$elemMatch": {"$gte": word, "$lt": format!("{word}\u{10FFFF}")}}})
            }));
        }
        if !all.is_empty() {
            filter["$and"] = all.into();
        }
        Ok(filter)
    }

    fn sorted(&self) -> Value {
        let (field, usual) = match self.sort.unwrap_or_default() {
            ItemSort::ListedAt => ("listed_at", Order::Desc),
            ItemSort::Title => ("title_key", Order::Asc),
            ItemSort::Price => ("price", Order::Asc),
        };
        json!({field: self.order.unwrap_or(usual).sign()})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::shelf::{ITEMS, Shelf};
    use serde_json::json;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn titles(shelf: &Shelf, query: &str) -> Vec<String> {
        let found = shelf
            .app
            .signed_in("usr_1")
            .get(&format!("{ITEMS}?{query}"))
            .assert_status(200);
        let items = found["items"].as_array().unwrap().iter();
        items
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn items_are_found_by_what_is_asked_for() {
        let shelf = Shelf::new();
        let now = shelf.app.now();
        let sale = json!({"price": 5, "from": now, "until": now + DAY * 2});
        shelf.item(json!({"title": "Old cat", "kind": "avatar", "price": 10}));
        shelf.app.advance(DAY * 31);
        shelf.item(json!({"title": "Red cat", "kind": "avatar", "price": 100, "featured": true, "left": 0}));
        let now = shelf.app.now();
        let sale = json!({"price": sale["price"], "from": now, "until": now + DAY * 2});
        shelf.item(json!({"title": "Blue", "description": "For every catalogue", "price": 30, "sale": sale}));
        shelf.item(json!({"title": "Green", "price": null, "rentals": [{"days": 7, "price": 3}]}));
        shelf.item(json!({"title": "Hidden", "listed": false}));
        for (query, expected) in [
            ("kind=avatar&sort=title", vec!["Old cat", "Red cat"]),
            ("q=cat&sort=title", vec!["Blue", "Old cat", "Red cat"]),
            ("q=CAT%20red", vec!["Red cat"]),
            ("q=dog", vec![]),
            ("featured=true", vec!["Red cat"]),
            ("new=false", vec!["Old cat"]),
            ("new=true&sort=title", vec!["Blue", "Green", "Red cat"]),
            ("on_sale=true", vec!["Blue"]),
            ("rented=true", vec!["Green"]),
            ("in_stock=true&kind=avatar", vec!["Old cat"]),
            ("min_price=30&sort=price", vec!["Blue", "Red cat"]),
            (
                "max_price=30&sort=price&order=desc",
                vec!["Blue", "Old cat"],
            ),
            ("state=listed&limit=1&sort=title", vec!["Blue"]),
        ] {
            assert_eq!(titles(&shelf, query), expected, "{query}");
        }
        let ada = shelf.app.signed_in("usr_1");
        let price = |title: &str| {
            let found = ada.get(&format!("{ITEMS}?q={title}"));
            (
                found["items"][0]["price"].clone(),
                found["items"][0]["usual_price"].clone(),
            )
        };
        assert_eq!(price("Blue"), (json!(5), json!(30)));
        shelf.app.advance(DAY * 2);
        assert_eq!(price("Blue"), (json!(30), json!(30)));
        assert_eq!(titles(&shelf, "on_sale=true"), Vec::<String>::new());
        ada.get(&format!("{ITEMS}?state=unlisted"))
            .assert_refused(403, "FORBIDDEN");
        let hidden = shelf.keeper().get(&format!("{ITEMS}?state=unlisted"));
        assert_eq!(hidden["items"][0]["title"], "Hidden");
        for query in [
            "limit=0",
            "limit=101",
            "limit=x",
            "cursor=x",
            "cursor=1.x",
            "cursor=..",
            "kind=x",
            "q=%20",
            "q=!",
            "min_price=0",
            "min_price=1.5",
            "sort=colour",
            "state=x",
            "category_id=x",
            "x=1",
        ] {
            ada.get(&format!("{ITEMS}?{query}"))
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let shelf = Shelf::new();
        for number in 0..25 {
            shelf.item(json!({"title": format!("Theme {number:02}")}));
        }
        let ada = shelf.app.signed_in("usr_1");
        let mut cursor = String::new();
        let mut seen = Vec::new();
        loop {
            let page = ada
                .get(&format!("{ITEMS}?sort=title&new=true&limit=10{cursor}"))
                .assert_status(200);
            let items = page["items"].as_array().unwrap();
            seen.extend(
                items
                    .iter()
                    .map(|item| item["title"].as_str().unwrap().to_owned()),
            );
            // As of the first page, whenever the next is read.
            shelf.app.advance(Duration::from_secs(1));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected: Vec<_> = (0..25).map(|number| format!("Theme {number:02}")).collect();
        assert_eq!(seen, expected);
    }
}
