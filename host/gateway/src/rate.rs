//! How many requests one user, or one anonymous address, may send; how many of a user's one program may; and how many of
//! them to what a component declares as a class of its own.

use crate::concurrency::{Concurrency, Place};
use crate::error::Refusal;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use sbd_manifest::{App, RateClass, RateLimit, Routes};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is left, and of how much (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the policies are called that hold for everything.
const USER: &str = "user";
const ADDRESS: &str = "address";
const PROGRAM: &str = "program";

/// What a program may have of its user's rate, as a part of it: one that runs wild leaves as much to all others.
const OF_A_PROGRAM: u32 = 2;

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
    /// What acts for a user by a credential of its own: a token, a grant.
    Program(Arc<str>),
    /// An address; for IPv6 its /64, which is what one subscriber owns.
    Address([u8; 16]),
}

/// What everything may be asked how often.
pub(crate) struct Limiter {
    rate: RateLimit,
    users: Buckets,
    addresses: Buckets,
    programs: Buckets,
    under_way: Concurrency,
}

/// What components declare that some of their routes may be asked less often, by their ids.
pub(crate) struct Classes(BTreeMap<String, Classified>);

/// The routes of a component that have rates of their own.
struct Classified {
    declared: BTreeMap<String, RateClass>,
    routes: Routes,
    /// As the routes are numbered.
    buckets: Vec<Arc<Buckets>>,
}

/// Token buckets of one policy, one for each payer.
pub(crate) struct Buckets {
    keyed: RateLimiter<Payer, DashMapStateStore<Payer>, DefaultClock, StateInformationMiddleware>,
    name: Arc<str>,
    per_minute: u32,
    burst: u32,
    /// What answers say of it.
    policy: HeaderValue,
    since_sweep: AtomicU32,
}

/// What is left of the buckets that a request was taken from, as its answer says it.
#[derive(Debug, Default)]
pub(crate) struct Allowance(Vec<Left>);

#[derive(Debug)]
struct Left {
    policy: HeaderValue,
    /// What the policy is called.
    name: Arc<str>,
    remaining: u32,
    /// Seconds until the bucket is full again.
    reset: u32,
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(rate: RateLimit) -> Self {
        let per_minute = rate.per_second.saturating_mul(60);
        let all = |name| Buckets::new(name, per_minute, rate.burst);
        Self {
            rate,
            users: all(USER),
            addresses: all(ADDRESS),
            programs: Buckets::new(
                PROGRAM,
                per_minute / OF_A_PROGRAM,
                rate.burst / OF_A_PROGRAM,
            ),
            under_way: Concurrency::new(rate.at_once),
        }
    }

    /// What it was made with.
    pub(crate) fn rate(&self) -> RateLimit {
        self.rate
    }

    /// Waits until the payer may have one more request under way.
    pub(crate) async fn enter(
        &self,
        payer: Payer,
        lasting: &Concurrency,
    ) -> Result<Arc<Place>, Refusal> {
        self.under_way.enter(payer.anywhere(), lasting).await
    }

    /// The buckets that a payer's is among.
    pub(crate) fn of(&self, payer: &Payer) -> &Buckets {
        match payer.who {
            Who::User(_) => &self.users,
            Who::Program(_) => &self.programs,
            Who::Address(_) => &self.addresses,
        }
    }
}

// === impl Classes ===

impl Classes {
    /// Those of an application.
    pub(crate) fn of(app: &App) -> Self {
        let components = app.components.iter();
        let classified = components.filter_map(|(id, component)| {
            let declared = &component.settings.rate_limits;
            (!declared.is_empty()).then(|| (id.as_str().to_owned(), Classified::new(declared)))
        });
        Self(classified.collect())
    }

    /// Whether they say the same, so that what was spent of them stays spent.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.declared().eq(other.declared())
    }

    fn declared(&self) -> impl Iterator<Item = (&String, &BTreeMap<String, RateClass>)> {
        let classified = self.0.iter();
        classified.map(|(id, classified)| (id, &classified.declared))
    }

    /// The buckets of the class that a path of a component is in, if it is in one.
    pub(crate) fn find(&self, component: Option<&str>, path: &str) -> Option<&Buckets> {
        let classified = self.0.get(component?)?;
        let route = classified.routes.find(path)?;
        let buckets = classified.buckets.get(route.trigger)?;
        Some(buckets)
    }
}

// === impl Classified ===

impl Classified {
    fn new(declared: &BTreeMap<String, RateClass>) -> Self {
        let (mut routes, mut buckets) = (Vec::new(), Vec::new());
        for (name, class) in declared {
            let shared = Arc::new(Buckets::new(name, class.per_minute, class.burst));
            for route in &class.routes {
                routes.push(route.as_str());
                buckets.push(Arc::clone(&shared));
            }
        }
        Self {
            declared: declared.clone(),
            routes: Routes::of(routes),
            buckets,
        }
    }
}

// === impl Buckets ===

impl Buckets {
    fn new(name: &str, per_minute: u32, burst: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let window = seconds(burst.get(), per_minute.get());
        let policy = format!("\"{name}\";q={burst};w={window}");
        Self {
            keyed: RateLimiter::dashmap(quota).with_middleware(),
            name: Arc::from(name),
            per_minute: per_minute.get(),
            burst: burst.get(),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
            since_sweep: AtomicU32::new(0),
        }
    }

    /// Takes one request from the payer's bucket.
    pub(crate) fn take(&self, payer: &Payer) -> Result<(), Refusal> {
        self.taken(payer).1
    }

    fn taken(&self, payer: &Payer) -> (Left, Result<(), Refusal>) {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) == SWEEP_EVERY {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.keyed.retain_recent();
        }
        match self.keyed.check_key(payer) {
            Ok(state) => (self.left(state.remaining_burst_capacity()), Ok(())),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                (self.left(0), Err(Refusal::rate_limited(wait)))
            }
        }
    }

    fn left(&self, remaining: u32) -> Left {
        Left {
            policy: self.policy.clone(),
            name: Arc::clone(&self.name),
            remaining,
            reset: seconds(self.burst.saturating_sub(remaining), self.per_minute),
        }
    }
}

/// How long it takes until so many requests may be sent again.
fn seconds(requests: u32, per_minute: u32) -> u32 {
    let seconds = (u64::from(requests) * 60).div_ceil(u64::from(per_minute));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

// === impl Allowance ===

impl Allowance {
    /// Takes one request from a payer's bucket.
    pub(crate) fn take(&mut self, from: &Buckets, payer: &Payer) -> Result<(), Refusal> {
        let (left, admitted) = from.taken(payer);
        self.0.push(left);
        admitted
    }

    /// All policies that were asked, and what is left of the one that ends first.
    pub(crate) fn describe(self, headers: &mut HeaderMap) {
        let Some(least) = self.0.iter().min_by_key(|left| left.remaining) else {
            return;
        };
        let Left {
            name,
            remaining,
            reset,
            ..
        } = least;
        if let Ok(left) = HeaderValue::try_from(format!("\"{name}\";r={remaining};t={reset}")) {
            headers.insert(LEFT, left);
        }
        for left in self.0 {
            headers.append(POLICY, left.policy);
        }
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

    /// A program with a credential of its own, beside its user.
    pub(crate) fn program(tenant: &Arc<str>, credential: Arc<str>) -> Self {
        Self {
            tenant: Some(Arc::clone(tenant)),
            who: Who::Program(credential),
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
        let buckets = limiter.of(&ada);
        assert_eq!(buckets.taken(&ada).0.remaining, 2);
        // However slow the machine: eleven in less than eight seconds are too many.
        let (allowance, refusal) = (0..10)
            .find_map(|_| {
                let mut allowance = Allowance::default();
                let refusal = allowance.take(buckets, &ada).err()?;
                Some((allowance, refusal))
            })
            .unwrap();
        let mut headers = HeaderMap::new();
        allowance.describe(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=3;w=3");
        assert_eq!(headers["ratelimit"], "\"user\";r=0;t=3");
        let refused = refusal.into_response("req_1");
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers().get("retry-after").unwrap(), "1");
        let bob = Payer::user(&"t".into(), "usr_bob".into());
        assert!(buckets.take(&bob).is_ok());
    }

    #[test]
    fn a_program_has_half_of_its_users_and_a_little_is_enough() {
        let limiter = |per_second, burst| {
            Limiter::new(RateLimit {
                per_second,
                burst,
                at_once: 1,
            })
        };
        let program = Payer::program(&"t".into(), "ptk_1".into());
        let policy = |limiter: Limiter| limiter.of(&program).policy.clone();
        assert_eq!(policy(limiter(200, 2000)), "\"program\";q=1000;w=10");
        assert_eq!(policy(limiter(1, 1)), "\"program\";q=1;w=2");
        assert_eq!(policy(limiter(u32::MAX, 1)), "\"program\";q=1;w=1");
    }

    #[test]
    fn the_policy_that_ends_first_is_told_of() {
        let (few, many) = (Buckets::new("few", 1, 2), Buckets::new("many", 60, 100));
        let ada = Payer::user(&"t".into(), "usr_ada".into());
        let mut allowance = Allowance::default();
        allowance.take(&many, &ada).unwrap();
        allowance.take(&few, &ada).unwrap();
        let mut headers = HeaderMap::new();
        allowance.describe(&mut headers);
        assert_eq!(headers["ratelimit"], "\"few\";r=1;t=60");
        let policies: Vec<_> = headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(policies, ["\"many\";q=100;w=100", "\"few\";q=2;w=120"]);
    }

    #[test]
    fn a_class_is_of_routes_of_its_component_and_stays_spent() {
        let app = |per_minute: u32| {
            let manifest = format!(
                r#"
                spin_manifest_version = 2
                [application]
                name = "shop"
                [[trigger.http]]
                route = "/shop/..."
                component = "shop"
                [component.shop]
                source = "shop.wasm"
                [component.shop.tool.sbd.rate_limits.buying]
                routes = ["/shop/orders", "/shop/:product/buy/..."]
                per_minute = {per_minute}
                burst = 2
                [component.other]
                source = "other.wasm"
                "#
            );
            let options = sbd_manifest::LoadOptions::default();
            let read = App::parse(&manifest, "spin.toml", std::path::Path::new("/"), &options);
            Classes::of(&read.unwrap().app)
        };
        let classes = app(1);
        let ada = Payer::user(&"t".into(), "usr_ada".into());
        let taken = |path| {
            let buckets = classes.find(Some("shop"), path);
            buckets.map(|buckets| buckets.take(&ada).is_ok())
        };
        // One bucket for all of them.
        assert_eq!(taken("/shop/orders"), Some(true));
        assert_eq!(taken("/shop/tea/buy/now"), Some(true));
        assert_eq!(taken("/shop/orders"), Some(false));
        for other in ["/shop", "/shop/orders/1", "/shop/tea", "/"] {
            assert_eq!(taken(other), None, "{other}");
        }
        assert!(classes.find(Some("other"), "/shop/orders").is_none());
        assert!(classes.find(None, "/shop/orders").is_none());
        assert!(classes.same_as(&app(1)) && !classes.same_as(&app(2)));
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
