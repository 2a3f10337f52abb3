//! Why the cache refused.

/// Why the cache refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key, value or time to live is out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// The value under this key is not a counter.
    #[error(
        "the value of `{0}` is not a decimal number of 64 bits; \
         increment only keys that nothing else sets"
    )]
    NotACounter(String),
    /// The counter would leave the range of 64 bits.
    #[error("the counter `{0}` would leave the range of 64 bits; set it anew")]
    Overflow(String),
    /// The cache could not answer. The embedded cache always can.
    #[error("the cache could not answer: {0}; the same call may succeed later")]
    Unavailable(String),
}
