//! The commands: what a person may type, what each does, and its help.

use std::process::{Command, ExitCode};

use crate::checks;
use crate::guests;
use crate::host;
use crate::manifest;
use crate::nearest::nearest;
use crate::peers;
use crate::process::Steps;
use crate::wasm_target::{self, Rung};
use crate::workspace::Workspace;

/// One command of `cargo xtask`.
#[derive(Debug)]
pub(crate) struct Verb {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    /// What `--help` says after the first line.
    help: &'static str,
    accepts: Accepts,
}

/// What may follow a command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepts {
    Nothing,
    /// One flag with a value.
    Flag(&'static str),
    /// Anything; another program reads it.
    Anything,
}

const VERBS: [Verb; 9] = [
    Verb {
        name: "up",
        arguments: "[ARGS..]",
        about: "build everything and serve it (`sbd up ARGS`)",
        help: "Gets the wasm32-wasip2 target if it is missing, builds the components and the host, and becomes\n\
               `sbd up ARGS`. `cargo xtask up -- --help` says what ARGS may be.",
        accepts: Accepts::Anything,
    },
    Verb {
        name: "build",
        arguments: "",
        about: "build everything and say where the binary is",
        help: "Does all that `up` does short of serving. The binary carries the components and their manifest, so it\n\
               runs from any folder. It is `target/release/sbd`, or where CARGO_TARGET_DIR says.",
        accepts: Accepts::Nothing,
    },
    Verb {
        name: "guests",
        arguments: "",
        about: "build the components alone",
        help: "Gets the wasm32-wasip2 target if it is missing, builds everything under `components/`, and brings\n\
               `spin.toml` and `target/bundle` up to date, which is what the binary embeds.",
        accepts: Accepts::Nothing,
    },
    Verb {
        name: "manifest",
        arguments: "",
        about: "put `spin.toml` together from the components' own manifests",
        help: "Takes over what each `components/*/spin.toml` says, below the head of `spin.toml`, which is written by\n\
               hand. Everything that builds the components does so too; `ci` refuses one that is not up to date.",
        accepts: Accepts::Nothing,
    },
    Verb {
        name: "target",
        arguments: "[--by rustup|debian|rustc-web]",
        about: "get the wasm32-wasip2 target alone",
        help: "Does nothing if the target is there. Otherwise it tries rustup, then Debian's sources of the standard\n\
               library, then Debian's second compiler for the guests alone; `--by` tries only the way it names.",
        accepts: Accepts::Flag("--by"),
    },
    Verb {
        name: "test",
        arguments: "[--filter NAME]",
        about: "run every test there is",
        help: "Builds the components and the guests that only tests load, then runs all tests. It ends with the ten\n\
               slowest; the last lines name what could not be run and why, then the counts. `--filter` runs the\n\
               tests whose name contains NAME.",
        accepts: Accepts::Flag("--filter"),
    },
    Verb {
        name: "bench",
        arguments: "[ARGS..]",
        about: "measure speed and memory",
        help: "Builds everything and runs `sbd-bench ARGS`, which writes `target/bench/*.json` and prints a table.\n\
               Leave the machine alone meanwhile. Where there is a `redis-server`, or REDIS_SERVER names one, tasks\n\
               are measured beside Celery.",
        accepts: Accepts::Anything,
    },
    Verb {
        name: "soak",
        arguments: "[--rounds N]",
        about: "kill the server again and again, and see that its promises hold",
        help: "Builds everything, ends the server by `kill -9` at random points under load, 200 times unless `--rounds`\n\
               says otherwise, and prints a table of what was promised and what became of it.",
        accepts: Accepts::Flag("--rounds"),
    },
    Verb {
        name: "ci",
        arguments: "",
        about: "manifest, formatting, clippy, documentation and all tests, as `.ci/run` does",
        help: "Fails on the first finding, on a failed test, and on a test that could not run for want of a peer.",
        accepts: Accepts::Nothing,
    },
];

/// How often `soak` kills the server, unless it is told.
const SOAK_ROUNDS: u32 = 200;

/// What was asked for, checked.
#[derive(Debug)]
pub(crate) enum Request {
    Help(String),
    /// Asked in a way that has no answer; the help is shown and the exit code is 2.
    NoCommand,
    Run(&'static Verb, Vec<String>),
}

/// Reads the command line.
pub(crate) fn parse(arguments: &[String]) -> Result<Request, String> {
    let Some((first, rest)) = arguments.split_first() else {
        return Ok(Request::NoCommand);
    };
    if is_help(first) || first == "help" {
        return Ok(Request::Help(overview()));
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == first) else {
        return Err(unknown(
            "command",
            first,
            &VERBS.each_ref().map(|verb| verb.name),
            "cargo xtask --help",
        ));
    };
    if rest.first().is_some_and(|argument| is_help(argument)) {
        return Ok(Request::Help(verb.full_help()));
    }
    Ok(Request::Run(verb, verb.read(rest)?))
}

fn is_help(argument: &str) -> bool {
    matches!(argument, "--help" | "-h")
}

impl Verb {
    /// The arguments that are left for the command itself: a flag's value, or all of them.
    fn read(&self, arguments: &[String]) -> Result<Vec<String>, String> {
        let help = format!("cargo xtask {} --help", self.name);
        match self.accepts {
            Accepts::Anything => Ok(arguments
                .iter()
                .skip(usize::from(
                    arguments.first().is_some_and(|first| first == "--"),
                ))
                .cloned()
                .collect()),
            Accepts::Nothing => match arguments.first() {
                None => Ok(Vec::new()),
                Some(first) => Err(unknown("argument", first, &["--help"], &help)),
            },
            Accepts::Flag(flag) => match arguments {
                [] => Ok(Vec::new()),
                [first] if first == flag => Err(format!("`{flag}` wants a value; see `{help}`")),
                [first, value] if first == flag => Ok(vec![value.clone()]),
                [first, value, extra, ..] if first == flag => Err(format!(
                    "`{extra}` after `{flag} {value}` is one too many; see `{help}`"
                )),
                [first, ..] => match first.split_once('=') {
                    Some((name, value)) if name == flag && arguments.len() == 1 => {
                        Ok(vec![value.to_owned()])
                    }
                    _ => Err(unknown("argument", first, &[flag, "--help"], &help)),
                },
            },
        }
    }

    fn full_help(&self) -> String {
        format!(
            "cargo xtask {} {}\n\n{}",
            self.name, self.arguments, self.help
        )
    }

    fn carry_out(&self, arguments: &[String]) -> Result<ExitCode, String> {
        match self.name {
            "up" => up(arguments),
            "build" => build(),
            "guests" => guests(),
            "manifest" => manifest(),
            "target" => target(arguments.first().map(String::as_str)),
            "test" => test(arguments.first().map(String::as_str)),
            "bench" => bench(arguments),
            "soak" => soak(arguments.first().map(String::as_str)),
            _ => ci(),
        }
    }
}

impl Request {
    /// Does it.
    pub(crate) fn carry_out(self) -> Result<ExitCode, String> {
        match self {
            Self::Help(text) => {
                println!("{text}");
                Ok(ExitCode::SUCCESS)
            }
            Self::NoCommand => {
                eprintln!("{}", overview());
                Ok(ExitCode::from(2))
            }
            Self::Run(verb, arguments) => verb.carry_out(&arguments),
        }
    }
}

fn overview() -> String {
    let mut lines = vec!["cargo xtask COMMAND [--help]".to_owned(), String::new()];
    lines.extend(VERBS.iter().map(|verb| {
        format!(
            "  {:<38} {}",
            format!("{} {}", verb.name, verb.arguments),
            verb.about
        )
    }));
    lines.join("\n")
}

/// Refuses a word, with the nearest one that would do.
fn unknown(what: &str, given: &str, known: &[&str], help: &str) -> String {
    match nearest(given, known) {
        Some(name) => format!("unknown {what} `{given}`; did you mean `{name}`? See `{help}`"),
        None => format!("unknown {what} `{given}`; see `{help}`"),
    }
}

fn up(arguments: &[String]) -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(guests::STEPS + 2);
    guests::components(&workspace, &mut steps)?;
    let server = host::build(&workspace, &[host::SERVER], &mut steps)?;
    steps.next("serving");
    host::become_program(Command::new(server).arg("up").args(arguments))
}

fn build() -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(guests::STEPS + 1);
    guests::components(&workspace, &mut steps)?;
    host::build(&workspace, &[host::SERVER], &mut steps)?;
    Ok(ExitCode::SUCCESS)
}

fn guests() -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    guests::components(&workspace, &mut Steps::of(guests::STEPS))?;
    eprintln!("built {}", workspace.guest_dir().display());
    Ok(ExitCode::SUCCESS)
}

fn manifest() -> Result<ExitCode, String> {
    if manifest::write(&Workspace::read()?)? {
        eprintln!("{} is written anew", manifest::FILE);
    } else {
        eprintln!("{} is up to date", manifest::FILE);
    }
    Ok(ExitCode::SUCCESS)
}

fn target(by: Option<&str>) -> Result<ExitCode, String> {
    let rungs = match by {
        None => Rung::ALL.to_vec(),
        Some(name) => {
            let names = Rung::ALL.map(Rung::name);
            let rung = Rung::ALL.into_iter().find(|rung| rung.name() == name);
            vec![rung.ok_or_else(|| unknown("way", name, &names, "cargo xtask target --help"))?]
        }
    };
    wasm_target::ensure_by(&Workspace::read()?, &rungs)?;
    Ok(ExitCode::SUCCESS)
}

fn test(filter: Option<&str>) -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(guests::STEPS + checks::TEST_STEPS);
    let target = guests::components(&workspace, &mut steps)?;
    let outcome = checks::test(&workspace, &target, filter, &mut steps)?;
    Ok(report(&outcome, outcome.succeeded))
}

fn bench(arguments: &[String]) -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(guests::STEPS + 3);
    let target = guests::components(&workspace, &mut steps)?;
    guests::test_guests(&workspace, &target, &mut steps)?;
    peers::get_all(&workspace, &peers::MEASURED)?;
    let bench = host::build(&workspace, &[host::BENCH, host::SERVER], &mut steps)?;
    steps.next("measuring");
    host::become_program(Command::new(bench).args(arguments))
}

fn soak(rounds: Option<&str>) -> Result<ExitCode, String> {
    let rounds = match rounds {
        None => SOAK_ROUNDS,
        Some(text) => text.parse().map_err(|_| {
            format!("`{text}` is no number of rounds; see `cargo xtask soak --help`")
        })?,
    };
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(guests::STEPS + 3);
    let target = guests::components(&workspace, &mut steps)?;
    guests::test_guests(&workspace, &target, &mut steps)?;
    host::build(&workspace, &[host::SERVER], &mut steps)?;
    steps.next("soaking");
    let mut soak = host::cargo(&workspace, "test", &workspace.native());
    soak.args(["--test", "soak", "--", "--nocapture"]);
    host::become_program(soak.env("SBD_SOAK_ROUNDS", rounds.to_string()))
}

fn ci() -> Result<ExitCode, String> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::of(1 + guests::STEPS + checks::READ_ONLY_STEPS + checks::TEST_STEPS);
    // What comes next writes it anew.
    steps.next("manifest");
    manifest::check(&workspace)?;
    let target = guests::components(&workspace, &mut steps)?;
    checks::read_only(&workspace, &target, &mut steps)?;
    let outcome = checks::test(&workspace, &target, None, &mut steps)?;
    let complete = outcome.summary.missing_peers.is_empty();
    if !complete {
        println!("ci wants every test to run: install the peers named below");
    }
    Ok(report(&outcome, outcome.succeeded && complete))
}

/// Prints what took long and the last lines of a test run, and turns it into an exit code.
fn report(outcome: &checks::Outcome, good: bool) -> ExitCode {
    if !outcome.succeeded && outcome.summary.failed == 0 {
        println!("a test program did not compile or did not come to its end; see above");
    }
    let slowest = outcome.summary.slowest();
    if !slowest.is_empty() {
        println!("the slowest tests:");
    }
    for line in slowest.iter().chain(&outcome.summary.lines()) {
        println!("{line}");
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use super::{Request, parse};

    fn asked(words: &str) -> Result<Request, String> {
        parse(
            &words
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    fn arguments(words: &str) -> Vec<String> {
        match asked(words).unwrap() {
            Request::Run(_, arguments) => arguments,
            other => panic!("{words} is {other:?}"),
        }
    }

    #[test]
    fn passes_the_servers_arguments_on() {
        assert_eq!(
            arguments("up --listen 127.0.0.1:1"),
            ["--listen", "127.0.0.1:1"]
        );
        assert_eq!(arguments("up -- --help"), ["--help"]);
        assert!(arguments("up").is_empty());
    }

    #[test]
    fn reads_a_flag_in_both_spellings() {
        assert_eq!(arguments("test --filter login"), ["login"]);
        assert_eq!(arguments("test --filter=login"), ["login"]);
        assert!(
            asked("test --filter")
                .unwrap_err()
                .contains("wants a value")
        );
        assert!(
            asked("test --filter a b")
                .unwrap_err()
                .contains("one too many")
        );
    }

    #[test]
    fn refuses_what_it_does_not_know_with_the_nearest_name() {
        assert!(asked("tset").unwrap_err().contains("did you mean `test`"));
        assert!(
            asked("test --fliter x")
                .unwrap_err()
                .contains("did you mean `--filter`")
        );
        assert!(
            asked("build --hepl")
                .unwrap_err()
                .contains("did you mean `--help`")
        );
        assert!(
            asked("build release")
                .unwrap_err()
                .contains("unknown argument `release`")
        );
    }

    #[test]
    fn helps_with_every_command() {
        for verb in &super::VERBS {
            let Request::Help(text) = asked(&format!("{} --help", verb.name)).unwrap() else {
                panic!("{} has no help", verb.name)
            };
            assert!(text.contains(verb.help));
            let Request::Help(text) = asked("--help").unwrap() else {
                panic!("no overview")
            };
            assert!(text.contains(verb.about));
        }
        assert!(matches!(asked("").unwrap(), Request::NoCommand));
    }
}
