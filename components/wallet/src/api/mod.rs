//! What is asked and answered over HTTP.

pub(crate) mod accounts;
pub(crate) mod holds;
pub(crate) mod host;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod statement;
pub(crate) mod statistics;
pub(crate) mod transfers;
