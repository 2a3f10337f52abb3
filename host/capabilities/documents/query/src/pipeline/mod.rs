//! Aggregation pipelines.

mod accumulator;
mod expression;
mod parse;
mod run;

pub use run::Run;

use crate::{Failed, Filter, Invalid, Limits, Path, Patience, Projection, Sort};
use accumulator::Accumulator;
use expression::Expression;
use serde_json::Value;

/// An aggregation.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Vec<Stage>,
    limits: Limits,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Match(Filter),
    Sort(Sort),
    Limit(usize),
    Skip(usize),
    Count(String),
    Unwind {
        path: Path,
        keep_empty: bool,
    },
    Choose(Projection),
    Compute(Vec<(String, Expression)>),
    Group {
        by: Expression,
        fields: Vec<(String, Accumulator, Expression)>,
    },
}

// === impl Pipeline ===

impl Pipeline {
    /// Reads a pipeline.
    ///
    /// # Errors
    /// Unknown stages, accumulators or expressions; more of them than allowed.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Array(stages) = value else {
            return Err(Invalid::new(
                "a pipeline must be a list of stages like [{\"$match\": {}}]",
            ));
        };
        if stages.len() > limits.stages {
            return Err(Invalid::new(format!(
                "the pipeline has more than {} stages; shorten it",
                limits.stages
            )));
        }
        let stages = stages
            .iter()
            .map(|stage| Stage::parse(stage, limits))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            stages,
            limits: *limits,
        })
    }

    /// What the first stage asks for, if it is a `$match`: a backend can let an index answer that.
    pub fn leading_filter(&self) -> Filter {
        match self.stages.first() {
            Some(Stage::Match(filter)) => filter.clone(),
            _ => Filter::all(),
        }
    }

    /// The order that a first `$sort`, or one after a first `$match`, asks for: documents that come
    /// in it already are sorted at no cost. By `_id` otherwise.
    pub fn leading_sort(&self) -> Sort {
        match self.stages.as_slice() {
            [Stage::Sort(sort), ..] | [Stage::Match(_), Stage::Sort(sort), ..] => sort.clone(),
            _ => Sort::default(),
        }
    }

    /// Begins to run: documents are pushed one by one, and only what a stage must hold is held.
    pub fn begin<'a>(&'a self, patience: &'a Patience) -> Run<'a> {
        Run::new(&self.stages, &self.limits, patience)
    }

    /// Runs the pipeline over documents, for as long as it takes.
    ///
    /// # Errors
    /// When it would hold or copy more than the limits allow.
    pub fn run(&self, documents: impl IntoIterator<Item = Value>) -> Result<Vec<Value>, Failed> {
        let patience = Patience::endless();
        let mut run = self.begin(&patience);
        for document in documents {
            if !run.push(document)? {
                break;
            }
        }
        run.finish()
    }
}
