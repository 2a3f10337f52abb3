//! The handlers: parse, call, answer.

pub(crate) mod ask;
pub(crate) mod documents;
pub(crate) mod host;
pub(crate) mod libraries;
pub(crate) mod search;
pub(crate) mod stream;
pub(crate) mod threads;
