//! What every backend does.

use jiff::{SignedDuration, Timestamp};
use sbd_events::{Backend, Blocked, Held, Position, Progress, Replay, Settled, Waiting};

/// Runs the suite over a backend that `$make` makes.
macro_rules! conformance {
    ($make:ident) => {
        mod $make {
            conformance!(@tests $make:
                a_subscriber_begins_behind_what_there_is
                what_is_done_is_kept_at_once
                those_with_a_key_wait_for_the_first
                a_dead_letter_blocks_nobody_and_can_be_sent_again
                letters_are_listed_page_by_page_and_dropped
                an_event_is_held_once
                a_replay_is_over_when_its_last_place_is_reached
                old_letters_are_forgotten
            );
        }
    };
    (@tests $make:ident: $($test:ident)+) => {
        $(#[tokio::test]
        async fn $test() {
            let (backend, _guard) = super::$make().await;
            super::suite::$test(backend).await;
        })+
    };
}

pub(crate) const SUBSCRIBER: &str = "notifications";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn event(place: u64, key: &str, due: i64) -> Waiting {
    Waiting {
        place,
        key: key.to_owned(),
        publisher: "family".to_owned(),
        event: format!(r#"{{"place":{place}}}"#),
        attempts: 1,
        due: at(due),
    }
}

pub(crate) fn waiting(place: u64, key: &str, due: i64) -> Held {
    Held::Waiting(event(place, key, due))
}

pub(crate) fn parked(place: u64, key: &str, since: i64) -> Held {
    Held::Parked {
        event: event(place, key, since),
        reason: "422 it is wrong".to_owned(),
    }
}

pub(crate) fn progress(place: u64, held: Vec<Held>, settled: Vec<Settled>) -> Progress {
    Progress {
        place,
        held,
        settled,
    }
}

async fn places(backend: &impl Backend, key: &str) -> Vec<u64> {
    let waiting = backend.waiting(SUBSCRIBER, key, 100).await.unwrap();
    waiting.iter().map(|waiting| waiting.place).collect()
}

pub(crate) async fn a_subscriber_begins_behind_what_there_is(backend: impl Backend) {
    let behind = |place| Position {
        place,
        replay: None,
    };
    assert_eq!(backend.begin(SUBSCRIBER, 7).await.unwrap(), behind(7));
    assert_eq!(backend.begin(SUBSCRIBER, 9).await.unwrap(), behind(7));
    assert_eq!(backend.begin("search", 9).await.unwrap(), behind(9));
}

pub(crate) async fn what_is_done_is_kept_at_once(backend: impl Backend) {
    backend.begin(SUBSCRIBER, 0).await.unwrap();
    let first = progress(3, vec![waiting(2, "fam_1", 10)], vec![]);
    backend.record(SUBSCRIBER, first).await.unwrap();
    assert_eq!(backend.begin(SUBSCRIBER, 9).await.unwrap().place, 3);
    assert_eq!(places(&backend, "fam_1").await, [2]);
    let then = progress(
        5,
        vec![waiting(4, "fam_2", 20)],
        vec![Settled::Done { place: 2 }],
    );
    backend.record(SUBSCRIBER, then).await.unwrap();
    assert_eq!(places(&backend, "fam_1").await, [0; 0]);
    assert_eq!(places(&backend, "fam_2").await, [4]);
    assert!(backend.blocked("search", 10).await.unwrap().is_empty());
}

pub(crate) async fn those_with_a_key_wait_for_the_first(backend: impl Backend) {
    backend.begin(SUBSCRIBER, 0).await.unwrap();
    let held = vec![
        waiting(5, "fam_1", 1),
        waiting(3, "fam_1", 30),
        waiting(4, "fam_2", 20),
    ];
    backend
        .record(SUBSCRIBER, progress(5, held, vec![]))
        .await
        .unwrap();
    let blocked = |key: &str, due| Blocked {
        key: key.to_owned(),
        due: at(due),
    };
    assert_eq!(
        backend.blocked(SUBSCRIBER, 10).await.unwrap(),
        [blocked("fam_2", 20), blocked("fam_1", 30)]
    );
    assert_eq!(backend.blocked(SUBSCRIBER, 1).await.unwrap().len(), 1);
    assert_eq!(places(&backend, "fam_1").await, [3, 5]);
    let again = Settled::Again {
        place: 3,
        attempts: 2,
        due: at(60),
    };
    backend
        .record(SUBSCRIBER, progress(5, vec![], vec![again]))
        .await
        .unwrap();
    let first = backend.waiting(SUBSCRIBER, "fam_1", 1).await.unwrap();
    assert_eq!((first[0].attempts, first[0].due), (2, at(60)));
}

pub(crate) async fn a_dead_letter_blocks_nobody_and_can_be_sent_again(backend: impl Backend) {
    backend.begin(SUBSCRIBER, 0).await.unwrap();
    let held = vec![waiting(1, "fam_1", 5), parked(2, "fam_1", 6)];
    let settled = vec![Settled::Parked {
        place: 1,
        attempts: 12,
        since: at(7),
        reason: "503".to_owned(),
    }];
    backend
        .record(SUBSCRIBER, progress(2, held, settled))
        .await
        .unwrap();
    assert!(backend.blocked(SUBSCRIBER, 10).await.unwrap().is_empty());
    let letters = backend.dead_letters(None, 0, 10).await.unwrap();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (letter.attempts, letter.since, letter.reason.as_str()))
        .collect();
    assert_eq!(told, [(12, at(7), "503"), (1, at(6), "422 it is wrong")]);
    let number = letters[0].number;
    assert_eq!(
        backend.retry(number, at(90)).await.unwrap().as_deref(),
        Some(SUBSCRIBER)
    );
    assert_eq!(backend.retry(number, at(90)).await.unwrap(), None);
    let again = backend.waiting(SUBSCRIBER, "fam_1", 10).await.unwrap();
    assert_eq!(
        (again[0].place, again[0].attempts, again[0].due),
        (1, 0, at(90))
    );
    assert_eq!(backend.dead_letter(number).await.unwrap(), None);
}

pub(crate) async fn letters_are_listed_page_by_page_and_dropped(backend: impl Backend) {
    for (subscriber, place) in [(SUBSCRIBER, 1), ("search", 1), (SUBSCRIBER, 2)] {
        backend.begin(subscriber, 0).await.unwrap();
        let held = progress(place, vec![parked(place, "fam_1", 1)], vec![]);
        backend.record(subscriber, held).await.unwrap();
    }
    let all = backend.dead_letters(None, 0, 2).await.unwrap();
    assert_eq!(all.len(), 2);
    let rest = backend.dead_letters(None, all[1].number, 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].subscriber.as_str()), (1, SUBSCRIBER));
    let own = backend.dead_letters(Some("search"), 0, 10).await.unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!(
        backend.dead_letter(own[0].number).await.unwrap().as_ref(),
        own.first()
    );
    assert!(backend.drop_letter(own[0].number).await.unwrap());
    assert!(!backend.drop_letter(own[0].number).await.unwrap());
}

pub(crate) async fn an_event_is_held_once(backend: impl Backend) {
    backend.begin(SUBSCRIBER, 0).await.unwrap();
    for due in [10, 20] {
        let held = progress(1, vec![waiting(1, "fam_1", due)], vec![]);
        backend.record(SUBSCRIBER, held).await.unwrap();
    }
    let waiting = backend.waiting(SUBSCRIBER, "fam_1", 10).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].due), (1, at(10)));
}

pub(crate) async fn a_replay_is_over_when_its_last_place_is_reached(backend: impl Backend) {
    let replay = Replay {
        id: "rpl_1".to_owned(),
        until: 9,
    };
    assert!(!backend.replay(SUBSCRIBER, 4, replay.clone()).await.unwrap());
    backend.begin(SUBSCRIBER, 9).await.unwrap();
    assert!(backend.replay(SUBSCRIBER, 4, replay.clone()).await.unwrap());
    let position = |place, replay| Position { place, replay };
    assert_eq!(
        backend.begin(SUBSCRIBER, 9).await.unwrap(),
        position(4, Some(replay.clone()))
    );
    let record = async |place| {
        let progress = progress(place, vec![], vec![]);
        backend.record(SUBSCRIBER, progress).await.unwrap();
        backend.begin(SUBSCRIBER, 0).await.unwrap()
    };
    assert_eq!(record(8).await, position(8, Some(replay)));
    assert_eq!(record(9).await, position(9, None));
}

pub(crate) async fn old_letters_are_forgotten(backend: impl Backend) {
    backend.begin(SUBSCRIBER, 0).await.unwrap();
    let held = vec![
        parked(1, "fam_1", 0),
        parked(2, "fam_1", 100),
        waiting(3, "fam_2", 0),
    ];
    backend
        .record(SUBSCRIBER, progress(3, held, vec![]))
        .await
        .unwrap();
    let before = at(0) + SignedDuration::from_secs(50);
    assert_eq!(backend.forget(before).await.unwrap(), 1);
    assert_eq!(backend.dead_letters(None, 0, 10).await.unwrap().len(), 1);
    assert_eq!(places(&backend, "fam_2").await, [3]);
}
