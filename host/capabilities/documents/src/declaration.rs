//! Collections and indexes as a component declares them.

use crate::Error;
use sbd_documents_query::Direction;
use std::collections::HashSet;

/// Most collections of one component.
const COLLECTIONS: usize = 256;
/// Most indexes of one collection, as in MongoDB.
const INDEXES: usize = 64;

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionDeclaration {
    /// Its name, within the component.
    pub name: String,
    /// Its indexes.
    pub indexes: Vec<IndexDeclaration>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDeclaration {
    /// Its name, within the collection.
    pub name: String,
    /// Dotted paths, most significant first.
    pub fields: Vec<(String, Direction)>,
    /// No two documents have the same values.
    pub unique: bool,
    /// Documents that lack every field are left out.
    pub sparse: bool,
    /// Documents are deleted so many seconds after the time in the field.
    pub ttl_seconds: Option<u64>,
}

/// Refuses names that no backend could keep apart, and more than any could serve.
pub(crate) fn check(declared: &[CollectionDeclaration]) -> Result<(), Error> {
    let wrong = |text: String| Err(Error::Invalid(text));
    if declared.len() > COLLECTIONS {
        return wrong(format!(
            "a component has at most {COLLECTIONS} collections; merge some"
        ));
    }
    let mut collections = HashSet::new();
    for CollectionDeclaration { name, indexes } in declared {
        if name.is_empty() || !collections.insert(name) {
            return wrong(format!(
                "collection `{name}` is declared twice or has no name; name each once"
            ));
        }
        if indexes.len() > INDEXES {
            return wrong(format!(
                "collection `{name}` has more than {INDEXES} indexes; drop some"
            ));
        }
        let mut names = HashSet::new();
        if let Some(index) = indexes
            .iter()
            .find(|index| index.name.is_empty() || !names.insert(&index.name))
        {
            return wrong(format!(
                "index `{name}.{}` is declared twice or has no name; name each once",
                index.name
            ));
        }
    }
    Ok(())
}
