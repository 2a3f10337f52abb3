//! Pages for people, as components serve them: plain HTML that works without scripts, on a phone, by keyboard and
//! by screen reader.
//!
//! A component says what is on a page, in [`maud::html!`], which escapes whatever is put into it, and gives it to a
//! [`Page`]. The shell around it, how it looks, how a form says what is wrong, and what a browser may load for it are
//! the same for all.

#![deny(missing_docs)]

mod asset;
mod form;
mod language;
mod posted;
mod shell;

pub use asset::{Asset, LOOK};
pub use form::{Field, Form, Problems};
pub use language::{Language, Text};
pub use posted::{Posted, TOKEN};
pub use shell::{Link, Page, allow, go_to};
