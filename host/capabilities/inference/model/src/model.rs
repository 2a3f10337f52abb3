//! Models.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ModelKind)]
pub enum Kind {
    /// It answers.
    Chat,
    /// It makes vectors of texts.
    Embedding,
}

/// A model, as a component sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// What it is called here.
    pub name: String,
    /// What it can do.
    pub kind: Kind,
    /// Which backend has it.
    pub backend: String,
    /// Whether it is what a call without a name takes.
    pub is_default: bool,
    /// How many tokens it has room for, question and answer together, if known.
    pub context: Option<u32>,
    /// How many numbers its vectors have, if known.
    pub dimensions: Option<u32>,
}
