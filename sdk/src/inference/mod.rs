//! Language models: answers as they come, vectors of texts, how long texts are.
//!
//! ```
//! # use sbd_sdk::{Component, Json, Result, operation};
//! use sbd_sdk::inference::{self, ChatRequest, Message, Piece};
//! # #[operation(post "/api/v1/greetings")]
//! # async fn greet() -> Result<Json<String>> {
//! let mut chat = inference::chat(ChatRequest {
//!     messages: vec![Message::user("Say hello.")],
//!     ..ChatRequest::default()
//! })
//! .await?;
//! let mut text = String::new();
//! while let Some(piece) = chat.next().await {
//!     match piece {
//!         Piece::Text(piece) => text.push_str(&piece),
//!         Piece::Failed(error) => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//! # Ok(Json(text)) }
//! # let app = sbd_sdk::testing::App::new(Component::new().operations("greetings", [greet()]));
//! # app.anonymous().post("/api/v1/greetings", serde_json::json!({})).assert_refused(409, "NO_MODEL");
//! // In a test, what the model says:
//! app.on_chat(|asked| vec![Piece::Text(format!("Asked to: {}", asked.messages[0].content))]);
//! # let said = app.anonymous().post("/api/v1/greetings", serde_json::json!({})).assert_status(200);
//! # assert_eq!(said.body(), "Asked to: Say hello.");
//! ```
//!
//! Which models there are is the operator's to say; a component needs the grant `inference`. An [`Error`]
//! becomes what a handler answers, 409 `NO_MODEL` where there is no model, unless it says something
//! better itself.

#[cfg(target_family = "wasm")]
mod wire;

#[cfg(not(target_family = "wasm"))]
use crate::testing::inference as host;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
#[cfg(target_family = "wasm")]
use wire as host;

pub use sbd_inference_model::{
    ChatRequest, Consumption, Embeddings, Ending, Error, Finish, Format, Kind, Message, Model,
    Piece, Purpose, Role, Tool, ToolCall, ToolChoice, Usage, estimate,
};

/// Nothing was said for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet;

type Result<T> = std::result::Result<T, Error>;

/// An answer as it comes, a [`Stream`] of its pieces. The last one is [`Piece::End`] or [`Piece::Failed`],
/// and there is always one. Whoever drops it stops the work.
pub struct Chat {
    pieces: BoxStream<'static, Piece>,
    has_ended: bool,
}

/// The models that there are now.
///
/// # Errors
/// When the host cannot answer.
pub async fn models() -> Result<Vec<Model>> {
    host::models().await
}

/// Asks a model.
///
/// # Errors
/// When the request is out of bounds, there is no such model, or no more may wait.
pub async fn chat(request: ChatRequest) -> Result<Chat> {
    Ok(Chat {
        pieces: host::chat(request).await?.boxed(),
        has_ended: false,
    })
}

/// Makes vectors of 1 to 256 texts by a model, or the default one, each text cut at what the model has room
/// for.
///
/// # Errors
/// When the texts are out of bounds, there is no such model, or it does not answer.
pub async fn embed(
    model: Option<&str>,
    purpose: Purpose,
    texts: Vec<String>,
) -> Result<Embeddings> {
    host::embed(model.map(str::to_owned), purpose, texts).await
}

/// How many tokens each of 1 to 1000 texts has for a model, or the default embedding model; estimated where
/// its tokenizer is not known.
///
/// # Errors
/// When the texts are out of bounds, or there is no such model.
pub async fn count_tokens(model: Option<&str>, texts: Vec<String>) -> Result<Vec<u32>> {
    host::count_tokens(model.map(str::to_owned), texts).await
}

/// What was used in the tenant, by this user or by everybody, newest first: from one day up to another
/// (`2026-11-30`), else the last 30 days.
///
/// # Errors
/// When a day is none, or the host cannot answer.
pub async fn used(
    user: Option<&str>,
    since: Option<&str>,
    until: Option<&str>,
) -> Result<Vec<Consumption>> {
    let [user, since, until] = [user, since, until].map(|it| it.map(str::to_owned));
    host::used(user, since, until).await
}

// === impl Chat ===

impl Chat {
    /// The next piece; none after the last.
    pub async fn next(&mut self) -> Option<Piece> {
        stream::StreamExt::next(self).await
    }

    /// The next piece, or [`Quiet`] where there is none for so long: time to send a sign of life to whoever
    /// waits. Nothing is lost by that. In a test there is always a next piece.
    ///
    /// # Errors
    /// [`Quiet`].
    pub async fn next_within(
        &mut self,
        time: Duration,
    ) -> std::result::Result<Option<Piece>, Quiet> {
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = time;
            Ok(self.next().await)
        }
        #[cfg(target_family = "wasm")]
        {
            let pause = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let pause = std::pin::pin!(wasip3::clocks::monotonic_clock::wait_for(pause));
            match futures::future::select(std::pin::pin!(self.next()), pause).await {
                futures::future::Either::Left((piece, _)) => Ok(piece),
                futures::future::Either::Right(_) => Err(Quiet),
            }
        }
    }
}

impl Stream for Chat {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.pieces.poll_next_unpin(cx));
        // The host sends a last piece, unless it was cut off itself.
        let piece = piece.unwrap_or_else(|| {
            Piece::Failed(Error::Unavailable("the answer was cut off".to_owned()))
        });
        self.has_ended = piece.is_last();
        Poll::Ready(Some(piece))
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat")
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}
