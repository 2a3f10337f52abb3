//! What chunks are found by: one collection of vectors, named after the embedding model whose vectors it holds, or
//! found by words alone where there is no model. When the tenant's default model is another one, a task makes the
//! vectors of all chunks anew beside the old ones, and then changes over at once.

use crate::chunks::{self, Filled};
use crate::model::Document;
use crate::store::{DOCUMENTS, INDEXES, Index};
use sbd_sdk::documents::DocumentsError;
use sbd_sdk::inference::{self, Kind, Model, Purpose};
use sbd_sdk::tasks::{New, Work};
use sbd_sdk::vectors::{self, Config, Metric};
use sbd_sdk::{Error, Result, cache, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// The task that makes vectors anew.
pub(crate) const EMBED: &str = "embed";
/// How collections of chunks are called: this, and the model's name.
const PREFIX: &str = "chunks";
/// The index that is searched.
const CURRENT: &str = "current";
/// How long it is taken for granted which models there are.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Chunks whose vectors are made by one call.
pub(crate) const AT_ONCE: usize = 32;

/// Which model's vectors are to be made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) model: String,
}

/// A model that makes vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Embedder {
    pub(crate) name: String,
    /// Tokens that it has room for.
    pub(crate) room: Option<u32>,
}

/// The index that is searched, made if there is none. If the default embedding model is another one than its own, a
/// task follows.
pub(crate) async fn current() -> Result<Index> {
    // Where nobody knows which models there are, what is there is found all the same.
    let embedder = default().await.unwrap_or_else(|error| {
        eprintln!("which models there are is not known: {error:?}");
        None
    });
    let Some(index) = INDEXES.get(CURRENT).await? else {
        return make(embedder).await;
    };
    match embedder {
        // Without any model its vectors are kept: it may be back in a moment.
        Some(Embedder { name, .. }) if index.model.as_ref() != Some(&name) => {
            let task = New::of(
                EMBED,
                &About {
                    model: name.clone(),
                },
            )?;
            task.unique(name).retries(10).enqueue().await?;
        }
        _ => {}
    }
    Ok(index)
}

/// The default embedding model, if there is one.
pub(crate) async fn default() -> Result<Option<Embedder>> {
    let key = "embedder";
    if let Some(known) = cache::get::<Option<Embedder>>(key).await? {
        return Ok(known);
    }
    let models = inference::models().await?;
    let is_it = |model: &&Model| model.kind == Kind::Embedding && model.is_default;
    let embedder = models.iter().find(is_it).map(|model| Embedder {
        name: model.name.clone(),
        room: model.context,
    });
    cache::set(key, &embedder, REMEMBERED).await?;
    Ok(embedder)
}

/// The vectors of these texts by a model.
pub(crate) async fn vectors_of(model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
    let made = inference::embed(Some(model), Purpose::Passage, texts).await?;
    Ok(made.vectors)
}

/// All collections of chunks that there are.
pub(crate) async fn collections() -> Result<Vec<String>> {
    let all = vectors::collections().await?.into_iter();
    let names = all.map(|collection| collection.name);
    Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
}

/// Makes the vectors of all chunks by a model, and has them searched.
pub(crate) async fn change_over(work: &Work<About>) -> Result<()> {
    let model = &work.data.model;
    let is_wanted = default()
        .await?
        .is_some_and(|default| default.name == *model);
    if !is_wanted {
        return Ok(());
    }
    let target = create(Some(model)).await?;
    let all = DOCUMENTS.count(json!({"indexed": {"$ne": null}})).await?;
    let mut done = 0;
    loop {
        let missing = json!({"indexed": {"$ne": null}, "collections": {"$ne": target}});
        let found = DOCUMENTS.find(missing).limit(20).fetch().await?;
        if found.documents.is_empty() {
            let index = Index {
                id: CURRENT.to_owned(),
                collection: target.clone(),
                model: Some(model.clone()),
                since: time::now(),
            };
            let before = INDEXES.get(CURRENT).await?;
            if before.is_some_and(|before| before.collection == target) {
                break;
            }
            let change = json!({"$set": {
                "collection": index.collection, "model": index.model, "since": index.since,
            }});
            INDEXES.upsert(json!({"_id": CURRENT}), change).await?;
            // Once more: what was indexed meanwhile is in the old one.
            continue;
        }
        for document in found.documents {
            copy(&document, model, &target).await?;
            done += 1;
            let fraction = fraction(done, all);
            if !work
                .report(fraction, format!("{done} of {all} documents"))
                .await?
            {
                return Ok(());
            }
        }
    }
    for old in collections().await? {
        if old != target {
            vectors::drop_collection(&old).await?;
            let change = json!({"$pull": {"collections": old}});
            DOCUMENTS
                .update_many(json!({"collections": old}), change)
                .await?;
        }
    }
    Ok(())
}

/// Copies the chunks of a document, with vectors of this model.
async fn copy(document: &Document, model: &str, target: &str) -> Result<()> {
    if let (Some(source), Some(generation)) = (document.collections.first(), document.indexed) {
        let filter = chunks::of_generation(&document.id, generation);
        let mut cursor = None;
        loop {
            let limit = u32::try_from(AT_ONCE).unwrap_or(1);
            let page = vectors::scroll(source, filter.clone(), cursor, limit, true).await?;
            let mut points = page.points;
            if !points.is_empty() {
                let texts = points.iter().map(|point| {
                    let chunk = Filled::read(point.payload.clone())?;
                    Ok(chunk.searched())
                });
                let made = vectors_of(model, texts.collect::<Result<_>>()?).await?;
                for (point, vector) in points.iter_mut().zip(made) {
                    point.dense = Some(vector);
                }
                vectors::upsert(target, points).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    let still = json!({"_id": document.id, "indexed": document.indexed});
    let change = json!({"$addToSet": {"collections": target}});
    if DOCUMENTS.update_one(still, change).await?.matched == 0 {
        // It is another one now, or gone.
        chunks::forget_in(target, &document.id).await?;
    }
    Ok(())
}

/// Makes the first index.
async fn make(embedder: Option<Embedder>) -> Result<Index> {
    let model = embedder.map(|embedder| embedder.name);
    let index = Index {
        id: CURRENT.to_owned(),
        collection: create(model.as_deref()).await?,
        model,
        since: time::now(),
    };
    match INDEXES.insert(&index).await {
        Ok(_) => Ok(index),
        // Another request was quicker.
        Err(DocumentsError::Duplicate(_)) => {
            let there = INDEXES.get(CURRENT).await?;
            there.ok_or_else(|| Error::internal("the index is there and is not"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the collection for a model, and answers its name.
async fn create(model: Option<&str>) -> Result<String> {
    let name = collection(model);
    let config = match model {
        None => Config::sparse(),
        Some(model) => {
            let made = vectors_of(model, vec!["How long is a vector?".to_owned()]).await?;
            let length = made.first().map_or(0, Vec::len);
            let dimensions = u32::try_from(length).map_err(Error::internal)?;
            Config::dense(dimensions, Metric::Cosine).with_sparse()
        }
    };
    vectors::create(&name, config).await?;
    Ok(name)
}

/// What the collection of a model's vectors is called: different models never have the same.
fn collection(model: Option<&str>) -> String {
    let Some(model) = model else {
        return PREFIX.to_owned();
    };
    let word = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let readable: String = model.chars().map(word).take(40).collect();
    // FNV-1a: what tells two names apart that read alike.
    let hash = model.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{PREFIX}-{readable}-{:08x}", hash & 0xffff_ffff)
}

/// How far it is.
#[allow(clippy::cast_precision_loss, reason = "of progress, a guess will do")]
pub(crate) fn fraction(done: u64, all: u64) -> f64 {
    (done as f64 / all.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{DOCUMENTS as PATH, GARDEN, app, passages, search, send, texts, upload};
    use std::time::Duration;

    #[test]
    fn documents_follow_when_the_model_is_another_one() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "garden.md", GARDEN);
        let before = passages(&app);
        drop(ada);
        let app = app.with_embedding_model(64);
        app.advance(REMEMBERED + Duration::from_secs(1));
        let ada = app.signed_in("usr_1");
        // Whoever searches finds what there was, and has the rest done.
        let found = search(&ada, serde_json::json!({"query": "gate opens"}));
        assert_eq!(
            (texts(&found).len(), &found["mode"]),
            (1, &serde_json::json!("keyword"))
        );
        send(&ada, "name=b.md", "Tulips are yellow.").assert_status(202);
        app.run_tasks();
        let found = search(&ada, serde_json::json!({"query": "gate opens"}));
        assert_eq!(found["mode"], "hybrid");
        assert_eq!(found["items"][0]["vector"]["rank"], 1);
        let found = search(
            &ada,
            serde_json::json!({"query": "tulips", "mode": "vector"}),
        );
        assert_eq!(found["items"][0]["text"], "Tulips are yellow.");
        // The old collection is gone, and nothing is there twice.
        assert_eq!(passages(&app), before + 1);
        assert_eq!(app.run(collections()).unwrap().len(), 1);
        ada.delete(&format!("{PATH}/{id}")).assert_status(204);
        app.run_tasks();
        assert_eq!(passages(&app), 1);
    }

    #[test]
    fn every_model_has_a_collection_of_its_own() {
        assert_eq!(collection(None), "chunks");
        let minilm = collection(Some("sentence-transformers/all-MiniLM-L6-v2"));
        assert!(
            minilm.starts_with("chunks-sentence-transformers-all-minilm-l6-v2-"),
            "{minilm}"
        );
        assert_ne!(collection(Some("a/b")), collection(Some("a:b")));
        let long = collection(Some(&"x".repeat(500)));
        assert!(long.len() <= 64, "{long}");
    }
}
