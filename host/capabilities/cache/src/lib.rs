//! The cache capability: values with a time to live.
