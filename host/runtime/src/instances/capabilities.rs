//! What components can be granted by a word, one stanza a capability: its interface is
//! `sbd:platform/NAME`, its word in the manifest a [`Grant`], and here stands what it means to whoever
//! grants it, and how a component of a tenant gets it. What every component has, and what is granted
//! by names as in Spin, is in `grants.rs`.

use crate::instances::instance::State;
use crate::keyrings::Keyrings;
use crate::stores::Stores;
use arc_swap::ArcSwap;
use sbd_audit::AuditCtx;
use sbd_blobs::BlobsCtx;
use sbd_cache::CacheCtx;
use sbd_documents::DocumentsCtx;
use sbd_events::EventsCtx;
use sbd_features::{Catalogue, FeaturesCtx, Switches};
use sbd_inference::{InferenceCtx, Models};
use sbd_keys::KeysCtx;
use sbd_keyvalue::KeyvalueCtx;
use sbd_mail::{MailCtx, Mailer};
use sbd_manifest::Grant;
use sbd_metrics::MetricsCtx;
use sbd_ocr::OcrCtx;
use sbd_passwords::{Hasher, PasswordsCtx};
use sbd_realtime::RealtimeCtx;
use sbd_sqlite::SqliteCtx;
use sbd_tasks::TasksCtx;
use sbd_vault::VaultCtx;
use sbd_vectors::VectorsCtx;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wasmtime::component::Linker;

/// For whom capabilities are opened: one component of one tenant.
pub(crate) struct Opening<'a> {
    pub(crate) tenant: &'a Arc<str>,
    pub(crate) component: &'a Arc<str>,
    pub(crate) stores: &'a Stores,
    /// Hears of the events it publishes.
    pub(crate) announce: &'a Arc<dyn sbd_documents::Announce>,
    /// Where it publishes those that belong to no transaction.
    pub(crate) log: &'a Arc<dyn sbd_events::Log>,
    /// Where it records what was done outside of transactions, and reads what it has recorded.
    pub(crate) trail: &'a Arc<dyn sbd_audit::Trail>,
    /// Hears of the tasks it enqueues.
    pub(crate) enqueuing: &'a Arc<dyn sbd_tasks::Announce>,
    /// The tasks that it offers to work on, with their queues.
    pub(crate) queues: &'a Arc<BTreeMap<String, String>>,
    /// The key-value stores that it may open.
    pub(crate) buckets: &'a Arc<BTreeSet<String>>,
    /// The SQLite databases that it may open, and how large each may be.
    pub(crate) databases: &'a Arc<BTreeSet<String>>,
    pub(crate) database_bytes: u64,
    pub(crate) passwords: &'a Arc<Hasher>,
    pub(crate) images: &'a sbd_ocr::Reader,
    pub(crate) keyrings: &'a Keyrings,
    pub(crate) mailer: &'a Arc<Mailer>,
    pub(crate) models: &'a Arc<Models>,
    pub(crate) switches: &'a Switches,
    /// What it counts and shows.
    pub(crate) metrics: &'a Arc<sbd_metrics::Declared>,
    /// How the real-time channels that it decides about begin.
    pub(crate) channels: &'a Arc<BTreeSet<String>>,
    /// What the application's features are, as they change.
    pub(crate) features: &'a Arc<ArcSwap<Catalogue>>,
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
            keyvalue: Arc<dyn Fn() -> KeyvalueCtx + Send + Sync>,
            /// Likewise, with the connections that it holds open.
            sqlite: Arc<SqliteCtx>,
        }

        impl Capabilities {
            pub(crate) fn open(of: &Opening<'_>) -> Self {
                Self {
                    $($name: {
                        let open: fn(&Opening<'_>) -> $ctx = $open;
                        open(of)
                    },)+
                    keyvalue: keyvalue(of),
                    sqlite: Arc::new(SqliteCtx::new(
                        Arc::clone(of.component),
                        Arc::clone(of.databases),
                        &of.stores.databases,
                        of.database_bytes,
                    )),
                }
            }

            /// The key-value stores of one instance.
            pub(crate) fn open_keyvalue(&self) -> KeyvalueCtx {
                (self.keyvalue)()
            }

            /// The SQLite databases of one instance.
            pub(crate) fn open_sqlite(&self) -> SqliteCtx {
                self.sqlite.of_another_instance()
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
        open: |of| DocumentsCtx::new(
            Arc::clone(&of.stores.documents),
            Arc::clone(of.announce),
            Arc::clone(of.component),
        ),
    }
    cache: CacheCtx {
        grant: Cache,
        meaning: "keeps small values that may be forgotten",
        link: sbd_cache::add_to_linker,
        view: sbd_cache::CacheView,
        open: |of| CacheCtx::new(Arc::clone(&of.stores.cache), Arc::clone(of.component)),
    }
    passwords: PasswordsCtx {
        grant: Passwords,
        meaning: "has passwords hashed and compared by the host",
        link: sbd_passwords::add_to_linker,
        view: sbd_passwords::PasswordsView,
        open: |of| PasswordsCtx::new(of.passwords.clone()),
    }
    keys: KeysCtx {
        grant: Keys,
        meaning: "signs and checks tokens with the tenant's keys, without seeing them",
        link: sbd_keys::add_to_linker,
        view: sbd_keys::KeysView,
        open: |of| KeysCtx::new(of.keyrings.signing.clone(), Arc::clone(of.tenant)),
    }
    vault: VaultCtx {
        grant: Vault,
        meaning: "encrypts fields with the tenant's keys, without seeing them",
        link: sbd_vault::add_to_linker,
        view: sbd_vault::VaultView,
        open: |of| VaultCtx::new(
            of.keyrings.sealing.clone(),
            Arc::clone(of.tenant),
            Arc::clone(of.component),
        ),
    }
    features: FeaturesCtx {
        grant: Features,
        meaning: "asks which features are on, and for whom",
        link: sbd_features::add_to_linker,
        view: sbd_features::FeaturesView,
        open: |of| FeaturesCtx::new(
            Arc::clone(of.features),
            of.switches.clone(),
            Arc::clone(of.tenant),
            Arc::clone(of.component),
        ),
    }
    events: EventsCtx {
        grant: Events,
        meaning: "publishes events to the components that listen to it",
        link: sbd_events::add_to_linker,
        view: sbd_events::EventsView,
        open: |of| EventsCtx::new(Arc::clone(of.log)),
    }
    audit: AuditCtx {
        grant: Audit,
        meaning: "reads what it has recorded of what was done, and finds what was altered",
        link: sbd_audit::add_to_linker,
        view: sbd_audit::AuditView,
        open: |of| AuditCtx::new(Arc::clone(of.trail)),
    }
    tasks: TasksCtx {
        grant: Tasks,
        meaning: "has work done later, in queues, and for users when they are not there",
        link: sbd_tasks::add_to_linker,
        view: sbd_tasks::TasksView,
        open: |of| TasksCtx::new(
            Arc::clone(&of.stores.tasks),
            Arc::clone(of.enqueuing),
            Arc::clone(of.component),
            Arc::clone(of.queues),
        ),
    }
    realtime: RealtimeCtx {
        grant: Realtime,
        meaning: "says something to whoever is connected: to users, and in the channels of its own",
        link: sbd_realtime::add_to_linker,
        view: sbd_realtime::RealtimeView,
        open: |of| RealtimeCtx::new(
            Arc::clone(&of.stores.realtime),
            Arc::clone(of.component),
            Arc::clone(of.channels),
        ),
    }
    mail: MailCtx {
        grant: Mail,
        meaning: "sends mail to any address, from the host's",
        link: sbd_mail::add_to_linker,
        view: sbd_mail::MailView,
        open: |of| MailCtx::new(
            Arc::clone(of.mailer),
            Arc::clone(of.tenant),
            Arc::clone(of.component),
        ),
    }
    vectors: VectorsCtx {
        grant: Vectors,
        meaning: "finds its points by likeness, by vectors and by keywords",
        link: sbd_vectors::add_to_linker,
        view: sbd_vectors::VectorsView,
        open: |of| VectorsCtx::new(Arc::clone(&of.stores.vectors), Arc::clone(of.component)),
    }
    metrics: MetricsCtx {
        grant: Metrics,
        meaning: "counts what happens in its domain, in metrics that its manifest declares",
        link: sbd_metrics::add_to_linker,
        view: sbd_metrics::MetricsView,
        open: |of| MetricsCtx::new(
            Arc::clone(of.metrics),
            Arc::clone(of.tenant),
            Arc::clone(of.component),
        ),
    }
    inference: InferenceCtx {
        grant: Inference,
        meaning: "asks the language models that the operator has set up, at the tenant's expense",
        link: sbd_inference::add_to_linker,
        view: sbd_inference::InferenceView,
        open: |of| InferenceCtx::new(
            Arc::clone(of.models),
            Arc::clone(of.tenant),
            Arc::clone(of.component),
        ),
    }
    blobs: BlobsCtx {
        grant: Blobs,
        meaning: "keeps large contents, such as files and images, under names of its own",
        link: sbd_blobs::add_to_linker,
        view: sbd_blobs::BlobsView,
        open: |of| BlobsCtx::new(Arc::clone(&of.stores.blobs), Arc::clone(of.component)),
    }
    ocr: OcrCtx {
        grant: Ocr,
        meaning: "has the text of images recognised, where Tesseract is installed",
        link: sbd_ocr::add_to_linker,
        view: sbd_ocr::OcrView,
        open: |of| OcrCtx::new(of.images.clone()),
    }
}

/// What opens the key-value stores of one instance.
fn keyvalue(of: &Opening<'_>) -> Arc<dyn Fn() -> KeyvalueCtx + Send + Sync> {
    let (backend, component) = (Arc::clone(&of.stores.keyvalue), Arc::clone(of.component));
    let buckets = Arc::clone(of.buckets);
    Arc::new(move || {
        KeyvalueCtx::new(
            Arc::clone(&backend),
            Arc::clone(&component),
            Arc::clone(&buckets),
        )
    })
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
