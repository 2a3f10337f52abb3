//! Embedded storage: one SQLite file a tenant, one writer with group commit, many readers.
//!
//! Every capability with an embedded backend keeps its tables here, so that one transaction can
//! span them. Writes of concurrent callers share one `fsync`: the writer thread opens a
//! transaction, runs every job that waits, each in a savepoint of its own, commits, and only then
//! answers. An answered write is durable (`synchronous=FULL`); a refused one left nothing behind.

mod deadline;
mod error;
pub mod quota;
mod reader;
mod writer;

pub use deadline::Deadline;
pub use error::Error;
pub use quota::Quota;
pub use rusqlite;

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: None,
            readers: 4,
            group: 256,
            queue: 1024,
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
}

// === impl Database ===

impl Database {
    /// Opens the file, creating it (readable by its owner only) and its folder if need be.
    ///
    /// # Errors
    /// When the folder or file cannot be made or read, or is not an SQLite database.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        create_private(path)?;
        let writer = writer::Writer::start(open_writer(path, options)?, options)?;
        let readers = reader::Readers::new(path, options.readers.clamp(1, 64));
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                writer,
                readers,
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
}

/// Makes the file before SQLite does, so that it is never readable by others.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
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
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(bytes) = options.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (bytes / u64::from(page)).clamp(1, u64::from(u32::MAX - 1));
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(pages).unwrap_or(i64::MAX),
        )?;
    }
    Ok(connection)
}

/// What readers and the writer have in common.
fn prepare(connection: &mut Connection) -> Result<(), Error> {
    deadline::heed(connection)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}
