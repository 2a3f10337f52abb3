//! Where switches are kept.

use crate::{Error, Switch};
use futures::future::BoxFuture;

/// A switch as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The tenant.
    pub tenant: String,
    /// The feature's full name.
    pub feature: String,
    /// What was decided.
    pub switch: Switch,
}

/// Keeps the switches of a host's tenants, over restarts.
///
/// Every call fails with [`Error::Storage`] when the store does not answer.
pub trait SwitchStore: Send + Sync + 'static {
    /// All there are, in no order.
    fn load(&self) -> BoxFuture<'_, Result<Vec<Stored>, Error>>;

    /// Keeps a switch in place of the one there was; `None` forgets it. Durable when it answers.
    fn set<'a>(
        &'a self,
        tenant: &'a str,
        feature: &'a str,
        switch: Option<&'a Switch>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Forgets all of a tenant's.
    fn forget<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}
