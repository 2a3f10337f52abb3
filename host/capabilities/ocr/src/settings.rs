//! How much may be read at once, and by what.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// How images are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program: a name to be found on the `PATH`, or where it is.
    pub program: PathBuf,
    /// Memory that the reading of one image may take, in bytes.
    pub memory: u64,
    /// How long the reading of one image may take.
    pub time: Duration,
    /// How many images are read at the same time: half of the cores, as nobody waits for it with a page open.
    pub concurrent: usize,
    /// How many callers of one tenant may wait beyond those; the next one is told to come again.
    pub waiting: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            program: PathBuf::from("tesseract"),
            memory: 1 << 30,
            time: Duration::from_secs(60),
            concurrent: (cores / 2).max(1),
            waiting: 32,
        }
    }
}
