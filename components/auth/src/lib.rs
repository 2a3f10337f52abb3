//! Accounts, sessions and tokens.
