//! Models of a few thousand random numbers, of any family, for tests: they answer nonsense, but by the whole way.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::Cursor;

const WIDTH: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = 32;
const INNER: usize = 96;
const LAYERS: usize = 3;

/// A template like that of models with tools.
pub(crate) const TEMPLATE: &str = "{%- if tools %}<|im_start|>system\ntools: {{ tools | tojson }} <tool_call><|im_end|>\n{% endif %}\
    {%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\\n' }}";

/// What a file says and has.
pub(crate) struct Tiny {
    pub(crate) values: Vec<(String, Value)>,
    pub(crate) weights: Vec<(String, QTensor)>,
}

impl Tiny {
    /// A model of a family.
    pub(crate) fn of(family: &str) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let mut weights = Vec::new();
        let tokens = tokens();
        let mut add = |name: String, shape: &[usize], kind: GgmlDType| {
            let count = shape.iter().product();
            let number = |_| {
                if shape.len() == 1 {
                    1.0
                } else {
                    random.random::<f32>() - 0.5
                }
            };
            let numbers: Vec<f32> = (0..count).map(number).collect();
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
            weights.push((name, QTensor::quantize(&tensor, kind).unwrap()));
        };
        add(
            "token_embd.weight".to_owned(),
            &[tokens.len(), WIDTH],
            GgmlDType::Q8_0,
        );
        add("output_norm.weight".to_owned(), &[WIDTH], GgmlDType::F32);
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            add(name("attn_q"), &[HEADS * HEAD, WIDTH], GgmlDType::Q8_0);
            add(name("attn_k"), &[KV_HEADS * HEAD, WIDTH], GgmlDType::Q4_0);
            add(name("attn_v"), &[KV_HEADS * HEAD, WIDTH], GgmlDType::Q8_0);
            add(name("attn_output"), &[WIDTH, HEADS * HEAD], GgmlDType::F16);
            add(name("ffn_gate"), &[INNER, WIDTH], GgmlDType::Q8_0);
            add(name("ffn_up"), &[INNER, WIDTH], GgmlDType::Q5_0);
            add(name("ffn_down"), &[WIDTH, INNER], GgmlDType::F32);
            add(name("attn_norm"), &[WIDTH], GgmlDType::F32);
            add(name("ffn_norm"), &[WIDTH], GgmlDType::F32);
            match family {
                "qwen2" => {
                    for (part, size) in [
                        ("q", HEADS * HEAD),
                        ("k", KV_HEADS * HEAD),
                        ("v", KV_HEADS * HEAD),
                    ] {
                        add(
                            format!("blk.{layer}.attn_{part}.bias"),
                            &[size],
                            GgmlDType::F32,
                        );
                    }
                }
                "qwen3" | "gemma3" => {
                    add(name("attn_q_norm"), &[HEAD], GgmlDType::F32);
                    add(name("attn_k_norm"), &[HEAD], GgmlDType::F32);
                }
                _ => {}
            }
            if family == "gemma3" {
                add(name("post_attention_norm"), &[WIDTH], GgmlDType::F32);
                add(name("post_ffw_norm"), &[WIDTH], GgmlDType::F32);
            }
        }
        let number = |number: usize| Value::U32(number as u32);
        let own = [
            ("block_count", number(LAYERS)),
            ("embedding_length", number(WIDTH)),
            ("attention.head_count", number(HEADS)),
            ("attention.head_count_kv", number(KV_HEADS)),
            ("attention.key_length", number(HEAD)),
            ("feed_forward_length", number(INNER)),
            ("context_length", number(512)),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
            ("attention.sliding_window", number(8)),
        ];
        let types = (0..tokens.len())
            .map(|id| Value::I32(if id < 257 { 1 } else { 3 }))
            .collect();
        let texts =
            |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let mut values = vec![
            (
                "general.architecture".to_owned(),
                Value::String(family.to_owned()),
            ),
            (
                "tokenizer.ggml.model".to_owned(),
                Value::String("gpt2".to_owned()),
            ),
            (
                "tokenizer.ggml.pre".to_owned(),
                Value::String("qwen2".to_owned()),
            ),
            (
                "tokenizer.ggml.merges".to_owned(),
                texts(vec!["t e".to_owned()]),
            ),
            ("tokenizer.ggml.tokens".to_owned(), texts(tokens)),
            ("tokenizer.ggml.token_type".to_owned(), Value::Array(types)),
            ("tokenizer.ggml.eos_token_id".to_owned(), Value::U32(258)),
            (
                "tokenizer.chat_template".to_owned(),
                Value::String(TEMPLATE.to_owned()),
            ),
        ];
        values.extend(
            own.into_iter()
                .map(|(key, value)| (format!("{family}.{key}"), value)),
        );
        Self { values, weights }
    }

    /// The same, with another value of a key.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.values.retain(|(it, _)| it != key);
        self.values.push((key.to_owned(), value));
        self
    }

    /// The bytes of its file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let values: Vec<_> = self
            .values
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        let weights: Vec<_> = self
            .weights
            .iter()
            .map(|(name, weights)| (name.as_str(), weights))
            .collect();
        let mut bytes = Cursor::new(Vec::new());
        gguf_file::write(&mut bytes, &values, &weights).unwrap();
        bytes.into_inner()
    }
}

/// All bytes, one pair, and marks.
fn tokens() -> Vec<String> {
    let seen = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut tokens: Vec<String> = (0..=255)
        .filter(seen)
        .map(|byte| char::from(byte).to_string())
        .collect();
    let others = 256 - tokens.len() as u32;
    tokens.extend((0..others).map(|at| char::from_u32(0x100 + at).unwrap().to_string()));
    tokens.extend(["te", "<|im_start|>", "<|im_end|>"].map(str::to_owned));
    tokens
}
