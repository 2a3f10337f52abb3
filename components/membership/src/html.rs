//! Pages for people: charts and words, without scripts and without anything from elsewhere.

use crate::chart::escaped;
use http::{HeaderMap, HeaderName, header};

/// What such a page may load: nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}svg{display:block;max-width:100%;height:auto;margin:2rem 0}";

/// The headers of a page: what it is, and that it runs nothing.
pub const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::VARY, "accept"),
];

/// Whether the first that is asked for is a page, as browsers do.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let first = accept.and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/html"))
}

/// A page of this title, with one paragraph of text and charts below it.
pub fn of(title: &str, text: &str, charts: &[String]) -> String {
    let (title, text, charts) = (escaped(title), escaped(text), charts.concat());
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1><p>{text}</p>{charts}</body></html>"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_page_is_for_whoever_asks_for_one_first() {
        for (accept, wanted) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            (" Text/HTML ;q=1", true),
            ("application/json, text/html", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(is_wanted(&headers), wanted, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn what_is_said_is_text() {
        let page = of("<script>", "a & b", &["<svg></svg>".to_owned()]);
        assert!(
            !page.contains("<script>") && page.contains("&lt;script&gt;"),
            "{page}"
        );
        assert!(
            page.contains("<p>a &amp; b</p><svg></svg></body>"),
            "{page}"
        );
    }
}
