//! Where events are published that belong to no transaction.

use futures::future::BoxFuture;
use sbd_metering::Cause;

/// A component's way into the log of its tenant. The log is somebody else's: events stand beside the
/// changes that they tell of.
pub trait Log: Send + Sync + 'static {
    /// Publishes events in order, all or none; answers their ids.
    fn publish(
        &self,
        events: Vec<NewEvent>,
        cause: Cause,
    ) -> BoxFuture<'_, Result<Vec<String>, Refused>>;
}

/// An event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened: dotted words.
    pub kind: String,
    /// What it happened to; the order is kept for each.
    pub subject: Option<String>,
    /// What subscribers learn, as JSON.
    pub data: String,
    /// Further attributes of CloudEvents, by name.
    pub attributes: Vec<(String, String)>,
}

/// Why nothing was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An event is wrong; the text says what to write instead.
    Invalid(String),
    /// A limit of an event or a call; the text names it.
    Limit(String),
    /// What may be kept is kept; by this limit, or because the disk is full.
    Full(Option<&'static str>),
    /// The same may succeed later.
    Unavailable(String),
}
