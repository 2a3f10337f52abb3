//! Mongo-style filters, updates and aggregations: parser, typed tree and SQL compiler, without I/O.
