//! The features that an application declares.

use crate::{Error, Switch, Switches};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of the longest name that is compared with others, and characters that are repeated.
const LONGEST_NAME: usize = 100;

/// A feature as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its full name: `component`, or `component.feature`.
    pub name: Arc<str>,
    /// The component that declares it.
    pub component: Arc<str>,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it is on where nobody has switched it.
    pub default: bool,
    /// Components that may grant it to users.
    pub granted_by: Vec<Arc<str>>,
}

/// For whom a feature is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// For everybody.
    On,
    /// For nobody.
    Off,
    /// For some: it depends on the user.
    Depends,
}

/// The features of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    features: BTreeMap<Arc<str>, Feature>,
}

// === impl Catalogue ===

impl Catalogue {
    /// The features that are declared. A component that declares a feature is one itself.
    pub fn new(features: impl IntoIterator<Item = Feature>) -> Self {
        let features = features.into_iter();
        Self {
            features: features
                .map(|feature| (Arc::clone(&feature.name), feature))
                .collect(),
        }
    }

    /// All of them, in the order of their names.
    pub fn features(&self) -> impl Iterator<Item = &Feature> {
        self.features.values()
    }

    /// A feature by its full name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn find(&self, name: &str) -> Result<&Feature, Error> {
        self.features.get(name).ok_or_else(|| self.unknown(name))
    }

    /// A feature as a component names it: its own by their short names.
    pub(crate) fn seen_by(&self, component: &str, name: &str) -> Result<&Feature, Error> {
        let own = self.features.get(format!("{component}.{name}").as_str());
        own.map_or_else(|| self.find(name), Ok)
    }

    /// For whom a feature is on in a tenant. One that is not declared is off.
    pub fn state(&self, switches: &Switches, tenant: &str, name: &str) -> State {
        let Some(feature) = self.features.get(name) else {
            return State::Off;
        };
        let own = switches.with(tenant, name, |switch| match switch {
            // What an operator has switched off, nobody grants.
            Some(Switch::Off) => State::Off,
            Some(switch) => feature.state(switch.state()),
            None if feature.default => State::On,
            None => feature.state(State::Off),
        });
        // Without its component there is nothing of it.
        match self.whole(feature) {
            None => own,
            Some(whole) => match (self.state(switches, tenant, &whole.name), own) {
                (State::Off, _) | (_, State::Off) => State::Off,
                (State::On, State::On) => State::On,
                _ => State::Depends,
            },
        }
    }

    /// Whether a feature is on in a tenant for a user, or for somebody unknown.
    pub fn is_on(&self, switches: &Switches, tenant: &str, name: &str, user: Option<&str>) -> bool {
        let Some(feature) = self.features.get(name) else {
            return false;
        };
        let own = switches.with(tenant, name, |switch| match switch {
            Some(Switch::Off) => false,
            Some(switch) => {
                switch.is_on(tenant, name, user) || feature.is_had(switches, tenant, user)
            }
            None => feature.default || feature.is_had(switches, tenant, user),
        });
        let whole = self.whole(feature);
        own && whole.is_none_or(|whole| self.is_on(switches, tenant, &whole.name, user))
    }

    /// The features that a component may grant.
    pub(crate) fn granted_by<'a>(
        &'a self,
        component: &'a str,
    ) -> impl Iterator<Item = &'a Feature> {
        self.features()
            .filter(move |feature| feature.is_granted_by(component))
    }

    /// The component that a feature is a part of.
    fn whole(&self, feature: &Feature) -> Option<&Feature> {
        let whole = self.features.get(&feature.component);
        whole.filter(|whole| whole.name != feature.name)
    }

    fn unknown(&self, name: &str) -> Error {
        // A guest may ask for anything, and comparing takes as long as its name is.
        let known = self.features.keys().filter(|_| name.len() <= LONGEST_NAME);
        let near = known.map(|known| {
            let short = known.rsplit('.').next().unwrap_or(known);
            let distance = |known| strsim::osa_distance(name, known);
            (distance(known).min(distance(short)), known)
        });
        let nearest = near.filter(|(distance, _)| *distance <= 3).min();
        Error::Unknown {
            name: name.chars().take(LONGEST_NAME).collect(),
            nearest: nearest.map(|(_, known)| known.to_string()),
            known: self.features.keys().map(ToString::to_string).collect(),
        }
    }
}

// === impl Feature ===

impl Feature {
    /// Whether a component may grant it.
    pub(crate) fn is_granted_by(&self, component: &str) -> bool {
        self.granted_by.iter().any(|by| **by == *component)
    }

    /// Whether it was granted to a user. Without anybody who grants it, nobody has it so, whatever was granted once.
    fn is_had(&self, switches: &Switches, tenant: &str, user: Option<&str>) -> bool {
        let user = user.filter(|_| !self.granted_by.is_empty());
        user.is_some_and(|user| switches.is_granted(tenant, &self.name, user))
    }

    /// For whom it is on, where the switch says so: of what can be granted, it depends on who has it.
    fn state(&self, switched: State) -> State {
        match switched {
            State::Off if !self.granted_by.is_empty() => State::Depends,
            switched => switched,
        }
    }
}

// === impl Switch ===

impl Switch {
    /// For whom it lets a feature be on.
    pub(crate) fn state(&self) -> State {
        match self {
            Self::On => State::On,
            Self::Off => State::Off,
            Self::Rollout {
                percentage: 100, ..
            } => State::On,
            Self::Rollout {
                percentage: 0,
                users,
            } if users.is_empty() => State::Off,
            Self::Rollout { .. } => State::Depends,
        }
    }
}
