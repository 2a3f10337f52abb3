//! An instance of a component, as the host functions of a capability see it: for their tests.
//!
//! A capability implements its view for [`Instance`] and is then called as a component would call it,
//! without any component: [`run`], or [`metered`] where the charge counts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_metering::{Meter, Metered, Unmetered};
use std::sync::Arc;
use wasmtime::component::{Accessor, HasData, Linker};
use wasmtime::{Config, Engine, Store, StoreContextMut};

/// The data of an instance's store: what it has of one capability, and what it may use.
pub struct Instance<C> {
    /// The capability.
    pub ctx: C,
    meter: Arc<dyn Meter>,
}

// === impl Instance ===

impl<C> Instance<C> {
    /// One that may use as much as this meter lets it.
    pub fn new(ctx: C, meter: Arc<dyn Meter>) -> Self {
        Self { ctx, meter }
    }
}

impl<C: 'static> Metered for Instance<C> {
    fn meter(store: StoreContextMut<'_, Self>) -> Arc<dyn Meter> {
        Arc::clone(&store.data().meter)
    }
}

/// An engine that knows asynchronous functions, as the host's does.
///
/// # Panics
/// When it cannot be made.
pub fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    Engine::new(&config).unwrap()
}

/// Runs `guest` with what a component has: the interface. `view` is the capability's own.
///
/// # Panics
/// When it does not run to its end.
pub async fn run<C: Send + 'static, D: HasData, R: Send + 'static>(
    ctx: C,
    view: fn(&mut Instance<C>) -> D::Data<'_>,
    guest: impl AsyncFnOnce(&Accessor<Instance<C>, D>) -> R + Send,
) -> R {
    metered(ctx, Arc::new(Unmetered), view, guest).await
}

/// The same with a meter.
///
/// # Panics
/// When it does not run to its end.
pub async fn metered<C: Send + 'static, D: HasData, R: Send + 'static>(
    ctx: C,
    meter: Arc<dyn Meter>,
    view: fn(&mut Instance<C>) -> D::Data<'_>,
    guest: impl AsyncFnOnce(&Accessor<Instance<C>, D>) -> R + Send,
) -> R {
    let mut store = Store::new(&engine(), Instance::new(ctx, meter));
    let call =
        async |accessor: &Accessor<Instance<C>>| guest(&accessor.with_getter::<D>(view)).await;
    store.run_concurrent(call).await.unwrap()
}

/// Checks that an interface can be linked, once.
///
/// # Panics
/// When it cannot, or can be twice.
pub fn assert_links<C: 'static>(link: fn(&mut Linker<Instance<C>>) -> wasmtime::Result<()>) {
    let mut linker = Linker::new(&engine());
    link(&mut linker).unwrap();
    assert!(link(&mut linker).is_err(), "linked twice");
}
