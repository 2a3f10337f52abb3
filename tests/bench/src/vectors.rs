//! What a search among ten thousand and a hundred thousand passages takes: by dense vectors, by keywords, and by both.
//!
//! Baseline is a search that knows no better: every vector in memory as it came, compared one after the other. What that
//! finds is also what has to be found.

use crate::report::{Figure, Goal};
use crate::{Plan, process, report};
use sbd_storage::Options;
use sbd_vectors::{Backend as _, Searching, Settings, SqliteVectors};
use sbd_vectors_search::{
    Condition, Config, Dense, Filter, Found, Hit, Metric, Point, Query, Scalar, Sparse, best,
    inverse_frequency, rank, score,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DIMENSIONS: u32 = 384;
/// Terms of a passage, and all that there are.
const TERMS: usize = 120;
const VOCABULARY: f64 = 50_000.0;
/// Passages are about something: their vectors lie in so many heaps.
const TOPICS: usize = 200;
/// Points that one call adds.
const BATCH: usize = 500;
/// Searches that the baseline does in a round.
const PLAIN: usize = 5;
/// Hits that a search asks for, and candidates of each vector.
const LIMIT: u32 = 10;
const CANDIDATES: u32 = 100;

const COMPONENT: &str = "bench";
const COLLECTION: &str = "passages";

/// What is searched by.
#[derive(Clone, Copy)]
enum By {
    Dense,
    Sparse,
    Both,
    /// By both, among a hundredth of the passages.
    Filtered,
}

/// Numbers that look random, and are the same each time.
struct Numbers(u64);

/// Passages as they are made, and as a plain search reads them.
struct Passages {
    points: Vec<Point>,
    topics: Vec<Vec<f32>>,
    numbers: Numbers,
}

/// All files lie in the build folder: temporary folders are memory on many machines.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut figures = Vec::new();
    for (name, count) in [("10k", 10_000), ("100k", 100_000)] {
        let path = folder.path().join(format!("{name}.db"));
        figures.extend(runtime.block_on(measure(plan, name, count, &path))?);
    }
    Ok(figures)
}

async fn measure(plan: Plan, name: &str, count: usize, path: &Path) -> anyhow::Result<Vec<Figure>> {
    let mut passages = Passages::new(count);
    let searching = Arc::new(Searching::new(Settings::default()));
    let backend = SqliteVectors::new(path.to_owned(), Options::default(), searching);
    let config = Config {
        dense: Some(Dense {
            dimensions: DIMENSIONS,
            metric: Metric::Cosine,
        }),
        sparse: true,
    };
    backend
        .create(COMPONENT, COLLECTION.to_owned(), config)
        .await?;
    let begun = Instant::now();
    for points in passages.points.chunks(BATCH) {
        backend
            .upsert(COMPONENT, COLLECTION.to_owned(), points.to_vec())
            .await?;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let file = std::fs::metadata(path)?.len() / (1 << 20);

    let before = resident();
    let begun = Instant::now();
    let query = passages.query(By::Both);
    backend
        .search(COMPONENT, COLLECTION.to_owned(), query)
        .await?;
    let first = begun.elapsed();
    let after = resident();
    let memory = after.saturating_sub(before) / (1 << 20);
    let about = format!(
        "{rate:.0} points/s added; file {file} MiB; memory {memory} MiB; first search {:.0} ms",
        first.as_secs_f64() * 1e3
    );

    let mut figures = Vec::new();
    for (by, what) in [
        (By::Dense, "dense"),
        (By::Sparse, "keywords"),
        (By::Both, "hybrid"),
        (By::Filtered, "hybrid-filtered"),
    ] {
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        let mut taken = Vec::new();
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..plan.rounds {
            let mut times = Vec::new();
            for _ in 0..PLAIN {
                let query = passages.query(by);
                let begun = Instant::now();
                let exact = passages.search(&query);
                times.push(begun.elapsed());
                let hits = backend
                    .search(COMPONENT, COLLECTION.to_owned(), query)
                    .await?;
                wanted += exact.len();
                let is_wanted = |hit: &&Hit| exact.iter().any(|other| other.id == hit.id);
                found += hits.iter().filter(is_wanted).count();
            }
            plain.push(percentile(&mut times, 0.5));
            let mut times = Vec::new();
            let end = Instant::now() + plan.duration;
            while Instant::now() < end {
                let query = passages.query(by);
                let begun = Instant::now();
                backend
                    .search(COMPONENT, COLLECTION.to_owned(), query)
                    .await?;
                times.push(begun.elapsed());
            }
            ours.push(percentile(&mut times, 0.5));
            taken.append(&mut times);
        }
        let recall = found as f64 / wanted as f64;
        let figure = Figure::new(
            &format!("vectors-{name}-{what}"),
            "ms",
            ("all vectors as they came, in memory", &plain),
            ("p50 of a search", &ours),
        );
        let p99 = percentile(&mut taken, 0.99);
        figures.push(
            figure
                .goal(Goal::RatioAtMost(1.0))
                .note(format!(
                    "p99 {p99:.2} ms; recall@10 {recall:.4} against exact"
                ))
                .note(about.clone()),
        );
    }
    Ok(figures)
}

/// Bytes that this process holds.
fn resident() -> u64 {
    process::own_memory().map_or(0, |memory| memory.resident)
}

/// In milliseconds.
fn percentile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index, within by its making"
    )]
    let at = ((times.len().saturating_sub(1)) as f64 * part).round() as usize;
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

// === impl Passages ===

impl Passages {
    fn new(count: usize) -> Self {
        let mut numbers = Numbers(1);
        let topics = (0..TOPICS).map(|_| numbers.vector(&[])).collect();
        let mut passages = Self {
            points: Vec::with_capacity(count),
            topics,
            numbers,
        };
        for number in 0..count {
            let point = passages.point(number);
            passages.points.push(point);
        }
        passages
    }

    fn point(&mut self, number: usize) -> Point {
        let (library, document) = (number % 100, number / 40);
        Point {
            id: format!("chk_{number:024}"),
            dense: Some(self.dense()),
            sparse: Some(self.sparse(TERMS)),
            payload: format!(
                r#"{{"library":"lib_{library:024}","document":"doc_{document:024}","page":{},"language":"en"}}"#,
                number % 40
            ),
        }
    }

    fn dense(&mut self) -> Vec<f32> {
        let topic = self.numbers.below(TOPICS);
        let topic = self.topics.get(topic).cloned().unwrap_or_default();
        self.numbers.vector(&topic)
    }

    /// Terms as often as words are: the tenth a tenth as often as the first.
    fn sparse(&mut self, count: usize) -> Sparse {
        let mut terms = HashMap::new();
        for _ in 0..count {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is below the vocabulary"
            )]
            let term = VOCABULARY.powf(self.numbers.next()) as u32;
            *terms.entry(term).or_insert(0.0) += 1.0;
        }
        let mut terms: Vec<_> = terms.into_iter().collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        let (terms, weights) = terms.into_iter().unzip();
        Sparse { terms, weights }
    }

    fn query(&mut self, by: By) -> Query {
        let dense = !matches!(by, By::Sparse);
        let sparse = !matches!(by, By::Dense);
        let library = self.numbers.below(100);
        let among = Condition::Any {
            field: "library".to_owned(),
            values: vec![Scalar::Text(format!("lib_{library:024}"))],
        };
        let must = match by {
            By::Filtered => vec![among],
            _ => Vec::new(),
        };
        Query {
            dense: dense.then(|| self.dense()),
            sparse: sparse.then(|| self.sparse(6)),
            filter: Filter {
                must,
                must_not: Vec::new(),
            },
            candidates: CANDIDATES,
            limit: LIMIT,
            ..Query::default()
        }
    }

    /// What a search has to find.
    fn search(&self, query: &Query) -> Vec<Hit> {
        let fits = |point: &&Point| {
            let mut must = query.filter.must.iter();
            must.all(|condition| match condition {
                Condition::Any { values, .. } => values.iter().all(|value| match value {
                    Scalar::Text(text) => point.payload.contains(&**text),
                    _ => false,
                }),
                _ => false,
            })
        };
        let points = || self.points.iter().filter(fits);
        let dense = query.dense.as_ref().map(|vector| {
            let found = points().filter_map(|point| {
                let score = score(Metric::Cosine, vector, point.dense.as_ref()?);
                Some(Found {
                    id: point.id.clone(),
                    score,
                })
            });
            best(found.collect(), query.depth())
        });
        let sparse = query.sparse.as_ref().map(|sparse| {
            let all = self.points.iter().filter_map(|point| point.sparse.as_ref());
            let mut with_it: HashMap<u32, u64> =
                sparse.terms.iter().map(|term| (*term, 0)).collect();
            for point in all {
                for term in &sparse.terms {
                    let has = point.terms.binary_search(term).is_ok();
                    *with_it.entry(*term).or_default() += u64::from(has);
                }
            }
            let found = points().filter_map(|point| {
                let has = point.sparse.as_ref()?;
                let mut sum = None;
                for (term, weight) in sparse.terms.iter().zip(&sparse.weights) {
                    let Some(own) = has
                        .terms
                        .binary_search(term)
                        .ok()
                        .and_then(|at| has.weights.get(at))
                    else {
                        continue;
                    };
                    let count = with_it.get(term).copied().unwrap_or_default();
                    let factor = weight * inverse_frequency(self.points.len() as u64, count);
                    *sum.get_or_insert(0.0) += factor * own;
                }
                Some(Found {
                    id: point.id.clone(),
                    score: sum?,
                })
            });
            best(found.collect(), query.depth())
        });
        query.page(rank(dense, sparse))
    }
}

// === impl Numbers ===

impl Numbers {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The upper half is the random one.
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is below a small number"
    )]
    fn below(&mut self, most: usize) -> usize {
        (self.next() * most as f64) as usize
    }

    /// A direction, half of it that of a topic.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a direction needs no more digits"
    )]
    fn vector(&mut self, topic: &[f32]) -> Vec<f32> {
        let numbers = (0..DIMENSIONS as usize).map(|at| {
            // Four evenly spread ones are nearly a normal one.
            let sum: f64 = (0..4).map(|_| self.next() - 0.5).sum();
            sum as f32 + topic.get(at).copied().unwrap_or_default()
        });
        numbers.collect()
    }
}
