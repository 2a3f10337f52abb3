//! The way out: which addresses a component's requests may reach, and the connections to them.
//!
//! A name is resolved once, what it resolves to is checked, and those very addresses are connected
//! to; a name server that changes its answer in between changes nothing. Addresses that lead into
//! the host or its network need a grant of their own, by literal address.

use crate::body::Body;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sbd_manifest::AllowedHosts;
use sbd_turns::Turns;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower_service::Service;

/// How long to try to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection without use is kept this long.
const IDLE: Duration = Duration::from_secs(30);

/// Most idle connections to one host.
const IDLE_CONNECTIONS: usize = 8;

/// Names that one component of a tenant may have looked up at the same time.
const LOOKUPS: usize = 8;

type HttpClient = Client<HttpsConnector<Connector>, Body>;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync {
    /// Every address of `host`, in the order to try them.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
pub(crate) struct SystemResolver;

/// The outgoing connections of one component of one tenant.
pub(crate) struct Egress {
    pub(crate) allowed: Arc<AllowedHosts>,
    pub(crate) in_flight: Arc<Semaphore>,
    reaches: Reaches,
    /// Made at the first request: most components send none.
    client: OnceLock<HttpClient>,
}

/// What every way out is made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reaches {
    resolver: Arc<dyn Resolve>,
    tls: Arc<rustls::ClientConfig>,
}

/// Connects to addresses that are allowed.
#[derive(Clone)]
pub(crate) struct Connector {
    allowed: Arc<AllowedHosts>,
    resolver: Arc<dyn Resolve>,
    lookups: Turns,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// All that the name resolves to is out of bounds; the entry of `allowed_outbound_hosts` that
    /// would allow the first of them.
    #[error("{host} is at {address}, inside the host's own network")]
    Private {
        host: String,
        address: IpAddr,
        scheme: String,
        port: u16,
    },
    #[error("{0} cannot be found: {1}")]
    Name(String, io::Error),
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

// === impl Egress ===

impl Egress {
    pub(crate) fn new(allowed: Arc<AllowedHosts>, reaches: Reaches, in_flight: usize) -> Self {
        Self {
            allowed,
            in_flight: Arc::new(Semaphore::new(in_flight)),
            reaches,
            client: OnceLock::new(),
        }
    }

    pub(crate) fn client(&self) -> HttpClient {
        self.client.get_or_init(|| self.connecting()).clone()
    }

    fn connecting(&self) -> HttpClient {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config((*self.reaches.tls).clone())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Connector {
                allowed: Arc::clone(&self.allowed),
                resolver: Arc::clone(&self.reaches.resolver),
                lookups: Turns::new(LOOKUPS),
            });
        Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector)
    }
}

// === impl Reaches ===

impl Reaches {
    /// TLS 1.2 and 1.3, with the roots that browsers trust.
    pub(crate) fn new(resolver: Arc<dyn Resolve>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        match builder.with_safe_default_protocol_versions() {
            Ok(builder) => Self {
                resolver,
                tls: Arc::new(builder.with_webpki_roots().with_no_client_auth()),
            },
            Err(never) => unreachable!("ring supports TLS 1.2 and 1.3: {never}"),
        }
    }
}

// === impl Connector ===

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            tokio::time::timeout(CONNECT, connector.connect(&uri))
                .await
                .map_err(|_| ConnectError::Timeout)?
        })
    }
}

impl Connector {
    /// The system's resolver takes a thread and keeps it as long as a name server lets it wait, whether
    /// or not anybody still does. So a component has few of them at a time, until they come back.
    async fn resolve(&self, name: String) -> io::Result<Vec<IpAddr>> {
        let resolver = Arc::clone(&self.resolver);
        let found = self
            .lookups
            .wait_for(async move { resolver.resolve(name).await });
        found.await.map_err(io::Error::other)?
    }

    async fn connect(&self, uri: &Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let (scheme, host, port) = target(uri);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = match name.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.resolve(name.to_owned()).await;
                found.map_err(|error| ConnectError::Name(host.to_owned(), error))?
            }
        };
        let mut refused = None;
        let mut reachable = Vec::new();
        for address in found {
            if is_public(address) || self.allowed.allows_address(scheme, address, port) {
                reachable.push(SocketAddr::new(address, port));
            } else {
                refused = refused.or(Some(address));
            }
        }
        if reachable.is_empty() {
            return Err(match refused {
                Some(address) => ConnectError::Private {
                    host: host.to_owned(),
                    address,
                    scheme: scheme.to_owned(),
                    port,
                },
                None => ConnectError::Name(
                    host.to_owned(),
                    io::Error::new(io::ErrorKind::NotFound, "it has no address"),
                ),
            });
        }
        let stream = TcpStream::connect(&*reachable).await?;
        // What a guest writes at once should leave at once.
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}

/// Scheme, host and port of an address.
pub(crate) fn target(uri: &Uri) -> (&str, &str, u16) {
    let scheme = uri.scheme_str().unwrap_or("https");
    let own = if scheme == "http" { 80 } else { 443 };
    (
        scheme,
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(own),
    )
}

/// Whether an address is one of the internet's own: not of this host, not of a private or special
/// network (IANA's special-purpose registries, RFC 6890), among them those where clouds keep their
/// metadata.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback.
        (0 | 10 | 127, ..) => true,
        // Carrier-grade NAT.
        (100, 64..=127, _) => true,
        // Link-local, with the metadata services.
        (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224.., ..) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, ..] = segments;
    let [.., high, low] = segments;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // An IPv4 address in IPv6 clothes: mapped, NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, Teredo and other special blocks of 2001::/23.
        [0x2001, 0xdb8, ..] => false,
        _ if a == 0x2001 && b < 0x200 => false,
        // Global unicast is 2000::/3; loopback, link-local, unique local and multicast lie outside.
        _ => a & 0xe000 == 0x2000 && a != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::TcpListener;

    /// Answers each question with the next of its answers.
    struct Turncoat(Vec<IpAddr>, AtomicUsize);

    impl Resolve for Turncoat {
        fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            let answer = self.0[turn.min(self.0.len() - 1)];
            Box::pin(async move { Ok(vec![answer]) })
        }
    }

    fn connector(allowed: &[&str], answers: &[&str]) -> (Connector, Arc<Turncoat>) {
        let mut hosts = AllowedHosts::default();
        for entry in allowed {
            hosts.add(entry).unwrap();
        }
        let answers = answers.iter().map(|answer| answer.parse().unwrap());
        let resolver = Arc::new(Turncoat(answers.collect(), AtomicUsize::new(0)));
        let connector = Connector {
            allowed: Arc::new(hosts),
            resolver: resolver.clone(),
            lookups: Turns::new(LOOKUPS),
        };
        (connector, resolver)
    }

    #[test]
    fn addresses_of_the_hosts_own_network_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "100::1",
            "::7f00:1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_listed_name_at_a_private_address_is_refused_and_says_which() {
        let (connector, _) = connector(&["http://inside.example:*", "http://*:*"], &["10.0.0.7"]);
        let uri = "http://inside.example:81/".parse().unwrap();
        match connector.connect(&uri).await.map(drop) {
            Err(ConnectError::Private { address, port, .. }) => {
                assert_eq!((address.to_string().as_str(), port), ("10.0.0.7", 81));
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn every_spelling_of_an_address_is_checked() {
        let (connector, _) = connector(&["*://*:*"], &["127.0.0.1"]);
        for uri in [
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
        ] {
            let refused = connector.connect(&uri.parse().unwrap()).await.map(drop);
            assert!(
                matches!(refused, Err(ConnectError::Private { .. })),
                "{uri}: {refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_was_checked_is_what_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let granted = format!("http://127.0.0.1:{port}");
        let name = format!("http://fickle.example:{port}");
        // Asked a second time, the resolver would lead elsewhere.
        let (connector, asked) = connector(&[&granted, &name], &["127.0.0.1", "10.9.9.9"]);
        let stream = connector.connect(&name.parse().unwrap()).await.unwrap();
        assert_eq!(
            stream.inner().peer_addr().unwrap(),
            listener.local_addr().unwrap()
        );
        assert_eq!(asked.1.load(Ordering::Relaxed), 1, "asked once");

        let again = connector.connect(&name.parse().unwrap()).await.map(drop);
        assert!(
            matches!(again, Err(ConnectError::Private { .. })),
            "{again:?}"
        );
    }

    #[tokio::test]
    async fn a_literal_grant_is_for_its_port_and_scheme() {
        let (connector, _) = connector(
            &["http://127.0.0.1:8080", "http://name.example:*"],
            &["127.0.0.1"],
        );
        for uri in [
            "http://127.0.0.1:8081/",
            "http://name.example:8081/",
            "https://127.0.0.1:8080/",
        ] {
            let refused = connector.connect(&uri.parse().unwrap()).await.map(drop);
            assert!(
                matches!(refused, Err(ConnectError::Private { .. })),
                "{uri}: {refused:?}"
            );
        }
    }
}
