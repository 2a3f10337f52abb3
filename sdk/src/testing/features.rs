//! `features` of a test: on or off for everybody.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::features::{Error, Feature, State};

/// A feature that the component declares.
#[derive(Debug, Default)]
pub(super) struct Switch {
    pub(super) description: String,
    pub(super) on: bool,
}

pub(crate) async fn is_on(feature: String, _: Option<String>) -> Result<bool, Error> {
    let world = granted("features");
    let features = world.features.borrow();
    let switch = features.get(&feature);
    switch.map(|switch| switch.on).ok_or_else(|| {
        Error::Unknown(format!(
            "no feature `{feature}` is declared; declare it in spin.toml"
        ))
    })
}

pub(crate) async fn list() -> Result<Vec<Feature>, Error> {
    let world = granted("features");
    let features = world.features.borrow();
    let features = features.iter().map(|(name, switch)| Feature {
        name: name.clone(),
        description: switch.description.clone(),
        state: match switch.on {
            true => State::On,
            false => State::Off,
        },
    });
    Ok(features.collect())
}
