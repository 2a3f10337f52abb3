//! What is asked and answered over HTTP.

pub(crate) mod channels;
pub(crate) mod families;
pub(crate) mod members;
