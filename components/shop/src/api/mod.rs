//! What can be asked over HTTP.

pub(crate) mod cart;
pub(crate) mod orders;
pub(crate) mod progress;
pub(crate) mod refunds;
pub(crate) mod vouchers;
