//! Closing an account: what is left on it goes to another one in the same commit, and from then on it takes and
//! gives nothing.

use crate::events::Happened;
use crate::ledger::{self, busy, committed, tries};
use crate::model::{
    Account, BURN, CLOSURE, Closure, Kind, Movement, SYSTEM, Tokens, TransactionId,
};
use crate::rules::Step;
use crate::store::ACCOUNTS;
use crate::{access, accounts, rules, store};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Principal, Result, time};

/// Closes an account, once per key.
pub(crate) async fn close(
    by: &Principal,
    key: &str,
    id: &str,
    to: Option<String>,
) -> Result<Account> {
    let key = ledger::key(by, CLOSURE, key);
    for _ in tries() {
        let account = store::account(id).await?;
        access::require_closer(by, &account)?;
        if let Some(closure) = account.closed.as_ref().filter(|closure| closure.key == key) {
            return match closure.to == to {
                true => Ok(account),
                false => Err(Error::idempotency_key_reused()),
            };
        }
        let closing = Closing {
            by,
            key: &key,
            to: to.as_deref(),
        };
        if committed(closing.of(&account).await?.commit().await)? {
            if account.available > 0 {
                ledger::count(CLOSURE).await;
            }
            return store::account(id).await;
        }
    }
    Err(busy())
}

/// Closes the account of a user who is gone: what is left is burned.
///
/// # Errors
/// 503 while something is reserved on it. Holds end by themselves.
pub(crate) async fn of_departed(by: &Principal, user: &str) -> Result<()> {
    let key = ledger::key(by, CLOSURE, user);
    accounts::ensure(SYSTEM, Kind::System).await?;
    for _ in tries() {
        let Some(account) = ACCOUNTS.get(user).await? else {
            return Ok(());
        };
        if account.kind != Kind::User || account.closed.is_some() {
            return Ok(());
        }
        if account.held > 0 {
            return Err(Error::overloaded(
                "something is reserved on the account; it is closed when that is over",
                60,
            ));
        }
        let closing = Closing {
            by,
            key: &key,
            to: None,
        };
        if committed(closing.of_departed(&account).await?.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

struct Closing<'a> {
    by: &'a Principal,
    key: &'a str,
    to: Option<&'a str>,
}

// === impl Closing ===

impl Closing<'_> {
    /// All that closes an account as it was read.
    async fn of(&self, account: &Account) -> Result<Transaction> {
        // Before anything is said about where what is left should go.
        rules::close(account, &self.closure(None, time::now()))?;
        let rest = self.rest(account).await?;
        self.closed(account, rest, rules::close)
    }

    /// All that closes the account of a user who is gone, as it was read.
    async fn of_departed(&self, account: &Account) -> Result<Transaction> {
        let left = u64::try_from(account.available).ok().and_then(Tokens::new);
        let rest = match left {
            None => None,
            Some(amount) => {
                let system = store::account(SYSTEM).await?;
                Some((movement(account, &system, amount, BURN), system))
            }
        };
        self.closed(account, rest, rules::close_for_good)
    }

    /// An account is closed by this rule, and what is left goes on.
    fn closed(
        &self,
        account: &Account,
        rest: Option<(Movement, Account)>,
        rule: fn(&Account, &Closure) -> Result<Step>,
    ) -> Result<Transaction> {
        let now = time::now();
        let rest = rest.map(|(movement, to)| {
            let paid = ledger::transaction(self.by, self.key, movement, None, now);
            (paid, to)
        });
        let closure = self.closure(rest.as_ref().map(|(paid, _)| paid.id.clone()), now);
        let change = rule(account, &closure)?.done_by(Transaction::new());
        let change = match &rest {
            None => change,
            Some((paid, to)) => {
                let change = rules::receive(to, paid.movement.amount)?.done_by(change);
                ledger::posted(change, paid, to)
            }
        };
        let told = Happened::Closed {
            account: &account.id,
            to: self.to,
            transaction_id: closure.transaction.as_ref(),
        };
        Ok(told.told_by(change))
    }

    fn closure(&self, transaction: Option<TransactionId>, at: Time) -> Closure {
        Closure {
            key: self.key.to_owned(),
            to: self.to.map(str::to_owned),
            transaction,
            at,
        }
    }

    /// What is left, and whose it is to be.
    async fn rest(&self, account: &Account) -> Result<Option<(Movement, Account)>> {
        if account.available == 0 {
            return Ok(None);
        }
        let rest = u64::try_from(account.available).ok().and_then(Tokens::new);
        let amount = rest.ok_or_else(|| {
            let message = format!(
                "{} tokens are left, more than are moved at once; pay out a part of them first",
                account.available
            );
            Error::conflict(message)
        })?;
        let to = self.to.filter(|to| *to != account.id).ok_or_else(|| {
            let message = format!(
                "{} tokens are left on the account; say whose account is given them",
                account.available
            );
            Error::validation("to", message)
        })?;
        let to = store::account(to).await?;
        if to.kind == Kind::System {
            return Err(Error::not_found("account"));
        }
        Ok(Some((movement(account, &to, amount, CLOSURE), to)))
    }
}

fn movement(from: &Account, to: &Account, amount: Tokens, kind: &str) -> Movement {
    Movement {
        from: from.id.clone(),
        to: to.id.clone(),
        amount,
        kind: kind.to_owned(),
        memo: None,
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{WALLET, app, assert_reconciled, balance, mint, root, send};
    use sbd_sdk::testing::{App, Client, Reply};
    use serde_json::{Value, json};

    const FAMILY: &str = "fam_019a2f3c8b7e7c2d9f00112233445566";

    /// A family with so much on its account.
    fn funded(amount: u64) -> App {
        let app = app(&["usr_1", "usr_2"]);
        let opened = family(&app).post(&format!("{WALLET}/accounts"), json!({"owner": FAMILY}));
        opened.assert_status(201);
        if amount > 0 {
            mint(&app, FAMILY, amount);
        }
        app
    }

    fn family(app: &App) -> Client<'_> {
        app.by(Principal::service("test", "family"))
    }

    fn close(by: &Client<'_>, key: &str, body: Value) -> Reply {
        let path = format!("{WALLET}/accounts/{FAMILY}/closure");
        by.with_header("idempotency-key", key).post(&path, body)
    }

    #[test]
    fn what_is_left_goes_on_and_then_nothing_moves() {
        let app = funded(70);
        let family = family(&app);
        let body = json!({"to": "usr_1"});
        let closed = close(&family, "k-1", body.clone()).assert_status(200);
        assert_eq!(
            (&closed["balance"], &closed["closed"]["to"]),
            (&json!(0), &json!("usr_1"))
        );
        assert_eq!(balance(&app, "usr_1"), (70, 0));
        let paid = closed["closed"]["transaction_id"].as_str().unwrap();
        let paid = family
            .get(&format!("{WALLET}/transfers/{paid}"))
            .assert_status(200);
        assert_eq!(
            (&paid["type"], &paid["amount"], &paid["by"]),
            (&json!("closure"), &json!(70), &json!("family"))
        );
        // Once per key, and once.
        let again = close(&family, "k-1", body.clone()).assert_status(200);
        assert_eq!(again.body(), closed.body());
        close(&family, "k-1", json!({"to": "usr_2"})).assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        close(&family, "k-2", body).assert_refused(409, "ACCOUNT_CLOSED");
        // It takes nothing, gives nothing, and is under nothing.
        let (ada, root) = (app.signed_in("usr_1"), root(&app));
        for (by, what, body) in [
            (&ada, "transfers", json!({"to": FAMILY, "amount": 1})),
            (&ada, "holds", json!({"to": FAMILY, "amount": 1})),
            (&root, "mint", json!({"to": FAMILY, "amount": 1})),
            (
                &family,
                "transfers",
                json!({"from": FAMILY, "to": "usr_1", "amount": 1}),
            ),
            (
                &family,
                "holds",
                json!({"from": FAMILY, "to": "usr_1", "amount": 1}),
            ),
        ] {
            send(by, what, body).assert_refused(409, "ACCOUNT_CLOSED");
        }
        send(&root, "burn", json!({"from": FAMILY, "amount": 1}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        let address = format!("{WALLET}/accounts/{FAMILY}");
        family
            .put(&format!("{address}/limits"), json!({"per_day": 1}))
            .assert_refused(409, "ACCOUNT_CLOSED");
        family
            .post(&format!("{address}/freeze"), json!({"reason": "x"}))
            .assert_refused(409, "ACCOUNT_CLOSED");
        let told = app.published();
        let told = told
            .iter()
            .filter(|event| event.kind == "wallet.account.closed");
        assert_eq!(told.count(), 1);
        let counted = |kind| app.counted("token_transactions_total", &[("type", kind)]);
        assert_eq!((counted("mint"), counted("closure")), (1, 1));
        assert_reconciled(&app);
    }

    #[test]
    fn whoever_is_gone_has_no_account_and_there_are_fewer_tokens() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 70);
        let (ada, root) = (app.signed_in("usr_1"), root(&app));
        let hold = send(&ada, "holds", json!({"to": "usr_2", "amount": 20})).assert_status(201);
        let auth = app.by(Principal::service("test", "wallet"));
        let gone = |user: &str| auth.event("account.deleted", json!({"user_id": user}));
        // As long as something is reserved: it comes again.
        gone("usr_1").assert_refused(503, "OVERLOADED");
        let captured = format!("holds/{}/capture", hold.text("id"));
        send(&ada, &captured, json!({})).assert_status(200);
        let frozen = format!("{WALLET}/accounts/usr_1/freeze");
        root.post(&frozen, json!({"reason": "x"}))
            .assert_status(200);
        for _ in 0..2 {
            gone("usr_1").assert_status(204);
        }
        gone("usr_9").assert_status(204);
        assert_eq!(
            (balance(&app, "usr_1"), balance(&app, "usr_2")),
            ((0, 0), (20, 0))
        );
        let bob = app.signed_in("usr_2");
        send(&bob, "transfers", json!({"to": "usr_1", "amount": 1}))
            .assert_refused(409, "ACCOUNT_CLOSED");
        let system = root
            .get(&format!("{WALLET}/accounts/system"))
            .assert_status(200);
        assert_eq!(system["balance"], -20);
        assert_reconciled(&app);
    }

    #[test]
    fn it_is_closed_by_its_component_when_nothing_is_in_the_way() {
        let app = funded(10);
        let (family, ada) = (family(&app), app.signed_in("usr_1"));
        let to = || json!({"to": "usr_1"});
        for by in [
            &ada,
            &root(&app),
            &app.by(Principal::service("test", "shop")),
        ] {
            close(by, "k", to()).assert_refused(404, "NOT_FOUND");
        }
        let own = format!("{WALLET}/accounts/usr_1/closure");
        ada.with_header("idempotency-key", "k")
            .post(&own, json!({"to": "usr_2"}))
            .assert_refused(403, "FORBIDDEN");
        for body in [json!({}), json!({"to": FAMILY})] {
            close(&family, "k", body).assert_refused(422, "VALIDATION_ERROR");
        }
        for body in [json!({"to": "usr_9"}), json!({"to": "system"})] {
            close(&family, "k", body).assert_refused(404, "NOT_FOUND");
        }
        let body = json!({"from": FAMILY, "to": "usr_2", "amount": 4});
        let hold = send(&family, "holds", body).assert_status(201);
        close(&family, "k", to()).assert_refused(409, "HOLDS_OPEN");
        let path = format!("{WALLET}/holds/{}/release", hold.text("id"));
        family.post(&path, json!({})).assert_status(200);
        let address = format!("{WALLET}/accounts/{FAMILY}");
        let freeze = json!({"reason": "quarrel"});
        family
            .post(&format!("{address}/freeze"), freeze)
            .assert_status(200);
        close(&family, "k", to()).assert_refused(409, "ACCOUNT_FROZEN");
        family
            .post(&format!("{address}/unfreeze"), json!({}))
            .assert_status(200);
        close(&family, "k", to()).assert_status(200);
        assert_eq!(balance(&app, "usr_1"), (10, 0));
        assert_reconciled(&app);
    }

    #[test]
    fn an_empty_one_needs_nobody_to_take_it() {
        let app = funded(0);
        let closed = close(&family(&app), "k", json!({})).assert_status(200);
        assert_eq!(closed["closed"]["transaction_id"], Value::Null);
        assert_reconciled(&app);
    }

    #[test]
    fn a_hold_on_the_way_to_it_is_paid_no_more() {
        let app = funded(0);
        mint(&app, "usr_1", 10);
        let ada = app.signed_in("usr_1");
        let hold = send(&ada, "holds", json!({"to": FAMILY, "amount": 4})).assert_status(201);
        close(&family(&app), "k", json!({})).assert_status(200);
        let address = format!("{WALLET}/holds/{}", hold.text("id"));
        ada.post(&format!("{address}/capture"), json!({}))
            .assert_refused(409, "ACCOUNT_CLOSED");
        ada.post(&format!("{address}/release"), json!({}))
            .assert_status(200);
        assert_eq!(balance(&app, "usr_1"), (10, 0));
    }

    /// Whatever comes first, the other one finds the account otherwise than it was read, and nothing is lost.
    #[test]
    fn nothing_comes_to_an_account_that_is_being_closed() {
        for closes_first in [true, false] {
            let app = funded(5);
            let service = Principal::service("test", "family");
            let outcomes = app.run(async {
                let read = ACCOUNTS.get(FAMILY).await.unwrap().unwrap();
                let closing = Closing {
                    by: &service,
                    key: "k",
                    to: Some("usr_1"),
                };
                let closing = closing.of(&read).await.unwrap();
                let tokens = Tokens::new(1).unwrap();
                let giving = rules::receive(&read, tokens).unwrap();
                let giving = giving.done_by(Transaction::new());
                let (first, second) = match closes_first {
                    true => (closing, giving),
                    false => (giving, closing),
                };
                (first.commit().await.is_ok(), second.commit().await.is_ok())
            });
            assert_eq!(outcomes, (true, false), "{closes_first}");
        }
    }
}
