//! What is switched on in the tenant of the request, and for whom; and granting that to users, where a component may.

use crate::bindings::features as host;
use crate::time::Time;
use crate::{Caller, Error};

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

/// A feature that this component declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its short name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// For whom it is on, in the tenant of the request.
    pub state: State,
}

/// Whether a feature is on for a caller, or for somebody who is not signed in. The component's own
/// features have short names; every feature has a full one, `component` or `component.feature`.
///
/// # Errors
/// When the application declares no such feature.
pub async fn is_on(feature: &str, caller: Option<&Caller>) -> crate::Result<bool> {
    let user = caller.map(|caller| caller.user.to_string());
    host::is_on(feature.to_owned(), user).await.map_err(refused)
}

/// Answers 404 `FEATURE_DISABLED` unless a feature is on for a caller, as the host does for the routes
/// of a feature that is off.
///
/// # Errors
/// When it is off, or the application declares no such feature.
pub async fn require(feature: &str, caller: Option<&Caller>) -> crate::Result<()> {
    if is_on(feature, caller).await? {
        Ok(())
    } else {
        Err(Error::feature_disabled(feature))
    }
}

/// The features that this component declares.
///
/// # Errors
/// When the host does not answer.
pub async fn list() -> crate::Result<Vec<Feature>> {
    let features = host::list().await.map_err(refused)?.into_iter();
    let features = features.map(|feature| Feature {
        name: feature.name,
        description: feature.description,
        state: match feature.state {
            host::State::On => State::On,
            host::State::Off => State::Off,
            host::State::Depends => State::Depends,
        },
    });
    Ok(features.collect())
}

/// Whether a user has what is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// No, or no more.
    No,
    /// Until this time.
    Until(Time),
    /// For good.
    ForGood,
}

/// The features, by their full names, that this component may grant: those that say so in their manifest:
///
/// ```toml
/// [component.notes.tool.sbd.features.colours]
/// default = false
/// granted_by = ["shop"]
/// ```
///
/// # Errors
/// When the host does not answer.
pub async fn grantable() -> crate::Result<Vec<String>> {
    host::grantable().await.map_err(refused)
}

/// Says whether a user has one of these, whatever was said before. For them it is on then, though it is not for
/// others, unless an operator has switched it off.
///
/// # Errors
/// When it is not this component's to grant, or the host does not answer.
pub async fn grant(feature: &str, user: &str, granted: Granted) -> crate::Result<()> {
    let granted = match granted {
        Granted::No => host::Granted::No,
        Granted::Until(time) => {
            let time = time.since(Time::from_seconds(0)).as_millis();
            host::Granted::Until(u64::try_from(time).unwrap_or(u64::MAX))
        }
        Granted::ForGood => host::Granted::ForGood,
    };
    let said = host::grant(feature.to_owned(), user.to_owned(), granted);
    said.await.map_err(refused)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Unavailable(cause) => Error::overloaded(
            "the switches cannot be read just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("features unavailable: {cause}")),
        host::Error::Unknown(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    }
}
