//! What is asked and answered over HTTP.

pub(crate) mod administration;
pub(crate) mod audit;
pub(crate) mod channels;
pub(crate) mod deletion;
pub(crate) mod emergency_access;
pub(crate) mod families;
pub(crate) mod host;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod recoveries;
pub(crate) mod relationships;
pub(crate) mod reports;
pub(crate) mod requests;
pub(crate) mod statistics;
pub(crate) mod succession;
pub(crate) mod transfer;
pub(crate) mod wallet;
