//! Libraries, documents, threads, and what their names and texts may be.

use document::{Format, Place, Unread};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a name or a title at most.
pub(crate) const MAX_NAME: usize = 200;
/// Characters in a description at most.
pub(crate) const MAX_DESCRIPTION: usize = 1000;
/// Tokens in a chunk, if a library does not say otherwise.
pub(crate) const CHUNK_TOKENS: u32 = 200;
/// Exchanges of a thread that a question is asked with, if it does not say otherwise.
pub(crate) const WINDOW: u32 = 4;

id!(pub(crate) LibraryId, "lib", "library");
id!(pub(crate) DocumentId, "doc", "document");
id!(pub(crate) ThreadId, "thr", "thread");
id!(pub(crate) MessageId, "msg", "message");

/// A library, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Library {
    #[serde(rename = "_id")]
    pub(crate) id: LibraryId,
    /// The user, family or workspace whose it is.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) settings: Settings,
    /// Whose documents come here that name no library: there is one of them for each.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) default_of: Option<String>,
    /// Whose notes it has: they come and go by themselves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) notes_of: Option<String>,
    /// When it was deleted; what is in it is on its way.
    pub(crate) deleted_at: Option<Time>,
    pub(crate) created_by: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) version: u64,
}

/// What can be decided about a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LibrarySettings)]
pub(crate) struct Settings {
    /// Who may add, change and delete documents in a family's or a workspace's library.
    #[schema(inline)]
    pub(crate) writers: Writers,
    /// The language of documents that do not say theirs, as `en`.
    #[schema(min_length = 2, max_length = 2, example = "en")]
    pub(crate) language: Option<String>,
    /// How many tokens a chunk should have: fewer find more exactly, more say more at once. Heard at the next
    /// indexing of a document.
    #[schema(minimum = 50, maximum = 1000, example = 200)]
    pub(crate) chunk_tokens: u32,
}

/// Who writes in a family's or a workspace's library. A user's is the user's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LibraryWriters)]
pub(crate) enum Writers {
    /// All members.
    #[default]
    Members,
    /// Administrators alone: of a workspace those with the permission `settings`.
    Admins,
}

/// A document, as it is stored. Its content, its text and its tables are blobs, its chunks are in `vectors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    pub(crate) id: DocumentId,
    pub(crate) library_id: LibraryId,
    /// The library and the SHA-256: the same content is one document.
    pub(crate) content_key: String,
    /// The note that it is, and in which version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) note: Option<Note>,
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) content_type: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) state: State,
    /// Why it could not be read, in a sentence.
    pub(crate) error: Option<String>,
    pub(crate) found: Found,
    /// Goes up with every indexing: chunks and texts carry it.
    pub(crate) generation: u32,
    /// The generation that is searched.
    pub(crate) indexed: Option<u32>,
    /// The collections of vectors that hold its chunks.
    pub(crate) collections: Vec<String>,
    /// The task that indexes it, or did last.
    pub(crate) task_id: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) indexed_at: Option<Time>,
    pub(crate) version: u64,
}

/// A note of the component `notes`, which is found like a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) version: u64,
}

/// What was found in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) title: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) pages: Option<u32>,
    pub(crate) note: Option<String>,
    pub(crate) unread: Vec<Unread>,
    pub(crate) characters: u64,
    pub(crate) chunks: u32,
    pub(crate) tables: u32,
}

/// Where a document is on its way.
///
/// ```text
/// queued ──▶ indexing ──▶ ready
///   ▲            └──────▶ failed
///   └── indexed once more ──┘            deleting: gone for everybody, and on its way
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DocumentState)]
pub(crate) enum State {
    /// It waits to be read.
    Queued,
    /// It is being read.
    Indexing,
    /// It is found by search and ask.
    Ready,
    /// It could not be read; `error` says why.
    Failed,
    /// It is being deleted.
    Deleting,
}

/// Where something is in the text of a document, in characters from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentSpan)]
pub(crate) struct Span {
    /// The first character.
    pub(crate) start: u64,
    /// The character behind the last.
    pub(crate) end: u64,
}

/// A conversation, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thread {
    #[serde(rename = "_id")]
    pub(crate) id: ThreadId,
    pub(crate) user_id: String,
    /// What it is about; its first question until somebody says so.
    pub(crate) title: Option<String>,
    /// The libraries it asks; all that the user may read, if none are named.
    pub(crate) library_ids: Vec<LibraryId>,
    /// How many exchanges before it a question is asked with.
    pub(crate) window: u32,
    pub(crate) messages: u64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

/// A question or an answer, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    #[serde(rename = "_id")]
    pub(crate) id: MessageId,
    pub(crate) thread_id: ThreadId,
    pub(crate) role: Role,
    pub(crate) text: String,
    /// Of an answer: whether the documents carry it.
    pub(crate) answered: Option<bool>,
    pub(crate) citations: Vec<Citation>,
    pub(crate) model: Option<String>,
    pub(crate) vote: Option<Vote>,
    pub(crate) at: Time,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageRole)]
pub(crate) enum Role {
    /// The user.
    User,
    /// What answers.
    Assistant,
}

/// What a user thinks of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AnswerVote)]
pub(crate) enum Vote {
    /// It was good.
    Up,
    /// It was not.
    Down,
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Citation {
    /// Its number in the answer: `[1]`.
    pub(crate) number: u32,
    #[schema(inline)]
    pub(crate) document_id: DocumentId,
    /// What the document is called.
    pub(crate) document: String,
    /// The note that it is, if it is one.
    #[serde(default)]
    pub(crate) note_id: Option<String>,
    #[schema(inline)]
    pub(crate) library_id: LibraryId,
    /// The page or slide, where there are some.
    pub(crate) page: Option<u32>,
    /// Where in the document, in words: `page 3`, `sheet Costs, A1:D10`.
    #[schema(example = "page 3")]
    pub(crate) place: String,
    /// Where the quote is in the text of the document.
    #[schema(inline)]
    pub(crate) span: Span,
    /// What stands there.
    pub(crate) quote: String,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            writers: Writers::default(),
            language: None,
            chunk_tokens: CHUNK_TOKENS,
        }
    }
}

impl Settings {
    /// The same, if it is within bounds.
    pub(crate) fn check(self) -> Result<Self, Error> {
        if !(50..=1000).contains(&self.chunk_tokens) {
            let message = "a number from 50 to 1000";
            return Err(Error::validation("settings.chunk_tokens", message));
        }
        let is_code =
            |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase());
        if !self.language.as_ref().is_none_or(is_code) {
            let message = "the two letters of a language, like `en`";
            return Err(Error::validation("settings.language", message));
        }
        Ok(self)
    }
}

// === impl Document ===

impl Document {
    /// Where its blobs are: all of them have names that begin so.
    pub(crate) fn folder(&self) -> String {
        folder(&self.id)
    }

    /// The blob of what was uploaded.
    pub(crate) fn original(&self) -> String {
        format!("{}original", self.folder())
    }

    /// The blob of its text in a generation.
    pub(crate) fn text(&self, generation: u32) -> String {
        format!("{}text-{generation}", self.folder())
    }

    /// The blob that says where its blocks are in that text.
    pub(crate) fn blocks(&self, generation: u32) -> String {
        format!("{}blocks-{generation}", self.folder())
    }

    /// The blob of its tables in a generation.
    pub(crate) fn tables(&self, generation: u32) -> String {
        format!("{}tables-{generation}", self.folder())
    }
}

/// Where the blobs of a document are.
pub(crate) fn folder(id: &DocumentId) -> String {
    format!("documents/{id}/")
}

/// The key by which the same content in a library is one document.
pub(crate) fn content_key(library: &LibraryId, sha256: &str) -> String {
    format!("{library}/{sha256}")
}

/// The page of a place, where there are pages.
pub(crate) fn page(place: &Place) -> Option<u32> {
    match place {
        Place::Page(number) | Place::Slide(number) => Some(*number),
        _ => None,
    }
}

// === impl Thread ===

impl Thread {
    /// A conversation in which nothing was said yet.
    pub(crate) fn new(user_id: &str, library_ids: Vec<LibraryId>) -> Self {
        let now = time::now();
        Self {
            id: ThreadId::new(),
            user_id: user_id.to_owned(),
            title: None,
            library_ids,
            window: WINDOW,
            messages: 0,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A name without the blanks around it.
///
/// # Errors
/// `VALIDATION_ERROR` when nothing is left, it is too long or has control characters.
pub(crate) fn name(field: &str, text: &str) -> Result<String, Error> {
    let trimmed = text.trim();
    let is_right = (1..=MAX_NAME).contains(&text.chars().count())
        && !trimmed.is_empty()
        && !trimmed.chars().any(char::is_control);
    match is_right {
        true => Ok(trimmed.to_owned()),
        false => Err(Error::validation(
            field,
            format!("1 to {MAX_NAME} characters, none of them a control character"),
        )),
    }
}

/// A description without the blanks around it; none where nothing is left.
///
/// # Errors
/// `VALIDATION_ERROR` when it is too long.
pub(crate) fn description(text: Option<&str>) -> Result<Option<String>, Error> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > MAX_DESCRIPTION {
        let message = format!("at most {MAX_DESCRIPTION} characters");
        return Err(Error::validation("description", message));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
