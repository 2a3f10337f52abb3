//! Messages to whoever is connected now, at `GET /api/v1/realtime`.
//!
//! They are kept for minutes, for those who come back. What must not be lost is a document, an event or a
//! task first. A component says something in the channels of the kinds that its offer has
//! ([`macro@crate::channels`]), and to each user: `user:{id}`.
//!
//! ```
//! # use sbd_sdk::{Component, Json, NoContent, Result, operation, realtime};
//! # use serde_json::json;
//! # #[operation(post "/api/v1/greetings")]
//! # async fn greet() -> Result<NoContent> {
//! realtime::publish("user:usr_1", "greeting.said", &json!({"text": "Hello"})).await?;
//! # Ok(NoContent) }
//! # let app = sbd_sdk::testing::App::new(Component::new().operations("greetings", [greet()]));
//! # app.anonymous().post("/api/v1/greetings", json!({})).assert_status(204);
//! // In a test:
//! let said = app.said();
//! assert_eq!((said[0].channel.as_str(), said[0].kind.as_str()), ("user:usr_1", "greeting.said"));
//! assert_eq!(said[0].data["text"], "Hello");
//! ```

use crate::bindings::realtime as host;
use crate::{Error, time::Time};
use serde::Serialize;

/// Something to be said in a channel.
#[derive(Clone, Debug)]
pub struct Message(host::Message);

/// Somebody who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The user.
    pub user: String,
    /// Since when.
    pub since: Time,
}

// === impl Message ===

impl Message {
    /// What is said in `channel` (`family:fam_1`) is of this type (`family.member.joined`), and of this
    /// data, which has 64 KiB at most.
    ///
    /// # Errors
    /// When the data cannot be JSON.
    pub fn new<T: Serialize + ?Sized>(channel: &str, kind: &str, data: &T) -> crate::Result<Self> {
        Ok(Self(host::Message {
            channel: channel.to_owned(),
            type_: kind.to_owned(),
            data: serde_json::to_string(data).map_err(Error::internal)?,
        }))
    }
}

/// Says something in a channel.
///
/// # Errors
/// When the channel is not the component's, or something about the message is wrong.
pub async fn publish<T: Serialize + ?Sized>(
    channel: &str,
    kind: &str,
    data: &T,
) -> crate::Result<()> {
    publish_all([Message::new(channel, kind, data)?]).await
}

/// Says 1 to 100 things, all or none, in this order.
///
/// # Errors
/// When a channel is not the component's, or something about a message is wrong.
pub async fn publish_all(messages: impl IntoIterator<Item = Message>) -> crate::Result<()> {
    let messages = messages.into_iter().map(|Message(message)| message);
    host::publish(messages.collect()).await.map_err(refused)
}

/// Who may be in a channel has changed: the host asks again about everybody who is in it, before they
/// hear what is said there from now on.
///
/// # Errors
/// When the channel is not the component's.
pub async fn changed(channel: &str) -> crate::Result<()> {
    host::changed(channel.to_owned()).await.map_err(refused)
}

/// Who is in a channel now: the first thousand.
///
/// # Errors
/// When the channel is not the component's.
pub async fn presence(channel: &str) -> crate::Result<Vec<Present>> {
    let present = host::presence(channel.to_owned()).await.map_err(refused)?;
    let read = |one: host::Present| {
        let since: jiff::Timestamp = one.since.parse().map_err(Error::internal)?;
        Ok(Present {
            user: one.user,
            since: Time::from_milliseconds(since.as_millisecond()),
        })
    };
    present.into_iter().map(read).collect()
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Unavailable(cause) => Error::overloaded(
            "nobody can be told anything just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("real time unavailable: {cause}")),
        host::Error::Invalid(cause)
        | host::Error::NotYours(cause)
        | host::Error::Limit(cause)
        | host::Error::Other(cause) => Error::internal(cause),
    }
}
