//! What is asked, in OpenAI's words.

use crate::failure::{Failure, Result};
use sbd_sdk::inference::{ChatRequest, Format, Message, Role, Tool, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a model is asked.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionRequest)]
pub(crate) struct Question {
    /// A model by its name; the default one without.
    #[serde(default)]
    #[schema(example = "smollm2")]
    model: Option<String>,
    /// What was said so far.
    messages: Vec<Said>,
    /// Whether the answer comes as it is made.
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    /// What a stream has besides.
    #[serde(default)]
    pub(crate) stream_options: Option<StreamOptions>,
    /// What the model may call.
    #[serde(default)]
    tools: Option<Vec<Offered>>,
    /// `auto`, `none`, `required`, or a function by its name.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// What the answer is to be like: `text`, `json_object` or `json_schema`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
    /// Where it stops: a text, or several.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    stop: Option<OneOrMany>,
    /// How much chance there is, 0 to 2.
    #[serde(default)]
    temperature: Option<f32>,
    /// Among how much of what is likely it chooses.
    #[serde(default)]
    top_p: Option<f32>,
    /// With the same one, the answer is the same where the model can do that.
    #[serde(default)]
    seed: Option<i64>,
    /// So many tokens at most.
    #[serde(default)]
    max_tokens: Option<u32>,
    /// The same by its newer name.
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    /// How many answers; one is made here.
    #[serde(default)]
    n: Option<u32>,
    /// How likely each token was, which is not told here.
    #[serde(default)]
    logprobs: Option<bool>,
}

/// What a stream has besides the answer.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(crate) struct StreamOptions {
    /// What was used, in a piece of its own before the end.
    #[serde(default)]
    pub(crate) include_usage: Option<bool>,
}

/// A text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Something that was said.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionMessage)]
struct Said {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    #[schema(example = "user")]
    role: String,
    /// A text, or parts of the type `text`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Hello")]
    content: Option<Content>,
    /// What the model has called.
    #[serde(default)]
    tool_calls: Option<Vec<Called>>,
    /// Which call this answers.
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// A call that the model has made.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionToolCall)]
struct Called {
    /// Its id.
    id: String,
    /// What was called.
    function: CalledFunction,
}

/// What was called.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionCalledFunction)]
struct CalledFunction {
    /// Its name.
    name: String,
    /// With what, as a JSON text.
    arguments: String,
}

/// What the model may call.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionTool)]
struct Offered {
    /// `function`.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// The function.
    function: OfferedFunction,
}

/// A function that may be called.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionFunction)]
struct OfferedFunction {
    /// Its name.
    name: String,
    /// What it does.
    #[serde(default)]
    description: Option<String>,
    /// JSON Schema of what it is called with.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
}

// === impl Question ===

impl Question {
    /// The same in the words of the host.
    pub(crate) fn read(self) -> Result<ChatRequest> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(Failure::unsupported(
                "n",
                "one answer is made; leave `n` out",
            ));
        }
        if self.logprobs == Some(true) {
            let text = "how likely tokens were is not told; leave `logprobs` out";
            return Err(Failure::unsupported("logprobs", text));
        }
        let messages = self.messages.into_iter().enumerate();
        let messages = messages.map(|(place, said)| said.read(place));
        let tools = self.tools.unwrap_or_default().into_iter();
        let tools = tools.map(Offered::read);
        Ok(ChatRequest {
            model: self.model.filter(|model| !model.is_empty()),
            messages: messages.collect::<Result<_>>()?,
            tools: tools.collect::<Result<_>>()?,
            tool_choice: self
                .tool_choice
                .as_ref()
                .map_or(Ok(ToolChoice::Auto), choice)?,
            format: self
                .response_format
                .as_ref()
                .map_or(Ok(Format::Text), format)?,
            stop: match self.stop {
                None => Vec::new(),
                Some(OneOrMany::One(text)) => vec![text],
                Some(OneOrMany::Many(texts)) => texts,
            },
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed.map(i64::cast_unsigned),
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
        })
    }
}

// === impl Said ===

impl Said {
    fn read(self, place: usize) -> Result<Message> {
        let field = |name: &str| format!("messages[{place}].{name}");
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            _ => {
                let text = "a role is `system`, `user`, `assistant` or `tool`";
                return Err(Failure::field(&field("role"), text));
            }
        };
        let content = match self.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let texts = parts
                    .into_iter()
                    .map(|part| match (part.kind.as_str(), part.text) {
                        ("text", Some(text)) => Ok(text),
                        _ => Err(Failure::unsupported(
                            &field("content"),
                            "models read text here; send parts of the type `text`",
                        )),
                    });
                texts.collect::<Result<Vec<_>>>()?.join("\n")
            }
        };
        let calls = self.tool_calls.unwrap_or_default().into_iter();
        let calls = calls.map(|call| ToolCall {
            id: call.id,
            name: call.function.name,
            arguments: call.function.arguments,
        });
        Ok(Message {
            role,
            content,
            tool_calls: calls.collect(),
            answers: self.tool_call_id.filter(|_| role == Role::Tool),
        })
    }
}

// === impl Offered ===

impl Offered {
    fn read(self) -> Result<Tool> {
        if self.kind.is_some_and(|kind| kind != "function") {
            let text = "tools are functions here; send those of the type `function`";
            return Err(Failure::unsupported("tools", text));
        }
        let parameters = self.function.parameters;
        Ok(Tool {
            name: self.function.name,
            description: self.function.description.unwrap_or_default(),
            parameters: parameters.map_or("{}".to_owned(), |schema| schema.to_string()),
        })
    }
}

fn choice(choice: &Value) -> Result<ToolChoice> {
    match (choice.as_str(), choice["function"]["name"].as_str()) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("required"), _) => Ok(ToolChoice::Required),
        (None, Some(name)) => Ok(ToolChoice::Named(name.to_owned())),
        _ if choice.is_null() => Ok(ToolChoice::Auto),
        _ => Err(Failure::field(
            "tool_choice",
            "it is `auto`, `none`, `required` or {\"type\": \"function\", \"function\": {\"name\": ...}}",
        )),
    }
}

fn format(format: &Value) -> Result<Format> {
    match format["type"].as_str() {
        None if format.is_null() => Ok(Format::Text),
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") if format["json_schema"]["schema"].is_object() => {
            let schema = &format["json_schema"]["schema"];
            Ok(Format::Schema(schema.to_string()))
        }
        Some("json_schema") => Err(Failure::field(
            "response_format.json_schema.schema",
            "give the schema as a JSON object",
        )),
        _ => Err(Failure::field(
            "response_format.type",
            "it is `text`, `json_object` or `json_schema`",
        )),
    }
}
