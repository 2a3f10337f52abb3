//! The inference capability, `sbd:platform/inference`: language models, wherever they run.
//!
//! A [`Backend`] has models: a server that speaks OpenAI's API, Ollama, or an engine in this process.

mod backend;

pub use backend::{Backend, Failure, Found, Progress};
pub use sbd_inference_model as model;
