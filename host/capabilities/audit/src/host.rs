//! The host side of `sbd:platform/audit`. The store is free while a call waits.

use crate::bindings::audit as wit;
use crate::{Audit, AuditCtx, Look, NewEntry, Refused, Trail};
use jiff::Timestamp;
use sbd_audit_chain::{Actor, Entry, shown};
use sbd_metering::{Charge, Metered, OverLimit};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

/// Most entries of a call, as of a transaction's steps.
const AT_ONCE: usize = 100;

impl wit::Host for AuditCtx {}

impl<T: Metered> wit::HostWithStore<T> for Audit {
    async fn append(
        store: &Accessor<T, Self>,
        entries: Vec<wit::NewEntry>,
    ) -> Result<Vec<u64>, wit::Error> {
        let bytes = entries.iter().map(bytes_of).sum();
        let (trail, charge) = called(store, "append", bytes)?;
        if entries.is_empty() || entries.len() > AT_ONCE {
            return Err(wit::Error::Invalid(format!(
                "{} entries cannot be recorded at once; record 1 to {AT_ONCE}",
                entries.len()
            )));
        }
        let entries = entries.into_iter().map(NewEntry::from).collect();
        let recorded = trail.append(entries, charge.cause()).await;
        if let Err(Refused::Full(Some(limit))) = &recorded {
            charge.refused(limit);
        }
        Ok(recorded?)
    }

    async fn find(store: &Accessor<T, Self>, query: wit::Query) -> Result<wit::Page, wit::Error> {
        let texts = [&query.subject, &query.action, &query.actor, &query.cursor];
        let bytes = texts.into_iter().flatten().map(String::len).sum();
        let (trail, charge) = called(store, "find", bytes)?;
        let found = trail.find(look(query)?).await?;
        let entries: Vec<_> = found.entries.into_iter().map(wit::Entry::from).collect();
        charge.answer(entries.iter().map(bytes_of_entry).sum())?;
        Ok(wit::Page {
            entries,
            next: found.next.map(|place| place.to_string()),
        })
    }

    async fn verify(
        store: &Accessor<T, Self>,
        subject: String,
    ) -> Result<wit::Verdict, wit::Error> {
        let (trail, _charge) = called(store, "verify", subject.len())?;
        let verdict = trail.verify(subject).await?;
        Ok(wit::Verdict {
            entries: verdict.entries,
            pruned: verdict.pruned,
            broken_at: verdict.broken_at,
            head: verdict.head.map(|hash| shown(&hash)),
        })
    }
}

fn called<T: Metered>(
    store: &Accessor<T, Audit>,
    operation: &'static str,
    bytes: usize,
) -> Result<(Arc<dyn Trail>, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "audit", operation, bytes)?;
        Ok((Arc::clone(&access.get().trail), charge))
    })
}

fn look(query: wit::Query) -> Result<Look, wit::Error> {
    let time = |name: &str, text: Option<String>| {
        let read = text.map(|text| text.parse::<Timestamp>());
        read.transpose().map_err(|_| {
            wit::Error::Invalid(format!(
                "`{name}` is no time; write it as 2026-01-31T12:00:00Z"
            ))
        })
    };
    let before = query.cursor.map(|cursor| cursor.parse());
    let before = before.transpose().map_err(|_| {
        wit::Error::Invalid("the cursor is none of ours; begin without one".to_owned())
    })?;
    Ok(Look {
        subject: query.subject,
        action: query.action,
        actor: query.actor,
        since: time("since", query.since)?,
        until: time("until", query.until)?,
        before,
        limit: query.limit,
    })
}

fn bytes_of(entry: &wit::NewEntry) -> usize {
    entry.subject.len() + entry.action.len() + entry.data.len()
}

fn bytes_of_entry(entry: &wit::Entry) -> usize {
    let known = [&entry.actor, &entry.request];
    let known = known.into_iter().flatten().map(String::len);
    let texts = [
        &entry.subject,
        &entry.at,
        &entry.action,
        &entry.data,
        &entry.hash,
    ];
    texts.into_iter().map(String::len).chain(known).sum()
}

impl From<wit::NewEntry> for NewEntry {
    fn from(entry: wit::NewEntry) -> Self {
        let wit::NewEntry {
            subject,
            action,
            data,
        } = entry;
        Self {
            subject,
            action,
            data,
        }
    }
}

impl From<(Entry, Vec<u8>)> for wit::Entry {
    fn from((entry, hash): (Entry, Vec<u8>)) -> Self {
        // A time that was altered is shown as the beginning of all, and found by whoever verifies.
        let at = Timestamp::from_millisecond(entry.at).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            subject: entry.subject,
            number: entry.number,
            at: format!("{at:.3}"),
            action: entry.action,
            kind: match entry.actor {
                Actor::Anonymous => wit::ActorKind::Anonymous,
                Actor::Service => wit::ActorKind::Service,
                Actor::User(_) => wit::ActorKind::User,
                Actor::Delegated(_) => wit::ActorKind::Delegated,
            },
            actor: entry.actor.user().map(str::to_owned),
            request: entry.request,
            data: entry.data,
            hash: shown(&hash),
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
    use crate::{AuditView, Found, Verdict};
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::{Budget, Cause};
    use std::sync::Mutex;

    /// A trail with room for so many.
    struct Kept(usize, Mutex<Vec<NewEntry>>, Mutex<Option<Look>>);

    impl Trail for Kept {
        fn append(
            &self,
            entries: Vec<NewEntry>,
            _: Cause,
        ) -> BoxFuture<'_, Result<Vec<u64>, Refused>> {
            let mut kept = self.1.lock().unwrap();
            if kept.len() + entries.len() > self.0 {
                return async { Err(Refused::Full(Some("stored_bytes"))) }.boxed();
            }
            kept.extend(entries);
            let numbers = vec![u64::try_from(kept.len()).unwrap()];
            async { Ok(numbers) }.boxed()
        }

        fn find(&self, look: Look) -> BoxFuture<'_, Result<Found, Refused>> {
            *self.2.lock().unwrap() = Some(look);
            let entry = Entry {
                component: "family".to_owned(),
                subject: "fam_1".to_owned(),
                number: 7,
                at: 1_500,
                action: "family.renamed".to_owned(),
                actor: Actor::Delegated("usr_1".to_owned()),
                request: None,
                data: "{}".to_owned(),
            };
            let found = Found {
                entries: vec![(entry, vec![0xab; 32])],
                next: Some(41),
            };
            async { Ok(found) }.boxed()
        }

        fn verify(&self, _: String) -> BoxFuture<'_, Result<Verdict, Refused>> {
            async { Ok(Verdict::default()) }.boxed()
        }
    }

    impl AuditView for Instance<AuditCtx> {
        fn audit(&mut self) -> &mut AuditCtx {
            &mut self.ctx
        }
    }

    fn trail(room: usize) -> Arc<Kept> {
        Arc::new(Kept(room, Mutex::default(), Mutex::default()))
    }

    fn ctx(trail: &Arc<Kept>) -> AuditCtx {
        AuditCtx::new(Arc::clone(trail) as Arc<dyn Trail>)
    }

    fn entry(data: &str) -> wit::NewEntry {
        wit::NewEntry {
            subject: "fam_1".to_owned(),
            action: "family.renamed".to_owned(),
            data: data.to_owned(),
        }
    }

    fn query() -> wit::Query {
        wit::Query {
            subject: Some("fam_1".to_owned()),
            action: None,
            actor: None,
            since: Some("2026-01-31T12:00:00Z".to_owned()),
            until: None,
            cursor: Some("42".to_owned()),
            limit: 10,
        }
    }

    const VIEW: fn(&mut Instance<AuditCtx>) -> &mut AuditCtx =
        <Instance<AuditCtx> as AuditView>::audit;

    #[tokio::test]
    async fn entries_come_as_they_are_and_none_or_too_many_are_refused() {
        let trail = trail(1000);
        let appended = run::<_, Audit, _>(ctx(&trail), VIEW, async |accessor| {
            let append = |count| {
                let entries = vec![entry("1"); count];
                <Audit as wit::HostWithStore<_>>::append(accessor, entries)
            };
            (append(2).await, append(0).await, append(AT_ONCE + 1).await)
        })
        .await;
        assert_eq!(appended.0.unwrap(), [2]);
        for refused in [appended.1, appended.2] {
            assert!(matches!(refused, Err(wit::Error::Invalid(_))));
        }
        assert_eq!(trail.1.lock().unwrap()[1].subject, "fam_1");
    }

    #[tokio::test]
    async fn a_page_is_looked_for_as_it_is_asked() {
        let trail = trail(0);
        let (page, wrong) = run::<_, Audit, _>(ctx(&trail), VIEW, async |accessor| {
            let find = |query| <Audit as wit::HostWithStore<_>>::find(accessor, query);
            let mut wrong = Vec::new();
            for (since, cursor) in [("yesterday", None), ("2026-01-31T12:00:00Z", Some("-1"))] {
                let mut query = query();
                query.since = Some(since.to_owned());
                query.cursor = cursor.map(str::to_owned);
                wrong.push(find(query).await);
            }
            (find(query()).await, wrong)
        })
        .await;
        assert!(
            wrong
                .iter()
                .all(|refused| matches!(refused, Err(wit::Error::Invalid(_))))
        );
        let page = page.unwrap();
        assert_eq!(page.next.as_deref(), Some("41"));
        assert_eq!(page.entries[0].at, "1970-01-01T00:00:01.500Z");
        assert_eq!(page.entries[0].kind, wit::ActorKind::Delegated);
        assert_eq!(page.entries[0].actor.as_deref(), Some("usr_1"));
        assert_eq!(page.entries[0].hash, "ab".repeat(32));
        let look = trail.2.lock().unwrap().clone().unwrap();
        assert_eq!((look.before, look.limit), (Some(42), 10));
        assert_eq!(look.since, Some("2026-01-31T12:00:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_full_trail_is_told_to_guest_and_host_and_bytes_are_charged() {
        let budget = Arc::new(Budget::new(10, 100));
        let charged = Arc::clone(&budget);
        let trail = trail(0);
        let (full, over) = metered::<_, Audit, _>(ctx(&trail), charged, VIEW, async |accessor| {
            let append =
                |data: &str| <Audit as wit::HostWithStore<_>>::append(accessor, vec![entry(data)]);
            (append("1").await, append(&"1".repeat(100)).await)
        })
        .await;
        assert!(matches!(full, Err(wit::Error::Full)));
        assert_eq!(budget.refused(), Some("stored_bytes"));
        assert!(matches!(over, Err(wit::Error::Limit(text)) if text.contains("capability_bytes")));
    }

    #[test]
    fn it_is_linked_once() {
        assert_links(crate::add_to_linker::<Instance<AuditCtx>>);
    }
}
