//! Headers that the gateway drops, sets and adds.

use crate::forwarded::is_written_by_proxies;
use crate::routes::Matched;
use crate::sender::Sender;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::net::SocketAddr;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// Drops what only the host may say to a guest: `sbd-*`, `spin-*`, the request id, and what proxies
/// write.
pub(crate) fn drop_reserved(headers: &mut HeaderMap) {
    remove_all(headers, |name| {
        name.starts_with("sbd-") || name.starts_with("spin-") || is_written_by_proxies(name)
    });
    headers.remove(REQUEST_ID);
}

/// Drops what only the host may hear from a guest: `sbd-*`.
pub(crate) fn drop_internal(headers: &mut HeaderMap) {
    remove_all(headers, |name| name.starts_with("sbd-"));
}

/// Makes one field of several (RFC 9113, 8.2.3). HTTP/2 lets clients send each cookie on its own, which
/// those who know HTTP/1.1 do not expect.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).into_iter();
    if cookies.by_ref().take(2).count() < 2 {
        return;
    }
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let cookies: Vec<&[u8]> = cookies.map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

fn remove_all(headers: &mut HeaderMap, reserved: impl Fn(&str) -> bool) {
    // Almost always none: then nothing is allocated.
    while let Some(name) = headers.keys().find(|name| reserved(name.as_str())).cloned() {
        headers.remove(name);
    }
}

/// Adds the headers by which Spin tells a component how it was reached.
pub(crate) fn add_spin(headers: &mut HeaderMap, uri: &Uri, matched: &Matched<'_>, sender: &Sender) {
    let host = sender.authority.as_ref();
    let host = host.map_or("localhost", |authority| authority.text());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut url = Vec::with_capacity("https://".len() + host.len() + path.len());
    url.extend_from_slice(sender.scheme().as_bytes());
    url.extend_from_slice(b"://");
    url.extend_from_slice(host.as_bytes());
    url.extend_from_slice(path.as_bytes());
    if let Ok(url) = HeaderValue::from_maybe_shared(bytes::Bytes::from(url)) {
        headers.insert(FULL_URL, url);
    }
    if let Ok(rest) = HeaderValue::from_str(matched.rest) {
        headers.insert(PATH_INFO, rest);
    }
    let route = matched.route;
    headers.insert(MATCHED_ROUTE, route.pattern_header.clone());
    headers.insert(RAW_COMPONENT_ROUTE, route.pattern_header.clone());
    headers.insert(COMPONENT_ROUTE, route.prefix_header.clone());
    headers.insert(BASE_PATH, HeaderValue::from_static("/"));
    headers.insert(CLIENT_ADDR, sender.header.clone());
    for (name, value) in &matched.params {
        // As Spin writes it: the names of headers are lower-case words joined by hyphens.
        let name = name.replace('_', "-").to_ascii_lowercase();
        let name = HeaderName::try_from(format!("spin-path-match-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// A socket address as header value.
pub(crate) fn address(address: SocketAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What goes out on each response, whoever made it.
pub(crate) fn finish(headers: &mut HeaderMap, request_id: HeaderValue) {
    headers.insert(REQUEST_ID, request_id);
    // A browser must never take an uploaded text for a page of this origin.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// Locks one of our own pages down to what `policy` names.
pub(crate) fn secure_page(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}
