//! What a component may ask for at most. The numbers are this project's own choice.

use std::time::Duration;

/// Connections that one instance may hold at once. An instance may answer several requests at a time.
pub const MAX_OPEN_CONNECTIONS: usize = 64;
/// Statements of one component of a tenant that run at the same time; others wait for their turn.
pub const STATEMENTS_AT_ONCE: usize = 4;
/// How long a statement may run. That bounds what it puts into temporary files of its own too: SQLite
/// has no other measure for them.
pub const STATEMENT_TIME: Duration = Duration::from_secs(5);
/// How long a statement waits for another connection to end its transaction.
pub const BUSY_TIME: Duration = Duration::from_secs(5);
/// Bytes of a statement (256 KiB), its parameters apart.
pub const MAX_STATEMENT_BYTES: usize = 256 << 10;
/// Bytes of a value, and of a row (4 MiB). Nothing interrupts a function of SQLite, so what it works on
/// bounds its time.
pub const MAX_VALUE_BYTES: usize = 4 << 20;
/// Bytes that a statement may answer (64 MiB), with what its rows and values cost the host beside.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Bytes of a pattern for LIKE or GLOB; the longest against the longest value takes a second.
pub const MAX_PATTERN_BYTES: usize = 128;
/// Bytes of all temporary tables of a connection (64 MiB).
pub const MAX_TEMPORARY_BYTES: u64 = 64 << 20;
