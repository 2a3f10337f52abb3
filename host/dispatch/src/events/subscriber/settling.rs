//! What became of what was sent, and what that means for the others of its key.

use super::{Block, Fresh, RETRY, Sent, Stopped, Subscriber, later, waiting};
use crate::events::tenant::KEPT;
use crate::outcome::Outcome;
use jiff::Timestamp;
use sbd_events::{Held, Settled};
use sbd_telemetry::metrics::{EVENT_DELIVERIES, tenant_label};
use std::time::Instant;

impl Subscriber {
    /// Takes in what became of something that was sent.
    pub(super) fn settle(&mut self, sent: Sent) {
        match sent {
            Sent::First {
                key,
                fresh,
                outcome,
            } => self.settle_first(key, *fresh, outcome),
            Sent::Again {
                key,
                settled,
                stopped,
            } => self.settle_again(key, settled, stopped),
        }
    }

    fn settle_first(&mut self, key: String, fresh: Fresh, outcome: Outcome) {
        let now = Timestamp::now();
        self.count(&outcome);
        match outcome {
            Outcome::Taken(_) => self.breaker.succeeded(),
            Outcome::Refused(reason) => {
                self.breaker.succeeded();
                let event = waiting(fresh.place, &key, &fresh.event, 1, now);
                self.progress.held.push(Held::Parked { event, reason });
            }
            Outcome::Failed(reason) => {
                self.breaker.failed(Instant::now());
                tracing::debug!(
                    tenant = &*self.tenant,
                    component = &*self.component,
                    event = fresh.event.id,
                    reason,
                    "an event was not taken; it comes again"
                );
                let due = later(now, RETRY.after(1));
                let first = waiting(fresh.place, &key, &fresh.event, 1, due);
                self.progress.held.push(Held::Waiting(first));
                self.open.remove(&fresh.place);
                return self.block(key, due);
            }
            Outcome::Unreachable(reason) => {
                self.leave_alone(&reason);
                // Nothing was tried: it is the first again.
                let lane = self.lanes.entry(key.clone()).or_default();
                lane.is_under_way = false;
                lane.queue.push_front(fresh);
                self.ready.push_front(key);
                return;
            }
        }
        self.open.remove(&fresh.place);
        match self.lanes.get_mut(&key) {
            Some(lane) if !lane.queue.is_empty() => {
                lane.is_under_way = false;
                self.ready.push_back(key);
            }
            _ => {
                self.lanes.remove(&key);
            }
        }
    }

    /// Has all events of a key wait until then.
    fn block(&mut self, key: String, due: Timestamp) {
        let behind = self.lanes.remove(&key).unwrap_or_default();
        for fresh in behind.queue {
            self.open.remove(&fresh.place);
            let held = waiting(fresh.place, &key, &fresh.event, 0, Timestamp::now());
            self.progress.held.push(Held::Waiting(held));
        }
        // A letter of this key may be on its way again.
        let known = self.blocked.get(&key);
        let block = Block {
            due,
            is_under_way: known.is_some_and(|known| known.is_under_way),
            has_more: true,
        };
        self.blocked.insert(key, block);
    }

    fn settle_again(&mut self, key: String, settled: Vec<Settled>, stopped: Option<Stopped>) {
        for one in &settled {
            match one {
                Settled::Again { .. } => self.counted("failed"),
                Settled::Done { .. } => self.counted("taken"),
                Settled::Parked { .. } => self.counted("parked"),
            }
        }
        if settled
            .iter()
            .any(|settled| matches!(settled, Settled::Done { .. }))
        {
            self.breaker.succeeded();
        }
        self.progress.settled.extend(settled);
        let Some(block) = self.blocked.get_mut(&key) else {
            return;
        };
        block.is_under_way = false;
        match stopped {
            None if !block.has_more => {
                self.blocked.remove(&key);
            }
            None | Some(Stopped::Batch) => block.due = Timestamp::now(),
            Some(Stopped::Failed { due }) => {
                block.due = due;
                self.breaker.failed(Instant::now());
            }
            Some(Stopped::Unreachable { reason }) => {
                self.leave_alone(&reason);
            }
            Some(Stopped::Store { reason }) => self.stuck(&reason),
        }
    }

    /// Nobody is there.
    fn leave_alone(&mut self, reason: &str) {
        self.breaker.open(Instant::now());
        tracing::debug!(
            tenant = &*self.tenant,
            component = &*self.component,
            reason,
            "a subscriber is not there; its events wait"
        );
    }

    /// While nobody is there, events that are older than they are kept become dead letters: they would
    /// keep the log from being forgotten.
    pub(super) fn give_up_old(&mut self) {
        let now = Timestamp::now();
        let oldest = now - KEPT;
        let is_old = |fresh: &mut Fresh| fresh.time < oldest && fresh.event.replay.is_none();
        for (key, lane) in &mut self.lanes {
            while let Some(fresh) = lane.queue.pop_front_if(is_old) {
                self.open.remove(&fresh.place);
                let reason = "it could not be delivered as long as events are kept".to_owned();
                let event = waiting(fresh.place, key, &fresh.event, 0, now);
                self.progress.held.push(Held::Parked { event, reason });
            }
        }
    }

    fn count(&self, outcome: &Outcome) {
        self.counted(match outcome {
            Outcome::Taken(_) => "taken",
            Outcome::Refused(_) => "parked",
            Outcome::Failed(_) => "failed",
            Outcome::Unreachable(_) => "unreachable",
        });
    }

    fn counted(&self, outcome: &'static str) {
        metrics::counter!(EVENT_DELIVERIES, "tenant" => tenant_label(&self.tenant).to_string(), "component" => self.component.to_string(), "outcome" => outcome)
            .increment(1);
    }
}
