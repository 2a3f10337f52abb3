//! How large a query or document may be.

/// Operations of one transaction at most, unless a host says otherwise.
pub const OPERATIONS: usize = 100;

/// Bounds on queries and documents. The defaults are generous for people and tight for attackers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of filters and conditions. Default 16.
    pub depth: usize,
    /// Conditions in one filter, changes in one update, fields in one projection or stage. Default 256.
    pub conditions: usize,
    /// Values in one `$in`, `$nin` or `$all`, or in the `$each` of one `$addToSet`. Default 1000.
    pub values: usize,
    /// Values that one filter compares with, those inside lists and objects too. Default 50 000.
    pub filter_values: usize,
    /// Bytes of one value that a filter compares with. Default 64 KiB.
    pub operand_bytes: usize,
    /// Segments of a dotted path. Default 16.
    pub segments: usize,
    /// Bytes of a dotted path. Default 1024.
    pub path_bytes: usize,
    /// Stages of a pipeline. Default 16.
    pub stages: usize,
    /// Nesting of a document. Default 100, as MongoDB.
    pub document_depth: usize,
    /// Bytes of a document as JSON text. Default 16 MiB, as MongoDB.
    pub document_bytes: usize,
    /// Documents that a pipeline, or a sort, may hold at once. Default 100 000.
    pub held: usize,
    /// Bytes, roughly, that a pipeline, or a sort, may hold at once. Default 64 MiB.
    pub held_bytes: usize,
    /// Bytes, roughly, that a pipeline may copy while unwinding and computing. Default 1 GiB.
    pub copied_bytes: usize,
    /// Index entries of one document in one index. Default 1000.
    pub index_entries: usize,
    /// Bytes of the index entries of one document in one index. Default 2 MiB.
    pub index_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 16,
            conditions: 256,
            values: 1000,
            filter_values: 50_000,
            operand_bytes: 64 << 10,
            segments: 16,
            path_bytes: 1024,
            stages: 16,
            document_depth: 100,
            document_bytes: 16 << 20,
            held: 100_000,
            held_bytes: 64 << 20,
            copied_bytes: 1 << 30,
            index_entries: 1000,
            index_bytes: 2 << 20,
        }
    }
}
