//! The document collections that a component declares, and their indexes.

use crate::document::Document;
use crate::raw;
use toml::Spanned;

/// A document collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Whether it goes along when a tenant is exported. What is good on one server only stays.
    pub export: bool,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name, for messages.
    pub name: String,
    /// The fields, most significant first.
    pub fields: Vec<IndexField>,
    /// No two documents have the same values.
    pub unique: bool,
    /// Documents that lack every field are left out.
    pub sparse: bool,
    /// Documents are deleted so many seconds after the time in the (only) field.
    pub ttl_seconds: Option<u64>,
}

/// A field of an index, written `path` or `-path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexField {
    /// Dotted path.
    pub path: String,
    /// Up or down.
    pub direction: Direction,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    Ascending,
    /// From the greatest to the least.
    Descending,
}

/// Whether a collection or an index can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

// === impl Collection ===

impl Collection {
    pub(crate) fn read(raw: raw::Collection, document: &Document<'_>) -> Self {
        let mut indexes: Vec<Index> = Vec::new();
        for index in raw.indexes {
            if indexes
                .iter()
                .any(|known| known.name == *index.name.get_ref())
            {
                document.problem(
                    index.name.span(),
                    format!(
                        "two indexes are called `{}`; rename one",
                        index.name.get_ref()
                    ),
                );
            }
            if !is_name(index.name.get_ref()) {
                document.problem(
                    index.name.span(),
                    format!(
                        "`{}` is no index name; use 1 to 64 lower-case letters, digits and _",
                        index.name.get_ref()
                    ),
                );
            }
            if index.fields.get_ref().is_empty() {
                document.problem(
                    index.fields.span(),
                    "an index needs at least one field, like fields = [\"owner\"]",
                );
            }
            if index.ttl_seconds.is_some() && index.fields.get_ref().len() != 1 {
                document.problem(index.fields.span(), "an index with `ttl_seconds` has exactly one field, the one that holds the time");
            }
            let fields = index
                .fields
                .into_inner()
                .into_iter()
                .map(|field| IndexField::read(&field, document))
                .collect();
            indexes.push(Index {
                name: index.name.into_inner(),
                fields,
                unique: index.unique,
                sparse: index.sparse,
                ttl_seconds: index.ttl_seconds,
            });
        }
        Self {
            indexes,
            export: raw.export.unwrap_or(true),
        }
    }
}

// === impl IndexField ===

impl IndexField {
    fn read(raw: &Spanned<String>, document: &Document<'_>) -> Self {
        let (path, direction) = match raw.get_ref().strip_prefix('-') {
            Some(path) => (path, Direction::Descending),
            None => (raw.get_ref().as_str(), Direction::Ascending),
        };
        let wrong = |segment: &str| {
            segment.is_empty() || segment.starts_with('$') || segment.contains('\0')
        };
        if path.split('.').any(wrong) {
            document.problem(raw.span(), format!("`{path}` is no field; write it like \"members.user_id\", or \"-created_at\" for descending"));
        }
        Self {
            path: path.to_owned(),
            direction,
        }
    }
}
