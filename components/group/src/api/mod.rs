//! What is asked and answered, as each component that has groups says it where its routes are.

pub mod audit;
pub mod invitations;
pub mod reports;
pub mod requests;
pub mod wallet;
