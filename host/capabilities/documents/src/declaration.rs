//! Collections and indexes as a component declares them.

use sbd_documents_query::Direction;

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
