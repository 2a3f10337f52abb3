//! What is asked from outside, and by the host.

pub(crate) mod encrypted;
pub(crate) mod host;
pub(crate) mod notes;
pub(crate) mod versions;
