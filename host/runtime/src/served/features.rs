//! What is switched off is not there: for a request from outside as for one from another component.

use crate::InvokeError;
use crate::requests::Class;
use crate::requests::running::RequestContext;
use crate::reserved::{is_reserved, read_freely};
use crate::served::Snapshot;
use crate::served::component::LoadedComponent;
use percent_encoding::percent_decode_str;
use sbd_features::{Catalogue, Feature, Switches};
use sbd_manifest::{App, Component, Routes};
use std::sync::Arc;

/// The parts of a component that routes of their own lead to.
#[derive(Default)]
pub(crate) struct SwitchedRoutes {
    routes: Routes,
    /// By the number of the route: the full name of its feature.
    features: Vec<Arc<str>>,
}

// === impl SwitchedRoutes ===

impl SwitchedRoutes {
    pub(crate) fn of(component: &Component) -> Self {
        let (mut patterns, mut features) = (Vec::new(), Vec::new());
        for (name, feature) in &component.settings.features {
            let full = full_name(component, name);
            for route in &feature.routes {
                patterns.push(route.as_str());
                features.push(Arc::clone(&full));
            }
        }
        Self {
            routes: Routes::of(patterns),
            features,
        }
    }

    /// The features that a path belongs to.
    pub(crate) fn at<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        let routes = self.routes.all(path);
        routes.filter_map(|found| self.features.get(found.trigger))
    }
}

/// What an application declares.
pub(crate) fn catalogue(app: &App) -> Catalogue {
    let features = app.components.values().flat_map(|component| {
        let id: Arc<str> = Arc::from(component.id.as_str());
        let whole = Feature {
            name: Arc::clone(&id),
            component: Arc::clone(&id),
            description: String::new(),
            default: component.settings.enabled,
            granted_by: Vec::new(),
        };
        let parts = component
            .settings
            .features
            .iter()
            .map(move |(name, feature)| Feature {
                name: full_name(component, name),
                component: Arc::clone(&id),
                description: feature.description.clone(),
                default: feature.default,
                granted_by: feature
                    .granted_by
                    .iter()
                    .map(|by| by.as_str().into())
                    .collect(),
            });
        std::iter::once(whole).chain(parts)
    });
    Catalogue::new(features)
}

fn full_name(component: &Component, feature: &str) -> Arc<str> {
    format!("{}.{feature}", component.id).into()
}

impl Snapshot {
    /// Refuses a request to what is switched off, and what the host has for it to do: events and work wait
    /// until it is on. What the host asks to know is answered.
    pub(crate) fn check_switched_on(
        &self,
        switches: &Switches,
        tenant: &str,
        component: &LoadedComponent,
        context: &RequestContext,
        path: &str,
    ) -> Result<(), InvokeError> {
        let id = component.declared.id.as_str();
        let user = context.user();
        let is_off = |feature: &str| !self.features.is_on(switches, tenant, feature, user);
        let off = |feature: &str| Err(InvokeError::SwitchedOff(feature.to_owned()));
        let wants_to_know = matches!(context.class, Class::Authentication | Class::Probe);
        if is_off(id) && !(wants_to_know && is_reserved(path)) {
            return off(id);
        }
        let switched = &component.switched;
        if switched.routes.is_empty() {
            return Ok(());
        }
        // Some guests decode a path before they route it, or take two slashes for one.
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let freely = read_freely(path);
        for path in [path, &decoded, freely.as_deref().unwrap_or(path)] {
            if let Some(feature) = switched.at(path).find(|feature| is_off(feature)) {
                return off(feature);
            }
        }
        Ok(())
    }
}
