//! The inference capability, `sbd:platform/inference`: language models, wherever they run.
//!
//! A [`Backend`] has models: a server that speaks OpenAI's API ([`OpenAi`]), [`Ollama`], or an engine in this
//! process. [`Models`] has them all, for all tenants: it finds one by its name, has whoever asks wait in turn
//! with the other tenants, bounds how long an answer may take, leaves alone who fails, and writes down what
//! was used. A component asks by an [`InferenceCtx`].
//!
//! What is asked and answered is [`model`], a crate without I/O that components and their tests share.

mod backend;
mod bindings;
mod host;
mod http;
mod kept;
mod models;
mod naming;
mod ollama;
mod openai;
mod provider;
mod queue;
mod stream;

pub use backend::{Available, Backend, Failure, Found, Progress};
pub use kept::UsageQuery;
pub use models::{Configured, LOCAL, Listed, Models, Tested};
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use provider::Limits;
pub use sbd_inference_model as model;

use kept::Who;
use model::{ChatRequest, Consumption, Embeddings, Error, Model, Piece, Purpose};
use sbd_metering::Metered;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may ask. Cheap to clone.
#[derive(Clone)]
pub struct InferenceCtx {
    models: Arc<Models>,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components ask models.
pub trait InferenceView: Send {
    /// The models as this store's component sees them.
    fn inference(&mut self) -> &mut InferenceCtx;
}

struct Inference;

impl HasData for Inference {
    type Data<'a> = &'a mut InferenceCtx;
}

/// Links `sbd:platform/inference`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: InferenceView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::inference::add_to_linker::<T, Inference>(linker, T::inference)
}

// === impl InferenceCtx ===

impl InferenceCtx {
    /// What `component` of a tenant may ask.
    pub fn new(models: Arc<Models>, tenant: Arc<str>, component: Arc<str>) -> Self {
        Self {
            models,
            tenant,
            component,
        }
    }

    /// The models that there are now.
    pub async fn models(&self) -> Vec<Model> {
        let (models, tenant) = (Arc::clone(&self.models), Arc::clone(&self.tenant));
        let listed = on_its_own(async move { models.list(&tenant).await }).await;
        let listed = listed.unwrap_or_default().into_iter();
        listed.map(|listed| listed.model).collect()
    }

    /// Asks a model for a user, if it is known for whom. The last piece is [`Piece::End`] or
    /// [`Piece::Failed`]; whoever drops the pieces stops the work.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`], [`Error::Busy`], [`Error::Unavailable`].
    pub async fn chat(
        &self,
        user: Option<Arc<str>>,
        request: ChatRequest,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        let (models, who) = (Arc::clone(&self.models), self.who(user));
        on_its_own(async move { models.chat(who, request).await }).await?
    }

    /// Makes vectors of texts, each of length 1.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`], [`Error::Busy`], [`Error::Unavailable`].
    pub async fn embed(
        &self,
        user: Option<Arc<str>>,
        model: Option<&str>,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Error> {
        let (models, who) = (Arc::clone(&self.models), self.who(user));
        let model = model.map(str::to_owned);
        on_its_own(async move { models.embed(who, model.as_deref(), purpose, texts).await }).await?
    }

    /// How many tokens texts have.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`].
    pub async fn count_tokens(
        &self,
        model: Option<&str>,
        texts: Vec<String>,
    ) -> Result<Vec<u32>, Error> {
        let (models, who) = (Arc::clone(&self.models), self.who(None));
        let model = model.map(str::to_owned);
        on_its_own(async move { models.count_tokens(&who, model.as_deref(), texts).await }).await?
    }

    /// What was used in the tenant, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn used(&self, query: UsageQuery) -> Result<Vec<Consumption>, Error> {
        self.models.used(&self.tenant, query).await
    }

    fn who(&self, user: Option<Arc<str>>) -> Who {
        Who {
            tenant: Arc::clone(&self.tenant),
            component: Arc::clone(&self.component),
            user,
        }
    }
}

/// Does it in a task of its own, which is polled whether or not the guest is: a turn in a queue, or what is being
/// looked up for all, would else wait with a guest that computes. Whoever leaves stops it.
async fn on_its_own<R: Send + 'static>(
    work: impl Future<Output = R> + Send + 'static,
) -> Result<R, Error> {
    let done = AbortOnDropHandle::new(tokio::spawn(work)).await;
    done.map_err(|_| Error::Unavailable("the server is about to stop; ask again".to_owned()))
}
