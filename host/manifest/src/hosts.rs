//! `allowed_outbound_hosts`: Spin's grammar of where a component may send requests.
//!
//! `scheme://host[:port]`, where scheme may be `*`, host may be `*`, `*.domain`, a name or an
//! address, and port may be a number, `*`, or a range `8000..9000`. Without a port it is the
//! scheme's own. Other components are hosts under `.spin.internal`.

use crate::template::Template;
use std::collections::BTreeMap;
use std::ops::Range;

/// The domain under which components reach each other.
const INTERNAL: &str = ".spin.internal";

/// Where a component may send requests. Empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    hosts: Vec<Host>,
    /// Entries that wait for the values of variables.
    templates: Vec<Template>,
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
    /// `*.example.com`, kept as `.example.com`.
    Below(String),
    Exactly(String),
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
        if entry.contains("{{") {
            self.templates.push(Template::parse(entry)?);
        } else {
            self.hosts.push(Host::parse(entry)?);
        }
        Ok(())
    }

    /// Replaces the variables in its entries by their values.
    ///
    /// # Errors
    /// When a value is missing, or makes no entry.
    pub fn resolve(&self, values: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut resolved = Self {
            hosts: self.hosts.clone(),
            templates: Vec::new(),
        };
        for template in &self.templates {
            let entry = template
                .resolve(values)
                .map_err(|name| format!("variable `{name}` has no value"))?;
            resolved.hosts.push(Host::parse(&entry)?);
        }
        Ok(resolved)
    }

    /// The variables that its entries name.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().flat_map(Template::variables)
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.templates.is_empty()
    }

    /// Whether a request may go there.
    pub fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.hosts
            .iter()
            .any(|allowed| allowed.matches(scheme, host, port))
    }

    /// Whether another component may be called. A wildcard for all hosts does not reach inwards.
    pub fn allows_component(&self, id: &str) -> bool {
        let host = format!("{id}{INTERNAL}");
        let inward = |allowed: &&Host| allowed.name != Name::Any;
        self.hosts
            .iter()
            .filter(inward)
            .any(|allowed| allowed.matches("http", &host, 80))
    }

    /// The line that would allow a request, for the message that refuses it.
    pub fn line_to_add(&self, scheme: &str, host: &str, port: Option<u16>) -> String {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("allowed_outbound_hosts = [\"{scheme}://{host}{port}\"]")
    }
}

// === impl Host ===

impl Host {
    fn parse(entry: &str) -> Result<Self, String> {
        let fix = "write it like \"https://example.com\", \"http://*.example.com:8080\" or \"http://auth.spin.internal\"";
        let (scheme, rest) = entry
            .split_once("://")
            .ok_or_else(|| format!("`{entry}` has no scheme; {fix}"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
            return Err(format!(
                "`{entry}` is more or less than scheme, host and port; {fix}"
            ));
        }
        let (name, port) = split_port(rest);
        let scheme_is_right = scheme == "*"
            || scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if scheme.is_empty() || !scheme_is_right {
            return Err(format!("`{scheme}` is no scheme; {fix}"));
        }
        let ports = match port {
            Some(port) => Ports::parse(port).ok_or_else(|| {
                format!("`{port}` is no port; use a number, a range like 8000..9000, or *")
            })?,
            None => match scheme {
                "*" => Ports::Any,
                "https" => Ports::only(443),
                "http" => Ports::only(80),
                _ => {
                    return Err(format!(
                        "`{entry}` needs a port, as `{scheme}` has none of its own"
                    ));
                }
            },
        };
        Ok(Self {
            scheme: (scheme != "*").then(|| scheme.to_owned()),
            name: Name::parse(name)?,
            ports,
        })
    }

    fn matches(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.scheme
            .as_deref()
            .is_none_or(|allowed| allowed == scheme)
            && self.name.matches(&host.to_ascii_lowercase())
            && self.ports.matches(port)
    }
}

/// `[::1]:80` has colons that separate no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    }
}

impl Name {
    fn parse(name: &str) -> Result<Self, String> {
        let lower = name.to_ascii_lowercase();
        match lower.strip_prefix('*') {
            Some("") => Ok(Self::Any),
            Some(domain) if domain.starts_with('.') && !domain.contains('*') => {
                Ok(Self::Below(domain.to_owned()))
            }
            None if !lower.is_empty() && !lower.contains('*') => Ok(Self::Exactly(lower)),
            _ => Err(format!(
                "`{name}` is no host; a wildcard stands alone or for the first label, like *.example.com"
            )),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            // Components are granted by name.
            Self::Any => !host.ends_with(INTERNAL),
            Self::Below(domain) => host.ends_with(domain.as_str()) && host.len() > domain.len(),
            Self::Exactly(name) => name == host,
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
            Some((from, to)) => Some(Self::Within(
                u32::from(from.parse::<u16>().ok()?)..u32::from(to.parse::<u16>().ok()?),
            )),
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

    #[test]
    fn what_is_allowed_and_nothing_else() {
        let table: &[(&str, &str, &str, u16, bool)] = &[
            ("https://a.com", "https", "a.com", 443, true),
            ("https://a.com", "https", "A.COM", 443, true),
            ("https://a.com", "http", "a.com", 443, false),
            ("https://a.com", "https", "a.com", 8443, false),
            ("https://a.com", "https", "b.a.com", 443, false),
            ("https://*.a.com", "https", "b.a.com", 443, true),
            ("https://*.a.com", "https", "a.com", 443, false),
            ("https://*.a.com", "https", "evila.com", 443, false),
            ("*://a.com:*", "redis", "a.com", 6379, true),
            ("http://a.com:8000..9000", "http", "a.com", 8999, true),
            ("http://a.com:8000..9000", "http", "a.com", 9000, false),
            ("https://*", "https", "anything.org", 443, true),
            ("http://[::1]:80", "http", "[::1]", 80, true),
            ("*://*:*", "http", "family.spin.internal", 80, false),
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
    }

    #[test]
    fn wrong_entries_say_how_to_write_them() {
        for entry in [
            "a.com",
            "https://",
            "https://a.com/path",
            "ftp://a.com",
            "https://a*b.com",
            "https://a.com:x",
            "https://u@a.com",
            "://a",
        ] {
            assert!(AllowedHosts::default().add(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn variables_in_entries() {
        let hosts = hosts(&["https://{{ host }}"]);
        assert!(!hosts.is_empty() && !hosts.allows("https", "a.com", 443));
        let resolved = hosts
            .resolve(&BTreeMap::from([("host".to_owned(), "a.com".to_owned())]))
            .unwrap();
        assert!(resolved.allows("https", "a.com", 443));
        assert!(hosts.resolve(&BTreeMap::new()).is_err());
    }
}
