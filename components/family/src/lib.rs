//! Families and their members.
