//! The component `wallet`, as this one uses it: the group's account is there, and only there are tokens.

use crate::Group;
use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode, header};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, ErrorBody, Result, Tokens, call, from_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

const PATH: &str = "/api/v1/wallet";

/// An account, as the ledger knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// All that is on it.
    pub balance: i64,
    /// What of it can be spent.
    pub available: i64,
    /// What of it is reserved.
    pub held: i64,
    /// Why nothing can be, if that is so.
    pub frozen: Option<Frozen>,
}

/// Why the ledger lets nothing be spent.
#[derive(Clone, Debug, Deserialize)]
pub struct Frozen {
    /// In the words of whoever froze it.
    pub reason: String,
}

/// Tokens that went.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) amount: Tokens,
    pub(crate) memo: Option<String>,
    pub(crate) at: Time,
    /// Whether the same request had done it before.
    #[serde(skip)]
    pub(crate) replayed: bool,
}

/// Tokens that are held, or were.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) transaction_id: Option<String>,
}

/// One side of a transaction.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) transaction_id: String,
    pub(crate) at: Time,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) amount: i64,
    pub(crate) counterparty: String,
    pub(crate) memo: Option<String>,
    pub(crate) cause: Option<String>,
}

/// A page of what went to and from an account.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Statement {
    pub(crate) items: Vec<Entry>,
    pub(crate) next: Option<String>,
}

/// What went to and from an account, summed up, as the ledger does.
#[derive(Clone, Debug, Deserialize)]
pub struct Statistics {
    /// From when.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// All together.
    pub all: Flow,
    /// By type.
    pub types: Vec<OfType>,
    /// Over time.
    pub periods: Vec<Period>,
}

/// How much came and went.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = AccountFlow)]
pub struct Flow {
    /// What came.
    pub received: i64,
    /// What went.
    pub spent: i64,
    /// How many transactions there were.
    pub transactions: u64,
}

/// How much came and went by transactions of one type.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = AccountFlowOfType)]
pub struct OfType {
    #[serde(rename = "type")]
    /// Which type.
    pub kind: String,
    /// How much.
    #[serde(flatten)]
    pub flow: Flow,
}

/// How much came and went in a day or a week.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = AccountPeriod)]
pub struct Period {
    /// When it begins.
    pub from: Time,
    /// How much.
    #[serde(flatten)]
    pub flow: Flow,
}

/// What is to be held.
#[derive(Clone, Debug)]
pub(crate) struct Held<'a, G> {
    pub(crate) from: &'a G,
    pub(crate) to: &'a str,
    pub(crate) amount: Tokens,
    pub(crate) kind: &'a str,
    pub(crate) memo: Option<&'a str>,
    /// What it is for. It is the key as well: it is held once for each.
    pub(crate) cause: &'a str,
    pub(crate) seconds: u64,
}

/// Why the ledger would not. Kept with what was not done because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    status: u16,
    pub(crate) code: String,
    message: String,
}

/// What the ledger says no with, that is passed on as it is.
const PASSED_ON: [&str; 9] = [
    "ACCOUNT_CLOSED",
    "ACCOUNT_FROZEN",
    "CONFLICT",
    "FEATURE_DISABLED",
    "FORBIDDEN",
    "HOLDS_OPEN",
    "IDEMPOTENCY_KEY_REUSED",
    "INSUFFICIENT_BALANCE",
    "LIMIT_EXCEEDED",
];

/// The group's account, opened if it was not.
///
/// # Errors
/// When the ledger would not.
pub async fn account<G: Group>(group: &G) -> Result<Account> {
    let path = format!("accounts/{group}");
    match ask(Method::GET, &path, None, None).await {
        Err(error) if error.code() == "NOT_FOUND" => open(group).await,
        found => found,
    }
}

/// Opens the group's account; nothing happens if it is.
pub(crate) async fn open<G: Group>(group: &G) -> Result<Account> {
    let owner = json!({"owner": group});
    ask(Method::POST, "accounts", None, Some(owner)).await
}

/// Pays into the group's account out of the caller's own.
pub(crate) async fn deposit<G: Group>(
    group: &G,
    key: &str,
    amount: Tokens,
    memo: Option<&str>,
) -> Result<Transfer> {
    let body = json!({"to": group, "amount": amount, "memo": memo, "type": "deposit"});
    let send = || call_wallet(Method::POST, "transfers", Some(key), Some(body.clone()));
    let mut response = send().await?;
    if response.status() == StatusCode::NOT_FOUND {
        open(group).await?;
        response = send().await?;
    }
    let replayed = response.headers().contains_key("idempotency-replayed");
    let transfer: Transfer = read(response).await?;
    Ok(Transfer {
        replayed,
        ..transfer
    })
}

/// Holds tokens of the group's account, once for a cause and whoever asks.
pub(crate) async fn hold<G: Group>(held: &Held<'_, G>) -> Result<Hold> {
    let body = json!({
        "from": held.from, "to": held.to, "amount": held.amount, "type": held.kind,
        "memo": held.memo, "cause": held.cause, "expires_in": held.seconds,
    });
    let send = || ask(Method::POST, "holds", Some(held.cause), Some(body.clone()));
    let error = match send().await {
        Err(error) if error.code() == "NOT_FOUND" => error,
        done => return done,
    };
    // One of the two accounts is not there; if it is the group's, it is opened now.
    open(held.from).await?;
    match send().await {
        Err(again) if again.code() == "NOT_FOUND" => Err(Error::validation(
            "to",
            "nobody has an account of this id; give the id of a user, a family or a workspace",
        )
        .caused_by(error)),
        done => done,
    }
}

/// Pays what is held. Doing so again is doing nothing.
pub(crate) async fn capture(hold: &str) -> Result<Hold> {
    let path = format!("holds/{hold}/capture");
    ask(Method::POST, &path, None, Some(json!({}))).await
}

/// Frees what is held. Doing so again is doing nothing.
pub(crate) async fn release(hold: &str) -> Result<Hold> {
    let path = format!("holds/{hold}/release");
    ask(Method::POST, &path, None, Some(json!({}))).await
}

/// Lets nothing be spent from the group's account.
pub(crate) async fn freeze<G: Group>(group: &G, reason: &str) -> Result<Account> {
    let path = format!("accounts/{group}/freeze");
    let body = json!({"reason": reason});
    govern(group, &path, body).await
}

/// Lets it be spent from again.
pub(crate) async fn unfreeze<G: Group>(group: &G) -> Result<Account> {
    let path = format!("accounts/{group}/unfreeze");
    govern(group, &path, json!({})).await
}

async fn govern<G: Group>(group: &G, path: &str, body: Value) -> Result<Account> {
    match ask(Method::POST, path, None, Some(body.clone())).await {
        Err(error) if error.code() == "NOT_FOUND" => {
            open(group).await?;
            ask(Method::POST, path, None, Some(body)).await
        }
        done => done,
    }
}

/// Closes the group's account, and gives what is left on it to somebody, in one commit.
///
/// # Errors
/// When the ledger would not.
pub async fn close<G: Group>(group: &G, to: Option<&str>) -> Result<()> {
    let path = format!("accounts/{group}/closure");
    let key = format!("closing/{group}");
    let done = ask::<Account>(Method::POST, &path, Some(&key), Some(json!({"to": to}))).await;
    done.map(drop)
}

/// Gives somebody a share of a group's balance, once for a key and whoever asks.
///
/// # Errors
/// When the ledger would not.
pub async fn share_out<G: Group>(group: &G, to: &str, amount: Tokens, key: &str) -> Result<()> {
    let body = json!({"from": group, "to": to, "amount": amount, "type": "share"});
    let done = ask::<Transfer>(Method::POST, "transfers", Some(key), Some(body)).await;
    done.map(drop)
}

/// A page of what went to and from the group's account; `query` is the ledger's own.
pub(crate) async fn statement<G: Group>(group: &G, query: &str) -> Result<Statement> {
    let path = format!("accounts/{group}/statement?{query}");
    match ask(Method::GET, &path, None, None).await {
        Err(error) if error.code() == "NOT_FOUND" => Ok(Statement {
            items: Vec::new(),
            next: None,
        }),
        found => found,
    }
}

/// What went to and from the group's account, summed up; `query` is the ledger's own.
///
/// # Errors
/// When the ledger would not.
pub async fn statistics<G: Group>(group: &G, query: &str) -> Result<Statistics> {
    let path = format!("accounts/{group}/statistics?{query}");
    match ask(Method::GET, &path, None, None).await {
        Err(error) if error.code() == "NOT_FOUND" => {
            open(group).await?;
            ask(Method::GET, &path, None, None).await
        }
        found => found,
    }
}

async fn ask<T: DeserializeOwned>(
    method: Method,
    path: &str,
    key: Option<&str>,
    body: Option<Value>,
) -> Result<T> {
    read(call_wallet(method, path, key, body).await?).await
}

async fn call_wallet(
    method: Method,
    path: &str,
    key: Option<&str>,
    body: Option<Value>,
) -> Result<http::Response<Body>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{PATH}/{path}"));
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.body(body).map_err(Error::internal)?;
    call("wallet", request).await
}

/// The answer of the wallet, or why it would not, in its own words where they are for the caller.
async fn read<T: DeserializeOwned>(response: http::Response<Body>) -> Result<T> {
    let status = response.status();
    let most = 16 << 20;
    let body = axum::body::to_bytes(response.into_body(), most)
        .await
        .map_err(Error::internal)?;
    if status.is_success() {
        return from_json(&body).map_err(Error::internal);
    }
    let said = serde_json::from_slice::<ErrorBody>(&body).ok();
    let Some(said) = said.map(|body| body.error) else {
        return Err(Error::internal(format_args!(
            "the wallet answered {status}"
        )));
    };
    match (&*said.code, status) {
        ("NOT_FOUND", _) => Err(Error::not_found("account")),
        ("VALIDATION_ERROR", _) => Err(Error::validation_all(said.details)),
        (_, StatusCode::SERVICE_UNAVAILABLE) => Err(busy()),
        _ => Err(Refusal {
            status: status.as_u16(),
            code: said.code.to_string(),
            message: said.message.to_string(),
        }
        .error()),
    }
}

/// What to say when it is not known whether something was done: whoever sends the same again finds out.
pub(crate) fn busy() -> Error {
    Error::overloaded(
        "the tokens could not be moved just now; send the same request again in a moment",
        1,
    )
}

// === impl Refusal ===

impl Refusal {
    /// Why the ledger would not, if that is what happened: it is not known otherwise whether it did.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        error.status().is_client_error().then(|| Self {
            status: error.status().as_u16(),
            code: error.code().to_owned(),
            message: match error.details() {
                [detail] => format!("`{}`: {}", detail.field, detail.message),
                _ => error.message().to_owned(),
            },
        })
    }

    /// What nobody came to say why.
    pub(crate) fn unknown() -> Self {
        Self {
            status: StatusCode::CONFLICT.as_u16(),
            code: "CONFLICT".to_owned(),
            message: "it was given up before anything was paid; send it anew, with another key"
                .to_owned(),
        }
    }

    /// What whoever sells did not deliver, and why.
    pub(crate) fn not_delivered(reason: &str) -> Self {
        Self {
            message: reason.to_owned(),
            code: "NOT_DELIVERED".to_owned(),
            ..Self::unknown()
        }
    }

    /// What was said.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// As it is answered.
    pub(crate) fn error(&self) -> Error {
        let status = StatusCode::from_u16(self.status).ok();
        let code = PASSED_ON.iter().find(|code| **code == self.code);
        match (status, code) {
            (Some(status), Some(code)) => Error::new(status, code, self.message.clone()),
            (Some(status), None) if status.is_client_error() => {
                Error::conflict(self.message.clone())
            }
            _ => Error::internal(format_args!(
                "the wallet answered {} {}",
                self.status, self.code
            )),
        }
    }
}
