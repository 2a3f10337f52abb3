//! What is recorded of what was done.

use super::{Things, counted, deletion, insertion};
use jiff::{SignedDuration, Timestamp};
use sbd_audit_chain::{Actor, BEGINNING, Entry, hash};
use sbd_contract::Kind;
use sbd_documents::{Anchor, Asked, Backend, Entries, Error, Operation, Outcome, Record, Verdict};
use sbd_metering::Cause;
use sbd_storage::Quota;
use serde_json::json;
use std::sync::Arc;

pub(crate) fn record(subject: &str, action: &str, user: &str) -> Operation {
    Operation::Audit(Record {
        subject: subject.to_owned(),
        action: action.to_owned(),
        data: json!({"by": user}).to_string(),
        cause: Cause {
            user: Some(user.into()),
            kind: Some(Kind::User),
            request: Some("req_1".into()),
            ..Cause::default()
        },
    })
}

fn asked() -> Asked {
    Asked {
        limit: 1000,
        ..Asked::default()
    }
}

fn about(subject: &str) -> Asked {
    Asked {
        subject: Some(subject.to_owned()),
        ..asked()
    }
}

async fn find(things: &Things, asked: Asked) -> Entries {
    let found = things.backend.audited(&things.component, asked).await;
    found.unwrap()
}

async fn verdict(things: &Things, subject: &str) -> Verdict {
    let verdict = things.backend.verify(&things.component, subject.to_owned());
    verdict.await.unwrap()
}

fn places(entries: &Entries) -> Vec<(&str, u64)> {
    let entries = entries.entries.iter();
    entries
        .map(|(entry, _)| (entry.subject.as_str(), entry.number))
        .collect()
}

pub(crate) async fn entries_are_chained_by_subject(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    assert_eq!(find(&things, asked()).await, Entries::default());
    assert_eq!(verdict(&things, "fam_1").await, Verdict::default());
    let began = Timestamp::now().as_millisecond();
    let steps = vec![
        insertion(json!({"_id": "a"})),
        record("fam_1", "family.created", "usr_1"),
        record("fam_2", "family.created", "usr_2"),
        record("fam_1", "family.renamed", "usr_1"),
    ];
    let outcomes = things.transact(steps).await.unwrap();
    assert_eq!(outcomes[1..], [1, 1, 2].map(Outcome::Audited));
    let found = find(&things, about("fam_1")).await;
    let (second, head) = &found.entries[0];
    let (first, before) = &found.entries[1];
    let expected = Entry {
        component: "family".to_owned(),
        subject: "fam_1".to_owned(),
        number: 1,
        at: first.at,
        action: "family.created".to_owned(),
        actor: Actor::User("usr_1".to_owned()),
        request: Some("req_1".to_owned()),
        data: json!({"by": "usr_1"}).to_string(),
    };
    assert_eq!(*first, expected);
    assert!((began..=Timestamp::now().as_millisecond()).contains(&first.at));
    assert_eq!(*before, hash(&BEGINNING, first));
    assert_eq!(*head, hash(&hash(&BEGINNING, first), second));
    let whole = Verdict {
        entries: 2,
        pruned: 0,
        broken_at: None,
        head: Some(head.clone()),
    };
    assert_eq!(verdict(&things, "fam_1").await, whole);
    // Nobody reads, or goes on with, the chain of another component.
    let other = things.backend.audited("wallet", asked()).await;
    assert_eq!(other, Ok(Entries::default()));
    let record = vec![record("fam_1", "family.created", "usr_1")];
    let recorded = things.backend.transact(&Arc::from("wallet"), record).await;
    assert_eq!(recorded, Ok(vec![Outcome::Audited(1)]));
    assert_eq!(verdict(&things, "fam_1").await, whole);
}

pub(crate) async fn entries_say_who_acted(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let causes = [
        (None, None),
        (Some(Kind::Service), None),
        (Some(Kind::User), Some("usr_1")),
        (Some(Kind::Delegated), Some("usr_2")),
    ];
    let steps = causes.map(|(kind, user)| {
        Operation::Audit(Record {
            subject: "fam_1".to_owned(),
            action: "family.renamed".to_owned(),
            data: "null".to_owned(),
            cause: Cause {
                kind,
                user: user.map(Arc::from),
                ..Cause::default()
            },
        })
    });
    things.transact(steps.into()).await.unwrap();
    let found = find(&things, asked()).await.entries.into_iter().rev();
    let actors: Vec<_> = found.map(|(entry, _)| entry.actor).collect();
    let expected = [
        Actor::Anonymous,
        Actor::Service,
        Actor::User("usr_1".to_owned()),
        Actor::Delegated("usr_2".to_owned()),
    ];
    assert_eq!(actors, expected);
    assert_eq!(verdict(&things, "fam_1").await.broken_at, None);
}

pub(crate) async fn entries_say_who_acted_in_whose_place(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let steps = [json!({"a": 1, "impersonated_by": "nobody"}), json!([1])].map(|data| {
        Operation::Audit(Record {
            subject: "fam_1".to_owned(),
            action: "family.renamed".to_owned(),
            data: data.to_string(),
            cause: Cause {
                kind: Some(Kind::User),
                user: Some("usr_1".into()),
                impersonated_by: Some("usr_2".into()),
                ..Cause::default()
            },
        })
    });
    things.transact(steps.into()).await.unwrap();
    let found = find(&things, asked()).await.entries.into_iter().rev();
    let found: Vec<serde_json::Value> = found
        .map(|(entry, _)| serde_json::from_str(&entry.data).unwrap())
        .collect();
    let expected = [
        json!({"a": 1, "impersonated_by": "usr_2"}),
        json!({"data": [1], "impersonated_by": "usr_2"}),
    ];
    assert_eq!(found, expected);
    assert_eq!(verdict(&things, "fam_1").await.broken_at, None);
}

pub(crate) async fn nothing_is_recorded_of_what_is_undone(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    for _ in 0..2 {
        let steps = vec![
            record("fam_1", "family.created", "usr_1"),
            deletion(&json!({"_id": "none"}), false, Some(1)),
        ];
        let refused = things.transact(steps).await;
        assert_eq!(refused, Err(Error::PreconditionFailed(1)));
        assert_eq!(find(&things, asked()).await, Entries::default());
    }
    let steps = vec![record("fam_1", "family.created", "usr_1")];
    let recorded = things.transact(steps).await.unwrap();
    assert_eq!(recorded, [Outcome::Audited(1)]);
    assert_eq!(verdict(&things, "fam_1").await.entries, 1);
}

pub(crate) async fn entries_are_found_by_what_they_say(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let began = Timestamp::now();
    for n in 1..=5 {
        let steps = vec![
            record("fam_1", "family.member.joined", &format!("usr_{n}")),
            record("fam_2", "family.members", "usr_1"),
        ];
        things.transact(steps).await.unwrap();
    }
    let by = async |change: fn(&mut Asked)| {
        let mut asked = asked();
        change(&mut asked);
        find(&things, asked).await
    };
    let all = by(|_| ()).await;
    let newest = [("fam_2", 5), ("fam_1", 5), ("fam_2", 4), ("fam_1", 4)];
    assert_eq!(places(&all)[..4], newest);
    let members = by(|asked| asked.action = Some("family.member.".to_owned())).await;
    assert_eq!(members.entries.len(), 5);
    let exactly = by(|asked| asked.action = Some("family.member".to_owned())).await;
    assert_eq!(exactly, Entries::default());
    let whose = by(|asked| asked.actor = Some("usr_1".to_owned())).await;
    assert_eq!(whose.entries.len(), 6);
    let mut both = about("fam_1");
    both.actor = Some("usr_3".to_owned());
    assert_eq!(places(&find(&things, both).await), [("fam_1", 3)]);
    for (since, until, count) in [
        (Some(began - SignedDuration::from_secs(1)), None, 10),
        (None, Some(began - SignedDuration::from_secs(1)), 0),
        (
            Some(Timestamp::now() + SignedDuration::from_secs(1)),
            None,
            0,
        ),
    ] {
        let mut asked = asked();
        (asked.since, asked.until) = (since, until);
        assert_eq!(find(&things, asked).await.entries.len(), count);
    }
    for subject in [None, Some("fam_1".to_owned())] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let asked = Asked {
                subject: subject.clone(),
                before,
                limit: 2,
                ..Asked::default()
            };
            let page = find(&things, asked).await;
            assert!(page.entries.len() <= 2);
            seen.extend(page.entries);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let whole = match &subject {
            Some(subject) => find(&things, about(subject)).await,
            None => find(&things, asked()).await,
        };
        assert_eq!(seen, whole.entries);
    }
    for limit in [0, 1001] {
        let asked = Asked { limit, ..asked() };
        let refused = things.backend.audited(&things.component, asked).await;
        assert!(matches!(refused, Err(Error::Invalid(_))));
    }
}

pub(crate) async fn two_who_record_at_once_make_one_chain(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let writers = (0..16).map(|writer| {
        let things = things.clone();
        async move {
            for _ in 0..10 {
                let step = record("fam_1", "family.renamed", &format!("usr_{writer}"));
                things.transact(vec![step]).await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;
    let verdict = verdict(&things, "fam_1").await;
    assert_eq!((verdict.entries, verdict.broken_at), (160, None));
    let found = find(&things, about("fam_1")).await;
    let numbers = found.entries.iter().map(|(entry, _)| entry.number);
    assert!(numbers.eq((1..=160).rev()));
}

pub(crate) async fn entries_count_for_what_is_kept(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let step = || vec![record("fam_1", "family.renamed", "usr_1")];
    things.transact(step()).await.unwrap();
    let kept = counted(&things).await;
    assert_eq!(kept.documents, 0);
    assert!(kept.bytes > 100, "{kept:?}");
    let quota = Quota {
        documents: 10,
        bytes: kept.bytes + 10,
    };
    let backend = &things.backend;
    backend.allow(&things.component, quota).await.unwrap();
    assert_eq!(
        things.transact(step()).await,
        Err(Error::Quota("stored_bytes"))
    );
    assert_eq!(verdict(&things, "fam_1").await.entries, 1);
    assert_eq!(counted(&things).await, kept);
}

pub(crate) async fn what_was_recorded_long_ago_goes(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let (component, backend) = (&*things.component, &things.backend);
    let later = || Timestamp::now() + SignedDuration::from_secs(60);
    assert_eq!(backend.prune(component, later()).await, Ok(0));
    let step = |subject: &str| record(subject, "family.renamed", "usr_1");
    let steps = vec![step("fam_1"), step("fam_2"), step("fam_1")];
    things.transact(steps).await.unwrap();
    assert_eq!(backend.prune(component, Timestamp::UNIX_EPOCH).await, Ok(0));
    let before = counted(&things).await.bytes;
    let head = verdict(&things, "fam_1").await.head;
    assert_eq!(backend.prune("wallet", later()).await, Ok(0));
    assert_eq!(backend.prune(component, later()).await, Ok(3));
    assert_eq!(find(&things, asked()).await, Entries::default());
    assert!(counted(&things).await.bytes < before);
    let emptied = Verdict {
        entries: 0,
        pruned: 2,
        broken_at: None,
        head,
    };
    assert_eq!(verdict(&things, "fam_1").await, emptied);
    // The chain goes on as if all were there.
    let outcomes = things.transact(vec![step("fam_1"), step("fam_1")]).await;
    assert_eq!(outcomes, Ok(vec![Outcome::Audited(3), Outcome::Audited(4)]));
    let whole = verdict(&things, "fam_1").await;
    assert_eq!((whole.entries, whole.pruned, whole.broken_at), (2, 2, None));
}

pub(crate) async fn what_was_recorded_elsewhere_goes_on(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let entry = |number, word: &str| Entry {
        component: "family".to_owned(),
        subject: "fam_1".to_owned(),
        number,
        at: 1000,
        action: format!("family.{word}"),
        actor: Actor::Service,
        request: None,
        data: "{}".to_owned(),
    };
    let first = entry(8, "created");
    let gone = [7; 32];
    let second = entry(9, "renamed");
    let hashes = (hash(&gone, &first), hash(&hash(&gone, &first), &second));
    let anchor = Anchor {
        component: "family".to_owned(),
        subject: "fam_1".to_owned(),
        number: 7,
        hash: gone.to_vec(),
    };
    let both = || {
        vec![
            (first.clone(), hashes.0.to_vec()),
            (second.clone(), hashes.1.to_vec()),
        ]
    };
    let backend = &things.backend;
    let refused = backend.adopt(both()).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    backend.begin_behind(vec![anchor]).await.unwrap();
    let mut altered = both();
    altered[1].0.at += 1;
    let refused = backend.adopt(altered).await;
    assert!(
        matches!(&refused, Err(Error::Invalid(text)) if text.contains("entry 9")),
        "{refused:?}"
    );
    assert_eq!(verdict(&things, "fam_1").await.entries, 0);
    backend.adopt(both()).await.unwrap();
    let step = record("fam_1", "family.renamed", "usr_1");
    let outcomes = things.transact(vec![step]).await;
    assert_eq!(outcomes, Ok(vec![Outcome::Audited(10)]));
    let verdict = verdict(&things, "fam_1").await;
    assert_eq!(
        (verdict.entries, verdict.pruned, verdict.broken_at),
        (3, 7, None)
    );
}

pub(crate) async fn entries_that_say_nothing_are_refused(backend: Arc<impl Backend>) {
    let things = Things::new(backend, vec![]).await;
    let good = || Record {
        subject: "fam_1".to_owned(),
        action: "family.renamed".to_owned(),
        data: "{}".to_owned(),
        cause: Cause::default(),
    };
    let mut wrong = Vec::new();
    for action in [
        "",
        "family",
        "family..renamed",
        "Family.renamed",
        "family.renamed\n",
    ] {
        wrong.push(Record {
            action: action.to_owned(),
            ..good()
        });
    }
    for subject in [String::new(), "x".repeat(257), "a\nb".to_owned()] {
        wrong.push(Record { subject, ..good() });
    }
    for data in ["", "{", "{}x"] {
        wrong.push(Record {
            data: data.to_owned(),
            ..good()
        });
    }
    for record in wrong {
        let told = format!("{record:?}");
        let refused = things.transact(vec![Operation::Audit(record)]).await;
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{told}: {refused:?}"
        );
    }
    let large = Record {
        data: json!("x".repeat(64 << 10)).to_string(),
        ..good()
    };
    let refused = things.transact(vec![Operation::Audit(large)]).await;
    assert_eq!(refused, Err(Error::Limit("event_bytes")));
    assert_eq!(find(&things, asked()).await, Entries::default());
}
