//! What the interface lets pass and what not, as a component would call it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::bindings::tasks::{self as wit, HostWithStore as _};
use crate::task::Finish;
use crate::{Backend, SqliteBackend, Tasks, TasksCtx, TasksView, add_to_linker};
use jiff::Timestamp;
use sbd_capability_testing::{Instance, assert_links};
use sbd_metering::{Budget, Cause, Delegated, Meter, OverLimit};
use sbd_storage::{Database, Options};
use std::sync::Arc;
use wasmtime::component::Accessor;

impl TasksView for Instance<TasksCtx> {
    fn tasks(&mut self) -> &mut TasksCtx {
        &mut self.ctx
    }
}

/// The request of a user.
struct OfAda;

impl Meter for OfAda {
    fn charge(&self, _: u32, _: usize) -> Result<(), OverLimit> {
        Ok(())
    }

    fn refused(&self, _: &'static str) {}

    fn cause(&self) -> Cause {
        Cause::default()
    }

    fn delegate(&self) -> Result<Delegated, String> {
        Ok(Delegated {
            user: "usr_ada".into(),
            sealed: "sealed".to_owned(),
        })
    }
}

/// A store, with what must live as long as it.
async fn store() -> (Arc<SqliteBackend>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    (
        Arc::new(SqliteBackend::open(database).await.unwrap()),
        folder,
    )
}

/// What a component has of it that offers `work` and, for users of a language model, `embed`.
fn of(backend: &Arc<SqliteBackend>, component: &str) -> TasksCtx {
    let queues = [("work", "default"), ("embed", "ai")];
    let queues = queues.map(|(name, queue)| (name.to_owned(), queue.to_owned()));
    let backend: Arc<dyn Backend> = Arc::clone(backend) as _;
    TasksCtx::new(
        backend,
        Arc::new(()),
        component.into(),
        Arc::new(queues.into()),
    )
}

async fn run<R: Send + 'static>(
    ctx: TasksCtx,
    guest: impl AsyncFnOnce(&Accessor<Instance<TasksCtx>, Tasks>) -> R + Send,
) -> R {
    metered(ctx, Arc::new(OfAda), guest).await
}

async fn metered<R: Send + 'static>(
    ctx: TasksCtx,
    meter: Arc<dyn Meter>,
    guest: impl AsyncFnOnce(&Accessor<Instance<TasksCtx>, Tasks>) -> R + Send,
) -> R {
    let view = Instance::<TasksCtx>::tasks;
    sbd_capability_testing::metered::<_, Tasks, _>(ctx, meter, view, guest).await
}

fn new(name: &str) -> wit::NewTask {
    wit::NewTask {
        name: name.to_owned(),
        data: "{}".to_owned(),
        after: Vec::new(),
        priority: 0,
        delay_ms: 0,
        deadline_ms: None,
        retries: None,
        unique: None,
        for_user: false,
        keep_ms: None,
    }
}

#[test]
fn the_interface_links() {
    assert_links(add_to_linker::<Instance<TasksCtx>>);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_and_nothing_is_enqueued() {
    let (backend, _folder) = store().await;
    let wrong = [
        wit::NewTask {
            data: "{".to_owned(),
            ..new("work")
        },
        wit::NewTask {
            data: format!("\"{}\"", "x".repeat(256 << 10)),
            ..new("work")
        },
        wit::NewTask {
            after: vec![1],
            ..new("work")
        },
        wit::NewTask {
            priority: 10,
            ..new("work")
        },
        wit::NewTask {
            delay_ms: u64::MAX,
            ..new("work")
        },
        wit::NewTask {
            retries: Some(101),
            ..new("work")
        },
        wit::NewTask {
            unique: Some(String::new()),
            ..new("work")
        },
        wit::NewTask {
            keep_ms: Some(31 * 24 * 60 * 60 * 1000),
            ..new("work")
        },
    ];
    for task in wrong {
        let refused = run(of(&backend, "worker"), async move |store| {
            Tasks::enqueue(store, vec![new("work"), task]).await
        });
        let refused = refused.await;
        assert!(
            matches!(refused, Err(wit::Error::Invalid(_))),
            "{refused:?}"
        );
    }
    let unknown = run(of(&backend, "worker"), async move |store| {
        Tasks::enqueue(store, vec![new("paint")]).await
    });
    let unknown = unknown.await;
    assert!(
        matches!(&unknown, Err(wit::Error::UnknownTask(words)) if words.contains("embed, work")),
        "{unknown:?}"
    );
    for many in [0, 1001] {
        let refused = run(of(&backend, "worker"), async move |store| {
            Tasks::enqueue(store, vec![new("work"); many]).await
        });
        assert!(matches!(refused.await, Err(wit::Error::Invalid(_))));
    }
    assert_eq!(backend.open_of("worker").await.unwrap(), 0);
}

#[tokio::test]
async fn a_task_acts_for_the_user_of_the_request_if_there_is_one() {
    let (backend, _folder) = store().await;
    let for_user = || wit::NewTask {
        for_user: true,
        deadline_ms: Some(u64::MAX),
        ..new("embed")
    };
    let task = for_user();
    let ids = run(of(&backend, "worker"), async move |store| {
        Tasks::enqueue(store, vec![task]).await
    });
    let id = ids.await.unwrap().remove(0);
    let task = backend.get(&id).await.unwrap().unwrap();
    assert_eq!(
        (task.user.as_deref(), task.queue.as_str()),
        (Some("usr_ada"), "ai")
    );
    let nobody: Arc<dyn Meter> = Arc::new(Budget::new(9, usize::MAX));
    let refused = metered(of(&backend, "worker"), nobody, async move |store| {
        Tasks::enqueue(store, vec![for_user()]).await
    });
    assert!(matches!(refused.await, Err(wit::Error::Invalid(words)) if words.contains("user")));
    let poor: Arc<dyn Meter> = Arc::new(Budget::new(9, 3));
    let refused = metered(of(&backend, "worker"), poor, async move |store| {
        Tasks::enqueue(store, vec![new("work")]).await
    });
    assert!(matches!(refused.await, Err(wit::Error::Limit(_))));
}

#[tokio::test]
async fn a_component_has_to_do_with_its_own_tasks_alone() {
    let (backend, _folder) = store().await;
    let ids = run(of(&backend, "worker"), async move |store| {
        Tasks::enqueue(store, vec![new("work")]).await
    });
    let id = ids.await.unwrap().remove(0);
    let said = || wit::Progress {
        fraction: 0.5,
        message: None,
        data: None,
    };
    let now = Timestamp::now();
    backend
        .claim("default", &[], now, now)
        .await
        .unwrap()
        .unwrap();
    let of_it = id.clone();
    let stranger = run(of(&backend, "stranger"), async move |store| {
        let seen = Tasks::get(store, of_it.clone()).await.unwrap().is_some();
        let said = Tasks::report(store, of_it.clone(), 1, said())
            .await
            .unwrap();
        (seen, said, Tasks::cancel(store, of_it).await.unwrap())
    });
    assert_eq!(stranger.await, (false, false, false));
    let own = run(of(&backend, "worker"), async move |store| {
        let too_far = wit::Progress {
            fraction: 1.5,
            ..said()
        };
        let too_far = Tasks::report(store, id.clone(), 1, too_far).await.is_err();
        let said = Tasks::report(store, id.clone(), 1, said()).await.unwrap();
        (too_far, said, Tasks::cancel(store, id).await.unwrap())
    });
    assert_eq!(own.await, (true, true, true));
}

#[tokio::test]
async fn who_waits_is_told_of_the_end() {
    let (backend, _folder) = store().await;
    let ids = run(of(&backend, "worker"), async move |store| {
        Tasks::enqueue(store, vec![new("work")]).await
    });
    let id = ids.await.unwrap().remove(0);
    let (of_it, at_work) = (id.clone(), Arc::clone(&backend));
    let waits = run(of(&backend, "worker"), async move |store| {
        let before = Tasks::wait(store, of_it.clone(), 1).await.unwrap().unwrap();
        let ends = tokio::spawn(async move {
            let now = Timestamp::now();
            at_work.claim("default", &[], now, now).await.unwrap();
            let result = "[1]".to_owned();
            let finish = Finish::Succeeded { result };
            at_work.finish(&id, 1, finish, now).await.unwrap();
        });
        let after = Tasks::wait(store, of_it, 60_000).await.unwrap().unwrap();
        ends.await.unwrap();
        (before.state, after.result)
    });
    let (before, result) = waits.await;
    assert!(matches!(before, wit::State::Waiting));
    assert_eq!(result.as_deref(), Some("[1]"));
}
