//! The keyvalue capability: wasi:keyvalue 0.2.0-draft2.
