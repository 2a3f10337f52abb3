//! What becomes of a component's offer when the component is loaded.

use super::{Asking, LARGEST, NoOffer, Offered};
use crate::Error;
use crate::engine::compile_cache::CompileCache;
use crate::instances::cpu_scheduler::CpuScheduler;
use crate::instances::grants;
use crate::instances::instance::State;
use crate::requests::egress::Reaches;
use sbd_manifest::Component as Declared;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wasi_http::handler::ProxyPre;

/// What components are loaded with.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) compile_cache: &'a CompileCache,
    pub(crate) scheduler: &'a CpuScheduler,
    pub(crate) reaches: &'a Reaches,
    /// Where the files of components are laid out.
    pub(crate) files: &'a Path,
}

/// A component on its way to be served.
pub(crate) struct Loading<'a> {
    pub(crate) loader: Loader<'a>,
    pub(crate) declared: &'a Declared,
    pub(crate) sha256: &'a str,
    pub(crate) variables: &'a Arc<BTreeMap<String, String>>,
    pub(crate) component: &'a Component,
    pub(crate) proxy: &'a Arc<ProxyPre<State>>,
    /// While others are served: somebody waits to read why it is refused.
    pub(crate) is_deployed: bool,
}

// === impl Loading ===

impl Loading<'_> {
    /// What the component offers: as it was kept, else as it says now.
    ///
    /// At a start, what of others is wrong is told and left out, so that one component keeps no server
    /// from starting. What speaks to this host and is wrong is refused there too: left out, it would
    /// be served without its permissions.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn offer(&self) -> Result<Option<Arc<Offered>>, Error> {
        let Loader {
            engine,
            compile_cache,
            ..
        } = self.loader;
        if !self.declared.settings.openapi {
            return Ok(None);
        }
        if let Some(kept) = compile_cache.find_offer(engine, self.sha256) {
            return match kept {
                None => Ok(None),
                Some(document) => self.read(Offered::read(document)),
            };
        }
        let component = self.declared.id.as_str();
        let offered = match Asking::ask(self) {
            Asking::Document(document) => self.read(Offered::read(document))?,
            Asking::Nothing => None,
            Asking::TooLarge => {
                let reason = format!("it is larger than {LARGEST} bytes");
                return self.leave_out(reason, self.is_deployed);
            }
            Asking::Failed(reason) => {
                let is_ours = grants::wants_the_platform(engine, self.component);
                let reason = format!("the component failed when it was asked: {reason}");
                if self.is_deployed && is_ours {
                    return Err(self.wrong(reason));
                }
                // Perhaps the machine was busy: it is asked again at the next start. Of others that is no
                // news; of ours nobody keeps the permissions until then.
                match is_ours {
                    true => tracing::warn!(component, reason, "served without its offer"),
                    false => tracing::info!(component, reason, "served without an offer"),
                }
                return Ok(None);
            }
        };
        let document = offered.as_ref().map(|offered| &offered.document);
        compile_cache.keep_offer(engine, self.sha256, document);
        Ok(offered)
    }

    fn read(&self, read: Result<Offered, NoOffer>) -> Result<Option<Arc<Offered>>, Error> {
        match read {
            Ok(offered) => Ok(Some(Arc::new(offered))),
            Err(NoOffer::OfOthers) => Ok(None),
            Err(NoOffer::Wrong { reason, is_ours }) => {
                self.leave_out(reason, is_ours || self.is_deployed)
            }
        }
    }

    fn leave_out(&self, reason: String, is_refused: bool) -> Result<Option<Arc<Offered>>, Error> {
        if is_refused {
            return Err(self.wrong(reason));
        }
        let component = self.declared.id.as_str();
        tracing::warn!(target: "sbd::openapi", component, reason, "what it offers is left out");
        Ok(None)
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Offer {
            component: self.declared.id.to_string(),
            reason,
        }
    }
}
