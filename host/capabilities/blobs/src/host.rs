//! The host side of `sbd:platform/blobs`. The store is free while a call waits.

use crate::bindings::blobs as wit;
use crate::{Blob, Blobs, BlobsCtx, Error, limits};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl wit::Host for BlobsCtx {}

impl<T: Metered> wit::HostWithStore<T> for Blobs {
    async fn begin(
        store: &Accessor<T, Self>,
        name: String,
        content_type: String,
    ) -> Result<String, wit::Error> {
        let (ctx, _charge) = called(store, "begin", name.len() + content_type.len())?;
        limits::check_name(&name)?;
        limits::check_content_type(&content_type)?;
        let begun = ctx.backend.begin(&ctx.component, name, content_type);
        Ok(begun.await?)
    }

    async fn append(
        store: &Accessor<T, Self>,
        id: String,
        piece: Vec<u8>,
    ) -> Result<u64, wit::Error> {
        let (ctx, charge) = called(store, "append", id.len() + piece.len())?;
        limits::check_piece(piece.len())?;
        let appended = ctx.backend.append(&ctx.component, id, piece).await;
        Ok(noted(&charge, appended)?)
    }

    async fn finish(store: &Accessor<T, Self>, id: String) -> Result<wit::Blob, wit::Error> {
        let (ctx, charge) = called(store, "finish", id.len())?;
        let finished = ctx.backend.finish(&ctx.component, id).await;
        let blob = wit::Blob::from(noted(&charge, finished)?);
        charge.written(bytes_of(&blob));
        Ok(blob)
    }

    async fn abandon(store: &Accessor<T, Self>, id: String) -> Result<(), wit::Error> {
        let (ctx, _charge) = called(store, "abandon", id.len())?;
        Ok(ctx.backend.abandon(&ctx.component, id).await?)
    }

    async fn head(
        store: &Accessor<T, Self>,
        name: String,
    ) -> Result<Option<wit::Blob>, wit::Error> {
        let (ctx, charge) = called(store, "head", name.len())?;
        limits::check_name(&name)?;
        let blob = ctx.backend.head(&ctx.component, name).await?;
        let blob = blob.map(wit::Blob::from);
        charge.answer(blob.as_ref().map_or(0, bytes_of))?;
        Ok(blob)
    }

    async fn read(
        store: &Accessor<T, Self>,
        name: String,
        offset: u64,
        length: u32,
        sha256: Option<String>,
    ) -> Result<Vec<u8>, wit::Error> {
        let asked = name.len() + sha256.as_ref().map_or(0, String::len);
        let (ctx, charge) = called(store, "read", asked)?;
        limits::check_name(&name)?;
        limits::check_piece(length as usize)?;
        let read = ctx
            .backend
            .read(&ctx.component, name, offset, length, sha256);
        let piece = read.await?;
        charge.answer(piece.len())?;
        Ok(piece)
    }

    async fn list(
        store: &Accessor<T, Self>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<wit::Page, wit::Error> {
        let asked = prefix.len() + cursor.as_ref().map_or(0, String::len);
        let (ctx, charge) = called(store, "list", asked)?;
        limits::check_page(limit)?;
        let listed = ctx.backend.list(&ctx.component, prefix, cursor, limit);
        let page = listed.await?;
        let blobs: Vec<_> = page.blobs.into_iter().map(wit::Blob::from).collect();
        charge.answer(blobs.iter().map(bytes_of).sum())?;
        Ok(wit::Page {
            blobs,
            next: page.next,
        })
    }

    async fn delete(store: &Accessor<T, Self>, name: String) -> Result<bool, wit::Error> {
        let (ctx, _charge) = called(store, "delete", name.len())?;
        limits::check_name(&name)?;
        Ok(ctx.backend.delete(&ctx.component, name).await?)
    }

    async fn delete_all(store: &Accessor<T, Self>, prefix: String) -> Result<u64, wit::Error> {
        let (ctx, _charge) = called(store, "delete-all", prefix.len())?;
        limits::check_prefix(&prefix)?;
        Ok(ctx.backend.delete_all(&ctx.component, prefix).await?)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Blobs>,
    operation: &'static str,
    bytes: usize,
) -> Result<(BlobsCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "blobs", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

/// Notes which limit of the component refused a write, if one did.
fn noted<R>(charge: &Charge, written: Result<R, Error>) -> Result<R, Error> {
    if let Err(Error::Storage(sbd_storage::Error::Quota(limit))) = &written {
        charge.refused(limit);
    }
    written
}

fn bytes_of(blob: &wit::Blob) -> usize {
    let texts = [&blob.name, &blob.content_type, &blob.sha256, &blob.at];
    texts.into_iter().map(String::len).sum()
}

impl From<Blob> for wit::Blob {
    fn from(blob: Blob) -> Self {
        Self {
            name: blob.name,
            size: blob.size,
            content_type: blob.content_type,
            sha256: blob.sha256,
            at: format!("{:.3}", blob.at),
        }
    }
}

impl From<OverLimit> for wit::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        use sbd_storage::Error as Storage;
        match &error {
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::NotFound(_) | Error::Replaced(_) | Error::NotBegun => {
                Self::NotFound(error.to_string())
            }
            Error::TooMany(_) => Self::Limit(error.to_string()),
            Error::Full | Error::Storage(Storage::Full | Storage::Quota(_)) => Self::Full,
            Error::Lost(_) => Self::Other(error.to_string()),
            Error::Io(_) | Error::Storage(_) => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::blobs::{self as wit, HostWithStore as _};
    use crate::limits::MAX_PIECE_BYTES;
    use crate::{Blobs, BlobsCtx, BlobsView, Files, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links};
    use sbd_metering::{Budget, Meter, Unmetered};
    use sbd_storage::quota::{self, Quota};
    use sbd_storage::rusqlite::Connection;
    use sbd_storage::{Database, Options};
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl BlobsView for Instance<BlobsCtx> {
        fn blobs(&mut self) -> &mut BlobsCtx {
            &mut self.ctx
        }
    }

    struct Host {
        ctx: BlobsCtx,
        database: Database,
        _folder: tempfile::TempDir,
    }

    async fn host() -> Host {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenant.db");
        let database = Database::open(&path, &Options::default()).unwrap();
        let files = Files::open(database.clone(), folder.path().join("blobs"), None).await;
        Host {
            ctx: BlobsCtx::new(Arc::new(files.unwrap()), "notes".into()),
            database,
            _folder: folder,
        }
    }

    /// Runs `guest` with what a component has: the interface.
    async fn metered<R: Send + 'static>(
        host: &Host,
        meter: Arc<dyn Meter>,
        guest: impl AsyncFnOnce(&Accessor<Instance<BlobsCtx>, Blobs>) -> R + Send,
    ) -> R {
        let (ctx, view) = (host.ctx.clone(), Instance::<BlobsCtx>::blobs);
        sbd_capability_testing::metered::<_, Blobs, _>(ctx, meter, view, guest).await
    }

    fn name() -> String {
        "n".to_owned()
    }

    fn kind() -> String {
        "text/plain".to_owned()
    }

    #[test]
    fn the_interface_links() {
        assert_links::<BlobsCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let host = host().await;
        metered(&host, Arc::new(Unmetered), async |store| {
            let id = Blobs::begin(store, name(), kind()).await.unwrap();
            let appended = Blobs::append(store, id.clone(), b"hello".to_vec()).await;
            assert_eq!(appended.unwrap(), 5);
            let blob = Blobs::finish(store, id).await.unwrap();
            assert_eq!((blob.size, blob.sha256.len(), blob.at.len()), (5, 64, 24));
            assert_eq!(
                Blobs::head(store, name()).await.unwrap().unwrap().at,
                blob.at
            );
            let piece = Blobs::read(store, name(), 1, 3, Some(blob.sha256)).await;
            assert_eq!(piece.unwrap(), b"ell");
            let other = Blobs::read(store, name(), 1, 3, Some("0".repeat(64))).await;
            assert!(matches!(other, Err(wit::Error::NotFound(_))));
            let page = Blobs::list(store, String::new(), None, 1).await.unwrap();
            assert_eq!((page.blobs.len(), page.next), (1, None));
            let id = Blobs::begin(store, name(), kind()).await.unwrap();
            Blobs::abandon(store, id.clone()).await.unwrap();
            assert!(matches!(
                Blobs::finish(store, id).await,
                Err(wit::Error::NotFound(_))
            ));
            assert!(Blobs::delete(store, name()).await.unwrap());
            assert_eq!(Blobs::delete_all(store, name()).await.unwrap(), 0);
        })
        .await;
    }

    #[tokio::test]
    async fn names_pieces_and_pages_have_bounds() {
        let host = host().await;
        metered(&host, Arc::new(Unmetered), async |store| {
            for wrong in ["", "/a", "a/", "a//b", "../a", "a/./b", &"n".repeat(513)] {
                let wrong = || wrong.to_owned();
                let begun = Blobs::begin(store, wrong(), kind()).await;
                assert!(matches!(begun, Err(wit::Error::Invalid(_))), "{begun:?}");
                assert!(Blobs::head(store, wrong()).await.is_err());
                assert!(Blobs::read(store, wrong(), 0, 1, None).await.is_err());
                assert!(Blobs::delete(store, wrong()).await.is_err());
            }
            for wrong in [
                "",
                "text/plain\r\nset-cookie: a=b",
                "tëxt",
                &"x".repeat(256),
            ] {
                let begun = Blobs::begin(store, name(), wrong.to_owned()).await;
                assert!(matches!(begun, Err(wit::Error::Invalid(_))), "{begun:?}");
            }
            let id = Blobs::begin(store, "n".repeat(512), kind()).await.unwrap();
            for wrong in [0, MAX_PIECE_BYTES + 1] {
                let appended = Blobs::append(store, id.clone(), vec![0; wrong]).await;
                assert!(matches!(appended, Err(wit::Error::Invalid(_))));
                let length = u32::try_from(wrong).unwrap();
                let read = Blobs::read(store, name(), 0, length, None).await;
                assert!(matches!(read, Err(wit::Error::Invalid(_))));
            }
            let appended = Blobs::append(store, id, vec![0; MAX_PIECE_BYTES]).await;
            appended.unwrap();
            for wrong in [0, 1001] {
                let page = Blobs::list(store, String::new(), None, wrong).await;
                assert!(matches!(page, Err(wit::Error::Invalid(_))));
            }
            let all = Blobs::delete_all(store, String::new()).await;
            assert!(matches!(all, Err(wit::Error::Invalid(_))));
        })
        .await;
    }

    #[tokio::test]
    async fn every_function_stops_where_the_request_may_not_call_any_more() {
        let (host, meter) = (host().await, Arc::new(Budget::new(0, usize::MAX)));
        let answers = metered(&host, meter.clone(), async |store| {
            [
                Blobs::begin(store, name(), kind()).await.map(drop),
                Blobs::append(store, name(), vec![1]).await.map(drop),
                Blobs::finish(store, name()).await.map(drop),
                Blobs::abandon(store, name()).await,
                Blobs::head(store, name()).await.map(drop),
                Blobs::read(store, name(), 0, 1, None).await.map(drop),
                Blobs::list(store, name(), None, 1).await.map(drop),
                Blobs::delete(store, name()).await.map(drop),
                Blobs::delete_all(store, name()).await.map(drop),
            ]
        })
        .await;
        assert_eq!(meter.used().0, 9);
        for answer in answers {
            let Err(wit::Error::Limit(message)) = answer else {
                unreachable!("not refused: {answer:?}");
            };
            assert!(message.contains("capability_calls"), "{message}");
        }
    }

    #[tokio::test]
    async fn bytes_are_charged_both_ways_and_refusals_are_noted() {
        let host = host().await;
        let allow = |connection: &Connection| {
            let quota = Quota {
                bytes: 2000,
                ..Quota::UNLIMITED
            };
            quota::allow(connection, "notes", quota)
        };
        host.database.write(allow).await.unwrap();
        let meter = Arc::new(Budget::new(u32::MAX, 3000));
        let its = meter.clone();
        metered(&host, meter.clone(), async move |store| {
            let id = Blobs::begin(store, name(), kind()).await.unwrap();
            Blobs::append(store, id.clone(), vec![0; 900])
                .await
                .unwrap();
            Blobs::finish(store, id).await.unwrap();
            let used = its.used().1;
            assert!((900..1200).contains(&used), "{used}");
            Blobs::read(store, name(), 0, 1000, None).await.unwrap();
            assert_eq!(its.used().1, used + 1 + 900);
            let id = Blobs::begin(store, name(), kind()).await.unwrap();
            let refused = Blobs::append(store, id, vec![0; 600]).await;
            assert!(matches!(refused, Err(wit::Error::Full)), "{refused:?}");
            // The question would do, the answer would not.
            let refused = Blobs::read(store, name(), 0, 1000, None).await;
            assert!(matches!(refused, Err(wit::Error::Limit(_))), "{refused:?}");
        })
        .await;
        assert_eq!(meter.refused(), Some("stored_bytes"));
    }
}
