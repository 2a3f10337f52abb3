//! Large contents under names, piece by piece: originals of documents, images, exports.
//!
//! No blob is ever in memory as a whole: [`put`] takes the body of a request as it comes, and [`stream`] gives
//! one that is read as the answer is sent. Grant: `blobs`.
//!
//! ```
//! # use axum::{body::Body, response::{IntoResponse, Response}};
//! # use sbd_sdk::{Component, Error, NoContent, Result, blobs, operation};
//! /// Keeps a picture.
//! #[operation(put "/api/v1/picture")]
//! async fn keep_picture(body: Body) -> Result<NoContent> {
//!     blobs::put("picture", "image/png", body).await?;
//!     Ok(NoContent)
//! }
//!
//! /// Shows the picture.
//! #[operation(get "/api/v1/picture", refuses(not_found))]
//! async fn show_picture() -> Result<Response> {
//!     let found = blobs::stream("picture", ..).await?;
//!     let (blob, body) = found.ok_or_else(|| Error::not_found("picture"))?;
//!     Ok(([("content-type", blob.content_type)], body).into_response())
//! }
//! # let component = Component::new().operations("pictures", [keep_picture(), show_picture()]);
//! # let app = sbd_sdk::testing::App::new(component);
//! # let put = app.anonymous().upload("PUT", "/api/v1/picture", "image/png", "dots");
//! # put.assert_status(204);
//! # assert_eq!(app.anonymous().get("/api/v1/picture").bytes(), b"dots");
//! ```

use crate::bindings::blobs as host;
use crate::{Error, Result, extract, time::Time};
use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::future::Future;
use std::ops::{Bound, RangeBounds};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How much is put or read by one call: far below what one may hold, so that little is in memory, and large
/// enough that a large blob takes few calls.
const PIECE: usize = 256 << 10;

/// What is known of a blob without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// What it is, as in the header `Content-Type`.
    pub content_type: String,
    /// SHA-256 of the content, 64 hexadecimal digits.
    pub sha256: String,
    /// When it took its name.
    pub at: Time,
}

/// Some of them, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The blobs.
    pub blobs: Vec<Blob>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// Puts all of a body under a name; what was there before is replaced at once when it is whole. Names are 1 to
/// 512 bytes, parts with `/` between.
///
/// Where the body breaks off or nobody waits any more, nothing is kept.
///
/// # Errors
/// When the body breaks off or is larger than the component may take, there is no room left, or name or content
/// type are wrong.
pub async fn put(name: &str, content_type: &str, mut body: Body) -> Result<Blob> {
    let begun = host::begin(name.to_owned(), content_type.to_owned()).await;
    let putting = Putting(Some(begun.map_err(refused)?));
    let mut waiting = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| extract::broken_off(&error))?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while !data.is_empty() {
            let part = data.split_to(data.len().min(PIECE - waiting.len()));
            waiting.extend_from_slice(&part);
            if waiting.len() == PIECE {
                putting.append(std::mem::take(&mut waiting)).await?;
            }
        }
    }
    if !waiting.is_empty() {
        putting.append(waiting).await?;
    }
    putting.finish().await
}

/// What is known of a blob; none if there is none of that name.
///
/// # Errors
/// When the name is wrong, or the blobs do not answer.
pub async fn head(name: &str) -> Result<Option<Blob>> {
    let blob = host::head(name.to_owned()).await.map_err(refused)?;
    blob.map(Blob::read).transpose()
}

/// Up to `length` bytes (1 MiB at most) from `offset`, of the content with this SHA-256 if one is given; fewer
/// only at the end. What is larger is read by [`stream`].
///
/// # Errors
/// `NOT_FOUND` when it is not there, or was replaced.
pub async fn read(name: &str, offset: u64, length: u32, sha256: Option<&str>) -> Result<Vec<u8>> {
    let sha256 = sha256.map(str::to_owned);
    let piece = host::read(name.to_owned(), offset, length, sha256).await;
    piece.map_err(refused)
}

/// A blob, and the body that reads what is within `range` (`..` is all) as it is sent; none if there is none of
/// that name. Should it be replaced meanwhile, the body breaks off.
///
/// # Errors
/// When the name is wrong, or the blobs do not answer.
pub async fn stream(name: &str, range: impl RangeBounds<u64>) -> Result<Option<(Blob, Body)>> {
    let Some(blob) = head(name).await? else {
        return Ok(None);
    };
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => blob.size,
    };
    let end = end.min(blob.size);
    let reading = Reading {
        name: blob.name.clone(),
        sha256: blob.sha256.clone(),
        offset: start.min(end),
        end,
        piece: None,
    };
    Ok(Some((blob, Body::new(reading))))
}

/// Those whose names begin with `prefix`, by name, `limit` (1 to 1000) at a time, from where the page before
/// ended.
///
/// # Errors
/// When cursor or limit are wrong, or the blobs do not answer.
pub async fn list(prefix: &str, cursor: Option<String>, limit: u32) -> Result<Page> {
    let page = host::list(prefix.to_owned(), cursor, limit).await;
    let page = page.map_err(refused)?;
    let blobs = page.blobs.into_iter().map(Blob::read);
    Ok(Page {
        blobs: blobs.collect::<Result<_>>()?,
        next: page.next,
    })
}

/// Deletes a blob; says whether it was there.
///
/// # Errors
/// When the name is wrong, or the blobs do not answer.
pub async fn delete(name: &str) -> Result<bool> {
    host::delete(name.to_owned()).await.map_err(refused)
}

/// Deletes all whose names begin with `prefix`, which is not empty; returns how many.
///
/// # Errors
/// When the prefix is wrong, or the blobs do not answer.
pub async fn delete_all(prefix: &str) -> Result<u64> {
    host::delete_all(prefix.to_owned()).await.map_err(refused)
}

/// A blob that is being put, by its id. One that is dropped is abandoned, whatever the reason.
struct Putting(Option<String>);

/// The body of a blob that is read as it is sent.
struct Reading {
    name: String,
    sha256: String,
    offset: u64,
    end: u64,
    piece: Option<Piece>,
}

type Piece = Pin<Box<dyn Future<Output = std::result::Result<Vec<u8>, host::Error>> + Send>>;

// === impl Blob ===

impl Blob {
    fn read(blob: host::Blob) -> Result<Self> {
        let at: jiff::Timestamp = blob.at.parse().map_err(Error::internal)?;
        Ok(Self {
            name: blob.name,
            size: blob.size,
            content_type: blob.content_type,
            sha256: blob.sha256,
            at: Time::from_milliseconds(at.as_millisecond()),
        })
    }
}

// === impl Putting ===

impl Putting {
    fn id(&self) -> String {
        self.0.clone().unwrap_or_default()
    }

    async fn append(&self, piece: Vec<u8>) -> Result<()> {
        let appended = host::append(self.id(), piece).await;
        appended.map(drop).map_err(refused)
    }

    async fn finish(mut self) -> Result<Blob> {
        let finished = host::finish(self.id()).await.map_err(refused)?;
        self.0 = None;
        Blob::read(finished)
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        let Some(id) = self.0.take() else { return };
        #[cfg(target_family = "wasm")]
        wasip3::spawn(async move {
            // Should it fail, the host forgets it in an hour.
            let _ = host::abandon(id).await;
        });
        #[cfg(not(target_family = "wasm"))]
        host::forget(&id);
    }
}

// === impl Reading ===

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.offset >= this.end {
            return Poll::Ready(None);
        }
        let piece = this.piece.get_or_insert_with(|| {
            let length = (this.end - this.offset).min(PIECE as u64);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let (name, sha256) = (this.name.clone(), this.sha256.clone());
            Box::pin(host::read(name, this.offset, length, Some(sha256)))
        });
        let piece = ready!(piece.as_mut().poll(context));
        this.piece = None;
        let piece = piece.map_err(refused).and_then(|piece| match piece.len() {
            0 => Err(Error::internal("a blob is shorter than it said")),
            _ => Ok(piece),
        });
        Poll::Ready(Some(match piece {
            Ok(piece) => {
                this.offset += piece.len() as u64;
                Ok(Frame::data(piece.into()))
            }
            Err(error) => {
                this.offset = this.end;
                Err(error)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.offset >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.offset)
    }
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::NotFound(cause) => Error::not_found("blob").caused_by(cause),
        host::Error::Full => Error::storage_full(),
        host::Error::Unavailable(cause) => Error::overloaded(
            "what is stored cannot be reached just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("blobs unavailable: {cause}")),
        host::Error::Invalid(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    }
}
