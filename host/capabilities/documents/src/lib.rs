//! The documents capability: JSON collections with filters, indexes and transactions.
