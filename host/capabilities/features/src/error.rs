//! Why a question or a change was refused.

/// Why a question or a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The application declares no such feature.
    #[error("there is no feature `{name}`{}", hint(.nearest.as_deref(), .known))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
        /// Those there are.
        known: Vec<String>,
    },
    /// It is not the component's to grant.
    #[error(
        "`{component}` does not grant `{feature}`; add `granted_by = [\"{component}\"]` to the feature in the manifest"
    )]
    NotGranted {
        /// The feature's full name.
        feature: String,
        /// The component that would.
        component: String,
    },
    /// A switch cannot be like that.
    #[error("{0}")]
    Invalid(String),
    /// The switches could not be read or written.
    #[error("the switches could not be stored: {0}; try again")]
    Storage(String),
}

fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; there are {}", known.join(", ")),
    }
}

impl From<sbd_storage::Error> for Error {
    fn from(error: sbd_storage::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<sbd_storage::rusqlite::Error> for Error {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        Self::Storage(sbd_storage::Error::from(error).to_string())
    }
}
