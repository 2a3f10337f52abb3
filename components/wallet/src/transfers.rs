//! Paying somebody.

use crate::ledger::{self, Done};
use crate::model::{Kind, Movement, Transaction, TransactionId, day};
use crate::{access, accounts, rules, store};
use sbd_sdk::{Error, Principal, Result};

/// Pays out of an account that one may spend from, once per key.
pub(crate) async fn transfer(
    by: &Principal,
    key: &str,
    movement: Movement,
) -> Result<Done<Transaction>> {
    require_parties(by, &movement).await?;
    let key = ledger::paying_key(by, &movement.from, "transfer", key);
    ledger::move_once(by, &key, &movement, |from, to, now| {
        access::require_owner(by, from)?;
        Ok([
            rules::spend(from, movement.amount, &day(now))?,
            rules::receive(to, movement.amount)?,
        ])
    })
    .await
}

/// Both accounts are there, and are two; the system's takes no part. One's own is opened.
pub(crate) async fn require_parties(by: &Principal, movement: &Movement) -> Result<()> {
    if movement.from == movement.to {
        return Err(Error::validation(
            "to",
            "another account than the one that pays",
        ));
    }
    if by.user.as_deref() == Some(&*movement.from) {
        accounts::own(by).await?;
    }
    let to = store::account(&movement.to).await?;
    match to.kind {
        Kind::System => Err(Error::not_found("account")),
        Kind::User | Kind::Family | Kind::Workspace | Kind::Shop => Ok(()),
    }
}

/// A transaction of an account that one may read.
pub(crate) async fn get(by: &Principal, id: &TransactionId) -> Result<Transaction> {
    let transaction = store::transaction(id).await?;
    let Movement { from, to, .. } = &transaction.movement;
    let (from, to) = (store::account(from).await?, store::account(to).await?);
    match [from, to]
        .iter()
        .any(|party| access::require_reader(by, party).is_ok())
    {
        true => Ok(transaction),
        false => Err(Error::not_found("transaction")),
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{WALLET, app, assert_reconciled, balance, mint, root, send};
    use sbd_sdk::Principal;
    use serde_json::json;

    #[test]
    fn tokens_go_from_one_to_another_once_per_key() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let (ada, bob, eve) = (
            app.signed_in("usr_1"),
            app.signed_in("usr_2"),
            app.signed_in("usr_3"),
        );
        let keyed = ada.with_header("idempotency-key", "k-1");
        let path = format!("{WALLET}/transfers");
        let body =
            json!({"to": "usr_2", "amount": 30, "memo": " tea ", "type": "gift", "cause": "ord_1"});
        let first = keyed.post(&path, body.clone()).assert_status(201);
        assert_eq!(
            (&first["from"], &first["memo"], &first["type"]),
            (&json!("usr_1"), &json!("tea"), &json!("gift"))
        );
        assert_eq!(
            (&first["cause"], &first["by"]),
            (&json!("ord_1"), &json!("usr_1"))
        );
        let again = keyed.post(&path, body).assert_status(201);
        assert_eq!(again.body(), first.body());
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        keyed
            .post(&path, json!({"to": "usr_2", "amount": 31}))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        let counted = |kind| app.counted("token_transactions_total", &[("type", kind)]);
        assert_eq!((counted("gift"), counted("transfer")), (1, 0));
        // Even when it is long ago, and though there would not be enough.
        app.advance(std::time::Duration::from_secs(400 * 24 * 60 * 60));
        send(&ada, "transfers", json!({"to": "usr_2", "amount": 70})).assert_status(201);
        let body =
            json!({"to": "usr_2", "amount": 30, "memo": "tea", "type": "gift", "cause": "ord_1"});
        assert_eq!(keyed.post(&path, body).body(), first.body());
        assert_eq!(
            (balance(&app, "usr_1"), balance(&app, "usr_2")),
            ((0, 0), (100, 0))
        );
        // Both see it, and nobody else; that there is one is not told to strangers.
        let address = first.header("location").unwrap_or_default();
        for party in [&ada, &bob, &root(&app)] {
            assert_eq!(party.get(address).assert_status(200).body(), first.body());
        }
        let never = eve.get(&format!("{path}/txn_019a2f3c8b7e7c2d9f00112233445566"));
        assert_eq!(
            eve.get(address).body(),
            never.assert_refused(404, "NOT_FOUND").body()
        );
        assert_reconciled(&app);
    }

    #[test]
    fn nobody_spends_what_is_not_theirs() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        for (by, body, status, code) in [
            (
                &bob,
                json!({"from": "usr_1", "to": "usr_2", "amount": 1}),
                404,
                "NOT_FOUND",
            ),
            (
                &bob,
                json!({"from": "system", "to": "usr_2", "amount": 1}),
                404,
                "NOT_FOUND",
            ),
            (
                &bob,
                json!({"from": "usr_9", "to": "usr_2", "amount": 1}),
                404,
                "NOT_FOUND",
            ),
            (
                &bob,
                json!({"to": "usr_1", "amount": 1}),
                409,
                "INSUFFICIENT_BALANCE",
            ),
            (&ada, json!({"to": "usr_9", "amount": 1}), 404, "NOT_FOUND"),
            (&ada, json!({"to": "system", "amount": 1}), 404, "NOT_FOUND"),
            (&ada, json!({"to": "", "amount": 1}), 404, "NOT_FOUND"),
            (
                &ada,
                json!({"to": "usr_1", "amount": 1}),
                422,
                "VALIDATION_ERROR",
            ),
            (
                &ada,
                json!({"to": "usr_2", "amount": 101}),
                409,
                "INSUFFICIENT_BALANCE",
            ),
            (
                &ada,
                json!({"to": "usr_2", "amount": 1, "type": "mint"}),
                422,
                "VALIDATION_ERROR",
            ),
            (
                &ada,
                json!({"to": "usr_2", "amount": 1, "memo": "a\u{0}b"}),
                422,
                "VALIDATION_ERROR",
            ),
            (
                &ada,
                json!({"to": {"$ne": ""}, "amount": 1}),
                422,
                "VALIDATION_ERROR",
            ),
        ] {
            send(by, "transfers", body).assert_refused(status, code);
        }
        app.anonymous()
            .post(
                &format!("{WALLET}/transfers"),
                json!({"to": "usr_2", "amount": 1}),
            )
            .assert_refused(401, "UNAUTHENTICATED");
        let service = app.by(Principal::service("test", "shop"));
        send(&service, "transfers", json!({"to": "usr_2", "amount": 1}))
            .assert_refused(422, "VALIDATION_ERROR");
        send(
            &service,
            "transfers",
            json!({"from": "usr_1", "to": "usr_2", "amount": 1}),
        )
        .assert_refused(404, "NOT_FOUND");
        assert_eq!(balance(&app, "usr_1"), (100, 0));
    }

    #[test]
    fn the_receiver_is_told_and_others_may_listen() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let before = app.published().len();
        let ada = app.signed_in("usr_1");
        let made = send(
            &ada,
            "transfers",
            json!({"to": "usr_2", "amount": 1, "memo": "tea"}),
        );
        let told: Vec<_> = app.published().split_off(before);
        let told: Vec<_> = told
            .iter()
            .map(|event| (event.kind.as_str(), event.subject.as_deref(), &event.data))
            .collect();
        let id = made.text("id");
        assert_eq!(
            told,
            [
                (
                    "wallet.transferred",
                    Some("usr_1"),
                    &json!({
                        "transaction_id": id, "from": "usr_1", "to": "usr_2", "amount": 1,
                        "type": "transfer", "cause": null, "hold_id": null,
                    })
                ),
                (
                    "notification.requested",
                    Some("usr_2"),
                    &json!({
                        "user": "usr_2", "kind": "wallet.received",
                        "title": "You have received 1 token", "body": "tea",
                        "data": {"transaction_id": id, "from": "usr_1", "amount": 1},
                        "unique": format!("{id}/received"),
                    })
                ),
            ]
        );
    }
}
