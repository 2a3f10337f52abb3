//! Through which server mails go, from whom, and how many.

use crate::Sender;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use url::{Host, Url};

/// Through which server mails go, from whom, and how many.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mail server. `None`: mails become files.
    pub server: Option<Server>,
    /// Who mails are from.
    pub from: Sender,
    /// How many each tenant may send an hour.
    pub per_hour: NonZeroU32,
}

/// A mail server, as `smtp://user:password@host:587` or `smtps://...` names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<(String, String)>,
    pub(crate) tls: Tls,
    /// A file with certificates (PEM) that are trusted beside the usual ones.
    pub(crate) certificates: Option<PathBuf>,
}

/// How a connection is kept from others' eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From its first byte on: `smtps://`.
    Implicit,
    /// By STARTTLS, or there is no connection.
    Required,
    /// By STARTTLS, if the server offers it.
    Opportunistic,
    /// Not at all.
    None,
}

/// A text that names no mail server. It says nothing of the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write it like smtp://user:password@mail.example.org:587 (STARTTLS), smtps://... (TLS from the start), or with ?tls=opportunistic or ?tls=none; in user and password `%40` stands for `@`"
)]
pub struct InvalidServer(&'static str);

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            from: Sender::default(),
            per_hour: NonZeroU32::MIN.saturating_add(999),
        }
    }
}

// === impl Server ===

impl FromStr for Server {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let url = Url::parse(text).map_err(|_| InvalidServer("it is no address"))?;
        let mut tls = match url.scheme() {
            "smtps" => Tls::Implicit,
            "smtp" => Tls::Required,
            _ => return Err(InvalidServer("it begins with neither smtp:// nor smtps://")),
        };
        let mut certificates = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", _) if tls == Tls::Implicit => {
                    return Err(InvalidServer("smtps:// is TLS, whatever `tls` says"));
                }
                ("tls", "required") => tls = Tls::Required,
                ("tls", "opportunistic") => tls = Tls::Opportunistic,
                ("tls", "none") => tls = Tls::None,
                ("ca", path) if !path.is_empty() => certificates = Some(PathBuf::from(path)),
                _ => {
                    return Err(InvalidServer(
                        "behind `?` there is more than `tls=` (required, opportunistic, none) and `ca=FILE`",
                    ));
                }
            }
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(InvalidServer("there is something behind the server's name"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) if !host.to_string().is_empty() => host.to_string(),
            _ => return Err(InvalidServer("the server's name is missing")),
        };
        let usual = match tls {
            Tls::Implicit => 465,
            Tls::Required | Tls::Opportunistic => 587,
            Tls::None => 25,
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(usual),
            login: login(&url)?,
            tls,
            certificates,
        })
    }
}

fn login(url: &Url) -> Result<Option<(String, String)>, InvalidServer> {
    let plain = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| InvalidServer("user or password is no UTF-8"))?;
        Ok(text.into_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => Ok(Some((plain(user)?, plain(password)?))),
        _ => Err(InvalidServer("of user and password one is missing")),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn server(text: &str) -> Result<Server, InvalidServer> {
        text.parse()
    }

    #[test]
    fn servers_are_read() {
        for (text, host, port, tls) in [
            (
                "smtp://mail.example.org",
                "mail.example.org",
                587,
                Tls::Required,
            ),
            (
                "smtp://mail.example.org:2525/",
                "mail.example.org",
                2525,
                Tls::Required,
            ),
            (
                "smtps://mail.example.org",
                "mail.example.org",
                465,
                Tls::Implicit,
            ),
            ("smtp://127.0.0.1?tls=none", "127.0.0.1", 25, Tls::None),
            (
                "smtp://[::1]:25?tls=opportunistic",
                "::1",
                25,
                Tls::Opportunistic,
            ),
        ] {
            let read = server(text).unwrap();
            assert_eq!((read.host.as_str(), read.port, read.tls), (host, port, tls));
            assert_eq!(read.login, None);
        }
        let read =
            server("smtp://ada%40example.org:p%3A%2Fss@mx.example.org?ca=/etc/ca.pem").unwrap();
        assert_eq!(
            read.login,
            Some(("ada@example.org".to_owned(), "p:/ss".to_owned()))
        );
        assert_eq!(read.certificates, Some("/etc/ca.pem".into()));
        assert!(!format!("{read:?}").contains("ss\""), "{read:?}");
    }

    #[test]
    fn what_is_none_is_refused_without_its_password() {
        for text in [
            "mail.example.org",
            "http://u:secret@mail.example.org",
            "smtp://",
            "smtp://u@mail.example.org",
            "smtp://:secret@mail.example.org",
            "smtp://u:secret@mail.example.org/inbox",
            "smtp://u:secret@mail.example.org?tls=maybe",
            "smtp://u:secret@mail.example.org?tsl=none",
            "smtps://u:secret@mail.example.org?tls=none",
            "smtp://u:secret@mail.example.org#x",
        ] {
            let said = server(text).unwrap_err().to_string();
            assert!(
                said.contains("write it like") && !said.contains("secret"),
                "{said}"
            );
        }
    }
}
