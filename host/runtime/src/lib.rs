//! The wasm host: engine, compile cache, grants, instance pools, service chaining.
