//! Who may be in a channel: of most, the component whose offer has them is asked.

use bytes::Bytes;
use sbd_contract::Refusal;
use sbd_contract::offer::{Channels, is_channel};
use sbd_realtime::{SYSTEM, USERS};
use sbd_runtime::{Application, Authenticated, Runtime};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How long a component may think about it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most of a component's sentence that is passed on.
const LONGEST_MESSAGE: usize = 500;

/// Who wants to be in a channel.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) runtime: Runtime,
    pub(super) tenant: Arc<str>,
    pub(super) request_id: Arc<str>,
    pub(super) caller: Arc<Authenticated>,
    pub(super) user: Arc<str>,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
}

#[derive(Deserialize)]
struct Envelope {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    message: String,
}

// === impl Asker ===

impl Asker {
    /// Asks whether they may be in a channel.
    pub(super) async fn may_join(&self, channel: &str) -> Result<(), Refused> {
        if channel == SYSTEM || channel.strip_prefix(USERS) == Some(&self.user) {
            return Ok(());
        }
        if channel.starts_with(USERS) {
            return Err(Refused::new(
                "FORBIDDEN",
                "this is another user's channel; join your own",
            ));
        }
        if !is_channel(channel) {
            return Err(Refused::new(
                "VALIDATION_ERROR",
                "this is no channel; write its kind and a name with a colon between",
            ));
        }
        let application = self.runtime.application();
        let (owner, _) = self.owner_of(&application, channel)?;
        let asking = application.ask_who_may_join(
            &self.tenant,
            &owner,
            &self.request_id,
            &self.caller,
            channel,
        );
        let request_id = &*self.request_id;
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(reply)) if reply.status.is_success() => Ok(()),
            Ok(Ok(reply)) if reply.status.is_client_error() => Err(Refused::said(&reply.body)),
            Ok(Ok(reply)) => {
                tracing::warn!(component = &*owner, status = %reply.status, request_id, "a component failed when it was asked who may join a channel");
                Err(Refused::busy())
            }
            Ok(Err(error)) => match error.refusal() {
                Some(refusal) => Err(Refused::from(&refusal)),
                None => {
                    tracing::warn!(component = &*owner, %error, request_id, "a component did not say who may join a channel");
                    Err(Refused::busy())
                }
            },
            Err(_) => {
                tracing::warn!(
                    component = &*owner,
                    request_id,
                    "a component thinks too long about who may join a channel"
                );
                Err(Refused::busy())
            }
        }
    }

    /// The component that has a channel, if it is there for them.
    pub(super) fn owner_of<'a>(
        &self,
        application: &'a Application,
        channel: &str,
    ) -> Result<(Arc<str>, &'a Channels), Refused> {
        let nobody = Refused::new(
            "NOT_FOUND",
            "there are no channels of this kind; check its name",
        );
        let (owner, channels) = application.owner_of(channel).ok_or(nobody)?;
        let (features, switches) = (application.features(), application.switches());
        match features.is_on(switches, &self.tenant, &owner, Some(&self.user)) {
            true => Ok((owner, channels)),
            false => Err(Refused::from(&Refusal::feature_disabled(&owner))),
        }
    }
}

// === impl Refused ===

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code().into(),
            message: refusal.message().to_owned().into(),
        }
    }
}

impl Refused {
    pub(super) const fn new(code: &'static str, message: &'static str) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: Cow::Borrowed(message),
        }
    }

    pub(super) fn busy() -> Self {
        Self::new(
            "OVERLOADED",
            "nobody could say whether you may; try again in a moment",
        )
    }

    /// What a component said, in the form of all refusals.
    fn said(body: &Bytes) -> Self {
        let Ok(Envelope { error }) = serde_json::from_slice::<Envelope>(body) else {
            return Self::new("FORBIDDEN", "you may not be there; ask somebody who may");
        };
        let short = |text: String| text.chars().take(LONGEST_MESSAGE).collect::<String>();
        Self {
            code: short(error.code).into(),
            message: short(error.message).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_says_is_passed_on() {
        let said = |text: &'static str| Refused::said(&Bytes::from_static(text.as_bytes()));
        let refused = said(r#"{"error":{"code":"NOT_FOUND","message":"no such family"}}"#);
        assert_eq!(
            (&*refused.code, &*refused.message),
            ("NOT_FOUND", "no such family")
        );
        for other in ["", "no", "{}"] {
            assert_eq!(said(other).code, "FORBIDDEN", "{other}");
        }
    }
}
