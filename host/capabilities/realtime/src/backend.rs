//! What the channels of a tenant must do.

use crate::queue::Listener;
use crate::{Error, Message, Told};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;

/// The channels of one tenant. Callers have checked channels and messages; the suite in
/// `tests/conformance` says what each method must do.
///
/// Each message has an id, and whoever listens is told in the order of ids. What was said is kept for a
/// while, within bounds, for those who come back with an id.
pub trait Backend: Send + Sync + 'static {
    /// Says all of these, in this order, or none.
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), Error>>;

    /// Has somebody hear from now on what is said in these channels, and before what was said there
    /// since a message; of all the channels as of one moment.
    fn join<'a>(
        &'a self,
        listener: &'a Listener,
        channels: &'a [Arc<str>],
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Joined, Error>>;

    /// An id to come back with for whoever has been told all that was said before now.
    fn position(&self) -> BoxFuture<'_, Result<String, Error>>;

    /// Has everybody in a channel find out again whether they may be there: they are told so in the
    /// order of what is said there.
    fn changed<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// The users who are in a channel, so many at most: those first who have been for longest.
    fn presence<'a>(
        &'a self,
        channel: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Present>, Error>>;
}

/// The channels of all tenants.
pub trait Backends: Send + Sync + 'static {
    /// Those of a tenant, which need nothing else of it.
    fn of(&self, tenant: &Arc<str>) -> Arc<dyn Backend>;

    /// Forgets what was kept long enough.
    fn tidy(&self);

    /// Forgets a tenant that is no more.
    fn remove(&self, tenant: &str);
}

/// What somebody found who joined channels.
pub struct Joined {
    /// A place in each of them, in their order.
    pub seats: Vec<Seat>,
    /// What was said there meanwhile, in the order of ids.
    pub missed: Vec<Arc<Told>>,
    /// To come back with, once that was told.
    pub position: String,
}

/// Somebody's place in a channel, until it is dropped.
pub struct Seat {
    /// The channel.
    pub channel: Arc<str>,
    /// Whether something was said there since that is not kept any more.
    pub gap: bool,
    pub(crate) _held: Box<dyn Send + Sync>,
}

/// Somebody who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The user.
    pub user: Arc<str>,
    /// Since when.
    pub since: Timestamp,
}

// === impl Seat ===

impl Seat {
    /// A place that is held as long as `held` is.
    pub fn new(channel: Arc<str>, gap: bool, held: impl Send + Sync + 'static) -> Self {
        Self {
            channel,
            gap,
            _held: Box::new(held),
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("channel", &self.channel)
            .field("gap", &self.gap)
            .finish_non_exhaustive()
    }
}
