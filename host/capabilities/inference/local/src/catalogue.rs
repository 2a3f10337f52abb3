//! The models that are known by a short name.

use sbd_inference::model::Kind;

/// A model that can be fetched by its short name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its short name.
    pub name: &'static str,
    /// What it can do.
    pub kind: Kind,
    /// About how many megabytes are fetched.
    pub megabytes: u32,
    /// Under which licence it may be used.
    pub licence: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// In which repository it lies.
    pub repository: &'static str,
    /// Which revision of the repository is asked for.
    pub revision: &'static str,
    /// Its files.
    pub files: &'static [KnownFile],
}

/// A file of a known model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    /// What it is called in the repository and here.
    pub name: &'static str,
    /// Its size and SHA-256, where they are known. Otherwise the repository's own are taken, which it tells over the
    /// same connection, and written down in the model's manifest.
    pub sha256: Option<(u64, &'static str)>,
    /// Whether the model works without it.
    pub is_optional: bool,
}

const fn file(name: &'static str) -> KnownFile {
    KnownFile {
        name,
        sha256: None,
        is_optional: false,
    }
}

const fn optional(name: &'static str) -> KnownFile {
    KnownFile {
        name,
        sha256: None,
        is_optional: true,
    }
}

const fn exact(name: &'static str, size: u64, sha256: &'static str) -> KnownFile {
    KnownFile {
        name,
        sha256: Some((size, sha256)),
        is_optional: false,
    }
}

const BERT: &[KnownFile] = &[
    file("model.safetensors"),
    file("config.json"),
    file("tokenizer.json"),
    optional("1_Pooling/config.json"),
    optional("sentence_bert_config.json"),
];

/// The models that are known, the embedding models first, each kind by size.
pub const KNOWN: &[Known] = &[
    Known {
        name: "bge-micro-v2",
        kind: Kind::Embedding,
        megabytes: 36,
        licence: "MIT",
        about: "vectors of English texts, the smallest",
        repository: "TaylorAI/bge-micro-v2",
        revision: "main",
        files: BERT,
    },
    Known {
        name: "all-minilm-l6-v2",
        kind: Kind::Embedding,
        megabytes: 92,
        licence: "Apache-2.0",
        about: "vectors of English texts",
        repository: "sentence-transformers/all-MiniLM-L6-v2",
        revision: "main",
        files: &[
            exact(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            file("config.json"),
            file("tokenizer.json"),
            optional("1_Pooling/config.json"),
            optional("sentence_bert_config.json"),
        ],
    },
    Known {
        name: "multilingual-e5-small",
        kind: Kind::Embedding,
        megabytes: 489,
        licence: "MIT",
        about: "vectors of texts in a hundred languages",
        repository: "intfloat/multilingual-e5-small",
        revision: "main",
        files: BERT,
    },
    Known {
        name: "smollm2-135m",
        kind: Kind::Chat,
        megabytes: 145,
        licence: "Apache-2.0",
        about: "the smallest that answers, in English",
        repository: "bartowski/SmolLM2-135M-Instruct-GGUF",
        revision: "main",
        files: &[file("SmolLM2-135M-Instruct-Q8_0.gguf")],
    },
    Known {
        name: "gemma-3-270m",
        kind: Kind::Chat,
        megabytes: 292,
        licence: "Gemma",
        about: "small, in many languages",
        repository: "ggml-org/gemma-3-270m-it-GGUF",
        revision: "main",
        files: &[file("gemma-3-270m-it-Q8_0.gguf")],
    },
    Known {
        name: "qwen3-0.6b",
        kind: Kind::Chat,
        megabytes: 397,
        licence: "Apache-2.0",
        about: "small, in many languages; thinks first, calls tools",
        repository: "unsloth/Qwen3-0.6B-GGUF",
        revision: "main",
        files: &[file("Qwen3-0.6B-Q4_K_M.gguf")],
    },
    Known {
        name: "gemma-3-1b",
        kind: Kind::Chat,
        megabytes: 806,
        licence: "Gemma",
        about: "good answers for its size, in many languages",
        repository: "ggml-org/gemma-3-1b-it-GGUF",
        revision: "main",
        files: &[file("gemma-3-1b-it-Q4_K_M.gguf")],
    },
    Known {
        name: "llama-3.2-1b",
        kind: Kind::Chat,
        megabytes: 808,
        licence: "Llama 3.2",
        about: "good answers for its size, in eight languages; calls tools",
        repository: "bartowski/Llama-3.2-1B-Instruct-GGUF",
        revision: "main",
        files: &[file("Llama-3.2-1B-Instruct-Q4_K_M.gguf")],
    },
    Known {
        name: "deepseek-r1-1.5b",
        kind: Kind::Chat,
        megabytes: 1117,
        licence: "MIT",
        about: "thinks first, for questions with numbers",
        repository: "bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF",
        revision: "main",
        files: &[file("DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf")],
    },
    Known {
        name: "gemma-3-4b",
        kind: Kind::Chat,
        megabytes: 2490,
        licence: "Gemma",
        about: "the best answers here, in many languages",
        repository: "ggml-org/gemma-3-4b-it-GGUF",
        revision: "main",
        files: &[file("gemma-3-4b-it-Q4_K_M.gguf")],
    },
    Known {
        name: "qwen3-4b",
        kind: Kind::Chat,
        megabytes: 2497,
        licence: "Apache-2.0",
        about: "the best answers here, in many languages; thinks first, calls tools",
        repository: "Qwen/Qwen3-4B-GGUF",
        revision: "main",
        files: &[file("Qwen3-4B-Q4_K_M.gguf")],
    },
];
