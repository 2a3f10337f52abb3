//! How much one operation may ask for.

use std::time::Duration;

/// Bounds on operations.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one document as JSON. Default 1 MiB.
    pub document_bytes: usize,
    /// Documents of one insert. Default 1000.
    pub insert_batch: usize,
    /// Documents of one page. Default 1000.
    pub page: u32,
    /// Bytes of all JSON texts of one call. Default 16 MiB.
    pub call_bytes: usize,
    /// Bytes of one answer. Default 16 MiB, as MongoDB's largest document.
    pub answer_bytes: usize,
    /// Values of one `distinct`. Default 10 000.
    pub distinct: usize,
    /// Operations of one transaction. Default 100.
    pub operations: usize,
    /// Bytes of one event, all its texts together. Default 64 KiB, which CloudEvents expects everybody
    /// to pass on.
    pub event_bytes: usize,
    /// Documents that one update or delete may touch. Default 10 000.
    pub touched: usize,
    /// How long one operation, or all of one transaction, may run. Default 5 s.
    pub query_time: Duration,
    /// Bounds on queries and documents themselves, and on what one operation holds in memory.
    pub query: sbd_documents_query::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 1 << 20,
            insert_batch: 1000,
            page: 1000,
            call_bytes: 16 << 20,
            answer_bytes: 16 << 20,
            distinct: 10_000,
            operations: sbd_documents_query::OPERATIONS,
            event_bytes: 64 << 10,
            touched: 10_000,
            query_time: Duration::from_secs(5),
            query: sbd_documents_query::Limits::default(),
        }
    }
}

/// What to do about a limit.
pub(crate) fn advice(limit: &str) -> &'static str {
    match limit {
        "document_bytes" => "split the document, or keep large parts of it as blobs",
        "insert_batch" => "insert fewer documents at once",
        "page" => "ask for fewer documents, and for the next ones with the cursor",
        "call_bytes" => "send less in one call",
        "answer_bytes" => "ask for fewer documents, or for fewer fields with a projection",
        "distinct" => "narrow the filter",
        "operations" => "split the transaction",
        "event_bytes" => "publish an id and what changed; subscribers can ask for the rest",
        "touched" => "narrow the filter, and repeat until nothing matches",
        "query_time" => "add an index that serves the filter and the sort, or narrow the filter",
        "held" => "narrow the filter, skip less, or add an index that serves the sort",
        "pipeline" => "narrow it with $match, and choose fields with $project, in the first stages",
        _ => "ask for less",
    }
}
