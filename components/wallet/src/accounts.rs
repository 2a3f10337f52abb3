//! Accounts: opened, read, limited, frozen.

use crate::events::{self, Happened};
use crate::ledger::{busy, committed, tries};
use crate::model::{Account, Freeze, Kind, Limits};
use crate::store::{self, ACCOUNTS};
use crate::{access, rules};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Error, Principal, Result, time};
use serde_json::{Value, json};

/// The account of whoever asks, opened if it was not.
pub(crate) async fn own(by: &Principal) -> Result<Account> {
    ensure(access::own(by)?, Kind::User).await
}

/// An account, opened if it was not.
pub(crate) async fn ensure(id: &str, kind: Kind) -> Result<Account> {
    if let Some(account) = ACCOUNTS.get(id).await? {
        return Ok(account);
    }
    let account = Account::open(id, kind, time::now());
    match ACCOUNTS.insert(&account).await {
        Ok(_) => Ok(account),
        // Somebody else was quicker.
        Err(DocumentsError::Duplicate(_)) => store::account(id).await,
        Err(error) => Err(error.into()),
    }
}

/// Opens the account of a family, a workspace or the shop; nothing happens if there is one.
pub(crate) async fn open(by: &Principal, owner: &str) -> Result<Account> {
    let kind = Kind::of_component(owner).ok_or_else(|| {
        Error::validation(
            "owner",
            "the id of a family, `fam_...`, or of a workspace, `wsp_...`, or `shop`",
        )
    })?;
    access::require_opener(by, kind)?;
    ensure(owner, kind).await
}

/// An account that one may read.
pub(crate) async fn get(by: &Principal, id: &str) -> Result<Account> {
    let account = store::account(id).await?;
    access::require_reader(by, &account)?;
    Ok(account)
}

/// Sets what may be spent from an account.
pub(crate) async fn limit(by: &Principal, id: &str, limits: Limits) -> Result<Account> {
    govern(by, id, |account| {
        if account.limits == limits {
            return None;
        }
        let told = Happened::Limited {
            account: &account.id,
            limits,
        };
        let change = told.told_by(changed(account, json!({"limits": limits})));
        Some(change)
    })
    .await
}

/// Has nothing be spent from an account; if it is frozen, for another reason.
pub(crate) async fn freeze(by: &Principal, id: &str, reason: &str) -> Result<Account> {
    govern(by, id, |account| {
        if account
            .frozen
            .as_ref()
            .is_some_and(|freeze| freeze.reason == reason)
        {
            return None;
        }
        let freeze = Freeze {
            reason: reason.to_owned(),
            at: time::now(),
        };
        let told = Happened::Frozen {
            account: &account.id,
            reason,
        };
        let change = told.told_by(changed(account, json!({"frozen": freeze})));
        Some(events::tell_frozen(change, account, reason))
    })
    .await
}

/// Has an account be spent from again.
pub(crate) async fn unfreeze(by: &Principal, id: &str) -> Result<Account> {
    govern(by, id, |account| {
        account.frozen.as_ref()?;
        let told = Happened::Unfrozen {
            account: &account.id,
        };
        Some(told.told_by(changed(account, json!({"frozen": null}))))
    })
    .await
}

/// Changes what an account is under, if `change` finds something to change, and answers how it is then.
async fn govern(
    by: &Principal,
    id: &str,
    change: impl Fn(&Account) -> Option<Transaction>,
) -> Result<Account> {
    for _ in tries() {
        let account = store::account(id).await?;
        access::require_governor(by, &account)?;
        rules::require_not_closed(&account)?;
        let Some(change) = change(&account) else {
            return Ok(account);
        };
        if committed(change.commit().await)? {
            return store::account(id).await;
        }
    }
    Err(busy())
}

fn changed(account: &Account, set: Value) -> Transaction {
    Transaction::new().update_one(
        &ACCOUNTS,
        json!({"_id": account.id, "rules_version": account.rules_version}),
        json!({"$set": set, "$inc": {"rules_version": 1}}),
    )
}

#[cfg(test)]
mod tests {
    use crate::tests::{WALLET, app, assert_reconciled, balance, mint, root, send};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;

    const FAMILY: &str = "fam_019a2f3c8b7e7c2d9f00112233445566";

    #[test]
    fn everybody_has_an_account_and_sees_no_other() {
        let app = app(&["usr_2"]);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let own = ada.get(WALLET).assert_status(200);
        assert_eq!(
            (&own["id"], &own["kind"], &own["balance"]),
            (&json!("usr_1"), &json!("user"), &json!(0))
        );
        assert_eq!(own["frozen"], json!(null));
        let address = format!("{WALLET}/accounts/usr_1");
        assert_eq!(ada.get(&address).assert_status(200).body(), own.body());
        let unknown = bob
            .get(&format!("{WALLET}/accounts/usr_9"))
            .assert_refused(404, "NOT_FOUND");
        for path in ["usr_1", "system", "x", "%00", &"x".repeat(300)] {
            assert_eq!(
                bob.get(&format!("{WALLET}/accounts/{path}")).body(),
                unknown.body(),
                "{path}"
            );
        }
        bob.get(&format!("{address}/statement"))
            .assert_refused(404, "NOT_FOUND");
        bob.put(&format!("{address}/limits"), json!({}))
            .assert_refused(404, "NOT_FOUND");
        bob.post(&format!("{address}/freeze"), json!({"reason": "x"}))
            .assert_refused(404, "NOT_FOUND");
        bob.post(&format!("{address}/unfreeze"), json!({}))
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(
            root(&app).get(&address).assert_status(200).body(),
            own.body()
        );
        app.anonymous()
            .get(WALLET)
            .assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn the_shop_has_an_account_that_is_paid_and_pays_back() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let shop = app.by(Principal::service("test", "shop"));
        let for_ada = app.by(Principal::user("test", "usr_1").called_via("shop"));
        let accounts = format!("{WALLET}/accounts");
        let body = json!({"owner": "shop"});
        for by in [
            &ada,
            &root(&app),
            &app.by(Principal::service("test", "family")),
        ] {
            by.post(&accounts, body.clone())
                .assert_refused(403, "FORBIDDEN");
        }
        let opened = shop.post(&accounts, body.clone()).assert_status(201);
        assert_eq!(
            (&opened["id"], &opened["kind"], &opened["balance"]),
            (&json!("shop"), &json!("shop"), &json!(0))
        );
        let again = for_ada.post(&accounts, body).assert_status(201);
        assert_eq!(again.body(), opened.body());
        // What is held for somebody who buys is paid by the component later, for itself.
        let held = send(
            &for_ada,
            "holds",
            json!({"to": "shop", "amount": 40, "type": "purchase"}),
        );
        let hold = held.assert_status(201).text("id").to_owned();
        shop.post(&format!("{WALLET}/holds/{hold}/capture"), json!({}))
            .assert_status(200);
        let back = json!({"from": "shop", "to": "usr_1", "amount": 10, "type": "refund"});
        for by in [&ada, &bob, &root(&app)] {
            send(by, "transfers", back.clone()).assert_refused(404, "NOT_FOUND");
        }
        let keyed = shop.with_header("idempotency-key", "refund-1");
        let first = keyed.post(&format!("{WALLET}/transfers"), back.clone());
        let first = first.assert_status(201);
        // By the same key it is the same, whomever the component does it for.
        let keyed = for_ada.with_header("idempotency-key", "refund-1");
        let again = keyed
            .post(&format!("{WALLET}/transfers"), back)
            .assert_status(201);
        assert_eq!(again.body(), first.body());
        assert_eq!(balance(&app, "usr_1"), (70, 0));
        bob.get(&format!("{accounts}/shop"))
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(
            shop.get(&format!("{accounts}/shop")).assert_status(200)["balance"],
            30
        );
        assert_reconciled(&app);
    }

    #[test]
    fn a_familys_account_is_its_components() {
        let app = app(&["usr_1"]);
        let family = app.by(Principal::service("test", "family"));
        let (ada, shop) = (
            app.signed_in("usr_1"),
            app.by(Principal::service("test", "shop")),
        );
        let accounts = format!("{WALLET}/accounts");
        let body = json!({"owner": FAMILY});
        for by in [&ada, &shop, &root(&app)] {
            by.post(&accounts, body.clone())
                .assert_refused(403, "FORBIDDEN");
        }
        let wrong = family.post(&accounts, json!({"owner": "usr_1"}));
        wrong.assert_refused(422, "VALIDATION_ERROR");
        let made = family.post(&accounts, body.clone()).assert_status(201);
        assert_eq!(
            family.post(&accounts, body).assert_status(201).body(),
            made.body()
        );
        let address = made.header("location").unwrap_or_default();
        assert_eq!(family.get(address).assert_status(200)["kind"], "family");
        for by in [&ada, &shop] {
            by.get(address).assert_refused(404, "NOT_FOUND");
        }
        mint(&app, "usr_1", 10);
        send(&ada, "transfers", json!({"to": FAMILY, "amount": 10})).assert_status(201);
        // For a user, now or later, the component acts as well.
        let user = || Principal::user("test", "usr_1");
        let later = user().delegated_to("family", &Scopes::everything());
        for (by, name) in [
            (Principal::service("test", "family"), "family"),
            (later, "family/usr_1"),
            (user().called_via("family"), "family/usr_1"),
        ] {
            let body = json!({"from": FAMILY, "to": "usr_1", "amount": 3});
            let paid = send(&app.by(by), "transfers", body).assert_status(201);
            assert_eq!(paid["by"], name);
        }
        let through_shop = app.by(user().called_via("shop"));
        let body = json!({"from": FAMILY, "to": "usr_1", "amount": 1});
        send(&through_shop, "transfers", body).assert_refused(404, "NOT_FOUND");
        assert_eq!(balance(&app, "usr_1"), (9, 0));
        // What a component asks for its user, is the user's.
        let own = send(
            &through_shop,
            "transfers",
            json!({"to": FAMILY, "amount": 9}),
        );
        assert_eq!(own.assert_status(201)["by"], "shop/usr_1");
        // Its limits are the component's to set.
        family
            .put(&format!("{address}/limits"), json!({"per_day": 1}))
            .assert_status(200);
        let body = json!({"from": FAMILY, "to": "usr_1", "amount": 5});
        send(&family, "transfers", body).assert_refused(409, "LIMIT_EXCEEDED");
    }

    #[test]
    fn limits_and_freezes_hold_and_users_do_not_lift_their_own() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 100);
        let (ada, root) = (app.signed_in("usr_1"), root(&app));
        let address = format!("{WALLET}/accounts/usr_1");
        ada.put(&format!("{address}/limits"), json!({}))
            .assert_status(403);
        let limits = json!({"per_transaction": 10, "per_day": 15});
        let limited = root
            .put(&format!("{address}/limits"), limits.clone())
            .assert_status(200);
        assert_eq!(limited["limits"], limits);
        let pay = |amount: u64| send(&ada, "transfers", json!({"to": "usr_2", "amount": amount}));
        pay(11).assert_refused(409, "LIMIT_EXCEEDED");
        pay(10).assert_status(201);
        pay(6).assert_refused(409, "LIMIT_EXCEEDED");
        send(&ada, "holds", json!({"to": "usr_2", "amount": 6}))
            .assert_refused(409, "LIMIT_EXCEEDED");
        pay(5).assert_status(201);
        app.advance(std::time::Duration::from_secs(24 * 60 * 60));
        pay(10).assert_status(201);
        root.post(&format!("{address}/freeze"), json!({"reason": "lost"}))
            .assert_status(200);
        let refused = pay(1).assert_refused(409, "ACCOUNT_FROZEN");
        assert!(
            refused["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .contains("lost")
        );
        // It can be given tokens.
        mint(&app, "usr_1", 1);
        ada.post(&format!("{address}/unfreeze"), json!({}))
            .assert_status(403);
        root.post(&format!("{address}/unfreeze"), json!({}))
            .assert_status(200);
        root.post(&format!("{address}/unfreeze"), json!({}))
            .assert_status(200);
        pay(1).assert_status(201);
        let told: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        let changes: Vec<_> = told
            .iter()
            .filter(|kind| kind.starts_with("wallet.account"))
            .collect();
        assert_eq!(
            changes,
            [
                "wallet.account.limited",
                "wallet.account.frozen",
                "wallet.account.unfrozen"
            ]
        );
        for (path, body) in [
            ("limits", json!({"per_day": 0})),
            ("limits", json!({"per_day": 1.5})),
            ("limits", json!({"per_week": 1})),
        ] {
            root.put(&format!("{address}/{path}"), body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        for reason in ["", " ", "a\u{7}b", &"x".repeat(201)] {
            let body = json!({"reason": reason});
            root.post(&format!("{address}/freeze"), body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
