//! Changes whose conditions stand in their commit: whoever loses against another change reads again.

use sbd_sdk::documents::DocumentsError;
use sbd_sdk::{Error, Result};

/// How often a change is tried: each time another one was quicker.
const TRIES: u32 = 8;

/// As often as a change is tried before [`busy`].
pub fn tries() -> std::ops::Range<u32> {
    0..TRIES
}

/// Whether it is done; not when a condition did not hold any more.
///
/// # Errors
/// When the change was refused for another reason.
pub fn committed<T>(done: std::result::Result<T, DocumentsError>) -> Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What to say when others were quicker each time, about this kind of group.
pub fn busy(group: &str) -> Error {
    Error::overloaded(
        format!("many change the {group} at the same moment; try again in a moment"),
        1,
    )
}
