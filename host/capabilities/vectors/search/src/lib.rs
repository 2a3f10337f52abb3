//! What a search for vectors means: which points fit a filter, how alike two vectors are, who comes first.
//!
//! The embedded backend of the host and the stand-in of component tests run this code, and [`Collections`]
//! does all of it plainly in memory: what a backend is measured against.

mod check;
mod filter;
pub mod limits;
mod memory;
mod point;
mod query;
mod rank;
mod score;

pub use check::Refused;
pub use filter::{Condition, Fields, Filter, Scalar};
pub use memory::{Collection, Collections};
pub use point::{Config, Dense, Described, Metric, Page, Point, Sparse, check_name};
pub use query::{Hit, Place, Query, check_limit};
pub use rank::{Found, best, fuse, rank};
pub use score::{dot, inverse_frequency, norm, score};
