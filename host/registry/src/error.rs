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
    #[error("there is no tenant `{name}`{}", suggestion(.nearest.as_deref(), "sbd tenant list"))]
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
    /// There is no such version of this component.
    #[error("there is no version {number} of the component `{component}` here; {}", deployed(.known))]
    UnknownVersion {
        /// The component that was named.
        component: String,
        /// The number that was asked for.
        number: u32,
        /// The numbers there are.
        known: Vec<u32>,
    },
    /// The file of a version is not what was deployed.
    #[error(
        "version {number} of the component `{component}` cannot be served: {reason}; deploy it again, or activate another version"
    )]
    Damaged {
        /// Which component.
        component: String,
        /// Which of its versions.
        number: u32,
        /// What is wrong with the file.
        reason: String,
    },
    /// A file of the folder `components` could not be read, written or removed.
    #[error("{0}; check that the data directory is writable and has room")]
    Files(String),
    /// The name of an operator's token is none.
    #[error(
        "`{0}` is no name of an operator's token; use 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )]
    OperatorName(String),
    /// The name is taken.
    #[error("there is an operator's token `{0}` already; revoke it first, or choose another name")]
    OperatorTaken(String),
    /// There is no operator's token of this name.
    #[error(
        "there is no operator's token `{name}`{}",
        suggestion(.nearest.as_deref(), "sbd operator list")
    )]
    UnknownOperator {
        /// The name that was given.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// A token cannot be given a past end.
    #[error("{0} has passed; choose a later time for the token to end")]
    Expiry(String),
    /// Not a token of this host, or not any more.
    #[error("this is no operator's token of this host, or it was revoked; ask for a new one")]
    Token,
    /// The token was good once.
    #[error("the operator's token `{name}` ended at {at}; ask for a new one")]
    TokenExpired {
        /// Its name.
        name: String,
        /// When it ended, RFC 3339.
        at: String,
    },
    /// The operating system gives no random bytes.
    #[error("no secret could be made: {0}; try again")]
    Random(String),
    /// The file could not be read or written.
    #[error("host.db: {0}")]
    Storage(String),
}

fn suggestion(name: Option<&str>, list: &str) -> String {
    match name {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!("; `{list}` shows those there are"),
    }
}

fn deployed(numbers: &[u32]) -> String {
    if numbers.is_empty() {
        return "none was deployed".to_owned();
    }
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("there are {}", numbers.join(", "))
}

/// Of the names there are, the one that may have been meant.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // No name is longer than 63; the distance to anything longer is not worth its cost.
    let wrong = Some(wrong).filter(|wrong| wrong.len() <= 65)?;
    let scored = known
        .into_iter()
        .map(|known| (strsim::osa_distance(wrong, known), known));
    let near = scored.filter(|(distance, _)| *distance <= 2).min();
    near.map(|(_, known)| known.to_owned())
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
