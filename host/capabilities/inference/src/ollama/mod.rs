//! Ollama, by its own API: it also says which models are in memory, and fetches and removes them.

mod answer;
mod question;

use crate::http::Server;
use crate::model::{ChatRequest, Embeddings, Error, Kind, Piece, Purpose, Usage, estimate};
use crate::naming;
use crate::{Backend, Failure, Found, Progress};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Models about which is asked at once.
const ASKING: usize = 8;

/// An Ollama.
pub struct Ollama {
    server: Server,
    /// How long it keeps a model in memory after its last use, in seconds.
    keep_alive: u64,
    /// What it has told of models, by name and digest.
    described: Mutex<HashMap<(String, String), About>>,
}

/// What there is to know of a model as long as it does not change.
#[derive(Clone, Copy)]
struct About {
    kind: Kind,
    context: Option<u32>,
    dimensions: Option<u32>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    models: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    name: String,
    #[serde(default)]
    digest: String,
    size: Option<u64>,
}

/// What it tells of one model.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Shown {
    capabilities: Vec<String>,
    model_info: Map<String, Value>,
}

#[derive(Deserialize)]
struct Embedded {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

/// What it says while it fetches a model.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Pulling {
    status: String,
    total: Option<u64>,
    completed: Option<u64>,
    error: Option<String>,
}

// === impl Ollama ===

impl Ollama {
    /// The one at this address, which is asked with a key if it stands behind a proxy that wants one. It
    /// keeps models in memory for so long after their last use.
    ///
    /// # Errors
    /// When the key cannot be sent.
    pub fn new(address: &Url, key: Option<&str>, keep_alive: Duration) -> Result<Self, Error> {
        Ok(Self {
            server: Server::new(address, key)?,
            keep_alive: keep_alive.as_secs(),
            described: Mutex::default(),
        })
    }

    async fn list(&self) -> Result<Vec<Found>, Failure> {
        let listed: Listed = self.server.get("/api/tags").await?;
        // Older ones do not know which are in memory.
        let running = self.server.get::<Listed>("/api/ps").await.ok();
        let asked = listed.models.into_iter().map(|model| async {
            let about = self.about(&model).await;
            (model, about)
        });
        let asked = futures::stream::iter(asked).buffered(ASKING);
        let all: Vec<_> = asked.collect().await;
        let found = all.into_iter().map(|(model, about)| {
            let loaded = running
                .as_ref()
                .map(|running| running.models.iter().find(|other| other.name == model.name));
            Found {
                kind: about.kind,
                context: about.context,
                dimensions: about.dimensions,
                is_loaded: loaded.map(|loaded| loaded.is_some()),
                memory: loaded.flatten().and_then(|loaded| loaded.size),
                name: model.name,
            }
        });
        Ok(found.collect())
    }

    async fn about(&self, model: &Listing) -> About {
        let key = (model.name.clone(), model.digest.clone());
        let described = || {
            self.described
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(about) = described().get(&key) {
            return *about;
        }
        let shown = self
            .server
            .ask("/api/show", &json!({"model": model.name}))
            .await;
        let Ok(shown) = shown else {
            return About {
                kind: naming::kind_of(&model.name),
                context: None,
                dimensions: None,
            };
        };
        let about = about(&model.name, &shown);
        described().insert(key, about);
        about
    }

    async fn begin(
        &self,
        model: &str,
        request: ChatRequest,
    ) -> Result<BoxStream<'static, Piece>, Failure> {
        let question = question::of(model, &request, self.keep_alive)?;
        let response = self.server.post("/api/chat", &question).await?;
        Ok(answer::pieces(self.server.clone(), response))
    }

    async fn vectors(
        &self,
        model: &str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Failure> {
        let texts = naming::prefixed(model, purpose, texts);
        let estimated = texts.iter().map(|text| u64::from(estimate(text))).sum();
        let question = json!({
            "model": model, "input": texts, "truncate": true, "keep_alive": self.keep_alive,
        });
        let made: Embedded = self.server.ask("/api/embed", &question).await?;
        Ok(Embeddings {
            model: model.to_owned(),
            vectors: made.embeddings,
            usage: Usage {
                prompt: made.prompt_eval_count.unwrap_or(estimated),
                completion: 0,
            },
        })
    }

    /// Without a question it only loads the model, or with no time to keep it, unloads it.
    async fn keep(&self, model: &str, keep_alive: u64) -> Result<(), Failure> {
        let question = json!({"model": model, "keep_alive": keep_alive, "stream": false});
        self.server
            .ask::<Value>("/api/generate", &question)
            .await
            .map(drop)
    }

    async fn fetch(
        &self,
        model: &str,
    ) -> Result<BoxStream<'static, Result<Progress, Error>>, Failure> {
        let question = json!({"model": model, "stream": true});
        let response = self.server.post("/api/pull", &question).await?;
        let server = self.server.clone();
        let lines = server.lines(response);
        let told = lines.map(move |line| {
            let said: Pulling = server.read(&line?)?;
            match said.error {
                Some(error) => Err(Error::Other(error)),
                None => Ok(Progress {
                    step: said.status,
                    done: said.completed.unwrap_or_default(),
                    total: said.total,
                }),
            }
        });
        Ok(told.boxed())
    }

    async fn delete(&self, model: &str) -> Result<(), Failure> {
        let question = json!({"model": model});
        let sent = self
            .server
            .send_json(Method::DELETE, "/api/delete", &question);
        sent.await.map(drop)
    }
}

impl Backend for Ollama {
    fn models(&self) -> BoxFuture<'_, Result<Vec<Found>, Failure>> {
        self.list().boxed()
    }

    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: ChatRequest,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Piece>, Failure>> {
        self.begin(model, request).boxed()
    }

    fn embed<'a>(
        &'a self,
        model: &'a str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        self.vectors(model, purpose, texts).boxed()
    }

    fn count_tokens<'a>(
        &'a self,
        _: &'a str,
        _: Vec<String>,
    ) -> BoxFuture<'a, Result<Option<Vec<u32>>, Failure>> {
        std::future::ready(Ok(None)).boxed()
    }

    fn load<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.keep(model, self.keep_alive).boxed()
    }

    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.keep(model, 0).boxed()
    }

    fn pull<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Progress, Error>>, Failure>> {
        self.fetch(model).boxed()
    }

    fn remove<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.delete(model).boxed()
    }
}

/// What a description says of a model. Its figures are named after the family: `llama.context_length`.
fn about(name: &str, shown: &Shown) -> About {
    let figure = |ending: &str| {
        let found = shown
            .model_info
            .iter()
            .find(|(name, _)| name.ends_with(ending));
        found.and_then(|(_, value)| u32::try_from(value.as_u64()?).ok())
    };
    let can = |what: &str| shown.capabilities.iter().any(|can| can == what);
    let kind = match (can("completion"), can("embedding")) {
        (true, _) => Kind::Chat,
        (false, true) => Kind::Embedding,
        (false, false) => naming::kind_of(name),
    };
    About {
        kind,
        context: figure(".context_length"),
        dimensions: figure(".embedding_length").filter(|_| kind == Kind::Embedding),
    }
}
