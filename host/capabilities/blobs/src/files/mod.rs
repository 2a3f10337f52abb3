//! The embedded backend: a file a blob, in a folder beside the tenant's SQLite file, which holds the index.
//!
//! A file is named by an id of ours, so that no name of a component's becomes a path. It is written as
//! `ID.partial`; when it is whole and on the disk it is renamed to `ID`, and only then the index names it, in the
//! commit in which it takes its name. A file that the index does not name any more is deleted after the commit.
//! So whatever is killed when, the index never names what is not there; what it does not name is swept away when
//! the tenant is opened.

mod begun;
mod index;
mod keeping;

pub use index::{Stored, each};
pub use keeping::{link, link_copied, remove};

use crate::limits::PATIENCE;
use crate::{Backend, Blob, Boxed, Error, Page};
use begun::{Begun, Put};
use index::Named;
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::rusqlite::Connection;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the names of files end that are being written.
const PARTIAL: &str = ".partial";

/// The blobs of one tenant, in files. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    /// Where the files lie; no folder before the first.
    folder: PathBuf,
    /// What database and blobs may take together.
    most: Option<u64>,
    begun: Begun,
}

// === impl Files ===

impl Files {
    /// Uses the tenant's database, and makes the index if it is not there yet. What was being put when the
    /// process ended, and what the index does not name, goes. Database and blobs together take `most` bytes at
    /// most.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Io`].
    pub async fn open(
        database: Database,
        folder: PathBuf,
        most: Option<u64>,
    ) -> Result<Self, Error> {
        let swept = folder.clone();
        // In the writer's turn, in which nothing takes its name.
        let open = move |connection: &Connection| {
            index::create(connection)?;
            index::share_room(connection, most)?;
            sweep(connection, &swept)
        };
        database.write(open).await?;
        let inner = Inner {
            database,
            folder,
            most,
            begun: Begun::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.inner.folder.join(file)
    }

    async fn named(&self, component: &Arc<str>, name: &str) -> Result<Option<Named>, Error> {
        let (component, name) = (Arc::clone(component), name.to_owned());
        let find = move |connection: &Connection| index::find(connection, &component, &name);
        self.inner.database.read_short(find).await
    }

    async fn append(&self, component: &Arc<str>, id: &str, piece: Vec<u8>) -> Result<u64, Error> {
        let put = self.inner.begun.get(component, id)?;
        let writing = Arc::clone(&put.writing).lock_owned().await;
        let (owner, most) = (Arc::clone(component), self.inner.most);
        let look = move |connection: &Connection| index::room(connection, &owner, most);
        let room = self.inner.database.read_short(look).await?;
        self.inner.begun.reserve(&put, piece.len() as u64, room)?;
        let appended = blocking(move || begun::append(writing, &piece)).await;
        if appended.is_err() {
            self.inner.begun.forget(id);
        }
        appended
    }

    /// Comes to its end once it has begun, even if nobody waits for it any more.
    async fn complete(self, component: Arc<str>, id: String) -> Result<Blob, Error> {
        let put = self.inner.begun.get(&component, &id)?;
        let writing = Arc::clone(&put.writing).lock_owned().await;
        let whole = self.path(&id);
        let placed = {
            let whole = whole.clone();
            blocking(move || begun::place(writing, &whole)).await
        };
        let taken = match placed {
            Ok((size, sha256)) => {
                self.take_name(&component, &put, id.clone(), size, sha256)
                    .await
            }
            Err(error) => Err(error),
        };
        self.inner.begun.forget(&id);
        match taken {
            Ok((blob, replaced)) => {
                self.delete_files(replaced.into_iter().collect()).await;
                Ok(blob)
            }
            // Then nobody knows what was committed; the next to open the tenant finds out.
            Err(error @ Error::Storage(sbd_storage::Error::Closed)) => Err(error),
            Err(error) => {
                self.delete_files(vec![id]).await;
                Err(error)
            }
        }
    }

    /// The commit in which a file on the disk takes its name; answers also what file had it before.
    async fn take_name(
        &self,
        component: &Arc<str>,
        put: &Put,
        file: String,
        size: u64,
        sha256: String,
    ) -> Result<(Blob, Option<String>), Error> {
        let now = Timestamp::now().as_millisecond();
        let blob = Blob {
            name: put.name.clone(),
            size,
            content_type: put.content_type.clone(),
            sha256,
            at: Timestamp::from_millisecond(now).unwrap_or_default(),
        };
        let named = Named { blob, file };
        let (component, most) = (Arc::clone(component), self.inner.most);
        let path = self.path(&named.file);
        let take = move |connection: &Connection| {
            // Another who has opened the tenant meanwhile may have swept it away.
            if !path.exists() {
                return Err(Error::NotBegun);
            }
            let replaced = index::put(connection, &component, &named)?;
            match index::share_room(connection, most)? {
                true => Ok((named.blob, replaced)),
                false => Err(Error::Full),
            }
        };
        self.inner.database.write(take).await
    }

    async fn read(
        &self,
        component: &Arc<str>,
        name: String,
        offset: u64,
        length: u32,
        sha256: Option<String>,
    ) -> Result<Vec<u8>, Error> {
        // Between the look at the index and the reading it may be replaced, once in a while twice.
        for _ in 0..3 {
            let named = self.named(component, &name).await?;
            let named = named.ok_or_else(|| Error::NotFound(name.clone()))?;
            if sha256
                .as_ref()
                .is_some_and(|sha256| *sha256 != named.blob.sha256)
            {
                return Err(Error::Replaced(name));
            }
            let left = named.blob.size.saturating_sub(offset);
            let length = usize::try_from(left.min(length.into())).unwrap_or(usize::MAX);
            if length == 0 {
                return Ok(Vec::new());
            }
            let path = self.path(&named.file);
            let read = blocking(move || {
                let mut piece = vec![0; length];
                File::open(&path)?.read_exact_at(&mut piece, offset)?;
                Ok(piece)
            });
            match read.await {
                Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
                read => return read,
            }
        }
        Err(Error::Lost(name))
    }

    async fn delete(self, component: Arc<str>, name: String) -> Result<bool, Error> {
        let most = self.inner.most;
        let delete = move |connection: &Connection| {
            let file = index::delete(connection, &component, &name)?;
            index::share_room(connection, most)?;
            Ok::<_, Error>(file)
        };
        let file = self.inner.database.write(delete).await?;
        let was_there = file.is_some();
        self.delete_files(file.into_iter().collect()).await;
        Ok(was_there)
    }

    async fn delete_all(self, component: Arc<str>, prefix: String) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let (component, prefix) = (Arc::clone(&component), prefix.clone());
            let most = self.inner.most;
            let delete = move |connection: &Connection| {
                let files = index::delete_some(connection, &component, &prefix)?;
                index::share_room(connection, most)?;
                Ok::<_, Error>(files)
            };
            let files = self.inner.database.write(delete).await?;
            if files.is_empty() {
                return Ok(deleted);
            }
            deleted += files.len() as u64;
            self.delete_files(files).await;
        }
    }

    /// Files that the index does not name any more. One that stays is swept away when the tenant is opened.
    async fn delete_files(&self, files: Vec<String>) {
        let paths: Vec<_> = files.iter().map(|file| self.path(file)).collect();
        let delete = move || {
            for path in paths {
                delete_file(&path);
            }
            Ok(())
        };
        let _ = blocking(delete).await;
    }
}

impl Backend for Files {
    fn begin<'a>(
        &'a self,
        component: &'a Arc<str>,
        name: String,
        content_type: String,
    ) -> Boxed<'a, String> {
        Box::pin(async move {
            let id = uuid::Uuid::now_v7().simple().to_string();
            let partial = self.path(&format!("{id}{PARTIAL}"));
            let put = Put::new(Arc::clone(component), name, content_type, partial.clone());
            // Listed before it is there: whoever is dropped in between leaves what is forgotten in time.
            self.inner.begun.add(id.clone(), put)?;
            let folder = self.inner.folder.clone();
            let made = blocking(move || begun::make(&folder, &partial)).await;
            if made.is_err() {
                self.inner.begun.forget(&id);
            }
            made.map(|()| id)
        })
    }

    fn append<'a>(&'a self, component: &'a Arc<str>, id: String, piece: Vec<u8>) -> Boxed<'a, u64> {
        Box::pin(async move { self.append(component, &id, piece).await })
    }

    fn finish<'a>(&'a self, component: &'a Arc<str>, id: String) -> Boxed<'a, Blob> {
        Box::pin(to_the_end(self.clone().complete(Arc::clone(component), id)))
    }

    fn abandon<'a>(&'a self, component: &'a Arc<str>, id: String) -> Boxed<'a, ()> {
        Box::pin(async move {
            if self.inner.begun.get(component, &id).is_ok() {
                self.inner.begun.forget(&id);
            }
            Ok(())
        })
    }

    fn head<'a>(&'a self, component: &'a Arc<str>, name: String) -> Boxed<'a, Option<Blob>> {
        Box::pin(async move {
            let named = self.named(component, &name).await?;
            Ok(named.map(|named| named.blob))
        })
    }

    fn read<'a>(
        &'a self,
        component: &'a Arc<str>,
        name: String,
        offset: u64,
        length: u32,
        sha256: Option<String>,
    ) -> Boxed<'a, Vec<u8>> {
        Box::pin(self.read(component, name, offset, length, sha256))
    }

    fn list<'a>(
        &'a self,
        component: &'a Arc<str>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Boxed<'a, Page> {
        let component = Arc::clone(component);
        let list = move |connection: &Connection| {
            index::page(connection, &component, &prefix, after.as_deref(), limit)
        };
        Box::pin(self.inner.database.read(list))
    }

    fn delete<'a>(&'a self, component: &'a Arc<str>, name: String) -> Boxed<'a, bool> {
        Box::pin(to_the_end(self.clone().delete(Arc::clone(component), name)))
    }

    fn delete_all<'a>(&'a self, component: &'a Arc<str>, prefix: String) -> Boxed<'a, u64> {
        Box::pin(to_the_end(
            self.clone().delete_all(Arc::clone(component), prefix),
        ))
    }

    fn sweep_at(&self, now: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { Ok(self.inner.begun.forget_idle(now, PATIENCE)) })
    }
}

/// Removes what the index does not name.
fn sweep(connection: &Connection, folder: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let named = index::files(connection)?;
    let mut swept = 0_u64;
    for entry in entries {
        let entry = entry?;
        let is_named = entry
            .file_name()
            .to_str()
            .is_some_and(|name| named.contains(name));
        if !is_named {
            delete_file(&entry.path());
            swept += 1;
        }
    }
    if swept > 0 {
        tracing::info!(folder = %folder.display(), swept, "blobs that were not finished, or deleted in part, are gone");
    }
    Ok(())
}

fn delete_file(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a blob that was deleted is still on the disk; it goes when the tenant is next opened");
        }
        _ => {}
    }
}

async fn blocking<R: Send + 'static>(
    job: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|_| sbd_storage::Error::Panicked)?
}

async fn to_the_end<R: Send + 'static>(
    work: impl Future<Output = Result<R, Error>> + Send + 'static,
) -> Result<R, Error> {
    let done = tokio::spawn(work).await;
    done.map_err(|_| sbd_storage::Error::Panicked)?
}
