//! `/docs`: Swagger UI from the binary, so that it works without a network.

use crate::headers::secure_page;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use sbd_runtime::{Body, body};
use std::borrow::Cow;
use std::sync::Arc;
use utoipa_swagger_ui::Config;

/// Scripts and data from this origin only. Swagger UI sets style attributes and draws its icons
/// from `data:` addresses; nothing else is let through.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The viewer, set up to read `/openapi.json`.
pub(crate) struct Docs {
    config: Arc<Config<'static>>,
}

impl Docs {
    pub(crate) fn new() -> Self {
        // Without "none" the viewer sends the document's address to an outside validator.
        let config = Config::from("/openapi.json")
            .validator_url("none")
            .use_base_layout();
        Self {
            config: Arc::new(config),
        }
    }

    /// The file behind `/docs` or `/docs/...`, if there is one.
    pub(crate) fn file(&self, path: &str) -> Option<Response<Body>> {
        let tail = path.strip_prefix("/docs")?;
        let tail = tail.strip_prefix('/').unwrap_or(tail);
        let file = match utoipa_swagger_ui::serve(tail, Arc::clone(&self.config)) {
            Ok(file) => file?,
            Err(error) => {
                tracing::error!(%error, tail, "the API viewer's file cannot be served");
                return None;
            }
        };
        let page = tail.is_empty() || tail == "index.html";
        let bytes = match file.bytes {
            Cow::Borrowed(bytes) if page => Bytes::from(absolute(bytes)),
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let mut response = Response::new(body::full(bytes));
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::try_from(file.content_type) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        secure_page(headers, HeaderValue::from_static(POLICY));
        Some(response)
    }
}

/// The page's links as absolute paths, so that `/docs` works as well as `/docs/`.
fn absolute(page: &[u8]) -> String {
    String::from_utf8_lossy(page)
        .replace("\"./", "\"/docs/")
        .replace("\"index.css\"", "\"/docs/index.css\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use http_body_util::BodyExt as _;

    async fn text(path: &str) -> String {
        let body = Docs::new().file(path).unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_and_all_it_loads_come_from_here() {
        let page = text("/docs").await;
        assert_eq!(page, text("/docs/").await);
        let links: Vec<&str> = page
            .split('"')
            .filter(|part| part.starts_with("/docs/") || part.contains("://"))
            .collect();
        assert!(links.len() >= 6, "{page}");
        for link in links {
            assert!(Docs::new().file(link).is_some(), "{link}");
        }
        let start = text("/docs/swagger-initializer.js").await;
        assert!(
            start.contains("\"/openapi.json\"") && start.contains("\"validatorUrl\": \"none\""),
            "{start}"
        );
        assert!(!start.contains("https:"), "{start}");
        assert!(Docs::new().file("/docs/nothing.js").is_none());
    }
}
