//! The passwords capability: hash, verify and rehash outside the guest.
