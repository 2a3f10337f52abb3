//! What other components ask for: a document as structure, a page as a picture. Nobody outside reaches it.

use crate::formats::pdf;
use crate::reading::{self, Said};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use document::lines;
use http::{HeaderMap, StatusCode, header};
use sbd_sdk::{Error, Query, Result};
use serde::Deserialize;

/// The largest document that is read.
const LARGEST: usize = 50 << 20;

/// What is said of a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// What its file is called.
    name: Option<String>,
}

/// `POST /parse?name=report.pdf`, the document as body with its content type: the lines of a document.
pub(crate) async fn parse(
    Query(named): Query<Named>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response> {
    let bytes = body(request).await?;
    let content_type = headers.get(header::CONTENT_TYPE);
    let said = Said {
        name: named.name.as_deref(),
        content_type: content_type.and_then(|value| value.to_str().ok()),
    };
    let (document, blocks) = reading::read(&bytes, said).map_err(unsupported)?;
    // Blocks become text when they are sent, so that they are never there twice.
    drop(bytes);
    let first = std::iter::once(lines::first(&document));
    let all = first.chain(blocks.into_iter().map(|block| lines::next(&block)));
    let body = Body::from_stream(futures::stream::iter(all));
    Ok(([(header::CONTENT_TYPE, lines::CONTENT_TYPE)], body).into_response())
}

/// Which page, and how large.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Which page, from 1.
    page: u32,
    /// Dots an inch; 200 unless it says otherwise, and less where the page is huge.
    dpi: Option<u16>,
}

/// `POST /draw?page=3&dpi=200`, a PDF as body: the page as a PNG picture.
pub(crate) async fn draw(Query(wanted): Query<Wanted>, request: Request) -> Result<Response> {
    let bytes = body(request).await?;
    let dpi = wanted.dpi.unwrap_or(200).clamp(36, 300);
    let picture = pdf::draw(bytes, wanted.page, dpi)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
}

async fn body(request: Request) -> Result<Bytes> {
    axum::body::to_bytes(request.into_body(), LARGEST)
        .await
        .map_err(|_| {
            Error::body_too_large(
                "the document is larger than 50 MiB, or broke off; split it and upload its parts",
            )
        })
}

fn unsupported(why: &'static str) -> Error {
    Error::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        why,
    )
}
