//! What is served at a moment: which components there are, each in which version.
//!
//! A request keeps the application it arrived at, all along the components that call each other for
//! it: no answer is made by two versions, and what is taken away stays until the last of them is done.

pub(crate) mod canary;
pub(crate) mod component;
pub(crate) mod features;
pub(crate) mod files;

use crate::import::Allowed;
use crate::offers::Loader;
use crate::{Error, InvokeError};
use component::LoadedComponent;
use sbd_features::Catalogue;
use sbd_manifest::{App, Routes};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Reads a component's file, given the `source` of its manifest entry.
pub type ReadSource = Box<dyn Fn(&Path) -> std::io::Result<Vec<u8>> + Send + Sync>;

/// What an application is made of.
pub struct Definition {
    /// The manifest.
    pub app: Arc<App>,
    /// Where components come from: files, or the bundle in the binary.
    pub read_source: ReadSource,
    /// Values of the application's variables, already resolved, by component.
    pub variables: HashMap<String, BTreeMap<String, String>>,
}

/// How an application differs from another one. Component names, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Components that the other one has not.
    pub added: Vec<String>,
    /// Components with another file, or another declaration.
    pub changed: Vec<String>,
    /// Components that only the other one has.
    pub removed: Vec<String>,
}

pub(crate) struct Snapshot {
    pub(crate) app: Arc<App>,
    pub(crate) routes: Routes,
    pub(crate) components: HashMap<Arc<str>, Arc<LoadedComponent>>,
    pub(crate) features: Arc<Catalogue>,
}

// === impl Changes ===

impl Changes {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Makes the components of an application ready; those that are served unchanged stay what they
    /// are. Blocks.
    pub(crate) fn load(
        loader: Loader<'_>,
        definition: &Definition,
        served: Option<&Self>,
    ) -> Result<Self, Error> {
        let mut components = HashMap::new();
        for declared in definition.app.components.values() {
            let id: Arc<str> = Arc::from(declared.id.as_str());
            let component = LoadedComponent::load(loader, definition, declared, served)?;
            components.insert(id, component);
        }
        check_channels(&components)?;
        Ok(Self {
            app: Arc::clone(&definition.app),
            routes: Routes::new(&definition.app.triggers),
            components,
            features: Arc::new(features::catalogue(&definition.app)),
        })
    }

    pub(crate) fn component(&self, id: &str) -> Result<&Arc<LoadedComponent>, InvokeError> {
        let component = self.components.get(id);
        component.ok_or_else(|| InvokeError::UnknownComponent(id.to_owned()))
    }

    pub(crate) fn has(&self, component: &LoadedComponent) -> bool {
        let own = self.components.get(component.declared.id.as_str());
        own.is_some_and(|own| own.revision == component.revision)
    }

    /// The collections that stay where they are when a tenant goes elsewhere.
    pub(crate) fn stay(&self) -> HashSet<(String, String)> {
        let components = self.components.iter();
        let stay = components.flat_map(|(id, component)| {
            let collections = component.declared.settings.collections.iter();
            let stay = collections.filter(|(_, collection)| !collection.export);
            stay.map(|(name, _)| (id.to_string(), name.clone()))
        });
        stay.collect()
    }

    /// What an imported tenant may keep.
    pub(crate) fn allowed(&self) -> Allowed {
        let components = self.components.values();
        let stores = components
            .clone()
            .flat_map(|component| component.stores.iter());
        Allowed {
            databases: components
                .clone()
                .map(|component| {
                    let declared = &component.declared;
                    let most = declared.settings.limits.stored_bytes.bytes();
                    (declared.id.to_string(), most)
                })
                .collect(),
            buckets: stores
                .map(|bucket| (bucket.clone(), self.bucket_bytes(bucket)))
                .collect(),
            components: components
                .map(|component| {
                    (
                        component.declared.id.to_string(),
                        component.quota_of_storage(),
                    )
                })
                .collect(),
        }
    }

    /// How much a bucket may hold: as much as the most generous of the components that may open it.
    pub(crate) fn bucket_bytes(&self, bucket: &str) -> u64 {
        let opens = |component: &&Arc<LoadedComponent>| component.stores.contains(bucket);
        let limits = self.components.values().filter(opens);
        limits
            .map(|component| component.declared.settings.limits.stored_bytes.bytes())
            .max()
            .unwrap_or_default()
    }
}

/// Two components that decide about the same channels are refused: who may join would be chance.
fn check_channels(components: &HashMap<Arc<str>, Arc<LoadedComponent>>) -> Result<(), Error> {
    let mut owners = BTreeMap::new();
    let components: BTreeMap<_, _> = components.iter().collect();
    for (id, component) in components {
        for beginning in component.channels.iter() {
            if let Some(first) = owners.insert(beginning, id) {
                return Err(Error::Offer {
                    component: id.to_string(),
                    reason: format!(
                        "the channels `{beginning}` are those of the component `{first}` already; choose another kind"
                    ),
                });
            }
        }
    }
    Ok(())
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("app", &self.app.name)
            .finish_non_exhaustive()
    }
}
