//! Real-time channels, for whoever connects somebody to them.

use crate::principal::Authenticated;
use crate::{Application, Call, Class, InvokeError, Question, Reply, Runtime};
use sbd_contract::offer::Channels;
use sbd_contract::path;
use sbd_documents::{Event, Operation};
use sbd_metering::Cause;
use sbd_realtime::Message;
use serde_json::json;
use std::sync::Arc;

/// The type of the event that something is that was said in a channel from outside.
const MESSAGE_SENT: &str = "channel.message.sent";

/// Why a component did not get what somebody said in a channel of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// It is larger than an event may be, or what the component keeps is full.
    #[error(transparent)]
    Refused(#[from] sbd_documents::Error),
    /// It could not be kept.
    #[error("{0}")]
    Unavailable(String),
}

// === impl Runtime ===

impl Runtime {
    /// The channels of a tenant. It is not opened for them, and need not stay open.
    pub fn realtime(&self, tenant: &Arc<str>) -> Arc<dyn sbd_realtime::Backend> {
        self.inner.shared.stores.realtime().of(tenant)
    }

    /// Says something to everybody who is connected to a tenant.
    ///
    /// # Errors
    /// Why it could not be said.
    pub async fn announce(
        &self,
        tenant: &Arc<str>,
        kind: String,
        data: String,
    ) -> Result<(), sbd_realtime::Error> {
        let message = Message::to_everybody(kind, data)?;
        self.realtime(tenant).publish(vec![message]).await
    }

    /// Leaves what a user says in a channel to the component that owns it, as an event of its own.
    ///
    /// # Errors
    /// When it could not be kept.
    pub async fn say(
        &self,
        tenant: &Arc<str>,
        owner: &Arc<str>,
        request_id: &Arc<str>,
        user: &Arc<str>,
        channel: &str,
        data: &serde_json::Value,
    ) -> Result<(), SayError> {
        let unavailable = |error: crate::Error| SayError::Unavailable(error.to_string());
        let log = self.events(tenant).await.map_err(unavailable)?;
        let publishing = &self.inner.shared.publishing;
        let announced = publishing.announce(tenant).await;
        let _announced = announced.map_err(SayError::Unavailable)?;
        let event = Event {
            kind: MESSAGE_SENT.to_owned(),
            subject: Some(channel.to_owned()),
            data: json!({"user": user, "data": data}).to_string(),
            attributes: Vec::new(),
            cause: Cause {
                request: Some(Arc::clone(request_id)),
                user: Some(Arc::clone(user)),
                ..Cause::default()
            },
        };
        log.documents
            .transact(owner, vec![Operation::Publish(event)])
            .await?;
        Ok(())
    }
}

// === impl Application ===

impl Application {
    /// The component that decides about a channel, and what its offer says of those of the kind.
    pub fn owner_of(&self, channel: &str) -> Option<(Arc<str>, &Channels)> {
        let components = self.snapshot.components.iter();
        components
            .filter_map(|(id, component)| {
                let offered = component.offer.as_ref()?.offer.channels.iter();
                let mut offered = offered.filter(|one| channel.starts_with(&one.beginning));
                Some((Arc::clone(id), offered.next()?))
            })
            .next()
    }

    /// Asks the component that decides about a channel whether somebody may be in it.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_who_may_join(
        &self,
        tenant: &Arc<str>,
        owner: &Arc<str>,
        request_id: &Arc<str>,
        principal: &Arc<Authenticated>,
        channel: &str,
    ) -> Result<Reply, InvokeError> {
        let call = Call {
            tenant: Arc::clone(tenant),
            component: Arc::clone(owner),
            request_id: Arc::clone(request_id),
            class: Class::Channels,
            principal: Some(Arc::clone(principal)),
        };
        let question = Question::post(path::CHANNELS, &json!({"channel": channel}))?;
        self.ask(call, question).await
    }
}
