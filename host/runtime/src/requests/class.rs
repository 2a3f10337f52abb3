//! Of which kind a request is, so that none of them can take the place of the others.

use crate::limits::Limit;
use sbd_manifest::Limits;
use std::time::Duration;

/// Who a request comes from in the end. What it calls on its way is of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Somebody outside.
    Public,
    /// The host asks who somebody is, or makes an administrator.
    Authentication,
    /// The host delivers an event.
    Events,
    /// The host hands over queued work, or a tick.
    Tasks,
    /// The host asks who may join a real-time channel.
    Channels,
    /// The host asks how a component is, or what it offers.
    Probe,
}

/// How many requests of a class a component answers at once, and how many may wait, per tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) at_once: usize,
    pub(crate) waiting: usize,
}

// === impl Class ===

impl Class {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Public,
        Self::Authentication,
        Self::Events,
        Self::Tasks,
        Self::Channels,
        Self::Probe,
    ];

    /// How long an answer may take to begin, and the limit that says so.
    pub(crate) fn patience(self, limits: &Limits) -> (Limit, Duration) {
        match self {
            Self::Tasks => (Limit::TaskTime, limits.task_time),
            _ => (Limit::RequestTimeout, limits.request_timeout),
        }
    }

    /// What a component's limits leave to the class: to the public all that `concurrency` and `queue`
    /// say, to each of the others a quarter beside it. A flood of events keeps no visitor waiting, and
    /// visitors no event.
    pub(crate) fn share(self, limits: &Limits) -> Share {
        match self {
            Self::Public => Share {
                at_once: limits.concurrency,
                waiting: limits.queue,
            },
            _ => Share {
                at_once: limits.concurrency.div_ceil(4),
                waiting: limits.queue.div_ceil(4),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_room() {
        let mut limits = Limits::default();
        assert_eq!(Class::Public.share(&limits).at_once, limits.concurrency);
        limits.concurrency = 1;
        limits.queue = 1;
        for class in Class::ALL {
            let one = Share {
                at_once: 1,
                waiting: 1,
            };
            assert_eq!(class.share(&limits), one);
        }
    }
}
