//! Why the runtime could not start, load or answer.

use crate::limits::{Limit, OverLimit};
use sbd_contract::Refusal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the runtime or one of its components could not be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data directory cannot be used.
    #[error("data directory {}: {reason}; choose another with --data-dir or make it writable", path.display())]
    DataDirectory {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A component's file cannot be read.
    #[error("component `{component}`: cannot read {}: {reason}; build it first (for ours: cargo xtask build)", path.display())]
    Source {
        /// The component.
        component: String,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A component's file is not a component that can run here.
    #[error("component `{component}`: {reason}")]
    NotRunnable {
        /// The component.
        component: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// A component imports something that the manifest does not grant.
    #[error(
        "component `{component}` imports {import}, which spin.toml does not grant; add this to it:\n\n{line}\n"
    )]
    NotGranted {
        /// The component.
        component: String,
        /// The import's name.
        import: String,
        /// What to add.
        line: String,
    },
    /// A component's offer is wrong.
    #[error(
        "component `{component}`: what it offers at GET /-/openapi.json is wrong: {reason}; correct it and build it again"
    )]
    Offer {
        /// The component.
        component: String,
        /// What is wrong.
        reason: String,
    },
    /// A component does not start, or says that it is not well.
    #[error("component `{component}` is not well: {reason}")]
    Unwell {
        /// The component.
        component: String,
        /// What became of the attempt.
        reason: String,
    },
    /// A capability could not be set up.
    #[error("{capability}: {reason}")]
    Capability {
        /// Which.
        capability: &'static str,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// There is no room for what a tenant keeps of a component.
    #[error("no room left on the disk")]
    Full,
    /// What was to be imported is no archive of a tenant, or one that has no place here.
    #[error("this archive cannot be imported: {0}")]
    Archive(String),
    /// The engine could not be made.
    #[error(
        "the WebAssembly engine does not start: {0}; it needs address space: raise `ulimit -v`"
    )]
    Engine(String),
}

/// Why a request got no answer from its component.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// No such component.
    #[error("there is no component `{0}`")]
    UnknownComponent(String),
    /// An operator has switched it off in this tenant, or for this user.
    #[error("the feature `{0}` is switched off here")]
    SwitchedOff(String),
    /// It needs a permission, and nobody is signed in.
    #[error("this needs somebody who is signed in")]
    Unauthenticated,
    /// It needs this permission, which the principal has not.
    #[error("this needs the permission `{0}`")]
    Forbidden(String),
    /// As many requests as allowed are being answered; nothing has been done.
    #[error("the limit `{limit}` is reached; try again in {} s", retry_after.as_secs().max(1))]
    Overloaded {
        /// When it may be better.
        retry_after: Duration,
        /// Which.
        limit: Limit,
    },
    /// The component took too long.
    #[error("no answer within {} s (limit `{limit}`)", after.as_secs_f32())]
    Timeout {
        /// How long it was given.
        after: Duration,
        /// Which of its times was over.
        limit: Limit,
    },
    /// The component wanted more than it may have, and failed without it.
    #[error("{0}")]
    OverLimit(OverLimit),
    /// The component failed while answering.
    #[error("the component failed")]
    Trapped,
    /// The component could not be started.
    #[error("the component could not be started: {0}")]
    CannotStart(String),
    /// The request's body is larger than allowed.
    #[error("the body is larger than allowed")]
    BodyTooLarge,
    /// The request's body ended early or was malformed.
    #[error("the body ended early or was malformed")]
    BodyBroken,
    /// The component answered with an error of `wasi:http` instead of a response.
    #[error("the component answered {0}")]
    Guest(String),
    /// The component answered, and what it answered is of no use to the host that asked.
    #[error("the component's answer cannot be used: {0}")]
    Unusable(String),
    /// There is no room left on the disk.
    #[error("no room left on the disk")]
    StorageFull,
}

// === impl InvokeError ===

impl InvokeError {
    /// What whoever asked is told where the component was not reached because of who asked, for
    /// components and people alike.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::SwitchedOff(feature) => Some(Refusal::feature_disabled(feature)),
            Self::Unauthenticated => Some(Refusal::unauthenticated()),
            Self::Forbidden(permission) => Some(Refusal::lacks_permission(permission)),
            _ => None,
        }
    }
}

// === impl Error ===

impl Error {
    pub(crate) fn data_directory(path: &Path, reason: &impl ToString) -> Self {
        Self::DataDirectory {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn capability(capability: &'static str, reason: &impl ToString) -> Self {
        Self::Capability {
            capability,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn not_runnable(component: &str, reason: impl Into<String>) -> Self {
        Self::NotRunnable {
            component: component.to_owned(),
            reason: reason.into(),
        }
    }
}
