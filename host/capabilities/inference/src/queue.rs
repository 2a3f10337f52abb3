//! The queue before a backend: so many run, so many wait, and tenants take turns.

use crate::model::Error;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Who waits and who runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    parallel: usize,
    waiting: usize,
    line: Mutex<Line>,
    /// Somebody has moved up.
    moved: Notify,
}

#[derive(Default)]
struct Line {
    running: usize,
    /// Tenants that wait, in the order of their turns, and in each who came first.
    tenants: VecDeque<(Arc<str>, VecDeque<Waiter>)>,
    next: u64,
}

struct Waiter {
    id: u64,
    called: oneshot::Sender<Call>,
}

/// What somebody who waits is told.
enum Call {
    /// It is their turn.
    Turn(Running),
    /// Their tenant has too many, and another one came.
    PushedOut,
}

/// A place in the queue, which is left when this is dropped.
pub(crate) struct Place {
    queue: Queue,
    tenant: Arc<str>,
    id: u64,
    called: oneshot::Receiver<Call>,
}

/// The right to run, until this is dropped.
pub(crate) struct Running(Queue);

// === impl Queue ===

impl Queue {
    /// Lets so many run at once, and so many wait.
    pub(crate) fn new(parallel: usize, waiting: usize) -> Self {
        Self(Arc::new(Inner {
            parallel: parallel.max(1),
            waiting,
            line: Mutex::default(),
            moved: Notify::new(),
        }))
    }

    /// Takes a place for a tenant. Where all places are taken, the tenant with the most of them gives up its
    /// last one for a tenant that has fewer.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(crate) fn enter(&self, tenant: &Arc<str>) -> Result<Place, Error> {
        let mut line = self.line();
        let (called, call) = oneshot::channel();
        let id = line.next;
        line.next += 1;
        let place = Place {
            queue: self.clone(),
            tenant: Arc::clone(tenant),
            id,
            called: call,
        };
        if line.running < self.0.parallel && line.tenants.is_empty() {
            line.running += 1;
            // Who has just come listens.
            let _ = called.send(Call::Turn(Running(self.clone())));
            return Ok(place);
        }
        let waiting = line.waiting();
        if waiting >= self.0.waiting && !line.push_out_for(tenant) {
            let busy = format!(
                "{waiting} questions wait for the model already; ask again in a few seconds"
            );
            // Its place was never in the line, and looking for it needs the lock.
            drop(line);
            return Err(Error::Busy(busy));
        }
        let waiter = Waiter { id, called };
        match line.tenants.iter_mut().find(|(its, _)| its == tenant) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => {
                let waiters = VecDeque::from([waiter]);
                line.tenants.push_back((Arc::clone(tenant), waiters));
            }
        }
        drop(line);
        self.0.moved.notify_waiters();
        Ok(place)
    }

    /// How many run and how many wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let line = self.line();
        (line.running, line.waiting())
    }

    /// Calls whoever is next, as far as there is room.
    fn call_next(&self) {
        let mut left = Vec::new();
        let mut line = self.line();
        while line.running < self.0.parallel {
            let Some((tenant, mut waiters)) = line.tenants.pop_front() else {
                break;
            };
            let Some(waiter) = waiters.pop_front() else {
                continue;
            };
            if !waiters.is_empty() {
                line.tenants.push_back((tenant, waiters));
            }
            line.running += 1;
            let turn = Call::Turn(Running(self.clone()));
            // Who has just left is given no turn, and what is dropped takes the lock.
            left.extend(waiter.called.send(turn).err());
        }
        drop(line);
        self.0.moved.notify_waiters();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Line ===

impl Line {
    fn waiting(&self) -> usize {
        self.tenants.iter().map(|(_, waiters)| waiters.len()).sum()
    }

    /// Has the tenant that waits most give up its last place for one that waits less.
    fn push_out_for(&mut self, tenant: &Arc<str>) -> bool {
        let its = self.tenants.iter().find(|(name, _)| name == tenant);
        let its = its.map_or(0, |(_, waiters)| waiters.len());
        let most = self.tenants.iter_mut().max_by_key(|(_, all)| all.len());
        let Some((_, waiters)) = most.filter(|(_, waiters)| waiters.len() > its + 1) else {
            return false;
        };
        if let Some(last) = waiters.pop_back() {
            let _ = last.called.send(Call::PushedOut);
        }
        true
    }

    /// How many come before somebody.
    fn before(&self, tenant: &Arc<str>, id: u64) -> Option<u32> {
        let turn = self.tenants.iter().position(|(name, _)| name == tenant)?;
        let (_, its) = self.tenants.get(turn)?;
        let rounds = its.iter().position(|waiter| waiter.id == id)?;
        let others = self
            .tenants
            .iter()
            .enumerate()
            .map(|(place, (_, waiters))| {
                // Those whose turn is earlier have one round more.
                let theirs = rounds + usize::from(place < turn);
                if place == turn {
                    rounds
                } else {
                    theirs.min(waiters.len())
                }
            });
        u32::try_from(others.sum::<usize>()).ok()
    }
}

// === impl Place ===

impl Place {
    /// Waits for the turn. `tell` hears how many are before, now and whenever that changes.
    ///
    /// # Errors
    /// [`Error::Busy`] when the place went to another tenant.
    pub(crate) async fn turn(mut self, mut tell: impl FnMut(u32)) -> Result<Running, Error> {
        let queue = self.queue.clone();
        let mut told = None;
        loop {
            let moved = queue.0.moved.notified();
            tokio::pin!(moved);
            // From here on nothing is missed.
            moved.as_mut().enable();
            let before = queue.line().before(&self.tenant, self.id);
            if before.is_some() && before != told {
                tell(before.unwrap_or_default());
                told = before;
            }
            tokio::select! {
                biased;
                call = &mut self.called => return match call {
                    Ok(Call::Turn(running)) => Ok(running),
                    _ => Err(Error::Busy(
                        "too many questions of this tenant wait for the model; ask again in a few seconds".to_owned(),
                    )),
                },
                () = moved => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        let tenants = &mut line.tenants;
        if let Some((_, waiters)) = tenants.iter_mut().find(|(name, _)| *name == self.tenant) {
            waiters.retain(|waiter| waiter.id != self.id);
        }
        tenants.retain(|(_, waiters)| !waiters.is_empty());
        drop(line);
        self.queue.0.moved.notify_waiters();
        // A turn that was given and never taken is dropped with the receiver.
    }
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.running = line.running.saturating_sub(1);
        drop(line);
        self.0.call_next();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use futures::FutureExt as _;
    use std::pin::{Pin, pin};

    type Turn = Pin<Box<dyn Future<Output = Result<Running, Error>>>>;

    fn name(tenant: &str) -> Arc<str> {
        tenant.into()
    }

    fn wait(queue: &Queue, tenant: &str) -> Turn {
        let place = queue.enter(&name(tenant)).unwrap();
        Box::pin(place.turn(|_| {}))
    }

    #[tokio::test]
    async fn so_many_run_and_who_ends_or_leaves_makes_room() {
        let queue = Queue::new(2, 10);
        let first = wait(&queue, "a").await.unwrap();
        let second = wait(&queue, "a").await.unwrap();
        let (mut third, mut fourth) = (wait(&queue, "a"), wait(&queue, "a"));
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(queue.counts(), (2, 2));
        drop(first);
        // It was called and leaves without having heard it.
        drop(third);
        let fourth = (&mut fourth).now_or_never().unwrap().unwrap();
        drop((second, fourth));
        assert_eq!(queue.counts(), (0, 0));
    }

    #[tokio::test]
    async fn tenants_take_turns_and_everybody_knows_how_many_are_before() {
        let queue = Queue::new(1, 10);
        let running = wait(&queue, "a").await.unwrap();
        let order = std::cell::RefCell::new(Vec::new());
        let ask = |tenant: &'static str, number: u8| {
            let place = queue.enter(&name(tenant)).unwrap();
            let order = &order;
            async move {
                let mut before = Vec::new();
                let turn = place.turn(|now| before.push(now)).await.unwrap();
                order.borrow_mut().push((tenant, number));
                drop(turn);
                before
            }
        };
        let all = [
            ask("a", 1),
            ask("a", 2),
            ask("a", 3),
            ask("b", 1),
            ask("c", 1),
        ];
        let mut all = pin!(futures::future::join_all(all));
        assert!(all.as_mut().now_or_never().is_none());
        drop(running);
        let before = all.await;
        let served = [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("a", 3)];
        assert_eq!(order.take(), served);
        let first: Vec<u32> = before
            .iter()
            .filter_map(|all| all.first().copied())
            .collect();
        assert_eq!(first, [0, 3, 4, 1, 2]);
    }

    #[tokio::test]
    async fn where_all_places_are_taken_a_tenant_with_many_gives_one_up_for_one_with_fewer() {
        let queue = Queue::new(1, 3);
        let running = wait(&queue, "a").await.unwrap();
        let mut waiting = [wait(&queue, "a"), wait(&queue, "a"), wait(&queue, "a")];
        let refused = queue.enter(&name("a"));
        assert!(matches!(refused, Err(Error::Busy(_))));
        let mut other = wait(&queue, "b");
        let last = (&mut waiting[2]).now_or_never();
        assert!(matches!(last, Some(Err(Error::Busy(_)))));
        assert_eq!(queue.counts(), (1, 3));
        drop(running);
        let first = (&mut waiting[0]).now_or_never().unwrap().unwrap();
        drop(first);
        assert!((&mut other).now_or_never().is_some());
    }
}
