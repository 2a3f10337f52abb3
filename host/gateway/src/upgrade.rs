//! Connections that leave HTTP: a handler of the host answers 101, and speaks another protocol from
//! then on. They are counted on their own, as they stay open for as long as somebody listens.

use crate::concurrency::{Concurrency, Permit};
use crate::error::Refusal;
use crate::rate::Payer;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use metrics::Gauge;
use sbd_runtime::{Body, body};
use sbd_telemetry::metrics::UPGRADED_CONNECTIONS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One ends within a while, or none does.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A connection after its upgrade.
pub type UpgradedConnection = TokioIo<Upgraded>;

/// The connections that were upgraded.
pub(crate) struct Upgrades {
    places: Arc<Semaphore>,
    of_payers: Arc<Concurrency>,
    open: Gauge,
    tasks: TaskTracker,
    stopping: CancellationToken,
    grace: Duration,
}

/// A client's wish to speak another protocol on its connection. Dropped, the answer is HTTP as ever.
pub struct Upgrade {
    upgrades: Arc<Upgrades>,
    payer: Payer,
    wanted: HeaderValue,
    pending: OnUpgrade,
}

/// An upgraded connection's place, until it is dropped.
struct Open {
    gauge: Gauge,
    _place: OwnedSemaphorePermit,
    _of_payer: Permit,
}

// === impl Upgrades ===

impl Upgrades {
    /// At most so many, and so many `of_payers`. They are told when `stopping` is cancelled, and cut after
    /// the grace period.
    pub(crate) fn new(
        most: usize,
        of_payers: Arc<Concurrency>,
        stopping: CancellationToken,
        grace: Duration,
    ) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            of_payers,
            open: metrics::gauge!(UPGRADED_CONNECTIONS),
            tasks: TaskTracker::new(),
            stopping,
            grace,
        }
    }

    /// Resolves once the last has ended, after no more than the grace period.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn open(&self, payer: Payer) -> Result<Open, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::not_ready());
        }
        let of_payer = self.of_payers.try_enter(&payer.anywhere());
        let of_payer = of_payer.ok_or_else(|| Refusal::too_many_open(self.of_payers.most()))?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::busy(RETRY_AFTER))?;
        self.open.increment(1.0);
        Ok(Open {
            gauge: self.open.clone(),
            _place: place,
            _of_payer: of_payer,
        })
    }

    async fn cut(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(self.grace).await;
    }
}

// === impl Upgrade ===

impl Upgrade {
    /// What the client of this request wishes for, if anything. Not behind a body: it would have to be
    /// read first.
    pub(crate) fn wanted(
        parts: &mut Parts,
        body: &Body,
        upgrades: &Arc<Upgrades>,
        payer: Payer,
    ) -> Option<Self> {
        let wanted = parts.headers.get(header::UPGRADE)?.clone();
        let connection = parts.headers.get_all(header::CONNECTION).iter();
        let meant = connection.into_iter().any(|value| lists(value, "upgrade"));
        let pending = parts.extensions.remove::<OnUpgrade>()?;
        (meant && body.is_end_stream()).then(|| Self {
            upgrades: Arc::clone(upgrades),
            payer,
            wanted,
            pending,
        })
    }

    /// Whether this protocol is among those that the client would speak.
    pub fn is_to(&self, protocol: &str) -> bool {
        lists(&self.wanted, protocol)
    }

    /// Answers 101 and hands the connection to `speak` once the answer is out. The connection has
    /// left every limit on HTTP: how long it may be silent is for `speak` to say, which ends when the
    /// request's `stopping` is cancelled. The handler may add headers to the answer, no more.
    ///
    /// # Errors
    /// When there are as many as may be; to be passed on.
    pub fn accept<S, F>(self, protocol: HeaderValue, speak: S) -> Result<Response<Body>, Refusal>
    where
        S: FnOnce(UpgradedConnection) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            upgrades,
            payer,
            pending,
            ..
        } = self;
        let open = upgrades.open(payer)?;
        let speaking = async move {
            match pending.await {
                Ok(connection) => speak(TokioIo::new(connection)).await,
                Err(error) => tracing::debug!(%error, "a client left before its upgrade"),
            }
        };
        let tasks = upgrades.tasks.clone();
        tasks.spawn(async move {
            let _open = open;
            tokio::select! {
                () = speaking => {}
                () = upgrades.cut() => {
                    tracing::warn!("an upgraded connection did not end in time and is cut");
                }
            }
        });
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
        Ok(response)
    }
}

/// Whether a word is in a list by commas.
fn lists(value: &HeaderValue, word: &str) -> bool {
    let mut words = value.to_str().unwrap_or_default().split(',');
    words.any(|listed| listed.trim().eq_ignore_ascii_case(word))
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}
