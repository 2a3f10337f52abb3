//! The realtime capability, `sbd:platform/realtime`: messages to whoever is connected.
//!
//! A [`Backend`] has the channels of one tenant: who listens there, and for a short while what was said.
//! It lives apart from the tenant's stores, which may be closed while somebody listens. A component
//! speaks by a [`RealtimeCtx`], in the channels of the kinds that its offer has and to users; a
//! connection hears by a [`Queue`] of its own, which is bounded.

mod backend;
mod bindings;
mod error;
mod host;
pub mod limits;
mod memory;
mod message;
mod queue;

pub use backend::{Backend, Backends, Joined, Present, Seat};
pub use error::Error;
pub use memory::{Kept, MemoryBackend, MemoryBackends};
pub use message::{Message, Told};
pub use queue::{End, Heard, Listener, Queue};

use limits::{MESSAGES, PRESENT};
use sbd_contract::offer::is_channel;
use sbd_metering::Metered;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// Where every component may speak that may speak at all: the channels of users.
pub const USERS: &str = "user:";

/// Where the host speaks, to everybody.
pub const SYSTEM: &str = "system";

/// What one component of one tenant may do in channels. Cheap to clone.
#[derive(Clone)]
pub struct RealtimeCtx {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
    /// How its channels begin.
    own: Arc<BTreeSet<String>>,
}

/// Implemented by the data of a store whose components speak in channels.
pub trait RealtimeView: Send {
    /// The channels as this store's component sees them.
    fn realtime(&mut self) -> &mut RealtimeCtx;
}

struct Realtime;

impl HasData for Realtime {
    type Data<'a> = &'a mut RealtimeCtx;
}

/// Links `sbd:platform/realtime`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: RealtimeView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::realtime::add_to_linker::<T, Realtime>(linker, T::realtime)
}

// === impl RealtimeCtx ===

impl RealtimeCtx {
    /// The channels of the backend's tenant, for a component whose own begin so.
    pub fn new(backend: Arc<dyn Backend>, component: Arc<str>, own: Arc<BTreeSet<String>>) -> Self {
        Self {
            backend,
            component,
            own,
        }
    }

    /// Says something in channels of the component's own, and to users.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotYours`], [`Error::Unavailable`].
    pub async fn publish(&self, messages: Vec<Message>) -> Result<(), Error> {
        if !(1..=MESSAGES).contains(&messages.len()) {
            return Err(Error::Invalid(format!(
                "a call publishes 1 to {MESSAGES} messages, not {}; call again for the others",
                messages.len()
            )));
        }
        let checked = |message: Message| {
            let message = message.checked()?;
            if !message.channel.starts_with(USERS) {
                self.check_own(&message.channel)?;
            }
            Ok(message)
        };
        let messages: Result<_, _> = messages.into_iter().map(checked).collect();
        self.backend.publish(messages?).await
    }

    /// Says that who may be in a channel of the component's own has changed.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotYours`], [`Error::Unavailable`].
    pub async fn changed(&self, channel: &str) -> Result<(), Error> {
        self.check_own(channel)?;
        self.backend.changed(channel).await
    }

    /// Who is in a channel of the component's own.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotYours`], [`Error::Unavailable`].
    pub async fn presence(&self, channel: &str) -> Result<Vec<Present>, Error> {
        self.check_own(channel)?;
        self.backend.presence(channel, PRESENT).await
    }

    fn check_own(&self, channel: &str) -> Result<(), Error> {
        let kind = channel.split_inclusive(':').next().unwrap_or_default();
        if self.own.contains(kind) && is_channel(channel) {
            return Ok(());
        }
        let channel = channel.chars().take(100).collect::<String>();
        let channel = channel.escape_debug();
        if self.own.contains(kind) {
            return Err(Error::Invalid(format!(
                "`{channel}` is no channel; write a name behind `{kind}`"
            )));
        }
        let component = &self.component;
        let own = match self.own.is_empty() {
            true => "no channels".to_owned(),
            false => self.own.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        Err(Error::NotYours(format!(
            "`{channel}` is no channel of the component `{component}`, whose offer has {own}; offer its kind, or leave it to whoever does"
        )))
    }
}
