//! A GGUF file: what it says of itself, and its weights, each checked against what it says.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};

use crate::error::{Error, Result};

/// About how many bytes a tokenizer takes for each of its tokens.
pub(crate) const TOKEN: u64 = 512;

/// An open GGUF file.
pub(crate) struct Gguf {
    content: Content,
    file: BufReader<File>,
    architecture: String,
}

impl Gguf {
    /// Reads the head of a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| Error::model(format!("{}: {error}", path.display())))?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let content = Content::read(&mut file).map_err(|error| {
            Error::model(format!(
                "{} cannot be read as GGUF: {}",
                path.display(),
                first_line(&error)
            ))
        })?;
        check_ends(&content, &mut file)?;
        let mut gguf = Self {
            content,
            file,
            architecture: String::new(),
        };
        gguf.architecture = gguf.required_text("general.architecture")?.to_owned();
        Ok(gguf)
    }

    /// Which family of models this is of, as the file calls it.
    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// A number of the architecture that the model cannot do without.
    pub(crate) fn size(&self, key: &str, within: RangeInclusive<u64>) -> Result<usize> {
        self.size_if_there(key, within)?
            .ok_or_else(|| Error::model(format!("the file lacks `{}.{key}`", self.architecture)))
    }

    /// A number of the architecture, where it is there.
    pub(crate) fn size_if_there(
        &self,
        key: &str,
        within: RangeInclusive<u64>,
    ) -> Result<Option<usize>> {
        let key = format!("{}.{key}", self.architecture);
        let Some(value) = self.content.metadata.get(&key) else {
            return Ok(None);
        };
        let number = match value {
            Value::I8(number) => u64::try_from(*number).ok(),
            Value::I16(number) => u64::try_from(*number).ok(),
            Value::I32(number) => u64::try_from(*number).ok(),
            Value::I64(number) => u64::try_from(*number).ok(),
            value => value.to_u64().ok(),
        };
        match number {
            Some(number) if within.contains(&number) => Ok(Some(number as usize)),
            _ => Err(Error::model(format!(
                "`{key}` is not a number from {} to {}",
                within.start(),
                within.end()
            ))),
        }
    }

    /// A fraction of the architecture, where it is there.
    pub(crate) fn fraction(&self, key: &str) -> Option<f64> {
        self.any_fraction(&format!("{}.{key}", self.architecture))
    }

    /// A fraction by its whole key, above 0.
    pub(crate) fn any_fraction(&self, key: &str) -> Option<f64> {
        match self.content.metadata.get(key)? {
            Value::F32(number) => Some(f64::from(*number)),
            Value::F64(number) => Some(*number),
            _ => None,
        }
        .filter(|number| number.is_finite() && *number > 0.0)
    }

    /// A text of the architecture, where it is there.
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.text(&format!("{}.{key}", self.architecture))
    }

    /// A text by its whole key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.content
            .metadata
            .get(key)?
            .to_string()
            .ok()
            .map(String::as_str)
    }

    fn required_text(&self, key: &str) -> Result<&str> {
        self.text(key)
            .ok_or_else(|| Error::model(format!("the file lacks `{key}`")))
    }

    /// A list by its whole key.
    pub(crate) fn list(&self, key: &str) -> Option<&[Value]> {
        self.content
            .metadata
            .get(key)?
            .to_vec()
            .ok()
            .map(Vec::as_slice)
    }

    /// A number by its whole key.
    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        self.content
            .metadata
            .get(key)?
            .to_u64()
            .ok()?
            .try_into()
            .ok()
    }

    /// Whether something is so, by its whole key.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.content.metadata.get(key)?.to_bool().ok()
    }

    /// Whether there are weights of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Weights, which have to have this shape.
    pub(crate) fn weights(&mut self, name: &str, shape: &[usize]) -> Result<QTensor> {
        let info = self
            .content
            .tensor_infos
            .get(name)
            .ok_or_else(|| Error::model(format!("the file lacks the weights `{name}`")))?;
        if info.shape.dims() != shape {
            return Err(Error::model(format!(
                "the weights `{name}` have the shape {:?} where the file's head promises {shape:?}",
                info.shape.dims()
            )));
        }
        // A row that ends within a block would be read past its end.
        let row = shape.last().copied().unwrap_or_default();
        if !row.is_multiple_of(info.ggml_dtype.block_size()) {
            return Err(Error::model(format!(
                "the rows of `{name}` are no whole blocks"
            )));
        }
        info.read(
            &mut self.file,
            self.content.tensor_data_offset,
            &Device::Cpu,
        )
        .map_err(|error| {
            Error::model(format!(
                "the weights `{name}` cannot be read: {}",
                first_line(&error)
            ))
        })
    }

    /// About how many bytes the weights and the vocabulary take once they are loaded. Some kinds are kept a second time, in the order in which
    /// the processor reads them.
    pub(crate) fn footprint(&self) -> u64 {
        let tokens = self.list("tokenizer.ggml.tokens").map_or(0, <[_]>::len);
        let weights = self.content.tensor_infos.values();
        weights
            .map(|info| {
                let kind = info.ggml_dtype;
                let elements: u64 = info
                    .shape
                    .dims()
                    .iter()
                    .fold(1, |all, size| all.saturating_mul(*size as u64));
                let bytes =
                    (elements / kind.block_size() as u64).saturating_mul(kind.type_size() as u64);
                let row = info.shape.dims().last().copied().unwrap_or_default();
                let is_packed = row.is_multiple_of(256);
                match kind {
                    GgmlDType::Q4K | GgmlDType::Q6K | GgmlDType::Q8_0 if is_packed => {
                        bytes.saturating_mul(2)
                    }
                    // They become the last one of these.
                    GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1 => {
                        elements / 32 * 34 * (1 + u64::from(is_packed))
                    }
                    _ => bytes,
                }
            })
            .fold(tokens as u64 * TOKEN, u64::saturating_add)
    }
}

/// Refuses a file that ends before its weights do.
fn check_ends(content: &Content, file: &mut BufReader<File>) -> Result<()> {
    let there = file.seek(SeekFrom::End(0));
    let there = there.map_err(|error| Error::model(format!("the file cannot be read: {error}")))?;
    for (name, info) in &content.tensor_infos {
        let kind = info.ggml_dtype;
        let sizes = info.shape.dims().iter();
        let elements = sizes.fold(1u64, |all, size| all.saturating_mul(*size as u64));
        let bytes = (elements / kind.block_size() as u64).saturating_mul(kind.type_size() as u64);
        let begin = content.tensor_data_offset.saturating_add(info.offset);
        if begin.saturating_add(bytes) > there {
            return Err(Error::model(format!(
                "the file has {there} bytes and ends before the weights `{name}` do; it was cut off, fetch it again"
            )));
        }
    }
    Ok(())
}

/// What candle says of an error, without the trace that it may hang on.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
