//! Somebody who is connected: where they listen, what they are told, and what they say. It is the same
//! by WebSocket and by Server-Sent Events.

use crate::realtime::about::{self, About, Ending};
use crate::realtime::asking::Asked;
use crate::realtime::connections::Connection;
use crate::realtime::joining::{Asker, Refused};
use crate::realtime::pace::Pace;
use crate::realtime::{LISTEN, Realtime};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use sbd_gateway::{HostRequest, Refusal};
use sbd_realtime::{Backend, Heard, Joined, Listener, Queue, SYSTEM, Seat, Told, USERS};
use sbd_runtime::SayError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most channels of one connection.
const CHANNELS: usize = 100;

/// Questions that one connection has at once when it opens.
const QUESTIONS: usize = 8;

/// Somebody who is connected.
pub(super) struct Session {
    asker: Asker,
    hub: Arc<dyn Backend>,
    listener: Listener,
    queue: Queue,
    /// The channels they are in.
    seats: HashMap<Arc<str>, Seat>,
    connection: Connection,
    /// What they are told before anything else.
    outbox: VecDeque<Said>,
    /// A channel of which it is to be found out whether they may still be there. Nothing is told before.
    doubted: Option<Arc<str>>,
    pace: Pace,
    heartbeat: Duration,
    next_beat: Instant,
    expires: Option<Instant>,
    /// When they were last heard, where they have to answer.
    heard: Option<Instant>,
    stopping: CancellationToken,
    is_over: bool,
}

/// One message.
pub(super) enum Said {
    /// About the stream itself.
    About(About),
    /// What was said in a channel.
    Told(Arc<Told>),
}

/// What comes next.
pub(super) enum Next {
    /// They are told this.
    Say(Said),
    /// Nothing more.
    End(Ending),
}

/// What somebody may say on a WebSocket.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Wish {
    Join {
        channel: String,
        #[serde(default)]
        last_event_id: Option<String>,
    },
    Leave {
        channel: String,
    },
    Send {
        channel: String,
        data: Value,
    },
    #[serde(rename = "stream.pong")]
    Pong {},
}

// === impl Session ===

impl Session {
    /// Connects who sent a request, to the channels that they ask for and to those that all are in.
    pub(super) async fn open(
        realtime: &Realtime,
        request: HostRequest,
        asked: Asked,
    ) -> Result<Self, Refusal> {
        let nobody = "Only those who are signed in can listen; send an access token or a ticket.";
        let caller = Arc::clone(request.permitted(LISTEN, nobody)?);
        let Some(user) = caller.user.clone() else {
            return Err(Refusal::forbidden("Only users can listen; sign in as one."));
        };
        if asked.channels.len() > CHANNELS {
            return Err(Refusal::malformed(
                "A connection joins at most 100 channels; open another for the others.",
            ));
        }
        let (listener, queue) = Listener::new(Some(Arc::clone(&user)));
        let connection = realtime
            .connections
            .open(&request.tenant, &caller, &listener)?;
        let left = caller
            .expires_at
            .saturating_sub(Timestamp::now().as_second());
        let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        let heartbeat = realtime.heartbeat;
        let now = Instant::now();
        let mut session = Self {
            hub: realtime.runtime.realtime(&request.tenant),
            asker: Asker {
                runtime: realtime.runtime.clone(),
                tenant: request.tenant,
                request_id: request.request_id,
                caller,
                user,
            },
            listener,
            queue,
            seats: HashMap::new(),
            connection,
            outbox: VecDeque::new(),
            doubted: None,
            pace: Pace::new(),
            heartbeat,
            next_beat: now + heartbeat,
            // One that never ends is none.
            expires: now.checked_add(left),
            heard: None,
            stopping: request.stopping,
            is_over: false,
        };
        session.join_first(asked).await?;
        Ok(session)
    }

    /// They have to answer when they are asked whether they are there.
    pub(super) fn must_answer(&mut self) {
        self.heard = Some(Instant::now());
    }

    /// They are there, and say something: whatever it is, not too often.
    pub(super) fn hears_from(&mut self) -> Result<(), Ending> {
        self.heard = self.heard.map(|_| Instant::now());
        match self.pace.admits() {
            true => Ok(()),
            false => Err(Ending::TOO_MUCH),
        }
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Resolves when they hear nothing more, whatever else is to be told.
    pub(super) async fn ended(&mut self) -> Ending {
        self.queue.ended().await.into()
    }

    /// What they are told next. Dropped before it is ready, nothing is lost.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if let Some(said) = self.outbox.pop_front() {
                return Next::Say(said);
            }
            if self.is_over {
                return Next::End(Ending::STOPPING);
            }
            if let Some(channel) = self.doubted.clone() {
                // Boxed is what happens rarely: an idle connection keeps the room for all that might.
                Box::pin(self.ask_again(&channel)).await;
                self.doubted = None;
                continue;
            }
            let wakes = self
                .expires
                .map_or(self.next_beat, |end| end.min(self.next_beat));
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {
                    self.is_over = true;
                    self.outbox.push_back(Said::About(about::reconnect()));
                }
                () = tokio::time::sleep_until(wakes) => {
                    if let Some(ending) = self.beat().await {
                        return Next::End(ending);
                    }
                }
                heard = self.queue.next() => match heard {
                    // What waited since before they left is not told.
                    Heard::Told(told) if self.seats.contains_key(&told.channel) => {
                        return Next::Say(Said::Told(told));
                    }
                    Heard::Told(_) => {}
                    Heard::Changed(channel) => self.doubted = Some(channel),
                    Heard::Ended(why) => return Next::End(why.into()),
                },
            }
        }
    }

    /// Does what they say.
    pub(super) async fn take(&mut self, text: &str) -> Result<(), Ending> {
        self.hears_from()?;
        let wish = serde_json::from_str(text).map_err(|error| {
            let message = format!("this is not what may be said: {error}");
            Ending::malformed(message.chars().take(100).collect::<String>())
        })?;
        match wish {
            Wish::Join {
                channel,
                last_event_id,
            } => self.join(&channel, last_event_id.as_deref()).await,
            Wish::Leave { channel } => {
                if self.seats.remove(&*channel).is_some() {
                    self.tell(about::left(&channel, "you asked for it"));
                } else {
                    self.refuse(&channel, &NOT_THERE);
                }
            }
            Wish::Send { channel, data } => {
                if let Err(refused) = self.send(&channel, &data).await {
                    self.refuse(&channel, &refused);
                }
            }
            Wish::Pong {} => {}
        }
        Ok(())
    }

    /// What is due by the clock; an ending if that is one.
    async fn beat(&mut self) -> Option<Ending> {
        let now = Instant::now();
        if self.expires.is_some_and(|end| end <= now) {
            return Some(Ending::EXPIRED);
        }
        if now < self.next_beat {
            return None;
        }
        let is_silent = |heard: Instant| now.duration_since(heard) > 2 * self.heartbeat;
        if self.heard.is_some_and(is_silent) {
            return Some(Ending::SILENT);
        }
        // All that was said before is in the queue, or was told. So whoever has heard nothing for long has
        // a place to come back to that is not forgotten yet.
        let position = self.hub.position().await.ok();
        let position = position.filter(|_| self.queue.is_empty());
        self.next_beat = now + self.heartbeat;
        self.tell(about::ping(position));
        None
    }

    /// All at once, so that what was missed comes in the order in which it was said.
    async fn join_first(&mut self, asked: Asked) -> Result<(), Refusal> {
        let mut channels: Vec<Arc<str>> = vec![
            Arc::from(format!("{USERS}{}", self.asker.user)),
            Arc::from(SYSTEM),
        ];
        let wanted = asked.channels.into_iter().map(Arc::<str>::from);
        let wanted = wanted.filter(|channel| !channels.contains(channel));
        let (asker, questions) = (self.asker.clone(), Arc::clone(&self.connection.questions));
        let answers = stream::iter(wanted.collect::<Vec<_>>())
            .map(|channel| {
                let (asker, questions) = (asker.clone(), Arc::clone(&questions));
                async move {
                    let _turn = questions.acquire().await;
                    let answer = asker.may_join(&channel).await;
                    (channel, answer)
                }
            })
            .buffered(QUESTIONS);
        let mut not_there = Vec::new();
        for (channel, answer) in answers.collect::<Vec<_>>().await {
            match answer {
                Ok(()) => channels.push(channel),
                Err(refused) => not_there.push((channel, refused)),
            }
        }
        let joined = self
            .hub
            .join(&self.listener, &channels, asked.last_event_id.as_deref())
            .await;
        let joined = joined.map_err(|error| {
            tracing::error!(%error, request_id = &*self.asker.request_id, "channels could not be joined");
            Refusal::busy(Duration::from_secs(1))
        })?;
        // Before what was missed, it would be the id of what was not told yet.
        let position = joined.missed.is_empty().then(|| joined.position.clone());
        self.tell(about::ready(self.heartbeat, position));
        for (channel, refused) in not_there {
            self.refuse(&channel, &refused);
        }
        self.seat(joined);
        Ok(())
    }

    async fn join(&mut self, channel: &str, after: Option<&str>) {
        if self.seats.contains_key(channel) {
            return self.tell(about::joined(channel));
        }
        if self.seats.len() >= CHANNELS + 2 {
            return self.refuse(channel, &TOO_MANY);
        }
        if let Err(refused) = self.may_join(channel).await {
            return self.refuse(channel, &refused);
        }
        let channels = [Arc::from(channel)];
        match self.hub.join(&self.listener, &channels, after).await {
            Ok(joined) => self.seat(joined),
            Err(error) => {
                tracing::error!(%error, request_id = &*self.asker.request_id, "a channel could not be joined");
                self.refuse(channel, &Refused::busy());
            }
        }
    }

    fn seat(&mut self, joined: Joined) {
        for seat in &joined.seats {
            self.tell(about::joined(&seat.channel));
            if seat.gap {
                self.tell(about::gap(&seat.channel));
            }
        }
        self.outbox
            .extend(joined.missed.into_iter().map(Said::Told));
        let seats = joined.seats.into_iter();
        self.seats
            .extend(seats.map(|seat| (Arc::clone(&seat.channel), seat)));
    }

    async fn may_join(&mut self, channel: &str) -> Result<(), Refused> {
        let questions = Arc::clone(&self.connection.questions);
        let asking = async {
            let _turn = questions.acquire().await;
            self.asker.may_join(channel).await
        };
        tokio::select! {
            answer = asking => answer,
            // They will hear why.
            _ = self.queue.ended() => Err(Refused::busy()),
        }
    }

    /// Who may be in a channel has changed. Where nobody can say, nobody is there.
    async fn ask_again(&mut self, channel: &Arc<str>) {
        if !self.seats.contains_key(channel) {
            return;
        }
        if let Err(refused) = self.may_join(channel).await {
            self.seats.remove(channel);
            self.tell(about::left(channel, &refused.message));
        }
    }

    async fn send(&mut self, channel: &str, data: &Value) -> Result<(), Refused> {
        if self.doubted.as_deref() == Some(channel) {
            self.ask_again(&Arc::from(channel)).await;
        }
        if !self.seats.contains_key(channel) {
            return Err(NOT_THERE);
        }
        let runtime = &self.asker.runtime;
        let application = runtime.application();
        let (owner, channels) = match channel {
            SYSTEM => return Err(NOBODY_LISTENS),
            own if own.starts_with(USERS) => return Err(NOBODY_LISTENS),
            others => self.asker.owner_of(&application, others)?,
        };
        if !channels.takes_messages {
            return Err(NOBODY_LISTENS);
        }
        let Asker {
            tenant,
            request_id,
            user,
            ..
        } = &self.asker;
        let said = runtime.say(tenant, &owner, request_id, user, channel, data);
        said.await.map_err(|error| match error {
            SayError::Refused(error) => Refused {
                code: "VALIDATION_ERROR".into(),
                message: error.to_string().into(),
            },
            error => {
                tracing::error!(%error, request_id = &**request_id, "what was said in a channel could not be kept");
                Refused::new("OVERLOADED", "this could not be kept; say it again in a moment")
            }
        })
    }

    fn refuse(&mut self, channel: &str, refused: &Refused) {
        let channel: String = channel.chars().take(100).collect();
        self.tell(about::refused(&channel, &refused.code, &refused.message));
    }

    fn tell(&mut self, about: About) {
        self.outbox.push_back(Said::About(about));
    }
}

const NOT_THERE: Refused = Refused::new("NOT_JOINED", "you are not in this channel; join it first");
const TOO_MANY: Refused = Refused::new(
    "LIMIT_EXCEEDED",
    "a connection joins at most 100 channels; leave one first",
);
const NOBODY_LISTENS: Refused = Refused::new(
    "FORBIDDEN",
    "nobody takes messages in this channel; use the API",
);

// === impl Said ===

impl Said {
    /// To come back with.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::About(about) => about.id.as_deref(),
            Self::Told(told) => Some(&told.id),
        }
    }

    /// The message.
    pub(super) fn text(&self) -> &Bytes {
        match self {
            Self::About(about) => &about.text,
            Self::Told(told) => &told.text,
        }
    }
}
