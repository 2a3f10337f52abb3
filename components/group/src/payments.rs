//! Payments out of the account. Each is decided and counted here, held in the ledger, and captured
//! there: `membership::payment` has the steps. Whoever begins a payment goes through them at once; what
//! stopped on the way, for whatever reason, is gone on with by the schedule.

use crate::Group;
use crate::account;
use crate::allowances;
use crate::events::Happened;
use crate::requests::{self, RequestId};
use crate::store;
use crate::wallet::{self, Held, Refusal};
use membership::commit::{busy, committed, tries};
use membership::payment::{Act, Next, State};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, Tokens, id, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long whoever goes on with a payment has for a step, one call of the wallet, before others do.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the schedule leaves a payment alone that it could not go on with.
const LATER: Duration = Duration::from_secs(5 * 60);
/// How long tokens are held that are paid at once: a hold that nobody remembers is free again after this.
const BRIEFLY: u64 = 10 * 60;
/// How many payments the schedule goes on with at a time.
const AT_ONCE: u32 = 100;

id!(pub PaymentId, "pay", "payment");

/// A payment, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment<G> {
    #[serde(rename = "_id")]
    pub(crate) id: PaymentId,
    /// What makes it happen once: whose it is and by which key, or its own id.
    pub(crate) key: String,
    pub(crate) group: G,
    /// The member whom it is for.
    pub(crate) user_id: String,
    #[serde(flatten)]
    pub(crate) order: Order,
    /// The request that it carries out, and who approved that.
    pub(crate) request: Option<RequestId>,
    pub(crate) approved_by: Option<String>,
    /// Whether it counts on what the member may spend, and on what is approved by itself.
    pub(crate) counted: bool,
    pub(crate) automatic: bool,
    /// How long its tokens are held; somebody decides meanwhile, if it waits.
    pub(crate) waits: bool,
    pub(crate) seconds: u64,
    pub(crate) state: State,
    pub(crate) hold_id: Option<String>,
    pub(crate) transaction_id: Option<String>,
    /// Why it is undone.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) made_at: Time,
    /// When somebody is to go on with it, if anybody is.
    pub(crate) due_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
}

/// Whom to pay, how much, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub(crate) to: String,
    pub(crate) amount: Tokens,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) memo: Option<String>,
}

/// What the ledger said, to be remembered with what it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    hold_id: Option<String>,
    transaction_id: Option<String>,
    refusal: Option<Refusal>,
}

/// What was made, now or when the same was asked before.
pub(crate) struct Made<T> {
    pub(crate) made: T,
    pub(crate) replayed: bool,
}

/// Pays out of the account, as far as the caller may, once per key.
pub(crate) async fn pay<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    order: Order,
) -> Result<Made<Payment<G>>> {
    let member = group.own(caller).await?;
    let key = format!("{}/{key}", member.id);
    for _ in tries() {
        let known = store::payments::<G>().find_one(json!({"key": key})).await?;
        if let Some(payment) = known {
            if payment.order != order {
                return Err(Error::idempotency_key_reused());
            }
            let made = settled(payment).await?;
            return Ok(Made {
                made,
                replayed: true,
            });
        }
        let wallet = account::of(group).await?;
        account::require_open(&wallet)?;
        let allowance = allowances::of(&member).await?;
        let now = time::now();
        let payment = Payment {
            counted: true,
            ..Payment::new(group, &caller.user, order.clone(), &key, now)
        };
        let change = Transaction::new().insert(&store::payments::<G>(), &payment);
        let change = allowances::count(change, &member, &allowance, &wallet, order.amount, now)?;
        let change = account::while_open(change, &wallet);
        if committed(change.commit().await)? {
            let made = settled(payment).await?;
            return Ok(Made {
                made,
                replayed: false,
            });
        }
    }
    Err(busy(G::NOUN))
}

/// A payment of a group that the caller belongs to.
pub(crate) async fn get<G: Group>(
    group: &G,
    caller: &Caller,
    id: &PaymentId,
) -> Result<Payment<G>> {
    group.reader(caller).await?;
    let payment = store::payments::<G>().get(id.as_str()).await?;
    let payment = payment.filter(|payment| payment.group == *group);
    payment.ok_or_else(|| Error::not_found("payment"))
}

/// A payment that was gone through, or why it was not made.
async fn settled<G: Group>(payment: Payment<G>) -> Result<Payment<G>> {
    let payment = go_on(payment).await?;
    match payment.state {
        State::Paid => Ok(payment),
        State::Undone => Err(payment.refusal()),
        // Others decide on it at the same time.
        _ => Err(wallet::busy()),
    }
}

/// Goes on with a payment from wherever it is, as far as it goes. Several may do so at once: what one of them
/// remembers, the others read.
pub(crate) async fn go_on<G: Group>(mut payment: Payment<G>) -> Result<Payment<G>> {
    for _ in tries() {
        let (act, learned) = match payment.state.next() {
            Next::Nothing => return Ok(payment),
            Next::Hold => hold(&payment).await?,
            Next::Capture => capture(&payment).await?,
            Next::Release => release(&payment).await?,
        };
        let remembered = remember(&payment, act, &learned).await?;
        let now = stored(&payment.id).await?;
        // Somebody else was quicker: of two holds one is remembered, and the other is of no use.
        if let Some(hold) = &learned.hold_id
            && !remembered
            && now.hold_id.as_ref() != Some(hold)
        {
            wallet::release(hold).await.map(drop).unwrap_or_else(late);
        }
        payment = now;
    }
    Err(busy(G::NOUN))
}

async fn hold<G: Group>(payment: &Payment<G>) -> Result<(Act, Learned)> {
    let held = Held {
        from: &payment.group,
        to: &payment.order.to,
        amount: payment.order.amount,
        kind: &payment.order.kind,
        memo: payment.order.memo.as_deref(),
        cause: payment.id.as_str(),
        seconds: payment.seconds,
    };
    match wallet::hold(&held).await {
        Ok(hold) => Ok((
            Act::Held {
                wait: payment.waits,
            },
            Learned {
                hold_id: Some(hold.id),
                ..Learned::default()
            },
        )),
        Err(error) => refused(error, Act::Refused),
    }
}

async fn capture<G: Group>(payment: &Payment<G>) -> Result<(Act, Learned)> {
    match wallet::capture(payment.hold()?).await {
        Ok(hold) => Ok((
            Act::Captured,
            Learned {
                transaction_id: hold.transaction_id,
                ..Learned::default()
            },
        )),
        Err(error) => refused(error, Act::Gone),
    }
}

async fn release<G: Group>(payment: &Payment<G>) -> Result<(Act, Learned)> {
    match wallet::release(payment.hold()?).await {
        Ok(_) => Ok((Act::Gone, Learned::default())),
        // What is not there any more holds nothing.
        Err(error) => {
            let (act, _) = refused(error, Act::Gone)?;
            Ok((act, Learned::default()))
        }
    }
}

/// What follows from a refusal of the ledger; of anything else it is not known what was done.
fn refused(error: Error, act: Act) -> Result<(Act, Learned)> {
    let is_off = error.code() == "FEATURE_DISABLED" && act != Act::Refused;
    match Refusal::of(&error).filter(|_| !is_off) {
        Some(refusal) => Ok((
            act,
            Learned {
                refusal: Some(refusal),
                ..Learned::default()
            },
        )),
        None => Err(error),
    }
}

/// Writes down what the ledger did, with all that follows from it; says whether nobody else had done so.
async fn remember<G: Group>(payment: &Payment<G>, act: Act, learned: &Learned) -> Result<bool> {
    let Some(state) = payment.state.after(act) else {
        return Ok(false);
    };
    let change = changed(Transaction::new(), payment, state, learned).await?;
    let change = requests::follow(change, payment, state, learned.refusal.as_ref()).await?;
    let change = match state {
        State::Paid => Happened::Paid {
            payment_id: &payment.id,
            user_id: &payment.user_id,
            to: &payment.order.to,
            amount: payment.order.amount,
            kind: &payment.order.kind,
            request_id: payment.request.as_ref(),
        }
        .told_by(&payment.group, change),
        _ => change,
    };
    let is_done = committed(change.commit().await)?;
    if is_done && state == State::Paid {
        requests::count_paid(payment).await;
    }
    Ok(is_done)
}

/// Has a payment be in another state, with what was counted given back if nothing is paid.
pub(crate) async fn changed<G: Group>(
    change: Transaction,
    payment: &Payment<G>,
    state: State,
    learned: &Learned,
) -> Result<Transaction> {
    let now = time::now();
    let mut set = json!({
        "state": state,
        "due_at": (state.next() != Next::Nothing).then(|| now + PATIENCE),
        "ended_at": state.is_ended().then_some(now),
    });
    let texts = [
        ("hold_id", &learned.hold_id),
        ("transaction_id", &learned.transaction_id),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            set[field] = text.as_str().into();
        }
    }
    if let Some(refusal) = &learned.refusal {
        set["refusal"] = json!(refusal);
    }
    let change = change.update_one(
        &store::payments::<G>(),
        payment.still(),
        json!({"$set": set}),
    );
    if state != State::Undone {
        return Ok(change);
    }
    allowances::give_back(change, payment).await
}

/// Goes on with a payment that somebody has left, as it is seen in passing; whether it was left.
pub(crate) async fn go_on_if_due<G: Group>(payment: Payment<G>) -> bool {
    let is_due = payment.due_at.is_some_and(|due| due <= time::now());
    if is_due {
        go_on(payment).await.map(drop).unwrap_or_else(late);
    }
    is_due
}

/// Goes on with what stopped on the way.
///
/// # Errors
/// When it is not known what did.
pub async fn go_on_with_due<G: Group>() -> Result<()> {
    let now = time::now();
    let due = store::payments::<G>().find(json!({"due_at": {"$lte": now}}));
    let due = due
        .sort(json!({"due_at": 1}))
        .limit(AT_ONCE)
        .fetch()
        .await?;
    for payment in due.documents {
        let still = payment.still();
        if let Err(error) = go_on(payment).await {
            late(error);
            let later = json!({"$set": {"due_at": now + LATER}});
            store::payments::<G>().update_one(still, later).await?;
        }
    }
    Ok(())
}

/// Payments of a group that are not done yet, as a filter.
pub(crate) fn open<G: Group>(group: &G) -> Value {
    json!({"group": group, "state": {"$nin": [State::Paid, State::Undone]}})
}

/// A payment, as it is now.
pub(crate) async fn stored<G: Group>(id: &PaymentId) -> Result<Payment<G>> {
    let payment = store::payments::<G>().get(id.as_str()).await?;
    payment.ok_or_else(|| Error::internal("a payment that is not there"))
}

/// What could not be done now is done later.
fn late(error: Error) {
    eprintln!("warning: the wallet would not: {error:?}; the schedule goes on with it");
}

// === impl Payment ===

impl<G: Group> Payment<G> {
    /// A payment that is to be made at once, for which nothing is counted.
    pub(crate) fn new(group: &G, user: &str, order: Order, key: &str, now: Time) -> Self {
        Self {
            id: PaymentId::new(),
            key: key.to_owned(),
            group: group.clone(),
            user_id: user.to_owned(),
            order,
            request: None,
            approved_by: None,
            counted: false,
            automatic: false,
            waits: false,
            seconds: BRIEFLY,
            state: State::Reserved,
            hold_id: None,
            transaction_id: None,
            refusal: None,
            made_at: now,
            due_at: Some(now + PATIENCE),
            ended_at: None,
        }
    }

    /// That it is as it was read.
    pub(crate) fn still(&self) -> Value {
        json!({"_id": self.id, "state": self.state})
    }

    /// Why it was not made.
    pub(crate) fn refusal(&self) -> Error {
        let refusal = self.refusal.clone();
        refusal.unwrap_or_else(Refusal::unknown).error()
    }

    fn hold(&self) -> Result<&str> {
        let hold = self.hold_id.as_deref();
        hold.ok_or_else(|| Error::internal("a payment that is held has no hold"))
    }
}
