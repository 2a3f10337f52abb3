//! The engine: what asks the models, on threads of its own.

use crate::catalogue::KNOWN;
use crate::error::{Error, Result, caught};
use crate::folder::Folder;
use crate::loaded::{Loaded, Model};
use crate::pull::Hub;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use rayon::ThreadPool;
use sbd_inference::model::{ChatRequest, Embeddings, Kind, Piece, Purpose, Usage};
use sbd_inference::{Available, Backend, Failure, Found, Progress};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Pieces that wait for a slow reader.
const PIECES: usize = 32;

/// How much the engine may have.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes that all models and conversations may have in memory.
    pub memory: u64,
    /// Tokens of a conversation, question and answer together; less where a model was made for less.
    pub context: u32,
    /// How long a model stays in memory that nobody uses.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: 4_000_000_000,
            context: 8192,
            idle: Duration::from_secs(300),
        }
    }
}

/// Models in this process.
pub struct Engine {
    folder: Folder,
    loaded: Arc<Loaded>,
    threads: Arc<ThreadPool>,
    hub: Hub,
    context: u32,
}

impl Engine {
    /// The models of a folder. Nothing is loaded yet.
    ///
    /// # Errors
    /// If the system gives it no threads.
    pub fn new(folder: Folder, options: &Options, hub: Hub) -> Result<Self> {
        // As many as candle takes for the products that it splits itself: RAYON_NUM_THREADS says how many.
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(candle_core::utils::get_num_threads())
            .thread_name(|at| format!("models-{at}"))
            .build()
            .map_err(|error| Error::Failed(format!("there are no threads for models: {error}")))?;
        let loaded = Loaded::new(
            folder.clone(),
            options.memory,
            options.context as usize,
            options.idle,
        );
        Ok(Self {
            folder,
            loaded: Arc::new(loaded),
            threads: Arc::new(threads),
            hub,
            context: options.context,
        })
    }

    /// The folder of the models.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Does something with a model on a thread of its own; whoever does not wait for it any more sets the flag.
    async fn with_model<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(Model, &ThreadPool, &AtomicBool) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (loaded, threads, name) = (self.loaded.clone(), self.threads.clone(), name.to_owned());
        let (answer, answered) = oneshot::channel();
        let left = Left(Arc::new(AtomicBool::new(false)));
        let is_left = left.0.clone();
        spawn(move || {
            let done = caught(|| work(loaded.load(&name)?, &threads, &is_left));
            let _ = answer.send(done);
        })?;
        let done = answered
            .await
            .unwrap_or_else(|_| Err(Error::Failed("the model broke off".to_owned())));
        drop(left);
        done
    }
}

/// Tells, when it is dropped, that nobody waits any more.
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Backend for Engine {
    fn models(&self) -> BoxFuture<'_, Result<Vec<Found>, Failure>> {
        Box::pin(async {
            let (folder, now) = (self.folder.clone(), self.loaded.now());
            let models = tokio::task::spawn_blocking(move || folder.models())
                .await
                .map_err(|error| Error::Failed(error.to_string()))?;
            let found = models.into_iter().map(|(name, manifest)| Found {
                kind: manifest.kind,
                context: Some(match manifest.kind {
                    Kind::Chat => manifest.context.min(self.context),
                    Kind::Embedding => manifest.context,
                }),
                dimensions: manifest.dimensions,
                is_loaded: Some(now.contains_key(&name)),
                memory: now.get(&name).copied(),
                name,
            });
            Ok(found.collect())
        })
    }

    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: ChatRequest,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Piece>, Failure>> {
        Box::pin(async move {
            let (sender, mut pieces) = mpsc::channel(PIECES);
            let (begin, begun) = oneshot::channel();
            let (loaded, threads, name) =
                (self.loaded.clone(), self.threads.clone(), model.to_owned());
            let is_there = loaded.get(model).is_some();
            let manifest = self.folder.model(model)?;
            if manifest.kind != Kind::Chat {
                return Err(Error::request(format!(
                    "`{model}` makes vectors of texts and does not answer; name a chat model"
                ))
                .into());
            }
            spawn(move || {
                let listener = sender.clone();
                let done = caught(|| {
                    let (model, question) = begin_chat(&loaded, &name, &request, &listener)?;
                    let _reserved = loaded.reserve(model.bytes(&question))?;
                    let _ = begin.send(());
                    model.answer(question, &threads, &listener);
                    Ok(())
                });
                if let Err(error) = done {
                    let _ = sender.blocking_send(Piece::Failed(error.into()));
                }
            })?;
            // What is wrong with the question is told before there is a stream, unless the model is loaded first.
            if is_there && begun.await.is_err() {
                return match pieces.recv().await {
                    Some(Piece::Failed(error)) => Err(error.into()),
                    _ => Err(Error::Failed("the model broke off".to_owned()).into()),
                };
            }
            let pieces = stream::poll_fn(move |context| pieces.poll_recv(context));
            let loading = stream::iter((!is_there).then_some(Piece::Loading));
            Ok(loading.chain(pieces).boxed())
        })
    }

    fn embed<'a>(
        &'a self,
        model: &'a str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        Box::pin(async move {
            let name = model.to_owned();
            let embed = move |model, threads: &ThreadPool, left: &AtomicBool| match model {
                Model::Embedding(model) => {
                    model.embed(&texts, purpose == Purpose::Query, threads, left)
                }
                Model::Chat(_) => Err(Error::request(format!(
                    "`{name}` answers and makes no vectors; name an embedding model"
                ))),
            };
            let embedded = self.with_model(model, embed).await?;
            let (vectors, prompt) =
                embedded.ok_or_else(|| Error::Failed("nobody waited".to_owned()))?;
            Ok(Embeddings {
                model: model.to_owned(),
                vectors,
                usage: Usage {
                    prompt,
                    completion: 0,
                },
            })
        })
    }

    fn count_tokens<'a>(
        &'a self,
        model: &'a str,
        texts: Vec<String>,
    ) -> BoxFuture<'a, Result<Option<Vec<u32>>, Failure>> {
        Box::pin(async move {
            let count = move |model, _: &ThreadPool, left: &AtomicBool| {
                let one = |text: &String| match (&model, left.load(Ordering::Relaxed)) {
                    (_, true) => Ok(0),
                    (Model::Embedding(model), _) => model.count(text),
                    (Model::Chat(model), _) => model.count(text),
                };
                texts.iter().map(one).collect::<Result<Vec<u32>>>()
            };
            Ok(Some(self.with_model(model, count).await?))
        })
    }

    fn load<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(self.with_model(model, |_, _, _| Ok(())).await?) })
    }

    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.loaded.unload(model);
        Box::pin(async { Ok(()) })
    }

    fn available(&self) -> Vec<Available> {
        let known = KNOWN.iter().map(|known| Available {
            name: known.name.to_owned(),
            kind: known.kind,
            bytes: u64::from(known.megabytes) * 1_000_000,
            licence: known.licence.to_owned(),
            about: known.about.to_owned(),
        });
        known.collect()
    }

    fn add<'a>(
        &'a self,
        file: &'a Path,
        name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let folder = self.folder.clone();
            let (file, name) = (file.to_owned(), name.map(str::to_owned));
            let add = move || folder.add(&file, name.as_deref());
            let added = tokio::task::spawn_blocking(add).await;
            Ok(added.map_err(|error| Error::Failed(error.to_string()))??)
        })
    }

    fn pull<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<
        'a,
        Result<BoxStream<'static, Result<Progress, sbd_inference::model::Error>>, Failure>,
    > {
        Box::pin(async move { Ok(self.hub.pull(&self.folder, model)?) })
    }

    fn remove<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.loaded.unload(model);
            let (folder, model) = (self.folder.clone(), model.to_owned());
            let removed = tokio::task::spawn_blocking(move || folder.remove(&model)).await;
            Ok(removed.map_err(|error| Error::Failed(error.to_string()))??)
        })
    }
}

/// Has the model and what it is asked, or says why not.
fn begin_chat(
    loaded: &Arc<Loaded>,
    name: &str,
    request: &ChatRequest,
    listener: &mpsc::Sender<Piece>,
) -> Result<(Arc<crate::chat::ChatModel>, crate::chat::Question)> {
    if listener.is_closed() {
        return Err(Error::Failed("nobody listens".to_owned()));
    }
    match loaded.load(name)? {
        Model::Chat(model) => {
            let question = model.question(request)?;
            Ok((model, question))
        }
        Model::Embedding(_) => Err(Error::request(format!(
            "`{name}` makes vectors of texts and does not answer"
        ))),
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new()
        .name("model".to_owned())
        .spawn(work);
    thread
        .map(drop)
        .map_err(|error| Error::Failed(format!("there is no thread for the model: {error}")))
}
