//! `features` of a test: on or off for everybody; and what the component has granted of other ones'.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::features::{
    Error, Feature, Granted, State,
};
use std::collections::BTreeMap;

/// A feature that the component declares.
#[derive(Debug, Default)]
pub(super) struct Switch {
    pub(super) description: String,
    pub(super) on: bool,
}

/// Who has which of the features that the component may grant: until this time, or for good.
pub(super) type Had = BTreeMap<String, BTreeMap<String, Option<u64>>>;

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

pub(crate) async fn grantable() -> Result<Vec<String>, Error> {
    let world = granted("features");
    let names = world.had.borrow().keys().cloned().collect();
    Ok(names)
}

pub(crate) async fn grant(feature: String, user: String, to: Granted) -> Result<(), Error> {
    let world = granted("features");
    let mut had = world.had.borrow_mut();
    let users = had.get_mut(&feature).ok_or_else(|| {
        Error::Other(format!(
            "`{feature}` is not the component's to grant; a test says so by `App::grants`"
        ))
    })?;
    match to {
        Granted::No => users.remove(&user),
        Granted::Until(time) => users.insert(user, Some(time)),
        Granted::ForGood => users.insert(user, None),
    };
    Ok(())
}
