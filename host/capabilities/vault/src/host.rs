//! The host side of `sbd:platform/vault`. The store is free while a call waits.

use crate::bindings::vault;
use crate::{Error, Opened, Vault, VaultCtx};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl vault::Host for VaultCtx {}

impl<T: Metered> vault::HostWithStore<T> for Vault {
    async fn encrypt(
        store: &Accessor<T, Self>,
        purpose: String,
        context: String,
        plain: Vec<u8>,
    ) -> Result<String, vault::Error> {
        let given = purpose.len() + context.len() + plain.len();
        let (ctx, charge) = called(store, "encrypt", given)?;
        let sealed = ctx.encrypt(&purpose, &context, plain).await?;
        charge.answer(sealed.len())?;
        Ok(sealed)
    }

    async fn decrypt(
        store: &Accessor<T, Self>,
        purpose: String,
        context: String,
        sealed: String,
    ) -> Result<vault::Opened, vault::Error> {
        let given = purpose.len() + context.len() + sealed.len();
        let (ctx, charge) = called(store, "decrypt", given)?;
        let opened = ctx.decrypt(&purpose, &context, &sealed).await?;
        if let Opened::Plain(plain) = &opened {
            charge.answer(plain.len())?;
        }
        Ok(opened.into())
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Vault>,
    operation: &'static str,
    bytes: usize,
) -> Result<(VaultCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "vault", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for vault::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Opened> for vault::Opened {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::Plain(plain) => Self::Plain(plain),
            Opened::Forged => Self::Refused(vault::Refusal::Forged),
            Opened::UnknownKey => Self::Refused(vault::Refusal::UnknownKey),
        }
    }
}

/// A guest is not told where files lie.
impl From<Error> for vault::Error {
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

    use crate::bindings::vault::{self, HostWithStore as _};
    use crate::{FileKeyring, Vault, VaultCtx, VaultView, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::Budget;
    use std::path::Path;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl VaultView for Instance<VaultCtx> {
        fn vault(&mut self) -> &mut VaultCtx {
            &mut self.ctx
        }
    }

    fn ctx(folder: &Path) -> VaultCtx {
        let keyring = FileKeyring::open(folder.to_owned(), ()).unwrap();
        VaultCtx::new(Arc::new(keyring), "default".into(), "auth".into())
    }

    #[test]
    fn the_interface_links() {
        assert_links::<VaultCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let folder = tempfile::tempdir().unwrap();
        let guest = async |store: &Accessor<_, Vault>| {
            let (purpose, context) = (|| "totp".to_owned(), || "usr_1".to_owned());
            let sealed = Vault::encrypt(store, purpose(), context(), b"secret".to_vec());
            let sealed = sealed.await.unwrap();
            let opened = Vault::decrypt(store, purpose(), context(), sealed.clone()).await;
            assert!(matches!(opened, Ok(vault::Opened::Plain(plain)) if plain == b"secret"));
            for (sealed, refusal) in [
                ("x".to_owned(), vault::Refusal::Forged),
                (sealed.replace("key_", "yek_"), vault::Refusal::UnknownKey),
            ] {
                let opened = Vault::decrypt(store, purpose(), context(), sealed).await;
                assert!(matches!(opened, Ok(vault::Opened::Refused(why)) if why == refusal));
            }
            let refused = Vault::encrypt(store, "A".to_owned(), context(), Vec::new()).await;
            assert!(matches!(refused, Err(vault::Error::Invalid(_))));
        };
        run::<_, Vault, _>(ctx(folder.path()), Instance::<VaultCtx>::vault, guest).await;
    }

    #[tokio::test]
    async fn the_running_request_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Arc::new(Budget::new(2, usize::MAX));
        let guest = async |store: &Accessor<_, Vault>| {
            let (purpose, context) = (|| "totp".to_owned(), || "usr_1".to_owned());
            let sealed = Vault::encrypt(store, purpose(), context(), b"secret".to_vec());
            let sealed = sealed.await.unwrap();
            assert_eq!(meter.used(), (1, 4 + 5 + 6 + sealed.len()));
            let length = sealed.len();
            let opened = Vault::decrypt(store, purpose(), context(), sealed).await;
            opened.unwrap();
            assert_eq!(meter.used(), (2, 2 * (4 + 5 + 6 + length)));
            let over = Vault::encrypt(store, purpose(), context(), Vec::new()).await;
            let Err(vault::Error::Limit(message)) = over else {
                unreachable!("not refused: {over:?}");
            };
            assert!(message.contains("capability_calls"), "{message}");
        };
        let view = Instance::<VaultCtx>::vault;
        metered::<_, Vault, _>(ctx(folder.path()), meter.clone(), view, guest).await;
    }
}
