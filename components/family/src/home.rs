//! A family of a test, beside the wallet itself, and what may go wrong between the two.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::model::{FamilyId, Membership, Role, membership_id};
use crate::store::{FAMILIES, MEMBERSHIPS};
use crate::tests::family;
use sbd_sdk::testing::{App, Call, Client, Reply};
use sbd_sdk::{Principal, Scopes, header};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

thread_local! {
    static KEYS: Cell<u32> = const { Cell::new(0) };
}

/// Before the wallet does what it is asked, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

type Hook = dyn Fn(&Call, When);

/// A family whose administrator is `usr_1`; the users `usr_1` to `usr_9` have 1000 tokens each.
pub(crate) struct Home {
    pub(crate) app: Rc<App>,
    pub(crate) wallet: Rc<App>,
    pub(crate) id: String,
    hook: Rc<RefCell<Option<Rc<Hook>>>>,
    answers: Rc<RefCell<Option<(u16, Value)>>>,
}

impl Home {
    /// With these members besides.
    pub(crate) fn new(members: &[&str]) -> Self {
        let wallet = App::new(wallet::component()).manifest(include_str!("../../wallet/spin.toml"));
        let wallet = Rc::new(wallet);
        let hook: Rc<RefCell<Option<Rc<Hook>>>> = Rc::default();
        let answers: Rc<RefCell<Option<(u16, Value)>>> = Rc::default();
        let app = App::new(crate::component()).manifest(include_str!("../spin.toml"));
        let (asked, by, instead) = (Rc::clone(&wallet), Rc::clone(&hook), Rc::clone(&answers));
        app.on_call(move |call| {
            let hook = by.borrow().clone();
            let hook = |when| {
                if let Some(hook) = &hook {
                    hook(call, when);
                }
            };
            hook(When::Before);
            if let Some(answer) = instead.borrow().clone() {
                return answer;
            }
            let reply = ask(&asked, call);
            hook(When::After);
            (reply.status(), reply.body().clone())
        });
        let app = Rc::new(app);
        let home = Self {
            id: family(&app.signed_in("usr_1"), "A").text("id").to_owned(),
            app,
            wallet,
            hook,
            answers,
        };
        for number in 1..10 {
            let user = format!("usr_{number}");
            let registered = json!({"user_id": user});
            let auth = home.wallet.by(Principal::service("test", "auth"));
            auth.event("account.registered", registered)
                .assert_status(204);
            home.mint(&user, 1000);
        }
        members.iter().for_each(|user| home.join(user));
        home.hear();
        home
    }

    /// Somebody belongs to the family from now on.
    pub(crate) fn join(&self, user: &str) {
        let family_id: FamilyId = self.id.parse().unwrap();
        let founder = self
            .app
            .run(MEMBERSHIPS.get(&membership_id(&family_id, "usr_1")))
            .unwrap()
            .unwrap();
        let member = Membership {
            id: membership_id(&family_id, user),
            user_id: user.to_owned(),
            username: user.to_owned(),
            role: Role::Member,
            joined_at: self.app.now(),
            minor: false,
            guardians: Vec::new(),
            ..founder
        };
        self.app.run(MEMBERSHIPS.insert(&member)).unwrap();
        self.count(1);
    }

    /// Somebody belongs to it no more.
    pub(crate) fn leave(&self, user: &str) {
        let gone = MEMBERSHIPS.delete_one(json!({"family_id": self.id, "user_id": user}));
        assert!(self.app.run(gone).unwrap());
        self.count(-1);
    }

    /// Somebody is an administrator from now on.
    pub(crate) fn promote(&self, user: &str) {
        let who = json!({"family_id": self.id, "user_id": user});
        let change = MEMBERSHIPS.update_one(who, json!({"$set": {"role": "admin"}}));
        self.app.run(change).unwrap();
        let change = json!({"$inc": {"admin_count": 1}});
        let counted = FAMILIES.update_one(json!({"_id": self.id}), change);
        self.app.run(counted).unwrap();
    }

    fn count(&self, by: i64) {
        let change = json!({"$inc": {"member_count": by}});
        let counted = FAMILIES.update_one(json!({"_id": self.id}), change);
        self.app.run(counted).unwrap();
    }

    /// The component hears its own events, as the host delivers them.
    pub(crate) fn hear(&self) {
        let itself = self.app.by(Principal::service("test", "family"));
        for event in self.app.published() {
            if event.kind.starts_with("family.") {
                let reply = itself
                    .with_header("ce-id", "evt_019a2f3c8b7e7c2d9f00112233445567")
                    .event(&event.kind, event.data);
                assert_eq!(reply.status(), 204, "{:?}", reply.body());
            }
        }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/families/{}/{rest}", self.id)
    }

    /// Somebody sends something, under a key of its own.
    pub(crate) fn send(&self, user: &str, what: &str, body: Value) -> Reply {
        let key = KEYS.replace(KEYS.get() + 1);
        self.keyed(user, &format!("key-{key}"))
            .post(&self.path(what), body)
    }

    pub(crate) fn keyed(&self, user: &str, key: &str) -> Client<'_> {
        let client = self.app.signed_in(user);
        client.with_header("idempotency-key", key)
    }

    pub(crate) fn read(&self, user: &str, what: &str) -> Reply {
        self.app
            .signed_in(user)
            .get(&self.path(what))
            .assert_status(200)
    }

    /// Pays into the family's account.
    pub(crate) fn deposit(&self, amount: u64) {
        self.send("usr_1", "wallet/deposits", json!({"amount": amount}))
            .assert_status(201);
    }

    /// Lets a member spend.
    pub(crate) fn permit(&self, user: &str, mut permission: Value) {
        permission["may_spend"] = json!(true);
        let path = self.path(&format!("wallet/permissions/{user}"));
        let root = self.app.signed_in("usr_1");
        root.put(&path, permission).assert_status(200);
    }

    fn mint(&self, to: &str, amount: u64) {
        let scopes = Scopes::everything().with_administration();
        let root = self
            .wallet
            .by(Principal::user("test", "usr_root").with_scopes(scopes));
        let key = KEYS.replace(KEYS.get() + 1);
        root.with_header("idempotency-key", &format!("key-{key}"))
            .post("/api/v1/wallet/mint", json!({"to": to, "amount": amount}))
            .assert_status(201);
    }

    /// What the family can spend, and what is held.
    pub(crate) fn balance(&self) -> (i64, i64) {
        let account = self.read("usr_1", "wallet");
        (
            account["available"].as_i64().unwrap(),
            account["held"].as_i64().unwrap(),
        )
    }

    /// What a user has.
    pub(crate) fn owns(&self, user: &str) -> i64 {
        let account = self.wallet.signed_in(user).get("/api/v1/wallet");
        account["balance"].as_i64().unwrap()
    }

    /// Time passes, for both.
    pub(crate) fn advance(&self, time: Duration) {
        self.app.advance(time);
        self.wallet.advance(time);
        self.wallet.run_tasks();
    }

    /// The minute's tick of the schedule.
    pub(crate) fn tick(&self) {
        let itself = self.app.by(Principal::service("test", "family"));
        itself.tick("settle").assert_status(200);
    }

    /// Whatever was begun is ended, and no hold is left that nobody knows of.
    pub(crate) fn recover(&self) {
        for _ in 0..3 {
            self.advance(Duration::from_secs(6 * 60));
            self.tick();
            self.app.run_tasks();
        }
    }

    /// Has something happen whenever the wallet is asked something.
    pub(crate) fn whenever(&self, hook: impl Fn(&Call, When) + 'static) {
        self.hook.replace(Some(Rc::new(hook)));
    }

    pub(crate) fn undisturbed(&self) {
        self.hook.replace(None);
        self.answers.replace(None);
    }

    /// Has the wallet answer this, whatever it is asked.
    pub(crate) fn instead(&self, status: u16, code: &str) {
        let error =
            json!({"code": code, "message": "The wallet would not.", "request_id": "req_1"});
        self.answers
            .replace(Some((status, json!({"error": error}))));
    }

    /// Dies at the `point`th time that something is about to be asked of the wallet, or was; says whether it
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

    /// The books are right, and nothing is held.
    pub(crate) fn assert_settled(&self) {
        let scopes = Scopes::everything().with_administration();
        let root = self
            .wallet
            .by(Principal::user("test", "usr_root").with_scopes(scopes));
        let report = root.get("/api/v1/wallet/reconciliation").assert_status(200);
        assert_eq!(
            (&report["sum"], &report["differences"]),
            (&json!(0), &json!([])),
            "{report:?}"
        );
        assert_eq!(self.balance().1, 0);
    }

    /// The kinds of what was published since the beginning.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.app.published().into_iter();
        told.map(|event| event.kind)
            .filter(|kind| kind != "notification.requested")
            .collect()
    }

    /// Who was told what.
    pub(crate) fn notices(&self, kind: &str) -> Vec<String> {
        let told = self.app.published().into_iter();
        told.filter(|event| event.kind == "notification.requested" && event.data["kind"] == kind)
            .map(|event| event.data["user"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What the component asks of the wallet, it asks for the same caller, by itself.
fn ask(wallet: &App, call: &Call) -> Reply {
    assert_eq!(call.to, "wallet");
    let caller = call.headers.get(header::CALLER).unwrap();
    let caller = Principal::from_header(caller).unwrap();
    let client = wallet.by(caller.called_via("family"));
    let client = match call.headers.get("idempotency-key") {
        Some(key) => client.with_header("idempotency-key", key.to_str().unwrap()),
        None => client,
    };
    let body = Some(call.body.clone()).filter(|body| !body.is_null());
    client.send(call.method.clone(), &call.path, body)
}
