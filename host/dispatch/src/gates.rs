//! Whoever commits something that is to be seen to says so first: it is written down that the tenant has
//! something due. That is known already mostly, and costs nothing then.
//!
//! A tenant's [`Gate`] is held open by everybody who commits, until the commit is over. Whoever finds
//! everything done closes it for a moment, so that nothing is committed between that look and writing
//! down that nothing is due.

use crate::Kind;
use jiff::Timestamp;
use sbd_registry::Due;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, mpsc};

/// Has somebody look whether there is something to do in a tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wake(mpsc::UnboundedSender<Woken>);

/// Where somebody is to look, and for what.
pub(crate) type Woken = (Kind, Arc<str>);

type Shared<T> = Arc<RwLock<Gate<T>>>;

/// The gates of one kind, of all tenants in which something of it was committed since the start.
pub(crate) struct Gates<T> {
    kind: Kind,
    due: Due,
    wake: Wake,
    gates: Mutex<HashMap<Arc<str>, Shared<T>>>,
}

/// What is known of a tenant in which something is committed.
#[derive(Default)]
pub(crate) struct Gate<T> {
    /// Whether it is written down that something is due.
    is_due: bool,
    /// What else must be so before anything is committed.
    pub(crate) known: T,
}

/// A gate that is open, or is about to be: all is written down, but what is known is not as it must be.
pub(crate) enum Entered<T> {
    Open(OwnedRwLockReadGuard<Gate<T>>),
    Alone(OwnedRwLockWriteGuard<Gate<T>>),
}

/// Holds a gate open, and wakes who works there when it is let go.
pub(crate) struct Announced<T> {
    kind: Kind,
    tenant: Arc<str>,
    wake: Wake,
    _gate: OwnedRwLockReadGuard<Gate<T>>,
}

// === impl Wake ===

impl Wake {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Woken>) {
        let (wake, woken) = mpsc::unbounded_channel();
        (Self(wake), woken)
    }

    pub(crate) fn wake(&self, kind: Kind, tenant: &Arc<str>) {
        // Nobody hears it: the process ends, and the next start looks.
        let _ = self.0.send((kind, Arc::clone(tenant)));
    }
}

// === impl Gates ===

impl<T: Default + Send + Sync + 'static> Gates<T> {
    pub(crate) fn new(kind: Kind, due: Due, wake: Wake) -> Self {
        Self {
            kind,
            due,
            wake,
            gates: Mutex::default(),
        }
    }

    /// Has somebody look whether there is something to do.
    pub(crate) fn wake(&self, tenant: &Arc<str>) {
        self.wake.wake(self.kind, tenant);
    }

    fn gate(&self, tenant: &Arc<str>) -> Shared<T> {
        let gates = self.gates.lock();
        let mut gates = gates.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(Arc::clone(tenant)).or_default())
    }

    /// Enters a tenant's gate to commit something there, which must not be before what is known of it is
    /// as it must be.
    pub(crate) async fn enter(
        &self,
        tenant: &Arc<str>,
        is_ready: impl Fn(&T) -> bool,
    ) -> Result<Entered<T>, String> {
        let gate = self.gate(tenant);
        let open = Arc::clone(&gate).read_owned().await;
        if open.is_due && is_ready(&open.known) {
            return Ok(Entered::Open(open));
        }
        drop(open);
        let mut gate = gate.write_owned().await;
        if !gate.is_due {
            let at = self.due.at(tenant, self.kind.word(), Timestamp::now());
            at.await.map_err(|error| error.to_string())?;
            gate.is_due = true;
        }
        Ok(match is_ready(&gate.known) {
            true => Entered::Open(gate.downgrade()),
            false => Entered::Alone(gate),
        })
    }

    /// What holds an entered gate open until the commit is over.
    pub(crate) fn announced(
        &self,
        tenant: &Arc<str>,
        gate: OwnedRwLockReadGuard<Gate<T>>,
    ) -> Announced<T> {
        Announced {
            kind: self.kind,
            tenant: Arc::clone(tenant),
            wake: self.wake.clone(),
            _gate: gate,
        }
    }

    /// Closes a tenant's gate: nothing is committed there meanwhile.
    pub(crate) async fn close(&self, tenant: &Arc<str>) -> OwnedRwLockWriteGuard<Gate<T>> {
        self.gate(tenant).write_owned().await
    }

    /// A tenant is suspended or on its way out: what is written down of it may go with it, and is written
    /// anew should it come back.
    pub(crate) async fn doubt(&self, tenant: &Arc<str>) {
        self.close(tenant).await.is_due = false;
    }

    /// Writes down when something is due next in a tenant whose gate is closed.
    pub(crate) async fn rest(
        &self,
        gate: &mut Gate<T>,
        tenant: &str,
        next: Option<Timestamp>,
    ) -> Result<(), sbd_registry::Error> {
        self.due.settle(tenant, self.kind.word(), next).await?;
        gate.is_due = false;
        Ok(())
    }

    /// Writes down that something is due in a tenant after all.
    pub(crate) async fn unrest(
        &self,
        gate: &mut Gate<T>,
        tenant: &str,
    ) -> Result<(), sbd_registry::Error> {
        let now = Timestamp::now();
        self.due.at(tenant, self.kind.word(), now).await?;
        gate.is_due = true;
        Ok(())
    }
}

// === impl Announced ===

impl<T> Drop for Announced<T> {
    fn drop(&mut self) {
        self.wake.wake(self.kind, &self.tenant);
    }
}
