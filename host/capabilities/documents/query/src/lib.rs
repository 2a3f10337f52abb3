//! The query language of the `documents` capability: MongoDB's filters, updates, sorts, projections
//! and aggregation pipelines over JSON documents, without any I/O. Builds natively and for wasm.
//!
//! There is one parser to one typed tree, and one meaning of that tree: its evaluation here
//! ([`Filter::matches`], [`Update::apply`], [`Sort::compare`], [`Pipeline`]). A backend compiles the
//! tree to its own language as far as that can answer it faster, and gives what is left to the
//! evaluation; [`sqlite`] compiles the part that declared indexes can serve.
//!
//! Values order as in BSON: missing and null, numbers, strings, objects, arrays, booleans. Where an array
//! stands for its elements, as in a sort, one without any comes before null. Integers
//! and floating-point numbers compare by value, without loss. Times are RFC 3339 UTC texts with
//! milliseconds, which order as texts.

mod distinct;
mod document;
mod filter;
mod invalid;
mod limits;
mod matching;
mod order;
mod path;
mod patience;
mod pipeline;
mod projection;
mod sort;
pub mod sqlite;
mod update;

pub use distinct::Distinct;
pub use document::{ID, check_document, id_of};
pub use filter::{Condition, Filter};
pub use invalid::Invalid;
pub use limits::{Limits, OPERATIONS};
pub use order::{compare, key};
pub use path::Path;
pub use patience::{Failed, Patience, TooLong};
pub use pipeline::{Pipeline, Run};
pub use projection::Projection;
pub use sort::{Direction, Sort, SortKey, fingerprint};
pub use update::Update;
