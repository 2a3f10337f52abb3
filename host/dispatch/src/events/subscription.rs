//! Which events a component listens to.

use sbd_contract::offer::is_event_of;
use sbd_documents::Published;
use sbd_runtime::Application;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a component listens to: what its offer says, of those whom its manifest names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    patterns: Vec<String>,
    publishers: BTreeSet<String>,
}

// === impl Subscription ===

impl Subscription {
    /// That of a component; `None`: it is not there, or listens to nothing.
    pub(crate) fn of(application: &Application, component: &str) -> Option<Self> {
        let declared = application.app().components.get(component)?;
        let patterns = application.offer(component)?.offer.events.clone();
        if patterns.is_empty() {
            return None;
        }
        let mut publishers = declared.settings.listens_to.clone();
        publishers.insert(component.to_owned());
        Some(Self {
            patterns,
            publishers,
        })
    }

    /// The components that listen to something.
    pub(crate) fn all(application: &Application) -> Vec<(Arc<str>, Self)> {
        let ids = application.app().components.keys();
        ids.filter_map(|id| Some((Arc::from(id.as_str()), Self::of(application, id.as_str())?)))
            .collect()
    }

    /// Whether it wants an event. Anybody may publish anything, so who did counts.
    pub(crate) fn takes(&self, event: &Published) -> bool {
        let mut patterns = self.patterns.iter();
        self.publishers.contains(&event.component)
            && patterns.any(|pattern| is_event_of(pattern, &event.event.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use sbd_documents::Event;

    #[test]
    fn an_event_is_taken_by_its_type_and_by_who_published_it() {
        let subscription = Subscription {
            patterns: vec!["family.member.*".to_owned(), "notes.*".to_owned()],
            publishers: BTreeSet::from(["family".to_owned(), "notes".to_owned()]),
        };
        for (component, kind, is_taken) in [
            ("family", "family.member.joined", true),
            ("family", "notes.written", true),
            ("family", "family.deleted", false),
            ("stranger", "family.member.joined", false),
        ] {
            let event = Published {
                place: 1,
                id: "evt_1".to_owned(),
                time: Timestamp::UNIX_EPOCH,
                component: component.to_owned(),
                event: Event {
                    kind: kind.to_owned(),
                    ..Event::default()
                },
            };
            assert_eq!(subscription.takes(&event), is_taken, "{component} {kind}");
        }
    }
}
