//! What a component may ask for at most. The numbers are this project's own choice.

/// Collections of one component.
pub const MAX_COLLECTIONS: usize = 1000;
/// Bytes of a collection's name.
pub const MAX_NAME_BYTES: usize = 64;
/// Numbers of a dense vector.
pub const MAX_DIMENSIONS: u32 = 4096;
/// Terms of a sparse vector.
pub const MAX_TERMS: usize = 4096;
/// Bytes of a point's id.
pub const MAX_ID_BYTES: usize = 128;
/// Bytes of a payload (16 KiB).
pub const MAX_PAYLOAD_BYTES: usize = 16 << 10;
/// Bytes of a text that filters look at; longer ones fit none.
pub const MAX_TEXT_BYTES: usize = 256;
/// Points of one call.
pub const MAX_POINTS: usize = 1000;
/// Conditions of a filter.
pub const MAX_CONDITIONS: usize = 64;
/// Values, or ids, of a condition.
pub const MAX_VALUES: usize = 1000;
/// Hits of a search, points of a page, and candidates of one vector.
pub const MAX_HITS: u32 = 1000;
/// `offset` and `limit` of a search together.
pub const MAX_DEPTH: u32 = 10_000;
/// Bytes of all points of a call (16 MiB).
pub const MAX_CALL_BYTES: usize = 16 << 20;
/// Bytes after which a page ends before it has as many points as it may (8 MiB).
pub const MAX_PAGE_BYTES: usize = 8 << 20;
