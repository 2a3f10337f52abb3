//! Configuration for components: wasi:config and spin:variables.
