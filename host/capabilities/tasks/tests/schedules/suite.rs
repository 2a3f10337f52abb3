//! What a store of schedules must do.

use jiff::{SignedDuration, Timestamp};
use sbd_contract::offer::Missed;
use sbd_tasks::schedules::{Declared, MAX_SCHEDULES, Moment, NewSchedule, Timing};
use sbd_tasks::{ActsFor, Backend, Error, Filter, State, Target, Task};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A test for every function below, with a store that is opened twice.
macro_rules! conformance {
    ($open:ident: $($test:ident)+) => {
        $(#[tokio::test]
        async fn $test() {
            let (one, other, _folder) = $open().await;
            suite::$test(one, other).await;
        })+
    };
    ($open:ident) => {
        conformance! { $open:
            a_tick_is_a_task
            it_begins_when_it_is_declared
            what_is_declared_otherwise_begins_anew_and_what_is_not_declared_ends
            ticks_that_nobody_has_begun_end_with_their_schedule
            a_time_is_enqueued_once_whoever_looks
            what_was_missed_is_made_up_for_as_it_says
            one_that_is_set_is_replaced_and_ended
            one_of_the_same_times_goes_on
            once_is_over_then
            there_are_not_too_many
            one_that_is_behind_gets_no_more
        }
    };
}

pub(crate) type Store = Arc<dyn Backend>;

const COMPONENT: &str = "notes";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn every_second(missed: Missed) -> Timing {
    cron("* * * * * *", missed)
}

fn cron(expression: &str, missed: Missed) -> Timing {
    Timing {
        moment: Moment::Cron {
            expression: expression.to_owned(),
            time_zone: None,
        },
        missed,
        jitter_ms: 0,
    }
}

fn once(at: Timestamp) -> Timing {
    Timing {
        moment: Moment::Once {
            at: at.as_millisecond(),
        },
        missed: Missed::All,
        jitter_ms: 0,
    }
}

fn declared(name: &str, timing: Timing, since: i64) -> Declared {
    Declared {
        component: Arc::from(COMPONENT),
        name: name.to_owned(),
        timing,
        since: at(since),
        seed: 7,
    }
}

fn new(name: &str, timing: Timing) -> NewSchedule {
    NewSchedule {
        component: Arc::from(COMPONENT),
        name: name.to_owned(),
        timing,
        task: "remind".to_owned(),
        queue: "ai".to_owned(),
        data: "{\"n\":1}".to_owned(),
        acts_for: Some(ActsFor {
            user: Arc::from("usr_1"),
            delegation: "sealed".to_owned(),
        }),
    }
}

async fn tasks(store: &Store) -> Vec<Task> {
    let listed = store.list(Filter::default(), 0, 10_000).await.unwrap();
    let mut tasks = listed.tasks;
    tasks.reverse();
    tasks
}

/// Moves on to a moment; the host has been up all the time.
async fn tick(store: &Store, now: Timestamp) {
    while store.tick(now, Timestamp::MIN).await.unwrap() {}
}

pub(crate) async fn a_tick_is_a_task(store: Store, _: Store) {
    let every = declared("often", every_second(Missed::Skip), 0);
    store.declare(vec![every]).await.unwrap();
    let set = new("reminder", cron("*/2 * * * * *", Missed::Skip));
    store.set_schedule(set, at(0)).await.unwrap();
    assert_eq!(store.next_tick().await.unwrap(), Some(at(1)));
    tick(&store, at(2)).await;
    assert_eq!(store.next_tick().await.unwrap(), Some(at(3)));
    let now = at(2) + SignedDuration::from_secs(30);
    let mut seen = Vec::new();
    for queue in ["default", "ai"] {
        while let Some(claimed) = store.claim(queue, &[], at(2), now).await.unwrap() {
            assert_eq!(&*claimed.task.component, COMPONENT);
            assert_eq!(claimed.task.queue, queue);
            let user = claimed.task.user.as_deref().map(str::to_owned);
            seen.push((claimed.task.target, claimed.data, user, claimed.delegation));
        }
    }
    let often = |second| {
        let target = Target::Schedule("often".to_owned());
        (target, format!("\"{}\"", at(second)), None, None)
    };
    let reminder = (
        Target::Task("remind".to_owned()),
        "{\"n\":1}".to_owned(),
        Some("usr_1".to_owned()),
        Some("sealed".to_owned()),
    );
    assert_eq!(seen, [often(1), often(2), reminder]);
}

pub(crate) async fn it_begins_when_it_is_declared(store: Store, _: Store) {
    assert_eq!(store.next_tick().await.unwrap(), None);
    let all = declared("often", every_second(Missed::All), 100);
    store.declare(vec![all.clone()]).await.unwrap();
    tick(&store, at(100)).await;
    assert!(tasks(&store).await.is_empty());
    // Declared again, as at every start, it goes on.
    store.declare(vec![all]).await.unwrap();
    tick(&store, at(102)).await;
    assert_eq!(tasks(&store).await.len(), 2);
}

pub(crate) async fn what_is_declared_otherwise_begins_anew_and_what_is_not_declared_ends(
    store: Store,
    _: Store,
) {
    let often = declared("often", every_second(Missed::All), 0);
    let minutely = declared("often", cron("* * * * *", Missed::All), 30);
    let set = new("often", cron("0 0 1 1 *", Missed::All));
    store.set_schedule(set, at(0)).await.unwrap();
    store.declare(vec![often]).await.unwrap();
    store.declare(vec![minutely.clone()]).await.unwrap();
    assert_eq!(store.next_tick().await.unwrap(), Some(at(60)));
    tick(&store, at(60)).await;
    assert_eq!(tasks(&store).await.len(), 1);
    store.declare(vec![minutely.clone()]).await.unwrap();
    assert_eq!(store.next_tick().await.unwrap(), Some(at(120)));
    // It was not declared meanwhile.
    let again = Declared {
        since: at(200),
        ..minutely
    };
    store.declare(vec![again]).await.unwrap();
    assert_eq!(store.next_tick().await.unwrap(), Some(at(240)));
    store.declare(Vec::new()).await.unwrap();
    tick(&store, at(1000)).await;
    assert_eq!(tasks(&store).await.len(), 1);
    assert_eq!(store.schedules_of(COMPONENT).await.unwrap().len(), 1);
}

pub(crate) async fn ticks_that_nobody_has_begun_end_with_their_schedule(store: Store, _: Store) {
    let every = declared("often", every_second(Missed::All), 0);
    let other = declared("other", every_second(Missed::All), 0);
    store.declare(vec![every, other.clone()]).await.unwrap();
    tick(&store, at(3)).await;
    let lease = at(60);
    let begun = store.claim("default", &[], at(3), lease).await.unwrap();
    let begun = begun.unwrap().task;
    assert_eq!(begun.target, Target::Schedule("often".to_owned()));
    store.declare(vec![other]).await.unwrap();
    let of = |name: &str, state: State, tasks: &[Task]| {
        let its = tasks.iter().filter(|task| task.target.name() == name);
        its.filter(|task| task.state == state).count()
    };
    let all = tasks(&store).await;
    assert_eq!(of("often", State::Canceled, &all), 2);
    assert_eq!(of("often", State::Running, &all), 1);
    assert_eq!(of("other", State::Waiting, &all), 3);
}

pub(crate) async fn a_time_is_enqueued_once_whoever_looks(one: Store, other: Store) {
    let often = declared("often", every_second(Missed::All), 0);
    one.declare(vec![often]).await.unwrap();
    let mut looking = tokio::task::JoinSet::new();
    for second in 1..=50 {
        for store in [&one, &other] {
            let store = Arc::clone(store);
            looking.spawn(async move {
                // Clocks of two hosts are never the same, and one may jump.
                store.tick(at(second % 40), Timestamp::MIN).await.unwrap();
            });
        }
    }
    while let Some(looked) = looking.join_next().await {
        looked.unwrap();
    }
    let tasks = tasks(&one).await;
    let ids: BTreeSet<_> = tasks.iter().map(|task| &task.id).collect();
    assert_eq!((tasks.len(), ids.len()), (39, 39));
    assert_eq!(one.next_tick().await.unwrap(), Some(at(40)));
    assert_eq!(other.next_tick().await.unwrap(), Some(at(40)));
}

pub(crate) async fn what_was_missed_is_made_up_for_as_it_says(store: Store, _: Store) {
    let schedules = [
        ("skip", Missed::Skip, 1),
        ("once", Missed::Once, 2),
        ("all", Missed::All, 10),
    ];
    let all = schedules.map(|(name, missed, _)| declared(name, every_second(missed), 0));
    store.declare(all.to_vec()).await.unwrap();
    // The host was down up to the last second.
    while store.tick(at(10), at(10)).await.unwrap() {}
    let tasks = tasks(&store).await;
    for (name, _, expected) in schedules {
        let of = tasks.iter().filter(|task| task.target.name() == name);
        assert_eq!(of.count(), expected, "{name}");
    }
}

pub(crate) async fn one_that_is_set_is_replaced_and_ended(store: Store, _: Store) {
    let set = |timing| store.set_schedule(new("a", timing), at(0));
    set(every_second(Missed::All)).await.unwrap();
    set(cron("*/10 * * * * *", Missed::All)).await.unwrap();
    let known = store.schedules_of(COMPONENT).await.unwrap();
    let [known] = known.as_slice() else {
        unreachable!("one schedule, {known:?}")
    };
    assert_eq!((known.name.as_str(), known.task.as_str()), ("a", "remind"));
    assert_eq!(known.next_at, at(10));
    assert!(store.schedules_of("others").await.unwrap().is_empty());
    tick(&store, at(10)).await;
    assert_eq!(tasks(&store).await.len(), 1);
    assert!(!store.end_schedule("others", "a").await.unwrap());
    assert!(store.end_schedule(COMPONENT, "a").await.unwrap());
    assert!(!store.end_schedule(COMPONENT, "a").await.unwrap());
    tick(&store, at(100)).await;
    assert_eq!(tasks(&store).await.len(), 1);
    assert_eq!(store.next_tick().await.unwrap(), None);
}

pub(crate) async fn one_of_the_same_times_goes_on(store: Store, _: Store) {
    let every = || new("a", every_second(Missed::All));
    store.set_schedule(every(), at(0)).await.unwrap();
    let mut again = every();
    again.data = "{\"n\":2}".to_owned();
    store.set_schedule(again, at(5)).await.unwrap();
    tick(&store, at(5)).await;
    assert_eq!(tasks(&store).await.len(), 5);
}

pub(crate) async fn once_is_over_then(store: Store, _: Store) {
    store
        .set_schedule(new("a", once(at(5))), at(0))
        .await
        .unwrap();
    tick(&store, at(4)).await;
    assert!(tasks(&store).await.is_empty());
    // Whenever the host is back.
    store.tick(at(5000), at(4999)).await.unwrap();
    tick(&store, at(5001)).await;
    assert_eq!(tasks(&store).await.len(), 1);
    assert!(store.schedules_of(COMPONENT).await.unwrap().is_empty());
    let passed = store.set_schedule(new("a", once(at(5))), at(5)).await;
    assert!(matches!(passed, Err(Error::Invalid(why)) if why.contains("passed")));
}

pub(crate) async fn there_are_not_too_many(store: Store, _: Store) {
    for number in 0..MAX_SCHEDULES {
        let one = new(&number.to_string(), once(at(9)));
        store.set_schedule(one, at(0)).await.unwrap();
    }
    let one_more = store
        .set_schedule(new("one more", once(at(9))), at(0))
        .await;
    assert!(matches!(one_more, Err(Error::Limit(why)) if why.contains("end some")));
    store
        .set_schedule(new("0", once(at(9))), at(0))
        .await
        .unwrap();
    tick(&store, at(9)).await;
    assert_eq!(tasks(&store).await.len(), 1000);
    assert_eq!(store.next_tick().await.unwrap(), None);
}

pub(crate) async fn one_that_is_behind_gets_no_more(store: Store, _: Store) {
    let often = declared("often", every_second(Missed::All), 0);
    let other = declared("often two", cron("* * * * *", Missed::All), 0);
    store.declare(vec![often, other]).await.unwrap();
    for minute in 1..=20 {
        tick(&store, at(minute * 60)).await;
    }
    let all = tasks(&store).await;
    let often = all.iter().filter(|task| task.target.name() == "often");
    assert_eq!(often.count(), 1000);
    assert_eq!(all.len(), 1020);
    // When it has caught up, it gets what is due then.
    for task in &all {
        assert_eq!(task.state, State::Waiting);
        store.cancel(&task.id, at(1200)).await.unwrap();
    }
    tick(&store, at(1203)).await;
    assert_eq!(tasks(&store).await.len(), 1023);
}
