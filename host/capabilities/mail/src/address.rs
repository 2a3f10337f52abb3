//! Addresses: one, of one person, as every mail server reads it.

use crate::Error;
use lettre::Address;
use lettre::message::Mailbox;
use std::str::FromStr;
use url::Host;

/// Longest address, and longest part of it before the `@`, in bytes (RFC 5321).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// Who mails are from: an address, and a name if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

/// One address. A domain in other letters than ASCII is written as the servers know it.
pub(crate) fn read(text: &str) -> Result<Address, Error> {
    let shown = || text.chars().take(LONGEST).collect::<String>();
    let wrong = |what: &str| Error::Invalid(format!("`{}` {what}", shown().escape_debug()));
    let Some((local, domain)) = text.rsplit_once('@') else {
        return Err(wrong("is no address; write it like ada@example.org"));
    };
    if !is_local(local) {
        return Err(wrong(
            "is not one address as mail servers know it; write one, like ada@example.org, without a name, quotes or spaces",
        ));
    }
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(domain)) if is_domain(&domain) => domain,
        _ => return Err(wrong("has no domain behind its `@`; correct it")),
    };
    if local.len() + 1 + domain.len() > LONGEST {
        return Err(wrong("is longer than an address can be; correct it"));
    }
    Address::new(local, &domain).map_err(|_| wrong("is no address; write it like ada@example.org"))
}

/// Whether a text is a dot-atom (RFC 5322): no quotes, no spaces, no control characters.
fn is_local(local: &str) -> bool {
    let is_atom = |atom: &str| {
        let known =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(known)
    };
    local.len() <= LONGEST_LOCAL && local.split('.').all(is_atom)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    domain.split('.').all(is_label)
}

// === impl Sender ===

impl Sender {
    /// The domain of the address.
    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl Default for Sender {
    /// Who mails are from that nobody sends anywhere.
    fn default() -> Self {
        Self(Mailbox {
            name: Some("Second Brain".to_owned()),
            email: Address::new_dangerous("second-brain", "localhost"),
        })
    }
}

impl FromStr for Sender {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text),
        };
        if name.chars().any(|c| c.is_control() || c == '<' || c == '"') {
            return Err(Error::Invalid(
                "a sender is a name and an address, like `Second Brain <brain@example.org>`"
                    .to_owned(),
            ));
        }
        Ok(Self(Mailbox {
            name: Some(name)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            email: read(address)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn one_address_is_read_and_its_domain_written_as_servers_know_it() {
        for (text, read_as) in [
            ("ada@example.org", "ada@example.org"),
            ("Ada.Lovelace+x@Example.ORG", "Ada.Lovelace+x@example.org"),
            ("o'neil@bücher.example", "o'neil@xn--bcher-kva.example"),
            ("ada@localhost", "ada@localhost"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), read_as);
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}", vec!["a".repeat(60); 5].join("."));
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example.org\r\nBcc: eve@example.com",
            "ada@example.org\n",
            "ada\r\nBcc: eve@example.com@example.org",
            "ada@example.org, eve@example.com",
            "ada@example.org eve@example.com",
            "ada@example.org,eve@example.com",
            "eve@example.com,ada@example.org",
            "Ada <ada@example.org>",
            "<ada@example.org>",
            "\"ada\"@example.org",
            "\"a@b\"@example.org",
            "ada@eve@example.org",
            "ada..l@example.org",
            ".ada@example.org",
            "ada@exa mple.org",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@example..org",
            "ada@example.org/x",
            "ädа@example.org",
            "ada@example.org\0",
            "ada\0@example.org",
            &long,
            &longer,
        ] {
            let refused = read(text);
            assert!(
                matches!(refused, Err(Error::Invalid(_))),
                "{text:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_sender_has_a_name_if_it_likes() {
        let sender = |text: &str| text.parse::<Sender>().map(|sender| sender.0);
        let full = sender("Second Brain <brain@example.org>").unwrap();
        assert_eq!(full.name.as_deref(), Some("Second Brain"));
        assert_eq!(full.email.to_string(), "brain@example.org");
        assert_eq!(
            sender("\"Brain, Second\" <b@x.org>")
                .unwrap()
                .name
                .as_deref(),
            Some("Brain, Second")
        );
        assert_eq!(sender("brain@example.org").unwrap().name, None);
        for wrong in [
            "",
            "Brain",
            "Brain <>",
            "a\nb <b@x.org>",
            "A <a@x.org>, B <b@x.org>",
        ] {
            assert!(sender(wrong).is_err(), "{wrong}");
        }
    }
}
