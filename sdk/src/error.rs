//! The one form of error: a code, a sentence that says what to do next, and the request's id.

/// An answer that says no, as every component and the host say it.
///
/// Made by the constructors, one a status. The message is one sentence for the person at the other
/// end and says what to do next; never put a secret or an internal detail into it: what is behind an
/// [`Error::internal`] goes to the log, with the request's id.
pub use sbd_contract::Refusal as Error;
pub use sbd_contract::{Detail, ErrorBody, ErrorContent};

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
