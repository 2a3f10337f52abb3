//! The shop of a test, beside the wallet and a family themselves, and what may go wrong between them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::grants::Grant;
use crate::item::{Draft, Item, ItemId, Term};
use crate::kinds::Kind;
use crate::order::Order;
use crate::saga::State;
use crate::store::{GRANTS, HOLDINGS, ITEMS, ORDERS};
use sbd_sdk::testing::{App, Call, Client, Reply};
use sbd_sdk::{Principal, Scopes, Tokens, header};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

thread_local! {
    static KEYS: Cell<u32> = const { Cell::new(0) };
}

pub(crate) const SHOP: &str = "/api/v1/shop";

/// Before a neighbour does what it is asked, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

type Hook = dyn Fn(&Call, When);
type Instead = (String, u16, Value);

/// A shop; the users `usr_1` to `usr_9` have 1000 tokens each. `usr_2` is called `alan`, `usr_3` `bob`, and all others
/// as their ids. There is a family, whose administrator is
/// `usr_1`, whose members are `usr_2` and `usr_3`, and which has 500.
pub(crate) struct Market {
    pub(crate) app: Rc<App>,
    pub(crate) wallet: Rc<App>,
    pub(crate) family: Rc<App>,
    pub(crate) family_id: String,
    workspace: Rc<App>,
    hook: Rc<RefCell<Option<Rc<Hook>>>>,
    answers: Rc<RefCell<Option<Instead>>>,
    /// Users who are not there any more.
    gone: Rc<RefCell<Vec<String>>>,
    /// What of each item was in stock at first.
    stocks: RefCell<BTreeMap<ItemId, u64>>,
    heard: Cell<usize>,
    heard_itself: Cell<usize>,
    heard_workspace: Cell<usize>,
}

impl Market {
    pub(crate) fn new() -> Self {
        let wallet = App::new(wallet::component()).manifest(include_str!("../../wallet/spin.toml"));
        let wallet = Rc::new(wallet);
        let family = App::new(family::component()).manifest(include_str!("../../family/spin.toml"));
        let asked = Rc::clone(&wallet);
        family.on_call(move |call| answer(&asked, "family", call));
        let family = Rc::new(family);
        let manifest = include_str!("../../workspace/spin.toml");
        let workspace = App::new(workspace::component()).manifest(manifest);
        let asked = Rc::clone(&wallet);
        workspace.on_call(move |call| answer(&asked, "workspace", call));
        let workspace = Rc::new(workspace);
        let app = App::new(crate::component()).manifest(include_str!("../spin.toml"));
        let hook: Rc<RefCell<Option<Rc<Hook>>>> = Rc::default();
        let answers: Rc<RefCell<Option<Instead>>> = Rc::default();
        let (ledger, group) = (Rc::clone(&wallet), Rc::clone(&family));
        let team = Rc::clone(&workspace);
        let gone: Rc<RefCell<Vec<String>>> = Rc::default();
        let left = Rc::clone(&gone);
        let (by, instead) = (Rc::clone(&hook), Rc::clone(&answers));
        app.on_call(move |call| {
            let hook = by.borrow().clone();
            let hook = |when| {
                if let Some(hook) = &hook {
                    hook(call, when);
                }
            };
            hook(When::Before);
            if let Some((to, status, body)) = instead.borrow().clone()
                && call.path.contains(&to)
            {
                return (status, body);
            }
            let asked = match &*call.to {
                "auth" => return identity(&left.borrow(), call),
                "wallet" => &ledger,
                "family" => &group,
                "workspace" => &team,
                other => panic!("there is no `{other}`"),
            };
            let reply = answer(asked, "shop", call);
            hook(When::After);
            reply
        });
        let mut market = Self {
            app: Rc::new(app),
            wallet,
            family,
            family_id: String::new(),
            workspace,
            hook,
            answers,
            gone,
            stocks: RefCell::default(),
            heard: Cell::default(),
            heard_itself: Cell::default(),
            heard_workspace: Cell::default(),
        };
        for number in 1..10 {
            let user = format!("usr_{number}");
            let auth = market.wallet.by(Principal::service("test", "auth"));
            auth.event("account.registered", json!({"user_id": user}))
                .assert_status(204);
            market.mint(&user, 1000);
        }
        market.found_family();
        market
    }

    fn found_family(&mut self) {
        let ada = self.family.signed_in("usr_1");
        let made = ada.post("/api/v1/families", json!({"name": "A"}));
        self.family_id = made.assert_status(201).text("id").to_owned();
        for user in ["usr_2", "usr_3"] {
            self.join(user);
        }
        let paid = self.keyed(&self.family, "usr_1").post(
            &format!("/api/v1/families/{}/wallet/deposits", self.family_id),
            json!({"amount": 500}),
        );
        paid.assert_status(201);
    }

    /// Somebody belongs to the family from now on.
    fn join(&self, user: &str) {
        self.family.run(async {
            let memberships: sbd_sdk::documents::Collection<Value> =
                sbd_sdk::documents::Collection::new("memberships");
            let founder = json!({"family_id": self.family_id});
            let mut member = memberships.find_one(founder).await.unwrap().unwrap();
            member["_id"] = format!("{}/{user}", self.family_id).into();
            member["user_id"] = user.into();
            member["username"] = user.into();
            member["role"] = "member".into();
            memberships.insert(&member).await.unwrap();
        });
    }

    /// Somebody of the family may spend so much a day.
    pub(crate) fn permit(&self, user: &str, per_day: u64) {
        let path = format!(
            "/api/v1/families/{}/wallet/permissions/{user}",
            self.family_id
        );
        let permission = json!({"may_spend": true, "per_day": per_day});
        let ada = self.family.signed_in("usr_1");
        ada.put(&path, permission).assert_status(200);
    }

    /// The administrator decides on what is pending, and the shop hears of it.
    pub(crate) fn decide(&self, how: &str) {
        let path = format!("/api/v1/families/{}/purchase-requests", self.family_id);
        let ada = self.family.signed_in("usr_1");
        let pending = ada.get(&format!("{path}?state=pending")).assert_status(200);
        for request in pending["items"].as_array().unwrap() {
            let path = format!("{path}/{}/{how}", request["id"].as_str().unwrap());
            ada.post(&path, json!({})).assert_status(200);
        }
        self.hear();
    }

    /// A workspace of `usr_1`, in which `usr_2` looks and asks, with 500 tokens; its id.
    pub(crate) fn team(&self) -> String {
        let ada = self.workspace.signed_in("usr_1");
        let made = ada.post("/api/v1/workspaces", json!({"name": "Team"}));
        let id = made.assert_status(201).text("id").to_owned();
        let itself = self.workspace.by(Principal::service("test", "workspace"));
        let created = json!({"workspace_id": id, "created_by": "usr_1"});
        itself
            .event("workspace.created", created)
            .assert_status(204);
        self.workspace.run(async {
            let memberships = sbd_sdk::documents::Collection::<Value>::new("memberships");
            let founder = json!({"workspace_id": id});
            let mut member = memberships.find_one(founder).await.unwrap().unwrap();
            member["_id"] = format!("{id}/usr_2").into();
            member["user_id"] = "usr_2".into();
            member["username"] = "usr_2".into();
            member["role"] = "viewer".into();
            member["permissions"] = json!(["request"]);
            memberships.insert(&member).await.unwrap();
        });
        self.mint(&id, 500);
        id
    }

    /// What its member `usr_2` may from now on.
    pub(crate) fn team_member(&self, id: &str, permissions: &[&str]) {
        let memberships = sbd_sdk::documents::Collection::<Value>::new("memberships");
        let change = json!({"$set": {"role": "viewer", "permissions": permissions}});
        let changed = memberships.update_one(json!({"_id": format!("{id}/usr_2")}), change);
        self.workspace.run(changed).unwrap();
    }

    /// Its owner decides on what is pending, and the shop hears of it.
    pub(crate) fn team_decides(&self, id: &str, how: &str) {
        let path = format!("/api/v1/workspaces/{id}/purchase-requests");
        let ada = self.workspace.signed_in("usr_1");
        let pending = ada.get(&format!("{path}?state=pending")).assert_status(200);
        for request in pending["items"].as_array().unwrap() {
            let path = format!("{path}/{}/{how}", request["id"].as_str().unwrap());
            ada.post(&path, json!({})).assert_status(200);
        }
        self.hear();
    }

    /// What it can spend, and what is held.
    pub(crate) fn team_balance(&self, id: &str) -> (i64, i64) {
        let path = format!("/api/v1/workspaces/{id}/wallet");
        let account = self.workspace.signed_in("usr_1").get(&path);
        let account = account.assert_status(200);
        let number = |field: &str| account[field].as_i64().unwrap();
        (number("available"), number("held"))
    }

    /// The shop hears what happened in the family since, and what it told itself.
    pub(crate) fn hear(&self) {
        for (app, heard) in [
            (&self.family, &self.heard),
            (&self.workspace, &self.heard_workspace),
            (&self.app, &self.heard_itself),
        ] {
            loop {
                let Some(event) = app.published().into_iter().nth(heard.get()) else {
                    break;
                };
                // What is not acknowledged comes again.
                if !self.hears(&event.kind, event.data) {
                    break;
                }
                heard.set(heard.get() + 1);
            }
        }
    }

    fn hears(&self, kind: &str, data: Value) -> bool {
        let heard = ["family.purchase.", "workspace.purchase.", "shop.grant."];
        if !heard.iter().any(|begin| kind.starts_with(begin)) {
            return true;
        }
        let service = self.app.by(Principal::service("test", "shop"));
        service.event(kind, data).status() < 500
    }

    /// An item for good at a price.
    pub(crate) fn item(&self, title: &str, price: u64) -> ItemId {
        self.offer(title, price, |_| {})
    }

    /// An item as it is to be.
    pub(crate) fn offer(&self, title: &str, price: u64, change: impl FnOnce(&mut Item)) -> ItemId {
        let now = self.app.now();
        let draft = Draft {
            kind: Kind::Theme,
            title: title.to_owned(),
            description: None,
            reference: None,
            price: Tokens::new(price),
            sale: None,
            rentals: vec![Term {
                days: 10,
                price: Tokens::new(price.div_ceil(10)).unwrap(),
            }],
            contains: Vec::new(),
            category: None,
            featured: false,
            listed: true,
            per_buyer: None,
        };
        let mut item = Item {
            id: ItemId::new(),
            draft,
            title_key: title.to_lowercase(),
            words: Vec::new(),
            stock: None,
            images: Vec::new(),
            file: None,
            listed_at: Some(now),
            created_at: now,
            updated_at: now,
            updated_by: "usr_9".to_owned(),
            version: 1,
        };
        change(&mut item);
        self.app.run(ITEMS.insert(&item)).unwrap();
        if let Some(stock) = item.stock {
            self.stocks.borrow_mut().insert(item.id.clone(), stock);
        }
        item.id
    }

    /// An item costs something else from now on.
    pub(crate) fn reprice(&self, item: &ItemId, price: u64) {
        let change = json!({"$set": {"price": price}, "$inc": {"version": 1}});
        self.app
            .run(ITEMS.update_one(json!({"_id": item}), change))
            .unwrap();
    }

    /// Somebody sends something, under a key of its own.
    pub(crate) fn send(&self, user: &str, what: &str, body: Value) -> Reply {
        self.keyed(&self.app, user)
            .post(&format!("{SHOP}/{what}"), body)
    }

    fn keyed<'a>(&self, app: &'a App, user: &str) -> Client<'a> {
        let key = KEYS.replace(KEYS.get() + 1);
        app.signed_in(user)
            .with_header("idempotency-key", &format!("key-{key}"))
    }

    /// Somebody has an item in the cart, for whom is said.
    pub(crate) fn put(&self, user: &str, item: &ItemId, more: Value) -> Reply {
        let mut line = json!({"item_id": item});
        line.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.app
            .signed_in(user)
            .post(&format!("{SHOP}/cart/lines"), line)
    }

    /// Somebody orders one item.
    pub(crate) fn buy(&self, user: &str, item: &ItemId, order: Value) -> Reply {
        self.put(user, item, json!({})).assert_status(201);
        self.send(user, "orders", order)
    }

    fn mint(&self, to: &str, amount: u64) {
        let key = KEYS.replace(KEYS.get() + 1);
        self.root(&self.wallet)
            .with_header("idempotency-key", &format!("key-{key}"))
            .post("/api/v1/wallet/mint", json!({"to": to, "amount": amount}))
            .assert_status(201);
    }

    pub(crate) fn root<'a>(&self, app: &'a App) -> Client<'a> {
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", "usr_root").with_scopes(scopes))
    }

    /// What a user can spend, and what is held.
    pub(crate) fn balance(&self, user: &str) -> (i64, i64) {
        let account = self.wallet.signed_in(user).get("/api/v1/wallet");
        let number = |field: &str| account[field].as_i64().unwrap();
        (number("available"), number("held"))
    }

    /// What the family can spend, and what is held.
    pub(crate) fn family_balance(&self) -> (i64, i64) {
        let path = format!("/api/v1/families/{}/wallet", self.family_id);
        let account = self.family.signed_in("usr_1").get(&path).assert_status(200);
        let number = |field: &str| account[field].as_i64().unwrap();
        (number("available"), number("held"))
    }

    /// What the shop has taken.
    pub(crate) fn income(&self) -> i64 {
        let shop = self.wallet.by(Principal::service("test", "shop"));
        let account = shop.get("/api/v1/wallet/accounts/shop");
        account["balance"].as_i64().unwrap_or(0)
    }

    /// What somebody has for good or for a time.
    pub(crate) fn owns(&self, user: &str) -> Vec<String> {
        let found = HOLDINGS
            .find(json!({"user_id": user}))
            .sort(json!({"title": 1}))
            .fetch();
        let found = self.app.run(found).unwrap().documents;
        found.into_iter().map(|holding| holding.title).collect()
    }

    /// How many of an item are left.
    pub(crate) fn stock(&self, item: &ItemId) -> Option<u64> {
        self.app
            .run(ITEMS.get(item.as_str()))
            .unwrap()
            .unwrap()
            .stock
    }

    /// Time passes, for all.
    pub(crate) fn advance(&self, time: Duration) {
        for app in [&self.app, &self.family, &self.workspace, &self.wallet] {
            app.advance(time);
        }
        self.wallet.run_tasks();
    }

    /// The minute's tick of the schedule.
    pub(crate) fn tick(&self) {
        let itself = self.app.by(Principal::service("test", "shop"));
        itself.tick("settle").assert_status(200);
    }

    /// Whatever was begun is ended, and no hold is left that nobody knows of.
    pub(crate) fn recover(&self) {
        for _ in 0..4 {
            self.advance(Duration::from_secs(6 * 60));
            self.tick();
            let family = self.family.by(Principal::service("test", "family"));
            family.tick("settle").assert_status(200);
            self.hear();
        }
        self.advance(Duration::from_secs(40 * 60));
    }

    /// Has something happen whenever a neighbour is asked something.
    pub(crate) fn whenever(&self, hook: impl Fn(&Call, When) + 'static) {
        self.hook.replace(Some(Rc::new(hook)));
    }

    pub(crate) fn undisturbed(&self) {
        self.hook.replace(None);
        self.answers.replace(None);
    }

    /// Has whatever is asked at such a path be answered with this.
    pub(crate) fn instead(&self, path: &str, status: u16, code: &str) {
        let error = json!({"code": code, "message": "It would not.", "request_id": "req_1"});
        let answer = (path.to_owned(), status, json!({"error": error}));
        self.answers.replace(Some(answer));
    }

    /// Dies at the `point`th time that something is about to be asked of a neighbour, or was; says whether it
    /// came to that.
    pub(crate) fn dies_at(&self, point: u32, what: impl FnOnce()) -> bool {
        let passed = Cell::new(0);
        self.whenever(move |_, _| {
            let now = passed.get();
            passed.set(now + 1);
            if now == point {
                std::panic::resume_unwind(Box::new("killed"));
            }
        });
        let died = catch_unwind(AssertUnwindSafe(what)).is_err();
        self.undisturbed();
        died
    }

    /// Somebody is switched off, or deleted.
    pub(crate) fn leaves(&self, user: &str) {
        self.gone.borrow_mut().push(user.to_owned());
    }

    /// All orders.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let found = ORDERS
            .find(json!({}))
            .sort(json!({"_id": 1}))
            .limit(1000)
            .fetch();
        self.app.run(found).unwrap().documents
    }

    /// Everything has ended, the ledger is right, nothing is held, and stock and grants agree with orders.
    pub(crate) fn assert_settled(&self) {
        let report = self.root(&self.wallet).get("/api/v1/wallet/reconciliation");
        let report = report.assert_status(200);
        assert_eq!(
            (&report["sum"], &report["differences"]),
            (&json!(0), &json!([]))
        );
        for number in 1..10 {
            assert_eq!(self.balance(&format!("usr_{number}")).1, 0, "usr_{number}");
        }
        assert_eq!(self.family_balance().1, 0);
        let orders = self.orders();
        let done: Vec<_> = orders
            .iter()
            .filter(|order| order.state == State::Completed)
            .collect();
        assert!(
            orders.iter().all(|order| order.state.is_ended()),
            "{orders:?}"
        );
        let paid: u64 = done.iter().map(|order| order.total - order.refunded).sum();
        assert_eq!(self.income(), i64::try_from(paid).unwrap());
        let kept = |item: &ItemId| -> u64 {
            let lines = done.iter().flat_map(|order| &order.lines);
            let lines = lines.filter(|line| line.good.item == *item && line.refund_id.is_none());
            lines.map(|line| u64::from(line.count)).sum()
        };
        for (item, stock) in self.stocks.borrow().iter() {
            assert_eq!(self.stock(item), Some(stock - kept(item)));
        }
        let grants: Vec<Grant> = self
            .app
            .run(GRANTS.find(json!({})).limit(1000).fetch())
            .unwrap()
            .documents;
        for order in &orders {
            for line in &order.lines {
                let is_theirs = order.state == State::Completed && line.refund_id.is_none();
                let of = |grant: &&Grant| grant.order_id == order.id && grant.line_id == line.id;
                let granted = |grant: &Grant| grant.state == crate::grants::State::Granted;
                let has = grants.iter().filter(of).any(granted);
                assert_eq!(has, is_theirs, "{order:?}");
            }
        }
    }
}

/// Who somebody is, by name or id.
fn identity(gone: &[String], call: &Call) -> (u16, Value) {
    let id = match call.path.strip_prefix("/api/v1/auth/users/").unwrap() {
        "lookup" => call.body["identifier"].as_str().unwrap().to_lowercase(),
        path => path.strip_suffix("/identity").unwrap().to_owned(),
    };
    let id = match &*id {
        "alan" => "usr_2",
        "bob" => "usr_3",
        id => id,
    };
    let number = id.strip_prefix("usr_").map(str::parse::<u16>);
    match number {
        Some(Ok(_)) if !gone.iter().any(|gone| gone == id) => {
            (200, json!({"id": id, "username": id}))
        }
        _ => {
            let error = json!({"code": "NOT_FOUND", "message": "no user", "request_id": "req_1"});
            (404, json!({"error": error}))
        }
    }
}

/// What a component asks of another one, it asks for the same caller, by itself.
fn answer(asked: &App, by: &str, call: &Call) -> (u16, Value) {
    let caller = call.headers.get(header::CALLER).unwrap();
    let caller = Principal::from_header(caller).unwrap();
    let client = asked.by(caller.called_via(by));
    let client = match call.headers.get("idempotency-key") {
        Some(key) => client.with_header("idempotency-key", key.to_str().unwrap()),
        None => client,
    };
    let body = Some(call.body.clone()).filter(|body| !body.is_null());
    let reply = client.send(call.method.clone(), &call.path, body);
    (reply.status(), reply.body().clone())
}
