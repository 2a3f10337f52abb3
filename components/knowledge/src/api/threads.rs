//! `/api/v1/threads`.

use crate::model::{Citation, LibraryId, Message, MessageId, Role, Thread, ThreadId, Vote};
use crate::threads::{self, Draft, ThreadSort};
use axum::response::{IntoResponse, Response};
use http::header;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{ById, Caller, Created, Json, Listing, NoContent, Path, Query, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What a conversation is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadInput {
    /// 1 to 200 characters; the first question, if nothing is said.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// The libraries it asks; all that the caller may read, if none are named.
    #[serde(default)]
    library_ids: Vec<LibraryId>,
    /// How many exchanges before it a question is asked with; 4 if nothing is said.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 20)]
    window: Option<u32>,
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Thread)]
pub(crate) struct ThreadView {
    #[schema(inline)]
    id: ThreadId,
    /// What it is about.
    title: Option<String>,
    /// The libraries it asks; all that the user may read, if none are named.
    library_ids: Vec<LibraryId>,
    /// How many exchanges before it a question is asked with.
    window: u32,
    /// How many questions and answers it has.
    messages: u64,
    /// When it began.
    created_at: Time,
    /// When something was last said.
    updated_at: Time,
}

/// A question or an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ThreadMessage)]
pub(crate) struct MessageView {
    #[schema(inline)]
    id: MessageId,
    /// Who says it.
    #[schema(inline)]
    role: Role,
    /// What is said.
    text: String,
    /// Of an answer: whether the documents carry it.
    answered: Option<bool>,
    citations: Vec<Citation>,
    /// The model that wrote it.
    model: Option<String>,
    /// What the user thinks of it.
    #[schema(inline)]
    vote: Option<Vote>,
    /// When.
    at: Time,
}

/// What the caller thinks of an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoteInput {
    #[schema(inline)]
    vote: Vote,
}

/// In what form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportForm {
    /// JSON if nothing is said.
    #[param(inline)]
    format: Option<ExportFormat>,
}

/// A form of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportFormat {
    /// For programs.
    Json,
    /// For people.
    Markdown,
}

/// A conversation with all that was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ThreadExport)]
pub(crate) struct ExportView {
    thread: ThreadView,
    messages: Vec<MessageView>,
}

/// A conversation in the form that was asked for.
pub(crate) enum Export {
    Json(Box<ExportView>),
    Markdown(String),
}

/// Begins a conversation.
#[operation(
    post "/api/v1/threads", permission = "knowledge:write", location = "The thread's address",
    refuses(
        not_found = "No library that the caller may read",
        conflict = "The caller has as many threads as one user may"
    )
)]
pub(crate) async fn create_thread(
    caller: Caller,
    Json(input): Json<ThreadInput>,
) -> Result<Created<ThreadView>> {
    let thread = threads::create(&caller, input.check()?).await?;
    let location = format!("/api/v1/threads/{}", thread.id);
    Created::at(&location, &ThreadView::from(thread))
}

/// Lists the caller's conversations, the latest first.
#[operation(get "/api/v1/threads", permission = "knowledge:read")]
pub(crate) async fn list_threads(
    caller: Caller,
    listing: Listing<ThreadSort>,
) -> Result<Json<Page<ThreadView>>> {
    let page = threads::list(&caller, &listing).await?;
    Ok(Json(page.map(ThreadView::from)))
}

/// Reads what is known of a conversation.
#[operation(
    get "/api/v1/threads/{id}", permission = "knowledge:read", answers = "The thread",
    refuses(not_found = "No thread of the caller's")
)]
pub(crate) async fn get_thread(
    caller: Caller,
    Path(id): Path<ThreadId>,
) -> Result<Json<ThreadView>> {
    Ok(Json(threads::get(&caller, &id).await?.into()))
}

/// Replaces title, libraries and window of a conversation.
#[operation(
    put "/api/v1/threads/{id}", permission = "knowledge:write", answers = "The thread as it is now",
    refuses(not_found = "No thread of the caller's, or no library that the caller may read")
)]
pub(crate) async fn replace_thread(
    caller: Caller,
    Path(id): Path<ThreadId>,
    Json(input): Json<ThreadInput>,
) -> Result<Json<ThreadView>> {
    Ok(Json(
        threads::replace(&caller, &id, input.check()?).await?.into(),
    ))
}

/// Deletes a conversation, with all that was said.
#[operation(
    delete "/api/v1/threads/{id}", permission = "knowledge:write",
    refuses(not_found = "No thread of the caller's")
)]
pub(crate) async fn delete_thread(caller: Caller, Path(id): Path<ThreadId>) -> Result<NoContent> {
    threads::delete(&caller, &id).await?;
    Ok(NoContent)
}

/// Lists what was said in a conversation, in order.
#[operation(
    get "/api/v1/threads/{id}/messages", permission = "knowledge:read",
    refuses(not_found = "No thread of the caller's")
)]
pub(crate) async fn list_thread_messages(
    caller: Caller,
    Path(id): Path<ThreadId>,
    listing: Listing<ById>,
) -> Result<Json<Page<MessageView>>> {
    let page = threads::messages(&caller, &id, &listing).await?;
    Ok(Json(page.map(MessageView::from)))
}

/// Says what the caller thinks of an answer.
#[operation(
    put "/api/v1/threads/{id}/messages/{message_id}/vote", permission = "knowledge:write",
    answers = "The answer as it is now",
    refuses(not_found = "No thread of the caller's, or no answer in it")
)]
pub(crate) async fn vote_for_answer(
    caller: Caller,
    Path((id, message_id)): Path<(ThreadId, MessageId)>,
    Json(input): Json<VoteInput>,
) -> Result<Json<MessageView>> {
    let answer = threads::vote(&caller, (&id, &message_id), Some(input.vote)).await?;
    Ok(Json(answer.into()))
}

/// Takes back what the caller said of an answer.
#[operation(
    delete "/api/v1/threads/{id}/messages/{message_id}/vote", permission = "knowledge:write",
    refuses(not_found = "No thread of the caller's, or no answer in it")
)]
pub(crate) async fn withdraw_vote(
    caller: Caller,
    Path((id, message_id)): Path<(ThreadId, MessageId)>,
) -> Result<NoContent> {
    threads::vote(&caller, (&id, &message_id), None).await?;
    Ok(NoContent)
}

/// Exports a conversation, as JSON or Markdown.
#[operation(
    get "/api/v1/threads/{id}/export", permission = "knowledge:read", answers = "All that was said",
    refuses(not_found = "No thread of the caller's")
)]
pub(crate) async fn export_thread(
    caller: Caller,
    Path(id): Path<ThreadId>,
    Query(form): Query<ExportForm>,
) -> Result<Export> {
    let thread = threads::get(&caller, &id).await?;
    let messages = threads::all(&id).await?;
    Ok(match form.format {
        Some(ExportFormat::Markdown) => Export::Markdown(threads::markdown(&thread, &messages)),
        _ => Export::Json(Box::new(ExportView {
            thread: thread.into(),
            messages: messages.into_iter().map(MessageView::from).collect(),
        })),
    })
}

impl ThreadInput {
    fn check(self) -> Result<Draft> {
        Draft::check(self.title.as_deref(), self.library_ids, self.window)
    }
}

// === impl Export ===

impl IntoResponse for Export {
    fn into_response(self) -> Response {
        match self {
            Self::Json(export) => Json(export).into_response(),
            Self::Markdown(text) => {
                let kind = [
                    (header::CONTENT_TYPE, "text/markdown; charset=utf-8"),
                    (
                        header::CONTENT_DISPOSITION,
                        "attachment; filename=\"thread.md\"",
                    ),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                (kind, text).into_response()
            }
        }
    }
}

impl Output for Export {
    fn describe(description: &mut Description) {
        <Json<ExportView> as Output>::describe(description);
    }
}

impl From<Thread> for ThreadView {
    fn from(thread: Thread) -> Self {
        Self {
            id: thread.id,
            title: thread.title,
            library_ids: thread.library_ids,
            window: thread.window,
            messages: thread.messages,
            created_at: thread.created_at,
            updated_at: thread.updated_at,
        }
    }
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            role: message.role,
            text: message.text,
            answered: message.answered,
            citations: message.citations,
            model: message.model,
            vote: message.vote,
            at: message.at,
        }
    }
}
