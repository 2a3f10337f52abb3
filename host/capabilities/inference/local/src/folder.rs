//! The folder of models: `NAME/manifest.toml` and the files that it names. The folder is all that is known; nothing
//! beside it says which models there are.

use crate::chat;
use crate::embedder::{self, Pooling, Settings};
use crate::error::{Error, Result, caught};
use sbd_inference::model::Kind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest.toml";
/// Where models lie that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished";
/// The files of an embedding model; the last two say how its vectors are made, and need not be there.
const EMBEDDER: [&str; 5] = [
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
];

/// What the folder of a model says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it can do.
    pub kind: Kind,
    /// Its family, as its files call it.
    pub family: String,
    /// For how many tokens it was made.
    pub context: u32,
    /// How many numbers its vectors have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// Under which licence it may be used, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// From where it came: a repository, or the name of a file.
    pub source: String,
    /// Which revision of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What of all tokens makes a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pooling: Option<Pooling>,
    /// What stands before a text to find by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    query_prefix: String,
    /// What stands before a text to be found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    passage_prefix: String,
    /// Its files.
    pub files: Vec<Stored>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// What it is called in the folder.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Where a model comes from.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) revision: Option<String>,
    pub(crate) licence: Option<String>,
}

/// What a model's folder says before it is loaded.
pub(crate) enum Described {
    Chat(Box<chat::Described>),
    Embedding(Box<embedder::Described>),
}

/// The folder of models.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The models in a folder, which is made when the first one comes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The models that are there, in the order of their names. What cannot be read is left out, and told to whoever
    /// operates the server.
    pub fn models(&self) -> Vec<(String, Manifest)> {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut models: Vec<_> = names
            .filter(|name| check_name(name).is_ok())
            .filter_map(|name| match self.model(&name) {
                Ok(manifest) => Some((name, manifest)),
                Err(error) => {
                    tracing::warn!(model = name, %error, "a model cannot be read");
                    None
                }
            })
            .collect();
        models.sort_by(|(one, _), (other, _)| one.cmp(other));
        models
    }

    /// What the folder of a model says.
    pub fn model(&self, name: &str) -> Result<Manifest> {
        check_name(name)?;
        let path = self.path.join(name).join(MANIFEST);
        if !path.exists() {
            return Err(Error::NoModel(format!(
                "there is no model `{name}` here; `sbd model list` shows those there are, `sbd model pull {name}` fetches it"
            )));
        }
        let text = embedder::read_at_most(&path, 1 << 20)?;
        toml::from_slice(&text)
            .map_err(|error| Error::model(format!("{}: {error}", path.display())))
    }

    /// Reads the heads of a model's files.
    pub(crate) fn describe(&self, name: &str, context: usize) -> Result<Described> {
        let manifest = self.model(name)?;
        describe(&self.path.join(name), &manifest, context)
    }

    /// Adds a model from files of this machine, which stay where they are: a GGUF file, or the folder of an embedding
    /// model with `model.safetensors`, `config.json` and `tokenizer.json` (or one of these files).
    ///
    /// # Errors
    /// If they are not what they should be, or the name is taken.
    pub fn add(&self, from: &Path, name: Option<&str>) -> Result<String> {
        let from = from
            .canonicalize()
            .map_err(|error| Error::request(format!("{}: {error}", from.display())))?;
        let is_chat = from
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        let folder = if from.is_dir() || is_chat {
            from.clone()
        } else {
            from.parent().unwrap_or(&from).to_owned()
        };
        if !is_chat && !folder.join(EMBEDDER[0]).is_file() {
            return Err(Error::request(format!(
                "{} is no model; name a GGUF file, or the folder of an embedding model with model.safetensors, config.json and tokenizer.json",
                from.display()
            )));
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => name_of(if is_chat {
                from.file_stem()
            } else {
                folder.file_name()
            }),
        };
        self.check_new(&name)?;
        let unfinished = self.unfinished(&name)?;
        let files = if is_chat {
            vec![(from.clone(), "model.gguf")]
        } else {
            let there = |file: &&str| folder.join(file).is_file() || EMBEDDER[..3].contains(file);
            EMBEDDER
                .iter()
                .filter(|file| there(file))
                .map(|file| (folder.join(file), *file))
                .collect()
        };
        let source = Source {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            revision: None,
            licence: None,
        };
        let added = files
            .into_iter()
            .map(|(from, name)| copy(&from, &unfinished.join(name), name))
            .collect::<Result<Vec<_>>>()
            .and_then(|files| self.finish(&name, &unfinished, source, files));
        if added.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        added.map(|()| name)
    }

    /// Removes a model and its files.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.model(name)?;
        let unfinished = self.path.join(UNFINISHED);
        let about = |error: std::io::Error| {
            Error::Failed(format!("{}: {error}", self.path.join(name).display()))
        };
        fs::create_dir_all(&unfinished).map_err(about)?;
        // First out of sight, whole: nobody finds the half of a model.
        let removed = unfinished.join(format!("removed-{}", uuid::Uuid::now_v7().simple()));
        fs::rename(self.path.join(name), &removed).map_err(about)?;
        fs::remove_dir_all(&removed).map_err(about)
    }

    /// Refuses a name that is taken, or none.
    pub(crate) fn check_new(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.path.join(name).exists() {
            return Err(Error::request(format!(
                "there is a model `{name}` already; `sbd model remove {name}` removes it, `--name` gives another name"
            )));
        }
        Ok(())
    }

    /// Where the files of a model are put until all are there.
    pub(crate) fn unfinished(&self, name: &str) -> Result<PathBuf> {
        let unfinished = self.path.join(UNFINISHED).join(name);
        fs::create_dir_all(&unfinished)
            .map_err(|error| Error::Failed(format!("{}: {error}", unfinished.display())))?;
        Ok(unfinished)
    }

    /// Takes a model into the folder whose files are all there, once it is seen that it can be read.
    pub(crate) fn finish(
        &self,
        name: &str,
        unfinished: &Path,
        source: Source,
        files: Vec<Stored>,
    ) -> Result<()> {
        let is_chat = files.iter().any(|file| file.name.ends_with(".gguf"));
        let mut manifest = Manifest {
            kind: if is_chat { Kind::Chat } else { Kind::Embedding },
            family: String::new(),
            context: 0,
            dimensions: None,
            licence: source.licence,
            source: source.name,
            revision: source.revision,
            pooling: None,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            files,
        };
        if !is_chat {
            let said = (name.to_owned() + " " + &manifest.source).to_lowercase();
            manifest.pooling = Some(pooling(unfinished, &said));
            (manifest.query_prefix, manifest.passage_prefix) = prefixes(&said);
        }
        match describe(unfinished, &manifest, usize::MAX)? {
            Described::Chat(described) => {
                caught(|| described.check())?;
                manifest.family = described.family().to_owned();
                manifest.context = u32::try_from(described.made_for()).unwrap_or(u32::MAX);
            }
            Described::Embedding(described) => {
                caught(|| described.tokenizer())?;
                manifest.family = "bert".to_owned();
                manifest.context = u32::try_from(described.tokens()).unwrap_or(u32::MAX);
                manifest.dimensions = u32::try_from(described.config.hidden_size).ok();
            }
        }
        let about =
            |error: std::io::Error| Error::Failed(format!("{}: {error}", unfinished.display()));
        let text = toml::to_string(&manifest).map_err(|error| Error::Failed(error.to_string()))?;
        let mut file = File::create(unfinished.join(MANIFEST)).map_err(about)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(about)?;
        fs::rename(unfinished, self.path.join(name)).map_err(about)?;
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(about)
    }
}

fn describe(folder: &Path, manifest: &Manifest, context: usize) -> Result<Described> {
    // Somebody may have written another path into a manifest.
    let strange = |file: &&Stored| {
        file.name.starts_with('/')
            || file
                .name
                .split('/')
                .any(|part| part == ".." || part.is_empty())
    };
    if let Some(file) = manifest.files.iter().find(strange) {
        return Err(Error::model(format!(
            "the manifest names `{}`, which is no file of the model",
            file.name
        )));
    }
    match manifest.kind {
        Kind::Chat => {
            let file = manifest
                .files
                .iter()
                .find(|file| file.name.ends_with(".gguf"));
            let file = file.ok_or_else(|| Error::model("the manifest names no GGUF file"))?;
            let path = folder.join(&file.name);
            let described = caught(|| chat::Described::read(&path, context))?;
            Ok(Described::Chat(Box::new(described)))
        }
        Kind::Embedding => {
            let settings = Settings {
                pooling: manifest.pooling.unwrap_or(Pooling::Mean),
                query: manifest.query_prefix.clone(),
                passage: manifest.passage_prefix.clone(),
                tokens: most_tokens(folder),
            };
            let described = caught(|| embedder::Described::read(folder, settings))?;
            Ok(Described::Embedding(Box::new(described)))
        }
    }
}

/// What a small file beside the weights says under one of these keys.
fn said(path: &Path, key: &str) -> Option<serde_json::Value> {
    let bytes = embedder::read_at_most(path, 1 << 20).ok()?;
    serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()?
        .get(key)
        .cloned()
}

fn pooling(folder: &Path, name: &str) -> Pooling {
    match said(
        &folder.join("1_Pooling/config.json"),
        "pooling_mode_cls_token",
    ) {
        Some(first) if first.as_bool() == Some(true) => Pooling::First,
        Some(_) => Pooling::Mean,
        None if name.contains("bge-") => Pooling::First,
        None => Pooling::Mean,
    }
}

fn most_tokens(folder: &Path) -> Option<usize> {
    let tokens = said(&folder.join("sentence_bert_config.json"), "max_seq_length")?.as_u64()?;
    usize::try_from(tokens).ok().filter(|tokens| *tokens >= 8)
}

/// What models want to be told that were trained so, by their names: before what is to be found by, and before what is
/// to be found.
fn prefixes(name: &str) -> (String, String) {
    let (query, passage) = match name {
        name if name.contains("e5-") => ("query: ", "passage: "),
        name if name.contains("bge-") && name.contains("-en") => (
            "Represent this sentence for searching relevant passages: ",
            "",
        ),
        _ => ("", ""),
    };
    (query.to_owned(), passage.to_owned())
}

/// Refuses names that are no name of a folder everywhere.
fn check_name(name: &str) -> Result<()> {
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "._-".contains(char));
    match fits {
        true => Ok(()),
        false => Err(Error::request(format!(
            "`{name}` is no name of a model here: up to 64 small letters, digits, `.`, `_` and `-`, a letter or digit first"
        ))),
    }
}

fn name_of(file: Option<&std::ffi::OsStr>) -> String {
    let name = file.unwrap_or_default().to_string_lossy().to_lowercase();
    let name: String = name
        .chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() || "._-".contains(char) {
                char
            } else {
                '-'
            }
        })
        .collect();
    name.trim_start_matches(['.', '-', '_'])
        .chars()
        .take(64)
        .collect()
}

fn copy(from: &Path, to: &Path, name: &str) -> Result<Stored> {
    let about = |error: std::io::Error| Error::request(format!("{}: {error}", from.display()));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(about)?;
    }
    let mut read = File::open(from).map_err(about)?;
    let mut written = File::create(to).map_err(about)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = read.read(&mut buffer).map_err(about)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        written.write_all(&buffer[..count]).map_err(about)?;
        size += count as u64;
    }
    written.sync_all().map_err(about)?;
    Ok(Stored {
        name: name.to_owned(),
        size,
        sha256: hex(&hash.finalize()),
    })
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Error, Folder};
    use crate::tiny::Tiny;
    use candle_core::quantized::gguf_file::Value;
    use std::path::Path;
    use tempfile::TempDir;

    fn add(bytes: &[u8]) -> Result<String, Error> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("tiny.gguf");
        std::fs::write(&file, bytes).unwrap();
        let models = Folder::new(folder.path().join("models"));
        let added = models.add(&file, None);
        assert_eq!(
            models.models().len(),
            usize::from(added.is_ok()),
            "{added:?}"
        );
        added
    }

    fn why(tiny: &Tiny) -> String {
        match add(&tiny.bytes()) {
            Err(Error::Model(text) | Error::Failed(text)) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn models_are_added_listed_and_removed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("Tiny Model.GGUF");
        std::fs::write(&file, Tiny::of("qwen3").bytes()).unwrap();
        let models = Folder::new(folder.path().join("models"));
        assert!(models.models().is_empty());
        assert_eq!(models.add(&file, None).unwrap(), "tiny-model");
        assert!(
            matches!(models.add(&file, None), Err(Error::Request(text)) if text.contains("already"))
        );
        models.add(&file, Some("other")).unwrap();
        for name in ["", "..", "a/b", "A", ".a", "a b", &"a".repeat(65)] {
            assert!(
                matches!(models.add(&file, Some(name)), Err(Error::Request(_))),
                "{name}"
            );
            assert!(models.remove(name).is_err(), "{name}");
        }
        let listed = models.models();
        assert_eq!(
            listed
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["other", "tiny-model"]
        );
        let manifest = &listed[0].1;
        assert_eq!((manifest.family.as_str(), manifest.context), ("qwen3", 512));
        assert_eq!(
            manifest.files[0].size,
            std::fs::metadata(&file).unwrap().len()
        );
        assert_eq!(manifest.files[0].sha256.len(), 64);
        models.remove("other").unwrap();
        assert!(matches!(models.remove("other"), Err(Error::NoModel(_))));
        assert_eq!(models.models().len(), 1);
        assert!(matches!(
            models.add(Path::new("/nowhere.gguf"), None),
            Err(Error::Request(_))
        ));
    }

    /// A file that ends anywhere, or has another byte anywhere in its head, is a model or a sentence.
    #[test]
    fn broken_files_are_refused_in_a_sentence() {
        let whole = Tiny::of("llama").bytes();
        for length in (0..whole.len()).step_by(whole.len() / 60) {
            let text = add(&whole[..length]).unwrap_err().to_string();
            assert!(text.len() > 20 && !text.contains("panicked"), "{text}");
        }
        for at in (0..12_000).step_by(97) {
            for byte in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                if let Err(error) = add(&broken) {
                    assert!(error.to_string().len() > 20, "{error}");
                }
            }
        }
        assert!(add(b"").is_err() && add(b"GGUF").is_err() && add(&[0xff; 4096]).is_err());
    }

    #[test]
    fn what_a_head_promises_and_the_file_does_not_have_is_named() {
        let tiny = || Tiny::of("llama");
        let text = |text: &str| Value::String(text.to_owned());
        for (broken, says) in [
            (
                tiny().with("general.architecture", text("gpt-oss")),
                "gpt-oss",
            ),
            (
                tiny().with("llama.context_length", Value::U64(1 << 60)),
                "context_length",
            ),
            (
                tiny().with("llama.block_count", Value::U32(0)),
                "block_count",
            ),
            (
                tiny().with("llama.attention.head_count", Value::U32(3)),
                "do not divide",
            ),
            (tiny().with("tokenizer.ggml.model", text("rwkv")), "rwkv"),
            (
                tiny().with("tokenizer.ggml.pre", text("strange")),
                "strange",
            ),
            (
                tiny().with("tokenizer.ggml.tokens", Value::Array(Vec::new())),
                "no vocabulary",
            ),
            (
                tiny().with("tokenizer.ggml.merges", Value::Array(vec![text("oneword")])),
                "no pair",
            ),
            (
                tiny().with("tokenizer.ggml.merges", Value::Array(vec![text("no such")])),
                "not fit together",
            ),
            (tiny().with("general.alignment", Value::U32(0)), "damaged"),
        ] {
            let told = why(&broken);
            assert!(told.contains(says), "{says}: {told}");
        }
    }

    #[test]
    fn bombs_of_weights_do_not_go_off() {
        let folder = TempDir::new().unwrap();
        let config = r#"{"model_type":"bert","vocab_size":10,"hidden_size":8,"num_hidden_layers":1,
            "num_attention_heads":2,"intermediate_size":8,"max_position_embeddings":16,"type_vocab_size":2}"#;
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        let models = Folder::new(folder.path().join("models"));
        let head = |head: &str| [&(head.len() as u64).to_le_bytes()[..], head.as_bytes()].concat();
        let weights = [
            Vec::new(),
            u64::MAX.to_le_bytes().to_vec(),
            (1u64 << 40).to_le_bytes().to_vec(),
            [&(1u64 << 23).to_le_bytes()[..], b"{}"].concat(),
            head("{"),
            head("{}x"),
            head(r#"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#),
            head(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
            head(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#),
            head(&format!(r#"{{"a":{}"#, "[".repeat(100_000))),
        ];
        for bytes in weights {
            std::fs::write(folder.path().join("model.safetensors"), &bytes).unwrap();
            let error = models
                .add(folder.path(), Some("bomb"))
                .unwrap_err()
                .to_string();
            assert!(error.contains("model.safetensors"), "{error}");
        }
        // Weights that are there, with a tokenizer that is none.
        std::fs::write(folder.path().join("model.safetensors"), head("{}")).unwrap();
        let error = models
            .add(folder.path(), Some("bomb"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
        let huge = config.replace("\"hidden_size\":8", "\"hidden_size\":8000000000");
        std::fs::write(folder.path().join("config.json"), huge).unwrap();
        let error = models
            .add(folder.path(), Some("bomb"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("config.json"), "{error}");
        std::fs::write(
            folder.path().join("config.json"),
            config.replace("bert", "t5"),
        )
        .unwrap();
        let error = models
            .add(folder.path(), Some("bomb"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`t5`"), "{error}");
    }
}
