//! Keeps what is put as a blob, and gives it back.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, header};
use sbd_sdk::{Component, Error, Json, NoContent, Path, Query, Result, blobs};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which bytes; all if nothing is said.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    from: u64,
    to: Option<u64>,
}

#[derive(Deserialize)]
struct Prefix {
    prefix: String,
}

/// Puts a file.
async fn put(Path(name): Path<String>, headers: HeaderMap, body: Body) -> Result<Json<Value>> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream");
    let blob = blobs::put(&name, content_type, body).await?;
    Ok(Json(json!({"bytes": blob.size, "sha256": blob.sha256})))
}

/// Sends a file, or a part of it.
async fn read(Path(name): Path<String>, Query(part): Query<Part>) -> Result<Response> {
    let found = blobs::stream(&name, part.from..part.to.unwrap_or(u64::MAX)).await?;
    let (blob, body) = found.ok_or_else(|| Error::not_found("file"))?;
    Ok(([(header::CONTENT_TYPE, blob.content_type)], body).into_response())
}

async fn delete(Path(name): Path<String>) -> Result<NoContent> {
    match blobs::delete(&name).await? {
        true => Ok(NoContent),
        false => Err(Error::not_found("file")),
    }
}

async fn names() -> Result<Json<Vec<String>>> {
    let page = blobs::list("", None, 1000).await?;
    Ok(Json(page.blobs.into_iter().map(|blob| blob.name).collect()))
}

async fn delete_all(Query(Prefix { prefix }): Query<Prefix>) -> Result<Json<u64>> {
    blobs::delete_all(&prefix).await.map(Json)
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .route("/files", get(names).delete(delete_all))
        .route("/files/{*name}", get(read).put(put).delete(delete))
}

sbd_sdk::component!(component);
