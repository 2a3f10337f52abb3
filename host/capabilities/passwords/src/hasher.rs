//! Hashing off the async threads, behind whatever else is to be done, and never more of it than the machine bears.

use crate::stored::{self, Stored};
use crate::{Error, Settings};
use sbd_turns::{BrokenOff, Turns};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Longest password in bytes: far over any passphrase, short enough to cost nothing to carry.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Texts that are known of a password's owner, at most, and bytes of each.
const MAX_KNOWN: usize = 10;
const MAX_KNOWN_BYTES: usize = 256;

/// Bytes of the longest hash that is read: those that are made have about a hundred.
const MAX_HASH_BYTES: usize = 512;

/// The answer to [`crate::PasswordsCtx::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the right one.
    pub valid: bool,
    /// A hash to store in place of the old one, when that was not made as one is made today.
    pub rehashed: Option<String>,
}

/// Hashes and compares passwords for everyone on this host. One is enough for a process: it
/// bounds how many hashes are computed at the same time, and how many callers wait.
pub struct Hasher {
    work: Arc<Work>,
    /// One for each hash that is being computed.
    turns: Turns,
    /// One for each caller that computes or waits.
    places: Arc<Semaphore>,
}

struct Work {
    settings: Settings,
    /// Compared with where there is no hash, so that an account that does not exist answers as
    /// late as one that does.
    decoy: Stored,
}

// === impl Hasher ===

impl Hasher {
    /// Prepares hashing; computes one hash, so call it off the async threads.
    ///
    /// # Errors
    /// [`Error::Settings`] when a parameter is out of bounds; [`Error::Unavailable`] when the
    /// machine has no randomness or memory for it.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if settings.concurrent == 0 || settings.concurrent > 4096 || settings.waiting > 1 << 20 {
            let bounds = "`concurrent` is 1 to 4096 and `waiting` at most 1048576";
            return Err(Error::Settings(bounds.to_owned()));
        }
        let refused = |error| match error {
            Error::Unavailable(cause) => Error::Settings(cause),
            other => other,
        };
        let decoy = stored::hash(&settings, "decoy").map_err(refused)?;
        let decoy = Stored::read(&decoy)
            .ok_or_else(|| Error::Settings("one hash would cost too much".to_owned()))?;
        Ok(Self {
            turns: Turns::new(settings.concurrent),
            places: Arc::new(Semaphore::new(settings.concurrent + settings.waiting)),
            work: Arc::new(Work { settings, decoy }),
        })
    }

    /// Places that one tenant may take.
    pub(crate) fn share(&self) -> usize {
        let settings = &self.work.settings;
        (settings.concurrent + settings.waiting).div_ceil(2)
    }

    /// Hashes a password with today's algorithm and parameters.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        check(&password)?;
        self.compute(move |work| stored::hash(&work.settings, &password))
            .await
    }

    /// How hard a password is to guess, 0 to 4.
    pub(crate) async fn strength(&self, password: String, known: Vec<String>) -> Result<u8, Error> {
        check(&password)?;
        if known.len() > MAX_KNOWN || known.iter().any(|text| text.len() > MAX_KNOWN_BYTES) {
            return Err(Error::Invalid(format!(
                "at most {MAX_KNOWN} texts of {MAX_KNOWN_BYTES} bytes are known of an owner"
            )));
        }
        self.compute(move |_| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Ok(zxcvbn::zxcvbn(&password, &known).score().into())
        })
        .await
    }

    /// Compares a password with a hash, or with the decoy.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<Verdict, Error> {
        check(&password)?;
        let hash = hash.filter(|hash| hash.len() <= MAX_HASH_BYTES);
        self.compute(move |work| work.verify(&password, hash.as_deref()))
            .await
    }

    /// Runs `job` when it is its turn. A caller that goes away gives back its place, but the turn
    /// belongs to the job until that ends.
    async fn compute<R: Send + 'static>(
        &self,
        job: impl FnOnce(&Work) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::Busy)?;
        let work = Arc::clone(&self.work);
        let computed = self.turns.work_behind(move || {
            let _place = place;
            job(&work)
        });
        let broken_off = |error: BrokenOff| Error::Unavailable(error.to_string());
        computed.await.map_err(broken_off)?
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("settings", &self.work.settings)
            .finish_non_exhaustive()
    }
}

fn check(password: &str) -> Result<(), Error> {
    match password.len() {
        1..=MAX_PASSWORD_BYTES => Ok(()),
        length => Err(Error::Invalid(format!(
            "a password has 1 to {MAX_PASSWORD_BYTES} bytes; this one has {length}"
        ))),
    }
}

// === impl Work ===

impl Work {
    fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict, Error> {
        let Some(stored) = hash.and_then(Stored::read) else {
            self.decoy.matches(password)?;
            return Ok(Verdict::no());
        };
        if !stored.matches(password)? {
            return Ok(Verdict::no());
        }
        // A password that today's algorithm cannot take (bcrypt: over 72 bytes) keeps its hash.
        let rehashed = match stored.is_current(&self.settings) {
            true => None,
            false => stored::hash(&self.settings, password).ok(),
        };
        Ok(Verdict {
            valid: true,
            rehashed,
        })
    }
}

// === impl Verdict ===

impl Verdict {
    fn no() -> Self {
        Self {
            valid: false,
            rehashed: None,
        }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("valid", &self.valid)
            .field("rehashed", &self.rehashed.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}
