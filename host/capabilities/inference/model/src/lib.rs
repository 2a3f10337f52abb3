//! What language models are asked and what they answer: the words of `sbd:platform/inference`, which
//! host, components and tests share; their bounds; and how long texts are. It does no I/O.

#![deny(missing_docs)]

mod answer;
mod error;
mod limits;
mod model;
mod request;
mod tokens;

pub use answer::{Consumption, Embeddings, Ending, Finish, Piece, Usage};
pub use error::Error;
pub use limits::{BYTES, COUNTED, EMBEDDED, MESSAGES, STOPS, TOOLS, check_counted, check_embedded};
pub use model::{Kind, Model};
pub use request::{ChatRequest, Format, Message, Purpose, Role, Tool, ToolCall, ToolChoice};
pub use tokens::estimate;
