//! Accounts of tokens, and the ledger that moves them.
//!
//! An account belongs to a user, a family, a workspace or the shop, and has its owner's id; the account
//! `system` is where tokens come from. A transaction takes whole tokens from one account and gives them to another:
//! two entries, whose sum is zero. The sum of all entries of an account is its balance, which the account
//! keeps beside them.
//!
//! Whatever moves is one commit: the entries, both accounts, what is told of it, and the request's
//! `Idempotency-Key`, which the ledger never forgets. That an account has enough, is not frozen and keeps to
//! its limits is a condition of that commit (`rules`), so that no two requests at once spend the same token.
//!
//! A hold reserves tokens for a while: they stay on the account, and cannot be spent but by the hold.

mod access;
mod accounts;
mod api;
mod closure;
mod events;
mod holds;
mod ledger;
mod model;
mod reconciliation;
mod rules;
mod statement;
mod statistics;
mod store;
mod supply;
mod transfers;

use api::{
    accounts as accounts_api, holds as holds_api, ledger as ledger_api, transfers as transfers_api,
};
use axum::routing::get;
use sbd_sdk::{Component, path};

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "wallet",
            [
                accounts_api::get_own_wallet(),
                accounts_api::open_wallet_account(),
                accounts_api::get_wallet_account(),
                accounts_api::set_wallet_limits(),
                accounts_api::freeze_wallet_account(),
                accounts_api::unfreeze_wallet_account(),
                accounts_api::close_wallet_account(),
                api::statement::get_own_statement(),
                api::statement::get_statement(),
                api::statistics::get_wallet_statistics(),
                transfers_api::transfer_tokens(),
                transfers_api::get_wallet_transaction(),
                holds_api::hold_tokens(),
                holds_api::get_hold(),
                holds_api::capture_hold(),
                holds_api::release_hold(),
                ledger_api::mint_tokens(),
                ledger_api::burn_tokens(),
                ledger_api::reconcile_wallets(),
            ],
        )
        .events([api::host::registered(), api::host::deleted()])
        .tasks([api::host::expire_hold()])
        .schedules([api::host::reconcile()])
        .route(path::VERIFY, get(api::host::verify))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};
    use std::cell::Cell;

    pub(crate) const WALLET: &str = "/api/v1/wallet";

    thread_local! {
        static KEYS: Cell<u32> = const { Cell::new(0) };
    }

    /// The component with its own manifest, where these users have accounts.
    pub(crate) fn app(users: &[&str]) -> App {
        let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
        for user in users {
            app.by(Principal::service("test", "wallet"))
                .event("account.registered", json!({"user_id": user}))
                .assert_status(204);
        }
        app
    }

    /// An administrator.
    pub(crate) fn root(app: &App) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", "usr_root").with_scopes(scopes))
    }

    /// Sends something that moves value, under a key of its own.
    pub(crate) fn send(by: &Client<'_>, what: &str, body: Value) -> Reply {
        let key = KEYS.replace(KEYS.get() + 1);
        by.with_header("idempotency-key", &format!("key-{key}"))
            .post(&format!("{WALLET}/{what}"), body)
    }

    /// Gives a user tokens.
    pub(crate) fn mint(app: &App, to: &str, amount: u64) {
        send(&root(app), "mint", json!({"to": to, "amount": amount})).assert_status(201);
    }

    /// What a user can spend, and what is reserved.
    pub(crate) fn balance(app: &App, user: &str) -> (i64, i64) {
        let own = app.signed_in(user).get(WALLET).assert_status(200);
        let number = |field: &str| own[field].as_i64().unwrap();
        assert_eq!(number("balance"), number("available") + number("held"));
        (number("available"), number("held"))
    }

    /// Finds nothing wrong.
    pub(crate) fn assert_reconciled(app: &App) {
        let report = root(app)
            .get(&format!("{WALLET}/reconciliation"))
            .assert_status(200);
        assert_eq!(
            (&report["sum"], &report["differences"]),
            (&json!(0), &json!([])),
            "{report:?}"
        );
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        let app = app(&["usr_1"]);
        assert_constraints(&app.signed_in("usr_1").with_header("idempotency-key", "k-1"));
    }

    /// What is no amount, in a body as it comes.
    #[test]
    fn what_is_no_whole_number_of_tokens_is_refused() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let (ada, root) = (app.signed_in("usr_1"), root(&app));
        let routes = [
            (&ada, "transfers", json!({"to": "usr_2"})),
            (&ada, "holds", json!({"to": "usr_2"})),
            (&root, "mint", json!({"to": "usr_2"})),
            (&root, "burn", json!({"from": "usr_1"})),
        ];
        let amounts = [
            json!(0),
            json!(-1),
            json!(1.5),
            json!(5.0),
            json!("5"),
            json!(true),
            json!(null),
            json!([5]),
            json!({}),
            json!(1_000_000_000_001_u64),
            json!(u64::MAX),
            json!(1e30),
        ];
        for (by, route, body) in &routes {
            let missing = send(by, route, body.clone()).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(missing["error"]["details"][0]["field"], "amount");
            for amount in &amounts {
                let mut body = body.clone();
                body["amount"] = amount.clone();
                let refused = send(by, route, body).assert_refused(422, "VALIDATION_ERROR");
                assert_eq!(
                    refused["error"]["details"][0]["field"], "amount",
                    "{amount}"
                );
            }
            let mut body = body.clone();
            body["amount"] = json!(5);
            let path = format!("{WALLET}/{route}");
            let refused = by
                .post(&path, body.clone())
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "Idempotency-Key");
            for key in ["", "a b", &"x".repeat(129)] {
                by.with_header("idempotency-key", key)
                    .post(&path, body.clone())
                    .assert_refused(422, "VALIDATION_ERROR");
            }
        }
        assert_eq!(
            (balance(&app, "usr_1"), balance(&app, "usr_2")),
            ((100, 0), (0, 0))
        );
        assert_reconciled(&app);
    }
}
