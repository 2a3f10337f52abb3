//! The host side of `sbd:platform/passwords`. The store is free while a call waits.

use crate::bindings::passwords;
use crate::{Error, Passwords, PasswordsCtx, Verdict};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl passwords::Host for PasswordsCtx {}

impl<T: Metered> passwords::HostWithStore<T> for Passwords {
    async fn hash(store: &Accessor<T, Self>, password: String) -> Result<String, passwords::Error> {
        let (ctx, charge) = called(store, "hash", password.len())?;
        let hash = ctx.hash(password).await?;
        charge.answer(hash.len())?;
        Ok(hash)
    }

    async fn strength(
        store: &Accessor<T, Self>,
        password: String,
        known: Vec<String>,
    ) -> Result<u8, passwords::Error> {
        let bytes = password.len() + known.iter().map(String::len).sum::<usize>();
        let (ctx, _charge) = called(store, "strength", bytes)?;
        Ok(ctx.strength(password, known).await?)
    }

    async fn verify(
        store: &Accessor<T, Self>,
        password: String,
        hash: Option<String>,
    ) -> Result<passwords::Verdict, passwords::Error> {
        let bytes = password.len() + hash.as_ref().map_or(0, String::len);
        let (ctx, charge) = called(store, "verify", bytes)?;
        let Verdict { valid, rehashed } = ctx.verify(password, hash).await?;
        charge.answer(rehashed.as_ref().map_or(0, String::len))?;
        Ok(passwords::Verdict { valid, rehashed })
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Passwords>,
    operation: &'static str,
    bytes: usize,
) -> Result<(PasswordsCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "passwords", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for passwords::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for passwords::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::Busy => Self::Busy,
            Error::Unavailable(_) | Error::Settings(_) => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::passwords::{self, HostWithStore as _};
    use crate::{
        Algorithm, Hasher, Passwords, PasswordsCtx, PasswordsView, Settings, add_to_linker,
    };
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::Budget;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl PasswordsView for Instance<PasswordsCtx> {
        fn passwords(&mut self) -> &mut PasswordsCtx {
            &mut self.ctx
        }
    }

    fn ctx() -> PasswordsCtx {
        let settings = Settings {
            algorithm: Algorithm::Bcrypt,
            bcrypt_cost: 4,
            ..Settings::default()
        };
        PasswordsCtx::new(Arc::new(Hasher::new(settings).unwrap()))
    }

    #[test]
    fn the_interface_links() {
        assert_links::<PasswordsCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let guest = async |store: &Accessor<_, Passwords>| {
            let password = || "correct horse".to_owned();
            let hash = Passwords::hash(store, password()).await.unwrap();
            let right = Passwords::verify(store, password(), Some(hash))
                .await
                .unwrap();
            assert!(right.valid && right.rehashed.is_none());
            let none = Passwords::verify(store, password(), None).await.unwrap();
            assert!(!none.valid);
            for (text, known, strength) in [
                ("Password1!", "x", 0..=1),
                ("Lovelace1!", "lovelace", 0..=2),
                ("correct horse battery staple", "x", 3..=4),
            ] {
                let known = vec![known.to_owned()];
                let found = Passwords::strength(store, text.to_owned(), known).await;
                assert!(strength.contains(&found.unwrap()), "{text}");
            }
            let much = vec![String::new(); 11];
            let much = Passwords::strength(store, password(), much).await;
            assert!(matches!(much, Err(passwords::Error::Invalid(_))));
            let long = Passwords::hash(store, "x".repeat(73)).await;
            assert!(matches!(long, Err(passwords::Error::Invalid(_))));
        };
        run::<_, Passwords, _>(ctx(), Instance::<PasswordsCtx>::passwords, guest).await;
    }

    #[tokio::test]
    async fn the_running_request_is_charged() {
        let meter = Arc::new(Budget::new(3, usize::MAX));
        let guest = async |store: &Accessor<_, Passwords>| {
            let password = || "horse".to_owned();
            let hash = Passwords::hash(store, password()).await.unwrap();
            assert_eq!(meter.used(), (1, 5 + hash.len()));
            let verify = Passwords::verify(store, password(), Some(hash.clone()));
            verify.await.unwrap();
            assert_eq!(meter.used(), (2, 2 * (5 + hash.len())));
            Passwords::verify(store, password(), None).await.unwrap();
            let answers = [
                Passwords::hash(store, password()).await.map(drop),
                Passwords::verify(store, password(), Some(hash))
                    .await
                    .map(drop),
            ];
            for answer in answers {
                let Err(passwords::Error::Limit(message)) = answer else {
                    unreachable!("not refused: {answer:?}");
                };
                assert!(message.contains("capability_calls"), "{message}");
            }
        };
        metered::<_, Passwords, _>(
            ctx(),
            meter.clone(),
            Instance::<PasswordsCtx>::passwords,
            guest,
        )
        .await;
    }
}
