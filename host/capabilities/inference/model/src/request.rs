//! What a model is asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatRole)]
pub enum Role {
    /// The application.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool, which answers what the model has called.
    Tool,
}

/// A call of a tool by the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolCall {
    /// Its id, which the answer names.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What it is called with, as a JSON text.
    pub arguments: String,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// The text. Empty where the model only calls tools.
    pub content: String,
    /// The tools that the model calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this answers, of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name: 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of what it is called with, as a JSON text.
    pub parameters: String,
}

/// Whether the model must call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// None.
    None,
    /// One of them.
    Required,
    /// This one.
    Named(String),
}

/// What the answer is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that fits this schema, a JSON text.
    Schema(String),
}

/// What a model is asked. What is not there is as the model has it.
///
/// ```
/// use sbd_inference_model::{ChatRequest, Message};
///
/// let request = ChatRequest {
///     messages: vec![Message::system("Answer in one word."), Message::user("Is tea warm?")],
///     temperature: Some(0.0),
///     ..ChatRequest::default()
/// };
/// request.check()?;
/// # Ok::<_, sbd_inference_model::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// Which model; the default one without.
    pub model: Option<String>,
    /// What was said so far, 1 to 1000 messages.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// What the answer is to be like.
    pub format: Format,
    /// Where it stops: up to 8 texts.
    pub stop: Vec<String>,
    /// How much chance there is, 0 to 2.
    pub temperature: Option<f32>,
    /// Among how much of what is likely it chooses, above 0 to 1.
    pub top_p: Option<f32>,
    /// With the same one, the answer is the same where the model can do that.
    pub seed: Option<u64>,
    /// So many tokens at most.
    pub max_tokens: Option<u32>,
}

/// What texts are for, which some embedding models want to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be found.
    #[default]
    Passage,
    /// To find by.
    Query,
}

// === impl Message ===

impl Message {
    /// What the application says.
    pub fn system(content: impl Into<String>) -> Self {
        Self::by(Role::System, content)
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::by(Role::User, content)
    }

    /// What the model has said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::by(Role::Assistant, content)
    }

    /// What a tool answers to a call.
    pub fn answer(call: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            answers: Some(call.into()),
            ..Self::by(Role::Tool, content)
        }
    }

    fn by(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            answers: None,
        }
    }
}
