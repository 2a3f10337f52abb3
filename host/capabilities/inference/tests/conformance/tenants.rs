//! Several backends behind one door: which model is taken, who comes next, and what was used.

use crate::openai::{behaving, counted, events, finished, text};
use crate::scripted::{Scripted, Step, json};
use sbd_inference::model::{ChatRequest, Embeddings, Error, Message, Piece, Purpose};
use sbd_inference::{Configured, InferenceCtx, Limits, Models, OpenAi, UsageQuery};
use sbd_storage::{Database, Options};
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc;
use url::Url;

/// The models of a host, and its database.
pub(crate) struct Host {
    models: Arc<Models>,
    folder: TempDir,
}

/// A server that speaks OpenAI's API, as it is configured.
pub(crate) fn model(name: &str, address: &Url, limits: Limits) -> Configured {
    Configured {
        name: name.to_owned(),
        backend: Arc::new(OpenAi::new(address, None).unwrap()),
        limits,
    }
}

// === impl Host ===

impl Host {
    pub(crate) async fn open(backends: Vec<Configured>) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), backends).await
    }

    async fn open_in(folder: TempDir, backends: Vec<Configured>) -> Self {
        let database = Database::open(&folder.path().join("host.db"), &Options::default());
        let models = Models::open(database.unwrap(), backends).await.unwrap();
        Self {
            models: Arc::new(models),
            folder,
        }
    }

    /// The same server with other limits.
    pub(crate) async fn with(self, limits: Limits, server: &Scripted) -> Self {
        Self::open(vec![model("local", &server.v1(), limits)]).await
    }

    fn ctx(&self, tenant: &str) -> InferenceCtx {
        InferenceCtx::new(Arc::clone(&self.models), tenant.into(), "knowledge".into())
    }

    pub(crate) async fn begin(
        &self,
        tenant: &str,
        question: &str,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        self.begin_with(tenant, question, None).await
    }

    pub(crate) async fn begin_with(
        &self,
        tenant: &str,
        question: &str,
        model: Option<&str>,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        let request = ChatRequest {
            model: model.map(str::to_owned),
            messages: vec![Message::user(question)],
            ..ChatRequest::default()
        };
        self.ctx(tenant).chat(Some("usr_1".into()), request).await
    }

    pub(crate) async fn ask(&self, tenant: &str, question: &str) -> Vec<Piece> {
        match self.begin(tenant, question).await {
            Ok(pieces) => all(pieces).await,
            Err(error) => vec![Piece::Failed(error)],
        }
    }

    pub(crate) async fn embed(
        &self,
        tenant: &str,
        texts: Vec<String>,
    ) -> Result<Embeddings, Error> {
        self.ctx(tenant)
            .embed(None, None, Purpose::Passage, texts)
            .await
    }
}

async fn all(mut pieces: mpsc::Receiver<Piece>) -> Vec<Piece> {
    let mut all = Vec::new();
    while let Some(piece) = pieces.recv().await {
        all.push(piece);
    }
    all
}

fn started(pieces: &[Piece]) -> &str {
    let started = pieces.iter().find_map(|piece| match piece {
        Piece::Started(model) => Some(model.as_str()),
        _ => None,
    });
    started.unwrap()
}

/// A server with this one model.
async fn with_model(name: &'static str) -> Scripted {
    Scripted::start(move |asked| match asked.path.as_str() {
        "/v1/models" => json("200 OK", &json!({"data": [{"id": name}]})),
        _ => events(&[text("Paris."), finished("stop"), counted()]),
    })
    .await
}

#[tokio::test]
async fn models_are_found_by_name_and_the_default_is_changed_for_the_next_call() {
    let (one, two) = (with_model("one").await, with_model("same").await);
    let (three, limits) = (with_model("same").await, Limits::default);
    let backends = || {
        vec![
            model("a", &one.v1(), limits()),
            model("b", &two.v1(), limits()),
            model("c", &three.v1(), limits()),
        ]
    };
    let host = Host::open(backends()).await;
    let names = |listed: Vec<sbd_inference::Listed>| {
        let models = listed.into_iter().map(|listed| listed.model);
        models
            .map(|model| (model.name, model.is_default))
            .collect::<Vec<_>>()
    };
    let names_of = async |host: &Host, tenant: &str| names(host.models.list(tenant).await);
    let name = |name: &str, default: bool| (name.to_owned(), default);
    let first = [
        name("one", true),
        name("b/same", false),
        name("c/same", false),
    ];
    assert_eq!(names_of(&host, "acme").await, first);
    assert_eq!(started(&host.ask("acme", "Hello").await), "one");
    host.models.set_default(None, "b/same").await.unwrap();
    assert_eq!(started(&host.ask("acme", "Hello").await), "b/same");
    host.models
        .set_default(Some("acme"), "c/same")
        .await
        .unwrap();
    assert_eq!(started(&host.ask("acme", "Hello").await), "c/same");
    assert_eq!(started(&host.ask("other", "Hello").await), "b/same");
    let twice = host
        .begin_with("acme", "Hello", Some("same"))
        .await
        .unwrap_err();
    assert!(matches!(twice, Error::Invalid(text) if text.contains("b/same")));
    let none = host
        .begin_with("acme", "Hello", Some("two"))
        .await
        .unwrap_err();
    assert!(matches!(none, Error::NoModel(text) if text.contains("sbd model")));
    // Another start knows what was chosen, and a tenant that is gone is forgotten.
    let Host { models, folder } = host;
    drop(models);
    let host = Host::open_in(folder, backends()).await;
    assert_eq!(started(&host.ask("acme", "Hello").await), "c/same");
    host.models.forget("acme").await.unwrap();
    assert_eq!(started(&host.ask("acme", "Hello").await), "b/same");
}

#[tokio::test]
async fn without_models_the_command_that_adds_one_is_named() {
    let host = Host::open(Vec::new()).await;
    let error = host.begin("acme", "Hello").await.unwrap_err();
    assert!(matches!(error, Error::NoModel(text) if text.contains("sbd model pull")));
    assert!(matches!(
        host.embed("acme", vec!["tea".to_owned()]).await,
        Err(Error::NoModel(_))
    ));
}

#[tokio::test]
async fn what_can_do_one_thing_is_not_asked_for_the_other() {
    let server = Scripted::start(behaving).await;
    let host = Host::open(vec![model("local", &server.v1(), Limits::default())]).await;
    let wrong = host.begin_with("acme", "Hello", Some("mini-embed")).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))));
    let made = host.embed("acme", vec!["a tea".to_owned()]).await.unwrap();
    let length: f32 = made.vectors[0].iter().map(|it| it * it).sum();
    assert!((length - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn what_was_used_is_known_by_tenant_user_component_and_model() {
    let server = Scripted::start(behaving).await;
    let host = Host::open(vec![model("local", &server.v1(), Limits::default())]).await;
    host.ask("acme", "Hello").await;
    host.ask("acme", "Hello again").await;
    host.ask("other", "Hello").await;
    host.embed("acme", vec!["tea".to_owned()]).await.unwrap();
    let used = host
        .models
        .used("acme", UsageQuery::default())
        .await
        .unwrap();
    let shown: Vec<_> = used
        .iter()
        .map(|it| {
            (
                it.user.as_deref(),
                &*it.component,
                &*it.model,
                it.requests,
                it.usage.total(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (None, "knowledge", "mini-embed", 1, 9),
            (Some("usr_1"), "knowledge", "talker", 2, 20),
        ]
    );
    let of_user = UsageQuery {
        user: Some("usr_1".to_owned()),
        ..UsageQuery::default()
    };
    assert_eq!(host.models.used("acme", of_user).await.unwrap().len(), 1);
    let long_ago = UsageQuery {
        until: Some("2020-01-01".parse().unwrap()),
        ..UsageQuery::default()
    };
    assert!(host.models.used("acme", long_ago).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tenant_that_asks_much_does_not_keep_another_one_waiting_for_long() {
    let server = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/models" => behaving(asked),
        _ => {
            let mut steps = events(&[text("Paris."), finished("stop"), counted()]);
            steps.insert(1, Step::Wait(std::time::Duration::from_millis(30)));
            steps
        }
    })
    .await;
    let limits = Limits {
        parallel: 1,
        waiting: 8,
        ..Limits::default()
    };
    let host = Host::open(vec![model("local", &server.v1(), limits)]).await;
    let mut busy = Vec::new();
    for _ in 0..9 {
        busy.push(host.begin("busy", "Hello").await.unwrap());
    }
    assert!(matches!(
        host.begin("busy", "Hello").await,
        Err(Error::Busy(_))
    ));
    let pieces = host.ask("calm", "Hello").await;
    assert!(matches!(pieces.last(), Some(Piece::End(_))), "{pieces:?}");
    // The one that ran, and the one whose turn it was.
    assert!(matches!(pieces[0], Piece::Queued(0..=1)), "{pieces:?}");
    let first = busy.remove(0);
    assert!(all(first).await.iter().any(Piece::is_last));
    let mut outcomes = Vec::new();
    for pieces in busy {
        outcomes.push(matches!(all(pieces).await.last(), Some(Piece::End(_))));
    }
    // The last one made room for the other tenant.
    assert_eq!(outcomes.iter().filter(|done| !**done).count(), 1);
}
