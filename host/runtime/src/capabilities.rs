//! What components can be granted by a word, one stanza a capability: its interface is
//! `sbd:platform/NAME`, its word in the manifest a [`Grant`], and here stands what it means to whoever
//! grants it, and how a component of a tenant gets it. What every component has, and what is granted
//! by names as in Spin, is in `grants.rs`.

use crate::component::LoadedComponent;
use crate::instance::State;
use crate::tenant::Tenant;
use crate::{Inner, grants};
use arc_swap::ArcSwap;
use sbd_cache::CacheCtx;
use sbd_documents::DocumentsCtx;
use sbd_features::{Catalogue, FeaturesCtx};
use sbd_keys::KeysCtx;
use sbd_manifest::Grant;
use sbd_passwords::PasswordsCtx;
use std::sync::Arc;
use wasmtime::component::Linker;

/// For whom capabilities are opened: one component of one tenant.
pub(crate) struct Opening<'a> {
    pub(crate) runtime: &'a Inner,
    pub(crate) tenant: &'a Tenant,
    pub(crate) component: &'a LoadedComponent,
    /// What the application's features are, as they change.
    pub(crate) features: &'a Arc<ArcSwap<Catalogue>>,
    pub(crate) id: Arc<str>,
}

/// A capability, as it is linked.
pub(crate) struct Capability {
    /// The word that grants it.
    pub(crate) grant: Grant,
    /// How the names of its interfaces begin.
    pub(crate) import: &'static str,
    /// What it lets a component do.
    pub(crate) meaning: &'static str,
    pub(crate) link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

macro_rules! capabilities {
    ($($name:ident: $ctx:ty {
        grant: $grant:ident,
        meaning: $meaning:literal,
        link: $link:path,
        view: $view:path,
        open: $open:expr,
    })+) => {
        /// The capabilities of one component of one tenant. Those that are not granted are not linked,
        /// so the guest cannot reach them.
        #[derive(Clone)]
        pub(crate) struct Capabilities {
            $($name: $ctx,)+
            /// An instance opens its own: it counts the buckets that the instance holds open.
            keyvalue: Arc<dyn Fn() -> sbd_keyvalue::KeyvalueCtx + Send + Sync>,
        }

        impl Capabilities {
            pub(crate) fn open(of: &Opening<'_>) -> Self {
                Self {
                    $($name: {
                        let open: fn(&Opening<'_>) -> $ctx = $open;
                        open(of)
                    },)+
                    keyvalue: grants::keyvalue(of),
                }
            }

            /// The key-value stores of one instance.
            pub(crate) fn open_keyvalue(&self) -> sbd_keyvalue::KeyvalueCtx {
                (self.keyvalue)()
            }
        }

        $(impl $view for State {
            fn $name(&mut self) -> &mut $ctx {
                &mut self.capabilities().$name
            }
        })+

        /// Every one of them.
        pub(crate) const ALL: &[Capability] = &[$(Capability {
            grant: Grant::$grant,
            import: concat!("sbd:platform/", stringify!($name), "@"),
            meaning: $meaning,
            link: $link,
        },)+];
    };
}

capabilities! {
    documents: DocumentsCtx {
        grant: Documents,
        meaning: "keeps documents in collections of its own, tenant by tenant",
        link: sbd_documents::add_to_linker,
        view: sbd_documents::DocumentsView,
        open: |of| DocumentsCtx::new(of.tenant.documents.clone(), Arc::clone(&of.id)),
    }
    cache: CacheCtx {
        grant: Cache,
        meaning: "keeps small values that may be forgotten",
        link: sbd_cache::add_to_linker,
        view: sbd_cache::CacheView,
        open: |of| CacheCtx::new(of.tenant.cache.clone(), Arc::clone(&of.id)),
    }
    passwords: PasswordsCtx {
        grant: Passwords,
        meaning: "has passwords hashed and compared by the host",
        link: sbd_passwords::add_to_linker,
        view: sbd_passwords::PasswordsView,
        open: |of| PasswordsCtx::new(of.runtime.passwords.clone()),
    }
    keys: KeysCtx {
        grant: Keys,
        meaning: "signs and checks tokens with the tenant's keys, without seeing them",
        link: sbd_keys::add_to_linker,
        view: sbd_keys::KeysView,
        open: |of| KeysCtx::new(of.runtime.keyring.clone(), Arc::clone(&of.tenant.name)),
    }
    features: FeaturesCtx {
        grant: Features,
        meaning: "asks which features are on, and for whom",
        link: sbd_features::add_to_linker,
        view: sbd_features::FeaturesView,
        open: |of| FeaturesCtx::new(
            Arc::clone(of.features),
            of.runtime.switches.clone(),
            Arc::clone(&of.tenant.name),
            Arc::clone(&of.id),
        ),
    }
}

/// The capability that a word grants. There is one for each.
pub(crate) fn of(grant: Grant) -> Option<&'static Capability> {
    ALL.iter().find(|capability| capability.grant == grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_grants_something() {
        for grant in Grant::ALL {
            assert!(of(*grant).is_some(), "{grant}");
        }
        assert_eq!(ALL.len(), Grant::ALL.len());
    }
}
