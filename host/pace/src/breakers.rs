//! The circuit breakers of a process, for whoever wants to know who has been failing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// Whether a circuit breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// One at a time, to see.
    HalfOpen {
        /// When it was opened.
        since: Instant,
    },
    /// Nothing.
    Open {
        /// When it was opened.
        since: Instant,
        /// When it lets something through again.
        until: Instant,
    },
}

/// A circuit breaker, of whatever kind.
pub trait Breaks: Send + Sync {
    /// Whether it lets through at a moment.
    fn state(&self, now: Instant) -> State;
}

/// A circuit breaker that is not closed.
#[derive(Clone, Debug)]
pub struct Tripped {
    /// What it lets through.
    pub what: &'static str,
    /// To whom.
    pub component: Arc<str>,
    /// In which tenant.
    pub tenant: Arc<str>,
    /// Its state.
    pub state: State,
}

/// The circuit breakers of a process, by what they let through and to whom. Cheap to clone.
#[derive(Clone, Default)]
pub struct Breakers(Arc<Mutex<BTreeMap<Key, Vec<Listed>>>>);

type Key = (&'static str, Arc<str>);

/// A breaker, for as long as somebody has it.
struct Listed {
    tenant: Arc<str>,
    breaker: Weak<dyn Breaks>,
}

// === impl Breakers ===

impl Breakers {
    /// Has a breaker among them for as long as somebody has it.
    pub fn list(
        &self,
        what: &'static str,
        component: &Arc<str>,
        tenant: &Arc<str>,
        breaker: &Arc<impl Breaks + 'static>,
    ) {
        let breaker = Arc::downgrade(breaker) as Weak<dyn Breaks>;
        let mut all = self.all();
        let of_component = all.entry((what, Arc::clone(component))).or_default();
        // Those that are gone make room.
        if of_component.len() == of_component.capacity() {
            of_component.retain(|listed| listed.breaker.strong_count() > 0);
        }
        of_component.push(Listed {
            tenant: Arc::clone(tenant),
            breaker,
        });
    }

    /// Those that are not closed.
    pub fn tripped(&self, now: Instant) -> Vec<Tripped> {
        let mut tripped = Vec::new();
        for ((what, component), listed) in self.all().iter() {
            for Listed { tenant, breaker } in listed {
                let state = breaker.upgrade().map(|breaker| breaker.state(now));
                if let Some(state) = state.filter(|state| *state != State::Closed) {
                    tripped.push(Tripped {
                        what,
                        component: Arc::clone(component),
                        tenant: Arc::clone(tenant),
                        state,
                    });
                }
            }
        }
        tripped
    }

    /// What was ever let through to whom, and how grave the worst state in any tenant is.
    pub fn worst(&self, now: Instant) -> Vec<(&'static str, Arc<str>, u8)> {
        let all = self.all();
        let worst = all.iter().map(|((what, component), listed)| {
            let breakers = listed.iter().filter_map(|listed| listed.breaker.upgrade());
            let grave = breakers.map(|breaker| breaker.state(now).gravity()).max();
            (*what, Arc::clone(component), grave.unwrap_or_default())
        });
        worst.collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<Listed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// 0 for closed, 1 for half open, 2 for open.
    pub fn gravity(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen { .. } => 1,
            Self::Open { .. } => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backoff, CircuitBreaker};
    use std::time::Duration;

    fn breaker() -> Arc<CircuitBreaker> {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            most: Duration::from_secs(1),
        };
        Arc::new(CircuitBreaker::new(1, backoff))
    }

    #[test]
    fn who_has_been_failing_is_told_until_it_answers_or_is_gone() {
        let now = Instant::now();
        let (breakers, [well, sick]) = (Breakers::default(), [breaker(), breaker()]);
        let notes: Arc<str> = "notes".into();
        breakers.list("events", &notes, &"acme".into(), &well);
        breakers.list("events", &notes, &"other".into(), &sick);
        assert!(breakers.tripped(now).is_empty());
        sick.failed(now);
        let tripped = breakers.tripped(now);
        assert_eq!(tripped.len(), 1);
        assert_eq!(&*tripped[0].tenant, "other");
        let worst = |now| breakers.worst(now)[0].2;
        assert_eq!(worst(now), 2);
        assert_eq!(worst(now + Duration::from_secs(1)), 1);
        sick.succeeded();
        assert_eq!(worst(now), 0);
        sick.failed(now);
        drop(sick);
        assert!(breakers.tripped(now).is_empty());
        assert_eq!(worst(now), 0, "it is still told, so that it is not stuck");
    }

    #[test]
    fn those_that_are_gone_take_no_room() {
        let breakers = Breakers::default();
        for _ in 0..1000 {
            breakers.list("events", &"notes".into(), &"acme".into(), &breaker());
        }
        assert!(breakers.all().values().all(|listed| listed.len() < 10));
    }
}
