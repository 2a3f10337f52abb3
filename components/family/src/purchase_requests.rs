//! Requests that something is bought out of the family's account: the tokens are held at once, and whoever
//! sells has them when it has delivered. `docs/purchases.md` is the contract with whoever sells.

use crate::account;
use crate::allowances;
use crate::commit::{busy, committed, tries};
use crate::events::Step;
use crate::model::FamilyId;
use crate::payments::{self, Learned, Made, Payment};
use crate::requests::{self, Item, Kind, Request, RequestId};
use crate::store::{self, PAYMENTS, REQUESTS};
use crate::wallet::Refusal;
use membership::payment::{self, State as Payments};
use membership::request::{Act, FULFILLED_IN, KEPT, State};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Principal, Result, Tokens, time};
use serde_json::json;

/// What is wanted, of whom, and for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) item: Item,
    pub(crate) price: Tokens,
    /// Who is paid.
    pub(crate) seller: String,
    pub(crate) reason: Option<String>,
}

/// Asks that something is bought, once per key. The tokens are held at once; who may spend so much needs no
/// administrator.
pub(crate) async fn ask(
    family_id: &FamilyId,
    caller: &Caller,
    key: &str,
    wish: Wish,
) -> Result<Made<Request>> {
    let membership = store::membership(family_id, caller).await?;
    let key = format!("{}/purchase/{key}", membership.id);
    let is_same = |known: &Request| wish.is_of(known);
    for _ in tries() {
        if let Some(known) = requests::known(&key, is_same).await? {
            let payment = payments::go_on(known.of_purchase().await?).await?;
            return made(&known, &payment, true).await;
        }
        account::require_open(&account::of(family_id).await?)?;
        let allowance = allowances::of(&membership).await?;
        let now = time::now();
        let request = Request {
            item: Some(wish.item.clone()),
            reason: wish.reason.clone(),
            to: wish.seller.clone(),
            ..Request::new(Kind::Purchase, &membership, wish.price, &key, now)
        };
        let payment = Payment {
            waits: true,
            // Longer than anybody may take.
            seconds: (KEPT + FULFILLED_IN).as_secs() + 24 * 60 * 60,
            ..request.payment(now)
        };
        let change = Transaction::new();
        let counted = allowances::count(change, &membership, &allowance, wish.price, now);
        let (change, automatic) = match counted {
            Ok(change) => (change, true),
            Err(_) => (Transaction::new(), false),
        };
        let payment = Payment {
            counted: automatic,
            ..payment
        };
        let request = Request {
            automatic,
            payment: Some(payment.id.clone()),
            ..request
        };
        let change = requests::made(change, &membership, &request).await?;
        if committed(change.insert(&PAYMENTS, &payment).commit().await)? {
            let payment = payments::go_on(payment).await?;
            return made(&request, &payment, false).await;
        }
    }
    Err(busy())
}

/// What was made; or why nothing can be bought.
async fn made(request: &Request, payment: &Payment, replayed: bool) -> Result<Made<Request>> {
    let made = requests::made_as(request, replayed).await?;
    match made.made.state {
        State::Failed if payment.hold_id.is_none() => Err(payment.refusal()),
        _ => Ok(made),
    }
}

/// A request that somebody may see: a member as any request, and the component that sells.
pub(crate) async fn get(family_id: &FamilyId, by: Principal, id: &RequestId) -> Result<Request> {
    if let Ok(request) = sold(family_id, &by, id).await {
        return Ok(request);
    }
    let caller = Caller::of(by).ok_or_else(|| Error::not_found("family"))?;
    requests::get(family_id, &caller, Kind::Purchase, id).await
}

/// Pays whoever sells: what was approved is delivered. Doing so again is doing nothing.
pub(crate) async fn fulfil(
    family_id: &FamilyId,
    by: &Principal,
    id: &RequestId,
) -> Result<Request> {
    for _ in tries() {
        let request = sold(family_id, by, id).await?;
        if request.state == State::Completed {
            return Ok(request);
        }
        if request.state == State::Pending {
            return Err(Error::conflict(
                "nobody has approved the request yet; wait for `family.purchase.approved`",
            ));
        }
        request.after(Act::Complete)?;
        let payment = request.of_purchase().await?;
        if let Some(state) = payment.state.after(payment::Act::Go) {
            let change = Transaction::new().update_one(
                &REQUESTS,
                json!({"_id": request.id, "state": State::Approved}),
                json!({"$set": {"due_at": null}}),
            );
            let change = payments::changed(change, &payment, state, &Learned::default()).await?;
            if !committed(change.commit().await)? {
                continue;
            }
        }
        let payment = payments::go_on(payments::stored(&payment.id).await?).await?;
        if payment.state == Payments::Undone {
            return Err(payment.refusal());
        }
        return requests::stored(family_id, Kind::Purchase, id).await;
    }
    Err(busy())
}

/// Frees what is held: whoever sells cannot deliver. Doing so again is doing nothing.
pub(crate) async fn fail(
    family_id: &FamilyId,
    by: &Principal,
    id: &RequestId,
    reason: &str,
) -> Result<Request> {
    for _ in tries() {
        let request = sold(family_id, by, id).await?;
        if request.state == State::Failed {
            return Ok(request);
        }
        let state = request.after(Act::Fail)?;
        let set = json!({"refusal": Refusal::not_delivered(reason)});
        let change = request.changed(Transaction::new(), state, set);
        let title = format!("Your request for {} failed", request.words());
        let notice = request.notice(Step::Failed, title).body(reason);
        let change = request.happened(Step::Failed, None, notice.told_by(change));
        if let Some(ended) = requests::ended(&request, change).await? {
            return Ok(ended);
        }
    }
    Err(busy())
}

/// A request for what a component sells. To every other one it is not there.
async fn sold(family_id: &FamilyId, by: &Principal, id: &RequestId) -> Result<Request> {
    let request = requests::stored(family_id, Kind::Purchase, id).await?;
    let seller = request.item.as_ref().map(|item| item.component.as_str());
    match seller.is_some() && seller == by.asking_component() {
        true => Ok(request),
        false => Err(Error::not_found("request")),
    }
}

// === impl Wish ===

impl Wish {
    fn is_of(&self, request: &Request) -> bool {
        request.item.as_ref() == Some(&self.item)
            && (request.amount, &request.to, &request.reason)
                == (self.price, &self.seller, &self.reason)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::home::{Home, When};
    use membership::request::{FULFILLED_IN, KEPT};
    use sbd_sdk::testing::Reply;
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};
    use std::cell::Cell;
    use std::rc::Rc;

    fn wish(price: u64) -> Value {
        json!({
            "item": {"component": "shop", "id": "itm_1", "title": "A red theme"},
            "price": price, "seller": "usr_9", "reason": "it is red",
        })
    }

    fn ask(home: &Home, price: u64) -> String {
        let made = home.send("usr_2", "purchase-requests", wish(price));
        made.assert_status(201).text("id").to_owned()
    }

    fn act(home: &Home, user: &str, request: &str, what: &str, body: Value) -> Reply {
        let path = home.path(&format!("purchase-requests/{request}/{what}"));
        home.app.signed_in(user).post(&path, body)
    }

    fn sells(home: &Home, component: &str, request: &str, what: &str) -> Reply {
        let path = home.path(&format!("purchase-requests/{request}/{what}"));
        let shop = home.app.by(Principal::service("test", component));
        shop.post(&path, json!({"reason": "sold out"}))
    }

    fn state(home: &Home, request: &str) -> String {
        let request = home.read("usr_1", &format!("purchase-requests/{request}"));
        request.text("state").to_owned()
    }

    #[test]
    fn the_price_is_held_and_paid_when_it_is_delivered() {
        let home = Home::new(&["usr_2", "usr_3"]);
        home.deposit(100);
        let request = ask(&home, 40);
        assert_eq!(
            (home.balance(), state(&home, &request)),
            ((60, 40), "pending".to_owned())
        );
        home.hear();
        assert_eq!(home.notices("family.purchase.created"), ["usr_1"]);
        sells(&home, "shop", &request, "fulfilment").assert_refused(409, "CONFLICT");
        act(&home, "usr_2", &request, "approve", json!({})).assert_refused(403, "FORBIDDEN");
        let approved = act(&home, "usr_1", &request, "approve", json!({}));
        assert_eq!(approved.assert_status(200)["state"], "approved");
        let told = home.app.published();
        let told = told
            .iter()
            .find(|event| event.kind == "family.purchase.approved")
            .unwrap();
        assert_eq!(
            (
                &told.data["request_id"],
                &told.data["component"],
                &told.data["item_id"]
            ),
            (&json!(request), &json!("shop"), &json!("itm_1"))
        );
        // To others there is nothing to deliver, be they members or other components.
        for other in ["notes", "family"] {
            sells(&home, other, &request, "fulfilment").assert_refused(404, "NOT_FOUND");
            sells(&home, other, &request, "failure").assert_refused(404, "NOT_FOUND");
        }
        act(&home, "usr_1", &request, "fulfilment", json!({})).assert_refused(404, "NOT_FOUND");
        let address = home.path(&format!("purchase-requests/{request}"));
        let shop = home.app.by(Principal::service("test", "shop"));
        assert_eq!(shop.get(&address).assert_status(200)["amount"], 40);
        let other = home.app.by(Principal::service("test", "notes"));
        other.get(&address).assert_refused(404, "NOT_FOUND");
        home.app
            .signed_in("usr_3")
            .get(&address)
            .assert_refused(404, "NOT_FOUND");
        let done = sells(&home, "shop", &request, "fulfilment").assert_status(200);
        assert_eq!(done["state"], "completed");
        sells(&home, "shop", &request, "fulfilment").assert_status(200);
        sells(&home, "shop", &request, "failure").assert_refused(409, "CONFLICT");
        assert_eq!((home.balance(), home.owns("usr_9")), ((60, 0), 1040));
        home.assert_settled();
    }

    #[test]
    fn what_is_not_bought_is_free_again() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let denied = ask(&home, 10);
        act(&home, "usr_1", &denied, "deny", json!({})).assert_status(200);
        let canceled = ask(&home, 10);
        act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
        let failed = ask(&home, 10);
        act(&home, "usr_1", &failed, "approve", json!({})).assert_status(200);
        let reply = sells(&home, "shop", &failed, "failure").assert_status(200);
        assert_eq!(
            (&reply["state"], &reply["failure"]),
            (&json!("failed"), &json!("sold out"))
        );
        sells(&home, "shop", &failed, "failure").assert_status(200);
        sells(&home, "shop", &failed, "fulfilment").assert_refused(409, "CONFLICT");
        assert_eq!(home.balance(), (100, 0));
        let undelivered = ask(&home, 10);
        act(&home, "usr_1", &undelivered, "approve", json!({})).assert_status(200);
        let undecided = ask(&home, 10);
        home.advance(FULFILLED_IN);
        home.tick();
        assert_eq!(state(&home, &undelivered), "failed");
        assert_eq!(home.balance(), (90, 10));
        home.advance(KEPT);
        home.tick();
        assert_eq!(state(&home, &undecided), "expired");
        assert_eq!((home.balance(), home.owns("usr_9")), ((100, 0), 1000));
        // Nothing is held where there is too little, and it is not asked for.
        home.send("usr_2", "purchase-requests", wish(101))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        home.assert_settled();
    }

    #[test]
    fn who_may_spend_so_much_needs_no_administrator() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        home.permit("usr_2", json!({"per_day": 50}));
        let made = home
            .send("usr_2", "purchase-requests", wish(40))
            .assert_status(201);
        assert_eq!(
            (&made["state"], &made["automatic"]),
            (&json!("approved"), &json!(true))
        );
        assert_eq!(
            home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
            40
        );
        // What is left is less.
        assert_eq!(state(&home, &ask(&home, 11)), "pending");
        sells(&home, "shop", made.text("id"), "failure").assert_status(200);
        assert_eq!(
            home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
            0
        );
        assert_eq!(home.balance(), (89, 11));
    }

    #[test]
    fn a_component_asks_for_a_member_for_what_it_sells_itself() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let member = || Principal::user("test", "usr_2").named("bob");
        let by = |component: &str| {
            let by = member().delegated_to(component, &Scopes::everything());
            home.app.by(by).with_header("idempotency-key", "k-1")
        };
        let path = home.path("purchase-requests");
        let refused = by("notes")
            .post(&path, wish(10))
            .assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], "item.component");
        let made = by("shop").post(&path, wish(10)).assert_status(201);
        assert_eq!(made["user_id"], "usr_2");
        let again = by("shop").post(&path, wish(10)).assert_status(201);
        assert_eq!(again.body(), made.body());
        by("shop")
            .post(&path, wish(11))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(home.balance(), (90, 10));
        let stranger = Principal::user("test", "usr_8").delegated_to("shop", &Scopes::everything());
        let stranger = home.app.by(stranger).with_header("idempotency-key", "k-1");
        stranger
            .post(&path, wish(10))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn a_decision_and_a_delivery_at_once_are_one_of_the_two() {
        for (first, second) in [("fulfilment", "failure"), ("failure", "fulfilment")] {
            let home = Rc::new(Home::new(&["usr_2"]));
            home.deposit(100);
            let request = ask(&home, 40);
            act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
            let (other, of, once) = (Rc::clone(&home), request.clone(), Cell::new(true));
            home.whenever(move |_, when| {
                if when == When::Before && once.replace(false) {
                    let status = sells(&other, "shop", &of, second).status();
                    assert_eq!(status, 409);
                }
            });
            sells(&home, "shop", &request, first).assert_status(200);
            home.undisturbed();
            home.recover();
            let expected = match first {
                "fulfilment" => ("completed".to_owned(), (60, 0)),
                _ => ("failed".to_owned(), (100, 0)),
            };
            assert_eq!((state(&home, &request), home.balance()), expected);
            home.assert_settled();
        }
    }

    #[test]
    fn killed_anywhere_a_purchase_is_paid_or_free() {
        for what in ["ask", "deny", "fulfilment", "failure"] {
            for point in 0.. {
                let home = Home::new(&["usr_2"]);
                home.deposit(100);
                let request = (what != "ask").then(|| ask(&home, 40));
                let died = home.dies_at(point, || match (&request, what) {
                    (Some(request), "deny") => {
                        drop(act(&home, "usr_1", request, "deny", json!({})))
                    }
                    (Some(request), _) => {
                        act(&home, "usr_1", request, "approve", json!({})).assert_status(200);
                        sells(&home, "shop", request, what);
                    }
                    _ => drop(
                        home.keyed("usr_2", "k-1")
                            .post(&home.path("purchase-requests"), wish(40)),
                    ),
                });
                home.recover();
                let expected = match what {
                    "ask" => ("pending", (60, 40)),
                    "deny" => ("denied", (100, 0)),
                    "fulfilment" => ("completed", (60, 0)),
                    _ => ("failed", (100, 0)),
                };
                let list = home.read("usr_1", "purchase-requests");
                assert_eq!(list["total"], 1);
                let found = (list["items"][0]["state"].as_str().unwrap(), home.balance());
                assert_eq!(found, expected, "{what} {point}");
                if !died {
                    break;
                }
            }
        }
    }
}
