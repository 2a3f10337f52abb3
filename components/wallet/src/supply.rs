//! How many tokens there are: administrators mint and burn them.

use crate::ledger::{self, Done};
use crate::model::{BURN, Kind, MINT, Movement, SYSTEM, Tokens, Transaction};
use crate::{accounts, rules, store};
use sbd_sdk::{Error, Principal, Result};

/// Gives an account tokens that were not there before, once per key.
pub(crate) async fn mint(
    by: &Principal,
    key: &str,
    to: String,
    amount: Tokens,
    memo: Option<String>,
) -> Result<Done<Transaction>> {
    require_owned(&to).await?;
    accounts::ensure(SYSTEM, Kind::System).await?;
    let movement = movement((SYSTEM.to_owned(), to), amount, MINT, memo);
    let key = ledger::key(by, MINT, key);
    ledger::move_once(by, &key, &movement, |system, to, _| {
        Ok([rules::mint(system, amount)?, rules::receive(to, amount)?])
    })
    .await
}

/// Takes tokens from an account for good, once per key.
pub(crate) async fn burn(
    by: &Principal,
    key: &str,
    from: String,
    amount: Tokens,
    memo: Option<String>,
) -> Result<Done<Transaction>> {
    require_owned(&from).await?;
    accounts::ensure(SYSTEM, Kind::System).await?;
    let movement = movement((from, SYSTEM.to_owned()), amount, BURN, memo);
    let key = ledger::key(by, BURN, key);
    ledger::move_once(by, &key, &movement, |from, system, _| {
        Ok([rules::burn(from, amount)?, rules::receive(system, amount)?])
    })
    .await
}

async fn require_owned(account: &str) -> Result<()> {
    match store::account(account).await?.kind {
        Kind::System => Err(Error::not_found("account")),
        Kind::User | Kind::Family | Kind::Workspace | Kind::Shop => Ok(()),
    }
}

fn movement(
    (from, to): (String, String),
    amount: Tokens,
    kind: &str,
    memo: Option<String>,
) -> Movement {
    Movement {
        from,
        to,
        amount,
        kind: kind.to_owned(),
        memo,
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::model::{MAX_SUPPLY, SYSTEM};
    use crate::store::ACCOUNTS;
    use crate::tests::{WALLET, app, assert_reconciled, balance, mint, root, send};
    use serde_json::json;

    #[test]
    fn what_is_minted_can_be_burned() {
        let app = app(&["usr_1"]);
        let root = root(&app);
        let keyed = root.with_header("idempotency-key", "k-1");
        let path = format!("{WALLET}/mint");
        let body = json!({"to": "usr_1", "amount": 100, "memo": "welcome"});
        let first = keyed.post(&path, body.clone()).assert_status(201);
        assert_eq!(
            (&first["from"], &first["type"], &first["by"]),
            (&json!("system"), &json!("mint"), &json!("usr_root"))
        );
        assert_eq!(keyed.post(&path, body).body(), first.body());
        assert_eq!(balance(&app, "usr_1"), (100, 0));
        send(&root, "burn", json!({"from": "usr_1", "amount": 101}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        send(&root, "burn", json!({"from": "usr_1", "amount": 40})).assert_status(201);
        for body in [
            json!({"to": "usr_9", "amount": 1}),
            json!({"to": "system", "amount": 1}),
        ] {
            send(&root, "mint", body).assert_refused(404, "NOT_FOUND");
        }
        send(&root, "burn", json!({"from": "system", "amount": 1}))
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(balance(&app, "usr_1"), (60, 0));
        let system = root
            .get(&format!("{WALLET}/accounts/system"))
            .assert_status(200);
        assert_eq!(system["balance"], -60);
        let told: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        assert_eq!(
            told,
            ["wallet.minted", "notification.requested", "wallet.burned"]
        );
        assert_reconciled(&app);
    }

    #[test]
    fn there_is_a_bound_to_all_tokens() {
        let app = app(&["usr_1"]);
        mint(&app, "usr_1", 1);
        let set = json!({"$set": {"available": 5 - MAX_SUPPLY}});
        app.run(ACCOUNTS.update_one(json!({"_id": SYSTEM}), set))
            .unwrap();
        let root = root(&app);
        send(&root, "mint", json!({"to": "usr_1", "amount": 6}))
            .assert_refused(409, "SUPPLY_EXHAUSTED");
        send(&root, "mint", json!({"to": "usr_1", "amount": 5})).assert_status(201);
    }
}
