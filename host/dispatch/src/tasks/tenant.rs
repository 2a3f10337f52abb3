//! The tasks of one tenant, as long as there is something to do.

use crate::tasks::attempt::{Attempt, Came};
use crate::tasks::{Counted, Tasks};
use jiff::Timestamp;
use sbd_pace::{Backoff, CircuitBreaker};
use sbd_registry::{Plan, Tenants};
use sbd_runtime::{Runtime, TaskStore};
use sbd_tasks::State;
use sbd_tasks::limits::LEASE;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Whoever has nothing to do stays so long, so that what comes soon costs no look into the host's own
/// database.
const LINGER: Duration = Duration::from_secs(10);

/// How often to see whether there is still something to do.
const LOOK: Duration = Duration::from_secs(1);

/// How long a component is left alone that is not there.
const AWAY: Backoff = Backoff {
    first: Duration::from_millis(500),
    most: Duration::from_secs(60),
};

/// Sees to the tasks of one tenant.
pub(crate) struct TenantTasks {
    tenant: Arc<str>,
    runtime: Runtime,
    shared: Arc<Tasks>,
    known: Tenants,
    stop: CancellationToken,
    wake: Arc<Notify>,
    /// Queues in which it waits for a place, in each for one: so all tenants have the same part of it.
    asked: HashSet<String>,
    asking: JoinSet<(String, Option<OwnedSemaphorePermit>)>,
    running: JoinSet<Ran>,
    /// Room for a tenant that was opened for this.
    room: Option<OwnedSemaphorePermit>,
    /// What the store was told of schedules.
    plan: Option<Option<Plan>>,
    /// Of components that were not there.
    breakers: HashMap<Arc<str>, Arc<CircuitBreaker>>,
}

/// An attempt that is over.
struct Ran {
    component: Arc<str>,
    came: Came,
}

// === impl TenantTasks ===

impl TenantTasks {
    pub(crate) fn new(
        tenant: Arc<str>,
        runtime: Runtime,
        shared: Arc<Tasks>,
        known: Tenants,
        stop: CancellationToken,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            tenant,
            runtime,
            shared,
            known,
            stop,
            wake,
            asked: HashSet::new(),
            asking: JoinSet::new(),
            running: JoinSet::new(),
            room: None,
            plan: None,
            breakers: HashMap::new(),
        }
    }

    /// Works until there is nothing left to do, and says when it is `gone`. Gives back the room that it
    /// had to open the tenant, if it did not take long.
    pub(crate) async fn run(
        mut self,
        room: Option<OwnedSemaphorePermit>,
        gone: impl FnOnce(),
    ) -> Option<OwnedSemaphorePermit> {
        self.room = room;
        match self.runtime.tasks(&self.tenant).await {
            Ok(store) => self.work(&store, gone).await,
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "the tenant's tasks cannot be worked on; it is tried again");
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(LINGER) => {}
                }
                gone();
            }
        }
        self.room
    }

    async fn work(&mut self, store: &TaskStore, gone: impl FnOnce()) {
        let begun = Instant::now();
        let (mut busy, mut tended) = (begun, begun);
        loop {
            self.declare(store).await;
            // However much goes on, what is over by now is seen to.
            let soon = Instant::now() + self.ask(store).await;
            let soon = soon.min(tended + LOOK);
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.wake.notified() => busy = Instant::now(),
                Some(asked) = self.asking.join_next() => {
                    if let Ok((queue, place)) = asked {
                        self.asked.remove(&queue);
                        if let Some(place) = place {
                            self.begin(store, &queue, place).await;
                        }
                    }
                }
                Some(ran) = self.running.join_next() => {
                    if let Ok(ran) = ran {
                        self.note(&ran);
                    }
                }
                () = tokio::time::sleep_until(soon.into()) => {
                    self.tend(store).await;
                    tended = Instant::now();
                }
            }
            if !crate::is_active(&self.known, &self.tenant) {
                // What is under way is cut off, and comes again when the tenant is back.
                self.running.shutdown().await;
                self.shared.gates.doubt(&self.tenant).await;
                gone();
                return;
            }
            if !self.running.is_empty() || !self.asked.is_empty() {
                busy = Instant::now();
            }
            // Who has much to do must not keep others from beginning.
            self.room = self.room.take().filter(|_| begun.elapsed() < LINGER);
            let is_in_the_way = self.room.is_some() && self.shared.is_crowded();
            let lingers = busy.elapsed() < LINGER && !is_in_the_way;
            if lingers || !self.running.is_empty() || !self.asked.is_empty() {
                continue;
            }
            // From here on nobody enqueues.
            let mut gate = self.shared.gates.close(&self.tenant).await;
            let Some(next) = self.rests(store).await else {
                continue;
            };
            if let Err(error) = self.shared.gates.rest(&mut gate, &self.tenant, next).await {
                tracing::error!(tenant = &*self.tenant, %error, "that no tasks are due could not be written; it is tried again");
                busy = Instant::now();
                continue;
            }
            if self.is_new(self.shared.plans.of(&self.tenant).as_ref()) {
                // Its schedules were planned anew meanwhile, and when they are due may be overwritten.
                if let Err(error) = self.shared.gates.unrest(&mut gate, &self.tenant).await {
                    tracing::error!(tenant = &*self.tenant, %error, "that something is due could not be written; it is seen to now");
                }
                busy = Instant::now();
                continue;
            }
            gone();
            return;
        }
        // What has begun comes to its end, as far as the process waits for it.
        while self.running.join_next().await.is_some() {}
        gone();
    }

    /// Tells the store which schedules the tenant has, when that is news.
    async fn declare(&mut self, store: &TaskStore) {
        let plan = self.shared.plans.of(&self.tenant);
        if !self.is_new(plan.as_ref()) {
            return;
        }
        let declared = crate::schedules::declared(&self.tenant, plan.as_ref());
        match store.tasks.declare(declared).await {
            Ok(()) => self.plan = Some(plan),
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "which schedules the tenant has could not be written; it is tried again");
            }
        }
    }

    /// Whether the store was told of another plan, or of none yet.
    fn is_new(&self, plan: Option<&Plan>) -> bool {
        self.plan.as_ref().map(Option::as_ref) != Some(plan)
    }

    /// Asks for a place in each queue in which something is ready. Answers how long until there may be
    /// something else to do.
    async fn ask(&mut self, store: &TaskStore) -> Duration {
        let except = self.away();
        let ready = match store.tasks.ready(&except).await {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "which tasks are ready could not be read; it is tried again");
                return LOOK;
            }
        };
        let tick = match store.tasks.next_tick().await {
            Ok(tick) => tick,
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "when a schedule is due could not be read; it is tried again");
                None
            }
        };
        let now = Timestamp::now();
        let mut soon = tick.map_or(LOOK, |at| until(at, now));
        for (queue, at) in ready {
            if at > now {
                soon = soon.min(until(at, now));
                continue;
            }
            if self.asked.insert(queue.clone()) {
                let places = self.shared.places.of(&queue);
                self.asking
                    .spawn(async move { (queue, places.acquire_owned().await.ok()) });
            }
        }
        soon
    }

    /// Takes the first task of a queue, if there still is one, and has it worked on.
    async fn begin(&mut self, store: &TaskStore, queue: &str, place: OwnedSemaphorePermit) {
        let now = Timestamp::now();
        let away = self.away();
        let claimed = store.tasks.claim(queue, &away, now, now + LEASE);
        let claimed = match claimed.await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "a task could not be taken; it is tried again");
                tokio::time::sleep(LOOK).await;
                return;
            }
        };
        let counted = Counted::new(queue);
        let component = Arc::clone(&claimed.task.component);
        let attempt = Attempt {
            runtime: self.runtime.clone(),
            store: store.clone(),
            tenant: Arc::clone(&self.tenant),
            claimed,
        };
        self.running.spawn(async move {
            let came = attempt.make().await;
            counted.over(came);
            drop(place);
            Ran { component, came }
        });
    }

    fn note(&mut self, ran: &Ran) {
        match ran.came {
            Came::Away => {
                let breaker = self.breakers.entry(Arc::clone(&ran.component));
                let breaker = breaker.or_insert_with(|| {
                    let breaker = Arc::new(CircuitBreaker::new(1, AWAY));
                    let breakers = self.runtime.breakers();
                    breakers.list("tasks", &ran.component, &self.tenant, &breaker);
                    breaker
                });
                let now = Instant::now();
                // Those that were under way together found out one thing.
                if breaker.allows(1, now) > 0 {
                    breaker.open(now);
                }
            }
            Came::Answered(_) => {
                self.breakers.remove(&ran.component);
            }
            Came::Lost => {}
        }
    }

    /// Components that are left alone now.
    fn away(&self) -> Vec<Arc<str>> {
        let now = Instant::now();
        let away = self.breakers.iter();
        let away = away.filter(|(_, breaker)| breaker.allows(1, now) == 0);
        away.map(|(component, _)| Arc::clone(component)).collect()
    }

    /// Sees to what is due by a schedule, and to what is over by now: leases, deadlines, and how long ended
    /// tasks are kept.
    async fn tend(&self, store: &TaskStore) {
        loop {
            match store.tasks.tick(Timestamp::now(), self.shared.since).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(tenant = &*self.tenant, %error, "what is due by a schedule could not be enqueued; it is tried again");
                    tokio::time::sleep(LOOK).await;
                    break;
                }
            }
        }
        loop {
            match store.tasks.tend(Timestamp::now()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(tenant = &*self.tenant, %error, "tasks whose time is over could not be seen to; it is tried again");
                    return;
                }
            }
        }
    }

    /// Whether there is nothing to do, and when there is again. Asked while nobody enqueues.
    async fn rests(&self, store: &TaskStore) -> Option<Option<Timestamp>> {
        let away = self.away();
        let next = match tokio::try_join!(store.tasks.next(&away), store.tasks.next_tick()) {
            Ok((task, tick)) => task.into_iter().chain(tick),
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "when tasks are due next could not be read; it is tried again");
                return None;
            }
        };
        // Who is away may be back then.
        let now = Instant::now();
        let back = self
            .breakers
            .values()
            .filter_map(|breaker| breaker.open_until());
        let back = back.map(|until| Timestamp::now() + until.saturating_duration_since(now));
        let next = next.chain(back).min();
        match next {
            Some(next) if next <= Timestamp::now() + LINGER => None,
            next => Some(next),
        }
    }
}

/// How long until then, at most as long as it takes to look again.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
    // What is ready to the millisecond is not a millisecond before.
    (wait + Duration::from_millis(1)).min(LOOK)
}

/// What a metric calls it.
pub(crate) fn word(came: Came) -> &'static str {
    match came {
        Came::Answered(State::Waiting) => "again",
        Came::Answered(state) => state.word(),
        Came::Away => "unreachable",
        Came::Lost => "lost",
    }
}
