//! A team of a test, whose workspace has an account in the wallet itself: `usr_1` owns it, `usr_2` is an
//! administrator, `usr_3` an editor, `usr_4` a viewer. The users `usr_1` to `usr_9` have 1000 tokens each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::tests::{app, team};
use sbd_sdk::testing::{App, Client, Reply};
use sbd_sdk::{Principal, Scopes};
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

thread_local! {
    static KEYS: Cell<u32> = const { Cell::new(0) };
}

pub(crate) struct Team {
    pub(crate) app: App,
    pub(crate) wallet: Rc<App>,
    pub(crate) id: String,
}

impl Team {
    /// With so much on its account.
    pub(crate) fn with(amount: u64) -> Self {
        let app = app();
        let id = team(&app);
        let team = Self {
            wallet: app.neighbour("wallet"),
            app,
            id,
        };
        for number in 1..10 {
            let user = format!("usr_{number}");
            let auth = team.wallet.by(Principal::service("test", "auth"));
            auth.event("account.registered", json!({"user_id": user}))
                .assert_status(204);
            team.mint(&user, 1000);
        }
        team.hear();
        if amount > 0 {
            team.mint(&team.id, amount);
        }
        team
    }

    fn mint(&self, to: &str, amount: u64) {
        self.root()
            .with_header("idempotency-key", &key())
            .post("/api/v1/wallet/mint", json!({"to": to, "amount": amount}))
            .assert_status(201);
    }

    fn root(&self) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        let root = Principal::user("test", "usr_root").with_scopes(scopes);
        self.wallet.by(root)
    }

    /// The component hears its own events, as the host delivers them.
    pub(crate) fn hear(&self) {
        let itself = self.app.by(Principal::service("test", "workspace"));
        for event in self.app.published() {
            let is_heard = [
                "created",
                "wallet.",
                "token_request.created",
                "purchase.created",
            ];
            let is_heard = is_heard.iter().any(|what| {
                let kind = event.kind.strip_prefix("workspace.");
                kind.is_some_and(|kind| kind.starts_with(what))
            });
            if is_heard {
                itself
                    .with_header("ce-id", "evt_019a2f3c8b7e7c2d9f00112233445567")
                    .event(&event.kind, event.data)
                    .assert_status(204);
            }
        }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/workspaces/{}/{rest}", self.id)
    }

    /// Somebody sends something, under a key of its own.
    pub(crate) fn send(&self, user: &str, what: &str, body: Value) -> Reply {
        let client = self.app.signed_in(user);
        let client = client.with_header("idempotency-key", &key());
        client.post(&self.path(what), body)
    }

    pub(crate) fn put(&self, user: &str, what: &str, body: Value) -> Reply {
        self.app.signed_in(user).put(&self.path(what), body)
    }

    pub(crate) fn delete(&self, user: &str, what: &str) -> Reply {
        self.app.signed_in(user).delete(&self.path(what))
    }

    pub(crate) fn get(&self, user: &str, what: &str) -> Reply {
        self.app.signed_in(user).get(&self.path(what))
    }

    pub(crate) fn read(&self, user: &str, what: &str) -> Reply {
        self.get(user, what).assert_status(200)
    }

    /// What the workspace can spend, and what is held.
    pub(crate) fn balance(&self) -> (i64, i64) {
        let account = self.read("usr_1", "wallet");
        let of = |field: &str| account[field].as_i64().unwrap();
        (of("available"), of("held"))
    }

    /// What a user has.
    pub(crate) fn owns(&self, user: &str) -> i64 {
        let account = self.wallet.signed_in(user).get("/api/v1/wallet");
        account["balance"].as_i64().unwrap()
    }

    /// Time passes, and what is due happens.
    pub(crate) fn advance(&self, time: Duration) {
        self.app.advance(time);
        self.wallet.advance(time);
        self.wallet.run_tasks();
        let itself = self.app.by(Principal::service("test", "workspace"));
        itself.tick("settle").assert_status(200);
        self.app.run_tasks();
    }

    /// The books are right, and nothing is held.
    pub(crate) fn assert_settled(&self) {
        let report = self.root().get("/api/v1/wallet/reconciliation");
        let report = report.assert_status(200);
        let right = (&json!(0), &json!([]));
        assert_eq!(
            (&report["sum"], &report["differences"]),
            right,
            "{report:?}"
        );
        assert_eq!(self.balance().1, 0);
    }

    /// Who was told what.
    pub(crate) fn notices(&self, kind: &str) -> Vec<String> {
        let told = self.app.published().into_iter();
        told.filter(|event| event.kind == "notification.requested" && event.data["kind"] == kind)
            .map(|event| event.data["user"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How often this was told since the beginning.
    pub(crate) fn told(&self, kind: &str) -> usize {
        let told = self.app.published().into_iter();
        told.filter(|event| event.kind == kind).count()
    }
}

fn key() -> String {
    format!("key-{}", KEYS.replace(KEYS.get() + 1))
}
