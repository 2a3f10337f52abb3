//! What families and workspaces have in common: invitations, roles, a shared account, succession.
//!
//! Rules as plain functions over plain values, without I/O. Whatever has states stands in a file of its
//! own, with its diagram: what may happen in which state, and what comes of it. The component that uses it
//! keeps the values in its collections, knows who asks, and says what is told to whom: in the commit of the
//! change (`commit`), by `notice`.

pub mod chart;
pub mod commit;
pub mod emergency;
pub mod freeze;
pub mod html;
pub mod invitation;
pub mod invitee;
pub mod link;
pub mod notice;
pub mod pages;
pub mod payment;
pub mod recovery;
pub mod report;
pub mod request;
pub mod roles;
pub mod secret;
pub mod spending;
pub mod succession;
pub mod text;
pub mod waiting;
