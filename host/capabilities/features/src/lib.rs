//! The features capability, `sbd:platform/features`: what is switched on, for which tenant and user.
//!
//! A feature is a component, or a name that a component declares. The application declares them
//! ([`Catalogue`]); operators switch them per tenant ([`Switches`]); both together answer whether one
//! is on, without waiting for anything. Components grant some of them to users, where a feature says that they may.

mod bindings;
mod catalogue;
mod error;
mod had;
mod host;
mod sqlite;
mod store;
mod switch;
mod switches;

pub use catalogue::{Catalogue, Feature, State};
pub use error::Error;
pub use sqlite::SqliteSwitches;
pub use store::{Granted, Stored, SwitchStore, Until};
pub use switch::Switch;
pub use switches::Switches;

use arc_swap::ArcSwap;
use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may ask about features. Cheap to clone.
#[derive(Clone)]
pub struct FeaturesCtx {
    catalogue: Arc<ArcSwap<Catalogue>>,
    switches: Switches,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components ask about features.
pub trait FeaturesView: Send {
    /// The features as this store's component sees them.
    fn features(&mut self) -> &mut FeaturesCtx;
}

struct Features;

impl HasData for Features {
    type Data<'a> = &'a mut FeaturesCtx;
}

/// Links `sbd:platform/features`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: FeaturesView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::features::add_to_linker::<T, Features>(linker, T::features)
}

// === impl FeaturesCtx ===

impl FeaturesCtx {
    /// The features of an application as `component` sees them for `tenant`. Which there are may change
    /// while the component is served.
    pub fn new(
        catalogue: Arc<ArcSwap<Catalogue>>,
        switches: Switches,
        tenant: Arc<str>,
        component: Arc<str>,
    ) -> Self {
        Self {
            catalogue,
            switches,
            tenant,
            component,
        }
    }

    /// Whether a feature is on for a user, or for somebody unknown. The component's own features have
    /// short names; every feature has its full one.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn is_on(&self, name: &str, user: Option<&str>) -> Result<bool, Error> {
        let catalogue = self.catalogue.load();
        let feature = catalogue.seen_by(&self.component, name)?;
        Ok(catalogue.is_on(&self.switches, &self.tenant, &feature.name, user))
    }

    /// The features that the component may grant, by their full names.
    pub fn grantable(&self) -> Vec<String> {
        let catalogue = self.catalogue.load();
        let names = catalogue.granted_by(&self.component);
        names.map(|feature| feature.name.to_string()).collect()
    }

    /// Has a user have a feature that the component may grant; `None`: not any more.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::NotGranted`], [`Error::Invalid`], [`Error::Storage`].
    pub async fn grant(&self, name: &str, user: &str, until: Option<Until>) -> Result<(), Error> {
        let name = {
            let catalogue = self.catalogue.load();
            let feature = catalogue.seen_by(&self.component, name)?;
            if !feature.is_granted_by(&self.component) {
                return Err(Error::NotGranted {
                    feature: feature.name.to_string(),
                    component: self.component.to_string(),
                });
            }
            Arc::clone(&feature.name)
        };
        let granted = self.switches.grant(&self.tenant, &name, user, until);
        granted.await
    }

    /// The component's own features, by their short names, with their states.
    pub fn own(&self) -> Vec<(String, Feature, State)> {
        let prefix = format!("{}.", self.component);
        let catalogue = self.catalogue.load();
        let own = catalogue.features().filter_map(|feature| {
            let short = feature.name.strip_prefix(&prefix)?.to_owned();
            let state = catalogue.state(&self.switches, &self.tenant, &feature.name);
            Some((short, feature.clone(), state))
        });
        own.collect()
    }
}
