//! The component's collections; the manifest declares their indexes.
