//! Measures speed and memory. Every figure is a ratio of two things measured in turn on the same
//! machine in the same run, because figures by themselves say more about the machine than about
//! the program. Nothing here fails a build: a missed goal is printed, and that is all.

mod accounts;
mod authenticated_get;
mod backups;
mod bare;
mod cold_start;
mod corpus;
mod durable_inserts;
mod events;
mod family_vs_bare;
mod idle_memory;
mod knowledge;
mod limits;
mod listen;
mod load;
mod native;
mod neighbours;
mod parser;
mod pocketbase;
mod process;
mod report;
mod rounds;
mod sbd;
mod shop;
mod sockets;
mod start;
mod swaps;
mod tasks;
mod tenants;
mod toolchains;
mod vectors;
mod wallet;
mod workspace;

use anyhow::bail;
use clap::{Parser, Subcommand};
use report::Figure;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The baselines have the server's allocator, or it would be part of every ratio.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures speed and memory as ratios, prints a table and writes `target/bench/*.json`.
#[derive(Debug, Parser)]
#[command(name = "sbd-bench", version)]
struct Cli {
    /// Run this measurement alone; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How long each side is measured in each round.
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = positive)]
    seconds: f64,
    /// How many times baseline and candidate take turns.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How large the tenant is that is backed up, in MiB.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    backup_mib: u64,
    /// Say what there is to measure, and stop.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    baseline: Option<Baseline>,
}

/// The programs that `sbd` is compared with; this program runs itself as one of them.
#[derive(Debug, Subcommand)]
enum Baseline {
    /// A component behind wasmtime and nothing else.
    #[command(hide = true)]
    ServeBare {
        #[arg(long)]
        component: PathBuf,
        #[arg(long)]
        data_dir: PathBuf,
        /// As `sbd` has it.
        #[arg(long, default_value_t = 128)]
        reuse_requests: usize,
        #[arg(long, default_value_t = 16)]
        reuse_concurrent: usize,
    },
    /// A handler written natively.
    #[command(hide = true)]
    ServeNative {
        #[arg(long)]
        users: usize,
        #[arg(long)]
        data_dir: PathBuf,
    },
}

/// How long and how often to measure.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    duration: Duration,
    backup_mib: u64,
}

struct Measurement {
    name: &'static str,
    about: &'static str,
    run: fn(Plan) -> anyhow::Result<Vec<Figure>>,
}

const MEASUREMENTS: [Measurement; 22] = [
    Measurement {
        name: "family-vs-bare",
        about: "the family component behind sbd against the same component behind bare wasmtime",
        run: family_vs_bare::run,
    },
    Measurement {
        name: "toolchains",
        about: "a hello in JavaScript and in Python against bare wasmtime with an instance a request",
        run: toolchains::run,
    },
    Measurement {
        name: "authenticated-get",
        about: "GET /api/v1/families/{id} with a token against the same handler written natively",
        run: authenticated_get::run,
    },
    Measurement {
        name: "durable-inserts",
        about: "64 concurrent writers against single commits one after the other",
        run: durable_inserts::run,
    },
    Measurement {
        name: "start",
        about: "process start to the first 200 with a warm compile cache",
        run: start::run,
    },
    Measurement {
        name: "idle-memory",
        about: "resident memory of an idle server",
        run: idle_memory::run,
    },
    Measurement {
        name: "tenants",
        about: "what an idle tenant, a warm one and the first request to one cost",
        run: tenants::run,
    },
    Measurement {
        name: "cold-start",
        about: "a component's first answer, from the compile cache and from its file",
        run: cold_start::run,
    },
    Measurement {
        name: "accounts",
        about: "what a token costs, refreshes and logins against PocketBase, others beside a storm of logins, and signing out",
        run: accounts::run,
    },
    Measurement {
        name: "limits",
        about: "an authenticated read with the default limits against limits as wide as they go",
        run: limits::run,
    },
    Measurement {
        name: "swaps",
        about: "fifty versions and fifty switches under load",
        run: swaps::run,
    },
    Measurement {
        name: "neighbours",
        about: "a tenant's p99 beside each hostile guest of another against alone",
        run: neighbours::run,
    },
    Measurement {
        name: "backups",
        about: "what a backup costs those who write meanwhile",
        run: backups::run,
    },
    Measurement {
        name: "events",
        about: "what publishing in a transaction costs, and how many events come how soon",
        run: events::run,
    },
    Measurement {
        name: "tasks",
        about: "how many empty tasks are done, and how soon one begins, against Celery over Redis",
        run: tasks::run,
    },
    Measurement {
        name: "sockets",
        about: "what 5000 WebSockets cost that wait, and how soon all hear what is said to all",
        run: sockets::run,
    },
    Measurement {
        name: "vectors",
        about: "searches by vectors, by keywords and by both among 10 000 and 100 000 passages",
        run: vectors::run,
    },
    Measurement {
        name: "wallet",
        about: "transfers on one account and on many, a long statement's pages, and a large family",
        run: wallet::run,
    },
    Measurement {
        name: "shop",
        about: "a page of 10 000 items against one of 50, and the checkout of five items against a transfer",
        run: shop::run,
    },
    Measurement {
        name: "workspace",
        about: "members, a permission and a role in a workspace of 1000 against one of 2",
        run: workspace::run,
    },
    Measurement {
        name: "knowledge",
        about: "how well 200 questions in three languages find their answers in 200 documents, and what that takes",
        run: knowledge::run,
    },
    Measurement {
        name: "parser",
        about: "pages of documents read a second, by format, against markitdown",
        run: parser::run,
    },
];

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match &cli.baseline {
        Some(Baseline::ServeBare {
            component,
            data_dir,
            reuse_requests,
            reuse_concurrent,
        }) => {
            let reuse = bare::Reuse {
                requests: *reuse_requests,
                at_once: *reuse_concurrent,
            };
            bare::serve(component, data_dir, reuse)?;
        }
        Some(Baseline::ServeNative { users, data_dir }) => native::serve(*users, data_dir)?,
        None if cli.list => {
            for measurement in &MEASUREMENTS {
                println!("{:<18} {}", measurement.name, measurement.about);
            }
        }
        None => return measure(&cli),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs what was asked for. One that cannot run does not keep the others from running.
fn measure(cli: &Cli) -> anyhow::Result<ExitCode> {
    let chosen = choose(&cli.only)?;
    let plan = Plan {
        rounds: usize::try_from(cli.rounds)?,
        duration: Duration::from_secs_f64(cli.seconds),
        backup_mib: cli.backup_mib,
    };
    let machine = report::Machine::here();
    eprintln!("{machine}");
    let mut figures = Vec::new();
    let mut failed = false;
    for measurement in chosen {
        eprintln!("measuring {}: {}", measurement.name, measurement.about);
        match (measurement.run)(plan) {
            Ok(measured) => {
                for figure in measured {
                    report::write(&figure, &machine)?;
                    figures.push(figure);
                }
            }
            Err(error) => {
                eprintln!("{} could not be measured: {error:#}", measurement.name);
                failed = true;
            }
        }
    }
    report::print(&figures);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Measurement>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| MEASUREMENTS.iter().all(|known| known.name != **name))
    {
        bail!("there is no measurement `{unknown}`; `sbd-bench --list` names them");
    }
    Ok(MEASUREMENTS
        .iter()
        .filter(|known| names.is_empty() || names.iter().any(|name| name == known.name))
        .collect())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("give a number of seconds above 0, 3600 at most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn measurements_are_chosen_by_name() {
        assert_eq!(choose(&[]).unwrap().len(), MEASUREMENTS.len());
        let one = choose(&["start".to_owned()]).unwrap();
        assert_eq!(
            one.iter().map(|chosen| chosen.name).collect::<Vec<_>>(),
            ["start"]
        );
        assert!(
            choose(&["strat".to_owned()])
                .err()
                .unwrap()
                .to_string()
                .contains("--list")
        );
    }

    #[test]
    fn the_command_line_is_read() {
        let cli = Cli::try_parse_from([
            "sbd-bench",
            "--only",
            "start",
            "--seconds",
            "0.5",
            "--rounds",
            "2",
        ])
        .unwrap();
        assert_eq!((cli.only.len(), cli.rounds), (1, 2));
        for wrong in [["--seconds", "0"], ["--seconds", "NaN"], ["--rounds", "0"]] {
            assert!(
                Cli::try_parse_from(std::iter::once("sbd-bench").chain(wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
