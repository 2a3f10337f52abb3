//! Requests to those who review, for tokens (`token_requests`) or that something is bought
//! (`purchase_requests`): what both have in common. `membership::request` has their states.

use crate::account::{self, Wallet};
use crate::events::{self, Happened, Step};
use crate::notices;
use crate::payments::{self, Learned, Made, Order, Payment, PaymentId};
use crate::store::{self, MEMBERSHIPS};
use crate::wallet::Refusal;
use crate::{Group, Member, Who, member_id};
use membership::commit::{busy, committed, tries};
use membership::notice::Notice;
use membership::payment;
use membership::request::{
    Act, FULFILLED_IN, KEPT, MOST_PENDING, State, own_request, require_reviewer,
};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, Sort, Tokens, id, metrics, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// How many requests the schedule ends at a time.
const AT_ONCE: u32 = 100;

id!(pub RequestId, "ask", "request", formerly "frq");

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Tokens, for whoever asks.
    Token,
    /// That something is bought.
    Purchase,
}

/// A request, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<G> {
    #[serde(rename = "_id")]
    pub(crate) id: RequestId,
    /// What makes it happen once: whose it is, and by which key.
    pub(crate) key: String,
    pub(crate) group: G,
    pub(crate) kind: Kind,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) amount: Tokens,
    pub(crate) reason: Option<String>,
    pub(crate) item: Option<Item>,
    /// Who is paid.
    pub(crate) to: String,
    pub(crate) state: State,
    /// Whether it is approved by itself.
    pub(crate) automatic: bool,
    pub(crate) reviewed_by: Option<String>,
    pub(crate) reviewed_at: Option<Time>,
    pub(crate) comment: Option<String>,
    /// The payment that carries it out.
    pub(crate) payment: Option<PaymentId>,
    /// Why it could not be carried out, when that was tried last.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
    /// When something must happen, if anything must.
    pub(crate) due_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
}

/// What is to be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The component that sells it, and alone fulfils the request.
    pub(crate) component: String,
    /// Its own id of it.
    pub(crate) id: String,
    pub(crate) title: String,
}

/// Which requests to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RequestFilter {
    /// Only requests in this state.
    #[param(inline)]
    state: Option<State>,
    /// Only this member's requests; for those who review. Others see their own.
    #[param(max_length = 64, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: Option<String>,
    /// Only those made at this time or later.
    #[param(inline)]
    from: Option<Time>,
    /// Only those made before this time.
    #[param(inline)]
    to: Option<Time>,
}

/// What the list of requests is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestSort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// How much they ask for.
    Amount,
}

/// The request that was made by this key before, if it was the same.
pub(crate) async fn known<G: Group>(
    key: &str,
    same: impl Fn(&Request<G>) -> bool,
) -> Result<Option<Request<G>>> {
    match store::requests::<G>().find_one(json!({"key": key})).await? {
        Some(request) if same(&request) => Ok(Some(request)),
        Some(_) => Err(Error::idempotency_key_reused()),
        None => Ok(None),
    }
}

/// Has a request be made, as long as the member has not too many.
pub(crate) async fn made<G: Group>(
    change: Transaction,
    member: &Member,
    wallet: &Wallet<G>,
    request: &Request<G>,
) -> Result<Transaction> {
    let pending = json!({
        "group": request.group, "user_id": request.user_id, "state": State::Pending,
    });
    let count = store::requests::<G>().count(pending.clone()).await?;
    if count >= MOST_PENDING {
        let message = format!(
            "you have {MOST_PENDING} requests pending, the most there may be; wait for a decision, or cancel one"
        );
        return Err(Error::conflict(message));
    }
    let change = change
        .check(&store::requests::<G>(), pending, count)
        .insert(&store::requests::<G>(), request);
    let change = account::while_open(member.unchanged(change), wallet);
    Ok(request.happened(Step::Created, Some(&request.user_id), change))
}

/// A request that the caller may see: one's own, or any for administrators.
pub(crate) async fn get<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
) -> Result<Request<G>> {
    let own = group.reader(caller).await?;
    let request = stored(group, kind, id).await?;
    match own.reviews || request.user_id == own.user_id {
        true => Ok(request.at(time::now())),
        false => Err(Error::not_found("request")),
    }
}

/// A page of the requests that the caller may see.
pub(crate) async fn list<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    listing: &Listing<RequestSort, RequestFilter>,
) -> Result<Page<Request<G>>> {
    let own = group.reader(caller).await?;
    let wanted = &listing.filter;
    let mut filter = json!({"group": group, "kind": kind});
    match (&wanted.user_id, own.reviews) {
        (Some(user), true) => filter["user_id"] = user.as_str().into(),
        (None, true) => {}
        (Some(user), _) if *user != own.user_id => {
            return Err(Error::forbidden(
                "what others ask for is for administrators to see; ask for your own",
            ));
        }
        _ => filter["user_id"] = own.user_id.as_str().into(),
    }
    let now = time::now();
    match wanted.state {
        // As they are read: what is pending too long has expired.
        Some(State::Pending) => {
            filter["state"] = json!(State::Pending);
            filter["expires_at"] = json!({"$gt": now});
        }
        Some(State::Expired) => {
            filter["$or"] = json!([
                {"state": State::Expired},
                {"state": State::Pending, "expires_at": {"$lte": now}},
            ]);
        }
        Some(state) => filter["state"] = json!(state),
        None => {}
    }
    if let Some(from) = wanted.from {
        filter["created_at"]["$gte"] = json!(from);
    }
    if let Some(to) = wanted.to {
        filter["created_at"]["$lt"] = json!(to);
    }
    let page = store::requests::<G>().find(filter).page(listing).await?;
    Ok(page.map(|request| request.at(now)))
}

/// Approves a request, which is then carried out. Doing so again is doing nothing.
pub(crate) async fn approve<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
    comment: Option<String>,
) -> Result<Request<G>> {
    let (reviewer, mut last) = (reviewer(group, caller).await?, None);
    for _ in tries() {
        let request = stored(group, kind, id).await?;
        let is_done = matches!(request.state, State::Approved | State::Completed)
            && request.reviewed_by.as_deref() == Some(&*caller.user);
        if is_done {
            return Ok(request);
        }
        let now = time::now();
        let change = reviewed(&request, &reviewer, Act::Approve, comment.as_deref(), now).await?;
        let wallet = account::of(group).await?;
        account::require_open(&wallet)?;
        let change = account::while_open(change, &wallet);
        let (change, payment) = match kind {
            Kind::Token => paying(change, &request, &reviewer, now).await?,
            Kind::Purchase => (held(change, &request).await?, None),
        };
        let change = request.happened(Step::Approved, Some(&caller.user), change);
        if !committed(change.commit().await)? {
            continue;
        }
        if let Some(payment) = payment {
            last = payments::go_on(payment).await.ok();
        }
        // What could not be paid is pending again, and whoever approves it is told why.
        if let Some(payment) = last.filter(|payment| payment.state == payment::State::Undone) {
            return Err(payment.refusal());
        }
        return stored(group, kind, id).await;
    }
    Err(busy(G::NOUN))
}

/// The payment that carries out a request for tokens.
async fn paying<G: Group>(
    change: Transaction,
    request: &Request<G>,
    reviewer: &Member,
    now: Time,
) -> Result<(Transaction, Option<Payment<G>>)> {
    let asked = json!({"_id": member_id(&request.group, &request.user_id)});
    if MEMBERSHIPS.count(asked.clone()).await? == 0 {
        let message = format!(
            "whoever asked belongs to the {} no more; deny the request",
            G::NOUN
        );
        return Err(Error::conflict(message));
    }
    let payment = Payment {
        approved_by: Some(reviewer.user_id.clone()),
        ..request.payment(now)
    };
    let change = change
        .check(&MEMBERSHIPS, asked, 1)
        .insert(&store::payments::<G>(), &payment)
        .update_one(
            &store::requests::<G>(),
            json!({"_id": request.id}),
            json!({"$set": {"payment": payment.id, "due_at": null}}),
        );
    Ok((change, Some(payment)))
}

/// That the tokens of a purchase are held, and are so until whoever sells has answered.
async fn held<G: Group>(change: Transaction, request: &Request<G>) -> Result<Transaction> {
    let payment = request.of_purchase().await?;
    if payment.state == payment::State::Reserved {
        return Err(Error::overloaded(
            "the tokens are being held just now; approve it in a moment",
            1,
        ));
    }
    let waiting = json!({"_id": payment.id, "state": payment::State::Waiting});
    let until = json!({"$set": {"due_at": time::now() + FULFILLED_IN}});
    Ok(change
        .check(&store::payments::<G>(), waiting, 1)
        .update_one(&store::requests::<G>(), json!({"_id": request.id}), until))
}

/// Denies a request. Doing so again is doing nothing.
pub(crate) async fn deny<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
    comment: Option<String>,
) -> Result<Request<G>> {
    let reviewer = reviewer(group, caller).await?;
    for _ in tries() {
        let request = stored(group, kind, id).await?;
        if request.state == State::Denied && request.reviewed_by.as_deref() == Some(&*caller.user) {
            return Ok(request);
        }
        let now = time::now();
        let change = reviewed(&request, &reviewer, Act::Deny, comment.as_deref(), now).await?;
        let words = request.words();
        let notice = request.notice(Step::Denied, format!("Your request for {words} was denied"));
        let notice = match &comment {
            Some(comment) => notice.body(comment.clone()),
            None => notice,
        };
        let change = notice.told_by(change);
        let change = request.happened(Step::Denied, Some(&caller.user), change);
        if let Some(ended) = ended(&request, change).await? {
            return Ok(ended);
        }
    }
    Err(busy(G::NOUN))
}

/// Takes one's own request back. Doing so again is doing nothing.
pub(crate) async fn cancel<G: Group>(
    group: &G,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
) -> Result<Request<G>> {
    let own = group.own(caller).await?;
    for _ in tries() {
        let request = stored(group, kind, id).await?;
        if request.user_id != own.user_id {
            return Err(match own.reviews {
                true => Error::forbidden("only whoever asked cancels a request; deny it"),
                false => Error::not_found("request"),
            });
        }
        if request.state == State::Canceled {
            return Ok(request);
        }
        let state = request.after(Act::Cancel)?;
        let change = request.changed(Transaction::new(), state, json!({}));
        let change = request.happened(Step::Canceled, Some(&caller.user), change);
        if let Some(ended) = ended(&request, change).await? {
            return Ok(ended);
        }
    }
    Err(busy(G::NOUN))
}

/// Ends what nobody decided on, or nobody fulfilled, in time.
///
/// # Errors
/// When it is not known what that is.
pub async fn end_due<G: Group>() -> Result<()> {
    let due = store::requests::<G>().find(json!({"due_at": {"$lte": time::now()}}));
    let due = due
        .sort(json!({"due_at": 1}))
        .limit(AT_ONCE)
        .fetch()
        .await?;
    for request in due.documents {
        if let Err(error) = end_in_time(&request).await {
            eprintln!("warning: {} is not ended yet: {error:?}", request.id);
        }
    }
    Ok(())
}

async fn end_in_time<G: Group>(request: &Request<G>) -> Result<()> {
    let (act, what, title) = match request.state {
        State::Pending => (
            Act::Expire,
            Step::Expired,
            "has expired: nobody decided on it",
        ),
        _ => (
            Act::Fail,
            Step::Failed,
            "was approved, but nobody delivered",
        ),
    };
    let state = request.after(act)?;
    let change = request.changed(Transaction::new(), state, json!({}));
    let title = format!("Your request for {} {title}", request.words());
    let change = request.notice(what, title).told_by(change);
    // Whoever was quicker has decided.
    ended(request, request.happened(what, None, change))
        .await
        .map(drop)
}

/// Commits the end of a request, and frees what is held for it. None, where others were quicker.
pub(crate) async fn ended<G: Group>(
    request: &Request<G>,
    change: Transaction,
) -> Result<Option<Request<G>>> {
    let payment = match request.kind {
        Kind::Purchase => Some(request.of_purchase().await?),
        Kind::Token => None,
    };
    let change = match &payment {
        None => change,
        Some(payment) => match payment.state.after(payment::Act::Stop) {
            Some(state) => payments::changed(change, payment, state, &Learned::default()).await?,
            // Whoever sells was quicker: it is being paid, and then it is completed.
            None if payment.state == payment::State::Capturing => {
                payments::go_on(payment.clone()).await?;
                return Ok(None);
            }
            None => change.check(&store::payments::<G>(), payment.still(), 1),
        },
    };
    if !committed(change.commit().await)? {
        return Ok(None);
    }
    if let Some(payment) = payment {
        // It is ended; what is held and not freed now is freed by the schedule.
        let payment = payments::stored::<G>(&payment.id).await?;
        payments::go_on(payment).await.ok();
    }
    let ended = stored(&request.group, request.kind, &request.id).await?;
    if ended.kind == Kind::Token {
        count(match ended.state {
            State::Denied => "denied",
            State::Canceled => "canceled",
            State::Expired => "expired",
            _ => "other",
        })
        .await;
    }
    Ok(Some(ended))
}

/// Counts a request for tokens that was paid.
pub(crate) async fn count_paid<G: Group>(payment: &Payment<G>) {
    if payment.request.is_some() && !payment.waits {
        count(match payment.automatic {
            true => "automatic",
            false => "approved",
        })
        .await;
    }
}

async fn count(outcome: &str) {
    metrics::count("token_requests_total", &[("outcome", outcome)]).await;
}

/// What becomes of a request when its payment comes to another state.
pub(crate) async fn follow<G: Group>(
    change: Transaction,
    payment: &Payment<G>,
    state: payment::State,
    refusal: Option<&Refusal>,
) -> Result<Transaction> {
    let Some(id) = &payment.request else {
        return Ok(change);
    };
    let Some(request) = store::requests::<G>().get(id.as_str()).await? else {
        return Ok(change);
    };
    if request.payment.as_ref() != Some(&payment.id) {
        return Ok(change);
    }
    let (act, what) = match (state, request.kind) {
        (payment::State::Waiting, _) if request.automatic => (Act::Approve, Step::Approved),
        (payment::State::Paid, _) => (Act::Complete, Step::Completed),
        (payment::State::Undone, Kind::Token) => (Act::NotPaid, Step::NotPaid),
        (payment::State::Undone, Kind::Purchase) => (Act::Fail, Step::Failed),
        _ => return Ok(change),
    };
    // It has ended already: that is why its payment is undone.
    let Ok(state) = request.after(act) else {
        return Ok(change);
    };
    let due_at = match state {
        State::Pending => Some(request.expires_at),
        State::Approved => Some(time::now() + FULFILLED_IN),
        _ => None,
    };
    let set = json!({"refusal": refusal, "due_at": due_at});
    let change = request.changed(change, state, set);
    let words = request.words();
    let change = match state {
        State::Completed => request
            .notice(
                Step::Completed,
                format!("Your request for {words} was approved"),
            )
            .told_by(change),
        State::Failed => request
            .notice(Step::Failed, format!("Your request for {words} failed"))
            .told_by(change),
        _ => change,
    };
    Ok(request.happened(what, None, change))
}

/// A request of a group.
pub(crate) async fn stored<G: Group>(group: &G, kind: Kind, id: &RequestId) -> Result<Request<G>> {
    let request = store::requests::<G>().get(id.as_str()).await?;
    let request = request.filter(|request| request.group == *group && request.kind == kind);
    request.ok_or_else(|| Error::not_found("request"))
}

/// The caller's membership, which is that of somebody who may ask.
pub(crate) async fn asker<G: Group>(group: &G, caller: &Caller) -> Result<Member> {
    let own = group.own(caller).await?;
    match own.asks {
        true => Ok(own),
        false => Err(Error::forbidden(
            "your role asks for nothing out of the account; ask an administrator for another one",
        )),
    }
}

/// The caller's membership, which is that of somebody who reviews.
async fn reviewer<G: Group>(group: &G, caller: &Caller) -> Result<Member> {
    let own = group.own(caller).await?;
    match own.reviews {
        true => Ok(own),
        false => Err(account::not_governing()),
    }
}

/// A reviewer's decision, as long as it is one's to make.
async fn reviewed<G: Group>(
    request: &Request<G>,
    reviewer: &Member,
    act: Act,
    comment: Option<&str>,
    now: Time,
) -> Result<Transaction> {
    let state = request.state.after(act, request.expires_at, now)?;
    let change = reviewer.unchanged(Transaction::new());
    let change = match request.user_id == reviewer.user_id {
        true if !G::ALONE => return Err(own_request()),
        true => {
            let all = request.group.those(Who::Reviewers);
            let count = MEMBERSHIPS.count(all.clone()).await?;
            require_reviewer(&request.user_id, &reviewer.user_id, count)?;
            change.check(&MEMBERSHIPS, all, count)
        }
        false => change,
    };
    let set = json!({
        "reviewed_by": reviewer.user_id, "reviewed_at": now, "comment": comment, "refusal": null,
    });
    Ok(request.changed(change, state, set))
}

// === impl Request ===

impl<G: Group> Request<G> {
    /// A request that is pending, by whoever is signed in.
    pub(crate) fn new(
        kind: Kind,
        group: &G,
        member: &Member,
        amount: Tokens,
        key: &str,
        now: Time,
    ) -> Self {
        Self {
            id: RequestId::new(),
            key: key.to_owned(),
            group: group.clone(),
            kind,
            user_id: member.user_id.clone(),
            username: member.username.clone(),
            amount,
            reason: None,
            item: None,
            to: member.user_id.clone(),
            state: State::Pending,
            automatic: false,
            reviewed_by: None,
            reviewed_at: None,
            comment: None,
            payment: None,
            refusal: None,
            created_at: now,
            expires_at: now + KEPT,
            due_at: Some(now + KEPT),
            ended_at: None,
        }
    }

    /// As it is read at a time.
    fn at(self, now: Time) -> Self {
        Self {
            state: self.state.at(self.expires_at, now),
            ..self
        }
    }

    pub(crate) fn after(&self, act: Act) -> Result<State> {
        self.state.after(act, self.expires_at, time::now())
    }

    /// Has it be in another state, if it is as it was read.
    pub(crate) fn changed(&self, change: Transaction, state: State, set: Value) -> Transaction {
        let mut set = set;
        set["state"] = json!(state);
        if state.is_ended() {
            set["ended_at"] = json!(time::now());
            set["due_at"] = Value::Null;
        }
        let before = json!({"_id": self.id, "state": self.state, "payment": self.payment});
        change.update_one(&store::requests::<G>(), before, json!({"$set": set}))
    }

    /// A payment that carries it out.
    pub(crate) fn payment(&self, now: Time) -> Payment<G> {
        let (kind, memo) = match &self.item {
            Some(item) => ("purchase", Some(item.title.clone())),
            None => ("token_request", self.reason.clone()),
        };
        let order = Order {
            to: self.to.clone(),
            amount: self.amount,
            kind: kind.to_owned(),
            memo,
        };
        let payment = Payment::new(&self.group, &self.user_id, order, "", now);
        Payment {
            key: payment.id.to_string(),
            request: Some(self.id.clone()),
            ..payment
        }
    }

    /// The payment of a purchase, which there is from the beginning.
    pub(crate) async fn of_purchase(&self) -> Result<Payment<G>> {
        let id = self.payment.as_ref();
        payments::stored(id.ok_or_else(|| Error::internal("a purchase without a payment"))?).await
    }

    /// What it is for, in a sentence.
    pub(crate) fn words(&self) -> String {
        match &self.item {
            Some(item) => item.title.clone(),
            None if self.amount.number() == 1 => "1 token".to_owned(),
            None => format!("{} tokens", self.amount.number()),
        }
    }

    /// Whoever asked is told.
    pub(crate) fn notice(&self, what: Step, title: String) -> Notice {
        let kind = events::requested::<G>(self.kind, what);
        let unique = format!("{}/{kind}", self.id);
        notices::about(&self.group, &self.user_id, kind, title, unique)
    }

    /// Has a change tell what became of it.
    pub(crate) fn happened(
        &self,
        what: Step,
        by: Option<&str>,
        change: Transaction,
    ) -> Transaction {
        Happened::Requested {
            request_id: &self.id,
            user_id: &self.user_id,
            amount: self.amount,
            by,
            component: self.item.as_ref().map(|item| item.component.as_str()),
            item_id: self.item.as_ref().map(|item| item.id.as_str()),
            kind: self.kind,
            what,
        }
        .told_by(&self.group, change)
    }
}

impl Sort for RequestSort {
    const ITEMS: &'static str = "requests";
    const ORDER: sbd_sdk::paging::Order = sbd_sdk::paging::Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Amount => "amount",
        }
    }
}

/// A request that was made, now or when the same was asked before.
pub(crate) async fn made_as<G: Group>(
    request: &Request<G>,
    replayed: bool,
) -> Result<Made<Request<G>>> {
    let made = stored(&request.group, request.kind, &request.id).await?;
    Ok(Made { made, replayed })
}
