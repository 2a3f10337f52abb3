//! The last bytes of a backup: the SHA-256 of all before them.

use ring::digest::{Context, SHA256};
use std::io::{self, Read, Write};

const MARK: &[u8] = b"\nsha256 ";
/// The mark, 64 digits, a line's end.
const LENGTH: usize = MARK.len() + 64 + 1;
const BLOCK: usize = 64 << 10;

/// Hashes what goes through it.
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Context,
    pub(crate) bytes: u64,
}

/// Reads all but the footer, and finds at the end whether that is right.
pub(crate) struct Footed<R> {
    inner: R,
    hash: Context,
    /// Read, and not given on yet; at least a footer's length until the end.
    held: Vec<u8>,
    given: usize,
    is_at_end: bool,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Hashing ===

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Context::new(&SHA256),
            bytes: 0,
        }
    }

    /// What went through it, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        hex(self.hash.clone().finish().as_ref())
    }
}

impl<W: Write> Hashing<W> {
    /// Writes the footer and hands back what it was written to.
    pub(crate) fn close(mut self) -> io::Result<W> {
        let footer = self.sha256();
        self.inner.write_all(MARK)?;
        self.inner.write_all(footer.as_bytes())?;
        self.inner.write_all(b"\n")?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(&bytes[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

// === impl Footed ===

impl<R: Read> Footed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Context::new(&SHA256),
            held: Vec::new(),
            given: 0,
            is_at_end: false,
        }
    }

    /// Whether the footer is that of all that was read; reads what is left first.
    pub(crate) fn is_whole(&mut self) -> io::Result<bool> {
        io::copy(self, &mut io::sink())?;
        let found = &self.held[self.given..];
        let footer = hex(self.hash.clone().finish().as_ref());
        Ok(found.strip_prefix(MARK).is_some_and(|found| {
            found
                .strip_suffix(b"\n")
                .is_some_and(|found| found == footer.as_bytes())
        }))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.held.drain(..self.given);
        self.given = 0;
        while !self.is_at_end && self.held.len() <= LENGTH {
            let before = self.held.len();
            self.held.resize(before + BLOCK, 0);
            let read = self.inner.read(&mut self.held[before..]);
            self.held.truncate(before + *read.as_ref().unwrap_or(&0));
            self.is_at_end = read? == 0;
        }
        Ok(())
    }
}

impl<R: Read> Read for Footed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.held.len() - self.given <= LENGTH {
            self.fill()?;
        }
        let free = (self.held.len() - self.given).saturating_sub(LENGTH);
        let given = free.min(bytes.len());
        let from = &self.held[self.given..self.given + given];
        bytes[..given].copy_from_slice(from);
        self.hash.update(from);
        self.given += given;
        Ok(given)
    }
}
