//! How long an evaluation may go on.

use crate::Invalid;
use std::cell::Cell;
use std::time::Instant;

/// Steps between two looks at the clock. A look takes about as long as a few steps.
const UNNOTICED: usize = 256;

/// How long an evaluation may go on: small as they are, a document and a filter together can mean
/// billions of comparisons.
#[derive(Debug)]
pub struct Patience {
    until: Option<Instant>,
    /// Since the clock was last looked at.
    steps: Cell<usize>,
}

/// An evaluation went on for too long, and has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evaluation takes too long")]
pub struct TooLong;

/// Why an evaluation has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// What is asked does not fit the document, or needs too much room.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It would take too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

// === impl Patience ===

impl Patience {
    /// Until this moment.
    pub fn until(deadline: Instant) -> Self {
        Self {
            until: Some(deadline),
            steps: Cell::new(0),
        }
    }

    /// For as long as it takes.
    pub fn endless() -> Self {
        Self {
            until: None,
            steps: Cell::new(0),
        }
    }

    /// Counts so many more steps, each a look at one value or so.
    pub(crate) fn spend(&self, steps: usize) -> Result<(), TooLong> {
        let steps = self.steps.get().saturating_add(steps);
        if steps < UNNOTICED {
            self.steps.set(steps);
            return Ok(());
        }
        self.steps.set(0);
        match self.until {
            Some(deadline) if Instant::now() > deadline => Err(TooLong),
            _ => Ok(()),
        }
    }
}
