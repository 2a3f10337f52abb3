//! The load: so many connections, each sending its next request when the answer to the last one
//! is in. One thread drives them all, so that the servers keep the rest of the machine.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// A connection is given up for a new one after so many requests, from another loopback address:
/// a server that limits how much one address may ask sees many clients, as it would outside.
const REQUESTS_A_CONNECTION: usize = 1000;

/// A request to send again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shot {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    /// The status of the right answer; any other ends the measurement.
    pub(crate) expect: u16,
    /// Whether each request has an `Idempotency-Key` of its own.
    pub(crate) keyed: bool,
}

/// What one side of one round did.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

// === impl Shot ===

impl Shot {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            expect: 200,
            keyed: false,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: &serde_json::Value) -> Self {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        Self {
            method: "POST".to_owned(),
            headers: vec![json],
            body: Some(body.to_string()),
            expect: 201,
            ..Self::get(path)
        }
    }

    pub(crate) fn put(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self {
            method: "PUT".to_owned(),
            expect: 200,
            ..Self::post(path, body)
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn keyed(self) -> Self {
        Self {
            keyed: true,
            ..self
        }
    }

    pub(crate) fn expecting(self, expect: u16) -> Self {
        Self { expect, ..self }
    }

    fn request(&self, address: SocketAddr) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.path.as_str())
            .header(header::HOST, address.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.keyed {
            request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string());
        }
        Ok(request.body(Full::from(self.body.clone().unwrap_or_default()))?)
    }
}

// === impl Sample ===

impl Sample {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        // Exact up to 2^53 requests.
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Looks at an answer that has the expected status.
pub(crate) type Check = fn(&HeaderMap, &[u8]) -> anyhow::Result<()>;

/// Sends the shots in turn on so many connections for as long as said; blocks until all answers
/// are in.
///
/// # Errors
/// The first answer that is not as expected; a connection that ends.
pub(crate) fn fire(
    address: SocketAddr,
    shots: &Arc<[Shot]>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Sample> {
    fire_checked(address, shots, connections, duration, |_, _| Ok(()))
}

/// The same, with a look at every answer.
///
/// # Errors
/// Also what the look finds.
pub(crate) fn fire_checked(
    address: SocketAddr,
    shots: &Arc<[Shot]>,
    connections: usize,
    duration: Duration,
    check: Check,
) -> anyhow::Result<Sample> {
    runtime()?.block_on(async {
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for first in 0..connections {
            clients.spawn(client(
                address,
                Arc::clone(shots),
                first,
                connections,
                begun + duration,
                check,
            ));
        }
        let mut latency = histogram()?;
        while let Some(client) = clients.join_next().await {
            latency.add(client??)?;
        }
        Ok(Sample {
            requests: latency.len(),
            elapsed: begun.elapsed(),
            latency,
        })
    })
}

/// What the answer to one request has its connection send next.
pub(crate) type Next = fn(&[u8]) -> anyhow::Result<Shot>;

/// Sends these, each on a connection of its own, and then what the answers lead to, for as long as said; what
/// each connection would send next is left in `shots`.
///
/// # Errors
/// The first answer that is not as expected; a connection that ends.
pub(crate) fn follow(
    address: SocketAddr,
    shots: &mut Vec<Shot>,
    duration: Duration,
    next: Next,
) -> anyhow::Result<Sample> {
    runtime()?.block_on(async {
        let begun = Instant::now();
        let mut followers = JoinSet::new();
        for shot in shots.drain(..) {
            followers.spawn(follower(address, shot, begun + duration, next));
        }
        let mut latency = histogram()?;
        while let Some(follower) = followers.join_next().await {
            let (last, own) = follower??;
            shots.push(last);
            latency.add(own)?;
        }
        Ok(Sample {
            requests: latency.len(),
            elapsed: begun.elapsed(),
            latency,
        })
    })
}

async fn follower(
    address: SocketAddr,
    mut shot: Shot,
    end: Instant,
    next: Next,
) -> anyhow::Result<(Shot, Histogram<u64>)> {
    let mut latency = histogram()?;
    let mut sender = connect(address).await?;
    while Instant::now() < end {
        let request = shot.request(address)?;
        let sent = Instant::now();
        let (_, body) = exchange(&mut sender, &shot, request).await?;
        latency.saturating_record(u64::try_from(sent.elapsed().as_micros())?);
        shot = next(&body)?;
    }
    Ok((shot, latency))
}

/// Sends one request; gives the answer's body.
///
/// # Errors
/// An answer that is not as expected; a connection that ends.
pub(crate) fn once(address: SocketAddr, shot: &Shot) -> anyhow::Result<Bytes> {
    runtime()?.block_on(async {
        let mut sender = connect(address).await?;
        let (_, body) = exchange(&mut sender, shot, shot.request(address)?).await?;
        Ok(body)
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Up to a minute, to three digits.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// One client: sends shot number `first`, then every `step`th.
async fn client(
    address: SocketAddr,
    shots: Arc<[Shot]>,
    first: usize,
    step: usize,
    end: Instant,
    check: Check,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = histogram()?;
    let mut turn = (first..).step_by(step);
    while Instant::now() < end {
        let mut sender = connect(address).await?;
        for number in turn.by_ref().take(REQUESTS_A_CONNECTION) {
            let shot = shots
                .get(number % shots.len())
                .context("there is nothing to send")?;
            let request = shot.request(address)?;
            let sent = Instant::now();
            if sent >= end {
                break;
            }
            let (headers, body) = exchange(&mut sender, shot, request).await?;
            latency.saturating_record(u64::try_from(sent.elapsed().as_micros())?);
            check(&headers, &body)?;
        }
    }
    Ok(latency)
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = open(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// From a loopback address that no connection had before, where the system has more than one.
async fn open(address: SocketAddr) -> std::io::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let source =
        u32::from(Ipv4Addr::LOCALHOST) + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000_000;
    let socket = TcpSocket::new_v4()?;
    match socket.bind(SocketAddr::from((Ipv4Addr::from(source), 0))) {
        Ok(()) => socket.connect(address).await,
        Err(_) => TcpStream::connect(address).await,
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    shot: &Shot,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(HeaderMap, Bytes)> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    if head.status != shot.expect {
        bail!(
            "{} {} is answered {}: {}",
            shot.method,
            shot.path,
            head.status,
            String::from_utf8_lossy(&body)
        );
    }
    Ok((head.headers, body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::listen;
    use http::Response;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    /// Answers every path with itself, `/no` with 404; keeps the paths it saw.
    fn echo() -> (SocketAddr, Arc<Mutex<BTreeSet<String>>>) {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let (tell, told) = std::sync::mpsc::channel();
        let keep = Arc::clone(&seen);
        std::thread::spawn(move || {
            let service =
                hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let path = request.uri().path().to_owned();
                    keep.lock().unwrap().insert(path.clone());
                    let status = if path == "/no" { 404 } else { 200 };
                    async move {
                        Response::builder()
                            .status(status)
                            .body(Full::new(Bytes::from(path)))
                    }
                });
            runtime().unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                listen::accept(listener, service).await
            })
        });
        (told.recv().unwrap(), seen)
    }

    #[test]
    fn every_shot_is_fired_and_counted() {
        let (address, seen) = echo();
        let shots: Arc<[Shot]> = (0..5)
            .map(|number| Shot::get(format!("/{number}")))
            .collect();
        let sample = fire(address, &shots, 2, Duration::from_millis(200)).unwrap();
        assert_eq!(seen.lock().unwrap().len(), 5);
        assert_eq!(sample.requests, sample.latency.len());
        assert!(sample.requests > 5 && sample.rate() > 0.0);
        assert!(sample.elapsed >= Duration::from_millis(200));
    }

    #[test]
    fn an_answer_comes_back_whole() {
        let (address, _) = echo();
        assert_eq!(once(address, &Shot::get("/hello")).unwrap(), "/hello");
    }

    #[test]
    fn an_answer_leads_to_the_next_request() {
        let (address, seen) = echo();
        let mut shots = vec![Shot::get("/a"), Shot::get("/b")];
        let longer = |body: &[u8]| Ok(Shot::get(format!("{}x", std::str::from_utf8(body)?)));
        let sample = follow(address, &mut shots, Duration::from_millis(50), longer).unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(u64::try_from(seen.len()).unwrap(), sample.requests);
        assert!(
            ["/a", "/ax", "/b", "/bx"]
                .iter()
                .all(|path| seen.contains(*path))
        );
        assert!(shots.len() == 2 && shots.iter().all(|shot| !seen.contains(&shot.path)));
    }

    #[test]
    fn a_wrong_answer_ends_the_measurement() {
        let (address, _) = echo();
        let shots: Arc<[Shot]> = [Shot::get("/no")].into();
        let error = fire(address, &shots, 1, Duration::from_secs(5))
            .unwrap_err()
            .to_string();
        assert!(error.contains("GET /no is answered 404"), "{error}");
    }
}
