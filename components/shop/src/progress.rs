//! Going on with an order from wherever it is: `saga` says what is next, here it is done and remembered. Whoever
//! orders goes through it at once; what stopped on the way is gone on with by the schedule, by what others tell,
//! and by whoever sends the same order again.

use crate::commit::{busy, committed};
use crate::grants::{self, Outcome};
use crate::model::OrderId;
use crate::neighbours::Refusal;
use crate::order::{Order, PATIENCE, stops_at};
use crate::payer::{self, Done, Group};
use crate::saga::{Act, Next, State};
use crate::store::ORDERS;
use crate::{cart, stock, telling, vouchers};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, metrics, time};
use serde_json::json;
use std::time::Duration;

/// How many steps are gone at a time: all there are, and some that others were quicker with.
const STEPS: u32 = 16;
/// How often an order that waits is looked after, though nobody told of anything.
const LOOKED_AFTER: Duration = Duration::from_secs(60 * 60);
/// How long the schedule leaves an order alone that it could not go on with.
const LATER: Duration = Duration::from_secs(5 * 60);
/// How many orders the schedule goes on with at a time.
const AT_ONCE: u32 = 50;

/// What others tell of a request for a purchase.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Told {
    #[serde(alias = "family_id", alias = "workspace_id")]
    group_id: String,
    request_id: String,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    item_id: Option<String>,
}

/// Goes on with an order as far as it goes. Several may do so at once: what one of them remembers, the others
/// read.
pub(crate) async fn go_on(mut order: Order) -> Result<Order> {
    for _ in 0..STEPS {
        match step(&order).await? {
            Some(done) => order = remember(&order, done).await?,
            None => return Ok(order),
        }
    }
    Err(busy())
}

/// Does what is next; nothing, where others have to do something first, or it has ended.
async fn step(order: &Order) -> Result<Option<Done>> {
    if order.state.can_stop() && order.stops_at <= time::now() {
        return Ok(Some(Done::stopped(Refusal::given_up())));
    }
    Ok(match order.state.next() {
        Next::Nothing => None,
        Next::Hold => Some(payer::hold(order).await?),
        Next::Look => payer::look(order).await?,
        Next::Grant => grant(order).await?,
        Next::Capture => Some(payer::capture(order).await?),
        Next::TakeBack => {
            for line in order.lines.iter().rev() {
                grants::take_back(&order.delivery(line)).await?;
            }
            Some(Done::of(Act::TakenBack))
        }
        Next::Release => Some(payer::release(order).await?),
    })
}

async fn grant(order: &Order) -> Result<Option<Done>> {
    let mut all = true;
    for line in &order.lines {
        match grants::grant(&order.delivery(line)).await? {
            Outcome::Granted => {}
            Outcome::Asked => all = false,
            Outcome::Refused(why) => {
                let why = format!("\"{}\" cannot be handed over: {why}", line.good.title);
                return Ok(Some(Done::stopped(Refusal::not_delivered(&why))));
            }
        }
    }
    Ok(all.then(|| Done::of(Act::Granted)))
}

/// Writes down what was done, with all that follows from it; the order as it is then, whoever did that.
pub(crate) async fn remember(order: &Order, done: Done) -> Result<Order> {
    let is_done = match order.state.after(done.act) {
        Some(state) => {
            let change = changed(order, state, &done);
            let is_done = committed(change.commit().await)?;
            if is_done {
                count(order, state, &done).await;
            }
            is_done
        }
        None => false,
    };
    let now = stored(&order.id).await?;
    // Somebody else was quicker: of two holds one is remembered, and the other is of no use.
    if let Some(hold) = &done.hold_id
        && !is_done
        && now.hold_id.as_ref() != Some(hold)
    {
        payer::free(hold).await.unwrap_or_else(late);
    }
    Ok(now)
}

fn changed(order: &Order, state: State, done: &Done) -> Transaction {
    let now = time::now();
    let mut set = json!({
        "state": state,
        "stops_at": stops_at(state, now),
        "due_at": due_at(state, now),
        "ended_at": state.is_ended().then_some(now),
    });
    let texts = [
        ("hold_id", &done.hold_id),
        ("request_id", &done.request_id),
        ("payment_id", &done.payment_id),
        ("transaction_id", &done.transaction_id),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            set[field] = text.as_str().into();
        }
    }
    // Why it was stopped, and not what became of that.
    if let Some(refusal) = done.refusal.as_ref().filter(|_| order.refusal.is_none()) {
        set["refusal"] = json!(refusal);
    }
    let change = Transaction::new().update_one(&ORDERS, order.still(), json!({"$set": set}));
    match state {
        State::Completed => telling::completed(change, order),
        State::Undone => {
            let why = order.refusal.clone().or_else(|| done.refusal.clone());
            let why = why.unwrap_or_else(Refusal::given_up);
            let change = stock::give_back(change, &order.buyer, &order.counts());
            let change = vouchers::give_back(change, order);
            let change = cart::given_back(change, order);
            telling::undone(change, order, &why.code, why.message())
        }
        _ => change,
    }
}

async fn count(order: &Order, state: State, done: &Done) {
    let outcome = match state {
        State::Completed => "completed",
        State::Undone => match order.refusal.as_ref().or(done.refusal.as_ref()) {
            Some(refusal) if refusal.code == "NOT_APPROVED" => "not_approved",
            Some(refusal) if refusal.code == "NOT_DELIVERED" => "not_delivered",
            Some(refusal) if refusal.code == "STOPPED" => "stopped",
            _ => "not_paid",
        },
        _ => return,
    };
    metrics::count("shop_orders_total", &[("outcome", outcome)]).await;
    if state == State::Completed {
        metrics::add("shop_revenue_tokens_total", &[], order.total).await;
    }
}

fn due_at(state: State, now: Time) -> Option<Time> {
    match state {
        State::AwaitingApproval => Some(now + LOOKED_AFTER),
        state if state.is_ended() => None,
        _ => Some(now + PATIENCE),
    }
}

/// Goes on with an order, because of something that others did.
pub(crate) async fn wake(id: &OrderId) -> Result<()> {
    match ORDERS.get(id.as_str()).await? {
        Some(order) if !order.state.is_ended() => go_on(order).await.map(drop),
        _ => Ok(()),
    }
}

/// Hears what became of a request for a purchase. One that no order waits for is answered, so that nothing stays
/// held for it.
pub(crate) async fn hear(kind: &str, told: &Told) -> Result<()> {
    let (Some(payer::SHOP), Some(item)) = (told.component.as_deref(), told.item_id.as_deref())
    else {
        return Ok(());
    };
    let order = match item.parse::<OrderId>() {
        Ok(id) => ORDERS.get(id.as_str()).await?,
        Err(_) => None,
    };
    let order = order.filter(|order| order.payer == told.group_id);
    match order {
        Some(order) if order.request_id.as_ref() == Some(&told.request_id) => {
            // It is paid, whatever becomes of the group before that is written down.
            if kind.ends_with(".completed") {
                remember(&order, Done::of(Act::Captured)).await?;
            }
            wake(&order.id).await
        }
        order if kind.ends_with(".created") || kind.ends_with(".approved") => {
            unknown(order, told).await
        }
        _ => Ok(()),
    }
}

/// A request that its order does not know: whoever asked has not written it down yet, or died before, or it was made
/// by hand.
async fn unknown(order: Option<Order>, told: &Told) -> Result<()> {
    let Some(group) = Group::of(&told.group_id) else {
        return Ok(());
    };
    let request = group.get(&told.request_id).await?;
    let is_for = |order: &Order| {
        let item = request.item.as_ref();
        let item =
            item.is_some_and(|item| item.id == order.id.as_str() && item.seller == payer::SHOP);
        item && (request.amount, &*request.user_id) == (order.total, &*order.buyer)
    };
    if let Some(order) = order.filter(|order| order.state == State::Reserved && is_for(order)) {
        let asked = Done {
            request_id: Some(request.id.clone()),
            payment_id: request.payment_id.clone(),
            ..Done::of(Act::Asked)
        };
        let order = remember(&order, asked).await?;
        if order.request_id.as_ref() == Some(&request.id) {
            return go_on(order).await.map(drop);
        }
    }
    let why = json!({"reason": "there is no such order, or not any more; order anew"});
    match group.answer(&request.id, "failure", why).await {
        Err(error) if Refusal::of(&error).is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Stops an order, as far as it can be stopped.
pub(crate) async fn cancel(order: Order) -> Result<Order> {
    let mut order = order;
    for _ in 0..STEPS {
        if !matches!(
            order.state,
            State::Reserved | State::AwaitingApproval | State::Granting
        ) {
            break;
        }
        order = remember(&order, Done::stopped(Refusal::canceled())).await?;
    }
    go_on(order).await
}

/// Goes on with what stopped on the way.
pub(crate) async fn go_on_with_due() -> Result<()> {
    let now = time::now();
    let due = ORDERS.find(json!({"due_at": {"$lte": now}}));
    let due = due
        .sort(json!({"due_at": 1}))
        .limit(AT_ONCE)
        .fetch()
        .await?;
    for order in due.documents {
        let still = order.still();
        let later = match go_on(order).await {
            Ok(order) => due_at(order.state, now),
            Err(error) => {
                late(error);
                Some(now + LATER)
            }
        };
        if let Some(later) = later {
            ORDERS
                .update_one(still, json!({"$set": {"due_at": later}}))
                .await?;
        }
    }
    Ok(())
}

/// An order, as it is now.
pub(crate) async fn stored(id: &OrderId) -> Result<Order> {
    let order = ORDERS.get(id.as_str()).await?;
    order.ok_or_else(|| Error::internal("an order that is not there"))
}

/// What could not be done now is done later.
fn late(error: Error) {
    eprintln!(
        "warning: an order could not be gone on with: {error:?}; the schedule goes on with it"
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::grants::{self, Grant, State as Grants};
    use crate::item::{Item, ItemId};
    use crate::kinds::{Declared, Kind};
    use crate::market::Market;
    use crate::saga::State;
    use crate::store::{GRANTS, KINDS};
    use sbd_sdk::Principal;
    use serde_json::json;
    use std::time::Duration;

    /// An item that the component `courses` hands over.
    fn lesson(market: &Market) -> ItemId {
        let kind = Kind::Of {
            component: "courses".to_owned(),
            word: "lesson".to_owned(),
        };
        let declared = Declared {
            kind: kind.clone(),
            component: "courses".to_owned(),
            title: "Lesson".to_owned(),
            repeatable: false,
            declared_at: market.app.now(),
        };
        let _ = market.app.run(KINDS.insert(&declared));
        market.offer("Lesson", 40, |item: &mut Item| {
            item.draft.kind = kind;
            item.stock = Some(5);
        })
    }

    fn asked(market: &Market) -> Grant {
        let asked = GRANTS.find_one(json!({"state": Grants::Asked}));
        market.app.run(asked).unwrap().unwrap()
    }

    fn courses() -> Principal {
        Principal::service("test", "courses")
    }

    #[test]
    fn what_another_component_hands_over_is_paid_when_it_has() {
        let market = Market::new();
        let (lesson, red) = (lesson(&market), market.item("Red", 10));
        market.put("usr_2", &red, json!({})).assert_status(201);
        let placed = market
            .buy("usr_2", &lesson, json!({"total": 50}))
            .assert_status(201);
        assert_eq!(placed["state"], "granting");
        assert_eq!((market.balance("usr_2"), market.income()), ((950, 50), 0));
        let grant = asked(&market);
        let shop = market.app.by(Principal::service("test", "shop"));
        for _ in 0..2 {
            market
                .app
                .run(grants::confirm(&courses(), &grant.id))
                .unwrap();
            market.hear();
            let told = json!({
                "order_id": placed["id"], "component": "courses", "user_id": "usr_2", "kind": "courses.lesson",
            });
            shop.event("shop.grant.granted", told).assert_status(204);
        }
        assert_eq!(market.orders()[0].state, State::Completed);
        assert_eq!(market.owns("usr_2"), ["Lesson", "Red"]);
        market.assert_settled();
    }

    #[test]
    fn what_another_component_refuses_is_undone_with_all_the_rest() {
        let market = Market::new();
        let (lesson, red) = (
            lesson(&market),
            market.offer("Red", 10, |item| item.stock = Some(1)),
        );
        market.put("usr_2", &red, json!({})).assert_status(201);
        market
            .buy("usr_2", &lesson, json!({"total": 50}))
            .assert_status(201);
        assert_eq!(market.owns("usr_2"), ["Red"]);
        let grant = asked(&market);
        let by = courses();
        let refused = grants::refuse(&by, &grant.id, "it is full");
        market.app.run(refused).unwrap();
        market.hear();
        let order = &market.orders()[0];
        assert_eq!(order.state, State::Undone);
        assert!(crate::orders::why(order).unwrap().contains("it is full"));
        assert_eq!(
            market
                .app
                .counted("shop_orders_total", &[("outcome", "not_delivered")]),
            1
        );
        assert!(market.owns("usr_2").is_empty());
        market.assert_settled();
    }

    /// It is down, or slow: in time all is undone, and who answers later is told so.
    #[test]
    fn what_another_component_says_nothing_to_is_undone_in_time() {
        for late in [false, true] {
            let market = Market::new();
            let lesson = lesson(&market);
            market
                .buy("usr_2", &lesson, json!({"total": 40}))
                .assert_status(201);
            let grant = asked(&market);
            market.advance(Duration::from_secs(9 * 60));
            market.tick();
            assert_eq!(market.orders()[0].state, State::Granting);
            market.advance(Duration::from_secs(7 * 60));
            market.tick();
            assert_eq!(market.orders()[0].state, State::Undone);
            if late {
                let confirmed = market.app.run(grants::confirm(&courses(), &grant.id));
                assert_eq!(confirmed.unwrap_err().code(), "CONFLICT");
            }
            assert!(market.owns("usr_2").is_empty());
            market.assert_settled();
        }
    }

    /// It confirms, and the server dies before the order hears of it.
    #[test]
    fn what_was_confirmed_is_paid_though_nobody_was_told() {
        let market = Market::new();
        let lesson = lesson(&market);
        market
            .buy("usr_2", &lesson, json!({"total": 40}))
            .assert_status(201);
        let grant = asked(&market);
        market
            .app
            .run(grants::confirm(&courses(), &grant.id))
            .unwrap();
        market.advance(Duration::from_secs(2 * 60));
        market.tick();
        assert_eq!(market.orders()[0].state, State::Completed);
        market.assert_settled();
    }

    #[test]
    fn an_order_that_waits_for_others_can_be_canceled() {
        let market = Market::new();
        let lesson = lesson(&market);
        let placed = market
            .buy("usr_2", &lesson, json!({"total": 40}))
            .assert_status(201);
        let path = format!("orders/{}/cancel", placed.text("id"));
        market
            .send("usr_3", &path, json!({}))
            .assert_refused(404, "NOT_FOUND");
        let canceled = market.send("usr_2", &path, json!({})).assert_status(200);
        assert_eq!(canceled["state"], "undone");
        market.send("usr_2", &path, json!({})).assert_status(200);
        market.assert_settled();
    }
}
