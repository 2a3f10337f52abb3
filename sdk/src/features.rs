//! What is switched on in the tenant of the request, and for whom.

use crate::bindings::features as host;
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
