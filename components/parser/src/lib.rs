//! Documents as structure. A component without any grant: whatever a document does to it, it reaches nothing.
//!
//! `knowledge` calls it as `http://parser.spin.internal/parse` and gets the lines of a [`document::Document`]. What
//! cannot be read is named there, with its page; the rest is kept. A document that brings the component down has
//! brought down nothing else: to the caller it is one that cannot be read.

mod api;
mod archive;
mod charset;
mod flow;
mod formats;
mod kind;
mod language;
mod output;
mod reading;
mod rows;
mod xml;

use axum::routing::post;
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .route("/parse", post(api::parse))
        .route("/draw", post(api::draw))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests;
