//! `GET /`: a small page that says what runs here and where to go.

use crate::headers::secure_page;
use crate::routes::Routes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use sbd_runtime::{Body, body};
use serde_json::json;
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;\
color:#1c1c1c;background:#fff}code{font-size:.95em}td{padding:.1rem 1.5rem .1rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8ab4f8}}";

/// Where a visitor may go next: path, what is there.
const PLACES: [(&str, &str); 4] = [
    ("/docs", "browse the API"),
    ("/openapi.json", "the API as OpenAPI 3.1"),
    ("/healthz", "is the server alive?"),
    ("/readyz", "does it take requests?"),
];

/// Both forms of the page, made once.
pub(crate) struct Home {
    html: Bytes,
    json: Bytes,
    policy: HeaderValue,
}

impl Home {
    pub(crate) fn new(
        name: &str,
        version: &str,
        description: Option<&str>,
        routes: &Routes,
    ) -> Self {
        let hash = STANDARD.encode(ring::digest::digest(
            &ring::digest::SHA256,
            STYLE.as_bytes(),
        ));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
        let listed: Vec<_> = routes
            .listed()
            .map(|(route, component)| json!({ "route": route, "component": component }))
            .collect();
        let places: serde_json::Map<_, _> = PLACES
            .iter()
            .map(|(path, what)| ((*path).to_owned(), (*what).into()))
            .collect();
        let json = json!({
            "name": name,
            "version": version,
            "description": description,
            "go_to": places,
            "routes": listed,
        });
        Self {
            html: Bytes::from(html(name, version, description, routes)),
            json: Bytes::from(json.to_string()),
            policy: HeaderValue::try_from(policy)
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// HTML for browsers, JSON for whoever asks for it.
    pub(crate) fn page(&self, request: &HeaderMap) -> Response<Body> {
        let (bytes, kind) = if wants_json(request) {
            (self.json.clone(), "application/json")
        } else {
            (self.html.clone(), "text/html; charset=utf-8")
        };
        let mut response = Response::new(body::full(bytes));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        secure_page(headers, self.policy.clone());
        response
    }
}

/// JSON is named and HTML is not: curl's `*/*` gets the page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = |kind: &str| {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
    };
    accepts("application/json") && !accepts("text/html")
}

fn html(name: &str, version: &str, description: Option<&str>, routes: &Routes) -> String {
    let name = escape(name);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{name}</title><style>{STYLE}</style></head><body><h1>{name}</h1><p>{}",
        escape(version)
    );
    // Writing to a String cannot fail.
    if let Some(description) = description {
        let _ = write!(page, " {}", escape(description));
    }
    page.push_str("</p><table>");
    for (path, what) in PLACES {
        let _ = write!(
            page,
            "<tr><td><a href=\"{path}\">{path}</a></td><td>{what}</td></tr>"
        );
    }
    page.push_str("</table><h2>What answers here</h2><table>");
    for (route, component) in routes.listed() {
        let (route, component) = (escape(route), escape(component));
        let _ = write!(
            page,
            "<tr><td><code>{route}</code></td><td>{component}</td></tr>"
        );
    }
    page.push_str("</table></body></html>");
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
