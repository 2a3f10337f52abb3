//! Requests to components: of which class they are, and how the host itself asks.

mod class;
mod delegation;
mod question;

pub use class::Class;
pub(crate) use class::Share;
pub use delegation::{DelegationError, identified};
pub use question::{Question, Reply};
