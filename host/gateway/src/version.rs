//! The API's version by `Accept: application/vnd.sbd.v1+json` instead of by path.

use http::request::Parts;
use http::{Uri, header, uri::PathAndQuery};

const API: &str = "/api/";

/// The address with its version, if the path names none and `Accept` does.
pub(crate) fn select(parts: &Parts) -> Option<Uri> {
    let rest = parts.uri.path().strip_prefix(API)?;
    let first = rest.split('/').next().unwrap_or_default();
    if is_version(first) {
        return None;
    }
    let version = parts
        .headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(named)?;
    let query = parts
        .uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let path = PathAndQuery::try_from(format!("{API}{version}/{rest}{query}")).ok()?;
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = Some(path);
    Uri::from_parts(uri).ok()
}

/// The `v1` of `application/vnd.sbd.v1+json;q=0.9`.
fn named(media_type: &str) -> Option<&str> {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    let version = kind
        .strip_prefix("application/vnd.sbd.")?
        .strip_suffix("+json")?;
    is_version(version).then_some(version)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use http::Request;

    fn selected(uri: &str, accept: &str) -> Option<String> {
        let request = Request::get(uri).header("accept", accept).body(()).unwrap();
        select(&request.into_parts().0).map(|uri| uri.to_string())
    }

    #[test]
    fn the_accept_header_chooses_where_the_path_does_not() {
        let v1 = "text/html, application/vnd.sbd.v1+json;q=0.9";
        assert_eq!(
            selected("/api/families?page=2", v1).unwrap(),
            "/api/v1/families?page=2"
        );
        assert_eq!(
            selected("http://h/api/a/b", v1).unwrap(),
            "http://h/api/v1/a/b"
        );
        assert_eq!(
            selected("/api/families", "application/vnd.sbd.v2+json").unwrap(),
            "/api/v2/families"
        );
        assert_eq!(selected("/api/v1/families", v1), None);
        assert_eq!(selected("/other", v1), None);
        for accept in [
            "*/*",
            "application/json",
            "application/vnd.sbd.vx+json",
            "application/vnd.sbd.v1+xml",
        ] {
            assert_eq!(selected("/api/families", accept), None, "{accept}");
        }
    }
}
