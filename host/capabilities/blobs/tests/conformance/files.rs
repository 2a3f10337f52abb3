//! Of the embedded backend alone: what lies on the disk, whatever is killed when.

use crate::suite::{NOTES, put, read};
use sbd_blobs::{Backend as _, Error, Files, each, link, link_copied, remove};
use sbd_storage::quota::{self, Quota};
use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Options};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Tenant {
    database: Database,
    files: Files,
    folder: tempfile::TempDir,
}

// === impl Tenant ===

impl Tenant {
    async fn new(most: Option<u64>) -> Self {
        Self::at(tempfile::tempdir().unwrap(), most).await
    }

    async fn at(folder: tempfile::TempDir, most: Option<u64>) -> Self {
        let options = Options {
            max_bytes: most,
            ..Options::default()
        };
        let database = Database::open(&folder.path().join("tenant.db"), &options).unwrap();
        let blobs = folder.path().join("tenant.blobs");
        let files = Files::open(database.clone(), blobs, most).await.unwrap();
        Self {
            database,
            files,
            folder,
        }
    }

    /// As after `kill -9`, with whatever was done to the disk before.
    async fn again(self) -> Self {
        drop((self.files, self.database));
        Self::at(self.folder, None).await
    }

    fn blobs(&self) -> PathBuf {
        self.folder.path().join("tenant.blobs")
    }

    fn on_disk(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.blobs()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    async fn named(&self) -> BTreeSet<String> {
        let named = |connection: &Connection| {
            let mut named = BTreeSet::new();
            each(connection, |stored| {
                named.insert(stored.file);
                Ok::<_, Error>(())
            })?;
            Ok::<_, Error>(named)
        };
        self.database.read(named).await.unwrap()
    }

    async fn allow(&self, bytes: u64) {
        let allow = move |connection: &Connection| {
            let quota = Quota {
                bytes,
                ..Quota::UNLIMITED
            };
            quota::allow(connection, "notes", quota)
        };
        self.database.write(allow).await.unwrap();
    }

    async fn begin(&self, name: &str) -> String {
        let begun = self.files.begin(&NOTES, name.to_owned(), "x".to_owned());
        begun.await.unwrap()
    }

    async fn append(&self, id: &str, bytes: usize) -> Result<u64, Error> {
        let piece = vec![7; bytes];
        self.files.append(&NOTES, id.to_owned(), piece).await
    }
}

#[tokio::test]
async fn no_name_is_a_path() {
    let tenant = Tenant::new(None).await;
    for name in ["..%2f..%2fetc", "a/b", "C:\\x", "tenant.db", "x.partial"] {
        put(&tenant.files, name, &[b"x"]).await;
    }
    let is_id = |name: &String| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(tenant.on_disk().iter().all(is_id), "{:?}", tenant.on_disk());
    assert_eq!(std::fs::read_dir(tenant.folder.path()).unwrap().count(), 4);
}

#[tokio::test]
async fn what_is_replaced_deleted_or_abandoned_leaves_nothing() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "n", &[b"1"]).await;
    put(&tenant.files, "n", &[b"2"]).await;
    put(&tenant.files, "m", &[b"3"]).await;
    tenant.files.delete(&NOTES, "m".to_owned()).await.unwrap();
    let id = tenant.begin("x").await;
    tenant.append(&id, 9).await.unwrap();
    tenant.files.abandon(&NOTES, id).await.unwrap();
    assert_eq!(tenant.on_disk().len(), 1);
    assert_eq!(tenant.on_disk(), tenant.named().await);
}

/// Each line of what happens is cut off where a process can be killed.
#[tokio::test]
async fn a_killed_process_leaves_nothing_orphaned_or_dangling() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "n", &[b"kept"]).await;
    let kept = tenant.on_disk();
    // While a piece is written.
    let partial = tenant.blobs().join("0192.partial");
    std::fs::write(&partial, b"half").unwrap();
    // Between the rename and the commit; between the commit that deletes or replaces and the deletion.
    std::fs::write(tenant.blobs().join("0193"), b"whole").unwrap();
    let tenant = tenant.again().await;
    assert_eq!(tenant.on_disk(), kept);
    assert_eq!(tenant.named().await, kept);
    assert_eq!(read(&tenant.files, "n").await.unwrap(), b"kept");
}

/// One process, two who have the tenant open: the old one has not quite ended.
#[tokio::test]
async fn what_another_swept_away_does_not_take_its_name() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "n", &[b"kept"]).await;
    let id = tenant.begin("n").await;
    tenant.append(&id, 9).await.unwrap();
    Files::open(tenant.database.clone(), tenant.blobs(), None)
        .await
        .unwrap();
    assert!(tenant.append(&id, 9).await.is_err());
    assert!(tenant.files.finish(&NOTES, id).await.is_err());
    assert_eq!(read(&tenant.files, "n").await.unwrap(), b"kept");
    assert_eq!(tenant.on_disk(), tenant.named().await);
}

#[tokio::test]
async fn what_is_not_on_the_disk_is_told() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "gone", &[b"content"]).await;
    let file = tenant.blobs().join(tenant.on_disk().first().unwrap());
    std::fs::write(&file, b"con").unwrap();
    let refused = read(&tenant.files, "gone").await;
    assert!(matches!(refused, Err(Error::Lost(_))), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
    let refused = read(&tenant.files, "gone").await;
    assert!(matches!(refused, Err(Error::Lost(_))), "{refused:?}");
    // And it can be put anew, or deleted.
    put(&tenant.files, "gone", &[b"content"]).await;
    assert!(
        tenant
            .files
            .delete(&NOTES, "gone".to_owned())
            .await
            .unwrap()
    );
}

/// What is written goes where there is never room.
#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let tenant = Tenant::new(None).await;
    let id = tenant.begin("n").await;
    let partial = tenant.blobs().join(format!("{id}.partial"));
    std::fs::remove_file(&partial).unwrap();
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let refused = tenant.append(&id, 9).await;
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    assert!(tenant.on_disk().is_empty());
    let finished = tenant.files.finish(&NOTES, id).await;
    assert!(matches!(finished, Err(Error::NotBegun)), "{finished:?}");
    put(&tenant.files, "n", &[b"again"]).await;
}

#[tokio::test]
async fn a_component_keeps_no_more_than_it_may() {
    let tenant = Tenant::new(None).await;
    tenant.allow(10_000).await;
    put(&tenant.files, "a", &[&[1; 4000]]).await;
    let id = tenant.begin("b").await;
    tenant.append(&id, 3000).await.unwrap();
    let other = tenant.begin("c").await;
    tenant.append(&other, 1000).await.unwrap();
    // Refused as it comes, not at the end; what others have begun counts.
    let refused = tenant.append(&id, 2000).await;
    let is_quota = |refused: &Error| {
        matches!(
            refused,
            Error::Storage(sbd_storage::Error::Quota("stored_bytes"))
        )
    };
    assert!(is_quota(&refused.unwrap_err()));
    tenant.files.abandon(&NOTES, other).await.unwrap();
    tenant.append(&id, 1000).await.unwrap();
    tenant.append(&id, 900).await.unwrap();
    // Nothing but their texts too much.
    let refused = tenant.files.finish(&NOTES, id).await;
    assert!(is_quota(&refused.unwrap_err()));
    assert_eq!(tenant.on_disk().len(), 1);
    tenant.files.delete(&NOTES, "a".to_owned()).await.unwrap();
    put(&tenant.files, "b", &[&[1; 8000]]).await;
    let stored = |connection: &Connection| quota::stored_by(connection, "notes");
    let stored = tenant.database.read(stored).await.unwrap();
    assert_eq!(stored.bytes, 8000 + 1 + 10 + 1024);
}

#[tokio::test]
async fn a_tenant_keeps_no_more_than_it_may() {
    let tenant = Tenant::new(Some(1 << 20)).await;
    let id = tenant.begin("a").await;
    let refused = loop {
        if let Err(refused) = tenant.append(&id, 100_000).await {
            break refused;
        }
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    tenant.files.finish(&NOTES, id).await.unwrap();
    // What the blobs take, the database cannot.
    let fill = |connection: &Connection| {
        connection.execute_batch("CREATE TABLE t AS SELECT randomblob(500000) AS x")?;
        Ok::<_, sbd_storage::Error>(())
    };
    let refused = tenant.database.write(fill).await;
    assert!(
        matches!(refused, Err(sbd_storage::Error::Full)),
        "{refused:?}"
    );
    tenant.files.delete(&NOTES, "a".to_owned()).await.unwrap();
    tenant.database.write(fill).await.unwrap();
    let id = tenant.begin("b").await;
    assert!(tenant.append(&id, 600_000).await.is_err());
}

/// Whoever does not wait any more: nothing is left, or all of it is done.
#[tokio::test]
async fn who_does_not_wait_leaves_nothing_half_done() {
    let tenant = Tenant::new(None).await;
    for n in 0..20 {
        let id = tenant.begin("n").await;
        tenant.append(&id, 1000).await.unwrap();
        let finish = tenant.files.finish(&NOTES, id);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 50), finish).await;
    }
    // Those that began to finish come to their end.
    put(&tenant.files, "last", &[]).await;
    let tenant = tenant.again().await;
    assert_eq!(tenant.on_disk(), tenant.named().await);
}

#[tokio::test]
async fn what_is_written_down_is_of_one_moment() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "a", &[b"1"]).await;
    put(&tenant.files, "b", &[b"2"]).await;
    let copy = tenant.folder.path().join("copy.db");
    sbd_storage::copy_sound(tenant.database.path(), &copy).unwrap();
    // Deleted and put while the copy was made.
    tenant.files.delete(&NOTES, "a".to_owned()).await.unwrap();
    put(&tenant.files, "c", &[b"3"]).await;
    let to = tempfile::tempdir_in(tenant.folder.path()).unwrap();
    let files = link_copied(&copy, &tenant.blobs(), to.path()).unwrap();
    assert_eq!(files.len(), 1);
    tenant.files.delete(&NOTES, "b".to_owned()).await.unwrap();
    assert_eq!(std::fs::read(to.path().join(&files[0])).unwrap(), b"2");
    let copied = Connection::open(&copy).unwrap();
    let mut names = Vec::new();
    each(&copied, |stored| {
        names.push((stored.component, stored.blob.name));
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(names, [("notes".to_owned(), "b".to_owned())]);
    let stored = quota::stored_by(&copied, "notes").unwrap();
    assert_eq!(stored.bytes, 1 + 1 + 10 + 1024);

    // A database of a version before has no blobs.
    let empty = Connection::open_in_memory().unwrap();
    assert!(
        link(&empty, Path::new("none"), to.path())
            .unwrap()
            .is_empty()
    );
    each(&empty, |_| Err(Error::NotBegun)).unwrap();
}

#[tokio::test]
async fn all_of_a_tenant_is_removed() {
    let tenant = Tenant::new(None).await;
    put(&tenant.files, "a", &[b"12345"]).await;
    let removed = remove(&tenant.blobs()).unwrap();
    assert_eq!(
        removed.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(),
        [5]
    );
    assert!(!tenant.blobs().exists());
    assert!(remove(&tenant.blobs()).unwrap().is_empty());
}
