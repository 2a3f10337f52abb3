//! The wasmtime engine: one a process.

pub(crate) mod compile_cache;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Result,
};

/// How long a guest may compute before it must let others run. Computing time counts in these.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Most instances alive at once in the process, over all tenants and components.
pub(crate) const INSTANCES: u32 = 1000;

/// Largest linear memory that any component may be granted. Bounds the address space that the
/// pool reserves for each slot.
pub(crate) const LARGEST_MEMORY: usize = 1 << 30;

/// The ticks stop when no guest has run for so many of them: a server that nobody asks for anything
/// costs nothing.
const REST: u32 = 100;

/// How often a resting clock looks whether its engine is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Counts the ticks during which guests run, since the engine was made. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<Ticks>);

#[derive(Debug, Default)]
struct Ticks {
    count: AtomicU64,
    /// A guest has run since the last tick.
    wanted: AtomicBool,
    resting: AtomicBool,
    thread: OnceLock<Thread>,
}

// === impl Clock ===

impl Clock {
    pub(crate) fn ticks(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Says that a guest runs. The orders are strict where one side decides by what the other has
    /// said: one of them sees that a clock at rest is wanted.
    pub(crate) fn keep_going(&self) {
        let ticks = &self.0;
        if ticks.wanted.load(Ordering::Relaxed) {
            return;
        }
        ticks.wanted.store(true, Ordering::SeqCst);
        if ticks.resting.load(Ordering::SeqCst)
            && let Some(thread) = ticks.thread.get()
        {
            thread.unpark();
        }
    }

    fn tick(&self, engine: &Engine) {
        engine.increment_epoch();
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    fn was_wanted(&self) -> bool {
        self.0.wanted.swap(false, Ordering::SeqCst)
    }

    fn rest(&self) {
        self.0.resting.store(true, Ordering::SeqCst);
        if !self.0.wanted.load(Ordering::SeqCst) {
            std::thread::park_timeout(LOOK);
        }
        self.0.resting.store(false, Ordering::SeqCst);
    }
}

/// The engine with our settings, and the thread that advances its epoch.
///
/// # Errors
/// When the machine cannot reserve the address space of the pool.
pub(crate) fn engine() -> Result<(Engine, Clock)> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    let engine = Engine::new(&config)?;
    let clock = Clock::default();
    let (ticking, counted) = (engine.weak(), clock.clone());
    let ticks = std::thread::Builder::new()
        .name("sbd-epoch".to_owned())
        .spawn(move || {
            let mut unwanted = 0;
            while let Some(engine) = ticking.upgrade() {
                counted.tick(&engine);
                drop(engine);
                unwanted = if counted.was_wanted() {
                    0
                } else {
                    unwanted + 1
                };
                if unwanted > REST {
                    counted.rest();
                } else {
                    std::thread::sleep(TICK);
                }
            }
        })?;
    // It is set once.
    let _ = clock.0.thread.set(ticks.thread().clone());
    Ok((engine, clock))
}

/// An engine that compiles for the one that runs, and runs nothing itself.
///
/// # Errors
/// When our settings are none for this machine.
pub(crate) fn compiler() -> Result<Engine> {
    Engine::new(&config())
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model_async(true);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        // Our guests are one or two core instances each; composed ones have several. The default of 64
        // instances of the largest component that is taken leaves most of everything to the others.
        .total_core_instances(8 * INSTANCES)
        .total_memories(2 * INSTANCES)
        .total_tables(8 * INSTANCES)
        .total_stacks(2 * INSTANCES)
        .total_gc_heaps(INSTANCES)
        .max_memory_size(LARGEST_MEMORY)
        .max_core_instances_per_component(16)
        .max_memories_per_component(8)
        .max_tables_per_component(16)
        .max_tables_per_module(8)
        // Pages kept between two instances in a slot save most page faults. `pagemap_scan` stays
        // off: with swap it can show one guest's page to the next (wasmtime#14357).
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(32 << 10);
    pool
}
