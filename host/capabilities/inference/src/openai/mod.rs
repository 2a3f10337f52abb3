//! Any server that speaks OpenAI's API: llama.cpp, vLLM, Ollama, OpenAI itself.

mod answer;
mod events;
mod question;

use crate::http::Server;
use crate::model::{ChatRequest, Embeddings, Error, Kind, Piece, Purpose, Usage, estimate};
use crate::naming;
use crate::{Backend, Failure, Found};
use answer::Reading;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use futures::{FutureExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use url::Url;

/// Questions about the lengths of texts that are under way at once.
const COUNTING: usize = 8;

/// A server that speaks OpenAI's API.
pub struct OpenAi {
    server: Server,
    /// The server itself, whose own functions are not below `/v1`.
    root: Server,
    /// Models of which the operator says what they can do.
    declared: BTreeMap<String, Kind>,
    /// It does not count tokens.
    counts_nothing: AtomicBool,
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<Listing>,
}

/// A model, as several servers describe it.
#[derive(Deserialize)]
struct Listing {
    id: String,
    max_model_len: Option<u32>,
    meta: Option<Meta>,
}

/// What llama.cpp says of a model.
#[derive(Deserialize)]
struct Meta {
    n_ctx: Option<u32>,
    n_ctx_train: Option<u32>,
    n_embd: Option<u32>,
}

#[derive(Deserialize)]
struct Embedded {
    data: Vec<Vector>,
    usage: Option<answer::Counted>,
}

#[derive(Deserialize)]
struct Vector {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// What servers answer that count tokens: a number, or the tokens.
#[derive(Deserialize)]
struct Tokens {
    count: Option<u32>,
    tokens: Option<Vec<Value>>,
}

// === impl OpenAi ===

impl OpenAi {
    /// The server whose API begins at this address, which mostly ends with `/v1`.
    ///
    /// # Errors
    /// When the key cannot be sent.
    pub fn new(address: &Url, key: Option<&str>) -> Result<Self, Error> {
        let mut root = address.clone();
        let path = root.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        root.set_path(&path);
        Ok(Self {
            server: Server::new(address, key)?,
            root: Server::new(&root, key)?,
            declared: BTreeMap::new(),
            counts_nothing: AtomicBool::new(false),
        })
    }

    /// With models that it does not list, or of which it does not say what they can do.
    #[must_use]
    pub fn declaring(mut self, chat: &BTreeSet<String>, embedding: &BTreeSet<String>) -> Self {
        let of = |names: &BTreeSet<String>, kind| {
            let names = names.iter().cloned();
            names.map(move |name| (name, kind)).collect::<Vec<_>>()
        };
        self.declared.extend(of(chat, Kind::Chat));
        self.declared.extend(of(embedding, Kind::Embedding));
        self
    }

    async fn list(&self) -> Result<Vec<Found>, Failure> {
        let listed = match self.server.get::<Listed>("/models").await {
            Ok(listed) => listed.data,
            // Some have no list.
            Err(failure)
                if matches!(failure.error, Error::NoModel(_)) && !self.declared.is_empty() =>
            {
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let known: BTreeSet<String> = listed.iter().map(|model| model.id.clone()).collect();
        let others = self
            .declared
            .iter()
            .filter(|(name, _)| !known.contains(*name));
        let others = others.map(|(name, kind)| Found {
            name: name.clone(),
            kind: *kind,
            context: None,
            dimensions: None,
            is_loaded: None,
            memory: None,
        });
        let found = listed.into_iter().map(|model| {
            let declared = self.declared.get(&model.id).copied();
            let kind = declared.unwrap_or_else(|| naming::kind_of(&model.id));
            let meta = model.meta.as_ref();
            let context = meta.and_then(|meta| meta.n_ctx.or(meta.n_ctx_train));
            let dimensions = meta.and_then(|meta| meta.n_embd);
            Found {
                kind,
                context: model.max_model_len.or(context),
                dimensions: dimensions.filter(|_| kind == Kind::Embedding),
                is_loaded: None,
                memory: None,
                name: model.id,
            }
        });
        Ok(found.chain(others).collect())
    }

    async fn begin(
        &self,
        model: &str,
        request: ChatRequest,
    ) -> Result<BoxStream<'static, Piece>, Failure> {
        let question = question::of(model, &request)?;
        let response = self.server.post("/chat/completions", &question).await?;
        if !events::is_stream(&response) {
            // Some answer at once, whatever they were asked for.
            let whole: answer::Chunk = self.server.whole(response).await?;
            let mut reading = Reading::default();
            let mut pieces = reading.take(whole)?;
            if !reading.has_finished() {
                let address = self.server.address();
                return Err(Error::Other(format!("{address} answered no answer")).into());
            }
            pieces.extend(reading.finish());
            return Ok(stream::iter(pieces).boxed());
        }
        Ok(answer::pieces(self.server.clone(), response))
    }

    async fn vectors(
        &self,
        model: &str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Failure> {
        let texts: Vec<String> = naming::prefixed(model, purpose, texts);
        let estimated = texts.iter().map(|text| u64::from(estimate(text))).sum();
        let count = texts.len();
        let question = json!({"model": model, "input": texts, "encoding_format": "float"});
        let answer: Embedded = self.server.ask("/embeddings", &question).await?;
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; count];
        for (place, vector) in answer.data.into_iter().enumerate() {
            if let Some(slot) = vectors.get_mut(vector.index.unwrap_or(place)) {
                *slot = Some(vector.embedding);
            }
        }
        let vectors: Option<Vec<_>> = vectors.into_iter().collect();
        let vectors = vectors.ok_or_else(|| {
            let address = self.server.address();
            Error::Other(format!(
                "{address} answered fewer vectors than there were texts"
            ))
        })?;
        let counted = answer.usage.map(Usage::from);
        Ok(Embeddings {
            model: model.to_owned(),
            vectors,
            usage: counted.unwrap_or(Usage {
                prompt: estimated,
                completion: 0,
            }),
        })
    }

    /// Servers differ in how they count, and most do not.
    async fn count(&self, model: &str, texts: Vec<String>) -> Option<Vec<u32>> {
        if self.counts_nothing.load(Ordering::Relaxed) {
            return None;
        }
        let counts = stream::iter(texts).map(|text| async move {
            // llama.cpp reads `content`, vLLM `prompt`.
            let question = json!({"model": model, "content": text, "prompt": text});
            let tokens: Tokens = self.root.ask("/tokenize", &question).await?;
            let listed = tokens.tokens.and_then(|all| u32::try_from(all.len()).ok());
            let count = tokens.count.or(listed);
            count.ok_or_else(|| Failure::from(Error::Other("not counted".to_owned())))
        });
        let counts: Result<_, Failure> = counts.buffered(COUNTING).try_collect().await;
        counts
            .inspect_err(|failure| {
                // One that is away may come back.
                let is_away = matches!(failure.error, Error::Unavailable(_) | Error::Busy(_));
                self.counts_nothing.store(!is_away, Ordering::Relaxed);
            })
            .ok()
    }
}

impl Backend for OpenAi {
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
        model: &'a str,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Option<Vec<u32>>, Failure>> {
        self.count(model, texts).map(Ok).boxed()
    }

    fn load<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        std::future::ready(Ok(())).boxed()
    }

    fn unload<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        std::future::ready(Ok(())).boxed()
    }
}
