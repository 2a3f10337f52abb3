//! Why the registry refused.

use crate::TenantName;

/// Why something was not done. Nothing was changed in any of these cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is none.
    #[error(
        "`{0}` is no tenant's name; use 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )]
    Name(String),
    /// There is no such tenant.
    #[error("there is no tenant `{name}`{}", suggestion(.nearest.as_deref()))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// The name is taken.
    #[error("there is a tenant `{0}` already; choose another name")]
    Taken(TenantName),
    /// Not a host name.
    #[error("`{0}` is no host name; write it like family.example.com, without scheme and port")]
    Host(String),
    /// A host name can lead to one tenant only.
    #[error("the host name `{host}` belongs to the tenant `{tenant}`; take it from there first")]
    HostTaken {
        /// The host name.
        host: String,
        /// Whose it is.
        tenant: TenantName,
    },
    /// The tenant of everybody who names no other.
    #[error(
        "the tenant `default` serves whoever names no other; it can be neither suspended nor deleted"
    )]
    Default,
    /// It is being deleted, and nothing else can be done with it.
    #[error("the tenant `{0}` is being deleted; wait until it is gone, or run the deletion again")]
    Deleting(TenantName),
    /// The file could not be read or written.
    #[error("host.db: {0}")]
    Storage(String),
}

fn suggestion(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; `sbd tenant list` shows those there are".to_owned(),
    }
}

// === impl Error ===

impl From<sbd_storage::Error> for Error {
    fn from(error: sbd_storage::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<sbd_storage::rusqlite::Error> for Error {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        sbd_storage::Error::from(error).into()
    }
}
