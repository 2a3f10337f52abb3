//! What host and components must agree on, without I/O: who asks ([`Principal`]), what an operation
//! needs ([`Scopes`]), which headers, paths and cookies are between the two, how a refusal looks
//! ([`Refusal`]), what a component offers ([`Offer`]), and which numbers are not taken ([`Oversized`]).
//!
//! It builds natively and for the sandbox, so that both sides run the same code.

#![deny(missing_docs)]

pub mod authentication;
pub mod header;
mod integers;
pub mod offer;
pub mod path;
mod principal;
mod refusal;
mod scopes;
pub mod session_cookie;

pub use integers::Oversized;
pub use offer::Offer;
pub use principal::{Kind, Principal};
pub use refusal::{Detail, ErrorBody, ErrorContent, Refusal};
pub use scopes::{InvalidScope, Scopes, is_permission};
