//! The wasmtime engine: one a process.

use crate::instance::State;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::{
    CallHook, Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Result, Store, UpdateDeadline,
};

/// How long a guest may compute before it must let others run. Every deadline that counts
/// computing time counts in these.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Most instances alive at once in the process, over all tenants and components.
pub(crate) const INSTANCES: u32 = 1000;

/// Largest linear memory that any component may be granted. Bounds the address space that the
/// pool reserves for each slot.
pub(crate) const LARGEST_MEMORY: usize = 1 << 30;

/// A guest that has computed through so many ticks for a request computes for long.
const LONG: u32 = 2;

/// Counts the ticks since the engine was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

/// Turns for guests that compute for long: one fewer than there are threads, so that whoever wants
/// little never waits for all who want much.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

// === impl Clock ===

impl Clock {
    pub(crate) fn ticks(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// About how long ago a tick was.
    pub(crate) fn since(&self, tick: u64) -> Duration {
        let ticks = self.ticks().saturating_sub(tick);
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

// === impl Turns ===

impl Turns {
    /// Turns for so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))))
    }
}

/// The engine with our settings, and the thread that advances its epoch.
///
/// # Errors
/// When the machine cannot reserve the address space of the pool.
pub(crate) fn engine() -> Result<(Engine, Clock)> {
    let engine = Engine::new(&config())?;
    let clock = Clock::default();
    let (ticking, counted) = (engine.weak(), clock.clone());
    std::thread::Builder::new()
        .name("sbd-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                counted.0.fetch_add(1, Ordering::Relaxed);
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
    Ok((engine, clock))
}

/// Lets guests compute for at most `budget` a request, which `spent` counts, and lets others run at
/// every tick.
///
/// A guest that waited is past its deadline when it goes on, which must cost it nothing. So what is
/// counted are the ticks that it computed through, and not those that ended while it was out.
pub(crate) fn bound_computing(
    store: &mut Store<State>,
    clock: &Clock,
    turns: &Turns,
    budget: Duration,
    over: impl Fn() -> wasmtime::Error + Send + Sync + 'static,
) {
    let (clock, turns) = (clock.clone(), turns.clone());
    let turn = Arc::new(Mutex::new(None));
    let ending = Arc::clone(&turn);
    store.call_hook(move |mut store, hook| {
        let now = clock.ticks();
        match hook {
            CallHook::CallingHost | CallHook::ReturningFromWasm => {
                let state = store.data_mut();
                state.left_at = now;
                if state.ticks >= LONG
                    && let Ok(mut turn) = ending.lock()
                {
                    *turn = None;
                }
            }
            CallHook::CallingWasm | CallHook::ReturningFromHost => {
                let state = store.data_mut();
                // A guest that let others run did not leave by itself.
                if !std::mem::take(&mut state.was_stopped) {
                    state.was_away |= state.left_at != now;
                }
            }
        }
        Ok(())
    });
    let budget = budget.as_millis() / TICK.as_millis();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        let state = store.data_mut();
        state.was_stopped = true;
        // The tick went by while the guest waited, or the host worked for it: others run now, and
        // nothing is charged.
        if std::mem::take(&mut state.was_away) {
            return Ok(UpdateDeadline::Yield(1));
        }
        state.ticks += 1;
        if u128::from(state.ticks) > budget {
            return Err(over());
        }
        if state.ticks < LONG {
            return Ok(UpdateDeadline::Yield(1));
        }
        // Its turn ended as it came here; it queues for the next.
        let (turns, turn) = (Arc::clone(&turns.0), Arc::clone(&turn));
        let next = async move {
            tokio::task::yield_now().await;
            if let (Ok(next), Ok(mut turn)) = (turns.acquire_owned().await, turn.lock()) {
                *turn = Some(next);
            }
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(next)))
    });
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        // Our guests are one or two core instances each; composed ones have several.
        .total_core_instances(4 * INSTANCES)
        .total_memories(2 * INSTANCES)
        .total_tables(4 * INSTANCES)
        .total_stacks(2 * INSTANCES)
        .total_gc_heaps(INSTANCES)
        .max_memory_size(LARGEST_MEMORY)
        .max_core_instances_per_component(32)
        .max_memories_per_component(8)
        .max_tables_per_component(64)
        // Pages kept between two instances in a slot save most page faults. `pagemap_scan` stays
        // off: with swap it can show one guest's page to the next (wasmtime#14357).
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(32 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model_async(true);
    config
}
