//! A blob as an answer: whole or a range of it, as it is sent piece by piece, and never run by a browser.

use crate::openapi::{Description, Output};
use crate::{Error, Result, blobs};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::ops::Range;

/// What `filename*` does not have as it is (RFC 8187).
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}');

/// A blob that is sent as the answer. To whoever has it already (`If-None-Match`) the answer is 304.
#[derive(Debug)]
pub struct Download(Response);

/// What is known of a blob without reading it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The blob's name.
    pub blob: &'a str,
    /// Under which name it is kept; without one it is shown.
    pub file: Option<&'a str>,
    /// What it is.
    pub content_type: &'a str,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of it.
    pub sha256: &'a str,
}

/// What of it is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// Nothing that is there.
    Beyond,
}

// === impl Download ===

impl Download {
    /// As much of it as the request's headers ask for.
    ///
    /// # Errors
    /// `NOT_FOUND` when the blob is not there, `RANGE_NOT_SATISFIABLE` when nothing that is asked for is.
    pub async fn of(about: About<'_>, headers: &HeaderMap) -> Result<Self> {
        let tag = format!("\"{}\"", about.sha256);
        let text = |name| {
            let value = headers
                .get(&name)
                .and_then(|value: &HeaderValue| value.to_str().ok());
            value.map(str::to_owned)
        };
        // A range of another content would make a mixture.
        let is_same = text(header::IF_RANGE).is_none_or(|wanted| wanted == tag);
        let range = text(header::RANGE).filter(|_| is_same);
        let size = about.size;
        let wanted = range.map_or(Wanted::All, |range| wanted(&range, size));
        let (status, part) = match wanted {
            Wanted::All => (StatusCode::OK, 0..size),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Beyond => {
                let beyond = HeaderValue::try_from(format!("bytes */{size}"));
                let refused = Error::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "RANGE_NOT_SATISFIABLE",
                    format!("it has {size} bytes; ask for some of them"),
                );
                let beyond = beyond.map_err(Error::internal)?;
                return Err(refused.with_header(header::CONTENT_RANGE, beyond));
            }
        };
        let content = blobs::stream(about.blob, part.clone()).await?;
        let (_, body) = content.ok_or_else(|| Error::not_found("content"))?;
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let mut say = |name: HeaderName, value: String| -> Result<()> {
            let value = HeaderValue::try_from(value).map_err(Error::internal)?;
            headers.insert(name, value);
            Ok(())
        };
        say(header::CONTENT_TYPE, about.content_type.to_owned())?;
        let disposition = about.file.map_or_else(|| "inline".to_owned(), disposition);
        say(header::CONTENT_DISPOSITION, disposition)?;
        say(header::ETAG, tag)?;
        say(header::ACCEPT_RANGES, "bytes".to_owned())?;
        say(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned())?;
        // Should it be opened all the same, it runs nothing and reaches nothing.
        say(
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        )?;
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
            say(header::CONTENT_RANGE, range)?;
        }
        Ok(Self(response))
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Download {
    fn describe(description: &mut Description) {
        <Response as Output>::describe(description);
        description.answer_header("ETag", "Its version");
    }
}

/// To be kept under this name, not to be shown.
fn disposition(name: &str) -> String {
    let plain = |c: char| match c {
        ' '..='~' if c != '"' && c != '\\' && c != '%' => c,
        _ => '_',
    };
    let ascii: String = name.chars().map(plain).collect();
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// One range of bytes (RFC 9110, 14); several, and what is no range, are answered by all of it.
fn wanted(range: &str, size: u64) -> Wanted {
    let one = range.trim().strip_prefix("bytes=").map(str::trim);
    let Some((first, last)) = one.and_then(|one| one.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let part = match (first, last) {
        ("", last) => match number(last) {
            Some(count) => size.saturating_sub(count)..size,
            None => return Wanted::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Wanted::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Wanted::All,
        },
    };
    match part.start < part.end {
        true => Wanted::Part(part),
        false => Wanted::Beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=2-4", Wanted::Part(2..5)),
            ("bytes=2-400", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=4-2", Wanted::All),
            ("bytes=a-", Wanted::All),
            ("bytes=-", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=99999999999999999999-", Wanted::All),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
    }

    #[test]
    fn a_name_ends_no_header() {
        assert_eq!(
            disposition("Jahres\"bericht\r\nx.pdf"),
            "attachment; filename=\"Jahres_bericht__x.pdf\"; filename*=UTF-8''Jahres%22bericht%0D%0Ax.pdf"
        );
        assert!(disposition("ä.pdf").ends_with("filename=\"_.pdf\"; filename*=UTF-8''%C3%A4.pdf"));
    }
}
