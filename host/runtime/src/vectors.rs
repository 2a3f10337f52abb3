//! Collections of vectors as they stand in the archive of a tenant: what a collection's points have on the first line,
//! and a point on each further one.

use sbd_vectors_search::{Config, Dense, Metric, Point, Sparse};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the points of a collection have.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    dense: Option<ArchivedDense>,
    sparse: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchivedDense {
    dimensions: u32,
    metric: String,
}

/// A point.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedPoint {
    id: String,
    /// As doubles, which are read as the same numbers wherever that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    dense: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparse: Option<ArchivedSparse>,
    payload: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchivedSparse {
    terms: Vec<u32>,
    weights: Vec<f64>,
}

// === impl ArchivedConfig ===

impl ArchivedConfig {
    pub(crate) fn new(config: Config) -> Self {
        let dense = config.dense.map(|dense| ArchivedDense {
            dimensions: dense.dimensions,
            metric: dense.metric.name().to_owned(),
        });
        let sparse = config.sparse;
        Self { dense, sparse }
    }

    pub(crate) fn into_config(self) -> Result<Config, String> {
        let dense = self.dense.map(|dense| {
            let metric = Metric::named(&dense.metric);
            let metric = metric.ok_or_else(|| format!("`{}` is no metric", dense.metric))?;
            let dimensions = dense.dimensions;
            Ok::<_, String>(Dense { dimensions, metric })
        });
        Ok(Config {
            dense: dense.transpose()?,
            sparse: self.sparse,
        })
    }
}

// === impl ArchivedPoint ===

impl ArchivedPoint {
    pub(crate) fn new(point: Point) -> serde_json::Result<Self> {
        let doubles = |numbers: Vec<f32>| numbers.into_iter().map(f64::from).collect();
        Ok(Self {
            id: point.id,
            dense: point.dense.map(doubles),
            sparse: point.sparse.map(|sparse| ArchivedSparse {
                terms: sparse.terms,
                weights: doubles(sparse.weights),
            }),
            payload: serde_json::from_str(&point.payload)?,
        })
    }

    pub(crate) fn into_point(self) -> Point {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "they were no doubles; what is none of ours is refused as infinite, or rounded"
        )]
        let singles = |numbers: Vec<f64>| numbers.into_iter().map(|it| it as f32).collect();
        Point {
            id: self.id,
            dense: self.dense.map(singles),
            sparse: self.sparse.map(|sparse| Sparse {
                terms: sparse.terms,
                weights: singles(sparse.weights),
            }),
            payload: self.payload.to_string(),
        }
    }
}
