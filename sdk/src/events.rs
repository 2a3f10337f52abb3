//! Events that the component listens to: CloudEvents 1.0 in HTTP's binary mode, sent by the host; and
//! those that it publishes beside its documents ([`publish`]).
//!
//! An event is acknowledged when every handler whose pattern its type fits has done its work, and at
//! once when there is none. A refusal says that sending it again is no use; where the component fails,
//! the event comes again, so that a handler must bear to see it twice: [`Event::commit`] has its effect
//! once.

use crate::bindings::events as host;
use crate::documents::{Collection, DocumentsError, Transaction};
use crate::time::{self, Time};
use crate::{Error, Json, NoContent};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sbd_contract::offer::is_event_of;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

/// An event, as a handler's last argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T> {
    /// Its id: the same whenever this event comes.
    pub id: String,
    /// What happened: `family.member.joined`.
    pub kind: String,
    /// Who says so.
    pub source: String,
    /// What it is about, if it says so.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Time,
    /// Which replay it is sent for, if it was taken before and an operator has it sent once more.
    pub replay: Option<String>,
    /// More about it.
    pub data: T,
    /// The handler that has it.
    handler: &'static str,
}

/// An event to be published by itself.
#[derive(Clone, Debug)]
pub struct NewEvent(host::Event);

/// How long it is remembered that an event was handled: longer than it can come again by itself.
pub const REMEMBERED: Duration = Duration::from_secs(8 * 24 * 60 * 60);

const HANDLED: Collection<Handled> = Collection::new("handled");

/// An event whose effect is there.
#[derive(Serialize, Deserialize)]
struct Handled {
    #[serde(rename = "_id")]
    id: String,
    expires_at: Time,
}

/// The name of the handler that a request is for.
#[derive(Clone, Copy)]
struct Handler(&'static str);

/// A handler of events. [`crate::on_event`] makes one.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub(crate) pattern: &'static str,
    name: &'static str,
    handler: MethodRouter,
}

/// Publishes 1 to 100 events, all or none, for whoever listens; returns their ids. Those of one subject are
/// delivered in order. Whoever keeps documents publishes in the transaction of the change instead:
/// [`Transaction::publish`]. Needs the grant `events`.
///
/// # Errors
/// When an event is wrong, there is no room left, or the log does not answer.
pub async fn publish(events: impl IntoIterator<Item = NewEvent>) -> crate::Result<Vec<String>> {
    let events = events.into_iter().map(|NewEvent(event)| event).collect();
    host::publish(events).await.map_err(|error| match error {
        host::Error::Full => Error::storage_full(),
        host::Error::Unavailable(cause) => {
            let again = "events cannot be kept just now; try again in a moment";
            Error::overloaded(again, 1).caused_by(format_args!("events unavailable: {cause}"))
        }
        host::Error::Invalid(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    })
}

// === impl NewEvent ===

impl NewEvent {
    /// What happened (`report.rendered`), to what, and what subscribers learn.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn new<T: Serialize>(kind: &str, subject: Option<&str>, data: &T) -> crate::Result<Self> {
        Ok(Self(host::Event {
            type_: kind.to_owned(),
            subject: subject.map(str::to_owned),
            data: serde_json::to_string(data).map_err(Error::internal)?,
            attributes: Vec::new(),
        }))
    }
}

// === impl Event ===

impl<T> Event<T> {
    /// Commits the effect of the event, once: when the event comes again, nothing happens. A replay is
    /// another time. The component's manifest declares the collection `handled` with an index that
    /// expires documents at `expires_at`.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn commit(&self, effect: Transaction) -> Result<(), DocumentsError> {
        let replay = self.replay.as_deref().unwrap_or_default();
        let handled = Handled {
            id: format!("{}:{}:{replay}", self.handler, self.id),
            expires_at: time::now() + REMEMBERED,
        };
        match effect.insert(&HANDLED, &handled).commit().await {
            Ok(_) => Ok(()),
            // Whichever step noticed: if it is remembered, its effect is there.
            Err(error) => match HANDLED.get(&handled.id).await {
                Ok(Some(_)) => Ok(()),
                _ => Err(error),
            },
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Event<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let headers = request.headers();
        let time: Time =
            serde_json::from_value(required(headers, "ce-time")?.into()).map_err(|error| {
                Error::malformed(format!("`ce-time` is no time ({error}); correct it"))
            })?;
        Ok(Self {
            id: required(headers, "ce-id")?,
            kind: required(headers, "ce-type")?,
            source: required(headers, "ce-source")?,
            subject: attribute(headers, "ce-subject"),
            replay: attribute(headers, "ce-sbdreplay"),
            handler: request.extensions().get().map_or("", |Handler(name)| *name),
            time,
            data: Json::from_request(request, state).await?.0,
        })
    }
}

fn required(headers: &HeaderMap, name: &str) -> crate::Result<String> {
    let missing = || Error::malformed(format!("an event needs the header `{name}`; add it"));
    attribute(headers, name).ok_or_else(missing)
}

/// An attribute of an event, which is percent-encoded where a header cannot hold it.
fn attribute(headers: &HeaderMap, name: &str) -> Option<String> {
    let encoded = headers.get(name)?.to_str().ok()?;
    Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned())
}

// === impl Subscription ===

impl Subscription {
    /// A handler of the events whose type fits a pattern.
    #[doc(hidden)]
    pub fn new(pattern: &'static str, name: &'static str, handler: MethodRouter) -> Self {
        Self {
            pattern,
            name,
            handler,
        }
    }
}

/// Gives an event to every handler that takes its type, one after the other.
pub(crate) fn deliver(subscriptions: Vec<Subscription>) -> MethodRouter {
    let subscriptions: Arc<[Subscription]> = subscriptions.into();
    post(move |request: Request| {
        let subscriptions = Arc::clone(&subscriptions);
        async move { Ok::<_, Error>(delivered(&subscriptions, request).await?.into_response()) }
    })
}

async fn delivered(subscriptions: &[Subscription], request: Request) -> crate::Result<Response> {
    let kind = required(request.headers(), "ce-type")?;
    let (head, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &())
        .await
        .map_err(|_| Error::malformed("the event broke off before its end; send it again whole"))?;
    for subscription in subscriptions
        .iter()
        .filter(|taken| is_event_of(taken.pattern, &kind))
    {
        let mut request = Request::from_parts(head.clone(), Body::from(body.clone()));
        request.extensions_mut().insert(Handler(subscription.name));
        let Ok(response) = subscription.handler.clone().call(request).await;
        if !response.status().is_success() {
            return Ok(response);
        }
    }
    Ok(NoContent.into_response())
}
