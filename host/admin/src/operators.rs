//! Who may operate the host from elsewhere without being a user of it.

use crate::{Admin, Error};
use jiff::Timestamp;
use sbd_registry::{Actor, Operator, OperatorToken};
use serde_json::{Value, json};

impl Admin {
    /// The operators, in the order of their names; not their tokens, which nobody knows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn operators(&self) -> Result<Vec<Operator>, Error> {
        Ok(self.registry.operators.list().await?)
    }

    /// Makes an operator. The token cannot be had again.
    ///
    /// # Errors
    /// When the name is none, or taken, or the end is past.
    pub async fn create_operator(
        &self,
        actor: &Actor,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(Operator, OperatorToken), Error> {
        let details = json!({"expires_at": expires_at.map(|end| end.to_string())});
        let create = async { Ok(self.registry.operators.create(name, expires_at).await?) };
        self.act(actor, "operator.create", name, details, create)
            .await
    }

    /// Refuses an operator's token from now on.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn revoke_operator(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        let revoke = async { Ok(self.registry.operators.revoke(name).await?) };
        self.act(actor, "operator.revoke", name, Value::Null, revoke)
            .await
    }
}
