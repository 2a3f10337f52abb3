//! How large a query or document may be.

/// Bounds on queries and documents. The defaults are generous for people and tight for attackers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of filters and conditions. Default 16.
    pub depth: usize,
    /// Conditions in one filter. Default 256.
    pub conditions: usize,
    /// Values in one `$in`, `$nin` or `$all`. Default 1000.
    pub values: usize,
    /// Segments of a dotted path. Default 16.
    pub segments: usize,
    /// Stages of a pipeline. Default 16.
    pub stages: usize,
    /// Nesting of a document. Default 100, as MongoDB.
    pub document_depth: usize,
    /// Documents that one stage of a pipeline, or a sort, may hold. Default 100 000.
    pub held: usize,
    /// Index entries of one document in one index. Default 1000.
    pub index_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 16,
            conditions: 256,
            values: 1000,
            segments: 16,
            stages: 16,
            document_depth: 100,
            held: 100_000,
            index_entries: 1000,
        }
    }
}
