//! The keys capability: sign and verify tokens with keys that never leave the host.
