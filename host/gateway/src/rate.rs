//! How many requests one user, or one anonymous address, may send.

use crate::concurrency::{Concurrency, Place};
use crate::error::Refusal;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use sbd_manifest::RateLimit;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is left, and of how much (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the policies are called.
const USER: &str = "user";
const ADDRESS: &str = "address";

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
    /// What answers say of it: to users, and to addresses.
    policies: [HeaderValue; 2],
}

/// What is left of a bucket, as answers say it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    policy: HeaderValue,
    /// What the policy is called.
    name: &'static str,
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
        // An empty bucket is full again after as many seconds.
        let window = burst.get().div_ceil(per_second.get());
        let policy = |name| {
            let policy = format!("\"{name}\";q={burst};w={window}");
            HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        Self {
            buckets: RateLimiter::dashmap(quota).with_middleware(),
            burst: burst.get(),
            per_second: per_second.get(),
            at_once: limit.at_once,
            under_way: Concurrency::new(limit.at_once),
            since_sweep: AtomicU32::new(0),
            policies: [USER, ADDRESS].map(policy),
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
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                (self.allowance(payer, left), Ok(()))
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                (self.allowance(payer, 0), Err(Refusal::rate_limited(wait)))
            }
        }
    }

    fn allowance(&self, payer: &Payer, remaining: u32) -> Allowance {
        let [user, address] = &self.policies;
        let (policy, name) = match payer.who {
            Who::User(_) => (user, USER),
            Who::Address(_) => (address, ADDRESS),
        };
        Allowance {
            policy: policy.clone(),
            name,
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
        let left = format!("\"{}\";r={};t={}", self.name, self.remaining, self.reset);
        if let Ok(left) = HeaderValue::try_from(left) {
            headers.insert(LEFT, left);
        }
        headers.insert(POLICY, self.policy);
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
        let mut headers = HeaderMap::new();
        allowance.describe(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=3;w=3");
        assert_eq!(headers["ratelimit"], "\"user\";r=0;t=3");
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
