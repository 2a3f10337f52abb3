//! Down the log: what is to be delivered is put into the lane of its key.

use super::{BATCH, BLOCKED, Fresh, Subscriber, waiting};
use crate::events::cloud_event::CloudEvent;
use jiff::Timestamp;
use sbd_events::Held;

/// Events that are read and not delivered yet, at most.
const WINDOW: usize = 256;

impl Subscriber {
    /// Whether more can be read.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < WINDOW && self.blocked.len() < BLOCKED && self.wished.is_none()
    }

    /// Reads on, as long as there is room, and not so much that keeping it would take long.
    pub(super) async fn fill(&mut self) {
        while self.is_more && self.has_room() && self.progress.held.len() < WINDOW {
            let read = self.log.documents.outbox(self.read, BATCH).await;
            let published = match read {
                Ok(published) => published,
                Err(error) => return self.stuck(&error),
            };
            self.is_more = !published.is_empty();
            let listens = self.listens.borrow_and_update().clone();
            for published in published {
                self.read = published.place;
                if !listens.takes(&published) {
                    continue;
                }
                match CloudEvent::new(&self.tenant, &published) {
                    Ok(event) => self.queue(published.place, published.time, event),
                    Err(error) => {
                        tracing::error!(tenant = &*self.tenant, event = published.id, %error, "an event cannot be delivered");
                    }
                }
            }
            if self
                .replay
                .as_ref()
                .is_some_and(|replay| self.read >= replay.until)
            {
                self.replay = None;
            }
        }
    }

    fn queue(&mut self, place: u64, time: Timestamp, mut event: CloudEvent) {
        if let Some(replay) = &self.replay
            && place <= replay.until
        {
            event.replay = Some(replay.id.clone());
        }
        let key = event.key();
        if let Some(block) = self.blocked.get_mut(&key) {
            block.has_more = true;
            let held = waiting(place, &key, &event, 0, Timestamp::now());
            self.progress.held.push(Held::Waiting(held));
            return;
        }
        self.open.insert(place);
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.queue.is_empty() && !lane.is_under_way {
            self.ready.push_back(key);
        }
        lane.queue.push_back(Fresh { place, time, event });
    }
}
