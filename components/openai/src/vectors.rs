//! Vectors of texts, in OpenAI's words.

use crate::answer;
use crate::failure::{Failure, Result};
use crate::question::OneOrMany;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sbd_sdk::inference::{self, Purpose, Usage};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Texts that the host takes at once, and in one request.
const AT_ONCE: usize = 256;
const MOST: usize = 2048;

/// Texts to make vectors of.
#[derive(Deserialize, ToSchema)]
#[schema(as = EmbeddingRequest)]
pub(crate) struct Question {
    /// A model by its name; the default one without.
    #[serde(default)]
    #[schema(example = "all-minilm")]
    model: Option<String>,
    /// A text, or several.
    #[schema(value_type = Vec<String>, example = json!(["a cup of tea"]))]
    input: Input,
    /// `float` or `base64`.
    #[serde(default)]
    encoding_format: Option<String>,
    /// How many numbers a vector has, which the model says here.
    #[serde(default)]
    dimensions: Option<usize>,
    /// What the texts are for, which some models want to know: `query` or `passage`.
    #[serde(default)]
    input_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Texts(OneOrMany),
    /// Numbers of tokens, which belong to one tokenizer.
    Tokens(IgnoredAny),
}

/// What was made.
#[derive(Serialize, ToSchema)]
#[schema(as = EmbeddingResponse)]
pub(crate) struct Made {
    /// `list`.
    object: &'static str,
    /// One a text, in their order.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    /// Which model made them.
    model: String,
    /// What was used.
    #[schema(value_type = Object)]
    usage: Value,
}

/// Makes the vectors that were asked for.
pub(crate) async fn make(asked: Question) -> Result<Made> {
    let texts = match asked.input {
        Input::Texts(OneOrMany::One(text)) => vec![text],
        Input::Texts(OneOrMany::Many(texts)) => texts,
        Input::Tokens(_) => {
            let text = "models have tokenizers of their own here; send texts";
            return Err(Failure::unsupported("input", text));
        }
    };
    if !(1..=MOST).contains(&texts.len()) {
        return Err(Failure::field("input", format!("send 1 to {MOST} texts")));
    }
    let is_base64 = match asked.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Failure::field(
                "encoding_format",
                "it is `float` or `base64`",
            ));
        }
    };
    let purpose = match asked.input_type.as_deref() {
        Some("query") => Purpose::Query,
        None | Some("passage" | "document") => Purpose::Passage,
        Some(_) => return Err(Failure::field("input_type", "it is `query` or `passage`")),
    };
    let wanted = asked.model.filter(|model| !model.is_empty());
    let (mut data, mut used, mut model) = (Vec::new(), Usage::default(), String::new());
    for texts in texts.chunks(AT_ONCE) {
        let made = inference::embed(wanted.as_deref(), purpose, texts.to_vec()).await?;
        for vector in made.vectors {
            if asked
                .dimensions
                .is_some_and(|wanted| wanted != vector.len())
            {
                let text = format!("vectors of this model have {} numbers", vector.len());
                return Err(Failure::unsupported("dimensions", text));
            }
            let index = data.len();
            let vector = match is_base64 {
                true => json!(BASE64_STANDARD.encode(bytes(&vector))),
                false => json!(vector),
            };
            data.push(json!({"object": "embedding", "index": index, "embedding": vector}));
        }
        used.prompt += made.usage.prompt;
        model = made.model;
    }
    let mut usage = answer::usage(used);
    if let Some(usage) = usage.as_object_mut() {
        usage.remove("completion_tokens");
    }
    Ok(Made {
        object: "list",
        data,
        model,
        usage,
    })
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::tests::app;

    #[test]
    fn vectors_come_as_numbers_or_as_bytes() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let asked = json!({"model": "test-embedding", "input": ["a cup of tea", "tea"]});
        let made = ada.post("/v1/embeddings", asked).assert_status(200);
        assert_eq!(made["model"], "test-embedding");
        assert_eq!(made["data"][1]["index"], 1);
        let numbers = made["data"][0]["embedding"].as_array().unwrap();
        assert_eq!(numbers.len(), 26);
        let asked = json!({"input": "a cup of tea", "encoding_format": "base64"});
        let encoded = ada.post("/v1/embeddings", asked).assert_status(200);
        let encoded = BASE64_STANDARD.decode(encoded["data"][0]["embedding"].as_str().unwrap());
        let encoded = encoded.unwrap();
        let first = f32::from_le_bytes(encoded[..4].try_into().unwrap());
        assert_eq!((encoded.len(), json!(first)), (4 * 26, numbers[0].clone()));
    }

    #[test]
    fn more_texts_than_the_host_takes_at_once_are_one_request() {
        let texts = vec!["tea"; 600];
        let made = app()
            .signed_in("usr_1")
            .post("/v1/embeddings", json!({"input": texts}));
        let made = made.assert_status(200);
        let data = made["data"].as_array().unwrap();
        assert_eq!((data.len(), &data[599]["index"]), (600, &json!(599)));
        assert_eq!(made["usage"]["prompt_tokens"], 600);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_field() {
        let app = app();
        for (asked, field) in [
            (json!({"input": []}), "input"),
            (json!({"input": [1, 2, 3]}), "input"),
            (
                json!({"input": "tea", "encoding_format": "int8"}),
                "encoding_format",
            ),
            (json!({"input": "tea", "dimensions": 7}), "dimensions"),
            (json!({"input": "tea", "input_type": "poem"}), "input_type"),
            (json!({"input": "tea", "model": "none"}), "model"),
        ] {
            let refused = app.signed_in("usr_1").post("/v1/embeddings", asked);
            assert!([400, 404].contains(&refused.status()), "{}", refused.body());
            assert_eq!(refused["error"]["param"], field, "{}", refused.body());
        }
    }
}
