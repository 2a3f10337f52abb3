//! The host side of `sbd:platform/events`. The store is free while a call waits.

use crate::bindings::events as wit;
use crate::{Events, EventsCtx, NewEvent, Refused};
use sbd_metering::{Metered, OverLimit};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

/// Most events of a call, as of a transaction's steps.
const AT_ONCE: usize = 100;

impl wit::Host for EventsCtx {}

impl<T: Metered> wit::HostWithStore<T> for Events {
    async fn publish(
        store: &Accessor<T, Self>,
        events: Vec<wit::Event>,
    ) -> Result<Vec<String>, wit::Error> {
        let bytes = events.iter().map(bytes_of).sum();
        let (log, charge) = store.with(|mut access| {
            let charge = sbd_metering::begin(access.as_context_mut(), "events", "publish", bytes)?;
            Ok::<_, OverLimit>((Arc::clone(&access.get().log), charge))
        })?;
        if events.is_empty() || events.len() > AT_ONCE {
            return Err(wit::Error::Invalid(format!(
                "{} events cannot be published at once; publish 1 to {AT_ONCE}",
                events.len()
            )));
        }
        let events = events.into_iter().map(NewEvent::from).collect();
        let published = log.publish(events, charge.cause()).await;
        if let Err(Refused::Full(Some(limit))) = &published {
            charge.refused(limit);
        }
        let ids = published?;
        charge.written(ids.iter().map(String::len).sum());
        Ok(ids)
    }
}

fn bytes_of(event: &wit::Event) -> usize {
    let attributes = event.attributes.iter();
    let attributes = attributes.map(|(name, value)| name.len() + value.len());
    let subject = event.subject.as_ref().map_or(0, String::len);
    event.type_.len() + subject + event.data.len() + attributes.sum::<usize>()
}

impl From<wit::Event> for NewEvent {
    fn from(event: wit::Event) -> Self {
        let wit::Event {
            type_,
            subject,
            data,
            attributes,
        } = event;
        Self {
            kind: type_,
            subject,
            data,
            attributes,
        }
    }
}

impl From<OverLimit> for wit::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Refused> for wit::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(text) => Self::Invalid(text),
            Refused::Limit(text) => Self::Limit(text),
            Refused::Full(_) => Self::Full,
            Refused::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{EventsView, Log};
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::{Budget, Cause};
    use std::sync::Mutex;

    /// A log with room for so many.
    struct Kept(usize, Mutex<Vec<NewEvent>>);

    impl Log for Kept {
        fn publish(
            &self,
            events: Vec<NewEvent>,
            _: Cause,
        ) -> BoxFuture<'_, Result<Vec<String>, Refused>> {
            let mut kept = self.1.lock().unwrap();
            if kept.len() + events.len() > self.0 {
                return async { Err(Refused::Full(Some("stored_bytes"))) }.boxed();
            }
            let ids = events.iter().map(|event| format!("evt_{}", event.data));
            let ids = ids.collect();
            kept.extend(events);
            async { Ok(ids) }.boxed()
        }
    }

    impl EventsView for Instance<EventsCtx> {
        fn events(&mut self) -> &mut EventsCtx {
            &mut self.ctx
        }
    }

    fn log(room: usize) -> Arc<Kept> {
        Arc::new(Kept(room, Mutex::default()))
    }

    fn event(data: &str) -> wit::Event {
        wit::Event {
            type_: "thing.happened".to_owned(),
            subject: Some("a".to_owned()),
            data: data.to_owned(),
            attributes: vec![("dataschema".to_owned(), "v1".to_owned())],
        }
    }

    async fn publish(log: &Arc<Kept>, events: Vec<wit::Event>) -> Result<Vec<String>, wit::Error> {
        let ctx = EventsCtx::new(Arc::clone(log) as Arc<dyn Log>);
        let view = <Instance<EventsCtx> as EventsView>::events;
        run::<_, Events, _>(ctx, view, async |accessor| {
            <Events as wit::HostWithStore<_>>::publish(accessor, events).await
        })
        .await
    }

    #[tokio::test]
    async fn events_come_into_the_log_as_they_are() {
        let log = log(10);
        let published = publish(&log, vec![event("1"), event("2")]).await;
        assert_eq!(published.unwrap(), ["evt_1", "evt_2"]);
        let kept = log.1.lock().unwrap();
        assert_eq!((kept.len(), kept[0].kind.as_str()), (2, "thing.happened"));
        assert_eq!(kept[1].subject.as_deref(), Some("a"));
        assert_eq!(kept[1].attributes[0].0, "dataschema");
    }

    #[tokio::test]
    async fn none_and_too_many_are_refused() {
        let log = log(1000);
        for wrong in [0, AT_ONCE + 1] {
            let refused = publish(&log, vec![event("1"); wrong]).await;
            assert!(matches!(refused, Err(wit::Error::Invalid(_))), "{wrong}");
        }
        assert!(log.1.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_full_log_is_told_to_guest_and_host_and_bytes_are_charged() {
        let budget = Arc::new(Budget::new(10, 100));
        let charged = Arc::clone(&budget);
        let ctx = EventsCtx::new(log(0));
        let view = <Instance<EventsCtx> as EventsView>::events;
        let (full, over) = metered::<_, Events, _>(ctx, charged, view, async |accessor| {
            let publish = |data: &str| {
                <Events as wit::HostWithStore<_>>::publish(accessor, vec![event(data)])
            };
            (publish("1").await, publish(&"1".repeat(100)).await)
        })
        .await;
        assert!(matches!(full, Err(wit::Error::Full)));
        assert_eq!(budget.refused(), Some("stored_bytes"));
        assert!(matches!(over, Err(wit::Error::Limit(text)) if text.contains("capability_bytes")));
    }

    #[test]
    fn it_is_linked_once() {
        assert_links(crate::add_to_linker::<Instance<EventsCtx>>);
    }
}
