//! The host side of `sbd:platform/cache`. The store is free while a call waits.

use crate::bindings::cache;
use crate::{Cache, CacheCtx, Error};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl cache::Host for CacheCtx {}

impl<T: Metered> cache::HostWithStore<T> for Cache {
    async fn get(store: &Accessor<T, Self>, key: String) -> Result<Option<Vec<u8>>, cache::Error> {
        let (ctx, charge) = called(store, "get", key.len())?;
        let value = ctx.get(&key).await?;
        charge.answer(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(
        store: &Accessor<T, Self>,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> Result<(), cache::Error> {
        let (ctx, _) = called(store, "set", key.len() + value.len())?;
        Ok(ctx.set(&key, value, ttl_ms).await?)
    }

    async fn delete(store: &Accessor<T, Self>, key: String) -> Result<bool, cache::Error> {
        let (ctx, _) = called(store, "delete", key.len())?;
        Ok(ctx.delete(&key).await?)
    }

    async fn increment(
        store: &Accessor<T, Self>,
        key: String,
        delta: i64,
        ttl_ms: u64,
    ) -> Result<i64, cache::Error> {
        let (ctx, _) = called(store, "increment", key.len())?;
        Ok(ctx.increment(&key, delta, ttl_ms).await?)
    }

    async fn compare_and_set(
        store: &Accessor<T, Self>,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> Result<bool, cache::Error> {
        let bytes = key.len() + value.len() + expected.as_ref().map_or(0, Vec::len);
        let (ctx, _) = called(store, "compare-and-set", bytes)?;
        Ok(ctx.compare_and_set(&key, expected, value, ttl_ms).await?)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Cache>,
    operation: &'static str,
    bytes: usize,
) -> Result<(CacheCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "cache", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for cache::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for cache::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::NotACounter(_) | Error::Overflow(_) => Self::NotACounter(error.to_string()),
            Error::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::cache::{self, HostWithStore as _};
    use crate::limits::{MAX_KEY_BYTES, MAX_TTL, MAX_VALUE_BYTES};
    use crate::{Cache, CacheCtx, CacheView, MemoryBackend, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links};
    use sbd_metering::{Budget, Meter};
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl CacheView for Instance<CacheCtx> {
        fn cache(&mut self) -> &mut CacheCtx {
            &mut self.ctx
        }
    }

    /// Runs `guest` with what a component has: the interface.
    async fn run<R: Send + 'static>(
        ctx: CacheCtx,
        guest: impl AsyncFnOnce(&Accessor<Instance<CacheCtx>, Cache>) -> R + Send,
    ) -> R {
        sbd_capability_testing::run::<_, Cache, _>(ctx, Instance::<CacheCtx>::cache, guest).await
    }

    async fn metered<R: Send + 'static>(
        ctx: CacheCtx,
        meter: Arc<dyn Meter>,
        guest: impl AsyncFnOnce(&Accessor<Instance<CacheCtx>, Cache>) -> R + Send,
    ) -> R {
        sbd_capability_testing::metered::<_, Cache, _>(
            ctx,
            meter,
            Instance::<CacheCtx>::cache,
            guest,
        )
        .await
    }

    fn ctx() -> CacheCtx {
        CacheCtx::new(Arc::new(MemoryBackend::default()), "family".into())
    }

    fn key() -> String {
        "k".to_owned()
    }

    #[test]
    fn the_interface_links() {
        assert_links::<CacheCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        run(ctx(), async |store| {
            assert_eq!(Cache::get(store, key()).await.unwrap(), None);
            Cache::set(store, key(), b"5".to_vec(), 60_000)
                .await
                .unwrap();
            assert_eq!(Cache::increment(store, key(), 2, 60_000).await.unwrap(), 7);
            let seven = Some(b"7".to_vec());
            assert_eq!(Cache::get(store, key()).await.unwrap(), seven);
            let swap = Cache::compare_and_set(store, key(), seven, vec![1], 60_000);
            assert!(swap.await.unwrap());
            let refused = Cache::increment(store, key(), 1, 60_000).await;
            assert!(matches!(refused, Err(cache::Error::NotACounter(_))));
            assert!(Cache::delete(store, key()).await.unwrap());
            assert!(!Cache::delete(store, key()).await.unwrap());
        })
        .await;
    }

    #[tokio::test]
    async fn every_function_stops_where_the_request_may_not_call_any_more() {
        let (ctx, meter) = (ctx(), Arc::new(Budget::new(1, usize::MAX)));
        let answers = metered(ctx.clone(), meter.clone(), async |store| {
            let set = Cache::set(store, key(), b"5".to_vec(), 60_000);
            set.await.unwrap();
            [
                Cache::get(store, key()).await.map(drop),
                Cache::set(store, key(), vec![], 60_000).await,
                Cache::delete(store, key()).await.map(drop),
                Cache::increment(store, key(), 1, 60_000).await.map(drop),
                Cache::compare_and_set(store, key(), Some(b"5".to_vec()), vec![], 60_000)
                    .await
                    .map(drop),
            ]
        })
        .await;
        assert_eq!(meter.used().0, 1 + 5);
        for answer in answers {
            let Err(cache::Error::Limit(message)) = answer else {
                unreachable!("not refused: {answer:?}");
            };
            assert!(message.contains("capability_calls"), "{message}");
        }
        assert_eq!(ctx.get("k").await.unwrap(), Some(b"5".to_vec()));
    }

    #[tokio::test]
    async fn bytes_are_charged_both_ways() {
        let meter = Arc::new(Budget::new(u32::MAX, 40));
        let its = meter.clone();
        metered(ctx(), meter, async move |store| {
            let set = Cache::set(store, key(), vec![0; 9], 60_000);
            set.await.unwrap();
            assert_eq!(its.used().1, 10);
            Cache::get(store, key()).await.unwrap();
            assert_eq!(its.used().1, 20);
            let swap = Cache::compare_and_set(store, key(), Some(vec![0; 9]), vec![1; 9], 60_000);
            swap.await.unwrap();
            assert_eq!(its.used().1, 39);
            // The question would do, the answer would not.
            let refused = Cache::get(store, key()).await;
            assert!(matches!(refused, Err(cache::Error::Limit(_))));
            assert_eq!(its.used().1, 49);
        })
        .await;
    }

    #[tokio::test]
    async fn components_do_not_see_each_other() {
        let backend = Arc::new(MemoryBackend::default());
        let ours = CacheCtx::new(backend.clone(), "family".into());
        let theirs = CacheCtx::new(backend, "auth".into());
        ours.set("k", vec![1], 60_000).await.unwrap();
        let seen = run(theirs, async |store| {
            Cache::get(store, key()).await.unwrap()
        })
        .await;
        assert_eq!(seen, None);
    }

    #[tokio::test]
    async fn keys_values_and_times_have_bounds() {
        let ctx = ctx();
        let longest = "k".repeat(MAX_KEY_BYTES);
        let month = u64::try_from(MAX_TTL.as_millis()).unwrap();
        ctx.set(&longest, vec![0; MAX_VALUE_BYTES], month)
            .await
            .unwrap();
        ctx.set("k", vec![], 1).await.unwrap();

        let invalid = |message: String| assert!(message.contains("this one has"), "{message}");
        for key in [String::new(), longest + "k"] {
            invalid(ctx.get(&key).await.unwrap_err().to_string());
            invalid(ctx.set(&key, vec![], 1).await.unwrap_err().to_string());
            invalid(ctx.delete(&key).await.unwrap_err().to_string());
            invalid(ctx.increment(&key, 1, 1).await.unwrap_err().to_string());
            invalid(
                ctx.compare_and_set(&key, None, vec![], 1)
                    .await
                    .unwrap_err()
                    .to_string(),
            );
        }
        let large = vec![0; MAX_VALUE_BYTES + 1];
        invalid(
            ctx.set("k", large.clone(), 1)
                .await
                .unwrap_err()
                .to_string(),
        );
        invalid(
            ctx.compare_and_set("k", None, large, 1)
                .await
                .unwrap_err()
                .to_string(),
        );
        for ttl_ms in [0, month + 1, u64::MAX] {
            let message = ctx.set("k", vec![], ttl_ms).await.unwrap_err().to_string();
            assert!(message.contains(&ttl_ms.to_string()), "{message}");
            assert!(ctx.increment("k", 1, ttl_ms).await.is_err());
            assert!(
                ctx.compare_and_set("k", None, vec![], ttl_ms)
                    .await
                    .is_err()
            );
        }
    }
}
