//! Real-time channels: the host asks who may join one. What is said there, [`crate::realtime`] says.

use crate::{Error, Json, NoContent};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::str::FromStr;
use std::sync::Arc;
use tower_service::Service as _;

/// The channel that somebody wants to join, as a handler's last argument: what stands behind the
/// colon, `Channel<FamilyId>` of `family:fam_...`. What cannot be a `T` is refused as the `T` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel<T>(pub T);

/// Who decides about the channels of a kind. [`macro@crate::channels`] makes one.
#[derive(Clone, Debug)]
pub struct Channels {
    pub(crate) beginning: &'static str,
    takes_messages: bool,
    handler: MethodRouter,
}

/// What somebody who is in a channel said there, as the data of the event `channel.message.sent`, whose
/// subject is the channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Sent<T> {
    /// Who it was.
    pub user: String,
    /// What they said.
    pub data: T,
}

/// What the host asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    channel: String,
}

// === impl Channel ===

impl<T: FromStr<Err = Error>, S: Send + Sync> FromRequest<S> for Channel<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let Json(Question { channel }) = Json::from_request(request, state).await?;
        let name = channel.split_once(':').map_or("", |(_, name)| name);
        name.parse().map(Self)
    }
}

// === impl Channels ===

impl Channels {
    /// Who decides about channels with this beginning.
    #[doc(hidden)]
    pub fn new(beginning: &'static str, takes_messages: bool, handler: MethodRouter) -> Self {
        Self {
            beginning,
            takes_messages,
            handler,
        }
    }

    /// As the offer says it.
    pub(crate) fn offer(&self) -> Value {
        match self.takes_messages {
            false => self.beginning.into(),
            true => json!({"beginning": self.beginning, "takes_messages": true}),
        }
    }
}

/// Asks whoever decides about a channel. About one that nobody decides about, the answer is no.
pub(crate) fn authorize(channels: Vec<Channels>) -> MethodRouter {
    let channels: Arc<[Channels]> = channels.into();
    post(move |request: Request| {
        let channels = Arc::clone(&channels);
        async move { Ok::<_, Error>(decided(&channels, request).await?.into_response()) }
    })
}

async fn decided(channels: &[Channels], request: Request) -> crate::Result<Response> {
    let (head, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &())
        .await
        .map_err(|_| Error::malformed("the question broke off before its end; ask again"))?;
    let Question { channel } = crate::from_json(&body)?;
    let decides = |of: &&Channels| channel.starts_with(of.beginning);
    let Some(decides) = channels.iter().find(decides) else {
        return Err(Error::forbidden(
            "nobody lets you join this channel; check its name",
        ));
    };
    let request = Request::from_parts(head, Body::from(body));
    let Ok(response) = decides.handler.clone().call(request).await;
    Ok(match response.status().is_success() {
        true => NoContent.into_response(),
        false => response,
    })
}
