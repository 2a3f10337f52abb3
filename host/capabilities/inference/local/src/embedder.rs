//! The embedding models: BERT and what was made of it (MiniLM, E5, BGE), from safetensors.

use crate::error::{Error, Result};
use crate::gguf::{TOKEN, first_line};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokenizers::Tokenizer;

/// Bytes of the head of a file of weights, at most.
const HEAD: u64 = 8 << 20;
/// Bytes of a tokenizer, at most.
const TOKENIZER: u64 = 64 << 20;
/// Bytes of a text for each token that the model has room for: what stands behind is cut off before it is read.
const BYTES_OF_TOKEN: usize = 64;

/// What of all tokens makes the vector of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
}

/// What a model has to be told beside its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) pooling: Pooling,
    /// What stands before a text to find by.
    pub(crate) query: String,
    /// What stands before a text to be found.
    pub(crate) passage: String,
    /// How many tokens of a text are read, at most.
    pub(crate) tokens: Option<usize>,
}

/// What `config.json` says of a model.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Config {
    model_type: String,
    vocab_size: usize,
    pub(crate) hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    pub(crate) max_position_embeddings: usize,
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "gelu")]
    hidden_act: String,
}

fn epsilon() -> f64 {
    1e-12
}

fn gelu() -> String {
    "gelu".to_owned()
}

impl Config {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let config: Self =
            serde_json::from_slice(&read_at_most(path, 1 << 20)?).map_err(|error| {
                Error::model(format!(
                    "{} does not describe a model like BERT: {error}",
                    path.display()
                ))
            })?;
        let sizes = [
            config.vocab_size,
            config.hidden_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            config.intermediate_size,
            config.max_position_embeddings,
            config.type_vocab_size,
        ];
        let fits = config.model_type == "bert"
            && sizes.iter().all(|size| (1..=1 << 20).contains(size))
            && config.num_hidden_layers <= 128
            && config
                .hidden_size
                .is_multiple_of(config.num_attention_heads)
            && matches!(config.hidden_act.as_str(), "gelu" | "gelu_new" | "relu");
        if !fits {
            return Err(Error::model(format!(
                "{} describes a model of the type `{}` that does not run in this process; take one of the type `bert`",
                path.display(),
                config.model_type
            )));
        }
        Ok(config)
    }
}

/// What a model's folder says before it is loaded.
pub(crate) struct Described {
    folder: PathBuf,
    pub(crate) config: Config,
    settings: Settings,
    weights: Weights,
}

impl Described {
    /// Reads the heads of a folder's files.
    pub(crate) fn read(folder: &Path, settings: Settings) -> Result<Self> {
        let config = Config::read(&folder.join("config.json"))?;
        let weights = Weights::open(&folder.join("model.safetensors"))?;
        Ok(Self {
            folder: folder.to_owned(),
            config,
            settings,
            weights,
        })
    }

    /// How many bytes it takes when it is loaded.
    pub(crate) fn bytes(&self) -> u64 {
        let tokenizer = self.config.vocab_size as u64 * TOKEN;
        self.weights.bytes().saturating_add(tokenizer)
    }

    /// How many tokens of a text it reads.
    pub(crate) fn tokens(&self) -> usize {
        self.settings
            .tokens
            .unwrap_or(usize::MAX)
            .min(self.config.max_position_embeddings)
    }

    /// Its tokenizer, which must belong to it.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.folder.join("tokenizer.json");
        let mut tokenizer =
            Tokenizer::from_bytes(read_at_most(&path, TOKENIZER)?).map_err(|error| {
                Error::model(format!(
                    "{} is no tokenizer that can be read: {error}",
                    path.display()
                ))
            })?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| Error::model(format!("{}: {error}", path.display())))?;
        let known = tokenizer.get_vocab_size(true);
        if known > self.config.vocab_size {
            return Err(Error::model(format!(
                "the tokenizer has {known} tokens and the model {}: they do not belong together",
                self.config.vocab_size
            )));
        }
        Ok(tokenizer)
    }

    /// Loads it.
    pub(crate) fn load(mut self) -> Result<Embedder> {
        Ok(Embedder {
            tokens: self.tokens(),
            tokenizer: self.tokenizer()?,
            bert: Bert::load(&mut self.weights, &self.config)?,
            settings: self.settings,
        })
    }
}

/// An embedding model in memory.
pub(crate) struct Embedder {
    tokenizer: Tokenizer,
    bert: Bert,
    settings: Settings,
    tokens: usize,
}

impl Embedder {
    /// How many tokens a text has, with those that every text begins and ends with.
    pub(crate) fn count(&self, text: &str) -> Result<u32> {
        Ok(self.encode(text)?.len() as u32)
    }

    /// The vectors of texts, and how many tokens were read; nothing once nobody waits.
    pub(crate) fn embed(
        &self,
        texts: &[String],
        is_query: bool,
        threads: &ThreadPool,
        left: &AtomicBool,
    ) -> Result<Option<(Vec<Vec<f32>>, u64)>> {
        let prefix = if is_query {
            &self.settings.query
        } else {
            &self.settings.passage
        };
        let one = |text: &String| -> Result<Option<(Vec<f32>, u64)>> {
            if left.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let tokens = self.cut(&format!(
                "{prefix}{}",
                beginning(text, self.tokens * BYTES_OF_TOKEN)
            ))?;
            let states = self.bert.read(&tokens)?;
            let vector = match self.settings.pooling {
                Pooling::Mean => states.mean(0)?,
                Pooling::First => states.get(0)?,
            };
            let vector = vector.to_vec1::<f32>()?;
            let length = vector
                .iter()
                .map(|number| number * number)
                .sum::<f32>()
                .sqrt();
            if !length.is_normal() {
                return Err(Error::Failed(
                    "the model makes vectors of no length; its files may be damaged".to_owned(),
                ));
            }
            Ok(Some((
                vector.into_iter().map(|number| number / length).collect(),
                tokens.len() as u64,
            )))
        };
        let vectors: Vec<Option<(Vec<f32>, u64)>> =
            threads.install(|| texts.par_iter().map(one).collect::<Result<_>>())?;
        let vectors: Option<Vec<(Vec<f32>, u64)>> = vectors.into_iter().collect();
        Ok(vectors.map(|vectors| {
            let read = vectors.iter().map(|(_, read)| read).sum();
            (
                vectors.into_iter().map(|(vector, _)| vector).collect(),
                read,
            )
        }))
    }

    /// The tokens that are read of a text. Of one that is too long, the last one stays what it is: it ends the text.
    fn cut(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.encode(text)?;
        if let Some(last) = tokens.last().copied()
            && tokens.len() > self.tokens
        {
            tokens.truncate(self.tokens - 1);
            tokens.push(last);
        }
        if tokens.is_empty() {
            return Err(Error::request(
                "a text without a single token has no vector",
            ));
        }
        Ok(tokens)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| Error::Failed(format!("a text cannot be cut into tokens: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// The beginning of a text, of so many bytes at most.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A file of weights.
struct Weights {
    path: PathBuf,
    file: File,
    parts: HashMap<String, Part>,
    /// Where the weights begin.
    from: u64,
}

/// What the head of a file says of some weights.
#[derive(Deserialize)]
struct Part {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Part {
    /// How many numbers it has.
    fn count(&self) -> u64 {
        let sizes = self.shape.iter();
        sizes.fold(1, |all, size| all.saturating_mul(*size as u64))
    }

    fn kind(&self) -> Option<DType> {
        match self.dtype.as_str() {
            "F32" => Some(DType::F32),
            "F16" => Some(DType::F16),
            "BF16" => Some(DType::BF16),
            _ => None,
        }
    }
}

impl Weights {
    fn open(path: &Path) -> Result<Self> {
        let about = |text: String| Error::model(format!("{}: {text}", path.display()));
        let io = |error: std::io::Error| about(error.to_string());
        let mut file = File::open(path).map_err(io)?;
        let whole = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io)?;
        let head = u64::from_le_bytes(length);
        if head > HEAD || head + 8 > whole {
            return Err(about(format!(
                "its head is to have {head} bytes; the file has {whole}, and {HEAD} is the most"
            )));
        }
        let mut bytes = vec![0; head as usize];
        file.read_exact(&mut bytes).map_err(io)?;
        let broken = |error: serde_json::Error| about(format!("its head cannot be read: {error}"));
        let mut parts: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes).map_err(broken)?;
        parts.remove("__metadata__");
        let parts = parts.into_iter().map(|(name, part)| {
            let part: Part = serde_json::from_value(part).map_err(broken)?;
            let (from, to) = part.data_offsets;
            let bytes = part.kind().map(|kind| kind.size_in_bytes() as u64);
            let fits = bytes.is_none_or(|bytes| from.checked_add(part.count().saturating_mul(bytes)) == Some(to));
            if from > to || to > whole - head - 8 || !fits {
                return Err(about(format!(
                    "the weights `{name}` are not as many as their shape says, or not all there; fetch it again"
                )));
            }
            Ok((name, part))
        });
        Ok(Self {
            path: path.to_owned(),
            parts: parts.collect::<Result<_>>()?,
            file,
            from: 8 + head,
        })
    }

    /// As 32-bit numbers, which all are computed with.
    fn bytes(&self) -> u64 {
        let parts = self.parts.values();
        parts
            .map(|part| part.count().saturating_mul(4))
            .fold(0, u64::saturating_add)
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let about = |text: String| {
            Error::model(format!(
                "{}: the weights `{name}` {text}",
                self.path.display()
            ))
        };
        let part = self
            .parts
            .get(name)
            .or_else(|| self.parts.get(&format!("bert.{name}")));
        let part = part.ok_or_else(|| about("are not there".to_owned()))?;
        if part.shape != shape {
            return Err(about(format!(
                "have the shape {:?} where the configuration promises {shape:?}",
                part.shape
            )));
        }
        let kind = part.kind().ok_or_else(|| {
            about(format!(
                "are of the kind {}; F32, F16 and BF16 can be read",
                part.dtype
            ))
        })?;
        let (from, to) = part.data_offsets;
        let mut bytes = vec![0; (to - from) as usize];
        self.file
            .seek(SeekFrom::Start(self.from + from))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| about(format!("cannot be read: {error}")))?;
        let tensor = Tensor::from_raw_buffer(&bytes, kind, shape, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(DType::F32));
        tensor.map_err(|error| about(format!("cannot be read: {}", first_line(&error))))
    }
}

struct Bert {
    words: Tensor,
    /// What positions add, and with it what the first kind of sentence adds.
    positions: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    act: String,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    inner: Linear,
    outer: Linear,
    norm: Norm,
}

struct Linear {
    weights: Tensor,
    bias: Tensor,
}

impl Linear {
    fn load(weights: &mut Weights, name: &str, rows: usize, columns: usize) -> Result<Self> {
        Ok(Self {
            weights: weights
                .tensor(&format!("{name}.weight"), &[rows, columns])?
                .t()?,
            bias: weights.tensor(&format!("{name}.bias"), &[rows])?,
        })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.matmul(&self.weights)?.broadcast_add(&self.bias)?)
    }
}

struct Norm {
    weights: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Norm {
    fn load(weights: &mut Weights, name: &str, config: &Config) -> Result<Self> {
        let size = [config.hidden_size];
        Ok(Self {
            weights: weights.tensor(&format!("{name}.weight"), &size)?,
            bias: weights.tensor(&format!("{name}.bias"), &size)?,
            epsilon: config.layer_norm_eps as f32,
        })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(input, &self.weights, &self.bias, self.epsilon)?)
    }
}

impl Bert {
    fn load(weights: &mut Weights, config: &Config) -> Result<Self> {
        let width = config.hidden_size;
        let words = weights.tensor(
            "embeddings.word_embeddings.weight",
            &[config.vocab_size, width],
        )?;
        let positions = weights.tensor(
            "embeddings.position_embeddings.weight",
            &[config.max_position_embeddings, width],
        )?;
        let sentences = weights.tensor(
            "embeddings.token_type_embeddings.weight",
            &[config.type_vocab_size, width],
        )?;
        let layers = (0..config.num_hidden_layers)
            .map(|at| Layer::load(weights, config, at))
            .collect::<Result<_>>()?;
        Ok(Self {
            words,
            positions: positions.broadcast_add(&sentences.get(0)?)?,
            norm: Norm::load(weights, "embeddings.LayerNorm", config)?,
            layers,
            heads: config.num_attention_heads,
            act: config.hidden_act.clone(),
        })
    }

    /// What it makes of each token.
    fn read(&self, tokens: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(tokens, &Device::Cpu)?;
        let words = self.words.index_select(&ids, 0)?;
        let mut states = self
            .norm
            .forward(&(words + self.positions.narrow(0, 0, tokens.len())?)?)?;
        for layer in &self.layers {
            states = layer.forward(&states, self.heads, &self.act)?;
        }
        Ok(states)
    }
}

impl Layer {
    fn load(weights: &mut Weights, config: &Config, at: usize) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        Ok(Self {
            query: Linear::load(weights, &name("attention.self.query"), width, width)?,
            key: Linear::load(weights, &name("attention.self.key"), width, width)?,
            value: Linear::load(weights, &name("attention.self.value"), width, width)?,
            output: Linear::load(weights, &name("attention.output.dense"), width, width)?,
            attention_norm: Norm::load(weights, &name("attention.output.LayerNorm"), config)?,
            inner: Linear::load(weights, &name("intermediate.dense"), inner, width)?,
            outer: Linear::load(weights, &name("output.dense"), width, inner)?,
            norm: Norm::load(weights, &name("output.LayerNorm"), config)?,
        })
    }

    fn forward(&self, states: &Tensor, heads: usize, act: &str) -> Result<Tensor> {
        let (count, width) = states.dims2()?;
        let split = |linear: &Linear| -> Result<Tensor> {
            let parts = linear
                .forward(states)?
                .reshape((count, heads, width / heads))?;
            Ok(parts.transpose(0, 1)?.contiguous()?)
        };
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        let alike = (query.matmul(&key.transpose(D::Minus2, D::Minus1)?)?
            / ((width / heads) as f64).sqrt())?;
        let attended = softmax_last_dim(&alike)?.matmul(&value)?;
        let attended = attended
            .transpose(0, 1)?
            .contiguous()?
            .reshape((count, width))?;
        let states = self
            .attention_norm
            .forward(&(self.output.forward(&attended)? + states)?)?;
        let inner = self.inner.forward(&states)?;
        let inner = match act {
            "gelu" => inner.gelu_erf()?,
            "relu" => inner.relu()?,
            _ => inner.gelu()?,
        };
        self.norm.forward(&(self.outer.forward(&inner)? + states)?)
    }
}

/// The bytes of a file that is no longer than that.
pub(crate) fn read_at_most(path: &Path, bytes: u64) -> Result<Vec<u8>> {
    let about = |text: String| Error::model(format!("{}: {text}", path.display()));
    let file = File::open(path).map_err(|error| about(error.to_string()))?;
    let mut read = Vec::new();
    file.take(bytes + 1)
        .read_to_end(&mut read)
        .map_err(|error| about(error.to_string()))?;
    match read.len() as u64 > bytes {
        true => Err(about(format!("it is longer than {bytes} bytes"))),
        false => Ok(read),
    }
}
