//! What a component may say at most, as `wit/realtime.wit` promises.

/// Longest channel in bytes.
pub const CHANNEL_BYTES: usize = 256;
/// Largest data of a message in bytes (64 KiB).
pub const DATA_BYTES: usize = 64 << 10;
/// Most messages of one call.
pub const MESSAGES: usize = 100;
/// Most users that a presence names.
pub const PRESENT: usize = 1000;
