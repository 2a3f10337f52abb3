//! Who pays: a user out of their own account, or a family or a workspace by a request for a purchase
//! (`docs/purchases.md`). Either holds the price, pays what is held, and frees it; each of them may be asked
//! for the same again.

use crate::neighbours::{Refusal, ask};
use crate::order::Order;
use crate::saga::Act;
use http::Method;
use sbd_sdk::{Error, Result, id};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::time::Duration;

/// The shop's account in the ledger, and its name as a component.
pub(crate) const SHOP: &str = "shop";
const WALLET: &str = "/api/v1/wallet";
/// Seconds for which the price is held, where nobody else has a part in it: one that nobody remembers is free
/// again after this.
const BRIEFLY: u64 = 10 * 60;
/// And where another component is to confirm what it hands over.
const LONGER: u64 = 40 * 60;

/// By how much the clocks of hosts differ at most, and more.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// What was done, to be remembered.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) act: Act,
    pub(crate) hold_id: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) payment_id: Option<String>,
    pub(crate) transaction_id: Option<String>,
    pub(crate) refusal: Option<Refusal>,
}

/// A group whose account pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) component: &'static str,
    path: &'static str,
    id: &'a str,
}

/// A hold, as the ledger knows it.
#[derive(Debug, Deserialize)]
struct Hold {
    id: String,
    transaction_id: Option<String>,
}

/// A page of what came to the shop's account.
#[derive(Debug, Deserialize)]
struct Statement {
    items: Vec<Entry>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    transaction_id: String,
    cause: Option<String>,
}

/// A request for a purchase, as a family or a workspace knows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) amount: u64,
    pub(crate) item: Option<Wanted>,
    pub(crate) payment_id: Option<String>,
    state: RequestState,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    failure: Option<String>,
}

/// What a request is for.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) id: String,
    pub(crate) seller: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RequestState {
    Pending,
    Approved,
    Completed,
    Denied,
    Canceled,
    Expired,
    Failed,
}

/// Holds the price.
pub(crate) async fn hold(order: &Order) -> Result<Done> {
    match Group::of(&order.payer) {
        _ if order.total == 0 => Ok(Done::of(Act::Held)),
        Some(group) => request(&group, order).await,
        None => hold_own(order).await,
    }
}

/// What became of the request that the order waits for; none, if nobody has decided.
pub(crate) async fn look(order: &Order) -> Result<Option<Done>> {
    let group = group(order)?;
    let request = match group.get(order.request()?).await {
        Ok(request) => request,
        // The group is gone, and what was held with it.
        Err(error) => {
            let refusal = Refusal::of(&error).ok_or(error)?;
            return Ok(Some(Done::stopped(refusal)));
        }
    };
    let why = match request.state {
        RequestState::Pending => return Ok(None),
        RequestState::Approved | RequestState::Completed => return Ok(Some(Done::of(Act::Held))),
        RequestState::Denied => "an administrator denied the request",
        RequestState::Canceled => "the request was canceled",
        RequestState::Expired => "nobody approved the request in time",
        RequestState::Failed => "the request could not be carried out",
    };
    let more = request.comment.or(request.failure);
    let why = more.map_or_else(|| why.to_owned(), |more| format!("{why}: {more}"));
    Ok(Some(Done::stopped(Refusal::not_approved(&why))))
}

/// Pays what is held.
pub(crate) async fn capture(order: &Order) -> Result<Done> {
    if order.total == 0 {
        return Ok(Done::of(Act::Captured));
    }
    let gone = |error: Error| {
        let refusal = Refusal::of(&error).ok_or(error)?;
        Ok(Done {
            refusal: Some(refusal),
            ..Done::of(Act::Gone)
        })
    };
    match Group::of(&order.payer) {
        Some(group) => match group
            .answer(order.request()?, "fulfilment", json!({}))
            .await
        {
            Ok(_) => Ok(Done::of(Act::Captured)),
            Err(error) if error.code() == "NOT_FOUND" => match paid_before(order).await? {
                Some(transaction) => Ok(Done {
                    transaction_id: Some(transaction),
                    ..Done::of(Act::Captured)
                }),
                None => gone(error),
            },
            Err(error) => gone(error),
        },
        None => {
            let path = format!("{WALLET}/holds/{}/capture", order.hold()?);
            match ask::<Hold>("wallet", Method::POST, &path, None, Some(json!({}))).await {
                Ok(hold) => Ok(Done {
                    transaction_id: hold.transaction_id,
                    ..Done::of(Act::Captured)
                }),
                Err(error) => gone(error),
            }
        }
    }
}

/// The transaction by which a group has paid that is not there any more. It is deleted only when nothing of it is being
/// paid, so that by then the ledger knows; who pays dies before saying so, and the group is deleted before the shop asks
/// again.
async fn paid_before(order: &Order) -> Result<Option<String>> {
    let Some(payment) = &order.payment_id else {
        return Ok(None);
    };
    let path = format!(
        "{WALLET}/accounts/{SHOP}/statement?type=purchase&counterparty={}&from={}&limit=1000",
        order.payer,
        order.created_at - SKEW
    );
    let mut next = String::new();
    loop {
        let page = format!("{path}{next}");
        let page: Statement = ask("wallet", Method::GET, &page, None, None).await?;
        let mut entries = page.items.into_iter();
        let paid = entries.find(|entry| entry.cause.as_ref() == Some(payment));
        match (paid, page.next) {
            (Some(entry), _) => return Ok(Some(entry.transaction_id)),
            (None, Some(cursor)) => next = format!("&cursor={cursor}"),
            (None, None) => return Ok(None),
        }
    }
}

/// Frees what is held. What is not there any more holds nothing.
pub(crate) async fn release(order: &Order) -> Result<Done> {
    let done = match Group::of(&order.payer) {
        _ if order.total == 0 => return Ok(Done::of(Act::Released)),
        Some(group) => {
            let why = order.refusal.clone().unwrap_or_else(Refusal::given_up);
            let why: String = why.message().chars().take(200).collect();
            let body = json!({"reason": why});
            group
                .answer(order.request()?, "failure", body)
                .await
                .map(drop)
        }
        None => free(order.hold()?).await,
    };
    match done {
        Err(error) if Refusal::of(&error).is_none() => Err(error),
        _ => Ok(Done::of(Act::Released)),
    }
}

/// Frees a hold that no order knows.
pub(crate) async fn free(hold: &str) -> Result<()> {
    let path = format!("{WALLET}/holds/{hold}/release");
    ask::<IgnoredAny>("wallet", Method::POST, &path, None, Some(json!({})))
        .await
        .map(drop)
}

/// Pays somebody back out of the shop's account, once for a key.
pub(crate) async fn pay_back(to: &str, amount: u64, key: &str, memo: &str) -> Result<String> {
    let path = format!("{WALLET}/transfers");
    let body = json!({
        "from": SHOP, "to": to, "amount": amount, "type": "refund", "memo": memo, "cause": key,
    });
    let paid = ask::<Hold>("wallet", Method::POST, &path, Some(key), Some(body)).await?;
    Ok(paid.id)
}

async fn hold_own(order: &Order) -> Result<Done> {
    let path = format!("{WALLET}/holds");
    let body = json!({
        "from": order.payer, "to": SHOP, "amount": order.total, "type": "purchase",
        "memo": order.title(), "cause": order.id,
        "expires_in": if order.waits_for_others() { LONGER } else { BRIEFLY },
    });
    let key = Some(order.id.as_str());
    let send = || ask::<Hold>("wallet", Method::POST, &path, key, Some(body.clone()));
    let held = match send().await {
        // The shop has sold nothing yet.
        Err(error) if error.code() == "NOT_FOUND" => {
            open().await?;
            send().await
        }
        held => held,
    };
    match held {
        Ok(hold) => Ok(Done {
            hold_id: Some(hold.id),
            ..Done::of(Act::Held)
        }),
        Err(error) => Ok(Done::stopped(Refusal::of(&error).ok_or(error)?)),
    }
}

/// Opens the shop's account; nothing happens if it is.
async fn open() -> Result<()> {
    let path = format!("{WALLET}/accounts");
    let owner = json!({"owner": SHOP});
    ask::<IgnoredAny>("wallet", Method::POST, &path, None, Some(owner))
        .await
        .map(drop)
}

async fn request(group: &Group<'_>, order: &Order) -> Result<Done> {
    open().await?;
    let body = json!({
        "item": {"component": SHOP, "id": order.id, "title": order.title()},
        "price": order.total, "seller": SHOP,
    });
    let path = group.requests();
    let key = Some(order.id.as_str());
    match ask::<Request>(group.component, Method::POST, &path, key, Some(body)).await {
        Ok(request) => Ok(Done {
            request_id: Some(request.id),
            payment_id: request.payment_id,
            ..Done::of(match request.state {
                RequestState::Approved | RequestState::Completed => Act::Held,
                _ => Act::Asked,
            })
        }),
        Err(error) => Ok(Done::stopped(Refusal::of(&error).ok_or(error)?)),
    }
}

fn group(order: &Order) -> Result<Group<'_>> {
    let group = Group::of(&order.payer);
    group.ok_or_else(|| Error::internal("an order of nobody's that waits to be approved"))
}

// === impl Group ===

impl<'a> Group<'a> {
    /// The group whose account this is, if it is one's.
    pub(crate) fn of(account: &'a str) -> Option<Self> {
        let (component, path) = match account {
            _ if id::is("fam", account) => ("family", "/api/v1/families"),
            _ if id::is("wsp", account) => ("workspace", "/api/v1/workspaces"),
            _ => return None,
        };
        Some(Self {
            component,
            path,
            id: account,
        })
    }

    /// Refuses for whom nothing is bought out of the group's account: whoever is no member of it.
    pub(crate) async fn require_member(&self, user: &str) -> Result<()> {
        let path = format!("{}/{}/members/{user}", self.path, self.id);
        match ask::<Value>(self.component, Method::GET, &path, None, None).await {
            Err(error) if error.code() == "NOT_FOUND" => Err(Error::conflict(format!(
                "`{user}` is no member of `{}`; buy it out of your own account instead",
                self.id
            ))),
            found => found.map(drop),
        }
    }

    /// A request for what the shop sells.
    pub(crate) async fn get(&self, request: &str) -> Result<Request> {
        let path = format!("{}/{request}", self.requests());
        ask(self.component, Method::GET, &path, None, None).await
    }

    /// Answers a request: by `fulfilment`, or by `failure`.
    pub(crate) async fn answer(&self, request: &str, how: &str, body: Value) -> Result<Request> {
        let path = format!("{}/{request}/{how}", self.requests());
        ask(self.component, Method::POST, &path, None, Some(body)).await
    }

    fn requests(&self) -> String {
        format!("{}/{}/purchase-requests", self.path, self.id)
    }
}

// === impl Order ===

impl Order {
    fn hold(&self) -> Result<&str> {
        let hold = self.hold_id.as_deref();
        hold.ok_or_else(|| Error::internal("an order that is held has no hold"))
    }

    fn request(&self) -> Result<&str> {
        let request = self.request_id.as_deref();
        request.ok_or_else(|| Error::internal("an order that a group pays has no request"))
    }
}

// === impl Done ===

impl Done {
    /// Something, and nothing more to remember.
    pub(crate) fn of(act: Act) -> Self {
        Self {
            act,
            hold_id: None,
            request_id: None,
            payment_id: None,
            transaction_id: None,
            refusal: None,
        }
    }

    /// It is not to be.
    pub(crate) fn stopped(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::of(Act::Stop)
        }
    }
}
