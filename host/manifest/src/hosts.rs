//! `allowed_outbound_hosts`: Spin's grammar of where a component may send requests.
//!
//! `scheme://host[:port]`. The scheme may be `*`; the host `*`, `*.domain`, a name, an address or a
//! network like `10.0.0.0/8`; the port a number, `*`, or a range `8000..9000` without its end.
//! Without a port it is the scheme's own. `self` is the application itself; its components are
//! hosts under `.spin.internal`.

use crate::template::Template;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use url::Host as Address;

/// The domain under which components reach each other.
const INTERNAL: &str = ".spin.internal";

/// The schemes that have a port of their own (Spin's list).
const PORTS: &[(&str, u16)] = &[
    ("http", 80),
    ("https", 443),
    ("postgres", 5432),
    ("mysql", 3306),
    ("redis", 6379),
    ("mqtt", 1883),
];

const FIX: &str = "write it like \"https://example.com\", \"http://*.example.com:8080\" or \"http://auth.spin.internal\"";

/// Where a component may send requests. Empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// As it stands in the manifest.
    text: String,
    meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Host(Host),
    /// Waits for the values of variables.
    Template(Template),
    /// A variable was empty: an endpoint that is optional, and not there.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    /// `None`: any.
    scheme: Option<String>,
    name: Name,
    ports: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    /// The application itself, in requests that name no host.
    Myself,
    /// `*.example.com`, kept as `.example.com`.
    Below(String),
    Within(IpNet),
    Exactly(Address),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ports {
    Any,
    Within(Range<u32>),
}

// === impl AllowedHosts ===

impl AllowedHosts {
    /// Adds an entry of the manifest.
    ///
    /// # Errors
    /// When it is none; says how to write it.
    pub fn add(&mut self, entry: &str) -> Result<(), String> {
        let meaning = if entry.contains("{{") {
            Meaning::Template(Template::parse(entry)?)
        } else {
            Meaning::Host(Host::parse(entry)?)
        };
        self.entries.push(Entry {
            text: entry.to_owned(),
            meaning,
        });
        Ok(())
    }

    /// Replaces the variables in its entries by their values. An entry whose variables leave
    /// nothing of it allows nothing, as in Spin.
    ///
    /// # Errors
    /// When a value is missing, or makes no entry; never shows a value.
    pub fn resolve(&self, values: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut resolved = self.clone();
        for entry in &mut resolved.entries {
            let Meaning::Template(template) = &entry.meaning else {
                continue;
            };
            let text = template
                .resolve(values)
                .map_err(|name| format!("variable `{name}` has no value"))?;
            entry.meaning = match text.as_str() {
                "" | "http://" | "https://" => Meaning::Nothing,
                text => Meaning::Host(Host::parse(text).map_err(|_| {
                    format!(
                        "with the values of its variables, `{}` is no host to allow; {FIX}",
                        entry.text
                    )
                })?),
            };
        }
        Ok(resolved)
    }

    /// The entries that are written as they were `before`, and mean something else by the values of
    /// their variables.
    pub fn other_meanings<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.entries.iter().filter(|entry| {
            let mut same = before.entries.iter().filter(|old| old.text == entry.text);
            same.next().is_some_and(|old| old != *entry)
        });
        changed.map(|entry| entry.text.as_str())
    }

    /// The entries as the manifest writes them.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.text.as_str())
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a request may go there. The host is a name or an address, IPv6 in brackets. Never
    /// true for another component unless it is granted by name or by `*.spin.internal`: being
    /// allowed out to everywhere is not being allowed in.
    pub fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        let Ok(host) = Address::parse(host.strip_suffix('.').unwrap_or(host)) else {
            return false;
        };
        self.hosts()
            .any(|allowed| allowed.matches(scheme, &host, port))
    }

    /// Whether an address is granted as such, by an entry that names it or a network with it in. A
    /// name or a wildcard is no such grant.
    pub fn allows_address(&self, scheme: &str, address: IpAddr, port: u16) -> bool {
        let host = match address {
            IpAddr::V4(address) => Address::Ipv4(address),
            IpAddr::V6(address) => Address::Ipv6(address),
        };
        self.hosts().any(|allowed| {
            matches!(
                allowed.name,
                Name::Within(_) | Name::Exactly(Address::Ipv4(_) | Address::Ipv6(_))
            ) && allowed.matches(scheme, &host, port)
        })
    }

    /// Whether another component may be called.
    pub fn allows_component(&self, id: &str) -> bool {
        self.allows("http", &format!("{id}{INTERNAL}"), 80)
    }

    /// Whether requests that name no host, and so mean the application itself, may be sent.
    pub fn allows_self(&self, scheme: &str) -> bool {
        self.hosts().any(|allowed| {
            allowed.scheme_matches(scheme) && matches!(allowed.name, Name::Any | Name::Myself)
        })
    }

    /// The line that would allow a request beside what is allowed already, for the message that
    /// refuses it.
    pub fn line_to_add(&self, scheme: &str, host: &str, port: Option<u16>) -> String {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut entries: Vec<String> = self
            .entries
            .iter()
            .map(|entry| format!("\"{}\"", entry.text))
            .collect();
        entries.push(format!("\"{scheme}://{host}{port}\""));
        format!("allowed_outbound_hosts = [{}]", entries.join(", "))
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.meaning {
                Meaning::Host(host) => Some(host),
                Meaning::Template(_) | Meaning::Nothing => None,
            })
    }
}

// === impl Host ===

impl Host {
    fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry == "insecure:allow-all" {
            return Err("`insecure:allow-all` is of manifest version 1; list the hosts, or write \"*://*:*\" to allow them all".to_owned());
        }
        let (scheme, rest) = entry
            .split_once("://")
            .ok_or_else(|| format!("`{entry}` has no scheme; {FIX}"))?;
        let letters = !scheme.is_empty() && scheme.chars().all(char::is_alphabetic);
        if scheme != "*" && !letters {
            return Err(format!("`{scheme}` is no scheme; {FIX}"));
        }
        let (name, port) = split_port(rest);
        let ports = match port {
            Some(port) => Ports::parse(port).ok_or_else(|| {
                format!("`{port}` is no port; use a number, a range like 8000..9000, or *")
            })?,
            None => {
                let own = PORTS.iter().find(|(name, _)| *name == scheme);
                let (_, port) = own.ok_or_else(|| {
                    format!("`{entry}` needs a port, as the scheme `{scheme}` has none of its own; add one, or :* for all")
                })?;
                Ports::only(*port)
            }
        };
        Ok(Self {
            scheme: (scheme != "*").then(|| scheme.to_owned()),
            name: Name::parse(name)?,
            ports,
        })
    }

    fn matches(&self, scheme: &str, host: &Address, port: u16) -> bool {
        self.scheme_matches(scheme) && self.name.matches(host) && self.ports.matches(port)
    }

    fn scheme_matches(&self, scheme: &str) -> bool {
        self.scheme
            .as_deref()
            .is_none_or(|allowed| allowed == scheme)
    }
}

/// The colons of `[::1]` and `fd00::/8` separate no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, "")) => (name, None),
        Some((name, port)) if Name::parse(text).is_err() => {
            (name, Some(port.strip_suffix('/').unwrap_or(port)))
        }
        _ => (text, None),
    }
}

impl Name {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "*" => return Ok(Self::Any),
            "self" | "self.alt" => return Ok(Self::Myself),
            _ => {}
        }
        if let Ok(network) = text.parse() {
            return Ok(Self::Within(network));
        }
        let name = text.strip_suffix('/').unwrap_or(text);
        if name.contains(['/', '?', '#', '@']) {
            return Err(format!(
                "`{text}` is more than a host and a port; leave out user, path and query"
            ));
        }
        let wrong = || {
            format!(
                "`{name}` is no host; a wildcard stands alone or for the first labels, like *.example.com"
            )
        };
        let below = name.strip_prefix("*.");
        let rest = below.unwrap_or(name);
        if rest.contains(['*', '{', '}']) {
            return Err(wrong());
        }
        match (below, Address::parse(rest)) {
            (None, Ok(address)) => Ok(Self::Exactly(address)),
            (Some(_), Ok(Address::Domain(domain))) => Ok(Self::Below(format!(".{domain}"))),
            _ => Err(wrong()),
        }
    }

    fn matches(&self, host: &Address) -> bool {
        match (self, host) {
            (Self::Any, Address::Domain(domain)) => !domain.ends_with(INTERNAL),
            (Self::Any, _) => true,
            (Self::Below(suffix), Address::Domain(domain)) => domain.ends_with(suffix.as_str()),
            (Self::Within(network), Address::Ipv4(ip)) => network.contains(&IpAddr::V4(*ip)),
            (Self::Within(network), Address::Ipv6(ip)) => network.contains(&IpAddr::V6(*ip)),
            (Self::Exactly(name), host) => name == host,
            (Self::Below(_) | Self::Within(_) | Self::Myself, _) => false,
        }
    }
}

impl Ports {
    fn only(port: u16) -> Self {
        Self::Within(u32::from(port)..u32::from(port) + 1)
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        match text.split_once("..") {
            Some((from, to)) => {
                let range =
                    u32::from(from.parse::<u16>().ok()?)..u32::from(to.parse::<u16>().ok()?);
                (!range.is_empty()).then_some(Self::Within(range))
            }
            None => Some(Self::only(text.parse().ok()?)),
        }
    }

    fn matches(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Within(range) => range.contains(&u32::from(port)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn hosts(entries: &[&str]) -> AllowedHosts {
        let mut hosts = AllowedHosts::default();
        for entry in entries {
            hosts.add(entry).unwrap();
        }
        hosts
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_is_allowed_and_nothing_else() {
        let table: &[(&str, &str, &str, u16, bool)] = &[
            ("https://a.com", "https", "a.com", 443, true),
            ("https://a.com/", "https", "a.com", 443, true),
            (" https://a.com ", "https", "a.com", 443, true),
            ("https://a.com", "https", "A.COM", 443, true),
            ("https://A.com", "https", "a.com", 443, true),
            ("https://a.com", "https", "a.com.", 443, true),
            ("https://a.com", "http", "a.com", 443, false),
            ("https://a.com", "https", "a.com", 8443, false),
            ("https://a.com", "https", "b.a.com", 443, false),
            ("https://a.com", "https", "a.com.evil.org", 443, false),
            ("https://a.com:8443/", "https", "a.com", 8443, true),
            ("https://a.com:8443", "https", "a.com", 443, false),
            (
                "https://bücher.example",
                "https",
                "xn--bcher-kva.example",
                443,
                true,
            ),
            ("https://*.a.com", "https", "b.a.com", 443, true),
            ("https://*.a.com", "https", "c.b.a.com", 443, true),
            ("https://*.a.com", "https", "a.com", 443, false),
            ("https://*.a.com", "https", "evila.com", 443, false),
            ("*://a.com:*", "redis", "a.com", 6379, true),
            ("redis://a.com", "redis", "a.com", 6379, true),
            ("postgres://a.com", "postgres", "a.com", 5432, true),
            ("mqtt://a.com", "mqtt", "a.com", 6379, false),
            ("pg://a.com:5656", "pg", "a.com", 5656, true),
            ("http://a.com:8000..9000", "http", "a.com", 8000, true),
            ("http://a.com:8000..9000", "http", "a.com", 8999, true),
            ("http://a.com:8000..9000", "http", "a.com", 9000, false),
            ("https://*", "https", "anything.org", 443, true),
            ("https://*", "https", "1.2.3.4", 443, true),
            ("https://*", "https", "anything.org", 444, false),
            ("http://[::1]:80", "http", "[::1]", 80, true),
            ("http://[::1]", "http", "[0:0::1]", 80, true),
            ("http://127.0.0.1", "http", "127.1", 80, true),
            ("*://10.1.0.0/16:80", "tcp", "10.1.200.3", 80, true),
            ("*://10.1.0.9/16:80", "tcp", "10.1.200.3", 80, true),
            ("*://10.1.0.0/16:80", "tcp", "10.2.0.1", 80, false),
            ("*://10.1.0.0/16:80", "tcp", "a.com", 80, false),
            ("http://fd00::/8", "http", "[fd12::1]", 80, true),
            ("http://fd00::/8:8080", "http", "[fd12::1]", 8080, true),
            ("http://self", "http", "self", 80, false),
            ("*://*:*", "gopher", "a.com", 70, true),
            ("*://*:*", "http", "family.spin.internal", 80, false),
            ("*://*:*", "http", "family.SPIN.internal.", 80, false),
            ("https://a.com", "https", "not a host", 443, false),
        ];
        for (entry, scheme, host, port, allowed) in table {
            assert_eq!(
                hosts(&[entry]).allows(scheme, host, *port),
                *allowed,
                "{entry} {scheme}://{host}:{port}"
            );
        }
        assert!(!AllowedHosts::default().allows("https", "a.com", 443));
    }

    #[test]
    fn components_are_granted_by_name_or_by_the_inner_wildcard() {
        assert!(hosts(&["http://auth.spin.internal"]).allows_component("auth"));
        assert!(!hosts(&["http://auth.spin.internal"]).allows_component("family"));
        assert!(hosts(&["http://*.spin.internal"]).allows_component("family"));
        assert!(!hosts(&["*://*:*"]).allows_component("family"));
        assert!(!hosts(&["http://10.0.0.0/8"]).allows_component("family"));
    }

    #[test]
    fn the_application_itself() {
        assert!(hosts(&["http://self"]).allows_self("http"));
        assert!(!hosts(&["http://self"]).allows_self("https"));
        assert!(hosts(&["*://self.alt:80"]).allows_self("https"));
        assert!(hosts(&["http://*"]).allows_self("http"));
        assert!(!hosts(&["http://a.com"]).allows_self("http"));
    }

    #[test]
    fn wrong_entries_say_how_to_write_them() {
        for entry in [
            "",
            "*",
            "a.com",
            "a.com:80",
            "insecure:allow-all",
            "https://",
            "https://a.com/path",
            "https://a.com//",
            "https://a.com:80/path",
            "https://a.com?x",
            "ftp://a.com",
            "*://a.com",
            "*://127.0.0.0/24",
            "ht-tp://a.com",
            "https://a*b.com",
            "https://*.*.com",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://a b.com",
            "https://a.com:x",
            "https://a.com:99999",
            "https://a.com:80:90",
            "https://a.com:9000..8000",
            "https://u@a.com",
            "://a",
            "https://{a,b}.com",
        ] {
            assert!(AllowedHosts::default().add(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn variables_in_entries() {
        let hosts = hosts(&["https://{{ host }}", "{{ optional }}"]);
        assert!(!hosts.is_empty() && !hosts.allows("https", "a.com", 443));
        let resolved = hosts
            .resolve(&values(&[("host", "a.com"), ("optional", "")]))
            .unwrap();
        assert!(resolved.allows("https", "a.com", 443));
        assert!(hosts.resolve(&BTreeMap::new()).is_err());
        let said = hosts
            .resolve(&values(&[("host", "hunter2/x"), ("optional", "")]))
            .unwrap_err();
        assert!(
            said.contains("{{ host }}") && !said.contains("hunter2"),
            "{said}"
        );
    }

    #[test]
    fn the_same_words_may_mean_more() {
        let resolved = |host: &str| {
            let hosts = hosts(&["https://{{ host }}", "https://b.com"]);
            let values = values(&[("host", host)]);
            hosts.resolve(&values).unwrap()
        };
        let before = resolved("a.com");
        assert_eq!(resolved("a.com").other_meanings(&before).count(), 0);
        let more = resolved("*");
        let changed: Vec<&str> = more.other_meanings(&before).collect();
        assert_eq!(changed, ["https://{{ host }}"]);
    }

    #[test]
    fn the_line_to_add_keeps_what_is_there() {
        let hosts = hosts(&["https://{{ host }}"]);
        assert_eq!(
            hosts.line_to_add("http", "auth.spin.internal", None),
            "allowed_outbound_hosts = [\"https://{{ host }}\", \"http://auth.spin.internal\"]"
        );
        assert_eq!(
            AllowedHosts::default().line_to_add("https", "a.com", Some(8443)),
            "allowed_outbound_hosts = [\"https://a.com:8443\"]"
        );
    }

    #[test]
    fn only_literal_addresses_and_networks_grant_an_address() {
        let granted = hosts(&[
            "http://10.0.0.0/8:81",
            "https://[::1]",
            "http://127.0.0.1:*",
        ]);
        let address = |text: &str| text.parse().unwrap();
        assert!(granted.allows_address("http", address("10.1.2.3"), 81));
        assert!(!granted.allows_address("http", address("10.1.2.3"), 82));
        assert!(!granted.allows_address("https", address("10.1.2.3"), 81));
        assert!(granted.allows_address("https", address("::1"), 443));
        assert!(granted.allows_address("http", address("127.0.0.1"), 7));
        assert!(!granted.allows_address("http", address("127.0.0.2"), 7));
        let names = hosts(&["*://*:*", "http://localhost:*", "http://*.example.com:*"]);
        assert!(!names.allows_address("http", address("127.0.0.1"), 80));
    }
}
