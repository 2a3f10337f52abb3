//! The host functions called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::bindings::documents::{self as wit, HostWithStore as _};
use crate::{
    Backend as _, CollectionDeclaration, Documents, DocumentsCtx, DocumentsView, SqliteDocuments,
    add_to_linker,
};
use sbd_capability_testing::{Instance, assert_links, metered};
use sbd_metering::{Budget, Cause, Meter, OverLimit};
use sbd_storage::{Database, Options, Quota};
use std::sync::Arc;
use wasmtime::component::Accessor;

impl DocumentsView for Instance<DocumentsCtx> {
    fn documents(&mut self) -> &mut DocumentsCtx {
        &mut self.ctx
    }
}

async fn documents() -> (SqliteDocuments, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("t.db"), &Options::default()).unwrap();
    let documents = SqliteDocuments::new(database);
    let declared = CollectionDeclaration {
        name: "things".to_owned(),
        indexes: vec![],
    };
    documents.configure("family", &[declared]).await.unwrap();
    (documents, folder)
}

/// Runs `guest` with what a component has: the interface.
async fn run<R: Send + 'static>(
    documents: &SqliteDocuments,
    meter: &Arc<impl Meter + 'static>,
    guest: impl AsyncFnOnce(&Accessor<Instance<DocumentsCtx>, Documents>) -> R + Send,
) -> R {
    let ctx = DocumentsCtx::new(Arc::new(documents.clone()), Arc::new(()), "family".into());
    let meter: Arc<dyn Meter> = Arc::clone(meter) as _;
    metered::<_, Documents, _>(ctx, meter, Instance::<DocumentsCtx>::documents, guest).await
}

fn things() -> String {
    "things".to_owned()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn all() -> wit::Query {
    wit::Query {
        filter: text("{}"),
        sort: None,
        projection: None,
        skip: 0,
        limit: 10,
        cursor: None,
        total: false,
    }
}

fn insertion(document: &str) -> wit::Operation {
    wit::Operation::Insert(wit::InsertOperation {
        collection: things(),
        document: text(document),
    })
}

fn publication() -> wit::Operation {
    wit::Operation::Publish(wit::PublishOperation {
        type_: text("family.created"),
        subject: Some(text("fam_1")),
        data: text(r#"{"n":1}"#),
        attributes: vec![(text("dataschema"), text("s"))],
    })
}

const ONE: wit::UpdateOptions = wit::UpdateOptions {
    many: false,
    upsert: false,
};

fn find_and_update() -> wit::FindAndUpdateOptions {
    wit::FindAndUpdateOptions {
        sort: None,
        projection: None,
        upsert: false,
        return_new: true,
    }
}

async fn count(documents: &SqliteDocuments) -> u64 {
    documents.stored("family").await.unwrap().documents
}

#[test]
fn the_interface_links() {
    assert_links::<DocumentsCtx>(add_to_linker);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_stops_where_the_request_may_not_call_any_more() {
    let (documents, _folder) = documents().await;
    let meter = Arc::new(Budget::new(1, usize::MAX));
    let answers = run(&documents, &meter, async |store| {
        let one = vec![text(r#"{"_id":"1"}"#)];
        Documents::insert(store, things(), one.clone())
            .await
            .unwrap();
        let (any, set) = (|| text("{}"), || text(r#"{"$set":{"n":1}}"#));
        let options = find_and_update();
        [
            Documents::insert(store, things(), one).await.map(drop),
            Documents::get(store, things(), text("1")).await.map(drop),
            Documents::find(store, things(), all()).await.map(drop),
            Documents::count(store, things(), any()).await.map(drop),
            Documents::distinct(store, things(), text("n"), any())
                .await
                .map(drop),
            Documents::aggregate(store, things(), text("[]"))
                .await
                .map(drop),
            Documents::update(store, things(), any(), set(), ONE)
                .await
                .map(drop),
            Documents::find_one_and_update(store, things(), any(), set(), options)
                .await
                .map(drop),
            Documents::transact(store, vec![insertion(r#"{"_id":"2"}"#)])
                .await
                .map(drop),
            Documents::delete(store, things(), any(), true)
                .await
                .map(drop),
        ]
    })
    .await;
    assert_eq!(meter.used().0, 1 + 10);
    for answer in answers {
        let Err(wit::Error::Limit(message)) = answer else {
            panic!("not refused by a limit: {answer:?}");
        };
        assert!(message.contains("capability_calls"), "{message}");
    }
    // Nothing was done.
    let stored = documents.stored("family").await.unwrap();
    assert_eq!((stored.documents, stored.bytes), (1, 11));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_charged_both_ways() {
    let (documents, _folder) = documents().await;
    let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
    let (its, document) = (Arc::clone(&meter), r#"{"_id":"1"}"#);
    run(&documents, &meter, async move |store| {
        let mut used = 0;
        let mut charged = |bytes: usize| {
            used += bytes;
            assert_eq!(its.used().1, used);
        };
        let insert = Documents::insert(store, things(), vec![text(document)]);
        insert.await.unwrap();
        charged(6 + 11 + 1);
        let get = Documents::get(store, things(), text("1"));
        get.await.unwrap();
        charged(6 + 1 + 11);
        let query = wit::Query {
            sort: Some(text(r#"{"n":1}"#)),
            projection: Some(text(r#"{"n":1}"#)),
            ..all()
        };
        Documents::find(store, things(), query).await.unwrap();
        charged(6 + 2 + 7 + 7 + 11);
        let (any, set) = (text("{}"), text(r#"{"$set":{"n":1}}"#));
        let options = wit::FindAndUpdateOptions {
            sort: Some(text(r#"{"n":1}"#)),
            projection: Some(text(r#"{"_id":0}"#)),
            ..find_and_update()
        };
        let changed = Documents::find_one_and_update(store, things(), any, set, options);
        assert_eq!(changed.await.unwrap().unwrap(), r#"{"n":1}"#);
        charged(6 + 2 + 16 + 7 + 9 + 7);
        let operations = vec![insertion(r#"{"_id":"2"}"#), publication()];
        Documents::transact(store, operations).await.unwrap();
        charged(6 + 11 + 1 + 14 + 5 + 7 + 10 + 1 + 36);
    })
    .await;
}

/// An error promises that nothing was written.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_answered_even_where_the_answer_is_too_much() {
    let (documents, _folder) = documents().await;
    let question = r#"{"n":1}"#;
    let meter = Arc::new(Budget::new(u32::MAX, things().len() + question.len()));
    let (inserted, then) = run(&documents, &meter, async |store| {
        let insert = Documents::insert(store, things(), vec![text(question)]);
        let inserted = insert.await;
        let then = Documents::count(store, things(), text("{}")).await;
        (inserted, then)
    })
    .await;
    assert_eq!(inserted.unwrap().len(), 1);
    assert!(matches!(then, Err(wit::Error::Limit(_))), "{then:?}");
    assert_eq!(count(&documents).await, 1);

    let update = r#"{"$set":{"text":"xxxxxxxxxxxxxxxxxxxxxxxx"}}"#;
    let most = things().len() + 2 + update.len();
    for transact in [false, true] {
        let meter = Arc::new(Budget::new(u32::MAX, most));
        run(&documents, &meter, async |store| {
            if transact {
                let operations = vec![insertion(question)];
                Documents::transact(store, operations).await.map(drop)
            } else {
                let (any, update) = (text("{}"), text(update));
                let options = find_and_update();
                Documents::find_one_and_update(store, things(), any, update, options)
                    .await
                    .map(drop)
            }
        })
        .await
        .unwrap();
    }
    // What is only read is refused.
    let meter = Arc::new(Budget::new(u32::MAX, 20));
    let found = run(&documents, &meter, async |store| {
        Documents::find(store, things(), all()).await
    });
    assert!(matches!(found.await, Err(wit::Error::Limit(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_refuses_is_told_to_the_host() {
    let (documents, _folder) = documents().await;
    let quota = Quota {
        documents: 0,
        ..Quota::UNLIMITED
    };
    documents.allow("family", quota).await.unwrap();
    for write in 0..4 {
        let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
        let refused = run(&documents, &meter, async |store| {
            let (any, set) = (text(r#"{"_id":"1"}"#), text(r#"{"$set":{"n":1}}"#));
            match write {
                0 => Documents::insert(store, things(), vec![any])
                    .await
                    .map(drop),
                1 => Documents::transact(store, vec![insertion(&any)])
                    .await
                    .map(drop),
                2 => {
                    let options = wit::UpdateOptions {
                        upsert: true,
                        ..ONE
                    };
                    Documents::update(store, things(), any, set, options)
                        .await
                        .map(drop)
                }
                _ => {
                    let options = wit::FindAndUpdateOptions {
                        upsert: true,
                        ..find_and_update()
                    };
                    Documents::find_one_and_update(store, things(), any, set, options)
                        .await
                        .map(drop)
                }
            }
        })
        .await;
        assert!(matches!(refused, Err(wit::Error::Full)), "{refused:?}");
        assert_eq!(meter.refused(), Some("stored_documents"));
    }
    assert_eq!(count(&documents).await, 0);
}

/// A request of somebody, for something.
struct Asked;

impl Meter for Asked {
    fn charge(&self, _: u32, _: usize) -> Result<(), OverLimit> {
        Ok(())
    }

    fn refused(&self, _: &'static str) {}

    fn cause(&self) -> Cause {
        Cause {
            request: Some("req_1".into()),
            user: Some("usr_1".into()),
            ..Cause::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_who_published_it_and_why() {
    let (documents, _folder) = documents().await;
    let outcomes = run(&documents, &Arc::new(Asked), async |store| {
        Documents::transact(store, vec![publication()]).await
    })
    .await
    .unwrap();
    let published = documents.outbox(0, 10).await.unwrap().pop().unwrap();
    assert!(matches!(&*outcomes, [wit::Outcome::Published(id)] if *id == published.id));
    assert_eq!(published.component, "family");
    assert_eq!(published.event.cause, Asked.cause());
    assert_eq!(
        published.event.attributes,
        [(text("dataschema"), text("s"))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_the_total_that_is_asked_for() {
    let (documents, _folder) = documents().await;
    let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
    let (with, without) = run(&documents, &meter, async |store| {
        let two = vec![text(r#"{"_id":"1"}"#), text(r#"{"_id":"2"}"#)];
        Documents::insert(store, things(), two).await.unwrap();
        let query = |total| wit::Query {
            limit: 1,
            total,
            ..all()
        };
        let with = Documents::find(store, things(), query(true)).await;
        (with, Documents::find(store, things(), query(false)).await)
    })
    .await;
    assert_eq!(with.unwrap().total, Some(2));
    assert_eq!(without.unwrap().total, None);
}
