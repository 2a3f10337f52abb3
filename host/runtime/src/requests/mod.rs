//! Requests on their way to components and from them: of which class they are, what a running one has
//! used, and where it may lead.

mod call;
mod class;
pub(crate) mod egress;
pub(crate) mod outgoing;
mod question;
pub(crate) mod request_body;
pub(crate) mod running;
pub(crate) mod trace;

pub use call::Call;
pub use class::Class;
pub(crate) use class::Share;
pub use question::{Question, Reply};
