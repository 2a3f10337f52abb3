//! What is asked and answered, as each component that has accounts says it where its routes are.

pub mod audit;
pub mod reports;
pub mod requests;
pub mod wallet;
