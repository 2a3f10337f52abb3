//! What is asked and answered over HTTP.

pub(crate) mod host;
pub(crate) mod notifications;
pub(crate) mod preferences;
