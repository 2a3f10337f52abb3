//! The host side of `sbd:platform/realtime`. The store is free while a call waits.

use crate::bindings::realtime;
use crate::{Error, Message, Present, Realtime, RealtimeCtx};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl realtime::Host for RealtimeCtx {}

impl<T: Metered> realtime::HostWithStore<T> for Realtime {
    async fn publish(
        store: &Accessor<T, Self>,
        messages: Vec<realtime::Message>,
    ) -> Result<(), realtime::Error> {
        let texts = messages
            .iter()
            .map(|message| message.channel.len() + message.type_.len() + message.data.len());
        let (ctx, _) = called(store, "publish", texts.sum())?;
        let messages = messages.into_iter().map(Message::from).collect();
        Ok(ctx.publish(messages).await?)
    }

    async fn changed(store: &Accessor<T, Self>, channel: String) -> Result<(), realtime::Error> {
        let (ctx, _) = called(store, "changed", channel.len())?;
        Ok(ctx.changed(&channel).await?)
    }

    async fn presence(
        store: &Accessor<T, Self>,
        channel: String,
    ) -> Result<Vec<realtime::Present>, realtime::Error> {
        let (ctx, charge) = called(store, "presence", channel.len())?;
        let present = ctx.presence(&channel).await?;
        let present: Vec<_> = present.into_iter().map(realtime::Present::from).collect();
        let texts = present.iter().map(|one| one.user.len() + one.since.len());
        charge.answer(texts.sum())?;
        Ok(present)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Realtime>,
    operation: &'static str,
    bytes: usize,
) -> Result<(RealtimeCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "realtime", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<realtime::Message> for Message {
    fn from(message: realtime::Message) -> Self {
        Self {
            channel: message.channel,
            kind: message.type_,
            data: message.data,
        }
    }
}

impl From<Present> for realtime::Present {
    fn from(present: Present) -> Self {
        Self {
            user: present.user.to_string(),
            since: format!("{:.3}", present.since),
        }
    }
}

impl From<OverLimit> for realtime::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for realtime::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::NotYours(_) => Self::NotYours(error.to_string()),
            Error::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::realtime::{self, HostWithStore as _};
    use crate::{
        Backend as _, Heard, Listener, MemoryBackend, Realtime, RealtimeCtx, RealtimeView,
        add_to_linker,
    };
    use sbd_capability_testing::{Instance, assert_links};
    use sbd_metering::Budget;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl RealtimeView for Instance<RealtimeCtx> {
        fn realtime(&mut self) -> &mut RealtimeCtx {
            &mut self.ctx
        }
    }

    /// Runs `guest` with what a component has: the interface.
    async fn run<R: Send + 'static>(
        backend: &MemoryBackend,
        guest: impl AsyncFnOnce(&Accessor<Instance<RealtimeCtx>, Realtime>) -> R + Send,
    ) -> R {
        sbd_capability_testing::run::<_, Realtime, _>(
            ctx(backend),
            Instance::<RealtimeCtx>::realtime,
            guest,
        )
        .await
    }

    fn ctx(backend: &MemoryBackend) -> RealtimeCtx {
        let own = Arc::new(BTreeSet::from(["family:".to_owned()]));
        RealtimeCtx::new(Arc::new(backend.clone()), "family".into(), own)
    }

    fn message(channel: &str, data: &str) -> realtime::Message {
        realtime::Message {
            channel: channel.to_owned(),
            type_: "thing.said".to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<RealtimeCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let backend = MemoryBackend::default();
        let (listener, mut queue) = Listener::new(Some("usr_1".into()));
        let channels = ["family:1".into(), "user:usr_1".into()];
        let _joined = backend.join(&listener, &channels, None).await.unwrap();
        run(&backend, async |store| {
            let both = vec![message("family:1", "1"), message("user:usr_1", "2")];
            Realtime::publish(store, both).await.unwrap();
            let changed = Realtime::changed(store, "family:1".to_owned());
            changed.await.unwrap();
            let present = Realtime::presence(store, "family:1".to_owned()).await;
            let present = present.unwrap();
            assert_eq!(present.len(), 1);
            assert_eq!(present[0].user, "usr_1");
        })
        .await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(match queue.next().await {
                Heard::Told(told) => told.channel.to_string(),
                Heard::Changed(channel) => format!("changed {channel}"),
                Heard::Ended(why) => format!("{why:?}"),
            });
        }
        assert_eq!(heard, ["family:1", "user:usr_1", "changed family:1"]);
    }

    #[tokio::test]
    async fn what_is_not_its_own_is_refused_and_nothing_is_said() {
        let backend = MemoryBackend::default();
        let (listener, mut queue) = Listener::new(None);
        let channels = ["family:1".into()];
        let _joined = backend.join(&listener, &channels, None).await.unwrap();
        run(&backend, async |store| {
            for not_its_own in ["workspace:1", "system", "families:1", "family", "x"] {
                let refused = Realtime::changed(store, not_its_own.to_owned()).await;
                let Err(realtime::Error::NotYours(text)) = refused else {
                    unreachable!("{not_its_own}: {refused:?}");
                };
                assert!(text.contains("family:"), "{text}");
            }
            for channel in ["workspace:1", "system:1"] {
                let both = vec![message("family:1", "1"), message(channel, "2")];
                let refused = Realtime::publish(store, both).await;
                assert!(matches!(refused, Err(realtime::Error::NotYours(_))));
            }
            let presence = Realtime::presence(store, "user:usr_1".to_owned()).await;
            assert!(matches!(presence, Err(realtime::Error::NotYours(_))));
            for wrong in [vec![], vec![message("family:1", "x")]] {
                let refused = Realtime::publish(store, wrong).await;
                assert!(matches!(refused, Err(realtime::Error::Invalid(_))));
            }
            let many = vec![message("family:1", "1"); 101];
            let refused = Realtime::publish(store, many).await;
            assert!(matches!(refused, Err(realtime::Error::Invalid(_))));
        })
        .await;
        assert!(queue.take().is_none());
    }

    #[tokio::test]
    async fn calls_and_bytes_are_charged() {
        let backend = MemoryBackend::default();
        let meter = Arc::new(Budget::new(1, usize::MAX));
        let its = Arc::clone(&meter);
        sbd_capability_testing::metered::<_, Realtime, _>(
            ctx(&backend),
            meter,
            Instance::<RealtimeCtx>::realtime,
            async move |store: &Accessor<Instance<RealtimeCtx>, Realtime>| {
                let one = vec![message("family:1", "[1,2]")];
                Realtime::publish(store, one.clone()).await.unwrap();
                assert_eq!(its.used().1, "family:1thing.said[1,2]".len());
                for refused in [
                    Realtime::publish(store, one).await,
                    Realtime::changed(store, "family:1".to_owned()).await,
                    Realtime::presence(store, "family:1".to_owned())
                        .await
                        .map(drop),
                ] {
                    assert!(matches!(refused, Err(realtime::Error::Limit(_))));
                }
            },
        )
        .await;
    }
}
