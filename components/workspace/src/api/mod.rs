//! What is asked and answered over HTTP.

pub(crate) mod workspaces;
