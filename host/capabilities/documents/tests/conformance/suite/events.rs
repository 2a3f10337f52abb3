//! Events that transactions publish.

use super::{Things, counted, deletion, insertion};
use jiff::{SignedDuration, Timestamp};
use sbd_documents::{Backend, Error, Event, Operation, Outcome, Published, Retention};
use sbd_metering::Cause;
use sbd_storage::Quota;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::Arc;

pub(crate) fn event(kind: &str, subject: &str, data: &Value) -> Event {
    Event {
        kind: kind.to_owned(),
        subject: Some(subject.to_owned()),
        data: data.to_string(),
        ..Event::default()
    }
}

fn joined(number: u64) -> Operation {
    let data = json!({"number": number});
    Operation::Publish(event("family.member.joined", "fam_1", &data))
}

async fn all(things: &Things) -> Vec<Published> {
    things.backend.outbox(0, 1000).await.unwrap()
}

fn numbers(events: &[Published]) -> Vec<u64> {
    let data = |published: &Published| serde_json::from_str(&published.event.data).unwrap();
    events
        .iter()
        .map(data)
        .map(|data: Value| data["number"].as_u64().unwrap())
        .collect()
}

pub(crate) async fn events_are_published_with_what_happened(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    assert_eq!(all(&things).await, []);
    assert_eq!(things.backend.forget(u64::MAX, None).await, Ok(0));
    let whole = Event {
        attributes: vec![("dataschema".to_owned(), "https://example.com/1".to_owned())],
        cause: Cause {
            request: Some("req_1".into()),
            event: Some("evt_1".into()),
            user: Some("usr_1".into()),
            trace: Some("00-1-2-01".into()),
            ..Cause::default()
        },
        ..event("family.member.joined", "fam_1", &json!({"name": "ü"}))
    };
    let bare = Event {
        kind: "a.b".to_owned(),
        data: " null\n".to_owned(),
        ..Event::default()
    };
    let began = Timestamp::now();
    let steps = vec![
        insertion(json!({"_id": "a"})),
        Operation::Publish(whole.clone()),
        Operation::Publish(bare.clone()),
    ];
    let outcomes = things.transact(steps).await.unwrap();
    let events = all(&things).await;
    let ids: Vec<&str> = events.iter().map(|published| &*published.id).collect();
    assert_eq!(
        outcomes[1..],
        [ids[0], ids[1]].map(|id| Outcome::Published(id.to_owned()))
    );
    assert!(
        ids[0] < ids[1]
            && ids
                .iter()
                .all(|id| id.len() == 36 && id.starts_with("evt_"))
    );
    assert!(events[0].place < events[1].place && events[0].place > 0);
    assert_eq!(events[0].event, whole);
    let read = Event {
        data: "null".to_owned(),
        ..bare
    };
    assert_eq!(events[1].event, read);
    for published in &events {
        let (since, now) = (began.as_millisecond(), Timestamp::now().as_millisecond());
        assert!((since..=now).contains(&published.time.as_millisecond()));
        assert_eq!(published.component, "family");
    }
}

pub(crate) async fn events_of_what_is_undone_are_not(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    for _ in 0..2 {
        let steps = vec![
            insertion(json!({"_id": "a"})),
            joined(1),
            deletion(&json!({"_id": "none"}), false, Some(1)),
        ];
        let refused = things.transact(steps).await;
        assert_eq!(refused, Err(Error::PreconditionFailed(2)));
        assert_eq!(all(&things).await, []);
    }
    // Nothing but events is a transaction too.
    things.transact(vec![joined(2), joined(3)]).await.unwrap();
    let refused = things
        .transact(vec![joined(4), insertion(json!({"_id": 1}))])
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(numbers(&all(&things).await), [2, 3]);
    assert_eq!(things.ids(&json!({})).await, [""; 0]);
}

/// Whoever reads on behind the last event that they saw misses none.
pub(crate) async fn events_keep_the_order_of_their_commits(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let writing = Cell::new(4);
    let publish = async |writer: u64| {
        for n in 0..20 {
            let steps = vec![joined(writer * 100 + n), joined(writer * 100 + 50 + n)];
            things.transact(steps).await.unwrap();
        }
        writing.set(writing.get() - 1);
    };
    let follow = async {
        let (mut seen, mut last) = (Vec::new(), 0);
        loop {
            let is_over = writing.get() == 0;
            let next = things.backend.outbox(last, 7).await.unwrap();
            assert!(next.len() <= 7);
            if is_over && next.is_empty() {
                break;
            }
            for published in next {
                assert!(published.place > last);
                last = published.place;
                seen.push(published);
            }
        }
        seen
    };
    let (seen, ..) = futures::join!(follow, publish(0), publish(1), publish(2), publish(3));
    assert_eq!(seen.len(), 160);
    assert_eq!(seen, all(&things).await, "all, each once, none late");
    assert!(seen.windows(2).all(|pair| pair[0].id < pair[1].id));
    let seen = numbers(&seen);
    for writer in 0..4 {
        let own = seen.iter().filter(|number| **number / 100 == writer);
        let firsts: Vec<u64> = own.copied().filter(|number| number % 100 < 50).collect();
        assert!(firsts.is_sorted() && firsts.len() == 20, "{firsts:?}");
    }
    // The steps of one transaction are beside each other.
    assert!(seen.chunks(2).all(|pair| pair[0] + 50 == pair[1]));
}

pub(crate) async fn events_count_until_they_are_forgotten(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    things
        .transact(vec![joined(1), joined(2), joined(3)])
        .await
        .unwrap();
    let kept = counted(&things).await;
    assert_eq!(kept.documents, 0);
    assert!(kept.bytes > 3 * 80, "{kept:?}");
    let quota = Quota {
        documents: 10,
        bytes: kept.bytes + 10,
    };
    things
        .backend
        .allow(&things.component, quota)
        .await
        .unwrap();
    let full = Err(Error::Quota("stored_bytes"));
    let steps = vec![insertion(json!({"_id": "a"})), joined(4)];
    assert_eq!(things.transact(steps).await, full);
    assert_eq!(numbers(&all(&things).await), [1, 2, 3]);
    assert_eq!(counted(&things).await, kept);

    let second = all(&things).await[1].place;
    assert_eq!(things.backend.forget(second, None).await, Ok(2));
    assert_eq!(things.backend.forget(second, None).await, Ok(0));
    assert_eq!(numbers(&all(&things).await), [3]);
    assert_eq!(counted(&things).await.bytes, kept.bytes / 3);
    things.transact(vec![joined(4)]).await.unwrap();
    // No place is given twice.
    let last = all(&things).await.pop().unwrap().place;
    things.backend.forget(last, None).await.unwrap();
    assert_eq!(counted(&things).await.bytes, 0);
    things.transact(vec![joined(5)]).await.unwrap();
    assert!(all(&things).await[0].place > last);
}

pub(crate) async fn the_newest_events_are_kept_for_a_while(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let backend = &things.backend;
    let ever = Timestamp::UNIX_EPOCH;
    assert_eq!(backend.place_at(Timestamp::MAX).await, Ok(0));
    let steps = vec![joined(1), joined(2), joined(3)];
    things.transact(steps).await.unwrap();
    let places: Vec<u64> = all(&things).await.iter().map(|event| event.place).collect();
    assert_eq!(backend.place_at(Timestamp::MAX).await, Ok(places[2]));
    assert_eq!(backend.place_at(ever).await, Ok(0));
    let keep = |since, bytes| Some(Retention { since, bytes });
    let all_of_them = keep(ever, 1000);
    assert_eq!(backend.forget(u64::MAX, all_of_them).await, Ok(0));
    // As many as their data leaves room for: the last.
    let data = all(&things).await[2].event.data.len() as u64;
    assert_eq!(backend.forget(places[0], keep(ever, data)).await, Ok(1));
    assert_eq!(backend.forget(u64::MAX, keep(ever, data)).await, Ok(1));
    assert_eq!(numbers(&all(&things).await), [3]);
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    assert_eq!(backend.place_at(later).await, Ok(places[2]));
    assert_eq!(backend.forget(u64::MAX, keep(later, 1000)).await, Ok(1));
}

pub(crate) async fn events_that_cannot_be_delivered_are_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let good = || event("family.joined", "fam_1", &json!({}));
    let long = |bytes| "x".repeat(bytes);
    let attribute = |name: &str, value: &str| Event {
        attributes: vec![(name.to_owned(), value.to_owned())],
        ..good()
    };
    let twice = vec![("dataschema".to_owned(), "x".to_owned()); 2];
    let many = (0..17).map(|n| (format!("a{n}"), "x".to_owned()));
    let wrong_kinds = [
        "",
        "family",
        ".joined",
        "family.",
        "family..joined",
        "Family.joined",
        "family.1st",
        "family. joined",
        "family.joined\n",
        "familie.größer",
    ];
    let kinds = wrong_kinds
        .map(str::to_owned)
        .into_iter()
        .chain([format!("a.{}", long(127))]);
    let mut wrong: Vec<Event> = kinds.map(|kind| Event { kind, ..good() }).collect();
    for subject in [String::new(), long(257), "a\nb".to_owned()] {
        wrong.push(Event {
            subject: Some(subject),
            ..good()
        });
    }
    for data in ["", "{", "{}x"] {
        wrong.push(Event {
            data: data.to_owned(),
            ..good()
        });
    }
    for name in [
        "",
        "Schema",
        "data-schema",
        "abcdefghijklmnopqrstu",
        "id",
        "source",
        "traceparent",
        "sbdcause",
    ] {
        wrong.push(attribute(name, "x"));
    }
    wrong.extend([
        attribute("dataschema", ""),
        attribute("dataschema", "a\0b"),
        attribute("dataschema", &long(257)),
        Event {
            attributes: twice,
            ..good()
        },
        Event {
            attributes: many.collect(),
            ..good()
        },
    ]);
    for event in wrong {
        let steps = vec![
            insertion(json!({"_id": "a"})),
            Operation::Publish(event.clone()),
        ];
        let refused = things.transact(steps).await;
        assert!(
            matches!(&refused, Err(Error::Invalid(text)) if text.starts_with("operation 1: ")),
            "{event:?}: {refused:?}"
        );
    }
    let large = event("a.b", "c", &json!(long(64 << 10)));
    let refused = things.transact(vec![Operation::Publish(large)]).await;
    assert_eq!(refused, Err(Error::Limit("event_bytes")));
    assert_eq!(all(&things).await, []);
    // As long as each may be.
    let longest = Event {
        kind: format!("a.{}", long(126)),
        subject: Some(long(256)),
        data: json!(long(60_000)).to_string(),
        attributes: (0..16).map(|n| (format!("a{n}"), long(256))).collect(),
        cause: Cause::default(),
    };
    let steps = vec![Operation::Publish(longest.clone())];
    things.transact(steps).await.unwrap();
    assert_eq!(all(&things).await[0].event, longest);
}
