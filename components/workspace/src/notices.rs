//! What people are told about a workspace.

pub(crate) use group::notices::about;
