//! What a page loads beside itself: from our own path, and once.

use axum::response::{IntoResponse, Response};
use http::header;

/// How pages look: in light and dark, on a phone first.
pub const LOOK: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    text: include_str!("look.css"),
};

/// A file that goes with pages. A browser asks whether it has changed, and is told by its entity tag.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// What it is.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type.to_owned()),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
            (header::ETAG, format!("\"{:016x}\"", fingerprint(self.text))),
        ];
        (headers, self.text).into_response()
    }
}

/// FNV-1a: whoever wrote both texts is us.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_has_another_tag() {
        let tag = |text| Asset { text, ..LOOK }.into_response().headers()["etag"].clone();
        assert_eq!(tag("a"), tag("a"));
        assert_ne!(tag("a"), tag("b"));
        assert_eq!(tag(""), "\"cbf29ce484222325\"");
    }

    #[test]
    fn the_look_loads_nothing_from_elsewhere() {
        assert!(!LOOK.text.contains("url(") && !LOOK.text.contains("@import"));
    }
}
