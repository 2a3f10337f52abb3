//! What an operator says to whoever is connected.

use crate::{Admin, Error};
use sbd_registry::Actor;
use sbd_runtime::AnnounceError;
use serde_json::{Value, json};
use std::sync::Arc;

impl Admin {
    /// Says something to everybody who is connected to a tenant.
    ///
    /// # Errors
    /// When there is no such tenant, or this is no message.
    pub async fn announce(
        &self,
        actor: &Actor,
        tenant: &str,
        kind: String,
        data: Value,
    ) -> Result<(), Error> {
        let details = json!({"type": kind});
        let announce = async {
            let tenant = self.registry.tenants.changeable(tenant)?;
            let tenant = Arc::clone(tenant.name.shared());
            let said = self.runtime.announce(&tenant, kind, data.to_string());
            Ok(said.await?)
        };
        self.act(actor, "tenant.announce", tenant, details, announce)
            .await
    }
}

impl From<AnnounceError> for Error {
    fn from(error: AnnounceError) -> Self {
        match &error {
            AnnounceError::Invalid(message) => Self::invalid(message),
            _ => Self::unavailable(error.to_string()),
        }
    }
}
