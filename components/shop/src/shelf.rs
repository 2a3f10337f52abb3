//! A shop for tests of what is sold and owned, without orders: lines are granted as the saga grants them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::catalogue;
use crate::grants::{self, Delivery, Outcome};
use crate::item::{Good, ItemId};
use crate::model::{LineId, OrderId};
use sbd_sdk::testing::{App, Client, Reply};
use sbd_sdk::{Principal, Scopes};
use serde_json::{Value, json};

pub(crate) const ITEMS: &str = "/api/v1/shop/items";
pub(crate) const INVENTORY: &str = "/api/v1/shop/inventory";

/// The shop.
pub(crate) struct Shelf {
    pub(crate) app: App,
}

/// A line of an order.
pub(crate) struct Line {
    order: OrderId,
    line: LineId,
    user: &'static str,
    good: Good,
    days: Option<u16>,
    count: u32,
}

impl Shelf {
    /// Without anything in it.
    pub(crate) fn new() -> Self {
        let app = App::new(crate::component()).manifest(include_str!("../spin.toml"));
        Self { app }
    }

    /// Whoever keeps the catalogue.
    pub(crate) fn keeper(&self) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        let root = Principal::user("test", "usr_root").with_scopes(scopes);
        self.app.by(root)
    }

    /// A component, for itself.
    pub(crate) fn component(&self, name: &'static str) -> Client<'_> {
        self.app.by(Principal::service("test", name))
    }

    /// What there is to say of an item, with some of it otherwise.
    pub(crate) fn said(change: Value) -> Value {
        let mut item =
            json!({"kind": "theme", "title": "A red theme", "price": 40, "listed": true});
        for (field, value) in change.as_object().unwrap() {
            item[field] = value.clone();
        }
        item
    }

    pub(crate) fn create(&self, change: Value) -> Reply {
        self.keeper().post(ITEMS, Self::said(change))
    }

    /// A new item; its id.
    pub(crate) fn item(&self, change: Value) -> String {
        let created = self.create(change).assert_status(201);
        created.text("id").to_owned()
    }

    pub(crate) fn good(&self, item: &str) -> Good {
        let id: ItemId = item.parse().unwrap();
        let offer = self.app.run(catalogue::offered(&id, self.app.now()));
        offer.unwrap().good
    }

    /// A line of an order of its own.
    pub(crate) fn line(&self, user: &'static str, item: &str, days: Option<u16>) -> Line {
        Line {
            order: OrderId::new(),
            line: LineId::new(),
            user,
            good: self.good(item),
            days,
            count: 1,
        }
    }

    pub(crate) fn grant(&self, line: &Line) -> Outcome {
        self.app.run(grants::grant(&line.delivery())).unwrap()
    }

    pub(crate) fn take_back(&self, line: &Line) {
        self.app.run(grants::take_back(&line.delivery())).unwrap();
    }

    /// Gives somebody an item.
    pub(crate) fn give(&self, user: &'static str, item: &str, days: Option<u16>) -> Line {
        let line = self.line(user, item, days);
        assert_eq!(self.grant(&line), Outcome::Granted);
        line
    }

    /// What somebody has: titles, and whether each is rented.
    pub(crate) fn inventory(&self, user: &str) -> Vec<(String, bool)> {
        let all = self
            .app
            .signed_in(user)
            .get(&format!("{INVENTORY}?per_page=100"));
        let all = all.assert_status(200);
        let items = all["items"].as_array().unwrap().iter();
        let mut items: Vec<_> = items
            .map(|item| {
                (
                    item["title"].as_str().unwrap().to_owned(),
                    !item["until"].is_null(),
                )
            })
            .collect();
        items.sort();
        items
    }

    pub(crate) fn titles(&self, user: &str) -> Vec<String> {
        self.inventory(user)
            .into_iter()
            .map(|(title, _)| title)
            .collect()
    }

    /// What was told of this type.
    pub(crate) fn told(&self, kind: &str) -> Vec<Value> {
        let all = self.app.published().into_iter();
        all.filter(|event| event.kind == kind)
            .map(|event| event.data)
            .collect()
    }

    /// A minute has passed.
    pub(crate) fn tick(&self) {
        let host = self.component("shop");
        host.tick("settle-rentals").assert_status(200);
    }
}

impl Line {
    pub(crate) fn of(self, count: u32) -> Self {
        Self { count, ..self }
    }

    pub(crate) fn delivery(&self) -> Delivery<'_> {
        Delivery {
            order: &self.order,
            line: &self.line,
            user: self.user,
            good: &self.good,
            days: self.days,
            count: self.count,
        }
    }
}
