//! spin.toml read into a typed application, with errors that name line and fix.
