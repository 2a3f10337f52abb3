//! When to try again, and when not to: exponential backoff with full jitter ([`Backoff`]), a circuit
//! breaker before whoever fails ([`CircuitBreaker`]), and who has been failing ([`Breakers`]).
//!
//! It computes and counts, and does nothing: whoever uses it waits and sends.

mod backoff;
mod breakers;
mod circuit_breaker;

pub use backoff::Backoff;
pub use breakers::{Breakers, Breaks, State, Tripped};
pub use circuit_breaker::CircuitBreaker;
