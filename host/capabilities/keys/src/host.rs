//! The host side of `sbd:platform/keys`. The store is free while a call waits.

use crate::bindings::keys;
use crate::{Error, Keys, KeysCtx, Verdict};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl keys::Host for KeysCtx {}

impl<T: Metered> keys::HostWithStore<T> for Keys {
    async fn sign(
        store: &Accessor<T, Self>,
        purpose: String,
        claims: String,
        ttl_seconds: u32,
    ) -> Result<String, keys::Error> {
        let (ctx, charge) = called(store, "sign", purpose.len() + claims.len())?;
        let token = ctx.sign(&purpose, &claims, ttl_seconds).await?;
        charge.answer(token.len())?;
        Ok(token)
    }

    async fn verify(
        store: &Accessor<T, Self>,
        purpose: String,
        token: String,
    ) -> Result<keys::Verdict, keys::Error> {
        let (ctx, charge) = called(store, "verify", purpose.len() + token.len())?;
        let verdict = ctx.verify(&purpose, &token).await?;
        if let Verdict::Valid(claims) = &verdict {
            charge.answer(claims.len())?;
        }
        Ok(verdict.into())
    }

    async fn jwks(store: &Accessor<T, Self>) -> Result<String, keys::Error> {
        let (ctx, charge) = called(store, "jwks", 0)?;
        let keys = ctx.jwks().await?;
        charge.answer(keys.len())?;
        Ok(keys)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Keys>,
    operation: &'static str,
    bytes: usize,
) -> Result<(KeysCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "keys", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for keys::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Verdict> for keys::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Valid(claims) => Self::Valid(claims),
            Verdict::Forged => Self::Refused(keys::Refusal::Forged),
            Verdict::Expired => Self::Refused(keys::Refusal::Expired),
        }
    }
}

/// A guest is not told where files lie.
impl From<Error> for keys::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::Keyring(error) => Self::Unavailable(error.for_guests()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::keys::{self, HostWithStore as _};
    use crate::{FileKeyring, Keys, KeysCtx, KeysView, Settings, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::Budget;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl KeysView for Instance<KeysCtx> {
        fn keys(&mut self) -> &mut KeysCtx {
            &mut self.ctx
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<KeysCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = FileKeyring::open(folder.path().to_owned(), Settings::default()).unwrap();
        let ctx = KeysCtx::new(Arc::new(keyring), "default".into());
        let guest = async |store: &Accessor<_, Keys>| {
            let purpose = || "access".to_owned();
            let token = Keys::sign(store, purpose(), r#"{"sub":"usr_1"}"#.to_owned(), 60);
            let token = token.await.unwrap();
            let good = Keys::verify(store, purpose(), token).await.unwrap();
            assert!(matches!(good, keys::Verdict::Valid(claims) if claims.contains("usr_1")));
            let bad = Keys::verify(store, purpose(), "x".to_owned())
                .await
                .unwrap();
            assert!(matches!(bad, keys::Verdict::Refused(keys::Refusal::Forged)));
            assert!(Keys::jwks(store).await.unwrap().contains("Ed25519"));
            let refused = Keys::sign(store, purpose(), "[]".to_owned(), 60).await;
            assert!(matches!(refused, Err(keys::Error::Invalid(_))));
        };
        run::<_, Keys, _>(ctx, Instance::<KeysCtx>::keys, guest).await;
    }

    #[tokio::test]
    async fn the_running_request_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = FileKeyring::open(folder.path().to_owned(), Settings::default()).unwrap();
        let ctx = KeysCtx::new(Arc::new(keyring), "default".into());
        let meter = Arc::new(Budget::new(3, usize::MAX));
        let guest = async |store: &Accessor<_, Keys>| {
            let (purpose, claims) = (|| "access".to_owned(), || "{}".to_owned());
            let token = Keys::sign(store, purpose(), claims(), 60).await.unwrap();
            let mut bytes = 6 + 2 + token.len();
            assert_eq!(meter.used(), (1, bytes));
            let verdict = Keys::verify(store, purpose(), token.clone()).await;
            let keys::Verdict::Valid(told) = verdict.unwrap() else {
                unreachable!("it is good");
            };
            bytes += 6 + token.len() + told.len();
            assert_eq!(meter.used(), (2, bytes));
            bytes += Keys::jwks(store).await.unwrap().len();
            assert_eq!(meter.used(), (3, bytes));
            let answers = [
                Keys::sign(store, purpose(), claims(), 60).await.map(drop),
                Keys::verify(store, purpose(), token).await.map(drop),
                Keys::jwks(store).await.map(drop),
            ];
            for answer in answers {
                let Err(keys::Error::Limit(message)) = answer else {
                    unreachable!("not refused: {answer:?}");
                };
                assert!(message.contains("capability_calls"), "{message}");
            }
        };
        metered::<_, Keys, _>(ctx, meter.clone(), Instance::<KeysCtx>::keys, guest).await;
    }
}
