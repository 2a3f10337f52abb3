//! What is asked and answered, as each component that has groups says it where its routes are.

pub mod audit;
pub mod deletion;
pub mod export;
pub mod invitations;
pub mod reports;
pub mod requests;
pub mod statistics;
pub mod wallet;
