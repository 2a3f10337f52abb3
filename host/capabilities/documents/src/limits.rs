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
    /// Bytes of one answer. Default 16 MiB, as MongoDB's largest document.
    pub answer_bytes: usize,
    /// Values of one `distinct`. Default 10 000.
    pub distinct: usize,
    /// Operations of one transaction. Default 100.
    pub operations: usize,
    /// Documents that one update or delete may touch. Default 10 000.
    pub touched: usize,
    /// How long one operation may look. Default 5 s.
    pub query_time: Duration,
    /// Bounds on queries and documents themselves.
    pub query: sbd_documents_query::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 1 << 20,
            insert_batch: 1000,
            page: 1000,
            answer_bytes: 16 << 20,
            distinct: 10_000,
            operations: 100,
            touched: 10_000,
            query_time: Duration::from_secs(5),
            query: sbd_documents_query::Limits::default(),
        }
    }
}
