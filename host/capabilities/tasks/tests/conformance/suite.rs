//! What every backend does.

use jiff::{SignedDuration, Timestamp};
use sbd_tasks::{
    ActsFor, Backend, Claimed, Filter, Finish, NewTask, Progress, State, Target, Task,
};

/// Runs the suite over a backend that `$make` makes.
macro_rules! conformance {
    ($make:ident) => {
        mod $make {
            conformance!(@tests $make:
                the_highest_priority_is_first_and_then_what_is_ready_longest
                a_queue_has_its_own_and_a_component_can_be_left_alone
                an_attempt_is_one_persons_until_its_end
                what_fails_is_tried_again_as_often_as_it_may
                nobody_asked_is_no_attempt
                a_lease_that_runs_out_gives_the_task_back
                a_lease_that_is_renewed_does_not_run_out
                one_comes_after_those_before_it_and_has_their_results
                where_one_fails_those_behind_it_fail
                who_is_canceled_takes_those_behind_along
                a_key_is_taken_until_its_task_has_ended
                results_that_are_too_large_together_fail_who_was_to_have_them
                a_deadline_ends_what_has_not_succeeded
                what_ended_is_forgotten_when_nobody_needs_it
                a_user_sees_their_own_page_by_page
                progress_is_said_and_heard_of
                when_to_look_next_is_known
                a_wrong_place_enqueues_nothing
            );

            #[tokio::test]
            async fn whatever_the_order_every_task_ends_once() {
                for seed in 0..super::model::SEEDS {
                    let (backend, _guard) = super::$make().await;
                    super::model::whatever_the_order(backend, seed).await;
                }
            }
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

const SOON: SignedDuration = SignedDuration::from_secs(30);

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(crate) fn new(name: &str) -> NewTask {
    NewTask {
        component: "worker".into(),
        target: Target::Task(name.to_owned()),
        queue: "default".to_owned(),
        data: format!(r#"{{"name":"{name}"}}"#),
        after: Vec::new(),
        priority: 0,
        ready_at: at(0),
        deadline: None,
        retries: 2,
        unique: None,
        acts_for: None,
        keep: SignedDuration::from_secs(100),
    }
}

fn after(name: &str, first: &[usize]) -> NewTask {
    NewTask {
        after: first.to_vec(),
        ..new(name)
    }
}

async fn enqueue(backend: &impl Backend, tasks: Vec<NewTask>) -> Vec<String> {
    backend.enqueue(tasks, at(0)).await.unwrap()
}

pub(crate) async fn claim(backend: &impl Backend, seconds: i64) -> Option<Claimed> {
    let now = at(seconds);
    let claimed = backend.claim("default", &[], now, now + SOON).await;
    claimed.unwrap()
}

async fn names(backend: &impl Backend, seconds: i64) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(claimed) = claim(backend, seconds).await {
        names.push(claimed.task.target.name().to_owned());
    }
    names
}

async fn finish(
    backend: &impl Backend,
    claimed: &Claimed,
    finish: Finish,
    seconds: i64,
) -> Option<State> {
    let Task { id, attempts, .. } = &claimed.task;
    let finished = backend.finish(id, *attempts, finish, at(seconds)).await;
    finished.unwrap()
}

fn succeeded(result: &str) -> Finish {
    Finish::Succeeded {
        result: result.to_owned(),
    }
}

fn again(seconds: i64) -> Finish {
    Finish::Again {
        at: at(seconds),
        reason: "503".to_owned(),
    }
}

fn failed() -> Finish {
    Finish::Failed {
        reason: "422 it is wrong".to_owned(),
    }
}

async fn get(backend: &impl Backend, id: &str) -> Task {
    backend.get(id).await.unwrap().unwrap()
}

async fn states(backend: &impl Backend, ids: &[String]) -> Vec<State> {
    let mut states = Vec::new();
    for id in ids {
        states.push(get(backend, id).await.state);
    }
    states
}

pub(crate) async fn the_highest_priority_is_first_and_then_what_is_ready_longest(
    backend: impl Backend,
) {
    let of = |name: &str, priority, ready| NewTask {
        priority,
        ready_at: at(ready),
        ..new(name)
    };
    let tasks = vec![
        of("second", 0, 1),
        of("first", 0, 0),
        of("later", 9, 60),
        of("best", 5, 2),
    ];
    enqueue(&backend, tasks).await;
    assert_eq!(names(&backend, 10).await, ["best", "first", "second"]);
    assert_eq!(names(&backend, 59).await, [""; 0]);
    assert_eq!(names(&backend, 60).await, ["later"]);
}

pub(crate) async fn a_queue_has_its_own_and_a_component_can_be_left_alone(backend: impl Backend) {
    let slow = NewTask {
        queue: "ai".to_owned(),
        ready_at: at(7),
        ..new("embed")
    };
    let others = NewTask {
        component: "other".into(),
        ..new("others")
    };
    enqueue(&backend, vec![slow, others, new("own")]).await;
    let ready = async |except: &[_]| backend.ready(except).await.unwrap();
    let own = || ("default".to_owned(), at(0));
    assert_eq!(ready(&[]).await, [("ai".to_owned(), at(7)), own()]);
    let away = ["worker".into()];
    assert_eq!(ready(&away).await, [own()]);
    let claim = backend.claim("default", &away, at(1), at(9)).await;
    assert_eq!(claim.unwrap().unwrap().task.target.name(), "others");
    assert!(ready(&away).await.is_empty());
    assert_eq!(names(&backend, 1).await, ["own"]);
}

pub(crate) async fn an_attempt_is_one_persons_until_its_end(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("work")]).await;
    assert_eq!(get(&backend, &ids[0]).await.state, State::Waiting);
    let claimed = claim(&backend, 1).await.unwrap();
    assert_eq!(claimed.task.id, ids[0]);
    assert_eq!(
        (claimed.task.state, claimed.task.attempts),
        (State::Running, 1)
    );
    assert_eq!(claimed.data, r#"{"name":"work"}"#);
    assert_eq!(claim(&backend, 1).await, None);
    let other = backend.finish(&ids[0], 2, succeeded("1"), at(2)).await;
    assert_eq!(other.unwrap(), None);
    let finished = finish(&backend, &claimed, succeeded("{\"n\":1}"), 3).await;
    assert_eq!(finished, Some(State::Succeeded));
    assert_eq!(finish(&backend, &claimed, failed(), 4).await, None);
    let task = get(&backend, &ids[0]).await;
    assert_eq!(task.result.as_deref(), Some("{\"n\":1}"));
    assert_eq!((task.created_at, task.ended_at), (at(0), Some(at(3))));
    assert_eq!(backend.get("tsk_0").await.unwrap(), None);
}

pub(crate) async fn what_fails_is_tried_again_as_often_as_it_may(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("work"), new("wrong")]).await;
    for attempt in 1..=3 {
        let now = attempt * 10;
        let claimed = claim(&backend, now).await.unwrap();
        assert_eq!(i64::from(claimed.task.attempts), attempt);
        assert_eq!(claimed.task.id, ids[0]);
        let finished = finish(&backend, &claimed, again(now + 10), now).await;
        let expected = match attempt {
            3 => State::Failed,
            _ => State::Waiting,
        };
        assert_eq!(finished, Some(expected));
        if attempt == 1 {
            let wrong = claim(&backend, now).await.unwrap();
            assert_eq!(
                finish(&backend, &wrong, failed(), now).await,
                Some(State::Failed)
            );
            assert_eq!(claim(&backend, now + 9).await, None);
        }
    }
    let reasons = [get(&backend, &ids[0]).await, get(&backend, &ids[1]).await];
    let reasons = reasons.map(|task| task.reason.unwrap());
    assert_eq!(reasons, ["503", "422 it is wrong"]);
}

pub(crate) async fn nobody_asked_is_no_attempt(backend: impl Backend) {
    let none = NewTask {
        retries: 0,
        ..new("work")
    };
    enqueue(&backend, vec![none]).await;
    for now in [0, 60, 120] {
        let claimed = claim(&backend, now).await.unwrap();
        assert_eq!(claimed.task.attempts, 1);
        let later = Finish::NotBegun { at: at(now + 60) };
        assert_eq!(
            finish(&backend, &claimed, later, now).await,
            Some(State::Waiting)
        );
        assert_eq!(claim(&backend, now + 59).await, None);
    }
}

pub(crate) async fn a_lease_that_runs_out_gives_the_task_back(backend: impl Backend) {
    let once = NewTask {
        retries: 0,
        ..new("once")
    };
    let ids = enqueue(&backend, vec![new("work"), once]).await;
    let (first, second) = (claim(&backend, 0).await.unwrap(), claim(&backend, 0).await);
    assert!(second.is_some());
    backend.tend(at(29)).await.unwrap();
    assert_eq!(states(&backend, &ids).await, [State::Running; 2]);
    backend.tend(at(30)).await.unwrap();
    assert_eq!(
        states(&backend, &ids).await,
        [State::Waiting, State::Failed]
    );
    let again = claim(&backend, 30).await.unwrap();
    assert_eq!(again.task.attempts, 2);
    assert_eq!(finish(&backend, &first, succeeded("1"), 31).await, None);
    let renewed = backend.renew(&ids[0], 1, at(99)).await;
    assert!(!renewed.unwrap());
    assert_eq!(
        finish(&backend, &again, succeeded("2"), 32).await,
        Some(State::Succeeded)
    );
}

pub(crate) async fn a_lease_that_is_renewed_does_not_run_out(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("work")]).await;
    claim(&backend, 0).await.unwrap();
    assert!(backend.renew(&ids[0], 1, at(60)).await.unwrap());
    backend.tend(at(59)).await.unwrap();
    assert_eq!(states(&backend, &ids).await, [State::Running]);
    backend.tend(at(60)).await.unwrap();
    assert_eq!(states(&backend, &ids).await, [State::Waiting]);
}

pub(crate) async fn one_comes_after_those_before_it_and_has_their_results(backend: impl Backend) {
    let last = NewTask {
        priority: 9,
        ..after("last", &[1, 0, 1])
    };
    let ids = enqueue(&backend, vec![new("a"), new("b"), last, after("end", &[2])]).await;
    let (a, b) = (
        claim(&backend, 0).await.unwrap(),
        claim(&backend, 0).await.unwrap(),
    );
    assert_eq!(claim(&backend, 0).await, None);
    finish(&backend, &b, succeeded("\"b\""), 5).await;
    assert_eq!(states(&backend, &ids).await[2], State::Blocked);
    finish(&backend, &a, succeeded("1.50"), 6).await;
    assert_eq!(
        states(&backend, &ids).await[2..],
        [State::Waiting, State::Blocked]
    );
    // Others may have forgotten what it still needs.
    backend.tend(at(1000)).await.unwrap();
    let last = claim(&backend, 1000).await.unwrap();
    assert_eq!(last.results, ["\"b\"", "1.50", "\"b\""]);
    finish(&backend, &last, succeeded("null"), 1000).await;
    assert_eq!(claim(&backend, 1000).await.unwrap().results, ["null"]);
}

pub(crate) async fn where_one_fails_those_behind_it_fail(backend: impl Backend) {
    let tasks = vec![new("a"), new("b"), after("c", &[0, 1]), after("d", &[2, 0])];
    let ids = enqueue(&backend, tasks).await;
    let a = claim(&backend, 0).await.unwrap();
    finish(&backend, &a, failed(), 1).await;
    let expected = [State::Failed, State::Waiting, State::Failed, State::Failed];
    assert_eq!(states(&backend, &ids).await, expected);
    let reason = get(&backend, &ids[3]).await.reason.unwrap();
    assert!(reason.contains(&ids[0]), "{reason}");
    let b = claim(&backend, 0).await.unwrap();
    finish(&backend, &b, succeeded("1"), 1).await;
    assert_eq!(claim(&backend, 9).await, None);
}

pub(crate) async fn who_is_canceled_takes_those_behind_along(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("a"), after("b", &[0]), new("c")]).await;
    let a = claim(&backend, 0).await.unwrap();
    assert!(backend.cancel(&ids[0], at(1)).await.unwrap());
    assert!(!backend.cancel(&ids[0], at(1)).await.unwrap());
    assert!(!backend.cancel("tsk_0", at(1)).await.unwrap());
    let expected = [State::Canceled, State::Canceled, State::Waiting];
    assert_eq!(states(&backend, &ids).await, expected);
    assert_eq!(finish(&backend, &a, succeeded("1"), 2).await, None);
    assert_eq!(names(&backend, 2).await, ["c"]);
}

pub(crate) async fn a_key_is_taken_until_its_task_has_ended(backend: impl Backend) {
    let of = |name: &str, key: &str| NewTask {
        unique: Some(key.to_owned()),
        ..new(name)
    };
    let first = enqueue(
        &backend,
        vec![of("work", "k"), of("work", "k"), of("work", "l")],
    )
    .await;
    assert_eq!(first[0], first[1]);
    assert_ne!(first[0], first[2]);
    let behind = enqueue(
        &backend,
        vec![of("work", "k"), of("rest", "k"), after("x", &[0])],
    )
    .await;
    assert_eq!(behind[0], first[0]);
    assert_ne!(behind[1], first[0]);
    let work = claim(&backend, 0).await.unwrap();
    assert_eq!(work.task.id, first[0]);
    finish(&backend, &work, succeeded("7"), 1).await;
    let next = enqueue(&backend, vec![of("work", "k")]).await;
    assert_ne!(next[0], first[0]);
    assert_eq!(states(&backend, &behind).await[2], State::Waiting);
}

pub(crate) async fn results_that_are_too_large_together_fail_who_was_to_have_them(
    backend: impl Backend,
) {
    let mut tasks: Vec<NewTask> = (0..5).map(|n| new(&n.to_string())).collect();
    tasks.push(after("all", &[0, 1, 2, 3, 4]));
    tasks.push(after("behind", &[5]));
    let ids = enqueue(&backend, tasks).await;
    let large = format!("\"{}\"", "x".repeat(250 << 10));
    while let Some(claimed) = claim(&backend, 0).await {
        finish(&backend, &claimed, succeeded(&large), 1).await;
    }
    assert_eq!(
        states(&backend, &ids).await[4..],
        [State::Succeeded, State::Failed, State::Failed]
    );
}

pub(crate) async fn a_deadline_ends_what_has_not_succeeded(backend: impl Backend) {
    let until = |name: &str, seconds| NewTask {
        deadline: Some(at(seconds)),
        ..new(name)
    };
    let tasks = vec![
        until("a", 10),
        until("b", 11),
        after("c", &[0]),
        until("d", 10),
    ];
    let ids = enqueue(&backend, tasks).await;
    let a = claim(&backend, 0).await.unwrap();
    let b = claim(&backend, 0).await.unwrap();
    finish(&backend, &b, succeeded("1"), 1).await;
    backend.tend(at(10)).await.unwrap();
    backend.tend(at(11)).await.unwrap();
    let expected = [
        State::Failed,
        State::Succeeded,
        State::Failed,
        State::Failed,
    ];
    assert_eq!(states(&backend, &ids).await, expected);
    assert_eq!(finish(&backend, &a, succeeded("1"), 12).await, None);
}

pub(crate) async fn what_ended_is_forgotten_when_nobody_needs_it(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("a"), after("b", &[0])]).await;
    let a = claim(&backend, 0).await.unwrap();
    finish(&backend, &a, succeeded("1"), 10).await;
    backend.tend(at(500)).await.unwrap();
    assert_eq!(
        states(&backend, &ids).await,
        [State::Succeeded, State::Waiting]
    );
    let b = claim(&backend, 500).await.unwrap();
    finish(&backend, &b, succeeded("2"), 500).await;
    backend.tend(at(501)).await.unwrap();
    assert_eq!(backend.get(&ids[0]).await.unwrap(), None);
    assert_eq!(get(&backend, &ids[1]).await.state, State::Succeeded);
    backend.tend(at(600)).await.unwrap();
    assert_eq!(backend.get(&ids[1]).await.unwrap(), None);
}

pub(crate) async fn a_user_sees_their_own_page_by_page(backend: impl Backend) {
    let of = |user: &str, name: &str| NewTask {
        acts_for: Some(ActsFor {
            user: user.into(),
            delegation: "sealed".to_owned(),
        }),
        ..new(name)
    };
    let tasks = vec![of("ada", "1"), of("bob", "2"), of("ada", "3"), new("4")];
    enqueue(&backend, tasks).await;
    let claimed = claim(&backend, 0).await.unwrap();
    assert_eq!(claimed.delegation.as_deref(), Some("sealed"));
    assert_eq!(claimed.task.user.as_deref(), Some("ada"));
    let listed = async |user: Option<&str>, state, offset| {
        let filter = Filter {
            user: user.map(Into::into),
            state,
        };
        let listed = backend.list(filter, offset, 1).await.unwrap();
        let names = listed.tasks.iter();
        let names: Vec<String> = names.map(|task| task.target.name().to_owned()).collect();
        (names.concat(), listed.total)
    };
    assert_eq!(listed(Some("ada"), None, 0).await, ("3".to_owned(), 2));
    assert_eq!(listed(Some("ada"), None, 1).await, ("1".to_owned(), 2));
    assert_eq!(listed(Some("ada"), None, 2).await, (String::new(), 2));
    let running = Some(State::Running);
    assert_eq!(listed(Some("ada"), running, 0).await, ("1".to_owned(), 1));
    assert_eq!(listed(Some("cyd"), None, 0).await, (String::new(), 0));
    assert_eq!(listed(None, None, 0).await, ("4".to_owned(), 4));
    assert_eq!(backend.open_of("worker").await.unwrap(), 4);
    assert_eq!(backend.open_of("other").await.unwrap(), 0);
}

pub(crate) async fn progress_is_said_and_heard_of(backend: impl Backend) {
    let ids = enqueue(&backend, vec![new("work")]).await;
    let said = || Progress {
        fraction: 0.5,
        message: Some("half".to_owned()),
        data: Some("[1]".to_owned()),
    };
    let report = async |attempt, lease| {
        let report = backend.report(&ids[0], attempt, said(), at(lease));
        report.await.unwrap()
    };
    let mut changes = backend.changes();
    assert!(!report(0, 90).await);
    let claimed = claim(&backend, 0).await.unwrap();
    assert!(report(1, 90).await);
    assert!(!report(2, 90).await);
    assert_eq!(get(&backend, &ids[0]).await.progress, Some(said()));
    backend.tend(at(89)).await.unwrap();
    assert_eq!(states(&backend, &ids).await, [State::Running]);
    finish(&backend, &claimed, succeeded("1"), 89).await;
    let heard: Vec<bool> = std::iter::from_fn(|| changes.try_recv().ok())
        .map(|change| change.is_ended)
        .collect();
    assert_eq!(heard, [false, false, true]);
}

pub(crate) async fn when_to_look_next_is_known(backend: impl Backend) {
    let next = async || backend.next(&[]).await.unwrap();
    assert_eq!(next().await, None);
    let work = NewTask {
        ready_at: at(50),
        deadline: Some(at(200)),
        ..new("work")
    };
    enqueue(&backend, vec![work]).await;
    assert_eq!(next().await, Some(at(50)));
    let away = backend.next(&["worker".into()]).await.unwrap();
    assert_eq!(away, Some(at(200)));
    let claimed = claim(&backend, 50).await.unwrap();
    assert_eq!(next().await, Some(at(80)));
    finish(&backend, &claimed, succeeded("1"), 60).await;
    assert_eq!(next().await, Some(at(160)));
    backend.tend(at(160)).await.unwrap();
    assert_eq!(next().await, None);
}

pub(crate) async fn a_wrong_place_enqueues_nothing(backend: impl Backend) {
    let wrong = backend
        .enqueue(vec![new("a"), after("b", &[1])], at(0))
        .await;
    assert!(
        matches!(wrong, Err(sbd_tasks::Error::Invalid(_))),
        "{wrong:?}"
    );
    assert_eq!(claim(&backend, 0).await, None);
}
