//! `/api/v1/ask`.

use super::{search, stream};
use crate::asking::{self, Answer, Asked, PASSAGES, Told};
use crate::model::{Citation, MessageId, Thread, ThreadId};
use crate::search::{Among, Mode, Search};
use crate::threads;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use http::{HeaderMap, header};
use sbd_sdk::inference::Usage;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::{Caller, Error, Json, Result, operation};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use utoipa::ToSchema;

/// What is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// 1 to 2000 characters.
    #[schema(
        min_length = 1,
        max_length = 2000,
        example = "How long is the notice period?"
    )]
    question: String,
    /// The conversation it is in: its libraries are asked, and what was said before counts.
    #[serde(default)]
    thread_id: Option<String>,
    /// Among what an answer is looked for.
    #[serde(default)]
    filter: Option<Among>,
    /// How passages are found; hybrid if nothing is said.
    #[serde(default)]
    #[schema(inline)]
    mode: Option<Mode>,
    /// Which chat model answers; the tenant's default, if none is named.
    #[serde(default)]
    #[schema(max_length = 200)]
    model: Option<String>,
    /// How many passages an answer is made from at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 20)]
    passages: Option<u32>,
    /// Whether a question that goes on with the conversation is completed by the model; it takes longer than by
    /// rules.
    #[serde(default)]
    complete_by_model: bool,
    /// Whether the answer is wanted as it comes, as with `Accept: text/event-stream`.
    #[serde(default)]
    stream: bool,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Answer)]
pub(crate) struct AnswerView {
    /// The answer; `[1]` stands for the citation of that number.
    answer: String,
    /// Whether the documents carry it.
    answered: bool,
    citations: Vec<Citation>,
    /// The model that wrote it; none: it is made of the passages that fit best.
    model: Option<String>,
    /// What was used, as the provider counted it.
    usage: Option<Usage>,
    /// What was looked for: the question, completed from the conversation.
    searched: String,
    /// How it was looked for.
    #[schema(inline)]
    mode: Mode,
    /// What would make answers better, or why there is none.
    note: Option<String>,
    /// The conversation it is kept in.
    thread_id: Option<ThreadId>,
    /// The answer in it, to vote for.
    message_id: Option<MessageId>,
}

/// Whole, or as it comes.
pub(crate) enum Answering {
    Whole(Box<AnswerView>),
    Stream(Response),
}

/// Where an answer is kept.
pub(super) struct Keep {
    thread: Option<ThreadId>,
    question: String,
}

/// Asks the documents that the caller may read.
///
/// The answer rests on passages that were found, and cites them; without a chat model it is made of the best of them.
/// With `Accept: text/event-stream`, or `stream`, it is told as it comes, as `docs/streams.md` says.
#[operation(
    post "/api/v1/ask", permission = "knowledge:read",
    answers = "The answer, whole or as it comes",
    refuses(
        not_found = "No library that the caller may read, or no thread of the caller's",
        conflict = "There is no embedding model, and only vectors were asked for; or the thread is full",
        overloaded = "The model has too much to do, or does not answer"
    )
)]
pub(crate) async fn ask(
    caller: Caller,
    headers: HeaderMap,
    Json(input): Json<Question>,
) -> Result<Answering> {
    let question = search::query("question", &input.question)?.to_owned();
    let passages = input.passages.unwrap_or(PASSAGES);
    if !(1..=20).contains(&passages) {
        return Err(Error::validation("passages", "a number from 1 to 20"));
    }
    if input
        .model
        .as_ref()
        .is_some_and(|name| name.chars().count() > 200)
    {
        return Err(Error::validation("model", "at most 200 characters"));
    }
    let thread = match &input.thread_id {
        Some(id) => Some(threads::get(&caller, &id.parse()?).await?),
        None => None,
    };
    let before = match &thread {
        Some(thread) => {
            threads::require_room(thread)?;
            threads::window(thread).await?
        }
        None => Vec::new(),
    };
    let asked = Asked {
        search: Search::of(&caller, among(input.filter, thread.as_ref())).await?,
        question: question.clone(),
        before,
        mode: input.mode,
        model: input.model,
        passages,
        completed_by_model: input.complete_by_model,
    };
    let keep = Keep {
        thread: thread.map(|thread| thread.id),
        question,
    };
    let told = asking::answer(asked);
    if input.stream || accepts_stream(&headers) {
        return Ok(Answering::Stream(stream::respond(told, keep)));
    }
    let mut told = pin!(told);
    while let Some(told) = told.next().await {
        match told {
            Told::Answered(answer) => {
                let answer = keep.answer(*answer).await?;
                return Ok(Answering::Whole(Box::new(answer)));
            }
            Told::Failed(error) => return Err(error),
            _ => {}
        }
    }
    Err(Error::internal("an answer had no end"))
}

/// What is asked: what the question says, or else the conversation.
fn among(filter: Option<Among>, thread: Option<&Thread>) -> Among {
    let mut among = filter.unwrap_or_default();
    if let Some(thread) = thread.filter(|_| among.library_ids.is_empty()) {
        among.library_ids = thread.library_ids.clone();
    }
    among
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let first = accept.and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/event-stream"))
}

// === impl Keep ===

impl Keep {
    /// Keeps an answer, if it is in a conversation.
    pub(super) async fn answer(&self, answer: Answer) -> Result<AnswerView> {
        let message_id = match &self.thread {
            Some(thread) => threads::keep(thread, &self.question, &answer).await?,
            None => None,
        };
        Ok(AnswerView {
            answer: answer.text,
            answered: answer.answered,
            citations: answer.citations,
            model: answer.model,
            usage: answer.usage,
            searched: answer.searched,
            mode: answer.mode,
            note: answer.note,
            thread_id: self.thread.clone(),
            message_id,
        })
    }
}

// === impl Answering ===

impl IntoResponse for Answering {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(answer) => Json(answer).into_response(),
            Self::Stream(response) => response,
        }
    }
}

impl Output for Answering {
    fn describe(description: &mut Description) {
        <Json<AnswerView> as Output>::describe(description);
    }
}
