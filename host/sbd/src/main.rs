//! The `sbd` binary.
fn main() {}
