//! Sockets: HTTP/1.1 and HTTP/2 (by prior knowledge) on one listener, bounded, and ended in order.

use crate::activity::{Activity, Answering};
use crate::headers;
use crate::refusing_stream::RefusingStream;
use crate::stream_kind::Kind;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// A silent HTTP/2 peer is asked for a sign of life this often, and has as long to give it.
const PING: Duration = Duration::from_secs(20);
/// Whoever has gone without a word, as a laptop that is shut, acknowledges nothing that is sent: after this
/// the kernel gives up, for those too who are told something now and then and need not answer.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// A connection that has been idle too long is asked to close, and cut when it has not after this.
const FAREWELL: Duration = Duration::from_secs(1);
/// So long a server that stops waits for answers whose end nobody knows.
const OPEN_ENDED: Duration = Duration::from_secs(3);
/// Pause after `accept` failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bounds a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) take_timeout: Duration,
    pub(crate) header_bytes: usize,
    pub(crate) grace: Duration,
}

/// The other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address as header value, made once for all requests of the connection.
    pub(crate) header: HeaderValue,
}

/// Answers requests with `handler` until `shutdown` resolves; then ends streams, lets other requests
/// under way finish within the grace period and cuts what is left. A client that leaves drops its handler's future.
pub(crate) async fn run<H, F, B>(
    listener: TcpListener,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()>,
    handler: H,
) where
    H: Fn(Arc<Peer>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + Send + 'static,
{
    let builder = Arc::new(builder(limits));
    let places = Arc::new(Semaphore::new(limits.connections));
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // A place first, then a client: who finds none waits in the kernel's backlog, unaccepted.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; raise the limit on open files if this goes on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(
            Arc::clone(&builder),
            stream,
            address,
            limits,
            closed.clone(),
            handler.clone(),
        );
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    closing.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests did not finish within {} s and are cut",
            limits.grace.as_secs_f32()
        );
        connections.shutdown().await;
    }
}

fn builder(limits: ServerLimits) -> Builder<TokioExecutor> {
    // Twice what the request path allows, which can say more about it. Below 8192 hyper panics.
    let header_bytes = limits.header_bytes.saturating_mul(2).max(8192);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

async fn connection<H, F, B>(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    address: SocketAddr,
    limits: ServerLimits,
    mut closing: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Arc<Peer>, Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + Send + 'static,
{
    // Small answers must not wait for the acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT cannot be set");
    }
    let peer = Arc::new(Peer {
        address,
        header: headers::address(address),
    });
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request| {
        let busy = activity.begin();
        let response = handler(Arc::clone(&peer), request);
        async move {
            let response = response.await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                busy.leaves_http();
            }
            let kind = Kind::of(response.headers(), response.body());
            Ok::<_, Infallible>(response.map(|body| Answering::new(body, kind, busy)))
        }
    });
    let stream = RefusingStream::new(stream, Arc::clone(&activity), limits.header_bytes);
    // Ends with the answer to an upgrade: what is spoken then has no place here.
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ServerLimits {
        idle_timeout,
        take_timeout,
        ..
    } = limits;
    // Covers a head that does not come, or not to its end, an HTTP/2 connection nobody uses, and
    // answers that nobody takes: they hold places among the component's requests.
    let mut watch = pin!(tokio::time::sleep(idle_timeout.min(take_timeout)));
    let mut farewell = false;
    let mut stopped = None;
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%error, %address, "a connection ended early");
                }
                return;
            }
            () = watch.as_mut() => match (activity.over_at(idle_timeout, take_timeout), stopped) {
                (Some(_), Some(_)) if activity.is_idle() => return,
                (Some(_), Some(stopped)) => {
                    if stopped + OPEN_ENDED <= Instant::now() {
                        activity.cut();
                    }
                    watch.as_mut().reset(Instant::now() + FAREWELL);
                }
                (Some(deadline), None) => watch.as_mut().reset(deadline),
                (None, _) if farewell => return,
                (None, _) => {
                    farewell = true;
                    serving.as_mut().graceful_shutdown();
                    watch.as_mut().reset(Instant::now() + FAREWELL);
                }
            },
            _ = closing.changed(), if stopped.is_none() => {
                serving.as_mut().graceful_shutdown();
                activity.stop();
                stopped = Some(Instant::now());
                watch.as_mut().reset(Instant::now() + FAREWELL);
            }
        }
    }
}
