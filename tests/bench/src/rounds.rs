//! Two servers under the same load in turn.

use crate::Plan;
use crate::load::{self, Sample, Shot};
use crate::process::Process;
use crate::report::{Figure, Spread};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Connections of every measurement of requests.
pub(crate) const CONNECTIONS: usize = 16;

/// Before the first round: compiled code is mapped, instances exist, caches are filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// A server under load.
pub(crate) struct Contender<'a> {
    pub(crate) label: &'a str,
    pub(crate) process: &'a Process,
    pub(crate) address: SocketAddr,
    pub(crate) shots: Arc<[Shot]>,
}

/// What the rounds measured of one contender.
#[derive(Debug, Default)]
struct Measured {
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Microseconds of processor time a request. Unlike the rate, the load generator has no part
    /// in it.
    processor: Vec<f64>,
}

/// Requests a second of both, measured in turn.
pub(crate) fn compare(
    plan: Plan,
    name: &str,
    baseline: &Contender<'_>,
    candidate: &Contender<'_>,
) -> anyhow::Result<Figure> {
    let (mut base, mut new) = (Measured::default(), Measured::default());
    for contender in [baseline, candidate] {
        load::fire(contender.address, &contender.shots, CONNECTIONS, WARM_UP)?;
    }
    for _ in 0..plan.rounds {
        base.add(baseline, plan.duration)?;
        new.add(candidate, plan.duration)?;
    }
    let figure = Figure::new(
        name,
        "req/s",
        (baseline.label, &base.rates),
        (candidate.label, &new.rates),
    );
    Ok(figure
        .note(latencies(&new, &base))
        .note(processor_times(&new, &base)))
}

// === impl Measured ===

impl Measured {
    fn add(&mut self, contender: &Contender<'_>, duration: Duration) -> anyhow::Result<()> {
        let before = contender.process.processor_time();
        let sample = load::fire(contender.address, &contender.shots, CONNECTIONS, duration)?;
        let after = contender.process.processor_time();
        if let (Some(before), Some(after)) = (before, after) {
            let used = after.saturating_sub(before).as_secs_f64();
            self.processor
                .push(used / sample.elapsed.as_secs_f64() / sample.rate() * 1e6);
        }
        self.rates.push(sample.rate());
        self.p50.push(milliseconds(&sample, 0.5));
        self.p99.push(milliseconds(&sample, 0.99));
        Ok(())
    }
}

fn milliseconds(sample: &Sample, quantile: f64) -> f64 {
    Duration::from_micros(sample.latency.value_at_quantile(quantile)).as_secs_f64() * 1000.0
}

fn latencies(new: &Measured, base: &Measured) -> String {
    let median = |values: &[f64]| Spread::of(values).median;
    format!(
        "p50 {:.2} ms against {:.2}, p99 {:.2} ms against {:.2}",
        median(&new.p50),
        median(&base.p50),
        median(&new.p99),
        median(&base.p99)
    )
}

fn processor_times(new: &Measured, base: &Measured) -> String {
    let (new, base) = (
        Spread::of(&new.processor).median,
        Spread::of(&base.processor).median,
    );
    if base == 0.0 {
        return "this system does not say how much processor time a process used".to_owned();
    }
    format!(
        "processor time a request: {new:.0} µs against {base:.0} ({:.2} ×)",
        new / base
    )
}
