//! The switches of all tenants, and what was granted there, in memory: they are asked for with every request.

use crate::had::Had;
use crate::switch;
use crate::{Error, Switch, SwitchStore, Until};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

type ByTenant = HashMap<Box<str>, Arc<ByFeature>>;
type ByFeature = BTreeMap<String, Switch>;

/// The switches of a host's tenants. Cheap to clone.
#[derive(Clone)]
pub struct Switches {
    store: Arc<dyn SwitchStore>,
    known: Arc<ArcSwap<ByTenant>>,
    had: Arc<RwLock<Had>>,
    /// Changes come one after the other.
    changing: Arc<Mutex<()>>,
}

// === impl Switches ===

impl Switches {
    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn open(store: impl SwitchStore) -> Result<Self, Error> {
        let mut known: HashMap<Box<str>, ByFeature> = HashMap::new();
        for stored in store.load().await? {
            let tenant = known.entry(stored.tenant.into()).or_default();
            tenant.insert(stored.feature, stored.switch);
        }
        let had = Had::new(store.load_granted().await?);
        let known = known.into_iter();
        let known: ByTenant = known.map(|(name, its)| (name, Arc::new(its))).collect();
        Ok(Self {
            store: Arc::new(store),
            known: Arc::new(ArcSwap::from_pointee(known)),
            had: Arc::new(RwLock::new(had)),
            changing: Arc::default(),
        })
    }

    /// Decides about a feature in a tenant; `None`: leaves it to the manifest. Holds for every request
    /// that begins after the answer.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Storage`]; nothing is changed then.
    pub async fn set(
        &self,
        tenant: &str,
        feature: &str,
        switch: Option<Switch>,
    ) -> Result<(), Error> {
        if let Some(switch) = &switch {
            switch.check()?;
        }
        let _alone = self.changing.lock().await;
        self.store.set(tenant, feature, switch.as_ref()).await?;
        let mut all = ByTenant::clone(&self.known.load());
        let mut its = all
            .get(tenant)
            .map(|its| ByFeature::clone(its))
            .unwrap_or_default();
        match switch {
            Some(switch) => its.insert(feature.to_owned(), switch),
            None => its.remove(feature),
        };
        if its.is_empty() {
            all.remove(tenant);
        } else {
            all.insert(tenant.into(), Arc::new(its));
        }
        self.known.store(Arc::new(all));
        Ok(())
    }

    /// Forgets a tenant that is gone.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn forget(&self, tenant: &str) -> Result<(), Error> {
        let _alone = self.changing.lock().await;
        self.store.forget(tenant).await?;
        let mut all = ByTenant::clone(&self.known.load());
        all.remove(tenant);
        self.known.store(Arc::new(all));
        self.had_mut(|had| had.forget(tenant));
        Ok(())
    }

    /// Has a user have a feature, whatever there was; `None`: not any more. Holds for every request that begins after
    /// the answer. Whether it may be granted is asked before.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Storage`]; nothing is changed then.
    pub(crate) async fn grant(
        &self,
        tenant: &str,
        feature: &str,
        user: &str,
        until: Option<Until>,
    ) -> Result<(), Error> {
        switch::check_user(user)?;
        let _alone = self.changing.lock().await;
        if until.is_some() {
            self.had(|had| had.require_room(tenant, feature))?;
        }
        self.store.grant(tenant, feature, user, until).await?;
        self.had_mut(|had| had.set(tenant, feature, user, until));
        Ok(())
    }

    /// Whether a feature was granted to a user, and is theirs still.
    pub(crate) fn is_granted(&self, tenant: &str, feature: &str, user: &str) -> bool {
        self.had(|had| had.has(tenant, feature, user))
    }

    fn had<R>(&self, read: impl FnOnce(&Had) -> R) -> R {
        // Nothing is left half done by whoever panicked.
        read(&self.had.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn had_mut(&self, change: impl FnOnce(&mut Had)) {
        change(&mut self.had.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was decided about a feature in a tenant.
    pub fn get(&self, tenant: &str, feature: &str) -> Option<Switch> {
        self.with(tenant, feature, |switch| switch.cloned())
    }

    /// The same, without a copy.
    pub(crate) fn with<R>(
        &self,
        tenant: &str,
        feature: &str,
        read: impl FnOnce(Option<&Switch>) -> R,
    ) -> R {
        let known = self.known.load();
        read(known.get(tenant).and_then(|its| its.get(feature)))
    }
}

impl std::fmt::Debug for Switches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switches").finish_non_exhaustive()
    }
}
