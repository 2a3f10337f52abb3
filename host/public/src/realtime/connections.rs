//! The connections that are open, and what ends them from outside: their session, or their tenant.

use sbd_gateway::Refusal;
use sbd_realtime::{End, Listener};
use sbd_registry::{TenantState, Tenants};
use sbd_runtime::Authenticated;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Most connections of one tenant: nobody takes them all.
const OF_ONE_TENANT: usize = 2048;

/// Questions that one tenant's components are asked at once about who may join. Others wait: those who
/// wait hear nothing meanwhile, rather than being sent away because the component is busy.
const QUESTIONS: usize = 16;

/// Another connection ends within a while, or none does.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often to see whether tenants are still served.
const LOOK: Duration = Duration::from_millis(250);

/// A session that has ended is known for so long: whoever was let in before connects by then.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The open connections of all tenants.
#[derive(Default)]
pub(super) struct Connections {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tenants: HashMap<Arc<str>, Tenant>,
    /// Sessions that ended, by tenant and id.
    ended: HashMap<(String, String), Instant>,
}

struct Tenant {
    open: HashMap<u64, Open>,
    questions: Arc<Semaphore>,
}

struct Open {
    listener: Listener,
    session: Option<Arc<str>>,
}

/// A connection's place, until it is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    tenant: Arc<str>,
    number: u64,
    /// Whoever asks who may join holds one.
    pub(super) questions: Arc<Semaphore>,
}

// === impl Connections ===

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// One more, unless there are as many as may be, or the session has ended meanwhile.
    pub(super) fn open(
        self: &Arc<Self>,
        tenant: &Arc<str>,
        caller: &Authenticated,
        listener: &Listener,
    ) -> Result<Connection, Refusal> {
        let mut state = self.state();
        let session = caller.session.as_ref();
        let last = session.and_then(|session| {
            let key = (tenant.to_string(), session.to_string());
            state.ended.get(&key)
        });
        // One that goes on after something was taken from it is asked about anew before this.
        if last.is_some_and(|last| caller.is_older_than(*last)) {
            return Err(Refusal::unauthenticated(
                "Your session has just ended; sign in anew.",
            ));
        }
        let open = state.tenants.entry(Arc::clone(tenant));
        let open = open.or_insert_with(|| Tenant {
            open: HashMap::new(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        });
        if open.open.len() >= OF_ONE_TENANT {
            return Err(Refusal::busy(RETRY_AFTER));
        }
        let connection = Open {
            listener: listener.clone(),
            session: session.cloned(),
        };
        open.open.insert(listener.number(), connection);
        Ok(Connection {
            connections: Arc::clone(self),
            tenant: Arc::clone(tenant),
            number: listener.number(),
            questions: Arc::clone(&open.questions),
        })
    }

    /// Sessions have ended: their connections end too.
    pub(super) fn sign_out(&self, tenant: &str, sessions: &[String]) {
        let now = Instant::now();
        let mut state = self.state();
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < REMEMBERED;
        state.ended.retain(|_, at| is_fresh(at));
        for session in sessions {
            let key = (tenant.to_owned(), session.clone());
            state.ended.insert(key, now);
        }
        let open = state.tenants.get(tenant);
        for open in open.into_iter().flat_map(|tenant| tenant.open.values()) {
            let session = open.session.as_deref();
            if session.is_some_and(|own| sessions.iter().any(|ended| ended == own)) {
                open.listener.end(End::SignedOut);
            }
        }
    }

    /// Ends the connections of tenants that are not served any more, as long as anybody may connect.
    pub(super) async fn watch(connections: Weak<Self>, tenants: Tenants) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(connections) = connections.upgrade() else {
                return;
            };
            let is_served = |name: &str| {
                let tenant = tenants.get(name);
                tenant.is_some_and(|tenant| tenant.state == TenantState::Active)
            };
            for (name, tenant) in &connections.state().tenants {
                if !is_served(name) {
                    for open in tenant.open.values() {
                        open.listener.end(End::Suspended);
                    }
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Connection ===

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        if let Some(tenant) = state.tenants.get_mut(&self.tenant) {
            tenant.open.remove(&self.number);
            if tenant.open.is_empty() {
                state.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_contract::Principal;
    use sbd_realtime::Heard;

    #[tokio::test]
    async fn a_session_that_ends_takes_its_connections_along_and_lets_none_in() {
        let connections = Connections::new();
        let (acme, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let of = |session| -> Authenticated {
            let user = Principal::user("acme", "usr_1");
            user.in_session(session).into()
        };
        let (ended, goes_on) = (of("ses_1"), of("ses_2"));
        let mut open = Vec::new();
        for (tenant, caller) in [(&acme, &ended), (&acme, &goes_on), (&other, &ended)] {
            let (listener, queue) = Listener::new(None);
            let connection = connections.open(tenant, caller, &listener);
            open.push((connection.ok().unwrap(), queue));
        }
        connections.sign_out("acme", &["ses_1".to_owned()]);
        let is_over = |queue: &mut sbd_realtime::Queue| {
            matches!(queue.take(), Some(Heard::Ended(End::SignedOut)))
        };
        let over: Vec<_> = open.iter_mut().map(|(_, queue)| is_over(queue)).collect();
        assert_eq!(over, [true, false, false]);
        let (late, _queue) = Listener::new(None);
        assert!(connections.open(&acme, &ended, &late).is_err());
        assert!(connections.open(&acme, &goes_on, &late).is_ok());
        // Whoever was asked about since goes on.
        std::thread::sleep(Duration::from_millis(1));
        assert!(connections.open(&acme, &of("ses_1"), &late).is_ok());
        drop(open);
        assert!(connections.state().tenants.is_empty());
    }

    #[test]
    fn no_tenant_takes_all_places() {
        let connections = Connections::new();
        let (acme, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let ada: Authenticated = Principal::user("acme", "usr_1").into();
        let open = |tenant| connections.open(tenant, &ada, &Listener::new(None).0);
        let mut all: Vec<_> = (0..OF_ONE_TENANT)
            .map(|_| open(&acme).ok().unwrap())
            .collect();
        assert!(open(&acme).is_err());
        assert!(open(&other).is_ok());
        all.pop();
        assert!(open(&acme).is_ok());
    }
}
