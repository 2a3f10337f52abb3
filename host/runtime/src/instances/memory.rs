//! The memory of one instance: the sum over all its memories and tables.

use wasmtime::{ResourceLimiter, Result};

/// Bytes that one table element counts for.
const ELEMENT: usize = std::mem::size_of::<usize>();

/// Refuses growth past a sum. Per memory, as wasmtime's own limiter counts, a guest with many
/// memories would get many times its limit.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    refused: bool,
}

// === impl MemoryLimiter ===

impl MemoryLimiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            refused: false,
        }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match self.used.checked_add(bytes) {
            Some(sum) if sum <= self.limit => {
                self.used = sum;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }

    /// The bytes that the instance has.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Whether it has ever refused growth.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum)
            && self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let bytes = desired.saturating_sub(current).saturating_mul(ELEMENT);
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn many_memories_share_one_limit() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.table_growing(0, 5, Some(5)).unwrap());
        assert!(!limiter.table_growing(5, 6, Some(5)).unwrap());
        assert!(!limiter.memory_growing(0, usize::MAX, None).unwrap());
    }
}
