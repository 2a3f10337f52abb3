//! A backend, and what stands before it: its queue, its circuit breaker, what it was last known to have.

use crate::kept::{Kept, Who};
use crate::model::{BYTES, ChatRequest, Embeddings, Ending, Error, Piece, Purpose, Usage};
use crate::queue::{Place, Queue, Running};
use crate::{Backend, Failure, Found};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use sbd_pace::{Backoff, Breaks as _, CircuitBreaker, State};
use sbd_telemetry::metrics::{
    INFERENCE_FIRST_TOKEN, INFERENCE_REQUESTS, INFERENCE_RUNNING, INFERENCE_TOKENS,
    INFERENCE_WAITING, tenant_label,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{timeout, timeout_at};

/// Failures in a row after which a backend is left alone for a while.
const THRESHOLD: u32 = 5;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};
/// How often a question is asked that nobody has begun to answer.
const ATTEMPTS: u32 = 3;
const RETRY: Backoff = Backoff {
    first: Duration::from_millis(500),
    most: Duration::from_secs(4),
};
/// Whoever is to be asked again later than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// For so long the models of a backend are taken to be what they were.
const FRESH: Duration = Duration::from_secs(5);
/// How long a backend may take to say which models it has.
const LISTING: Duration = Duration::from_secs(5);
/// How long one answer may take altogether.
const WHOLE: Duration = Duration::from_secs(3600);
/// Pieces of an answer that nobody has taken yet.
const AHEAD: usize = 64;

/// How much a backend is asked, and how long it is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions that run at once.
    pub parallel: usize,
    /// Questions that wait.
    pub waiting: usize,
    /// How long an answer may take to begin.
    pub first_token: Duration,
    /// How long it may stand still.
    pub between_tokens: Duration,
}

/// A backend at work.
pub(crate) struct Provider {
    pub(crate) name: Arc<str>,
    pub(crate) backend: Arc<dyn Backend>,
    limits: Limits,
    queue: Queue,
    pub(crate) breaker: Arc<CircuitBreaker>,
    known: Mutex<Known>,
}

/// A model by its names.
pub(crate) struct Named {
    /// What the backend calls it.
    pub(crate) name: String,
    /// What it is called here.
    pub(crate) public: String,
}

/// What a backend was last known to have.
#[derive(Default)]
struct Known {
    asked: Option<Instant>,
    found: Arc<[Found]>,
    failure: Option<Error>,
}

/// Where the pieces of an answer go.
struct Out {
    pieces: mpsc::Sender<Piece>,
    patience: Duration,
}

/// Why an answer ended before its end.
enum Stopped {
    /// Nobody listens any more.
    Left,
    Failed(Error),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 4,
            waiting: 64,
            first_token: Duration::from_secs(180),
            between_tokens: Duration::from_secs(60),
        }
    }
}

// === impl Provider ===

impl Provider {
    pub(crate) fn new(name: Arc<str>, backend: Arc<dyn Backend>, limits: Limits) -> Self {
        Self {
            queue: Queue::new(limits.parallel, limits.waiting),
            breaker: Arc::new(CircuitBreaker::new(THRESHOLD, BACKOFF)),
            known: Mutex::default(),
            name,
            backend,
            limits,
        }
    }

    /// The models it has, or had when it last said so; and why it does not say so now.
    pub(crate) async fn found(&self) -> (Arc<[Found]>, Option<Error>) {
        let mut known = self.known.lock().await;
        if known.asked.is_none_or(|asked| asked.elapsed() > FRESH) {
            let listed = timeout(LISTING, self.backend.models()).await;
            let listed = listed.unwrap_or_else(|_| {
                let text = format!("`{}` does not say which models it has", self.name);
                Err(Error::Unavailable(text).into())
            });
            match listed {
                Ok(found) => {
                    known.found = found.into();
                    known.failure = None;
                }
                Err(failure) => known.failure = Some(failure.error),
            }
            known.asked = Some(Instant::now());
        }
        (Arc::clone(&known.found), known.failure.clone())
    }

    /// Forgets what it was known to have: that has just changed.
    pub(crate) async fn look_again(&self) {
        self.known.lock().await.asked = None;
    }

    /// Asks a model. The pieces come as they are there; whoever drops them stops the work.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many wait.
    pub(crate) fn chat(
        self: &Arc<Self>,
        kept: &Kept,
        who: Who,
        model: Named,
        request: ChatRequest,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        self.check_breaker()?;
        let place = self.queue.enter(&who.tenant)?;
        self.show();
        let (pieces, taken) = mpsc::channel(AHEAD);
        let (provider, kept) = (Arc::clone(self), kept.clone());
        let out = Out {
            pieces,
            patience: self.limits.between_tokens,
        };
        tokio::spawn(async move {
            let work = provider.answer(place, &model, request, &out);
            let stopped = tokio::select! {
                biased;
                () = out.pieces.closed() => Err(Stopped::Left),
                done = timeout(WHOLE, work) => done.unwrap_or_else(|_| {
                    Err(Stopped::failed(Error::Limit("an answer takes an hour at most".to_owned())))
                }),
            };
            provider.show();
            let (outcome, last) = match stopped {
                Ok(ending) => ("answered", Some(Piece::End(ending))),
                Err(Stopped::Failed(error)) => ("failed", Some(Piece::Failed(error))),
                Err(Stopped::Left) => ("left", None),
            };
            provider.count(outcome);
            if let Some(Piece::End(ending)) = &last {
                let usage = ending.usage.unwrap_or_default();
                provider.used(&kept, &who, &model.public, usage).await;
            }
            if let Some(last) = last {
                // Whoever has left needs no end.
                let _ = out.tell(last).await;
            }
        });
        Ok(taken)
    }

    /// Makes vectors of texts, each of length 1.
    pub(crate) async fn embed(
        &self,
        kept: &Kept,
        who: &Who,
        model: &Named,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Error> {
        self.check_breaker()?;
        let place = self.queue.enter(&who.tenant)?;
        self.show();
        let done = self.vectors(place, &model.name, purpose, texts).await;
        self.show();
        match done {
            Ok(embeddings) => {
                self.count("answered");
                self.used(kept, who, &model.public, embeddings.usage).await;
                Ok(embeddings)
            }
            Err(error) => {
                self.count("failed");
                Err(error)
            }
        }
    }

    async fn vectors(
        &self,
        place: Place,
        model: &str,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Error> {
        let _running = place.turn(|_| {}).await?;
        let count = texts.len();
        let deadline = tokio::time::Instant::now() + self.limits.first_token;
        let ask = || self.backend.embed(model, purpose, texts.clone());
        let mut embeddings = self.try_again(deadline, ask).await?;
        self.breaker.succeeded();
        let whole = embeddings.vectors.len() == count
            && embeddings
                .vectors
                .iter_mut()
                .all(|vector| normalise(vector));
        match whole {
            true => Ok(embeddings),
            false => Err(Error::Other(format!(
                "`{model}` made vectors that are none; it may be no embedding model"
            ))),
        }
    }

    /// Waits, asks, and tells the answer but for its end.
    async fn answer(
        &self,
        place: Place,
        model: &Named,
        request: ChatRequest,
        out: &Out,
    ) -> Result<Ending, Stopped> {
        let _running: Running = place
            .turn(|before| {
                // Whoever has left is noticed by whoever runs this, and whoever does not listen now may
                // miss one.
                let _ = out.pieces.try_send(Piece::Queued(before));
            })
            .await
            .map_err(Stopped::failed)?;
        self.show();
        let asked = Instant::now();
        let deadline = tokio::time::Instant::now() + self.limits.first_token;
        let begin = || self.backend.chat(&model.name, request.clone());
        let pieces = self
            .try_again(deadline, begin)
            .await
            .map_err(Stopped::failed)?;
        let told = self.tell(pieces, &model.public, deadline, asked, out).await;
        match &told {
            Err(Stopped::Failed(Error::Unavailable(_))) => self.breaker.failed(Instant::now()),
            Err(Stopped::Left) => {}
            Ok(_) | Err(Stopped::Failed(_)) => self.breaker.succeeded(),
        }
        told
    }

    async fn tell(
        &self,
        mut pieces: BoxStream<'static, Piece>,
        model: &str,
        mut deadline: tokio::time::Instant,
        asked: Instant,
        out: &Out,
    ) -> Result<Ending, Stopped> {
        let mut has_started = false;
        let mut bytes = 0usize;
        loop {
            let waited = match has_started {
                true => self.limits.between_tokens,
                false => self.limits.first_token,
            };
            let piece = timeout_at(deadline, pieces.next()).await;
            let piece = piece.map_err(|_| Stopped::failed(self.too_slow(waited)))?;
            let piece = piece.ok_or_else(|| {
                let text = format!("`{}` broke off its answer", self.name);
                Stopped::failed(Error::Unavailable(text))
            })?;
            match &piece {
                Piece::Loading => {
                    out.tell(piece).await?;
                    continue;
                }
                Piece::Failed(error) => return Err(Stopped::failed(error.clone())),
                Piece::Queued(_) | Piece::Started(_) => continue,
                Piece::Text(text) | Piece::Thought(text) => bytes += text.len(),
                Piece::Call(call) => {
                    let arguments: Result<serde_json::Value, _> =
                        serde_json::from_str(&call.arguments);
                    if arguments.is_err() {
                        let name = call.name.escape_debug();
                        return Err(Stopped::failed(Error::Other(format!(
                            "the model called `{name}` with what is no JSON; ask it again"
                        ))));
                    }
                    bytes += call.arguments.len() + call.name.len() + call.id.len();
                }
                Piece::End(_) => {}
            }
            if !has_started {
                has_started = true;
                let name = self.name.to_string();
                metrics::histogram!(INFERENCE_FIRST_TOKEN, "backend" => name)
                    .record(asked.elapsed());
                out.tell(Piece::Started(model.to_owned())).await?;
            }
            if bytes > BYTES {
                let text = format!("an answer has at most {BYTES} bytes");
                return Err(Stopped::failed(Error::Limit(text)));
            }
            if let Piece::End(ending) = piece {
                return Ok(ending);
            }
            out.tell(piece).await?;
            deadline = tokio::time::Instant::now() + self.limits.between_tokens;
        }
    }

    /// Asks again where nothing was begun, a few times and not for long.
    async fn try_again<'a, T>(
        &self,
        deadline: tokio::time::Instant,
        ask: impl Fn() -> BoxFuture<'a, Result<T, Failure>>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            let failure = match timeout_at(deadline, ask()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(failure)) => failure,
                Err(_) => self.too_slow(self.limits.first_token).into(),
            };
            if matches!(failure.error, Error::Unavailable(_)) {
                self.breaker.failed(Instant::now());
            }
            match failure.again {
                Some(after) if attempt < ATTEMPTS && after <= PATIENCE => {
                    tokio::time::sleep(after.max(RETRY.after(attempt))).await;
                    attempt += 1;
                }
                _ => return Err(failure.error),
            }
        }
    }

    fn check_breaker(&self) -> Result<(), Error> {
        match self.breaker.state(Instant::now()) {
            State::Open { until, .. } => {
                let seconds = until.saturating_duration_since(Instant::now()).as_secs() + 1;
                Err(Error::Unavailable(format!(
                    "`{}` has failed several times and is left alone; ask again in {seconds} s",
                    self.name
                )))
            }
            // One at a time, to see.
            State::HalfOpen { .. } if self.queue.counts() != (0, 0) => {
                Err(Error::Unavailable(format!(
                    "`{}` has failed and is being tried; ask again in a moment",
                    self.name
                )))
            }
            State::Closed | State::HalfOpen { .. } => Ok(()),
        }
    }

    fn too_slow(&self, waited: Duration) -> Error {
        Error::Unavailable(format!(
            "`{}` did not answer for {} s",
            self.name,
            waited.as_secs_f32()
        ))
    }

    /// How many run and wait, for the metrics.
    fn show(&self) {
        let (running, waiting) = self.queue.counts();
        let name = || self.name.to_string();
        metrics::gauge!(INFERENCE_RUNNING, "backend" => name()).set(running as f64);
        metrics::gauge!(INFERENCE_WAITING, "backend" => name()).set(waiting as f64);
    }

    fn count(&self, outcome: &'static str) {
        let name = self.name.to_string();
        metrics::counter!(INFERENCE_REQUESTS, "backend" => name, "outcome" => outcome).increment(1);
    }

    async fn used(&self, kept: &Kept, who: &Who, model: &str, usage: Usage) {
        let tenant = tenant_label(&who.tenant).to_string();
        for (kind, tokens) in [("prompt", usage.prompt), ("completion", usage.completion)] {
            metrics::counter!(
                INFERENCE_TOKENS,
                "tenant" => tenant.clone(),
                "component" => who.component.to_string(),
                "model" => model.to_owned(),
                "kind" => kind
            )
            .increment(tokens);
        }
        if let Err(error) = kept.add(who, model, usage).await {
            tracing::error!(tenant = &*who.tenant, %error, "what was used of a model is not written down");
        }
    }
}

/// Makes a vector's length 1, unless it is none.
fn normalise(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return false;
    }
    vector.iter_mut().for_each(|it| *it /= length);
    true
}

// === impl Out ===

impl Out {
    /// Tells a piece to whoever listens, who has left when they take none for long.
    async fn tell(&self, piece: Piece) -> Result<(), Stopped> {
        match timeout(self.patience, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Stopped::Left),
        }
    }
}

// === impl Stopped ===

impl Stopped {
    fn failed(error: Error) -> Self {
        Self::Failed(error)
    }
}
