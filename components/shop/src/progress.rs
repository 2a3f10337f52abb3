//! Going on with an order from wherever it is: `saga` says what is next, here it is done and remembered. Whoever
//! orders goes through it at once; what stopped on the way is gone on with by the schedule, by what others tell,
//! and by whoever sends the same order again.

use crate::commit::{busy, committed};
use crate::grants::{self, Granted};
use crate::model::OrderId;
use crate::neighbours::Refusal;
use crate::order::{Order, PATIENCE, stops_at};
use crate::payer::{self, Done, Group};
use crate::saga::{Act, Next, State};
use crate::store::ORDERS;
use crate::{stock, telling, vouchers};
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
const AT_ONCE: u32 = 100;

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
            Granted::Granted => {}
            Granted::Asked => all = false,
            Granted::Refused(why) => {
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
        Some(order) if order.request_id.as_ref() == Some(&told.request_id) => wake(&order.id).await,
        order if kind.ends_with(".approved") => approved(order, told).await,
        _ => Ok(()),
    }
}

/// An approved request that its order does not know: whoever asked died before that was written down, or it was
/// made by hand.
async fn approved(order: Option<Order>, told: &Told) -> Result<()> {
    let Some(group) = Group::of(&told.group_id) else {
        return Ok(());
    };
    let request = group.get(&told.request_id).await?;
    let is_for = |order: &Order| {
        let seller = request.item.as_ref().map(|item| item.seller.as_str());
        let right = (request.amount, &*request.user_id, seller);
        right == (order.total, &*order.buyer, Some(payer::SHOP))
    };
    if let Some(order) = order.filter(|order| order.state == State::Reserved && is_for(order)) {
        let asked = Done {
            request_id: Some(request.id.clone()),
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
