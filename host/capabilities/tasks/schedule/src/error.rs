//! Why something cannot be scheduled.

/// Why something cannot be scheduled; the text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The expression is none.
    #[error(
        "`{expression}` is no cron expression ({reason}); write five fields, minute hour day month weekday, like `0 3 * * *`, or six with seconds first"
    )]
    Expression {
        /// What was written, in part.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error(
        "`{0}` is no time zone; write an IANA name, like `Europe/Berlin`, or leave it out for UTC"
    )]
    TimeZone(String),
    /// No day there is fits the expression.
    #[error("`{0}` never comes; correct its day or its month")]
    Never(String),
    /// A one-off time that is over.
    #[error("{0} has passed; give a time to come, or enqueue the task itself")]
    Passed(jiff::Timestamp),
    /// Put off by too much.
    #[error("a jitter of {0} ms is too much; a day, 86400000, is the most")]
    Jitter(u64),
}
