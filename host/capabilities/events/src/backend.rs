//! What a store of deliveries must do.

use crate::Error;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// How far a subscriber has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Every event up to here has been taken, is held, or was not for this subscriber.
    pub place: u64,
    /// What is being sent once more, as somebody asked.
    pub replay: Option<Replay>,
}

/// Events being sent to a subscriber that has had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Tells it apart from other replays of the same events.
    pub id: String,
    /// The last place of it.
    pub until: u64,
}

/// An event of which a subscriber's delivery has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the log.
    pub place: u64,
    /// What the order is kept for: its subject mostly.
    pub key: String,
    /// The component that published it: it counts for what that component keeps.
    pub publisher: String,
    /// The event, in the words of whoever delivers it.
    pub event: String,
    /// How often it was sent already.
    pub attempts: u32,
    /// When it is to be sent again; of those with the same key the first one counts.
    pub due: Timestamp,
}

/// An event that is not sent as the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It comes again.
    Waiting(Waiting),
    /// Given up: a dead letter.
    Parked {
        /// The event, with when it was given up.
        event: Waiting,
        /// Why.
        reason: String,
    },
}

/// What became of an event that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was taken.
    Done {
        /// Its place in the log.
        place: u64,
    },
    /// Not yet.
    Again {
        /// Its place in the log.
        place: u64,
        /// How often it was sent.
        attempts: u32,
        /// When it is to be sent again.
        due: Timestamp,
    },
    /// Given up: a dead letter from now on.
    Parked {
        /// Its place in the log.
        place: u64,
        /// How often it was sent.
        attempts: u32,
        /// When it was given up.
        since: Timestamp,
        /// Why.
        reason: String,
    },
}

/// What a subscriber has got done, to be kept in one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How far it has come.
    pub place: u64,
    /// What has to be held from now on.
    pub held: Vec<Held>,
    /// What became of events that waited.
    pub settled: Vec<Settled>,
}

/// A key whose events wait for their first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The key.
    pub key: String,
    /// When the first is due.
    pub due: Timestamp,
}

/// An event that was given up for a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// By which it is called; the later ones have greater numbers.
    pub number: u64,
    /// Who did not take it.
    pub subscriber: String,
    /// The event, in the words of whoever delivers it.
    pub event: String,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was given up.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// A store of the deliveries of one tenant.
pub trait Backend: Send + Sync + 'static {
    /// How far a subscriber has come. One that was never heard of begins behind `newest`.
    fn begin<'a>(
        &'a self,
        subscriber: &'a str,
        newest: u64,
    ) -> BoxFuture<'a, Result<Position, Error>>;

    /// Keeps what a subscriber has got done, all or nothing. A replay whose last place is reached is over.
    /// What is held counts for its publisher until it is taken, dropped or forgotten. That is refused
    /// nobody, as it was published already; who keeps too much by it can publish no more.
    fn record<'a>(
        &'a self,
        subscriber: &'a str,
        progress: Progress,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// The keys of a subscriber whose events wait, those due first before the others, so many at most.
    fn blocked<'a>(
        &'a self,
        subscriber: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Blocked>, Error>>;

    /// The first events that wait for a key, in the log's order.
    fn waiting<'a>(
        &'a self,
        subscriber: &'a str,
        key: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Waiting>, Error>>;

    /// Dead letters behind a number (0: all), those of one subscriber if it is named.
    fn dead_letters<'a>(
        &'a self,
        subscriber: Option<&'a str>,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>>;

    /// One of them.
    fn dead_letter(&self, number: u64) -> BoxFuture<'_, Result<Option<DeadLetter>, Error>>;

    /// Has a dead letter wait again, due at once, as if it had never been sent; answers whose it is.
    fn retry(&self, number: u64, now: Timestamp) -> BoxFuture<'_, Result<Option<String>, Error>>;

    /// Forgets a dead letter; answers whether there was one.
    fn drop_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>>;

    /// Sends a subscriber back to a place, for a replay; answers whether it is one.
    fn replay<'a>(
        &'a self,
        subscriber: &'a str,
        place: u64,
        replay: Replay,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// Forgets dead letters that were given up before; answers how many.
    fn forget(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, Error>>;
}
