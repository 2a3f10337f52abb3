//! Passages are found: by their words, by what they mean, or by both. Who may read what is a condition of the search
//! itself, never applied to what it found.

use crate::chunks::Filled;
use crate::documents::format_named;
use crate::embedding;
use crate::model::{Document, DocumentId, Library, LibraryId, State};
use crate::owners;
use crate::store::{DOCUMENTS, Index};
use document::Format;
use sbd_sdk::inference::{self, Purpose};
use sbd_sdk::time::Time;
use sbd_sdk::vectors::terms::{self, Language};
use sbd_sdk::vectors::{self, Condition, Filter, Hit, Place, Query};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Characters of a query at most.
pub(crate) const MAX_QUERY: usize = 2000;
/// Passages that are looked for by each way before both are put together.
const CANDIDATES: u32 = 100;
/// Passages that can be left out and shown at most.
const DEEPEST: u32 = 10_000;
/// Libraries or documents that can be named at most.
pub(crate) const MAX_NAMED: usize = 100;

/// How passages are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchMode)]
pub(crate) enum Mode {
    /// By their words.
    Keyword,
    /// By what they mean, as an embedding model understands it.
    Vector,
    /// By both: the usual where there is an embedding model.
    Hybrid,
}

/// Among what is searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SearchFilter)]
pub(crate) struct Among {
    /// Only these libraries; all that the caller may read, if none are named.
    pub(crate) library_ids: Vec<LibraryId>,
    /// Only these documents.
    pub(crate) document_ids: Vec<DocumentId>,
    /// Only these formats: `pdf`, `docx`, `markdown`…
    pub(crate) formats: Vec<String>,
    /// Only documents in these languages: `en`, `de`…
    pub(crate) languages: Vec<String>,
    /// Only documents that were uploaded then or later.
    #[schema(inline)]
    pub(crate) uploaded_from: Option<Time>,
    /// Only documents that were uploaded before.
    #[schema(inline)]
    pub(crate) uploaded_until: Option<Time>,
}

/// What is looked for, and among what: checked, and no more than the caller may read.
pub(crate) struct Search {
    pub(crate) libraries: Vec<Library>,
    among: Among,
    formats: Vec<Format>,
}

/// What was found, and how.
pub(crate) struct Results {
    pub(crate) passages: Vec<Passage>,
    /// Whether more would be found on the next page.
    pub(crate) has_more: bool,
    pub(crate) mode: Mode,
    pub(crate) model: Option<String>,
    /// Why it is not found as it was to be.
    pub(crate) note: Option<String>,
    /// How many words of the query are looked for.
    pub(crate) terms: usize,
}

/// A passage that was found.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    pub(crate) document: Document,
    pub(crate) chunk: Filled,
    pub(crate) score: f32,
    pub(crate) dense: Option<Place>,
    pub(crate) sparse: Option<Place>,
}

/// How a search went, for whoever wonders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchExplanation)]
pub(crate) struct Explanation {
    /// How many libraries were searched.
    libraries: usize,
    /// How many documents are in them, by state.
    documents: HashMap<String, u64>,
    /// How many passages the filters left.
    passages: u64,
    /// How many words of the query were looked for; not those that say nothing, like `the`.
    terms: usize,
    /// The embedding model, if one was used.
    model: Option<String>,
    /// Why nothing was found, or not as it was asked for.
    notes: Vec<String>,
}

// === impl Search ===

impl Search {
    /// What somebody may search of what they want to.
    ///
    /// # Errors
    /// When a filter means nothing; 404 for a library that the caller may not read.
    pub(crate) async fn of(caller: &Caller, among: Among) -> Result<Self> {
        for (field, count) in [
            ("library_ids", among.library_ids.len()),
            ("document_ids", among.document_ids.len()),
            ("formats", among.formats.len()),
            ("languages", among.languages.len()),
        ] {
            if count > MAX_NAMED {
                return Err(Error::validation(field, format!("at most {MAX_NAMED}")));
            }
        }
        let formats = among.formats.iter();
        let formats = formats.map(|name| format_named("formats", name));
        Ok(Self {
            libraries: owners::searchable(caller, &among.library_ids).await?,
            formats: formats.collect::<Result<_>>()?,
            among,
        })
    }

    /// Looks for passages.
    ///
    /// # Errors
    /// When nothing can be looked for by meaning, and that alone was asked for.
    pub(crate) async fn run(
        &self,
        query: &str,
        mode: Option<Mode>,
        (offset, limit): (u32, u32),
    ) -> Result<Results> {
        let index = embedding::current().await?;
        let words = terms::query(query, &self.languages());
        let terms = words.terms.len();
        let (mut mode, mut note) = (mode.unwrap_or(Mode::Hybrid), None);
        let mut vector = None;
        if mode != Mode::Keyword {
            match meaning(&index, query).await {
                Ok(made) => vector = Some(made),
                Err(why) if mode == Mode::Vector => return Err(why),
                Err(why) => {
                    mode = Mode::Keyword;
                    note = Some(format!("found by words alone: {}", why.message()));
                }
            }
        }
        let mut results = Results {
            passages: Vec::new(),
            has_more: false,
            mode,
            model: index.model.clone().filter(|_| vector.is_some()),
            note,
            terms,
        };
        let by_words = mode != Mode::Vector && terms > 0;
        if self.libraries.is_empty() || !by_words && vector.is_none() {
            return Ok(results);
        }
        let wanted = Query {
            dense: vector,
            sparse: by_words.then_some(words),
            filter: self.filter(),
            candidates: CANDIDATES,
            offset,
            // One more, to know whether there are more, unless nothing is looked for so deep.
            limit: (limit + 1).min(DEEPEST.saturating_sub(offset)),
            with_payload: true,
        };
        let mut hits = vectors::search(&index.collection, wanted).await?;
        results.has_more = hits.len() > limit as usize;
        hits.truncate(limit as usize);
        results.passages = shown(hits).await?;
        Ok(results)
    }

    /// How a search went.
    pub(crate) async fn explain(&self, results: &Results) -> Result<Explanation> {
        let ids: Vec<_> = self.libraries.iter().map(|library| &library.id).collect();
        let documents = by_state(&ids).await?;
        let index = embedding::current().await?;
        let passages = match ids.is_empty() {
            true => 0,
            false => vectors::count(&index.collection, self.filter()).await?,
        };
        let mut notes: Vec<String> = results.note.iter().cloned().collect();
        let of = |state: &str| documents.get(state).copied().unwrap_or(0);
        if results.passages.is_empty() {
            let waiting = of("queued") + of("indexing");
            notes.push(match () {
                () if ids.is_empty() => "there is no library that you may read; make one, and upload a document".to_owned(),
                () if documents.is_empty() => "there are no documents in these libraries; upload one".to_owned(),
                () if of("ready") == 0 && waiting > 0 => {
                    format!("{waiting} documents are still being read; ask again when they are ready")
                }
                () if of("ready") == 0 => {
                    format!("{} documents could not be read; their `error` says why", of("failed"))
                }
                () if passages == 0 => "the filters leave nothing; ask with fewer of them".to_owned(),
                () if results.mode == Mode::Keyword && results.terms == 0 => {
                    "the query has no word to look for; use others".to_owned()
                }
                () if results.mode == Mode::Keyword => {
                    "none of the words stands in these documents; use others, or add an embedding model: `sbd model pull NAME`".to_owned()
                }
                () => "there are no more passages than on the pages before".to_owned(),
            });
        }
        Ok(Explanation {
            libraries: self.libraries.len(),
            documents,
            passages,
            terms: results.terms,
            model: results.model.clone(),
            notes,
        })
    }

    /// In which languages words are looked for: those that are asked for, or all.
    fn languages(&self) -> Vec<Language> {
        let languages = self.among.languages.iter();
        languages.map(|tag| Language::of_tag(tag)).collect()
    }

    fn filter(&self) -> Filter {
        let libraries = self.libraries.iter().map(|library| library.id.as_str());
        let mut filter = Filter::new().must(Condition::any("library", libraries));
        let among = &self.among;
        if !among.document_ids.is_empty() {
            let ids = among.document_ids.iter().map(DocumentId::as_str);
            filter = filter.must(Condition::any("document", ids));
        }
        if !self.formats.is_empty() {
            let formats = self.formats.iter().map(|format| json!(format));
            filter = filter.must(Condition::any("format", formats));
        }
        if !among.languages.is_empty() {
            let languages = among.languages.iter().map(String::as_str);
            filter = filter.must(Condition::any("language", languages));
        }
        if among.uploaded_from.is_some() || among.uploaded_until.is_some() {
            filter = filter.must(Condition::Between {
                field: "at".to_owned(),
                at_least: among.uploaded_from.map(|time| json!(time)),
                less_than: among.uploaded_until.map(|time| json!(time)),
            });
        }
        filter
    }
}

// === impl Explanation ===

impl Explanation {
    /// The sentence that says most.
    pub(crate) fn why(mut self) -> Option<String> {
        self.notes.pop()
    }
}

/// What a query means to the model of an index.
async fn meaning(index: &Index, query: &str) -> Result<Vec<f32>> {
    let model = index.model.as_deref().ok_or_else(|| {
        Error::conflict(
            "there is no embedding model; `sbd model pull NAME` adds one, and documents follow by themselves",
        )
    })?;
    let made = inference::embed(Some(model), Purpose::Query, vec![query.to_owned()]).await?;
    let vector = made.vectors.into_iter().next();
    vector.ok_or_else(|| Error::internal("a model made no vector"))
}

/// What was found, with the documents it is in. What is of an older version of one is left out.
async fn shown(hits: Vec<Hit>) -> Result<Vec<Passage>> {
    let mut chunks = Vec::with_capacity(hits.len());
    for hit in hits {
        if let Some(payload) = hit.payload.clone() {
            chunks.push((hit, Filled::read(payload)?));
        }
    }
    let mut ids: Vec<_> = chunks
        .iter()
        .map(|(_, chunk)| chunk.document.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let found = DOCUMENTS
        .find(json!({"_id": {"$in": ids}, "state": {"$ne": "deleting"}}))
        .limit(1000)
        .fetch()
        .await?;
    let documents = found.documents.into_iter();
    let documents: HashMap<_, _> = documents.map(|one| (one.id.clone(), one)).collect();
    let passages = chunks.into_iter().filter_map(|(hit, chunk)| {
        let document = documents.get(&chunk.document)?;
        let is_current = document.indexed == Some(chunk.generation);
        is_current.then(|| Passage {
            document: document.clone(),
            chunk,
            score: hit.score,
            dense: hit.dense,
            sparse: hit.sparse,
        })
    });
    Ok(passages.collect())
}

/// How many documents of these libraries are in each state.
async fn by_state(ids: &[&LibraryId]) -> Result<HashMap<String, u64>> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "_id")]
        state: State,
        documents: u64,
    }
    let rows: Vec<Counted> = DOCUMENTS
        .aggregate(json!([
            {"$match": {"library_id": {"$in": ids}, "state": {"$ne": "deleting"}}},
            {"$group": {"_id": "$state", "documents": {"$sum": 1}}},
        ]))
        .await?;
    let named = rows.into_iter().map(|row| {
        let state = json!(row.state).as_str().unwrap_or_default().to_owned();
        (state, row.documents)
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{DOCUMENTS, GARDEN, app, search, send, texts, there, upload};
    use sbd_sdk::testing::App;
    use serde_json::{Value, json};

    fn garden(app: App) -> App {
        let ada = app.signed_in("usr_1");
        upload(&app, &ada, "garden.md", GARDEN);
        upload(
            &app,
            &ada,
            "bericht.txt",
            "Der Bericht handelt von Kündigungsfristen und der Miete in Berlin.",
        );
        drop(ada);
        app
    }

    fn explained(found: &sbd_sdk::testing::Reply) -> String {
        found["explain"]["notes"].to_string()
    }

    #[test]
    fn passages_are_found_by_their_words_where_they_are() {
        let app = garden(app());
        let ada = app.signed_in("usr_1");
        let found = search(
            &ada,
            json!({"query": "price of a ticket for children", "explain": true}),
        );
        let best = &found["items"][0];
        assert!(
            best["text"]
                .as_str()
                .unwrap()
                .contains("| Children | 5 EUR |")
        );
        assert_eq!(there(&ada, best), best["text"]);
        assert_eq!(
            (&best["page"], &best["place"]),
            (&json!(1), &json!("page 1"))
        );
        assert_eq!(
            (&found["mode"], &best["vector"]),
            (&json!("keyword"), &Value::Null)
        );
        assert_eq!(best["keyword"]["rank"], 1);
        // Words are found in another form.
        let found = search(&ada, json!({"query": "Kündigungsfrist"}));
        assert_eq!(found["items"][0]["document"], "bericht.txt");
    }

    #[test]
    fn with_a_model_they_are_found_by_both() {
        let app = garden(app().with_embedding_model(64));
        let ada = app.signed_in("usr_1");
        let found = search(&ada, json!({"query": "gate opens", "explain": true}));
        let best = &found["items"][0];
        assert_eq!(
            (
                &found["mode"],
                &best["keyword"]["rank"],
                &best["vector"]["rank"]
            ),
            (&json!("hybrid"), &json!(1), &json!(1))
        );
        assert_eq!(found["explain"]["model"], "test-embedding");
        let by_meaning = search(&ada, json!({"query": "gate opens", "mode": "vector"}));
        assert_eq!(by_meaning["items"][0]["keyword"], Value::Null);
        let by_words = search(&ada, json!({"query": "gate opens", "mode": "keyword"}));
        assert_eq!(by_words["items"][0]["vector"], Value::Null);
    }

    #[test]
    fn filters_say_among_what() {
        let app = garden(app());
        let ada = app.signed_in("usr_1");
        let all = ada.get(&format!("{DOCUMENTS}?sort=name&order=asc"));
        let id = all["items"][0]["id"].as_str().unwrap();
        let found = |filter: Value| {
            let query = json!({"query": "gate cake Miete", "filter": filter});
            let found = search(&ada, query);
            let items = found["items"].as_array().unwrap().clone();
            items
                .into_iter()
                .map(|item| item["document"].as_str().unwrap().to_owned())
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(found(json!({})).len(), 2);
        assert_eq!(
            found(json!({"document_ids": [id]}))
                .into_iter()
                .collect::<Vec<_>>(),
            ["bericht.txt"]
        );
        assert_eq!(
            found(json!({"formats": ["markdown"]}))
                .into_iter()
                .collect::<Vec<_>>(),
            ["garden.md"]
        );
        assert_eq!(
            found(json!({"uploaded_until": "2020-01-01T00:00:00Z"})).len(),
            0
        );
        assert_eq!(
            found(json!({"uploaded_from": "2020-01-01T00:00:00Z"})).len(),
            2
        );
        let library = all["items"][0]["library_id"].as_str().unwrap();
        assert_eq!(found(json!({"library_ids": [library]})).len(), 2);
    }

    #[test]
    fn pages_follow_each_other() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let text: Vec<_> = (0..7).map(|n| format!("Rose number {n}.")).collect();
        upload(&app, &ada, "a.md", &text.join("\u{c}"));
        let mut seen = std::collections::BTreeSet::new();
        for (page, more) in [(1, true), (2, true), (3, false), (4, false)] {
            let found = search(&ada, json!({"query": "rose", "page": page, "per_page": 3}));
            assert_eq!(found["has_more"], more, "{page}");
            seen.extend(texts(&found).into_iter().map(str::to_owned));
        }
        assert_eq!(seen.len(), 7);
        let deepest = json!({"query": "rose", "page": 100, "per_page": 100});
        assert!(texts(&search(&ada, deepest)).is_empty());
    }

    #[test]
    fn nothing_is_found_for_a_reason() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let why = |query: &str, filter: Value| {
            explained(&search(
                &ada,
                json!({"query": query, "explain": true, "filter": filter}),
            ))
        };
        assert!(why("gate", json!({})).contains("no library"));
        send(&ada, "name=garden.md", GARDEN).assert_status(202);
        assert!(why("gate", json!({})).contains("still being read"));
        app.run_tasks();
        assert!(why("elephant", json!({})).contains("none of the words"));
        assert!(why("gate", json!({"formats": ["pdf"]})).contains("filters leave nothing"));
        let vector = ada.post("/api/v1/search", json!({"query": "gate", "mode": "vector"}));
        let vector = vector.assert_refused(409, "CONFLICT");
        assert!(
            vector["error"]["message"]
                .as_str()
                .unwrap()
                .contains("sbd model pull")
        );
    }

    #[test]
    fn what_is_no_search_is_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let many: Vec<_> = (0..101).map(|_| crate::model::LibraryId::new()).collect();
        for (body, field) in [
            (json!({}), "query"),
            (json!({"query": ""}), "query"),
            (json!({"query": " \n"}), "query"),
            (json!({"query": "x".repeat(2001)}), "query"),
            (json!({"query": "a", "mode": "magic"}), "mode"),
            (json!({"query": "a", "page": 0}), "page"),
            (json!({"query": "a", "page": 101}), "page"),
            (json!({"query": "a", "per_page": 101}), "per_page"),
            (
                json!({"query": "a", "filter": {"formats": ["exe"]}}),
                "formats",
            ),
            (
                json!({"query": "a", "filter": {"owner": "x"}}),
                "filter.owner",
            ),
            (
                json!({"query": "a", "filter": {"library_ids": ["x"]}}),
                "filter.library_ids[0]",
            ),
            (
                json!({"query": "a", "filter": {"library_ids": many}}),
                "library_ids",
            ),
            (
                json!({"query": "a", "filter": {"uploaded_from": "today"}}),
                "filter.uploaded_from",
            ),
        ] {
            let refused = ada
                .post("/api/v1/search", body)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
    }
}
