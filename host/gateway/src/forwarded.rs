//! Where a request comes from and what it was sent to, if proxies stand before this server.
//!
//! Anybody can write `Forwarded` (RFC 7239) and `X-Forwarded-*`. So they are read from the end, where
//! the nearest proxy wrote, and only as far as trusted proxies wrote: what stands before that, the
//! client may have invented.

use crate::authority::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The networks of the proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What trusted proxies say of a request. Without them it is what the socket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The client's address, with port 0 if that is not known.
    pub(crate) client: SocketAddr,
    /// Whether the client spoke TLS, if a proxy says.
    pub(crate) https: Option<bool>,
    /// The host that the client named, if a proxy says.
    pub(crate) authority: Option<Authority>,
}

/// What one proxy says of who came to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hop {
    client: Option<SocketAddr>,
    https: Option<bool>,
    authority: Option<Authority>,
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Whether what comes from this address is a proxy's word.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// A list by commas or blanks.
    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text
            .split([',', ' ', '\t', '\n'])
            .filter(|network| !network.is_empty());
        networks.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = |text: &str| Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
    text.parse().ok().or_else(|| address(text)).ok_or_else(|| {
        format!("`{text}` is no address or network; write it as 10.0.0.7, 10.0.0.0/8 or fd00::/8")
    })
}

// === impl Told ===

impl Told {
    /// What is believed of a request from this peer with these headers.
    pub(crate) fn by(peer: SocketAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let mut told = Self {
            client: canonical(peer),
            https: None,
            authority: None,
        };
        if !trusted.trusts(peer.ip()) {
            return told;
        }
        if headers.contains_key(header::FORWARDED) {
            told.follow(forwarded(headers), trusted);
        } else {
            told.follow(x_forwarded(headers), trusted);
        }
        told
    }

    /// Goes back from proxy to proxy, until one is not trusted or what it wrote is not understood.
    fn follow(&mut self, hops: Vec<Option<Hop>>, trusted: &TrustedProxies) {
        for hop in hops {
            let Some(hop) = hop else { return };
            self.https = hop.https.or(self.https);
            self.authority = hop.authority.or_else(|| self.authority.take());
            let Some(client) = hop.client else { return };
            self.client = client;
            if !trusted.trusts(client.ip()) {
                return;
            }
        }
    }
}

/// What `Forwarded` says, from the last to the first. `None` stands for what breaks its grammar.
fn forwarded(headers: &HeaderMap) -> Vec<Option<Hop>> {
    let lines = headers.get_all(header::FORWARDED).into_iter().rev();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines
        .flat_map(|line| {
            let elements = outside_quotes(&line, ',').into_iter();
            elements.map(element).collect::<Vec<_>>()
        })
        .collect()
}

fn element(text: &str) -> Option<Hop> {
    let mut hop = Hop::default();
    let (mut has_for, mut has_proto, mut has_host) = (false, false, false);
    for pair in outside_quotes(text, ';') {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        // Each stands there once, or which one holds?
        let once = |seen: &mut bool| (!std::mem::replace(seen, true)).then_some(());
        match name.to_ascii_lowercase().as_str() {
            "for" => {
                once(&mut has_for)?;
                hop.client = node(&value)?;
            }
            "proto" => {
                once(&mut has_proto)?;
                hop.https = is_https(&value);
            }
            "host" => {
                once(&mut has_host)?;
                hop.authority = authority(&value);
            }
            _ => {}
        }
    }
    Some(hop)
}

/// What `X-Forwarded-*` say, from the last to the first. Proxies lengthen the list of addresses and mostly
/// set the others anew: those belong together place by place if there are as many, else the last counts.
fn x_forwarded(headers: &HeaderMap) -> Vec<Option<Hop>> {
    let (clients, protos, hosts) = (
        list(headers, &FOR),
        list(headers, &PROTO),
        list(headers, &HOST),
    );
    let hops = clients.len().max(1);
    let beside = |values: &[String], hop: usize| -> Option<String> {
        let belongs = hop == 0 || values.len() == hops;
        values.get(hop).filter(|_| belongs).cloned()
    };
    (0..hops)
        .map(|hop| {
            Some(Hop {
                client: match clients.get(hop) {
                    Some(client) => node(client)?,
                    None => None,
                },
                https: beside(&protos, hop).and_then(|proto| is_https(&proto)),
                authority: beside(&hosts, hop).and_then(|host| authority(&host)),
            })
        })
        .collect()
}

/// A list by commas, from the last to the first.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).into_iter().rev();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines
        .flat_map(|line| {
            let entries = line.rsplit(',').map(|entry| entry.trim().to_owned());
            entries.collect::<Vec<_>>()
        })
        .collect()
}

/// The parts between separators that do not stand in quotes, from the last to the first: an odd quote of
/// a client's does not spoil what a proxy wrote behind it.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut end, mut quoted) = (Vec::new(), text.len(), false);
    for (at, c) in text.char_indices().rev() {
        let before = text.get(..at).unwrap_or_default();
        if c == '"' && !is_escaped(before) {
            quoted = !quoted;
        } else if c == separator && !quoted {
            parts.extend(text.get(at + c.len_utf8()..end));
            end = at;
        }
    }
    parts.extend(text.get(..end));
    parts
}

fn is_escaped(before: &str) -> bool {
    let escapes = before.bytes().rev().take_while(|byte| *byte == b'\\');
    escapes.count() % 2 == 1
}

/// A value without its quotes. Without quotes it may have what addresses have, though the grammar
/// wants these quoted.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        let plain = |c: char| c.is_ascii_graphic() && !"\"\\".contains(c);
        return value.chars().all(plain).then(|| value.to_owned());
    };
    let mut text = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

/// An address with perhaps a port; `Some(None)` if the proxy keeps it to itself, `None` if it is
/// neither.
fn node(text: &str) -> Option<Option<SocketAddr>> {
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Some(None);
    }
    // A port may be kept secret too.
    let text = match text.rsplit_once(':') {
        Some((address, port)) if port.starts_with('_') => address,
        _ => text,
    };
    let bracketed = |text: &str| {
        let address: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        Some(IpAddr::V6(address))
    };
    let address = text.parse::<IpAddr>().ok().or_else(|| bracketed(text));
    let node = match address {
        Some(address) => SocketAddr::new(address, 0),
        None => text.parse().ok()?,
    };
    Some(Some(canonical(node)))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_https(proto: &str) -> Option<bool> {
    match proto.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

fn authority(text: &str) -> Option<Authority> {
    Authority::read(HeaderValue::from_str(text).ok()?)
}

/// Whether a header is of those that proxies write.
pub(crate) fn is_written_by_proxies(name: &str) -> bool {
    name == "forwarded" || name.starts_with("x-forwarded-") || name == "x-real-ip"
}

/// Tells a component what trusted proxies say, one value each.
pub(crate) fn tell(headers: &mut HeaderMap, client: IpAddr, https: bool, host: Option<&Authority>) {
    if let Ok(client) = HeaderValue::try_from(client.to_string()) {
        headers.insert(FOR, client);
    }
    let proto = if https { "https" } else { "http" };
    headers.insert(PROTO, HeaderValue::from_static(proto));
    if let Some(host) = host {
        headers.insert(HOST, host.value().clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    const TRUSTED: &str = "10.0.0.0/8, fd00::/8";

    fn told(peer: &str, headers: &[(&str, &str)]) -> (String, Option<bool>, Option<String>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer: IpAddr = peer.parse().unwrap();
        let told = Told::by(SocketAddr::new(peer, 4711), &map, &TRUSTED.parse().unwrap());
        let authority = told.authority.map(|authority| authority.text().to_owned());
        (told.client.to_string(), told.https, authority)
    }

    fn client(value: &str) -> String {
        told("10.0.0.1", &[("forwarded", value)]).0
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let said = [
            ("forwarded", "for=192.0.2.1;proto=https;host=a.example"),
            ("x-forwarded-for", "192.0.2.2"),
        ];
        let nothing = ("198.51.100.7:4711".to_owned(), None, None);
        assert_eq!(told("198.51.100.7", &said), nothing);
        let all = (
            "192.0.2.1:0".to_owned(),
            Some(true),
            Some("a.example".to_owned()),
        );
        assert_eq!(told("10.0.0.1", &said), all);
        assert_eq!(told("::ffff:10.0.0.1", &said), all);
        assert_eq!(told("fd00::1", &said), all);
        assert_eq!(told("10.0.0.1", &said[1..]).0, "192.0.2.2:0");
        assert_eq!(told("10.0.0.1", &[]).0, "10.0.0.1:4711");
    }

    #[test]
    fn hops_are_followed_from_the_last_to_the_first_that_is_not_trusted() {
        let (client, https, host) = told(
            "10.0.0.1",
            &[
                (
                    "forwarded",
                    "for=6.6.6.6;host=evil.example, for=192.0.2.1;proto=https;host=a.example",
                ),
                (
                    "Forwarded",
                    "For=10.0.0.3; Proto=http;host=b.example ,for=10.0.0.2;proto=http",
                ),
            ],
        );
        assert_eq!(client, "192.0.2.1:0");
        assert_eq!((https, host.as_deref()), (Some(true), Some("a.example")));
        let lists = [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "http, https,http"),
            ("x-forwarded-host", "evil.example, a.example, b.example"),
        ];
        let (client, https, host) = told("10.0.0.1", &lists);
        assert_eq!(client, "192.0.2.1:0");
        assert_eq!((https, host.as_deref()), (Some(true), Some("a.example")));
        // Set anew by the last proxy, they do not go with the addresses.
        let last = [
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
        ];
        let (_, https, host) = told("10.0.0.1", &last);
        assert_eq!((https, host.as_deref()), (Some(true), Some("a.example")));
        assert_eq!(
            told("10.0.0.1", &[("x-forwarded-proto", "HTTPS")]).1,
            Some(true)
        );
        assert_eq!(told("10.0.0.1", &[("x-forwarded-proto", "gopher")]).1, None);
        assert_eq!(told("10.0.0.1", &[("x-forwarded-host", "a b")]).2, None);
    }

    #[test]
    fn addresses_are_written_in_many_ways() {
        for (written, meant) in [
            ("for=192.0.2.1", "192.0.2.1:0"),
            ("for=\"192.0.2.1:8080\"", "192.0.2.1:8080"),
            ("for=192.0.2.1:8080", "192.0.2.1:8080"),
            ("for=\"192.0.2.1:_port\"", "192.0.2.1:0"),
            ("FOR=\"[2001:DB8::1]\"", "[2001:db8::1]:0"),
            ("for=\"[2001:db8::1]:4711\"", "[2001:db8::1]:4711"),
            ("for=\"[2001:db8::1]:_port\"", "[2001:db8::1]:0"),
            ("for=\"[::ffff:192.0.2.1]\"", "192.0.2.1:0"),
            ("for=\"192\\.0.2.1\";by=\"a,b;c\";ext=1", "192.0.2.1:0"),
            (";for=192.0.2.1;", "192.0.2.1:0"),
        ] {
            assert_eq!(client(written), meant, "{written}");
        }
    }

    #[test]
    fn what_is_not_understood_ends_the_way_back() {
        for (written, known) in [
            ("for=unknown", "10.0.0.1:4711"),
            ("for=192.0.2.1, for=_hidden", "10.0.0.1:4711"),
            ("for=192.0.2.1, for=Unknown, for=10.0.0.2", "10.0.0.2:0"),
            ("for=192.0.2.1, for=10.0.0.300, for=10.0.0.2", "10.0.0.2:0"),
            ("for=192.0.2.1, proto=https", "10.0.0.1:4711"),
            ("for=192.0.2.1, ", "10.0.0.1:4711"),
            ("for=192.0.2.1, for=10.0.0.2;for=10.0.0.3", "10.0.0.1:4711"),
            ("for=192.0.2.1, for=\"10.0.0.2", "10.0.0.1:4711"),
            ("for=\"192.0.2.1, for=10.0.0.2", "10.0.0.2:0"),
            // The client opens quotes, in which it would like to see what the proxy adds.
            (
                "for=6.6.6.6, for=\", for=\"[2001:db8::9]\"",
                "[2001:db8::9]:0",
            ),
            ("for=10.0.0.2 for=192.0.2.1", "10.0.0.1:4711"),
            ("192.0.2.1", "10.0.0.1:4711"),
        ] {
            assert_eq!(client(written), known, "{written}");
        }
        let hidden = told(
            "10.0.0.1",
            &[("forwarded", "for=_a;proto=https;host=a.example")],
        );
        assert_eq!(
            (hidden.1, hidden.2.as_deref()),
            (Some(true), Some("a.example"))
        );
        for entry in [
            "",
            "unknown",
            "a",
            "1.2.3",
            "1.2.3.4.5",
            "::g",
            "[::1",
            "1.2.3.4:x",
        ] {
            let list = format!("192.0.2.1, {entry}");
            let (client, ..) = told("10.0.0.1", &[("x-forwarded-for", &list)]);
            assert_eq!(client, "10.0.0.1:4711", "{entry:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_does_harm(
            forwarded in proptest::collection::vec("(\\PC|[;=,\"\\\\]|for|proto)*", 0..4),
            addresses in "[0-9a-f:.,\\[\\]_ unkow\"]*",
            proto in "[a-z, ]*",
        ) {
            let mut headers = HeaderMap::new();
            for line in &forwarded {
                if let Ok(line) = HeaderValue::from_bytes(line.as_bytes()) {
                    headers.append(header::FORWARDED, line);
                }
            }
            headers.append(FOR, HeaderValue::from_str(&addresses).unwrap());
            headers.append(PROTO, HeaderValue::from_str(&proto).unwrap());
            let trusted = TRUSTED.parse().unwrap();
            let peer = "10.0.0.1:1".parse().unwrap();
            Told::by(peer, &headers, &trusted);
            headers.remove(header::FORWARDED);
            Told::by(peer, &headers, &trusted);
        }

        #[test]
        fn whatever_clients_write_before_it_the_last_word_is_the_proxys(
            invented in "\\PC{0,40}",
            client in any::<std::net::Ipv4Addr>(),
        ) {
            let trusted: TrustedProxies = TRUSTED.parse().unwrap();
            prop_assume!(!trusted.trusts(client.into()));
            for (name, last) in [
                (header::FORWARDED, format!("{invented}, for={client}")),
                (FOR, format!("{invented}, {client}")),
            ] {
                let value = HeaderValue::from_bytes(last.as_bytes()).unwrap();
                let headers = HeaderMap::from_iter([(name, value)]);
                let told = Told::by("10.0.0.1:1".parse().unwrap(), &headers, &trusted);
                prop_assert_eq!(told.client.ip(), IpAddr::from(client));
            }
        }

        #[test]
        fn what_is_quoted_is_read_back(text in "[ -~]*") {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(unquoted(&format!("\"{quoted}\"")), Some(text));
        }
    }
}
