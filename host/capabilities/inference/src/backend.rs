//! What whoever runs models must do.

use crate::model::{ChatRequest, Embeddings, Error, Kind, Piece, Purpose};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::path::Path;
use std::time::Duration;

/// Models, wherever they run. Callers have checked requests, name models of the backend's own, and keep to
/// how many may run at once; the suite in `tests/conformance` says what each method must do.
///
/// Whoever drops a future or a stream stops the work that it stands for.
pub trait Backend: Send + Sync + 'static {
    /// The models that there are now.
    fn models(&self) -> BoxFuture<'_, Result<Vec<Found>, Failure>>;

    /// Begins an answer. The pieces are [`Piece::Loading`] where the model must be loaded first, then those
    /// of the answer, and a last one; of [`Piece::Queued`] and [`Piece::Started`] takes care who calls. The
    /// future may end as soon as it is known that an answer comes, or only with its first piece. A call of
    /// a tool comes whole.
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: ChatRequest,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Piece>, Failure>>;

    /// Makes a vector of each text, cut at what the model has room for. Who calls makes their length 1.
    fn embed<'a>(
        &'a self,
        model: &'a str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Embeddings, Failure>>;

    /// How many tokens each text has; none where the model's tokenizer is not known.
    fn count_tokens<'a>(
        &'a self,
        model: &'a str,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Option<Vec<u32>>, Failure>>;

    /// Has a model in memory, so that the next question need not wait for it. Where that cannot be asked
    /// for, nothing happens.
    fn load<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// Takes a model out of memory. Where that cannot be asked for, nothing happens.
    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// The models that it can fetch by a short name, as far as it knows them.
    fn available(&self) -> Vec<Available> {
        Vec::new()
    }

    /// Adds a model from a file of this machine; what it is called then. Without a name, the file's.
    fn add<'a>(
        &'a self,
        file: &'a Path,
        _name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        let text = format!(
            "{} cannot be added here; add it to the server that is to have it",
            file.display()
        );
        Box::pin(async { Err(Error::Invalid(text).into()) })
    }

    /// Fetches a model that it does not have, as far as it can do that.
    fn pull<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Progress, Error>>, Failure>> {
        let text = format!(
            "models like `{model}` cannot be fetched here; add them to the server that has them"
        );
        Box::pin(async { Err(Error::Invalid(text).into()) })
    }

    /// Deletes a model from where it is kept, as far as it can do that.
    fn remove<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        let text =
            format!("`{model}` cannot be removed here; remove it from the server that has it");
        Box::pin(async { Err(Error::Invalid(text).into()) })
    }
}

/// A model of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What the backend calls it.
    pub name: String,
    /// What it can do.
    pub kind: Kind,
    /// How many tokens it has room for, if known.
    pub context: Option<u32>,
    /// How many numbers its vectors have, if known.
    pub dimensions: Option<u32>,
    /// Whether it is in memory, if known.
    pub is_loaded: Option<bool>,
    /// How many bytes it takes in memory, if it is there and that is known.
    pub memory: Option<u64>,
}

/// A model that can be fetched by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// Its name.
    pub name: String,
    /// What it can do.
    pub kind: Kind,
    /// About how many bytes are fetched.
    pub bytes: u64,
    /// Under which licence it may be used.
    pub licence: String,
    /// What it is good for.
    pub about: String,
}

/// How far a model has been fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for people.
    pub step: String,
    /// How many bytes are there.
    pub done: u64,
    /// Of how many, if known.
    pub total: Option<u64>,
}

/// Why a backend did not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// Where the backend has not begun anything: after how long the same may be asked again.
    pub again: Option<Duration>,
}

// === impl Failure ===

impl Failure {
    /// It has not begun anything, and may be asked again after this time.
    pub fn again(error: Error, after: Duration) -> Self {
        Self {
            error,
            again: Some(after),
        }
    }
}

/// It may have begun.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: None }
    }
}
