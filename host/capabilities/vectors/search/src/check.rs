//! What is refused before anything is done.

use crate::limits::MAX_COLLECTIONS;

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something about it is wrong; the text says what to write instead.
    #[error("{0}")]
    Invalid(String),
    /// There is no such collection.
    #[error("there is no collection `{0}`; make it with `create` first")]
    NotFound(String),
    /// A collection of that name is there, and is another.
    #[error(
        "the collection `{0}` is there with other dimensions, another metric, or without sparse vectors; \
         drop it first, or take another name"
    )]
    Differs(String),
    /// There may be no more of them.
    #[error("{0}")]
    Limit(String),
}

// === impl Refused ===

impl Refused {
    /// A component has as many collections as it may.
    pub fn too_many_collections() -> Self {
        Self::Limit(format!(
            "a component has at most {MAX_COLLECTIONS} collections; tell points apart by a field of their payload"
        ))
    }
}

/// Refuses what does not hold.
pub(crate) fn ensure(holds: bool, or: impl FnOnce() -> String) -> Result<(), Refused> {
    match holds {
        true => Ok(()),
        false => Err(Refused::Invalid(or())),
    }
}
