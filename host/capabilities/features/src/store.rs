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

/// That a user has a feature that a component has granted, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The tenant.
    pub tenant: String,
    /// The feature's full name.
    pub feature: String,
    /// The user's id.
    pub user: String,
    /// For how long.
    pub until: Until,
}

/// For how long somebody has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Until this time, in milliseconds since 1970.
    Time(u64),
    /// For good.
    Forever,
}

/// Keeps the switches of a host's tenants, and what was granted there, over restarts.
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

    /// All that was granted, in no order.
    fn load_granted(&self) -> BoxFuture<'_, Result<Vec<Granted>, Error>>;

    /// Keeps that a user has a feature, in place of what there was; `None` forgets it. Durable when it answers.
    fn grant<'a>(
        &'a self,
        tenant: &'a str,
        feature: &'a str,
        user: &'a str,
        until: Option<Until>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Forgets all of a tenant's.
    fn forget<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}
