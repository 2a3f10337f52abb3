//! How many requests one instance may answer: what the manifest says, else what its guest is known to
//! bear.
//!
//! Guests of WASI 0.3 are made for many at once. One of 0.2 answers one at a time; and whether it can
//! answer a second, when the first is done, is a matter of its toolchain alone: some leave behind what
//! the next call stumbles over.

use super::Toolchain;
use sbd_manifest::Limits;
use std::fmt;

/// Requests, where nothing speaks against many.
const MANY: usize = 128;

/// How many requests one instance may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// One after the other, in all.
    pub requests: usize,
    /// At once.
    pub at_once: usize,
    because: Because,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Because {
    Manifest,
    Wasi03,
    Toolchain(Toolchain),
}

// === impl Reuse ===

impl Reuse {
    /// Of a guest of WASI 0.3.
    pub(crate) fn of_new(limits: &Limits) -> Self {
        Self {
            requests: limits.reuse_requests.unwrap_or(MANY),
            at_once: limits.reuse_concurrent,
            because: limits
                .reuse_requests
                .map_or(Because::Wasi03, |_| Because::Manifest),
        }
    }

    /// Of a guest of WASI 0.2 that a toolchain has made.
    pub(crate) fn of_old(toolchain: Toolchain, limits: &Limits) -> Self {
        let (requests, because) = match limits.reuse_requests {
            Some(said) => (said, Because::Manifest),
            None if toolchain.bears_reuse() => (MANY, Because::Toolchain(toolchain)),
            None => (1, Because::Toolchain(toolchain)),
        };
        Self {
            requests,
            at_once: 1,
            because,
        }
    }
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requests {
            1 => f.write_str("one request, then it is thrown away: ")?,
            most if self.at_once == 1 => write!(f, "{most} requests, one at a time: ")?,
            most => write!(f, "{most} requests, {} at a time: ", self.at_once)?,
        }
        match &self.because {
            Because::Manifest => f.write_str("the manifest says so (reuse_requests)"),
            Because::Wasi03 => f.write_str("guests of WASI 0.3 are made for it"),
            Because::Toolchain(toolchain) if toolchain.bears_reuse() => {
                write!(f, "what {toolchain} makes is known to bear it")
            }
            Because::Toolchain(Toolchain::Unknown) => f.write_str(
                "WASI 0.2 by a toolchain that is not known; try more with reuse_requests",
            ),
            Because::Toolchain(toolchain) => {
                write!(f, "what {toolchain} makes is not known to bear a second")
            }
        }
    }
}
