//! All models of a host, for all tenants: found by name, asked through their queues, accounted for.

use crate::kept::{Kept, UsageQuery, Who};
use crate::model::{
    ChatRequest, Consumption, Embeddings, Error, Kind, Message, Model, Piece, Purpose, Usage,
    check_counted, check_embedded, estimate,
};
use crate::provider::{Limits, Named, Provider};
use crate::{Available, Backend, Found};
use arc_swap::ArcSwap;
use sbd_pace::Breakers;
use sbd_storage::Database;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

/// How long counting tokens may take before they are estimated.
const COUNTING: Duration = Duration::from_secs(5);

/// What the engine in this process is called among the backends.
pub const LOCAL: &str = "local";
/// For whom a test is written down: no tenant is called so.
const OPERATOR: &str = "-";
/// What a test asks.
const QUESTION: &str = "Say hello in five words.";

/// A backend as it was configured.
pub struct Configured {
    /// What it is called.
    pub name: String,
    /// What has the models.
    pub backend: Arc<dyn Backend>,
    /// How much it is asked.
    pub limits: Limits,
}

/// The models of a host.
pub struct Models {
    providers: Vec<Arc<Provider>>,
    defaults: ArcSwap<Defaults>,
    /// Changes come one after the other.
    changing: Mutex<()>,
    kept: Kept,
}

/// Default models, as `backend/name`: by tenant (empty: the host's) and kind.
type Defaults = BTreeMap<(String, Kind), String>;

/// A model of the host, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As a component sees it.
    pub model: Model,
    /// What its backend knows of it.
    pub found: Found,
}

/// What a model did that was tested.
#[derive(Clone, Debug)]
pub struct Tested {
    /// What it answered, of one that answers.
    pub answer: Option<String>,
    /// How many numbers its vector has, of one that makes vectors.
    pub dimensions: Option<usize>,
    /// How long the first piece took.
    pub first: Duration,
    /// How long all of it took.
    pub total: Duration,
    /// Tokens, as the provider counted them.
    pub usage: Usage,
}

/// A model that was found by its name.
struct Chosen {
    provider: Arc<Provider>,
    model: Named,
}

// === impl Models ===

impl Models {
    /// The models of these backends, in the order in which they are asked for a default one; and what a
    /// database has kept of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(database: Database, backends: Vec<Configured>) -> Result<Self, Error> {
        let kept = Kept::open(database).await?;
        let defaults = kept.defaults().await?.into_iter();
        let defaults = defaults.map(|(tenant, kind, model)| ((tenant, kind), model));
        let providers = backends.into_iter().map(|configured| {
            let name = configured.name.into();
            Arc::new(Provider::new(name, configured.backend, configured.limits))
        });
        Ok(Self {
            providers: providers.collect(),
            defaults: ArcSwap::from_pointee(defaults.collect()),
            changing: Mutex::default(),
            kept,
        })
    }

    /// Has the circuit breakers before the backends known to whoever wants to know who fails.
    pub fn list_breakers(&self, breakers: &Breakers) {
        for provider in &self.providers {
            breakers.list("inference", &provider.name, &"-".into(), &provider.breaker);
        }
    }

    /// A backend by its name.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names those there are.
    pub fn backend(&self, name: &str) -> Result<Arc<dyn Backend>, Error> {
        let provider = self
            .providers
            .iter()
            .find(|provider| *provider.name == *name);
        let provider = provider.ok_or_else(|| {
            let known = self.providers.iter().map(|provider| &*provider.name);
            let known = known.collect::<Vec<_>>().join(", ");
            Error::Invalid(format!("there is no backend `{name}`; there are: {known}"))
        })?;
        Ok(Arc::clone(&provider.backend))
    }

    /// The backend of a model that may not be there yet, and what it calls the model: of `BACKEND/NAME`, or of
    /// a name alone the engine in this process.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the backends that there are.
    pub fn place<'a>(&self, name: &'a str) -> Result<(Arc<dyn Backend>, &'a str), Error> {
        let own = |name: &str| self.providers.iter().any(|it| *it.name == *name);
        let (backend, name) = match name.split_once('/') {
            Some((backend, name)) if own(backend) => (backend, name),
            _ => (LOCAL, name),
        };
        Ok((self.backend(backend)?, name))
    }

    /// The models that can be fetched by a short name.
    pub fn available(&self) -> Vec<Available> {
        let backends = self.providers.iter();
        backends.flat_map(|it| it.backend.available()).collect()
    }

    /// Has every backend say anew which models it has: that has just changed.
    pub async fn look_again(&self) {
        for provider in &self.providers {
            provider.look_again().await;
        }
    }

    /// The models that there are now, as a tenant sees them; what cannot be reached has those that it had
    /// last.
    pub async fn list(&self, tenant: &str) -> Vec<Listed> {
        let all = self.all().await;
        let defaults =
            [Kind::Chat, Kind::Embedding].map(|kind| self.default_of(&all, tenant, kind));
        let listed = all.iter().map(|(provider, found)| {
            let full = full(provider, &found.name);
            Listed {
                model: Model {
                    name: public(&all, provider, found),
                    kind: found.kind,
                    backend: provider.name.to_string(),
                    is_default: defaults.iter().flatten().any(|default| *default == full),
                    context: found.context,
                    dimensions: found.dimensions,
                },
                found: found.clone(),
            }
        });
        listed.collect()
    }

    /// Which backends do not say which models they have, and why.
    pub async fn failing(&self) -> Vec<(Arc<str>, Error)> {
        let mut failing = Vec::new();
        for provider in &self.providers {
            let (_, error) = provider.found().await;
            failing.extend(error.map(|error| (Arc::clone(&provider.name), error)));
        }
        failing
    }

    /// Has a model be what calls without a name take, in a tenant or, without one, wherever the tenant has
    /// none of its own. The next request feels it. Answers the model.
    ///
    /// # Errors
    /// [`Error::NoModel`], [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn set_default(&self, tenant: Option<&str>, name: &str) -> Result<Model, Error> {
        let all = self.all().await;
        let (provider, found) = self.find(&all, name).await?;
        let full = full(provider, &found.name);
        let tenant = tenant.unwrap_or_default().to_owned();
        let _alone = self.changing.lock().await;
        self.kept
            .set_default(&tenant, found.kind, Some(&full))
            .await?;
        let mut defaults = Defaults::clone(&self.defaults.load());
        defaults.insert((tenant, found.kind), full);
        self.defaults.store(Arc::new(defaults));
        Ok(Model {
            name: public(&all, provider, found),
            kind: found.kind,
            backend: provider.name.to_string(),
            is_default: true,
            context: found.context,
            dimensions: found.dimensions,
        })
    }

    /// Forgets a tenant that is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget(&self, tenant: &str) -> Result<(), Error> {
        let _alone = self.changing.lock().await;
        self.kept.forget(tenant).await?;
        let mut defaults = Defaults::clone(&self.defaults.load());
        defaults.retain(|(its, _), _| its != tenant);
        self.defaults.store(Arc::new(defaults));
        Ok(())
    }

    /// Asks a model for a tenant. The last piece is [`Piece::End`] or [`Piece::Failed`]; whoever drops the
    /// pieces stops the work.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`], [`Error::Busy`], [`Error::Unavailable`].
    pub(crate) async fn chat(
        &self,
        who: Who,
        request: ChatRequest,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        request.check()?;
        let chosen = self
            .choose(&who, request.model.as_deref(), Kind::Chat)
            .await?;
        chosen.provider.chat(&self.kept, who, chosen.model, request)
    }

    /// Makes vectors of texts for a tenant.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`], [`Error::Busy`], [`Error::Unavailable`].
    pub(crate) async fn embed(
        &self,
        who: Who,
        model: Option<&str>,
        purpose: Purpose,
        texts: Vec<String>,
    ) -> Result<Embeddings, Error> {
        check_embedded(&texts)?;
        let chosen = self.choose(&who, model, Kind::Embedding).await?;
        let Chosen { provider, model } = chosen;
        let made = provider
            .embed(&self.kept, &who, &model, purpose, texts)
            .await?;
        Ok(Embeddings {
            model: model.public,
            ..made
        })
    }

    /// How many tokens texts have for a model, or for the default embedding model; estimated where nobody
    /// knows.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoModel`].
    pub(crate) async fn count_tokens(
        &self,
        who: &Who,
        model: Option<&str>,
        texts: Vec<String>,
    ) -> Result<Vec<u32>, Error> {
        check_counted(&texts)?;
        let chosen = match model {
            Some(name) => {
                let all = self.all().await;
                let (provider, found) = self.find(&all, name).await?;
                (Arc::clone(provider), found.name.clone())
            }
            None => {
                let chosen = self.choose(who, None, Kind::Embedding).await?;
                (chosen.provider, chosen.model.name)
            }
        };
        let (provider, name) = chosen;
        let counting = provider.backend.count_tokens(&name, texts.clone());
        let counted = tokio::time::timeout(COUNTING, counting).await;
        let counted = counted.ok().and_then(Result::ok).flatten();
        let counted = counted.filter(|counts| counts.len() == texts.len());
        Ok(counted.unwrap_or_else(|| texts.iter().map(|text| estimate(text)).collect()))
    }

    /// Asks a model something short, as whoever operates the host.
    ///
    /// # Errors
    /// [`Error::NoModel`], or why it does not answer.
    pub async fn test(&self, name: &str) -> Result<Tested, Error> {
        self.look_again().await;
        let who = Who {
            tenant: OPERATOR.into(),
            component: OPERATOR.into(),
            user: None,
        };
        let begun = Instant::now();
        let all = self.all().await;
        let (_, found) = self.find(&all, name).await?;
        if found.kind == Kind::Embedding {
            let texts = vec![QUESTION.to_owned()];
            let made = self.embed(who, Some(name), Purpose::Query, texts).await?;
            let total = begun.elapsed();
            return Ok(Tested {
                answer: None,
                dimensions: made.vectors.first().map(Vec::len),
                first: total,
                total,
                usage: made.usage,
            });
        }
        let request = ChatRequest {
            model: Some(name.to_owned()),
            messages: vec![Message::user(QUESTION)],
            max_tokens: Some(64),
            ..ChatRequest::default()
        };
        let mut pieces = self.chat(who, request).await?;
        let (mut answer, mut first) = (String::new(), None);
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Text(text) | Piece::Thought(text) => {
                    first.get_or_insert_with(|| begun.elapsed());
                    answer.push_str(&text);
                }
                Piece::End(ending) => {
                    let total = begun.elapsed();
                    return Ok(Tested {
                        answer: Some(answer),
                        dimensions: None,
                        first: first.unwrap_or(total),
                        total,
                        usage: ending.usage.unwrap_or_default(),
                    });
                }
                Piece::Failed(error) => return Err(error),
                _ => {}
            }
        }
        Err(Error::Unavailable("the answer was cut off".to_owned()))
    }

    /// What was used in a tenant, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn used(&self, tenant: &str, query: UsageQuery) -> Result<Vec<Consumption>, Error> {
        self.kept.used(tenant, query).await
    }

    async fn all(&self) -> Vec<(Arc<Provider>, Found)> {
        let asked = self.providers.iter().map(|provider| provider.found());
        let found = futures::future::join_all(asked).await;
        let by_provider = self.providers.iter().zip(found);
        let all = by_provider.flat_map(|(provider, (found, _))| {
            let its = found
                .iter()
                .map(|found| (Arc::clone(provider), found.clone()));
            its.collect::<Vec<_>>()
        });
        all.collect()
    }

    /// The model of a name, or the default one, if it can do what is wanted.
    async fn choose(&self, who: &Who, name: Option<&str>, kind: Kind) -> Result<Chosen, Error> {
        let all = self.all().await;
        let default;
        let name = match name {
            Some(name) => name,
            None => {
                default = self.default_of(&all, &who.tenant, kind);
                match default.as_deref() {
                    Some(default) => default,
                    None => return Err(self.away().await.unwrap_or_else(|| no_default(kind))),
                }
            }
        };
        let (provider, found) = self.find(&all, name).await?;
        if found.kind != kind {
            let what = match kind {
                Kind::Chat => "makes vectors and does not answer",
                Kind::Embedding => "answers and makes no vectors",
            };
            return Err(Error::Invalid(format!(
                "`{name}` {what}; name another model"
            )));
        }
        Ok(Chosen {
            provider: Arc::clone(provider),
            model: Named {
                public: public(&all, provider, found),
                name: found.name.clone(),
            },
        })
    }

    /// What a call without a name takes, as `backend/name`.
    fn default_of(
        &self,
        all: &[(Arc<Provider>, Found)],
        tenant: &str,
        kind: Kind,
    ) -> Option<String> {
        let defaults = self.defaults.load();
        let kept = [tenant, ""].into_iter().find_map(|tenant| {
            let key = (tenant.to_owned(), kind);
            defaults.get(&key).cloned()
        });
        kept.or_else(|| {
            let first = all.iter().find(|(_, found)| found.kind == kind);
            first.map(|(provider, found)| full(provider, &found.name))
        })
    }

    async fn find<'a>(
        &self,
        all: &'a [(Arc<Provider>, Found)],
        name: &str,
    ) -> Result<(&'a Arc<Provider>, &'a Found), Error> {
        let is_it = |(provider, found): &&(Arc<Provider>, Found)| {
            let (its, backend) = (&found.name, &provider.name);
            // As Ollama names them.
            let latest = its.strip_suffix(":latest");
            let rest = name
                .strip_prefix(&**backend)
                .and_then(|rest| rest.strip_prefix('/'));
            [Some(name), rest]
                .into_iter()
                .flatten()
                .any(|name| name == its || Some(name) == latest)
        };
        let mut fitting = all.iter().filter(is_it);
        let shown: String = name.chars().take(100).collect();
        let shown = shown.escape_debug();
        match (fitting.next(), fitting.next()) {
            (Some((provider, found)), None) => Ok((provider, found)),
            (Some((first, found)), Some((second, _))) => Err(Error::Invalid(format!(
                "`{shown}` is in `{}` and in `{}`; write `{}`",
                first.name,
                second.name,
                full(first, &found.name)
            ))),
            (None, _) => {
                if let Some(away) = self.away().await {
                    return Err(away);
                }
                Err(Error::NoModel(format!(
                    "there is no model `{shown}`; `sbd model list` has those there are, `sbd model pull NAME` fetches one"
                )))
            }
        }
    }

    /// That a backend is away, if one is: it may have what was not found.
    async fn away(&self) -> Option<Error> {
        let (backend, error) = self.failing().await.into_iter().next()?;
        Some(Error::Unavailable(format!(
            "`{backend}` does not say which models it has: {error}"
        )))
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").finish_non_exhaustive()
    }
}

fn full(provider: &Provider, name: &str) -> String {
    format!("{}/{name}", provider.name)
}

/// What a model is called where that is enough to find it.
fn public(all: &[(Arc<Provider>, Found)], provider: &Provider, found: &Found) -> String {
    let same = all.iter().filter(|(_, other)| other.name == found.name);
    match same.count() {
        0 | 1 => found.name.clone(),
        _ => full(provider, &found.name),
    }
}

fn no_default(kind: Kind) -> Error {
    let what = match kind {
        Kind::Chat => "answers",
        Kind::Embedding => "makes vectors",
    };
    Error::NoModel(format!(
        "there is no model that {what}; `sbd model pull NAME` fetches one, and `[inference.backends]` in sbd.toml names servers that have some"
    ))
}
