//! What may be sent now is, side by side for different keys.

use super::{ATTEMPTS, BATCH, RETRY, Sent, Stopped, Subscriber, later};
use crate::events::cloud_event::CloudEvent;
use crate::events::delivery::deliver;
use crate::outcome::Outcome;
use jiff::Timestamp;
use sbd_events::{Settled, Waiting};
use sbd_runtime::{EventLog, Runtime};
use std::sync::Arc;
use std::time::Instant;

impl Subscriber {
    /// Sends what may be sent now.
    pub(super) async fn start(&mut self) {
        let now = Instant::now();
        let allowed = self.breaker.allows(self.at_once, now);
        if allowed == 0 {
            self.give_up_old();
        }
        while self.under_way.len() < allowed {
            if let Some(key) = self.due_key() {
                // What waits is read from the store: all of it must be there.
                if !self.progress.held.is_empty() || !self.progress.settled.is_empty() {
                    self.save().await;
                    if self.stuck_until.is_some() {
                        return;
                    }
                }
                self.send_again(key);
            } else if let Some(key) = self.ready.pop_front() {
                self.send_first(key);
            } else {
                return;
            }
        }
    }

    /// A key whose first event is due.
    fn due_key(&self) -> Option<String> {
        let now = Timestamp::now();
        let mut blocked = self.blocked.iter();
        let due = blocked.find(|(_, block)| !block.is_under_way && block.due <= now);
        due.map(|(key, _)| key.clone())
    }

    fn send_first(&mut self, key: String) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let Some(fresh) = lane.queue.pop_front() else {
            self.lanes.remove(&key);
            return;
        };
        lane.is_under_way = true;
        let (runtime, tenant) = (self.runtime.clone(), Arc::clone(&self.tenant));
        let component = Arc::clone(&self.component);
        self.under_way.push(Box::pin(async move {
            let outcome = deliver(&runtime, &tenant, &component, &fresh.event).await;
            Sent::First {
                key,
                fresh: Box::new(fresh),
                outcome,
            }
        }));
    }

    /// Sends what waits for a key, one after the other, until one fails.
    fn send_again(&mut self, key: String) {
        if let Some(block) = self.blocked.get_mut(&key) {
            block.is_under_way = true;
            block.has_more = false;
        }
        let (runtime, tenant) = (self.runtime.clone(), Arc::clone(&self.tenant));
        let component = Arc::clone(&self.component);
        let log = self.log.clone();
        self.under_way.push(Box::pin(async move {
            let (settled, stopped) = resend(&runtime, &tenant, &component, &log, &key).await;
            Sent::Again {
                key,
                settled,
                stopped,
            }
        }));
    }
}

/// Sends what waits for a key; answers what became of it, and why it is not all.
async fn resend(
    runtime: &Runtime,
    tenant: &Arc<str>,
    component: &Arc<str>,
    log: &EventLog,
    key: &str,
) -> (Vec<Settled>, Option<Stopped>) {
    let mut settled = Vec::new();
    let waiting = match log.deliveries.waiting(component, key, BATCH).await {
        Ok(waiting) => waiting,
        Err(error) => {
            let reason = error.to_string();
            return (settled, Some(Stopped::Store { reason }));
        }
    };
    let is_all = waiting.len() < BATCH as usize;
    for Waiting {
        place,
        event,
        attempts,
        ..
    } in waiting
    {
        let outcome = match serde_json::from_str::<CloudEvent>(&event) {
            Ok(event) => deliver(runtime, tenant, component, &event).await,
            Err(error) => Outcome::Refused(format!("it is damaged: {error}")),
        };
        let attempts = attempts + 1;
        let now = Timestamp::now();
        let parked = |reason| Settled::Parked {
            place,
            attempts,
            since: now,
            reason,
        };
        match outcome {
            Outcome::Taken(_) => settled.push(Settled::Done { place }),
            Outcome::Refused(reason) => settled.push(parked(reason)),
            Outcome::Failed(reason) if attempts >= ATTEMPTS => settled.push(parked(reason)),
            Outcome::Failed(_) => {
                let due = later(now, RETRY.after(attempts));
                settled.push(Settled::Again {
                    place,
                    attempts,
                    due,
                });
                return (settled, Some(Stopped::Failed { due }));
            }
            Outcome::Unreachable(reason) => {
                return (settled, Some(Stopped::Unreachable { reason }));
            }
        }
    }
    (settled, (!is_all).then_some(Stopped::Batch))
}
