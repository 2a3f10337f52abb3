//! How many requests one user, or one anonymous address, may send.

use crate::concurrency::{Concurrency, Place};
use crate::error::Refusal;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName};
use sbd_manifest::RateLimit;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Requests between two sweeps of keys that are full again, so that memory follows the number of
/// clients that are active, not of all that ever were.
const SWEEP_EVERY: u32 = 16 * 1024;

/// Whose bucket a request is taken from: of a tenant, as an address may belong to users of several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Payer {
    /// `None` for an address in whichever tenants it names.
    tenant: Option<Arc<str>>,
    who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    /// A signed-in user, wherever they come from.
    User(Arc<str>),
    /// An address; for IPv6 its /64, which is what one subscriber owns.
    Address([u8; 16]),
}

/// A keyed token bucket.
pub(crate) struct Limiter {
    buckets: RateLimiter<Payer, DashMapStateStore<Payer>, DefaultClock, StateInformationMiddleware>,
    burst: u32,
    per_second: u32,
    at_once: u32,
    since_sweep: AtomicU32,
    under_way: Concurrency,
}

/// What is left of a bucket, for the `ratelimit-*` headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
    /// Seconds until the bucket is full again.
    reset: u32,
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let per_second = NonZeroU32::new(limit.per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(limit.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            buckets: RateLimiter::dashmap(quota).with_middleware(),
            burst: burst.get(),
            per_second: per_second.get(),
            at_once: limit.at_once,
            under_way: Concurrency::new(limit.at_once),
            since_sweep: AtomicU32::new(0),
        }
    }

    /// What it was made with.
    pub(crate) fn rate(&self) -> RateLimit {
        RateLimit {
            per_second: self.per_second,
            burst: self.burst,
            at_once: self.at_once,
        }
    }

    /// Waits until the payer may have one more request under way.
    pub(crate) async fn enter(
        &self,
        payer: Payer,
        lasting: &Concurrency,
    ) -> Result<Arc<Place>, Refusal> {
        self.under_way.enter(payer.anywhere(), lasting).await
    }

    /// Takes one request from the payer's bucket.
    pub(crate) fn take(&self, payer: &Payer) -> (Allowance, Result<(), Refusal>) {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) == SWEEP_EVERY {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.buckets.retain_recent();
        }
        match self.buckets.check_key(payer) {
            Ok(state) => (self.allowance(state.remaining_burst_capacity()), Ok(())),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                (self.allowance(0), Err(Refusal::rate_limited(wait)))
            }
        }
    }

    fn allowance(&self, remaining: u32) -> Allowance {
        Allowance {
            limit: self.burst,
            remaining,
            reset: self
                .burst
                .saturating_sub(remaining)
                .div_ceil(self.per_second),
        }
    }
}

// === impl Allowance ===

impl Allowance {
    pub(crate) fn describe(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, self.reset.into());
    }
}

// === impl Payer ===

impl Payer {
    pub(crate) fn user(tenant: &Arc<str>, user: Arc<str>) -> Self {
        Self {
            tenant: Some(Arc::clone(tenant)),
            who: Who::User(user),
        }
    }

    pub(crate) fn address(tenant: &Arc<str>, address: IpAddr) -> Self {
        let key = match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => {
                let mut key = v6.octets();
                if let Some(interface) = key.get_mut(8..) {
                    interface.fill(0);
                }
                key
            }
        };
        Self {
            tenant: Some(Arc::clone(tenant)),
            who: Who::Address(key),
        }
    }

    /// The same over all tenants, if it is an address: naming others must not bring more.
    pub(crate) fn anywhere(mut self) -> Self {
        if matches!(self.who, Who::Address(_)) {
            self.tenant = None;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_bucket_empties_and_says_when_to_come_back() {
        let limiter = Limiter::new(RateLimit {
            per_second: 1,
            burst: 3,
            at_once: 3,
        });
        let ada = Payer::user(&"t".into(), "usr_ada".into());
        assert_eq!(limiter.take(&ada).0.remaining, 2);
        // However slow the machine: eleven in less than eight seconds are too many.
        let (allowance, refusal) = (0..10)
            .find_map(|_| match limiter.take(&ada) {
                (allowance, Err(refusal)) => Some((allowance, refusal)),
                _ => None,
            })
            .unwrap();
        assert_eq!(
            (allowance.limit, allowance.remaining, allowance.reset),
            (3, 0, 3)
        );
        let refused = refusal.into_response("req_1");
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers().get("retry-after").unwrap(), "1");
        assert!(
            limiter
                .take(&Payer::user(&"t".into(), "usr_bob".into()))
                .1
                .is_ok()
        );
    }

    #[test]
    fn ipv6_neighbours_share_a_bucket_and_mapped_addresses_are_ipv4() {
        let of = |text: &str| Payer::address(&"t".into(), text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
