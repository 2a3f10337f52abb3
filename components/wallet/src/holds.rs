//! Holds: tokens are reserved now, and captured or released later, by the same; for whoever does several things
//! that are to happen all or not at all. What nobody ends is released by itself.

use crate::events::Happened;
use crate::ledger::{self, Done, busy, committed, tries};
use crate::model::{Account, Hold, HoldId, HoldState, Movement, Tokens, day};
use crate::store::{self, ACCOUNTS, HOLDS};
use crate::{access, rules, transfers};
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Principal, Result, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The task that ends a hold in time.
pub(crate) const EXPIRE: &str = "expire-hold";
/// How often it is tried again: over some days, later and later. Beside it, what is overdue is looked for
/// every night.
const RETRIES: u32 = 20;

/// How many overdue holds are ended in a night at most: each is two calls of the storage.
const AT_NIGHT: u32 = 300;

/// Which hold a task is about.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    hold: HoldId,
}

/// Reserves tokens, once per key.
pub(crate) async fn reserve(
    by: &Principal,
    key: &str,
    movement: Movement,
    seconds: u32,
) -> Result<Done<Hold>> {
    transfers::require_parties(by, &movement).await?;
    let key = ledger::paying_key(by, &movement.from, "hold", key);
    let kept = Duration::from_secs(seconds.into());
    let mut scheduled = None;
    for _ in tries() {
        let from = store::account(&movement.from).await?;
        access::require_owner(by, &from)?;
        // Only then: an account that shows what this key has reserved already must not refuse it.
        if let Some(hold) = HOLDS.find_one(json!({"key": key})).await? {
            if hold.seconds != seconds {
                return Err(Error::idempotency_key_reused());
            }
            return ledger::replayed(&hold.movement, &movement, || hold.clone());
        }
        rules::require_not_closed(&store::account(&movement.to).await?)?;
        let now = time::now();
        let step = rules::reserve(&from, movement.amount, &day(now))?;
        let hold = Hold {
            id: scheduled.take().unwrap_or_else(HoldId::new),
            key: key.clone(),
            movement: movement.clone(),
            state: HoldState::Open,
            component: by.asking_component().map(str::to_owned),
            user: by.user.as_deref().map(str::to_owned),
            seconds,
            made_at: now,
            expires_at: now + kept,
            captured: None,
            transaction: None,
        };
        // First, so that no crash leaves a hold that nothing ends; of one that is not made it finds nothing.
        let about = About {
            hold: hold.id.clone(),
        };
        let expiry = New::of(EXPIRE, &about)?.unique(hold.id.as_str());
        expiry.delay(kept).retries(RETRIES).enqueue().await?;
        let change = step.done_by(Transaction::new()).insert(&HOLDS, &hold);
        let change = Happened::held(&hold, HoldState::Open).told_by(change);
        if committed(change.commit().await)? {
            return Ok(Done {
                done: hold,
                replayed: false,
            });
        }
        scheduled = Some(hold.id);
    }
    Err(busy())
}

/// A hold that one made, or of an account that one may read.
pub(crate) async fn get(by: &Principal, id: &HoldId) -> Result<Hold> {
    let hold = store::hold(id).await?;
    if access::is_holder(by, &hold) {
        return Ok(hold);
    }
    let account = store::account(&hold.movement.from).await?;
    match access::require_reader(by, &account) {
        Ok(()) => Ok(hold),
        Err(_) => Err(Error::not_found("hold")),
    }
}

/// Pays what is reserved, or a part of it. Doing so again is doing nothing.
pub(crate) async fn capture(by: &Principal, id: &HoldId, amount: Option<Tokens>) -> Result<Hold> {
    for _ in tries() {
        let hold = own(by, id).await?;
        let amount = amount.unwrap_or(hold.movement.amount);
        if hold.state == HoldState::Captured && hold.captured == Some(amount) {
            return Ok(hold);
        }
        require_open(&hold)?;
        if amount > hold.movement.amount {
            let message = format!(
                "at most the {} tokens that are reserved",
                hold.movement.amount.number()
            );
            return Err(Error::validation("amount", message));
        }
        let now = time::now();
        if hold.expires_at <= now {
            // Its task comes late.
            end(&hold, HoldState::Expired, now).await?;
            continue;
        }
        if captured(by, &hold, amount, now).await? {
            return store::hold(id).await;
        }
    }
    Err(busy())
}

async fn captured(by: &Principal, hold: &Hold, amount: Tokens, now: Time) -> Result<bool> {
    let (from, to) = parties(hold).await?;
    let movement = Movement {
        amount,
        ..hold.movement.clone()
    };
    let key = format!("hold/{}", hold.id);
    let transaction = ledger::transaction(by, &key, movement, Some(hold.id.clone()), now);
    let change = json!({"$set": {
        "state": HoldState::Captured, "captured": amount, "transaction": transaction.id,
    }});
    let change = Transaction::new().update_one(&HOLDS, still_open(hold), change);
    let days = (&*day(hold.made_at), &*day(now));
    let change = rules::capture(&from, hold.movement.amount, amount, days).done_by(change);
    let change = rules::receive(&to, amount)?.done_by(change);
    let change = Happened::held(hold, HoldState::Captured).told_by(change);
    let change = ledger::posted(change, &transaction, &to);
    let is_captured = committed(change.commit().await)?;
    if is_captured {
        ledger::count(&transaction.movement.kind).await;
    }
    Ok(is_captured)
}

/// Frees what is reserved. Doing so again is doing nothing.
pub(crate) async fn release(by: &Principal, id: &HoldId) -> Result<Hold> {
    for _ in tries() {
        let hold = own(by, id).await?;
        if matches!(hold.state, HoldState::Released | HoldState::Expired) {
            return Ok(hold);
        }
        require_open(&hold)?;
        if end(&hold, HoldState::Released, time::now()).await? {
            return store::hold(id).await;
        }
    }
    Err(busy())
}

/// Ends a hold whose time is over, if it is open still.
pub(crate) async fn expire(about: &About) -> Result<()> {
    let Some(hold) = HOLDS.get(about.hold.as_str()).await? else {
        return Ok(());
    };
    let now = time::now();
    if hold.state != HoldState::Open || end(&hold, HoldState::Expired, now).await? {
        return Ok(());
    }
    // Somebody else ended it, or moved something beside it: the task comes again and sees.
    Err(busy())
}

/// Ends all holds whose tasks were lost; how many there were.
pub(crate) async fn expire_overdue() -> Result<usize> {
    let overdue = json!({"state": HoldState::Open, "expires_at": {"$lte": time::now() - Duration::from_secs(60 * 60)}});
    let overdue = HOLDS.find(overdue).limit(AT_NIGHT).fetch().await?.documents;
    for hold in &overdue {
        end(hold, HoldState::Expired, time::now()).await?;
    }
    Ok(overdue.len())
}

/// Frees what is reserved; says whether that is done.
async fn end(hold: &Hold, state: HoldState, now: Time) -> Result<bool> {
    let from = ACCOUNTS.get(&hold.movement.from).await?;
    let from = from.ok_or_else(|| Error::internal("a hold of an account that is not there"))?;
    let change = json!({"$set": {"state": state}});
    let change = Transaction::new().update_one(&HOLDS, still_open(hold), change);
    let days = (&*day(hold.made_at), &*day(now));
    let change = rules::release(&from, hold.movement.amount, days).done_by(change);
    let change = Happened::held(hold, state).told_by(change);
    committed(change.commit().await)
}

fn still_open(hold: &Hold) -> Value {
    json!({"_id": hold.id, "state": HoldState::Open})
}

async fn parties(hold: &Hold) -> Result<(Account, Account)> {
    let Movement { from, to, .. } = &hold.movement;
    Ok((store::account(from).await?, store::account(to).await?))
}

/// A hold that one made oneself.
async fn own(by: &Principal, id: &HoldId) -> Result<Hold> {
    let hold = store::hold(id).await?;
    match access::is_holder(by, &hold) {
        true => Ok(hold),
        false => Err(Error::not_found("hold")),
    }
}

fn require_open(hold: &Hold) -> Result<()> {
    let what = match hold.state {
        HoldState::Open => return Ok(()),
        HoldState::Captured => "was captured already; read it to see how much was paid",
        HoldState::Released => "was released; reserve the tokens anew",
        HoldState::Expired => "has expired; reserve the tokens anew",
    };
    Err(Error::conflict(format!("the hold {what}")))
}

#[cfg(test)]
mod tests {
    use crate::tests::{WALLET, app, assert_reconciled, balance, mint, root, send};
    use sbd_sdk::testing::App;
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn funded() -> App {
        let app = app(&["usr_1", "usr_2", "shp_1"]);
        mint(&app, "usr_1", 100);
        app
    }

    fn end(app: &App, hold: &str, how: &str, body: Value) -> sbd_sdk::testing::Reply {
        app.signed_in("usr_1")
            .post(&format!("{WALLET}/holds/{hold}/{how}"), body)
    }

    #[test]
    fn what_is_reserved_is_paid_or_free_again() {
        let app = funded();
        let ada = app.signed_in("usr_1");
        let hold = || {
            let body = json!({"to": "usr_2", "amount": 40, "cause": "ord_1"});
            send(&ada, "holds", body)
                .assert_status(201)
                .text("id")
                .to_owned()
        };
        let first = hold();
        assert_eq!(balance(&app, "usr_1"), (60, 40));
        send(&ada, "transfers", json!({"to": "usr_2", "amount": 61}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        // Not even an administrator takes what is promised.
        send(&root(&app), "burn", json!({"from": "usr_1", "amount": 61}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        end(&app, &first, "capture", json!({"amount": 41})).assert_refused(422, "VALIDATION_ERROR");
        let captured = end(&app, &first, "capture", json!({"amount": 30})).assert_status(200);
        assert_eq!(
            (&captured["state"], &captured["captured"]),
            (&json!("captured"), &json!(30))
        );
        let again = end(&app, &first, "capture", json!({"amount": 30})).assert_status(200);
        assert_eq!(again.body(), captured.body());
        end(&app, &first, "capture", json!({})).assert_refused(409, "CONFLICT");
        end(&app, &first, "release", json!({})).assert_refused(409, "CONFLICT");
        assert_eq!(
            (balance(&app, "usr_1"), balance(&app, "usr_2")),
            ((70, 0), (30, 0))
        );
        let paid = ada.get(&format!(
            "{WALLET}/transfers/{}",
            captured.text("transaction_id")
        ));
        assert_eq!(
            (&paid["hold_id"], &paid["amount"], &paid["cause"]),
            (&json!(first), &json!(30), &json!("ord_1"))
        );
        let second = hold();
        end(&app, &second, "release", json!({})).assert_status(200);
        assert_eq!(
            end(&app, &second, "release", json!({})).assert_status(200)["state"],
            "released"
        );
        end(&app, &second, "capture", json!({})).assert_refused(409, "CONFLICT");
        assert_eq!(balance(&app, "usr_1"), (70, 0));
        assert_reconciled(&app);
    }

    #[test]
    fn a_hold_that_nobody_ends_expires() {
        let app = funded();
        let ada = app.signed_in("usr_1");
        let keyed = ada.with_header("idempotency-key", "k-1");
        let body = json!({"to": "usr_2", "amount": 40, "expires_in": 60});
        let hold = keyed
            .post(&format!("{WALLET}/holds"), body.clone())
            .assert_status(201);
        assert_eq!(
            hold["expires_at"],
            (app.now() + Duration::from_secs(60)).to_string()
        );
        let again = keyed
            .post(&format!("{WALLET}/holds"), body)
            .assert_status(201);
        assert_eq!(
            (again.body(), again.header("idempotency-replayed")),
            (hold.body(), Some("true"))
        );
        assert_eq!(app.enqueued().len(), 1);
        app.advance(Duration::from_secs(59));
        app.run_tasks();
        assert_eq!(balance(&app, "usr_1"), (60, 40));
        app.advance(Duration::from_secs(1));
        // Whether its task has come or not.
        end(&app, hold.text("id"), "capture", json!({})).assert_refused(409, "CONFLICT");
        app.run_tasks();
        assert_eq!(balance(&app, "usr_1"), (100, 0));
        assert_eq!(
            ada.get(hold.header("location").unwrap_or_default())["state"],
            "expired"
        );
        assert!(
            app.enqueued()
                .iter()
                .all(|task| task.state == sbd_sdk::tasks::State::Succeeded)
        );
        let told: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        assert_eq!(
            told.get(2..),
            Some(
                &[
                    "wallet.hold.made".to_owned(),
                    "wallet.hold.expired".to_owned()
                ][..]
            )
        );
        assert_reconciled(&app);
    }

    #[test]
    fn what_was_not_spent_after_all_does_not_count() {
        let app = funded();
        let (ada, root) = (app.signed_in("usr_1"), root(&app));
        root.put(
            &format!("{WALLET}/accounts/usr_1/limits"),
            json!({"per_day": 50}),
        )
        .assert_status(200);
        let hold = send(&ada, "holds", json!({"to": "usr_2", "amount": 40})).assert_status(201);
        send(&ada, "transfers", json!({"to": "usr_2", "amount": 11}))
            .assert_refused(409, "LIMIT_EXCEEDED");
        end(&app, hold.text("id"), "capture", json!({"amount": 10})).assert_status(200);
        send(&ada, "transfers", json!({"to": "usr_2", "amount": 40})).assert_status(201);
        send(&ada, "transfers", json!({"to": "usr_2", "amount": 1}))
            .assert_refused(409, "LIMIT_EXCEEDED");
    }

    #[test]
    fn a_components_hold_is_the_components_to_end() {
        let app = funded();
        let ada = Principal::user("test", "usr_1");
        let shop = app.by(ada.clone().delegated_to("shop", &Scopes::everything()));
        let body = json!({"from": "usr_1", "to": "usr_2", "amount": 40});
        let hold = send(&shop, "holds", body)
            .assert_status(201)
            .text("id")
            .to_owned();
        let address = format!("{WALLET}/holds/{hold}");
        // The user sees it, others do not.
        app.signed_in("usr_1").get(&address).assert_status(200);
        app.signed_in("usr_2")
            .get(&address)
            .assert_refused(404, "NOT_FOUND");
        let other = app.by(Principal::service("test", "family"));
        for by in [app.signed_in("usr_1"), app.signed_in("usr_2"), other] {
            by.post(&format!("{address}/release"), json!({}))
                .assert_refused(404, "NOT_FOUND");
            by.post(&format!("{address}/capture"), json!({}))
                .assert_refused(404, "NOT_FOUND");
        }
        // Frozen meanwhile: what was promised is paid.
        let freeze = json!({"reason": "lost"});
        root(&app)
            .post(&format!("{WALLET}/accounts/usr_1/freeze"), freeze)
            .assert_status(200);
        let shop = app.by(Principal::service("test", "shop"));
        shop.post(&format!("{address}/capture"), json!({}))
            .assert_status(200);
        assert_eq!(
            (balance(&app, "usr_1"), balance(&app, "usr_2")),
            ((60, 0), (40, 0))
        );
        assert_reconciled(&app);
    }

    #[test]
    fn a_hold_that_a_component_made_for_a_user_is_the_components() {
        let app = funded();
        let shop = app.by(Principal::user("test", "usr_1").called_via("shop"));
        let hold = send(&shop, "holds", json!({"to": "usr_2", "amount": 40})).assert_status(201);
        let release = format!("{WALLET}/holds/{}/release", hold.text("id"));
        let ada = app.signed_in("usr_1");
        ada.post(&release, json!({}))
            .assert_refused(404, "NOT_FOUND");
        // By another user's request, or by none.
        let shop = app.by(Principal::user("test", "usr_2").called_via("shop"));
        shop.post(&release, json!({})).assert_status(200);
        assert_eq!(balance(&app, "usr_1"), (100, 0));
    }

    #[test]
    fn what_a_component_began_for_somebody_it_goes_on_with_for_itself() {
        const FAMILY: &str = "fam_019a2f3c8b7e7c2d9f00112233445566";
        let app = funded();
        let family = || Principal::service("test", "family");
        let owner = json!({"owner": FAMILY});
        let accounts = format!("{WALLET}/accounts");
        app.by(family()).post(&accounts, owner).assert_status(201);
        mint(&app, FAMILY, 100);
        let hold = |by: Principal| {
            let by = app.by(by).with_header("idempotency-key", "pay_1");
            let body = json!({"from": FAMILY, "to": "usr_2", "amount": 40});
            by.post(&format!("{WALLET}/holds"), body).assert_status(201)
        };
        let member = || Principal::user("test", "usr_1");
        let first = hold(member().called_via("family"));
        let later = member().delegated_to("family", &Scopes::everything());
        for by in [later, family(), member().called_via("family")] {
            assert_eq!(hold(by).body(), first.body());
        }
    }

    #[test]
    fn lost_tasks_are_made_up_for_at_night() {
        let app = funded();
        send(
            &app.signed_in("usr_1"),
            "holds",
            json!({"to": "usr_2", "amount": 40}),
        )
        .assert_status(201);
        app.advance(Duration::from_secs(3 * 60 * 60));
        app.anonymous().tick("reconcile").assert_status(200);
        assert_eq!(balance(&app, "usr_1"), (100, 0));
    }
}
