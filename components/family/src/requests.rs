//! Requests to a family's administrators, for tokens (`token_requests`) or that something is bought
//! (`purchase_requests`): what both have in common. `membership::request` has their states.

use crate::account;
use crate::allowances::still;
use crate::commit::{busy, committed, tries};
use crate::events::{self, Happened, Step};
use crate::model::{FamilyId, Membership, Role, require_admin};
use crate::notices::Notice;
use crate::payments::{self, Learned, Made, Order, Payment, PaymentId};
use crate::store::{self, MEMBERSHIPS, PAYMENTS, REQUESTS};
use crate::wallet::Refusal;
use membership::payment;
use membership::request::{Act, FULFILLED_IN, KEPT, MOST_PENDING, State, require_reviewer};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, Sort, Tokens, id, metrics, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// How many requests the schedule ends at a time.
const AT_ONCE: u32 = 100;

id!(pub(crate) RequestId, "frq", "request");

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Tokens, for whoever asks.
    Token,
    /// That something is bought.
    Purchase,
}

/// A request, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "_id")]
    pub(crate) id: RequestId,
    /// What makes it happen once: whose it is, and by which key.
    pub(crate) key: String,
    pub(crate) family_id: FamilyId,
    pub(crate) kind: Kind,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) amount: Tokens,
    pub(crate) reason: Option<String>,
    pub(crate) item: Option<Item>,
    /// Who is paid.
    pub(crate) to: String,
    pub(crate) state: State,
    /// Whether it is approved without an administrator.
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
pub(crate) struct Item {
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
pub(crate) struct RequestFilter {
    /// Only requests in this state.
    #[param(inline)]
    state: Option<State>,
    /// Only this member's requests; for administrators. Others see their own.
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
pub(crate) enum RequestSort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// How much they ask for.
    Amount,
}

/// The request that was made by this key before, if it was the same.
pub(crate) async fn known(key: &str, same: impl Fn(&Request) -> bool) -> Result<Option<Request>> {
    match REQUESTS.find_one(json!({"key": key})).await? {
        Some(request) if same(&request) => Ok(Some(request)),
        Some(_) => Err(Error::idempotency_key_reused()),
        None => Ok(None),
    }
}

/// Has a request be made, as long as the member has not too many.
pub(crate) async fn made(
    change: Transaction,
    membership: &Membership,
    request: &Request,
) -> Result<Transaction> {
    let pending = json!({
        "family_id": request.family_id, "user_id": request.user_id, "state": State::Pending,
    });
    let count = REQUESTS.count(pending.clone()).await?;
    if count >= MOST_PENDING {
        let message = format!(
            "you have {MOST_PENDING} requests pending, the most there may be; wait for a decision, or cancel one"
        );
        return Err(Error::conflict(message));
    }
    let change = change
        .check(&REQUESTS, pending, count)
        .check(&MEMBERSHIPS, still(membership), 1)
        .insert(&REQUESTS, request);
    let change = account::while_open(change, &request.family_id);
    Ok(request.happened(Step::Created, Some(&request.user_id), change))
}

/// A request that the caller may see: one's own, or any for administrators.
pub(crate) async fn get(
    family_id: &FamilyId,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
) -> Result<Request> {
    let membership = store::reader(family_id, caller).await?;
    let request = stored(family_id, kind, id).await?;
    match membership.role == Role::Admin || request.user_id == membership.user_id {
        true => Ok(request.at(time::now())),
        false => Err(Error::not_found("request")),
    }
}

/// A page of the requests that the caller may see.
pub(crate) async fn list(
    family_id: &FamilyId,
    caller: &Caller,
    kind: Kind,
    listing: &Listing<RequestSort, RequestFilter>,
) -> Result<Page<Request>> {
    let membership = store::reader(family_id, caller).await?;
    let wanted = &listing.filter;
    let mut filter = json!({"family_id": family_id, "kind": kind});
    match (&wanted.user_id, membership.role) {
        (Some(user), Role::Admin) => filter["user_id"] = user.as_str().into(),
        (None, Role::Admin) => {}
        (Some(user), _) if *user != membership.user_id => {
            return Err(Error::forbidden(
                "what others ask for is for administrators to see; ask for your own",
            ));
        }
        _ => filter["user_id"] = membership.user_id.as_str().into(),
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
    let page = REQUESTS.find(filter).page(listing).await?;
    Ok(page.map(|request| request.at(now)))
}

/// Approves a request, which is then carried out. Doing so again is doing nothing.
pub(crate) async fn approve(
    family_id: &FamilyId,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
    comment: Option<String>,
) -> Result<Request> {
    let (reviewer, mut last) = (reviewer(family_id, caller).await?, None);
    for _ in tries() {
        let request = stored(family_id, kind, id).await?;
        let is_done = matches!(request.state, State::Approved | State::Completed)
            && request.reviewed_by.as_deref() == Some(&*caller.user);
        if is_done {
            return Ok(request);
        }
        let now = time::now();
        let change = reviewed(&request, &reviewer, Act::Approve, comment.as_deref(), now).await?;
        account::require_open(&account::of(family_id).await?)?;
        let change = account::while_open(change, family_id);
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
        return stored(family_id, kind, id).await;
    }
    Err(busy())
}

/// The payment that carries out a request for tokens.
async fn paying(
    change: Transaction,
    request: &Request,
    reviewer: &Membership,
    now: Time,
) -> Result<(Transaction, Option<Payment>)> {
    let asked = json!({"family_id": request.family_id, "user_id": request.user_id});
    if MEMBERSHIPS.count(asked.clone()).await? == 0 {
        return Err(Error::conflict(
            "whoever asked belongs to the family no more; deny the request",
        ));
    }
    let payment = Payment {
        approved_by: Some(reviewer.user_id.clone()),
        ..request.payment(now)
    };
    let change = change
        .check(&MEMBERSHIPS, asked, 1)
        .insert(&PAYMENTS, &payment)
        .update_one(
            &REQUESTS,
            json!({"_id": request.id}),
            json!({"$set": {"payment": payment.id, "due_at": null}}),
        );
    Ok((change, Some(payment)))
}

/// That the tokens of a purchase are held, and are so until whoever sells has answered.
async fn held(change: Transaction, request: &Request) -> Result<Transaction> {
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
        .check(&PAYMENTS, waiting, 1)
        .update_one(&REQUESTS, json!({"_id": request.id}), until))
}

/// Denies a request. Doing so again is doing nothing.
pub(crate) async fn deny(
    family_id: &FamilyId,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
    comment: Option<String>,
) -> Result<Request> {
    let reviewer = reviewer(family_id, caller).await?;
    for _ in tries() {
        let request = stored(family_id, kind, id).await?;
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
    Err(busy())
}

/// Takes one's own request back. Doing so again is doing nothing.
pub(crate) async fn cancel(
    family_id: &FamilyId,
    caller: &Caller,
    kind: Kind,
    id: &RequestId,
) -> Result<Request> {
    let membership = store::membership(family_id, caller).await?;
    for _ in tries() {
        let request = stored(family_id, kind, id).await?;
        if request.user_id != membership.user_id {
            return Err(match membership.role {
                Role::Admin => Error::forbidden("only whoever asked cancels a request; deny it"),
                _ => Error::not_found("request"),
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
    Err(busy())
}

/// Ends what nobody decided on, or nobody fulfilled, in time.
pub(crate) async fn end_due() -> Result<()> {
    let due = REQUESTS.find(json!({"due_at": {"$lte": time::now()}}));
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

async fn end_in_time(request: &Request) -> Result<()> {
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
pub(crate) async fn ended(request: &Request, change: Transaction) -> Result<Option<Request>> {
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
            None => change.check(&PAYMENTS, payment.still(), 1),
        },
    };
    if !committed(change.commit().await)? {
        return Ok(None);
    }
    if let Some(payment) = payment {
        // It is ended; what is held and not freed now is freed by the schedule.
        let payment = payments::stored(&payment.id).await?;
        payments::go_on(payment).await.ok();
    }
    let ended = stored(&request.family_id, request.kind, &request.id).await?;
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
pub(crate) async fn count_paid(payment: &Payment) {
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
pub(crate) async fn follow(
    change: Transaction,
    payment: &Payment,
    state: payment::State,
    refusal: Option<&Refusal>,
) -> Result<Transaction> {
    let Some(id) = &payment.request else {
        return Ok(change);
    };
    let Some(request) = REQUESTS.get(id.as_str()).await? else {
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

/// A request of a family.
pub(crate) async fn stored(family_id: &FamilyId, kind: Kind, id: &RequestId) -> Result<Request> {
    let request = REQUESTS.get(id.as_str()).await?;
    let request = request.filter(|request| request.family_id == *family_id && request.kind == kind);
    request.ok_or_else(|| Error::not_found("request"))
}

/// The caller's membership, which is an administrator's.
async fn reviewer(family_id: &FamilyId, caller: &Caller) -> Result<Membership> {
    let membership = store::membership(family_id, caller).await?;
    require_admin(&membership)?;
    Ok(membership)
}

/// An administrator's decision, as long as it is one's to make.
async fn reviewed(
    request: &Request,
    reviewer: &Membership,
    act: Act,
    comment: Option<&str>,
    now: Time,
) -> Result<Transaction> {
    let state = request.state.after(act, request.expires_at, now)?;
    let admins = json!({"family_id": request.family_id, "role": Role::Admin});
    let change = Transaction::new().check(&MEMBERSHIPS, still(reviewer), 1);
    let change = match request.user_id == reviewer.user_id {
        true => {
            let count = MEMBERSHIPS.count(admins.clone()).await?;
            require_reviewer(&request.user_id, &reviewer.user_id, count)?;
            change.check(&MEMBERSHIPS, admins, count)
        }
        false => change,
    };
    let set = json!({
        "reviewed_by": reviewer.user_id, "reviewed_at": now, "comment": comment, "refusal": null,
    });
    Ok(request.changed(change, state, set))
}

// === impl Request ===

impl Request {
    /// A request that is pending, by whoever is signed in.
    pub(crate) fn new(
        kind: Kind,
        membership: &Membership,
        amount: Tokens,
        key: &str,
        now: Time,
    ) -> Self {
        Self {
            id: RequestId::new(),
            key: key.to_owned(),
            family_id: membership.family_id.clone(),
            kind,
            user_id: membership.user_id.clone(),
            username: membership.username.clone(),
            amount,
            reason: None,
            item: None,
            to: membership.user_id.clone(),
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
        change.update_one(&REQUESTS, before, json!({"$set": set}))
    }

    /// A payment that carries it out.
    pub(crate) fn payment(&self, now: Time) -> Payment {
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
        let payment = Payment::new(&self.family_id, &self.user_id, order, "", now);
        Payment {
            key: payment.id.to_string(),
            request: Some(self.id.clone()),
            ..payment
        }
    }

    /// The payment of a purchase, which there is from the beginning.
    pub(crate) async fn of_purchase(&self) -> Result<Payment> {
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
        let kind = events::requested(self.kind, what);
        let unique = format!("{}/{kind}", self.id);
        Notice::new(&self.family_id, &self.user_id, kind, title, unique)
    }

    /// Has a change tell what became of it.
    pub(crate) fn happened(
        &self,
        what: Step,
        by: Option<&str>,
        change: Transaction,
    ) -> Transaction {
        Happened::Requested {
            family_id: &self.family_id,
            request_id: &self.id,
            user_id: &self.user_id,
            amount: self.amount,
            by,
            component: self.item.as_ref().map(|item| item.component.as_str()),
            item_id: self.item.as_ref().map(|item| item.id.as_str()),
            kind: self.kind,
            what,
        }
        .told_by(change)
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
pub(crate) async fn made_as(request: &Request, replayed: bool) -> Result<Made<Request>> {
    let made = stored(&request.family_id, request.kind, &request.id).await?;
    Ok(Made { made, replayed })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::home::{Home, When};
    use membership::request::{KEPT, MOST_PENDING};
    use sbd_sdk::testing::Reply;
    use serde_json::{Value, json};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    fn ask(home: &Home, user: &str, amount: u64) -> String {
        let body = json!({"amount": amount, "reason": "a book"});
        let made = home.send(user, "token-requests", body).assert_status(201);
        made.text("id").to_owned()
    }

    fn act(home: &Home, user: &str, request: &str, what: &str, body: Value) -> Reply {
        let path = home.path(&format!("token-requests/{request}/{what}"));
        home.app.signed_in(user).post(&path, body)
    }

    fn state(home: &Home, request: &str) -> String {
        let request = home.read("usr_1", &format!("token-requests/{request}"));
        request.text("state").to_owned()
    }

    #[test]
    fn a_member_asks_and_an_administrator_decides() {
        let home = Home::new(&["usr_2", "usr_3"]);
        home.deposit(100);
        let request = ask(&home, "usr_2", 40);
        home.hear();
        assert_eq!(home.notices("family.token_request.created"), ["usr_1"]);
        let address = format!("token-requests/{request}");
        // One's own, and any for administrators.
        assert_eq!(home.read("usr_2", &address)["state"], "pending");
        for user in ["usr_3", "usr_8"] {
            let other = home.app.signed_in(user).get(&home.path(&address));
            other.assert_refused(404, "NOT_FOUND");
        }
        act(&home, "usr_2", &request, "approve", json!({})).assert_refused(403, "FORBIDDEN");
        act(&home, "usr_8", &request, "approve", json!({})).assert_refused(404, "NOT_FOUND");
        act(&home, "usr_1", "frq_none", "approve", json!({})).assert_refused(404, "NOT_FOUND");
        let approved = act(
            &home,
            "usr_1",
            &request,
            "approve",
            json!({"comment": " enjoy "}),
        );
        let approved = approved.assert_status(200);
        assert_eq!(
            (
                &approved["state"],
                &approved["comment"],
                &approved["reviewed_by"]
            ),
            (&json!("completed"), &json!("enjoy"), &json!("usr_1"))
        );
        assert_eq!((home.owns("usr_2"), home.balance()), (1040, (60, 0)));
        // Sent again it is the same; another decision comes too late.
        act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
        act(&home, "usr_1", &request, "deny", json!({})).assert_refused(409, "CONFLICT");
        act(&home, "usr_2", &request, "cancel", json!({})).assert_refused(409, "CONFLICT");
        let denied = ask(&home, "usr_2", 5);
        let reply = act(
            &home,
            "usr_1",
            &denied,
            "deny",
            json!({"comment": "not now"}),
        );
        assert_eq!(reply.assert_status(200)["state"], "denied");
        let canceled = ask(&home, "usr_2", 5);
        act(&home, "usr_1", &canceled, "cancel", json!({})).assert_refused(403, "FORBIDDEN");
        act(&home, "usr_3", &canceled, "cancel", json!({})).assert_refused(404, "NOT_FOUND");
        act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
        act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
        for kind in ["completed", "denied"] {
            let told = home.notices(&format!("family.token_request.{kind}"));
            assert_eq!(told, ["usr_2"], "{kind}");
        }
        assert_eq!(home.owns("usr_2"), 1040);
        let counted = ["approved", "denied", "canceled", "automatic"].map(|outcome| {
            home.app
                .counted("token_requests_total", &[("outcome", outcome)])
        });
        assert_eq!(counted, [1, 1, 1, 0]);
        // The administrator's payment does not count on what the member may spend.
        assert_eq!(
            home.read("usr_1", "wallet/permissions/usr_2")["spent_today"],
            0
        );
        home.assert_settled();
    }

    #[test]
    fn nobody_decides_on_their_own_but_the_only_administrator() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        // More than is approved by itself.
        home.deposit(100);
        let first = ask(&home, "usr_1", 101);
        act(&home, "usr_1", &first, "approve", json!({})).assert_status(200);
        home.promote("usr_2");
        let second = ask(&home, "usr_1", 101);
        act(&home, "usr_1", &second, "approve", json!({})).assert_refused(403, "OWN_REQUEST");
        act(&home, "usr_1", &second, "deny", json!({})).assert_refused(403, "OWN_REQUEST");
        act(&home, "usr_2", &second, "deny", json!({})).assert_status(200);
    }

    #[test]
    fn what_cannot_be_paid_is_pending_again() {
        let home = Home::new(&["usr_2"]);
        let request = ask(&home, "usr_2", 40);
        act(&home, "usr_1", &request, "approve", json!({}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        assert_eq!(state(&home, &request), "pending");
        home.deposit(100);
        let freeze = json!({"reason": "why"});
        let root = home.app.signed_in("usr_1");
        root.post(&home.path("wallet/freeze"), freeze)
            .assert_status(200);
        act(&home, "usr_1", &request, "approve", json!({})).assert_refused(409, "ACCOUNT_FROZEN");
        root.post(&home.path("wallet/unfreeze"), json!({}))
            .assert_status(200);
        act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
        assert_eq!(home.owns("usr_2"), 1040);
        let gone = ask(&home, "usr_2", 40);
        home.leave("usr_2");
        act(&home, "usr_1", &gone, "approve", json!({})).assert_refused(409, "CONFLICT");
        act(&home, "usr_1", &gone, "deny", json!({})).assert_status(200);
        home.assert_settled();
    }

    #[test]
    fn small_requests_are_approved_by_themselves_within_cap_and_permission() {
        let home = Home::new(&["usr_2", "usr_3"]);
        home.deposit(500);
        let settings = home.path("wallet/settings");
        let small = json!({"up_to": 20, "per_month": 50});
        let (root, bob) = (home.app.signed_in("usr_1"), home.app.signed_in("usr_2"));
        assert_eq!(bob.get(&settings).assert_status(200)["up_to"], 100);
        bob.put(&settings, small.clone())
            .assert_refused(403, "FORBIDDEN");
        assert_eq!(
            root.put(&settings, small.clone()).assert_status(200).body(),
            &small
        );
        home.permit("usr_2", json!({"per_day": 45}));
        let states = |user: &str, amounts: &[u64]| -> Vec<String> {
            let made = amounts.iter().map(|amount| ask(&home, user, *amount));
            made.map(|request| state(&home, &request)).collect()
        };
        // Above the threshold; within it; over what the member may spend on a day.
        assert_eq!(
            states("usr_2", &[21, 20, 20, 6]),
            ["pending", "completed", "completed", "pending"]
        );
        home.advance(Duration::from_secs(24 * 60 * 60));
        let left = home.read("usr_2", "wallet/permissions/usr_2");
        if left["approved_this_month"] == 40 {
            // Over the cap of the month, if it is the same.
            assert_eq!(
                states("usr_2", &[11, 10, 1]),
                ["pending", "completed", "pending"]
            );
        }
        // Who may spend nothing waits for an administrator.
        assert_eq!(states("usr_3", &[1]), ["pending"]);
        root.put(&settings, json!({})).assert_status(200);
        home.advance(Duration::from_secs(40 * 24 * 60 * 60));
        assert_eq!(states("usr_2", &[1]), ["pending"]);
        // One that cannot be paid counts nowhere, and waits.
        root.put(&settings, small).assert_status(200);
        home.send(
            "usr_1",
            "wallet/payments",
            json!({"to": "usr_9", "amount": home.balance().0}),
        )
        .assert_status(201);
        assert_eq!(states("usr_2", &[2]), ["pending"]);
        let own = home.read("usr_2", "wallet/permissions/usr_2");
        assert_eq!(
            (&own["spent_today"], &own["approved_this_month"]),
            (&json!(0), &json!(0))
        );
        for wrong in [
            json!({"up_to": 0}),
            json!({"up_to": 1.5}),
            json!({"per_month": "5"}),
            json!({"per_week": 5}),
        ] {
            root.put(&settings, wrong)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        home.assert_settled();
    }

    #[test]
    fn two_administrators_at_once_pay_once() {
        let home = Rc::new(Home::new(&["usr_2", "usr_3"]));
        home.deposit(100);
        home.promote("usr_3");
        let request = ask(&home, "usr_2", 40);
        let (other, of, once) = (Rc::clone(&home), request.clone(), Cell::new(true));
        home.whenever(move |_, when| {
            if when == When::Before && once.replace(false) {
                act(&other, "usr_3", &of, "approve", json!({})).assert_refused(409, "CONFLICT");
                act(&other, "usr_3", &of, "deny", json!({})).assert_refused(409, "CONFLICT");
                // The schedule comes by as well.
                other.app.advance(Duration::from_secs(61));
                other.tick();
            }
        });
        act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
        home.undisturbed();
        home.recover();
        assert_eq!(
            (state(&home, &request), home.owns("usr_2")),
            ("completed".to_owned(), 1040)
        );
        home.assert_settled();
    }

    #[test]
    fn killed_anywhere_a_request_is_paid_once() {
        for point in 0.. {
            let home = Home::new(&["usr_2"]);
            home.deposit(100);
            let request = ask(&home, "usr_2", 40);
            let died = home.dies_at(point, || {
                drop(act(&home, "usr_1", &request, "approve", json!({})));
            });
            home.recover();
            assert_eq!(
                (state(&home, &request), home.owns("usr_2")),
                ("completed".to_owned(), 1040)
            );
            act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
            assert_eq!(home.owns("usr_2"), 1040);
            home.assert_settled();
            if !died {
                assert_eq!(point, 4);
                break;
            }
        }
    }

    #[test]
    fn what_nobody_decides_on_expires() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let request = ask(&home, "usr_2", 40);
        home.advance(KEPT);
        // Whether the schedule has come or not.
        assert_eq!(state(&home, &request), "expired");
        act(&home, "usr_1", &request, "approve", json!({})).assert_refused(409, "CONFLICT");
        let list = home.read("usr_1", "token-requests?state=expired");
        assert_eq!(
            (&list["total"], &list["items"][0]["state"]),
            (&json!(1), &json!("expired"))
        );
        assert_eq!(
            home.read("usr_1", "token-requests?state=pending")["total"],
            0
        );
        home.tick();
        home.tick();
        assert_eq!(home.notices("family.token_request.expired"), ["usr_2"]);
        // It is kept.
        home.advance(Duration::from_secs(400 * 24 * 60 * 60));
        home.app.sweep();
        assert_eq!(state(&home, &request), "expired");
    }

    #[test]
    fn requests_are_listed_to_whom_they_concern() {
        let home = Home::new(&["usr_2", "usr_3"]);
        for amount in [5, 7, 6] {
            ask(&home, "usr_2", amount);
            home.advance(Duration::from_secs(1));
        }
        let last = ask(&home, "usr_3", 9);
        act(&home, "usr_1", &last, "deny", json!({})).assert_status(200);
        let amounts = |user: &str, query: &str| -> Vec<i64> {
            let list = home.read(user, &format!("token-requests?{query}"));
            let items = list["items"].as_array().unwrap().iter();
            items.map(|item| item["amount"].as_i64().unwrap()).collect()
        };
        assert_eq!(amounts("usr_1", ""), [9, 6, 7, 5]);
        assert_eq!(amounts("usr_1", "sort=amount&order=asc&per_page=2"), [5, 6]);
        assert_eq!(amounts("usr_1", "per_page=2&page=2"), [7, 5]);
        assert_eq!(amounts("usr_1", "state=denied"), [9]);
        assert_eq!(amounts("usr_1", "user_id=usr_3"), [9]);
        assert_eq!(amounts("usr_2", ""), [6, 7, 5]);
        assert_eq!(amounts("usr_3", "user_id=usr_3"), [9]);
        let until = home.app.now() - Duration::from_secs(2);
        assert_eq!(amounts("usr_1", &format!("to={until}")), [5]);
        let path = |query: &str| home.path(&format!("token-requests?{query}"));
        let bob = home.app.signed_in("usr_2");
        bob.get(&path("user_id=usr_3"))
            .assert_refused(403, "FORBIDDEN");
        home.app
            .signed_in("usr_8")
            .get(&path(""))
            .assert_refused(404, "NOT_FOUND");
        for wrong in [
            "state=paid",
            "from=now",
            "sort=reason",
            "per_page=0",
            "who=me",
        ] {
            bob.get(&path(wrong))
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn a_member_has_so_many_requests_pending() {
        let home = Home::new(&["usr_2"]);
        let keyed = home.keyed("usr_2", "k-1");
        let body = json!({"amount": 1, "reason": "a book"});
        let path = home.path("token-requests");
        let first = keyed.post(&path, body.clone()).assert_status(201);
        assert_eq!(keyed.post(&path, body).body(), first.body());
        let other = json!({"amount": 2, "reason": "a book"});
        keyed
            .post(&path, other)
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        for _ in 1..MOST_PENDING {
            ask(&home, "usr_2", 1);
        }
        let one_more = json!({"amount": 1, "reason": "a book"});
        home.send("usr_2", "token-requests", one_more)
            .assert_refused(409, "CONFLICT");
        act(&home, "usr_2", first.text("id"), "cancel", json!({})).assert_status(200);
        ask(&home, "usr_2", 1);
        for reason in ["", " ", "a\u{7}b", &"x".repeat(201)] {
            let body = json!({"amount": 1, "reason": reason});
            let refused = home.send("usr_2", "token-requests", body);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
