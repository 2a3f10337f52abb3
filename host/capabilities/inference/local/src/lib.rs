//! Models in this process, by candle: chat models of the families llama, qwen and gemma from GGUF files, and embedding
//! models like BERT from safetensors.
//!
//! Their files lie in a [`Folder`], into which they are added from this machine or fetched from the [`Hub`], and
//! nothing else is ever fetched. The [`Engine`] is the [`Backend`](sbd_inference::Backend) that runs them: on threads of
//! its own, in memory only while they are used, and together no larger than they may be. `RAYON_NUM_THREADS` says on
//! how many cores; without it, on all.

mod catalogue;
mod chat;
mod decoder;
mod embedder;
mod engine;
mod error;
mod folder;
mod gguf;
mod json;
mod loaded;
mod output;
mod pull;
mod sample;
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tiny;
mod vocabulary;

pub use catalogue::{KNOWN, Known, KnownFile};
pub use engine::{Engine, Options};
pub use error::{Error, Result};
pub use folder::{Folder, Manifest, Stored};
pub use pull::Hub;
