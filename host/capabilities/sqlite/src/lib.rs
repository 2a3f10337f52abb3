//! The sqlite capability: `spin:sqlite@3.1.0`, which serves 3.0.0 too, and as older components know it,
//! `fermyon:spin/sqlite@2.0.0`.
//!
//! A database is a file of its own for one component of one tenant, named by a label. A component opens
//! no label that its `sqlite_databases` does not name. Unlike a key-value store, a label is not shared:
//! what another component keeps under it is another database.
//!
//! A component may run any statement in it. What a statement could reach beyond it is denied
//! (`sandbox.rs`), and what it may cost is bounded ([`limits`]).

mod bindings;
mod connection;
mod error;
mod files;
mod functions;
mod host;
pub mod limits;
mod sandbox;

pub use connection::Connection;
pub use error::Error;
pub use files::{Stored, copy, place, remove, stored};

use sbd_metering::Metered;
use sbd_turns::Turns;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::{HasData, Linker, ResourceTable};

/// What one instance of a component may do with databases.
pub struct SqliteCtx {
    component: Arc<str>,
    granted: Arc<BTreeSet<String>>,
    /// Where the component's databases lie.
    folder: Arc<Path>,
    /// How large each may be.
    most_bytes: u64,
    /// For statements that run, over all instances.
    statements: Turns,
    /// For connections that are open, in this instance.
    connections: Arc<Semaphore>,
}

/// The context together with the table that holds the instance's resources.
pub struct SqliteCtxView<'a> {
    /// The context of the instance.
    pub ctx: &'a mut SqliteCtx,
    /// The instance's resources.
    pub table: &'a mut ResourceTable,
}

/// Implemented by the data of a store whose components use databases.
pub trait SqliteView: Send {
    /// The context and the resource table of this store.
    fn sqlite(&mut self) -> SqliteCtxView<'_>;
}

struct Sqlite;

impl HasData for Sqlite {
    type Data<'a> = SqliteCtxView<'a>;
}

/// Links `spin:sqlite/sqlite@3.1.0` and `fermyon:spin/sqlite@2.0.0`.
///
/// # Errors
/// When one of the interfaces is already linked.
pub fn add_to_linker<T: SqliteView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::newer::add_to_linker::<T, Sqlite>(linker, T::sqlite)?;
    bindings::older::add_to_linker::<T, Sqlite>(linker, T::sqlite)?;
    Ok(())
}

// === impl SqliteCtx ===

impl SqliteCtx {
    /// A context for the first instance of `component`, which may open the labels in `granted` (its
    /// `sqlite_databases`), each as large as `most_bytes`. `databases` is where its tenant's lie.
    pub fn new(
        component: Arc<str>,
        granted: Arc<BTreeSet<String>>,
        databases: &Path,
        most_bytes: u64,
    ) -> Self {
        Self {
            folder: databases.join(&*component).into(),
            component,
            granted,
            most_bytes,
            statements: Turns::new(limits::STATEMENTS_AT_ONCE),
            connections: Arc::new(Semaphore::new(limits::MAX_OPEN_CONNECTIONS)),
        }
    }

    /// The same for another instance.
    pub fn of_another_instance(&self) -> Self {
        Self {
            component: Arc::clone(&self.component),
            granted: Arc::clone(&self.granted),
            folder: Arc::clone(&self.folder),
            most_bytes: self.most_bytes,
            statements: self.statements.clone(),
            connections: Arc::new(Semaphore::new(limits::MAX_OPEN_CONNECTIONS)),
        }
    }
}
