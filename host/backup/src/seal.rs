//! Sealed backups: encrypted, and authenticated from the first chunk to the end.
//!
//! Each file has a key of its own, made of the given one and a random salt (HKDF-SHA256). Its chunks are
//! sealed with ChaCha20-Poly1305 under their numbers, the last one as the last: none can be altered,
//! exchanged, left out or cut off (the construction STREAM). ring does it, which signs here anyway.

use crate::Error;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

/// How a sealed backup begins.
pub(crate) const MAGIC: &[u8; 16] = b"sbd sealed tar 1";
const SALT: usize = 32;
/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
/// A shorter key could be a password, which would have to be made dear to guess first.
const SHORTEST: usize = 32;

/// What seals a backup and opens it again.
#[derive(Clone)]
pub struct Key(Box<[u8]>);

/// Seals what is written to it.
pub(crate) struct Sealing<W> {
    inner: W,
    chunks: Chunks,
    held: Vec<u8>,
}

/// Opens what was sealed.
pub(crate) struct Opening<R> {
    inner: R,
    chunks: Chunks,
    /// The next chunk, sealed; of the last one nothing follows.
    next: Vec<u8>,
    open: Vec<u8>,
    given: usize,
    is_done: bool,
}

struct Chunks {
    key: LessSafeKey,
    count: u64,
}

// === impl Key ===

impl Key {
    /// A key in these bytes, without the end of a line.
    ///
    /// # Errors
    /// [`Error::Key`] when there are too few of them.
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        let line = |byte: &u8| !b"\r\n".contains(byte);
        let end = bytes.iter().rposition(line).map_or(0, |last| last + 1);
        if end < SHORTEST {
            return Err(Error::Key(format!(
                "the key is too short: it has {end} bytes of {SHORTEST}; make one with: openssl rand -hex 32 > FILE"
            )));
        }
        Ok(Self(bytes[..end].into()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        Self::new(&bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

// === impl Chunks ===

impl Chunks {
    fn new(key: &Key, salt: &[u8]) -> io::Result<Self> {
        let derived = Salt::new(HKDF_SHA256, salt).extract(&key.0);
        let derived = derived
            .expand(&[MAGIC], &CHACHA20_POLY1305)
            .map_err(|_| io::Error::other("the key cannot be used"))?;
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::from(derived)),
            count: 0,
        })
    }

    fn next(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.count.to_be_bytes());
        nonce[NONCE_LEN - 1] = is_last.into();
        self.count += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

// === impl Sealing ===

impl<W: Write> Sealing<W> {
    pub(crate) fn begin(mut inner: W, key: &Key) -> io::Result<Self> {
        let mut salt = [0; SALT];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| io::Error::other("the system gives no random bytes"))?;
        inner.write_all(MAGIC)?;
        inner.write_all(&salt)?;
        Ok(Self {
            inner,
            chunks: Chunks::new(key, &salt)?,
            held: Vec::with_capacity(CHUNK + TAG),
        })
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.inner)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.chunks.next(is_last);
        self.chunks
            .key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.held)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.inner.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only once more follows: the last chunk is sealed as such.
        if self.held.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

// === impl Opening ===

impl<R: Read> Opening<R> {
    /// Opens what comes behind [`MAGIC`].
    pub(crate) fn begin(mut inner: R, key: &Key) -> io::Result<Self> {
        let mut salt = [0; SALT];
        inner.read_exact(&mut salt)?;
        let mut opening = Self {
            inner,
            chunks: Chunks::new(key, &salt)?,
            next: Vec::new(),
            open: Vec::new(),
            given: 0,
            is_done: false,
        };
        opening.next = opening.sealed()?;
        Ok(opening)
    }

    fn sealed(&mut self) -> io::Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(CHUNK + TAG);
        let most = (CHUNK + TAG) as u64;
        self.inner.by_ref().take(most).read_to_end(&mut sealed)?;
        Ok(sealed)
    }

    fn advance(&mut self) -> io::Result<()> {
        let following = self.sealed()?;
        let mut chunk = std::mem::replace(&mut self.next, following);
        self.is_done = self.next.is_empty();
        let nonce = self.chunks.next(self.is_done);
        let open = self
            .chunks
            .key
            .open_in_place(nonce, Aad::empty(), &mut chunk);
        let length = open.map(|open| open.len()).map_err(|_| {
            let reason = "it was sealed with another key, or is not whole";
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        chunk.truncate(length);
        (self.open, self.given) = (chunk, 0);
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.given == self.open.len() && !self.is_done {
            self.advance()?;
        }
        let given = bytes.len().min(self.open.len() - self.given);
        bytes[..given].copy_from_slice(&self.open[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}
