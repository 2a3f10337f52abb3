//! The chat models: one decoder for the families llama, qwen and gemma, which differ in few places.
//!
//! It is written over candle's operations rather than taken from its collection of models, because those keep all
//! embeddings of a vocabulary as 32-bit numbers (600 MB of a model of 600 million), read a question in one piece that
//! nothing can stop, and keep what was read inside the model, where two chats would meet.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::kv_cache::Cache;
use candle_nn::ops::rms_norm;
use candle_nn::rotary_emb::{rope_i, rope_thd};

use crate::error::{Error, Result};
use crate::gguf::Gguf;

/// By how many positions the memory of a chat grows.
const GROWTH: usize = 256;

/// A family of models, where its decoder differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Llama, SmolLM2, DeepSeek-R1 distilled into Llama.
    Llama,
    /// Qwen 2 and 2.5, DeepSeek-R1 distilled into Qwen.
    Qwen2,
    /// Qwen 3.
    Qwen3,
    /// Gemma 3.
    Gemma3,
}

impl Family {
    /// The family of an architecture, as GGUF files name it.
    pub(crate) fn of(architecture: &str) -> Result<Self> {
        match architecture {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            "gemma3" => Ok(Self::Gemma3),
            other => Err(Error::model(format!(
                "models of the architecture `{other}` do not run in this process; llama, qwen2, qwen3 and gemma3 do"
            ))),
        }
    }
}

/// The numbers that a decoder is made of.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) family: Family,
    pub(crate) layers: usize,
    width: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    inner: usize,
    pub(crate) vocabulary: usize,
    epsilon: f32,
    /// For how many positions the model was made.
    pub(crate) context: usize,
    /// How far layers look back that do not see everything, and which layer of how many does.
    window: Option<(usize, usize)>,
}

impl Shape {
    /// Reads them from a file's head.
    pub(crate) fn of(gguf: &Gguf) -> Result<Self> {
        let family = Family::of(gguf.architecture())?;
        let width = gguf.size("embedding_length", 1..=1 << 16)?;
        let heads = gguf.size("attention.head_count", 1..=1 << 10)?;
        let kv_heads = gguf
            .size_if_there("attention.head_count_kv", 1..=1 << 10)?
            .unwrap_or(heads);
        let head = gguf
            .size_if_there("attention.key_length", 2..=1 << 10)?
            .unwrap_or(width / heads);
        if !heads.is_multiple_of(kv_heads) || !head.is_multiple_of(2) || head == 0 {
            return Err(Error::model(format!(
                "the file promises {heads} heads of {head} over {kv_heads}, which do not divide"
            )));
        }
        if gguf
            .size_if_there("rope.dimension_count", 1..=1 << 10)?
            .is_some_and(|turned| turned != head)
        {
            return Err(Error::model(
                "models that turn only a part of each head do not run in this process",
            ));
        }
        let mut context = gguf.size("context_length", 1..=1 << 24)?;
        // Beyond what it was trained for, such a model needs arithmetic that is not here.
        if gguf.word("rope.scaling.type") == Some("yarn")
            && let Some(trained) =
                gguf.size_if_there("rope.scaling.original_context_length", 1..=1 << 24)?
        {
            context = context.min(trained);
        }
        let vocabulary = gguf.list("tokenizer.ggml.tokens").map_or(0, <[_]>::len);
        if !(1..=1 << 20).contains(&vocabulary) {
            return Err(Error::model(
                "the file has no vocabulary in `tokenizer.ggml.tokens`",
            ));
        }
        let window = match family {
            Family::Gemma3 => gguf
                .size_if_there("attention.sliding_window", 1..=1 << 24)?
                .map(|window| (window, 6)),
            _ => None,
        };
        Ok(Self {
            family,
            layers: gguf.size("block_count", 1..=512)?,
            width,
            heads,
            kv_heads,
            head,
            inner: gguf.size("feed_forward_length", 1..=1 << 20)?,
            vocabulary,
            epsilon: gguf
                .fraction("attention.layer_norm_rms_epsilon")
                .unwrap_or(1e-6) as f32,
            context,
            window,
        })
    }

    /// How many bytes a chat takes for each token.
    pub(crate) fn token_bytes(&self) -> u64 {
        (self.layers * 2 * self.kv_heads * self.head * size_of::<f32>()) as u64
    }
}

/// A model that says which token may follow.
pub(crate) struct Decoder {
    shape: Shape,
    embeddings: QTensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// Without it, what is read and what is written are the same weights.
    output: Option<QTensor>,
    everywhere: Turns,
    nearby: Turns,
}

struct Layer {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<Tensor>,
    key_norm: Option<Tensor>,
    output: Linear,
    after_attention: Option<Tensor>,
    inner_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
    after_inner: Option<Tensor>,
    /// How far it looks back, if not all the way.
    window: Option<usize>,
}

struct Linear {
    weights: QTensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let output = input.apply_op1_no_bwd(&self.weights)?;
        match &self.bias {
            Some(bias) => Ok(output.broadcast_add(bias)?),
            None => Ok(output),
        }
    }
}

/// How far a position is turned: cosines and sines by position.
struct Turns {
    cos: Tensor,
    sin: Tensor,
}

impl Turns {
    fn new(
        base: f64,
        scale: f64,
        factors: Option<&[f32]>,
        head: usize,
        positions: usize,
    ) -> Result<Self> {
        let steps: Vec<f32> = (0..head / 2)
            .map(|at| {
                let step = 1.0 / (base.powf((2 * at) as f64 / head as f64) * scale);
                (step / factors.map_or(1.0, |factors| f64::from(factors[at]))) as f32
            })
            .collect();
        let steps = Tensor::new(steps, &Device::Cpu)?.reshape((1, head / 2))?;
        let positions = Tensor::arange(0, positions as u32, &Device::Cpu)?
            .to_dtype(candle_core::DType::F32)?
            .reshape((positions, 1))?;
        let angles = positions.matmul(&steps)?;
        Ok(Self {
            cos: angles.cos()?,
            sin: angles.sin()?,
        })
    }
}

/// What a chat has read and said, as its model keeps it.
pub(crate) struct Memory {
    layers: Vec<(Cache, Cache)>,
    length: usize,
}

impl Decoder {
    /// Loads a decoder for chats of at most `positions` tokens.
    pub(crate) fn load(gguf: &mut Gguf, shape: Shape, positions: usize) -> Result<Self> {
        let (width, head) = (shape.width, shape.head);
        let embeddings = gguf.weights("token_embd.weight", &[shape.vocabulary, width])?;
        let output = match gguf.has("output.weight") {
            true => Some(gguf.weights("output.weight", &[shape.vocabulary, width])?),
            false => None,
        };
        let norm = vector(gguf, "output_norm.weight", width)?;
        let factors = match gguf.has("rope_freqs.weight") {
            true => Some(vector(gguf, "rope_freqs.weight", head / 2)?.to_vec1::<f32>()?),
            false => None,
        };
        if factors.iter().flatten().any(|factor| !factor.is_normal()) {
            return Err(Error::model(
                "the weights `rope_freqs.weight` are not numbers to divide by",
            ));
        }
        let scale = match gguf.word("rope.scaling.type") {
            Some("linear") => gguf.fraction("rope.scaling.factor").unwrap_or(1.0),
            _ => 1.0,
        };
        let base = gguf.fraction("rope.freq_base").unwrap_or(10_000.0);
        let nearby = gguf.fraction("rope.freq_base_swa").unwrap_or(10_000.0);
        let layers = (0..shape.layers)
            .map(|at| Layer::load(gguf, &shape, at))
            .collect::<Result<_>>()?;
        Ok(Self {
            embeddings,
            layers,
            norm,
            output,
            everywhere: Turns::new(base, scale, factors.as_deref(), head, positions)?,
            nearby: Turns::new(nearby, 1.0, None, head, positions)?,
            shape,
        })
    }

    /// An empty memory.
    pub(crate) fn memory(&self) -> Memory {
        let layer = || (Cache::new(1, GROWTH), Cache::new(1, GROWTH));
        Memory {
            layers: self.layers.iter().map(|_| layer()).collect(),
            length: 0,
        }
    }

    /// Reads tokens into a memory; what is likely to follow the last one, by token.
    pub(crate) fn read(&self, tokens: &[u32], memory: &mut Memory) -> Result<Vec<f32>> {
        let (count, from) = (tokens.len(), memory.length);
        let ids = Tensor::new(tokens, &Device::Cpu)?.reshape((1, count))?;
        let mut state = self.embeddings.embedding(&ids)?;
        if self.shape.family == Family::Gemma3 {
            state = (state * (self.shape.width as f64).sqrt())?;
        }
        for (layer, (keys, values)) in self.layers.iter().zip(&mut memory.layers) {
            let turns = if layer.window.is_some() {
                &self.nearby
            } else {
                &self.everywhere
            };
            let cos = turns.cos.narrow(0, from, count)?;
            let sin = turns.sin.narrow(0, from, count)?;
            state = layer.forward(&self.shape, state, from, (&cos, &sin), keys, values)?;
        }
        memory.length += count;
        let last = rms_norm(
            &state.narrow(1, count - 1, 1)?.contiguous()?,
            &self.norm,
            self.shape.epsilon,
        )?;
        let likely = last.apply_op1_no_bwd(self.output.as_ref().unwrap_or(&self.embeddings))?;
        Ok(likely.flatten_all()?.to_vec1()?)
    }
}

impl Layer {
    fn load(gguf: &mut Gguf, shape: &Shape, at: usize) -> Result<Self> {
        let (width, inner, head) = (shape.width, shape.inner, shape.head);
        let (queries, keys) = (shape.heads * head, shape.kv_heads * head);
        let name = |part: &str| format!("blk.{at}.{part}");
        let mut linear = |part: &str, rows: usize, columns: usize| -> Result<Linear> {
            let weights = gguf.weights(&name(&format!("{part}.weight")), &[rows, columns])?;
            let weights = multiplied(weights)?;
            let bias = name(&format!("{part}.bias"));
            let bias = if gguf.has(&bias) {
                Some(vector(gguf, &bias, rows)?)
            } else {
                None
            };
            Ok(Linear { weights, bias })
        };
        let query = linear("attn_q", queries, width)?;
        let key = linear("attn_k", keys, width)?;
        let value = linear("attn_v", keys, width)?;
        let output = linear("attn_output", width, queries)?;
        let gate = linear("ffn_gate", inner, width)?;
        let up = linear("ffn_up", inner, width)?;
        let down = linear("ffn_down", width, inner)?;
        let heads_are_normed = matches!(shape.family, Family::Qwen3 | Family::Gemma3);
        let after = shape.family == Family::Gemma3;
        let mut norm = |part: &str, size: usize, there: bool| -> Result<Option<Tensor>> {
            there.then(|| vector(gguf, &name(part), size)).transpose()
        };
        let query_norm = norm("attn_q_norm.weight", head, heads_are_normed)?;
        let key_norm = norm("attn_k_norm.weight", head, heads_are_normed)?;
        let after_attention = norm("post_attention_norm.weight", width, after)?;
        let after_inner = norm("post_ffw_norm.weight", width, after)?;
        Ok(Self {
            attention_norm: vector(gguf, &name("attn_norm.weight"), width)?,
            inner_norm: vector(gguf, &name("ffn_norm.weight"), width)?,
            window: shape
                .window
                .filter(|(_, every)| !(at + 1).is_multiple_of(*every))
                .map(|(window, _)| window),
            query,
            key,
            value,
            query_norm,
            key_norm,
            output,
            after_attention,
            gate,
            up,
            down,
            after_inner,
        })
    }

    fn forward(
        &self,
        shape: &Shape,
        state: Tensor,
        from: usize,
        turns: (&Tensor, &Tensor),
        keys: &mut Cache,
        values: &mut Cache,
    ) -> Result<Tensor> {
        let count = state.dim(1)?;
        let input = rms_norm(&state, &self.attention_norm, shape.epsilon)?;
        let split = |linear: &Linear, heads: usize, norm: Option<&Tensor>| -> Result<Tensor> {
            let heads = linear
                .forward(&input)?
                .reshape((1, count, heads, shape.head))?;
            match norm {
                Some(norm) => Ok(rms_norm(&heads, norm, shape.epsilon)?),
                None => Ok(heads),
            }
        };
        let query = turn(
            shape,
            &split(&self.query, shape.heads, self.query_norm.as_ref())?,
            turns,
        )?;
        let key = turn(
            shape,
            &split(&self.key, shape.kv_heads, self.key_norm.as_ref())?,
            turns,
        )?;
        keys.append(&key)?;
        values.append(&split(&self.value, shape.kv_heads, None)?)?;
        let attended = self.attend(shape, &query, from, keys, values)?;
        let mut attended =
            self.output
                .forward(&attended.reshape((1, count, shape.heads * shape.head))?)?;
        if let Some(norm) = &self.after_attention {
            attended = rms_norm(&attended, norm, shape.epsilon)?;
        }
        let state = (state + attended)?;

        let input = rms_norm(&state, &self.inner_norm, shape.epsilon)?;
        let gate = self.gate.forward(&input)?;
        let gate = if shape.family == Family::Gemma3 {
            gate.gelu()?
        } else {
            gate.silu()?
        };
        let mut inner = self.down.forward(&(gate * self.up.forward(&input)?)?)?;
        if let Some(norm) = &self.after_inner {
            inner = rms_norm(&inner, norm, shape.epsilon)?;
        }
        Ok((state + inner)?)
    }

    fn attend(
        &self,
        shape: &Shape,
        query: &Tensor,
        from: usize,
        keys: &Cache,
        values: &Cache,
    ) -> Result<Tensor> {
        let (count, whole) = (query.dim(1)?, keys.current_seq_len());
        let seen = |cache: &Cache, first: usize| -> Result<Tensor> {
            let all = cache
                .all_data()
                .as_ref()
                .ok_or_else(|| Error::Failed("a memory is empty".to_owned()))?;
            Ok(all.narrow(1, first, whole - first)?)
        };
        let (first, mask) = match self.window {
            // What the first of these tokens sees is the furthest that any of them looks.
            Some(window) if whole > window => {
                let first = (from + 1).saturating_sub(window);
                (first, window_mask(count, from - first, window)?)
            }
            _ => (0, AttnMask::causal_with_offset(from)),
        };
        let scale = 1.0 / (shape.head as f32).sqrt();
        let attended = flash_attn::<f32>(
            query,
            &seen(keys, first)?,
            &seen(values, first)?,
            scale,
            mask,
            None,
            None,
        )?;
        Ok(attended.transpose(1, 2)?.contiguous()?)
    }
}

/// What `count` tokens see that have `before` in front of them and look back over `window`.
fn window_mask(count: usize, before: usize, window: usize) -> Result<AttnMask> {
    if count == 1 {
        return Ok(AttnMask::causal_with_offset(before));
    }
    let seen = |token: usize, key: usize| key <= token + before && token + before < key + window;
    let mask: Vec<f32> = (0..count)
        .flat_map(|token| {
            (0..count + before).map(move |key| {
                if seen(token, key) {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        })
        .collect();
    Ok(AttnMask::Mask(Tensor::from_vec(
        mask,
        (count, count + before),
        &Device::Cpu,
    )?))
}

/// Turns heads by their positions: in llama's files pairs stand beside each other, in the others half a head apart.
fn turn(shape: &Shape, heads: &Tensor, (cos, sin): (&Tensor, &Tensor)) -> Result<Tensor> {
    if shape.family == Family::Llama {
        let turned = rope_i(&heads.transpose(1, 2)?.contiguous()?, cos, sin)?;
        return Ok(turned.transpose(1, 2)?.contiguous()?);
    }
    Ok(rope_thd(&heads.contiguous()?, cos, sin)?)
}

/// Weights in a form that this processor multiplies: candle has no fast way for some old ones, which take five times
/// as long as this one, though it has more bits.
fn multiplied(weights: QTensor) -> Result<QTensor> {
    match weights.dtype() {
        GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1 => Ok(QTensor::quantize(
            &weights.dequantize(&Device::Cpu)?,
            GgmlDType::Q8_0,
        )?),
        _ => Ok(weights),
    }
}

fn vector(gguf: &mut Gguf, name: &str, size: usize) -> Result<Tensor> {
    Ok(gguf.weights(name, &[size])?.dequantize(&Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Decoder, Shape};
    use crate::gguf::Gguf;
    use crate::tiny::Tiny;

    fn decoder(family: &str) -> Decoder {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), Tiny::of(family).bytes()).unwrap();
        let mut gguf = Gguf::open(file.path()).unwrap();
        let shape = Shape::of(&gguf).unwrap();
        Decoder::load(&mut gguf, shape, 64).unwrap()
    }

    /// In whichever pieces a question is read, the same follows: within a window, across it, and far behind it.
    #[test]
    fn pieces_are_read_like_the_whole() {
        let tokens: Vec<u32> = (0..40).map(|at| (at * 37) % 250).collect();
        for family in ["llama", "qwen2", "qwen3", "gemma3"] {
            let decoder = decoder(family);
            let read = |size: usize| {
                let mut memory = decoder.memory();
                tokens
                    .chunks(size)
                    .map(|part| decoder.read(part, &mut memory).unwrap())
                    .last()
                    .unwrap()
            };
            let whole = read(40);
            assert!(whole.iter().all(|number| number.is_finite()));
            let largest = whole
                .iter()
                .fold(0f32, |largest, number| largest.max(number.abs()));
            for size in [1, 3, 7, 8, 32] {
                for (one, other) in whole.iter().zip(read(size)) {
                    assert!(
                        (one - other).abs() < 0.05 * largest,
                        "{family} {size}: {one} {other}"
                    );
                }
            }
            // And what came first matters.
            let mut memory = decoder.memory();
            let other = decoder.read(&tokens[35..], &mut memory).unwrap();
            let differs = whole
                .iter()
                .zip(&other)
                .any(|(one, other)| (one - other).abs() > 0.1 * largest);
            assert!(differs, "{family}");
        }
    }
}
