//! Language models: which there are, which one is taken without a name, and whether one answers.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_inference::model::{Error as ModelError, Model};
use sbd_inference::{Listed, Tested};
use sbd_registry::Actor;
use serde_json::json;
use std::sync::Arc;

impl Admin {
    /// The models that there are, as a tenant sees them; and the backends that do not say which they have,
    /// with the reasons.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub async fn models(
        &self,
        tenant: &str,
    ) -> Result<(Vec<Listed>, Vec<(Arc<str>, String)>), Error> {
        let tenant = self.registry.tenants.find(tenant)?;
        let models = self.runtime.models();
        let listed = models.list(&tenant.name).await;
        let failing = models.failing().await.into_iter();
        let failing = failing.map(|(backend, error)| (backend, error.to_string()));
        Ok((listed, failing.collect()))
    }

    /// Has a model be what calls without a name take, in a tenant or wherever a tenant has no default of its
    /// own, from the next call on.
    ///
    /// # Errors
    /// When there is no such tenant or model.
    pub async fn set_default_model(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        model: &str,
    ) -> Result<Model, Error> {
        let set = async {
            let tenant = tenant.map(|tenant| self.registry.tenants.changeable(tenant));
            let tenant = tenant.transpose()?;
            let tenant = tenant.as_ref().map(|tenant| &**tenant.name.shared());
            let models = self.runtime.models();
            Ok(models.set_default(tenant, model).await?)
        };
        let details = json!({"model": model});
        let target = tenant.unwrap_or("host");
        self.act(actor, "model.default", target, details, set).await
    }

    /// Asks a model something short.
    ///
    /// # Errors
    /// When there is no such model, or it does not answer.
    pub async fn test_model(&self, model: &str) -> Result<Tested, Error> {
        Ok(self.runtime.models().test(model).await?)
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        let message = error.to_string();
        match error {
            ModelError::Invalid(_) => Self::invalid(message),
            ModelError::NoModel(_) => Self::new(StatusCode::NOT_FOUND, "UNKNOWN_MODEL", message),
            _ => Self::unavailable(message),
        }
    }
}
