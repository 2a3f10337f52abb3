//! Events that were not taken, and events sent once more.

use crate::{Admin, Error};
use http::StatusCode;
use jiff::Timestamp;
use sbd_dispatch::{Letter, LettersError};
use sbd_registry::Actor;
use serde_json::{Value, json};
use std::sync::Arc;

impl Admin {
    /// The dead letters of a tenant behind a number (0: all), of one component if it is named; so many
    /// at most.
    ///
    /// # Errors
    /// When there is no such tenant, or they cannot be read.
    pub async fn letters(
        &self,
        tenant: &str,
        component: Option<&str>,
        after: u64,
        most: u32,
    ) -> Result<Vec<Letter>, Error> {
        let tenant = self.served(tenant)?;
        let letters = self.dispatch.letters(&tenant, component, after, most).await;
        Ok(letters?)
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this number, or it cannot be read.
    pub async fn letter(&self, tenant: &str, number: u64) -> Result<Letter, Error> {
        let tenant = self.served(tenant)?;
        Ok(self.dispatch.letter(&tenant, number).await?)
    }

    /// Sends a dead letter again.
    ///
    /// # Errors
    /// As [`Self::letter`].
    pub async fn retry_letter(
        &self,
        actor: &Actor,
        tenant: &str,
        number: u64,
    ) -> Result<(), Error> {
        let target = format!("{tenant}/{number}");
        let retry = async {
            let tenant = self.served(tenant)?;
            Ok(self.dispatch.retry(&tenant, number).await?)
        };
        self.act(actor, "event.retry", &target, Value::Null, retry)
            .await
    }

    /// Forgets a dead letter.
    ///
    /// # Errors
    /// As [`Self::letter`].
    pub async fn drop_letter(&self, actor: &Actor, tenant: &str, number: u64) -> Result<(), Error> {
        let target = format!("{tenant}/{number}");
        let drop = async {
            let tenant = self.served(tenant)?;
            Ok(self.dispatch.drop_letter(&tenant, number).await?)
        };
        self.act(actor, "event.drop", &target, Value::Null, drop)
            .await
    }

    /// Sends a component all events once more that were published since, as far as they are kept;
    /// answers what they carry as `sbdreplay`.
    ///
    /// # Errors
    /// When there is no such tenant, or the component listens to nothing.
    pub async fn replay_events(
        &self,
        actor: &Actor,
        tenant: &str,
        component: &str,
        since: Timestamp,
    ) -> Result<String, Error> {
        let target = format!("{tenant}/{component}");
        let details = json!({"since": since.to_string()});
        let replay = async {
            let tenant = self.served(tenant)?;
            Ok(self.dispatch.replay(&tenant, component, since).await?)
        };
        self.act(actor, "event.replay", &target, details, replay)
            .await
    }

    pub(crate) fn served(&self, tenant: &str) -> Result<Arc<str>, Error> {
        let tenant = self.registry.tenants.changeable(tenant)?;
        Ok(Arc::clone(tenant.name.shared()))
    }
}

impl From<LettersError> for Error {
    fn from(error: LettersError) -> Self {
        let message = error.to_string();
        match error {
            LettersError::NoLetter(_) => {
                Self::new(StatusCode::NOT_FOUND, "UNKNOWN_LETTER", message)
            }
            LettersError::NoSubscriber(_) => Self::invalid(message),
            _ => Self::unavailable(message),
        }
    }
}
