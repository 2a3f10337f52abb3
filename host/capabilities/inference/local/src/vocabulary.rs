//! The tokens of a chat model: texts into tokens and back, by what its file says of them.

use crate::error::{Error, Result};
use crate::gguf::Gguf;
use candle_core::quantized::gguf_file::Value;
use std::collections::HashMap;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NFC, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

/// Bytes of a token, at most.
const TOKEN: usize = 1024;
/// Where a text is cut before pairs of bytes are merged, by how many digits a piece may have.
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How the families name the token at which an answer ends.
const ENDS: [&str; 7] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
];

/// The tokens of a model.
pub(crate) struct Vocabulary {
    tokenizer: Tokenizer,
    /// What each token writes; nothing, of those that steer.
    texts: Vec<Box<[u8]>>,
    /// The tokens that steer, and those that stand for a mark of the template.
    marks: HashMap<String, u32>,
    controls: Vec<String>,
    /// What every text begins with.
    begin: Option<u32>,
    /// How the file writes beginning and end, for its template.
    borders: (String, String),
    ends: Vec<u32>,
    longest: usize,
}

/// What a token is, as GGUF files number it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Control,
    Defined,
    Byte,
}

impl Kind {
    fn of(value: Option<&Value>) -> Self {
        match value {
            Some(Value::I32(2 | 3) | Value::U32(2 | 3)) => Self::Control,
            Some(Value::I32(4) | Value::U32(4)) => Self::Defined,
            Some(Value::I32(6) | Value::U32(6)) => Self::Byte,
            _ => Self::Normal,
        }
    }
}

impl Vocabulary {
    /// Reads it from a file's head.
    pub(crate) fn of(gguf: &Gguf) -> Result<Self> {
        let tokens = texts(gguf, "tokenizer.ggml.tokens")?;
        if let Some(token) = tokens.iter().find(|token| token.len() > TOKEN) {
            return Err(Error::model(format!(
                "the vocabulary has a token of {} bytes, and {TOKEN} is the most",
                token.len()
            )));
        }
        let types = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
        let kinds: Vec<Kind> = (0..tokens.len())
            .map(|id| Kind::of(types.get(id)))
            .collect();
        let (mut tokenizer, in_bytes) = match gguf.text("tokenizer.ggml.model") {
            Some("gpt2") => (pairs_of_bytes(gguf, &tokens)?, true),
            Some("llama") => (pieces_by_score(gguf, &tokens)?, false),
            other => {
                return Err(Error::model(format!(
                    "the file has a tokenizer of the kind `{}`; gpt2 and llama can be read",
                    other.unwrap_or("none")
                )));
            }
        };
        let added = |kind: Kind| {
            let of_kind = tokens
                .iter()
                .zip(&kinds)
                .filter(move |(_, it)| **it == kind);
            of_kind
                .filter(|(text, _)| !text.is_empty())
                .map(move |(text, _)| {
                    AddedToken::from(text.clone(), kind == Kind::Control).normalized(false)
                })
        };
        tokenizer
            .add_special_tokens(added(Kind::Control))
            .map_err(broken)?;
        tokenizer.add_tokens(added(Kind::Defined)).map_err(broken)?;

        let bytes = bytes_of_chars();
        let texts: Vec<Box<[u8]>> = tokens
            .iter()
            .zip(&kinds)
            .map(|(token, kind)| match kind {
                Kind::Control => Box::default(),
                Kind::Defined => token.as_bytes().into(),
                Kind::Byte => {
                    byte(token).map_or_else(Box::default, |byte| Box::new([byte]) as Box<[u8]>)
                }
                Kind::Normal if in_bytes => token
                    .chars()
                    .filter_map(|char| bytes.get(&char).copied())
                    .collect(),
                Kind::Normal => token.replace('\u{2581}', " ").into_bytes().into(),
            })
            .collect();
        let marks: HashMap<String, u32> = tokens
            .iter()
            .zip(&kinds)
            .zip(0u32..)
            .filter(|((_, kind), _)| matches!(kind, Kind::Control | Kind::Defined))
            .map(|((token, _), id)| (token.clone(), id))
            .collect();
        let known = |key: &str| gguf.number(key).filter(|id| (*id as usize) < tokens.len());
        let mut ends: Vec<u32> = ENDS
            .iter()
            .filter_map(|end| marks.get(*end).copied())
            .collect();
        ends.extend(known("tokenizer.ggml.eos_token_id"));
        ends.extend(known("tokenizer.ggml.eot_token_id"));
        let begin = known("tokenizer.ggml.bos_token_id");
        let named = |id: Option<u32>| id.map(|id| tokens[id as usize].clone()).unwrap_or_default();
        // Those of sentence pieces begin so unless the file says otherwise.
        let begins_itself = gguf
            .flag("tokenizer.ggml.add_bos_token")
            .unwrap_or(!in_bytes);
        Ok(Self {
            tokenizer,
            longest: texts
                .iter()
                .map(|text| text.len())
                .max()
                .unwrap_or(1)
                .max(1),
            controls: tokens
                .iter()
                .zip(&kinds)
                .filter(|(_, kind)| **kind == Kind::Control)
                .map(|(token, _)| token.clone())
                .collect(),
            texts,
            marks,
            begin: begin.filter(|_| begins_itself),
            borders: (named(begin), named(known("tokenizer.ggml.eos_token_id"))),
            ends,
        })
    }

    /// The tokens of a text. Marks in it are the tokens that they name.
    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| Error::Failed(format!("a text cannot be cut into tokens: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a whole question, with the one that every text of the model begins with.
    pub(crate) fn question(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.tokens(text)?;
        if let Some(begin) = self.begin
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    /// How many tokens a text has at least.
    pub(crate) fn fewest(&self, text: &str) -> usize {
        text.len() / self.longest
    }

    /// What a token writes.
    pub(crate) fn text(&self, token: u32) -> &[u8] {
        self.texts
            .get(token as usize)
            .map(AsRef::as_ref)
            .unwrap_or_default()
    }

    /// Whether an answer ends with this token.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// How the file writes the beginning and the end of a text.
    pub(crate) fn borders(&self) -> (&str, &str) {
        (&self.borders.0, &self.borders.1)
    }

    /// Whether there is a token for a mark.
    pub(crate) fn has(&self, mark: &str) -> bool {
        self.marks.contains_key(mark)
    }

    /// The tokens that steer a model, which nobody but its template may write.
    pub(crate) fn controls(&self) -> &[String] {
        &self.controls
    }
}

/// Pairs of bytes that are merged in the order of a list.
fn pairs_of_bytes(gguf: &Gguf, tokens: &[String]) -> Result<Tokenizer> {
    let merges = texts(gguf, "tokenizer.ggml.merges")?
        .iter()
        .map(|merge| {
            merge
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::model("a merge of the tokenizer is no pair"))?;
    let vocabulary: Vocab = tokens.iter().cloned().zip(0u32..).collect();
    let cut = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
    let whole_words = matches!(cut, "llama-bpe" | "llama3" | "llama-v3");
    let pairs = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(whole_words)
        .build()
        .map_err(broken)?;
    let mut tokenizer = Tokenizer::new(pairs);
    let plain = || ByteLevel::new(false, true, false);
    let by = |pattern: &str| -> Result<Sequence> {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(broken)?;
        Ok(Sequence::new(vec![split.into(), plain().into()]))
    };
    match cut {
        "default" | "gpt-2" | "gpt2" => {
            tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        }
        "smollm" => {
            let words = ByteLevel::new(false, true, true);
            tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
                Digits::new(true).into(),
                words.into(),
            ])));
        }
        "llama-bpe" | "llama3" | "llama-v3" => {
            tokenizer.with_pre_tokenizer(Some(by(LLAMA)?));
        }
        "qwen2" | "deepseek-r1-qwen" => {
            tokenizer.with_normalizer(Some(NFC)).map_err(broken)?;
            tokenizer.with_pre_tokenizer(Some(by(QWEN)?));
        }
        other => {
            return Err(Error::model(format!(
                "the file cuts texts by `{other}`; default, smollm, llama-bpe, qwen2 and deepseek-r1-qwen can be read"
            )));
        }
    }
    Ok(tokenizer)
}

/// Pieces that are merged into the likeliest one first.
fn pieces_by_score(gguf: &Gguf, tokens: &[String]) -> Result<Tokenizer> {
    let scores = gguf.list("tokenizer.ggml.scores").unwrap_or_default();
    if scores.len() != tokens.len() {
        return Err(Error::model(format!(
            "the vocabulary has {} tokens and {} scores",
            tokens.len(),
            scores.len()
        )));
    }
    let ids: HashMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.as_str(), id))
        .collect();
    let mut merges: Vec<(f32, usize, usize)> = Vec::new();
    for (token, score) in tokens.iter().zip(scores) {
        let score = score
            .to_f32()
            .map_err(|_| Error::model("a score of the vocabulary is no number"))?;
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(left), Some(right)) = (ids.get(left), ids.get(right)) {
                merges.push((score, *left, *right));
            }
        }
    }
    merges.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    let merges: Vec<_> = merges
        .into_iter()
        .map(|(_, left, right)| (tokens[left].clone(), tokens[right].clone()))
        .collect();
    let vocabulary: Vocab = tokens.iter().cloned().zip(0u32..).collect();
    let mut pieces = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .byte_fallback(true)
        .fuse_unk(true);
    if let Some(unknown) = gguf
        .number("tokenizer.ggml.unknown_token_id")
        .and_then(|id| tokens.get(id as usize))
    {
        pieces = pieces.unk_token(unknown.clone());
    }
    let mut tokenizer = Tokenizer::new(pieces.build().map_err(broken)?);
    let blanks = Replace::new(" ", "\u{2581}").map_err(broken)?;
    if gguf.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true) {
        let blanks = Normalizers::new(vec![
            Prepend::new("\u{2581}".to_owned()).into(),
            blanks.into(),
        ]);
        tokenizer.with_normalizer(Some(blanks)).map_err(broken)?;
    } else {
        tokenizer.with_normalizer(Some(blanks)).map_err(broken)?;
    }
    Ok(tokenizer)
}

fn texts(gguf: &Gguf, key: &str) -> Result<Vec<String>> {
    let list = gguf
        .list(key)
        .ok_or_else(|| Error::model(format!("the file lacks `{key}`")))?;
    let texts = list
        .iter()
        .map(|value| value.to_string().ok().cloned())
        .collect::<Option<_>>();
    texts.ok_or_else(|| Error::model(format!("`{key}` is not a list of texts")))
}

fn broken(error: tokenizers::Error) -> Error {
    Error::model(format!(
        "the tokenizer in the file does not fit together: {error}"
    ))
}

/// The byte of a token like `<0x0A>`.
fn byte(token: &str) -> Option<u8> {
    u8::from_str_radix(token.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// The visible characters that stand for bytes in vocabularies of pairs of bytes: themselves where they can be seen,
/// and those from U+0100 on for the others.
fn bytes_of_chars() -> HashMap<char, u8> {
    let seen = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let themselves = (0..=255)
        .filter(|byte| seen(*byte))
        .map(|byte| (char::from(byte), byte));
    let others = (0..=255).filter(|byte| !seen(*byte)).zip(0x100u32..);
    themselves
        .chain(others.filter_map(|(byte, char)| Some((char::from_u32(char)?, byte))))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::Vocabulary;
    use crate::gguf::Gguf;
    use crate::tiny::Tiny;
    use candle_core::quantized::gguf_file::Value;

    fn vocabulary(tiny: &Tiny) -> Vocabulary {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), tiny.bytes()).unwrap();
        Vocabulary::of(&Gguf::open(file.path()).unwrap()).unwrap()
    }

    fn written(vocabulary: &Vocabulary, text: &str) -> String {
        let tokens = vocabulary.tokens(text).unwrap();
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|token| vocabulary.text(*token))
            .copied()
            .collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn texts_come_back_from_their_tokens() {
        for cut in ["default", "smollm", "llama-bpe", "qwen2"] {
            let tiny = Tiny::of("llama").with("tokenizer.ggml.pre", Value::String(cut.to_owned()));
            let vocabulary = vocabulary(&tiny);
            for text in [
                "",
                "tea",
                "It's 1234\n\n  of tea\t\0",
                "чай 茶 🫖 ß",
                "\u{200f}שלום",
            ] {
                assert_eq!(written(&vocabulary, text), text, "{cut}");
            }
            assert_eq!(vocabulary.tokens("tea").unwrap().len(), 2);
        }
    }

    #[test]
    fn marks_are_one_token_and_write_nothing() {
        let vocabulary = vocabulary(&Tiny::of("llama"));
        let tokens = vocabulary.tokens("a<|im_end|>").unwrap();
        assert_eq!(tokens.len(), 2);
        assert!(vocabulary.is_end(tokens[1]) && vocabulary.text(tokens[1]).is_empty());
    }

    #[test]
    fn pieces_are_merged_by_their_scores() {
        let pieces = [
            "<unk>",
            "<s>",
            "\u{2581}",
            "t",
            "e",
            "a",
            "te",
            "ea",
            "\u{2581}te",
            "<0xC3>",
            "<0x9F>",
        ];
        let scores = [0.0, 0.0, -1.0, -1.0, -1.0, -1.0, -3.0, -2.0, -4.0, 0.0, 0.0];
        let types = [2, 3, 1, 1, 1, 1, 1, 1, 1, 6, 6];
        let texts = pieces.map(|piece| Value::String(piece.to_owned())).to_vec();
        let tiny = Tiny::of("llama")
            .with("tokenizer.ggml.model", Value::String("llama".to_owned()))
            .with("tokenizer.ggml.tokens", Value::Array(texts))
            .with(
                "tokenizer.ggml.token_type",
                Value::Array(types.map(Value::I32).to_vec()),
            )
            .with(
                "tokenizer.ggml.scores",
                Value::Array(scores.map(Value::F32).to_vec()),
            )
            .with("tokenizer.ggml.unknown_token_id", Value::U32(0))
            .with("tokenizer.ggml.bos_token_id", Value::U32(1));
        let vocabulary = vocabulary(&tiny);
        // The better pair first: `ea`, though `te` stands before it.
        assert_eq!(vocabulary.tokens("tea").unwrap(), [2, 3, 7]);
        assert_eq!(vocabulary.tokens("te te").unwrap(), [8, 8]);
        assert_eq!(vocabulary.question("te").unwrap(), [1, 8]);
        assert_eq!(written(&vocabulary, "te ß"), " te ß");
    }
}
