//! Language models: which there are, which one is taken without a name, and whether one answers.

use crate::{Admin, Error};
use futures::stream::{BoxStream, StreamExt as _};
use http::StatusCode;
use sbd_inference::model::{Error as ModelError, Model};
use sbd_inference::{Available, Failure, Listed, Progress, Tested};
use sbd_registry::Actor;
use serde_json::json;
use std::path::Path;
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

    /// The models that can be fetched by a short name.
    pub fn available_models(&self) -> Vec<Available> {
        self.runtime.models().available()
    }

    /// Fetches a model. Whoever drops the stream breaks it off.
    ///
    /// # Errors
    /// When none is known by the name, or it is there already.
    pub async fn pull_model(
        &self,
        actor: &Actor,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Progress, ModelError>>, Error> {
        let models = self.runtime.models();
        let pull = async {
            let (backend, name) = models.place(name)?;
            Ok(backend.pull(name).await?)
        };
        let begun = self.act(actor, "model.pull", name, json!({}), pull).await?;
        let models = Arc::clone(models);
        // The last one that is told has changed which models there are.
        let looked = begun.then(move |step| {
            let models = Arc::clone(&models);
            async move {
                if step
                    .as_ref()
                    .is_ok_and(|step| step.total == Some(step.done))
                {
                    models.look_again().await;
                }
                step
            }
        });
        Ok(looked.boxed())
    }

    /// Adds a model from a file of the server's machine; what it is called then.
    ///
    /// # Errors
    /// When it is no model that can be read, or the name is taken.
    pub async fn add_model(
        &self,
        actor: &Actor,
        file: &Path,
        name: Option<&str>,
    ) -> Result<String, Error> {
        let models = self.runtime.models();
        let add = async {
            let backend = models.backend(sbd_inference::LOCAL)?;
            let name = backend.add(file, name).await?;
            models.look_again().await;
            Ok(name)
        };
        let target = name.unwrap_or("-");
        let details = json!({"file": file});
        self.act(actor, "model.add", target, details, add).await
    }

    /// Removes a model and its files.
    ///
    /// # Errors
    /// When there is no such model, or it is not this server's to remove.
    pub async fn remove_model(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        let models = self.runtime.models();
        let remove = async {
            let (backend, name) = models.place(name)?;
            backend.remove(name).await?;
            models.look_again().await;
            Ok(())
        };
        let details = json!({});
        self.act(actor, "model.remove", name, details, remove).await
    }

    /// Asks a model something short.
    ///
    /// # Errors
    /// When there is no such model, or it does not answer.
    pub async fn test_model(&self, model: &str) -> Result<Tested, Error> {
        Ok(self.runtime.models().test(model).await?)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error.into()
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
