//! What a request brings to say who sends it. There are four ways, as browsers can set no header on a
//! WebSocket or a stream of events: the header, a sub-protocol beside the one that is spoken, where a
//! route takes them a ticket, which stands in the address and is worth nothing once it was used, and the
//! cookie of a session.

use crate::error::Refusal;
use crate::site::Site;
use crate::tickets::Tickets;
use http::{HeaderMap, HeaderValue, header};
use sbd_contract::session_cookie;

/// Longest token that is looked at. Ours have a few hundred bytes.
const LONGEST_TOKEN: usize = 4096;

/// What the sub-protocol begins with that carries a token.
const BEARER_PROTOCOL: &str = "bearer.";

/// What a ticket is called in the query.
const TICKET: &str = "ticket";

/// Where a request may say who sends it.
pub(crate) struct Brought<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// The query, on a route that takes tickets.
    pub(crate) ticketed: Option<(&'a Tickets, Option<&'a str>)>,
    /// Where the request is from, if a cookie counts here.
    pub(crate) site: Option<Site<'a>>,
    /// Whether whoever answers has clients of its own, which say by `Basic` who they are. To us they are nobody.
    pub(crate) clients: bool,
}

/// What a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// Nothing: it is anybody's.
    None,
    /// An access token.
    Token(&'a str),
    /// A ticket, for a route that takes them.
    Ticket(&'a str),
    /// The cookie of a session, which browsers send along whoever asked them to.
    Cookie(&'a str),
}

// === impl Brought ===

impl<'a> Brought<'a> {
    /// By which way the request says who sends it. More than one is refused: it would be chance who the
    /// sender is.
    pub(crate) fn credentials(&self) -> Result<Credentials<'a>, Refusal> {
        let query = self.ticketed.and_then(|(_, query)| query);
        let token = match self.clients && is_basic(self.headers) {
            true => None,
            false => bearer(self.headers)?.map(Credentials::Token),
        };
        let protocol = protocol(self.headers)?.map(Credentials::Token);
        let ticket = ticket(query.unwrap_or_default())?.map(Credentials::Ticket);
        let cookie = match &self.site {
            Some(site) => cookie(self.headers, site.cookie())?.map(Credentials::Cookie),
            None => None,
        };
        let mut brought = [token, protocol, ticket, cookie].into_iter().flatten();
        let first = brought.next().unwrap_or(Credentials::None);
        match brought.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::token_invalid(
                "The request says twice who sends it; send one of the Authorization header, the sub-protocol, a ticket and the session's cookie (a page leaves the cookie out by `credentials: \"omit\"`).",
            )),
        }
    }
}

/// Takes the secrets out of a request's headers: whoever answers gets to know who asks, and no more; and what a client
/// of its own shows, if it has any.
pub(crate) fn remove(headers: &mut HeaderMap, clients: bool) {
    if !(clients && is_basic(headers)) {
        headers.remove(header::AUTHORIZATION);
    }
    remove_protocol(headers);
    remove_cookie(headers);
}

fn remove_protocol(headers: &mut HeaderMap) {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    if !protocols(offered.iter()).any(|offered| offered.starts_with(BEARER_PROTOCOL)) {
        return;
    }
    let left: Vec<_> = protocols(offered.iter())
        .filter(|offered| !offered.starts_with(BEARER_PROTOCOL))
        .collect();
    let left = HeaderValue::try_from(left.join(", ")).ok();
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(left) = left.filter(|left| !left.is_empty()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, left);
    }
}

/// Takes the cookies of sessions away, of whichever scheme, and leaves the others.
fn remove_cookie(headers: &mut HeaderMap) {
    let is_ours = |cookie: &str| {
        let name = cookie.split_once('=').map_or(cookie, |(name, _)| name);
        [session_cookie::SECURE, session_cookie::PLAIN].contains(&name.trim())
    };
    let lines = headers.get_all(header::COOKIE).iter();
    let mut cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    if !cookies.any(|cookie| is_ours(&String::from_utf8_lossy(cookie))) {
        return;
    }
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let left: Vec<&[u8]> = cookies
        .map(<[u8]>::trim_ascii)
        .filter(|cookie| !is_ours(&String::from_utf8_lossy(cookie)))
        .collect();
    let left = HeaderValue::from_bytes(&left.join(&b"; "[..])).ok();
    headers.remove(header::COOKIE);
    if let Some(left) = left.filter(|left| !left.is_empty()) {
        headers.insert(header::COOKIE, left);
    }
}

/// Whether it is a name and a password, once.
fn is_basic(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let scheme = values.next().and_then(|value| value.as_bytes().get(..6));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")) && values.next().is_none()
}

/// The token of `Authorization: Bearer ...`, `None` without that header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let malformed = || {
        Refusal::token_invalid(
            "The Authorization header is not `Bearer` and one token; send that or none.",
        )
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(malformed)?;
    let token = token.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() && is_token(token) {
        Ok(Some(token))
    } else {
        Err(malformed())
    }
}

/// The token of the sub-protocol `bearer.{token}`.
fn protocol(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut tokens =
        protocols(offered.iter()).filter_map(|offered| offered.strip_prefix(BEARER_PROTOCOL));
    match (tokens.next(), tokens.next()) {
        (None, _) => Ok(None),
        (Some(token), None) if is_token(token) => Ok(Some(token)),
        _ => Err(Refusal::token_invalid(
            "The sub-protocol that says who connects is not `bearer.` and one token; send that or none.",
        )),
    }
}

fn protocols<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    let lists = values.filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// The value of the cookie of this name. One that cannot be ours is none: nobody but the browser chose to send
/// it.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let pairs = cookies.filter_map(|cookie| std::str::from_utf8(cookie).ok()?.split_once('='));
    let mut values = pairs.filter_map(|(known, value)| (known.trim() == name).then_some(value));
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(str::trim).filter(|value| is_token(value))),
        _ => Err(Refusal::token_invalid(
            "The request has two cookies of a session; delete the cookies of this site and sign in again.",
        )),
    }
}

/// The ticket of a query. Ours needs no encoding.
fn ticket(query: &str) -> Result<Option<&str>, Refusal> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut tickets = pairs.filter_map(|(name, value)| (name == TICKET).then_some(value));
    match (tickets.next(), tickets.next()) {
        (ticket, None) => Ok(ticket),
        _ => Err(Refusal::token_invalid(
            "The address has two tickets; send one.",
        )),
    }
}

fn is_token(token: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use http::Method;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let all = all.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        all.collect()
    }

    #[test]
    fn only_one_well_formed_bearer_token_is_read() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers)
                .map(|token| token.map(str::to_owned))
                .map_err(|_| ())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(
            read(&["Bearer abc.def-1_~+/=="]),
            Ok(Some("abc.def-1_~+/==".to_owned()))
        );
        assert_eq!(read(&["bEARER   x "]), Ok(Some("x".to_owned())));
        for bad in [
            "Bearer",
            "Bearer ",
            "Basic YTpi",
            "x",
            "",
            "Bearer a b",
            "Bearer a\"b",
            "Bearer a,b",
        ] {
            assert_eq!(read(&[bad]), Err(()), "{bad:?}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(()));
    }

    #[test]
    fn there_is_one_way_at_a_time() {
        let protocol = ("sec-websocket-protocol", "sbd.v1, bearer.abc.def");
        let header = ("authorization", "Bearer x");
        let read = |query: &str, all: &[(&'static str, &'static str)]| {
            let headers = headers(all);
            let (tickets, method) = (Tickets::default(), Method::GET);
            let brought = Brought {
                headers: &headers,
                ticketed: Some((&tickets, Some(query))),
                site: Some(Site::new(&method, &headers, false, None)),
                clients: false,
            };
            let read = brought.credentials().map(|read| format!("{read:?}"));
            read.ok()
        };
        let cookie = ("cookie", "a=b; sbd-session=c;__Host-sbd-session=d");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("", &[]), some("None"));
        assert_eq!(read("", &[protocol]), some("Token(\"abc.def\")"));
        assert_eq!(read("a=b&ticket=t", &[]), some("Ticket(\"t\")"));
        assert_eq!(read("", &[cookie]), some("Cookie(\"c\")"));
        for nobodys in [
            "__Host-sbd-session=d",
            "sbd-session",
            "sbd-session=",
            "sbd-session=\"c\"",
            "SBD-session=c",
            "sbd-sessions=c",
            "xsbd-session=c",
            "",
        ] {
            assert_eq!(read("", &[("cookie", nobodys)]), some("None"), "{nobodys}");
        }
        for (query, all) in [
            ("ticket=t", &[protocol][..]),
            ("ticket=t", &[header]),
            ("ticket=t&ticket=t", &[]),
            ("", &[protocol, header]),
            ("", &[cookie, header]),
            ("", &[cookie, protocol]),
            ("ticket=t", &[cookie]),
            ("", &[("cookie", "sbd-session=c; sbd-session=c")]),
            ("", &[("sec-websocket-protocol", "bearer.")]),
            ("", &[("sec-websocket-protocol", "bearer.a b")]),
            ("", &[("sec-websocket-protocol", "bearer.a, bearer.b")]),
        ] {
            assert_eq!(read(query, all), None, "{query} {all:?}");
        }
    }

    #[test]
    fn a_name_and_a_password_are_for_who_has_clients() {
        let basic = ("authorization", "bASIC YTpi");
        for (all, clients, left) in [
            (&[basic][..], true, true),
            (&[basic], false, false),
            (&[basic, basic], true, false),
            (&[basic, ("authorization", "Bearer x")], true, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in all {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let brought = Brought {
                headers: &headers,
                ticketed: None,
                site: None,
                clients,
            };
            let read = brought.credentials().ok();
            assert_eq!(read, left.then_some(Credentials::None), "{all:?} {clients}");
            remove(&mut headers, clients);
            assert_eq!(
                headers.contains_key("authorization"),
                left,
                "{all:?} {clients}"
            );
        }
    }

    #[test]
    fn whoever_answers_sees_no_secret() {
        let left = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
            for value in values {
                let value = HeaderValue::from_static(value);
                headers.append(header::SEC_WEBSOCKET_PROTOCOL, value);
            }
            remove(&mut headers, true);
            assert!(!headers.contains_key(header::AUTHORIZATION));
            let left = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
            left.map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert!(left(&["bearer.x"]).is_empty());
        assert_eq!(left(&["sbd.v1, bearer.x", "other"]), ["sbd.v1, other"]);
        assert_eq!(left(&["a", "b"]), ["a", "b"]);
        for (sent, left) in [
            ("a=b", Some("a=b")),
            ("sbd-session=c", None),
            (
                " sbd-session = c ;a=b;__Host-sbd-session=d; e",
                Some("a=b; e"),
            ),
            ("sbd-session; sbd-session=c", None),
            ("a=sbd-session; b", Some("a=sbd-session; b")),
        ] {
            let mut headers = headers(&[("cookie", sent)]);
            remove(&mut headers, false);
            let found = headers.get("cookie").map(|value| value.to_str().unwrap());
            assert_eq!(found, left, "{sent}");
        }
    }
}
