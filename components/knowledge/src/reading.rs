//! What a document says: the component `parser`, which has no rights at all, is given its content and answers with
//! its blocks.

use crate::layout::Layout;
use crate::model::{Document, Library};
use crate::scanning;
use axum::extract::Request;
use document::lines::{self, Reader};
use document::{Document as Head, Reason, Unread};
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_sdk::{Error, ErrorBody, ErrorContent, blobs, call, from_json};

/// Why a document is not read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It never will be; the sentence says why.
    Final(String),
    /// It may be the next time.
    Again(Error),
}

/// What a document says of itself, and its text.
pub(crate) struct Read {
    pub(crate) head: Head,
    pub(crate) layout: Layout,
}

/// What the parser failed at, when it says nothing of it itself.
const UNREADABLE: &str = "the document cannot be read: it is damaged, or more than the parser has time or memory for; save it anew, or in parts, and upload that";

/// Reads a document; pages that are pictures of text in the language of the library first.
pub(crate) async fn read(document: &Document, library: &Library) -> Result<Read, Failure> {
    let content = blobs::stream(&document.original(), ..).await?;
    let gone = || Failure::Final("its content is not there any more; upload it again".to_owned());
    let (_, body) = content.ok_or_else(gone)?;
    // A note may be called anything.
    let name = match document.note {
        Some(_) => "note.md",
        None => &document.name,
    };
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let request = Request::post(format!("/parse?name={name}"))
        .header(CONTENT_TYPE, &document.content_type)
        .body(body)
        .map_err(Error::internal)?;
    let response = match call("parser", request).await {
        Ok(response) => response,
        Err(error) if error.status() == 503 => return Err(Failure::Again(error)),
        // It trapped: it will do so again.
        Err(error) => {
            eprintln!("the parser failed at {}: {error:?}", document.id);
            return Err(Failure::Final(UNREADABLE.to_owned()));
        }
    };
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        let refused = body.collect().await.map(|body| body.to_bytes());
        let refused = refused.unwrap_or_default();
        return Err(match from_json::<ErrorBody>(&refused) {
            _ if matches!(status.as_u16(), 429 | 503) => Failure::Again(Error::overloaded(
                "the parser is busy; try again in a moment",
                5,
            )),
            Ok(refused) if status.is_client_error() => Failure::Final(sentence(refused.error)),
            _ => Failure::Final(UNREADABLE.to_owned()),
        });
    }
    let (mut reader, mut blocks) = (Reader::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        // The answer breaks off where the parser traps, or takes too long.
        let frame = frame.map_err(|_| Failure::Final(UNREADABLE.to_owned()))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        blocks.extend(reader.push(&piece)?);
    }
    let mut head = reader.finish()?;
    let language = library.settings.language.as_deref();
    scanning::read(document, &mut head, &mut blocks, language).await?;
    let mut layout = Layout::default();
    for block in blocks {
        layout.push(&block);
    }
    if let Some(place) = &layout.cut_at {
        let why = format!("from {place} on it is more text than is kept of a document; split it");
        head.unread
            .push(Unread::at(place.clone(), Reason::Limit, why));
    }
    if layout.blocks.is_empty() {
        return Err(Failure::Final(nothing(&head)));
    }
    Ok(Read { head, layout })
}

/// What a refusal says: of a field, what is wrong with that.
fn sentence(refused: ErrorContent) -> String {
    let detail = refused.details.into_iter().next();
    detail.map_or(refused.message, |detail| detail.message)
}

/// Why nothing at all was found in a document.
fn nothing(head: &Head) -> String {
    match head.unread.first() {
        Some(unread) => unread.why.clone(),
        None => "there is no text in it; upload a document that has some".to_owned(),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Again(error)
    }
}

/// What is no document did not come from a parser that is well.
impl From<lines::Error> for Failure {
    fn from(error: lines::Error) -> Self {
        eprintln!("the parser answered with no document: {error}");
        Self::Final(UNREADABLE.to_owned())
    }
}
