//! What is asked and answered over HTTP.

pub(crate) mod chat;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod usage;
