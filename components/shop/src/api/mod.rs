//! What can be asked over HTTP.

pub(crate) mod cart;
pub(crate) mod categories;
pub(crate) mod contents;
pub(crate) mod host;
pub(crate) mod inventory;
pub(crate) mod items;
pub(crate) mod kinds;
pub(crate) mod orders;
pub(crate) mod payers;
pub(crate) mod progress;
pub(crate) mod receipts;
pub(crate) mod refunds;
pub(crate) mod statistics;
pub(crate) mod vouchers;
