//! Sessions and tokens that something was taken from, or that ended, remembered for longer than what was said of them
//! before is kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Longer than what was said of anybody is kept: an answer for a minute, who is behind a ticket for half of one.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);

/// The ended sessions of all tenants.
#[derive(Default)]
pub(crate) struct Revocations {
    ended: RwLock<Ended>,
}

#[derive(Default)]
struct Ended {
    tenants: HashMap<Box<str>, HashMap<Box<str>, Instant>>,
    count: usize,
    /// At this count the expired ones are dropped: doubling keeps the sweep's cost constant per
    /// entry.
    sweep_at: usize,
}

impl Revocations {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Remembers ended sessions.
    pub(crate) fn add(&self, tenant: &str, sessions: &[String]) {
        self.add_at(Instant::now(), tenant, sessions);
    }

    /// When this session ended, or something was taken from it, if that is not long ago.
    pub(crate) fn last(&self, tenant: &str, session: &str) -> Option<Instant> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        ended.tenants.get(tenant)?.get(session).copied()
    }

    fn add_at(&self, now: Instant, tenant: &str, sessions: &[String]) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        if ended.count >= ended.sweep_at {
            ended.sweep(now);
        }
        let known = ended.tenants.entry(tenant.into()).or_default();
        let before = known.len();
        for session in sessions {
            known.insert(session.as_str().into(), now);
        }
        let added = known.len() - before;
        ended.count += added;
    }
}

impl Ended {
    fn sweep(&mut self, now: Instant) {
        self.tenants.retain(|_, sessions| {
            sessions.retain(|_, at| now.saturating_duration_since(*at) < REMEMBERED);
            !sessions.is_empty()
        });
        self.count = self.tenants.values().map(HashMap::len).sum();
        self.sweep_at = (self.count * 2).max(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_sessions_are_known_for_20_minutes_per_tenant() {
        let revoked = Revocations::default();
        let start = Instant::now();
        revoked.add_at(start, "a", &["ses_1".to_owned(), "ses_2".to_owned()]);
        let contains = |tenant: &str, session: &str| revoked.last(tenant, session).is_some();
        assert!(contains("a", "ses_1") && contains("a", "ses_2"));
        assert!(!contains("b", "ses_1") && !contains("a", "ses_3"));

        let many: Vec<String> = (0..2000).map(|n| format!("ses_x{n}")).collect();
        revoked.add_at(start + REMEMBERED / 2, "a", &many);
        assert!(contains("a", "ses_1"), "still within its 20 minutes");
        revoked.add_at(start + REMEMBERED, "a", &["ses_late".to_owned()]);
        assert!(
            !contains("a", "ses_1"),
            "forgotten once nothing older is kept"
        );
        assert!(contains("a", "ses_x1999") && contains("a", "ses_late"));
    }
}
