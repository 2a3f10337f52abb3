//! What was measured: as a table for people, as one JSON file a figure for machines.

use anyhow::Context as _;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Median, least and most of what several rounds measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// One side of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Side {
    /// What was measured.
    pub(crate) label: String,
    #[serde(flatten)]
    pub(crate) value: Spread,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The ratio, or more.
    RatioAtLeast(f64),
    /// The ratio, or less.
    RatioAtMost(f64),
    /// The candidate's own value, or less.
    CandidateAtMost(f64),
    /// The candidate's own value, or more.
    CandidateAtLeast(f64),
}

/// One thing measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) baseline: Side,
    pub(crate) candidate: Side,
    /// Candidate to baseline. The median of the rounds' own ratios: what disturbs the machine for
    /// a while disturbs both sides of a round.
    pub(crate) ratio: Spread,
    pub(crate) rounds: usize,
    pub(crate) goal: Option<Goal>,
    /// What else was seen, for example latencies.
    pub(crate) notes: Vec<String>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    threads: usize,
    memory_mib: u64,
    system: String,
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(flatten)]
    figure: &'a Figure,
    met: Option<bool>,
    machine: &'a Machine,
    date: String,
}

// === impl Spread ===

impl Spread {
    /// Of nothing it is all zeros.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(at(middle.saturating_sub(1)), at(middle)),
            _ => at(middle),
        };
        Self {
            median,
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}–{})",
            short(self.median),
            short(self.min),
            short(self.max)
        )
    }
}

/// Three digits that count, or all of a whole number.
fn short(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middling if middling < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

// === impl Goal ===

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(ratio) => write!(f, "ratio ≥ {ratio}"),
            Self::RatioAtMost(ratio) => write!(f, "ratio ≤ {ratio}"),
            Self::CandidateAtMost(value) => write!(f, "≤ {value}"),
            Self::CandidateAtLeast(value) => write!(f, "≥ {value}"),
        }
    }
}

// === impl Figure ===

impl Figure {
    /// A figure from what the rounds measured, round by round.
    pub(crate) fn new(
        name: &str,
        unit: &'static str,
        baseline: (&str, &[f64]),
        candidate: (&str, &[f64]),
    ) -> Self {
        let ratios: Vec<f64> = baseline
            .1
            .iter()
            .zip(candidate.1)
            .map(|(base, new)| new / base)
            .collect();
        let side = |(label, values): (&str, &[f64])| Side {
            label: label.to_owned(),
            value: Spread::of(values),
        };
        Self {
            name: name.to_owned(),
            unit,
            ratio: Spread::of(&ratios),
            rounds: ratios.len(),
            baseline: side(baseline),
            candidate: side(candidate),
            goal: None,
            notes: Vec::new(),
        }
    }

    /// The same with a goal.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// The same with a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Whether the goal was met; `None` without one.
    fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::RatioAtLeast(ratio) => self.ratio.median >= ratio,
            Goal::RatioAtMost(ratio) => self.ratio.median <= ratio,
            Goal::CandidateAtMost(value) => self.candidate.value.median <= value,
            Goal::CandidateAtLeast(value) => self.candidate.value.median >= value,
        })
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        }
    }
}

// === impl Machine ===

impl Machine {
    /// The one this runs on, as far as it says.
    pub(crate) fn here() -> Self {
        let of = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key))?.to_owned();
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = of("/proc/meminfo", "MemTotal");
        let kibibytes =
            memory.and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok());
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kibibytes.unwrap_or_default() / 1024,
            system: format!(
                "{} {} {}",
                std::env::consts::OS,
                std::env::consts::ARCH,
                release.trim()
            ),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            threads,
            memory_mib,
            system,
        } = self;
        write!(
            f,
            "{processor}, {threads} threads, {memory_mib} MiB, {system}"
        )
    }
}

/// The folder of the JSON files, `target/bench`: found from this program's own path, wherever
/// cargo was told to build.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let target = crate::process::build_folder()?.join("..").join("bench");
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot make {}", target.display()))?;
    Ok(target.canonicalize()?)
}

/// Writes a figure to its file.
pub(crate) fn write(figure: &Figure, machine: &Machine) -> anyhow::Result<()> {
    let path = folder()?.join(format!("{}.json", figure.name));
    let date = jiff::Timestamp::now().to_string();
    let file = File {
        figure,
        met: figure.met(),
        machine,
        date,
    };
    std::fs::write(&path, serde_json::to_vec_pretty(&file)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Prints the table.
pub(crate) fn print(figures: &[Figure]) {
    println!("{}", table(figures));
}

fn table(figures: &[Figure]) -> String {
    let mut rows = vec![
        [
            "figure",
            "candidate (min–max)",
            "baseline (min–max)",
            "unit",
            "ratio (min–max)",
            "goal",
            "",
        ]
        .map(str::to_owned),
    ];
    for figure in figures {
        rows.push([
            figure.name.clone(),
            figure.candidate.value.to_string(),
            figure.baseline.value.to_string(),
            figure.unit.to_owned(),
            figure.ratio.to_string(),
            figure.goal.map(|goal| goal.to_string()).unwrap_or_default(),
            figure.verdict().to_owned(),
        ]);
    }
    let widest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..7)
        .map(|column| widest(column).unwrap_or_default())
        .collect();
    let mut lines = Vec::new();
    for (row, figure) in rows
        .iter()
        .zip(std::iter::once(None).chain(figures.iter().map(Some)))
    {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        if let Some(figure) = figure {
            lines.push(format!(
                "    {} against {}",
                figure.candidate.label, figure.baseline.label
            ));
            lines.extend(figure.notes.iter().map(|note| format!("    {note}")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_least_and_most() {
        assert_eq!(
            Spread::of(&[3.0, 1.0, 2.0]),
            Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            }
        );
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(
            Spread::of(&[]),
            Spread {
                median: 0.0,
                min: 0.0,
                max: 0.0
            }
        );
    }

    #[test]
    fn the_ratio_is_taken_round_by_round() {
        // The machine was half as fast in the second round; the ratio does not care.
        let figure = Figure::new(
            "x",
            "req/s",
            ("a", &[100.0, 50.0, 100.0]),
            ("b", &[90.0, 45.0, 90.0]),
        );
        assert_eq!(
            figure.ratio,
            Spread {
                median: 0.9,
                min: 0.9,
                max: 0.9
            }
        );
    }

    #[test]
    fn goals_are_judged_and_shown() {
        let ratio = Figure::new("x", "req/s", ("bare", &[100.0]), ("sbd", &[84.0]));
        assert_eq!(ratio.clone().goal(Goal::RatioAtLeast(0.84)).verdict(), "ok");
        assert_eq!(
            ratio.clone().goal(Goal::RatioAtLeast(0.85)).verdict(),
            "MISSED"
        );
        assert_eq!(ratio.verdict(), "");
        let value = Figure::new("start", "ms", ("true", &[1.0]), ("sbd", &[301.0]))
            .goal(Goal::CandidateAtMost(300.0));
        let table = table(&[value.note("p50 3 ms")]);
        for part in [
            "start",
            "301",
            "≤ 300",
            "MISSED",
            "sbd against true",
            "p50 3 ms",
        ] {
            assert!(table.contains(part), "no `{part}` in\n{table}");
        }
    }
}
