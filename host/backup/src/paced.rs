//! Writing a large file beside somebody who must not wait.

use std::fs::File;
use std::io::{self, Write};

/// Bytes after which a file is put on the disk. With more at once, whoever waits for a few bytes of their own
/// to be durable would wait for all of these too.
const STEP: usize = 4 << 20;

/// A file that is put on the disk step by step while it is written.
#[derive(Debug)]
pub struct Paced {
    file: File,
    /// Written, and perhaps not on the disk yet.
    bytes: usize,
}

// === impl Paced ===

impl Paced {
    /// Paces this file.
    pub fn new(file: File) -> Self {
        Self { file, bytes: 0 }
    }

    /// The file.
    pub fn into_inner(self) -> File {
        self.file
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(&bytes[..bytes.len().min(STEP)])?;
        self.bytes += written;
        if self.bytes >= STEP {
            self.bytes = 0;
            self.file.sync_data()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
