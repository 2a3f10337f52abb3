//! Events on their way to the components that listen.
//!
//! The files: `publishing` (who says that there is something), `tenant` (one tenant's subscribers),
//! `subscriber` (one going down the log), `delivery` (one event on its way), `cloud_event` (its form),
//! `letters` (what an operator may do).

mod cloud_event;
mod delivery;
mod letters;
pub(crate) mod publishing;
mod subscriber;
mod subscription;
pub(crate) mod tenant;

pub use cloud_event::CloudEvent;
pub use letters::{Letter, LettersError};
