//! Embedded storage: one SQLite file a tenant, one writer with group commit, many readers.
//!
//! Every capability with an embedded backend keeps its tables here, so that one transaction can
//! span them. Writes of concurrent callers share one `fsync`: the writer thread opens a
//! transaction, runs every job that waits, each in a savepoint of its own, commits, and only then
//! answers. An answered write is durable (`synchronous=FULL`); a refused one left nothing behind.

mod check;
mod copy;
mod deadline;
mod error;
pub mod quota;
mod reader;
mod wal;
mod writer;

pub use check::check;
pub use copy::{copy, copy_sound};
pub use deadline::Deadline;
pub use error::Error;
pub use quota::Quota;
pub use reader::look_at;
pub use rusqlite;

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// How long a connection waits for another process that has the file, for example one that has not
/// quite ended.
const BUSY: Duration = Duration::from_secs(10);
/// Bytes that the work under way for one database may hold ([`Database::to_the_end`]), in KiB: twice
/// what the largest calls carry, and far more than shares one commit.
const HELD_KIB: u32 = 32 << 10;
/// What any work counts for at least: it holds more than the bytes of its arguments.
const LEAST: usize = 16 << 10;

/// How to open a database file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Largest size of the database file in bytes, rounded down to whole pages; a write past it
    /// is refused with [`Error::Full`]. `None`: as large as the disk.
    pub max_bytes: Option<u64>,
    /// Reader connections, opened as they are needed. 1 to 64.
    pub readers: usize,
    /// Most jobs that share one commit. More does not save much: at 256 the `fsync` is already
    /// a small part of the group's time.
    pub group: usize,
    /// Writes that may wait before callers are held back.
    pub queue: usize,
    /// How long to look for damage at the opening; for files whose last user did not close them.
    pub check: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: None,
            readers: 4,
            group: 256,
            queue: 1024,
            check: None,
        }
    }
}

/// One SQLite file. Cheap to clone; the file is closed when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: writer::Writer,
    readers: reader::Readers,
    /// One for each KiB that work under way may hold.
    room: Arc<Semaphore>,
}

// === impl Database ===

impl Database {
    /// Opens the file, creating it (readable by its owner only) and its folder if need be.
    ///
    /// # Errors
    /// When the folder or file cannot be made or read; [`Error::Damaged`].
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        }
        create_private(path)?;
        refuse_emptied(path)?;
        let connection = open_writer(path, options).map_err(|error| Error::at(path, error))?;
        let writer = writer::Writer::start(path, connection, options)?;
        let readers = reader::Readers::new(path, options.readers.clamp(1, 64));
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                writer,
                readers,
                room: Arc::new(Semaphore::new(HELD_KIB as usize)),
            }),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// How many groups have been committed since the file was opened.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    /// Runs `job` in a savepoint of the writer's transaction and resolves once that is durably
    /// committed. A job that answers `Err`, or panics, is rolled back alone.
    ///
    /// # Errors
    /// What the job answers; [`Error::Full`] when there is no room; [`Error::Panicked`].
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.writer.run(job).await
    }

    /// As [`Database::write`], for a job that holds so many bytes: it waits as
    /// [`Database::to_the_end`] does, as a full queue of large jobs would hold too much memory.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_sized<T, E>(
        &self,
        bytes: usize,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if bytes <= LEAST {
            return self.write(job).await;
        }
        let this = self.clone();
        self.to_the_end(bytes, async move { this.write(job).await })
            .await
    }

    /// Runs work that writes, and holds so many bytes, in a task of its own: once it has begun, it
    /// comes to its end even if the caller is dropped. It begins when what all such work holds
    /// leaves room for it; a caller that is dropped before takes its work with it, so nobody can
    /// pile up work by not waiting for it.
    ///
    /// # Errors
    /// What the work answers; [`Error::Panicked`].
    pub async fn to_the_end<T, E>(
        &self,
        bytes: usize,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let kib = u32::try_from(bytes.max(LEAST) / 1024).map_or(HELD_KIB, |kib| kib.min(HELD_KIB));
        let room = Arc::clone(&self.inner.room);
        let (caller, gone) = oneshot::channel::<()>();
        // It waits in the task too: room that were given to a caller whom nobody polls, as its guest
        // computes, would be lost to others meanwhile.
        let task = tokio::spawn(async move {
            let _held = tokio::select! {
                held = room.acquire_many_owned(kib) => held.map_err(|_| Error::Closed)?,
                _ = gone => return Err(Error::Closed.into()),
            };
            work.await
        });
        let done = task.await;
        drop(caller);
        done.map_err(|error| {
            if error.is_panic() {
                Error::Panicked
            } else {
                Error::Closed
            }
        })?
    }

    /// Runs `job` on a connection that can only read, off the async threads. It sees everything
    /// that was committed before.
    ///
    /// # Errors
    /// What the job answers; [`Error::Panicked`].
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.readers.run(job).await
    }

    /// As [`Database::read`], for a job that looks at a handful of rows by key: it runs on the
    /// calling thread if it can. Handing it to another thread and back would cost several times
    /// what such a job does (two wake-ups against some ten microseconds); what it risks is that
    /// the thread waits for the disk, once per page that is not in memory yet.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn read_short<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.readers.run_short(job).await
    }

    /// As [`Database::read_short`], but `None` where it cannot run on the calling thread. For a job
    /// that may turn out to be long: it gives up in time, and is done anew by [`Database::read`].
    pub fn read_here<T, E: From<Error>>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        self.inner.readers.run_here(job)
    }
}

/// Makes the file before SQLite does, so that it is never readable by others.
///
/// # Errors
/// When it cannot be made.
pub fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|error| Error::file(path, error))?;
    Ok(())
}

/// SQLite takes an empty file for a new database, and forgets the log beside it.
fn refuse_emptied(path: &Path) -> Result<(), Error> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    if length(path) == 0 && length(&wal::path(path)) > 0 {
        return Err(Error::damaged(path, "it is empty, and its log is not"));
    }
    Ok(())
}

fn open_writer(path: &Path, options: &Options) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    prepare(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A burst must not leave a large write-ahead log on the disk for ever.
    connection.pragma_update(None, "journal_size_limit", wal::LARGE)?;
    if let Some(bytes) = options.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (bytes / u64::from(page)).clamp(1, u64::from(u32::MAX - 1));
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(pages).unwrap_or(i64::MAX),
        )?;
    }
    if let Some(patience) = options.check {
        check::look(&connection, path, Some(patience))?;
    }
    Ok(connection)
}

/// What readers and the writer have in common.
fn prepare(connection: &mut Connection) -> Result<(), Error> {
    deadline::heed(connection)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}
