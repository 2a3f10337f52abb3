//! A document in a form: `multipart/form-data` with the fields `library_id` and `name`, if they are wanted, and
//! then the file. What follows the file is not read.

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use sbd_sdk::{Error, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Bytes of all that comes before the file, at most.
const HEADS: usize = 64 << 10;
/// Bytes of a field at most.
const FIELD: usize = 1 << 10;
/// Fields before the file at most.
const FIELDS: usize = 8;

/// A file in a form, and what the fields before it say.
pub(crate) struct Form {
    pub(crate) library_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) file: Body,
}

/// Whether the body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// Reads a form up to its file.
///
/// # Errors
/// When it is none, has no file, or has too much before it.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Form> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let boundary = kind.and_then(|kind| multer::parse_boundary(kind).ok());
    let boundary = boundary.ok_or_else(|| {
        Error::malformed(
            "a form has a `boundary` in its content type; let your HTTP library write it",
        )
    })?;
    let room = Arc::new(AtomicUsize::new(HEADS));
    let bounded = Bounded {
        body: body.into_data_stream(),
        room: Arc::clone(&room),
    };
    let mut parts = Multipart::new(bounded, boundary);
    let (mut library_id, mut name) = (None, None);
    for _ in 0..FIELDS {
        let part = parts.next_field().await.map_err(unreadable)?;
        let Some(mut part) = part else { break };
        if let Some(file) = part.file_name().map(str::to_owned) {
            // The rest is the file, which is as large as it may be.
            room.store(usize::MAX, Ordering::Relaxed);
            let content_type = part.content_type().map(ToString::to_string);
            let chunks = futures::stream::unfold((part, parts), async |(mut part, parts)| {
                let chunk = part.chunk().await.transpose()?;
                Some((chunk.map_err(broken), (part, parts)))
            });
            return Ok(Form {
                library_id,
                name: name.or(Some(file)),
                content_type,
                file: Body::from_stream(chunks),
            });
        }
        let field = part.name().unwrap_or_default().to_owned();
        let mut text = Vec::new();
        while let Some(chunk) = part.chunk().await.map_err(unreadable)? {
            text.extend_from_slice(&chunk);
            if text.len() > FIELD {
                return Err(Error::validation(field, format!("at most {FIELD} bytes")));
            }
        }
        let text = String::from_utf8(text)
            .map_err(|_| Error::validation(field.as_str(), "text in UTF-8"))?;
        match field.as_str() {
            "library_id" => library_id = Some(text),
            "name" => name = Some(text),
            _ => {
                let message = "no field of this form; there are `library_id`, `name` and a file, the file last";
                return Err(Error::validation(field, message));
            }
        }
    }
    Err(Error::validation(
        "file",
        "a part with a file name, and at most eight others before it",
    ))
}

/// A body of which so much may be read before its file comes.
struct Bounded<S> {
    body: S,
    room: Arc<AtomicUsize>,
}

impl<S: Stream<Item = std::result::Result<Bytes, axum::Error>> + Unpin> Stream for Bounded<S> {
    type Item = std::result::Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            let cause = "more than 64 KiB come before the file";
            return Poll::Ready(Some(Err(axum::Error::new(cause))));
        }
        let polled = self.body.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(bytes))) = &polled
            && room != usize::MAX
        {
            self.room
                .store(room.saturating_sub(bytes.len()), Ordering::Relaxed);
        }
        polled
    }
}

fn unreadable(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => {
            let message =
                format!("the form cannot be read ({cause}); send it again, the file last");
            Error::malformed(message)
        }
        error => Error::malformed(format!("this is no form ({error}); correct it")),
    }
}

/// What the body broke off with: `blobs` knows what it means.
fn broken(error: multer::Error) -> axum::Error {
    match error {
        multer::Error::StreamReadFailed(cause) => axum::Error::new(cause),
        error => axum::Error::new(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use futures::executor::block_on;

    fn form(body: impl Into<Body>) -> Result<(Option<String>, Option<String>, Vec<u8>)> {
        let kind = "multipart/form-data; boundary=XX".parse().unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        assert!(is_form(&headers));
        block_on(async {
            let form = read(&headers, body.into()).await?;
            let file = axum::body::to_bytes(form.file, usize::MAX).await;
            let file = file.map_err(|error| Error::malformed(error.to_string()))?;
            Ok((form.library_id, form.name, file.to_vec()))
        })
    }

    fn part(head: &str, content: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn fields_and_then_a_file() {
        let whole = [
            part("name=\"library_id\"", "lib_1"),
            part("name=\"file\"; filename=\"../a.txt\"", "one\r\n--X\r\ntwo"),
            "--XX--\r\n".to_owned(),
        ]
        .concat();
        let (library, name, file) = form(whole.clone()).unwrap();
        assert_eq!(
            (library.as_deref(), name.as_deref()),
            (Some("lib_1"), Some("../a.txt"))
        );
        assert_eq!(file, b"one\r\n--X\r\ntwo");
        // In pieces of any size it is the same.
        for size in [1, 3, 16] {
            let pieces: Vec<_> = whole
                .as_bytes()
                .chunks(size)
                .map(Bytes::copy_from_slice)
                .collect();
            let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            assert_eq!(form(Body::from_stream(pieces)).unwrap().2, file);
        }
        // Cut off, it is not taken for whole.
        for length in [20, whole.len() - 30] {
            assert!(form(whole[..length].to_owned()).is_err(), "{length}");
        }
    }

    #[test]
    fn what_is_no_such_form_is_refused() {
        let file = part("name=\"file\"; filename=\"a.txt\"", "x");
        let many = part("name=\"name\"", "a").repeat(9) + &file;
        let endless = format!("--XX\r\nX-A: {}", "a".repeat(200_000));
        let pieces: Vec<_> = endless
            .as_bytes()
            .chunks(1000)
            .map(Bytes::copy_from_slice)
            .collect();
        let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        for (body, why) in [
            (Body::empty(), "no form"),
            (Body::from("--XX--\r\n"), "VALIDATION"),
            (Body::from("nonsense"), "no form"),
            (
                Body::from(part("name=\"other\"", "a") + &file),
                "VALIDATION",
            ),
            (
                Body::from(part("name=\"name\"", &"a".repeat(2000)) + &file),
                "VALIDATION",
            ),
            (Body::from(many), "VALIDATION"),
            (Body::from_stream(pieces), "64 KiB"),
        ] {
            let refused = form(body).unwrap_err();
            let said = format!("{} {}", refused.code(), refused.message());
            assert!(
                refused.status().is_client_error() && said.contains(why),
                "{said}"
            );
        }
    }
}
