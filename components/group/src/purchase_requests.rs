//! Requests that something is bought out of the account: the tokens are held at once, and whoever
//! sells has them when it has delivered. `docs/purchases.md` is the contract with whoever sells.

use crate::Group;
use crate::account;
use crate::allowances;
use crate::events::{self, Step};
use crate::payments::{self, Learned, Made, Payment};
use crate::requests::{self, Item, Kind, Request, RequestId};
use crate::store;
use crate::wallet::Refusal;
use membership::commit::{busy, committed, tries};
use membership::payment::{self, State as Payments};
use membership::request::{Act, FULFILLED_IN, KEPT, State};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Principal, Result, Tokens, time};
use serde_json::json;

/// What is wanted, of whom, and for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub(crate) item: Item,
    pub(crate) price: Tokens,
    /// Who is paid.
    pub(crate) seller: String,
    pub(crate) reason: Option<String>,
}

/// Asks that something is bought, once per key. The tokens are held at once; who may spend so much needs nobody
/// who reviews.
pub(crate) async fn ask<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    wish: Wish,
) -> Result<Made<Request<G>>> {
    let member = requests::asker(group, caller).await?;
    let key = format!("{}/purchase/{key}", member.id);
    let is_same = |known: &Request<G>| wish.is_of(known);
    for _ in tries() {
        if let Some(known) = requests::known(&key, is_same).await? {
            let payment = payments::go_on(known.of_purchase().await?).await?;
            return made(&known, &payment, true).await;
        }
        let wallet = account::of(group).await?;
        account::require_open(&wallet)?;
        let allowance = allowances::of(&member).await?;
        let now = time::now();
        let request = Request {
            item: Some(wish.item.clone()),
            reason: wish.reason.clone(),
            to: wish.seller.clone(),
            ..Request::new(Kind::Purchase, group, &member, wish.price, &key, now)
        };
        let payment = Payment {
            waits: true,
            // Longer than anybody may take.
            seconds: (KEPT + FULFILLED_IN).as_secs() + 24 * 60 * 60,
            ..request.payment(now)
        };
        let change = Transaction::new();
        let counted = allowances::count(change, &member, &allowance, &wallet, wish.price, now);
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
        let change = requests::made(change, &member, &wallet, &request).await?;
        if committed(
            change
                .insert(&store::payments::<G>(), &payment)
                .commit()
                .await,
        )? {
            let payment = payments::go_on(payment).await?;
            return made(&request, &payment, false).await;
        }
    }
    Err(busy(G::NOUN))
}

/// What was made; or why nothing can be bought.
async fn made<G: Group>(
    request: &Request<G>,
    payment: &Payment<G>,
    replayed: bool,
) -> Result<Made<Request<G>>> {
    let made = requests::made_as(request, replayed).await?;
    match made.made.state {
        State::Failed if payment.hold_id.is_none() => Err(payment.refusal()),
        _ => Ok(made),
    }
}

/// A request that somebody may see: a member as any request, and the component that sells. The latter waits for
/// what it reads, so that a payment which somebody died over does not wait for the schedule.
pub(crate) async fn get<G: Group>(group: &G, by: Principal, id: &RequestId) -> Result<Request<G>> {
    if let Ok(request) = sold(group, &by, id).await {
        return match payments::go_on_if_due(request.of_purchase().await?).await {
            true => requests::stored(group, Kind::Purchase, id).await,
            false => Ok(request),
        };
    }
    let caller = Caller::of(by).ok_or_else(|| Error::not_found(G::NOUN))?;
    requests::get(group, &caller, Kind::Purchase, id).await
}

/// Pays whoever sells: what was approved is delivered. Doing so again is doing nothing.
pub(crate) async fn fulfil<G: Group>(
    group: &G,
    by: &Principal,
    id: &RequestId,
) -> Result<Request<G>> {
    for _ in tries() {
        let request = sold(group, by, id).await?;
        if request.state == State::Completed {
            return Ok(request);
        }
        if request.state == State::Pending {
            return Err(Error::conflict(format!(
                "nobody has approved the request yet; wait for `{}`",
                events::requested::<G>(Kind::Purchase, Step::Approved)
            )));
        }
        request.after(Act::Complete)?;
        let payment = request.of_purchase().await?;
        if let Some(state) = payment.state.after(payment::Act::Go) {
            let change = Transaction::new().update_one(
                &store::requests::<G>(),
                json!({"_id": request.id, "state": State::Approved}),
                json!({"$set": {"due_at": null}}),
            );
            let change = payments::changed(change, &payment, state, &Learned::default()).await?;
            if !committed(change.commit().await)? {
                continue;
            }
        }
        let payment = payments::go_on(payments::stored::<G>(&payment.id).await?).await?;
        if payment.state == Payments::Undone {
            return Err(payment.refusal());
        }
        return requests::stored(group, Kind::Purchase, id).await;
    }
    Err(busy(G::NOUN))
}

/// Frees what is held: whoever sells cannot deliver. Doing so again is doing nothing.
pub(crate) async fn fail<G: Group>(
    group: &G,
    by: &Principal,
    id: &RequestId,
    reason: &str,
) -> Result<Request<G>> {
    for _ in tries() {
        let request = sold(group, by, id).await?;
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
    Err(busy(G::NOUN))
}

/// A request for what a component sells. To every other one it is not there.
async fn sold<G: Group>(group: &G, by: &Principal, id: &RequestId) -> Result<Request<G>> {
    let request = requests::stored(group, Kind::Purchase, id).await?;
    let seller = request.item.as_ref().map(|item| item.component.as_str());
    match seller.is_some() && seller == by.asking_component() {
        true => Ok(request),
        false => Err(Error::not_found("request")),
    }
}

// === impl Wish ===

impl Wish {
    fn is_of<G>(&self, request: &Request<G>) -> bool {
        request.item.as_ref() == Some(&self.item)
            && (request.amount, &request.to, &request.reason)
                == (self.price, &self.seller, &self.reason)
    }
}
