//! What a model answers.

use crate::{Error, ToolCall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was used, as the provider counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TokenUsage)]
pub struct Usage {
    /// Tokens of the question.
    pub prompt: u64,
    /// Tokens of the answer.
    pub completion: u64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FinishReason)]
pub enum Finish {
    /// It is complete.
    Stop,
    /// There is no more room, or as many tokens as were asked for are there.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider did not want to go on.
    Filtered,
}

/// The end of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub finish: Finish,
    /// What was used, if the provider has said so.
    pub usage: Option<Usage>,
}

/// A piece of an answer. The last one is `End` or `Failed`, and there is always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It waits, with so many before it.
    Queued(u32),
    /// The model is being loaded.
    Loading,
    /// Which model answers; before any text.
    Started(String),
    /// A piece of the text.
    Text(String),
    /// A piece of what the model thinks before it answers, where it tells.
    Thought(String),
    /// A call of a tool, whole.
    Call(ToolCall),
    /// It is whole.
    End(Ending),
    /// It is not, and nothing follows.
    Failed(Error),
}

/// What was used of a model on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ModelConsumption)]
pub struct Consumption {
    /// The day, in UTC.
    #[schema(example = "2026-11-30")]
    pub day: String,
    /// Who it was for, if that is known.
    pub user: Option<String>,
    /// The component that asked.
    pub component: String,
    /// The model.
    pub model: String,
    /// How often it answered.
    pub requests: u64,
    /// Tokens, as the provider counted them.
    pub usage: Usage,
}

/// The vectors of some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// Which model made them.
    pub model: String,
    /// One a text, of length 1 each.
    pub vectors: Vec<Vec<f32>>,
    /// What was used.
    pub usage: Usage,
}

// === impl Usage ===

impl Usage {
    /// All tokens together.
    pub fn total(self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

// === impl Piece ===

impl Piece {
    /// The whole end of a complete answer of which nothing was counted.
    pub const STOP: Self = Self::End(Ending {
        finish: Finish::Stop,
        usage: None,
    });

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Failed(_))
    }
}
