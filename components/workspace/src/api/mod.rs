//! What is asked and answered over HTTP.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod administration;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod deletion;
pub(crate) mod host;
pub(crate) mod invitations;
pub(crate) mod labels;
pub(crate) mod links;
pub(crate) mod members;
pub(crate) mod requests;
pub(crate) mod roles;
pub(crate) mod settings;
pub(crate) mod statistics;
pub(crate) mod transfer;
pub(crate) mod wallet;
pub(crate) mod workspaces;
