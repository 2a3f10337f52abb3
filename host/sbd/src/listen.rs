//! Addresses to listen on, as people write them.

use anyhow::Context as _;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use tokio::net::TcpListener;

/// A host and a port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// An address, or a name that stands for one.
    host: String,
    port: u16,
}

// === impl ListenAddress ===

impl ListenAddress {
    /// Listens there.
    ///
    /// # Errors
    /// When somebody else does, or it is no address of this machine; names the setting.
    pub(crate) async fn bind(&self, setting: &str) -> anyhow::Result<TcpListener> {
        let Self { host, port } = self;
        let listener = TcpListener::bind((host.as_str(), *port)).await;
        listener.with_context(|| {
            format!("cannot listen on {host}:{port} (setting `{setting}`); choose another address or stop what uses it")
        })
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    /// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `8080`, which is this machine alone; `:8080` is
    /// every address that the machine has.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no address to listen on; write 127.0.0.1:8080, [::1]:8080, localhost:8080 or 8080 for this machine alone, :8080 for whoever can reach it"
            )
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
        // Not a sign, which a number may have.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        let host = match host {
            "" | "*" => "0.0.0.0",
            // Which of both loopbacks the name stands for differs from machine to machine.
            "localhost" => "127.0.0.1",
            name => name,
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.parse::<IpAddr>().is_err() && !host.bytes().all(named) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_address_may_be_written_as_people_do() {
        for (text, host, port) in [
            ("127.0.0.1:4747", "127.0.0.1", 4747),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("[::1]:8080", "::1", 8080),
            ("[::]:0", "::", 0),
            ("localhost:8080", "127.0.0.1", 8080),
            ("8080", "127.0.0.1", 8080),
            (":8080", "0.0.0.0", 8080),
            ("*:8080", "0.0.0.0", 8080),
            ("my-host.lan:8080", "my-host.lan", 8080),
        ] {
            let expected = ListenAddress {
                host: host.to_owned(),
                port,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_how_to_write_one() {
        for text in [
            "",
            ":",
            "localhost",
            "127.0.0.1",
            "::1",
            "[::1]",
            "localhost:",
            "localhost:port",
            ":65536",
            "-1",
            "+80",
            "host:+80",
            "http://localhost:8080",
            "localhost:8080/",
            "a b:80",
            "::x:80",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains("write 127.0.0.1:8080"), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn it_is_listened_on() {
        for text in ["localhost:0", ":0", "0"] {
            let address: ListenAddress = text.parse().unwrap();
            let listener = address.bind("listen").await.unwrap();
            let there = listener.local_addr().unwrap();
            let taken = format!("127.0.0.1:{}", there.port());
            let taken: ListenAddress = taken.parse().unwrap();
            let error = taken.bind("admin_listen").await.unwrap_err().to_string();
            assert!(error.contains("setting `admin_listen`"), "{error}");
        }
    }
}
