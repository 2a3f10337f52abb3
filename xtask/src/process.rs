//! How other programs are run: what is shown, and what a failure says.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The cargo that runs this tool, without what it says to this tool about itself: build scripts of dependencies read
/// some of it, so that a call from here and one by hand would each compile them anew.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        if said.starts_with("CARGO_PKG_") || said.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs `command` with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` ended with {status}", shown(command)))
    }
}

/// Runs `command`, hands each line of its standard output to `line` and shows it. Returns whether it succeeded.
pub(crate) fn run_reading(
    command: &mut Command,
    mut line: impl FnMut(&str),
) -> Result<bool, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(command, &error))?;
    if let Some(output) = child.stdout.take() {
        let mut shown = std::io::stdout();
        for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&bytes);
            line(&text);
            // A closed terminal is no reason to stop counting.
            let _ = writeln!(shown, "{text}");
        }
    }
    Ok(child
        .wait()
        .map_err(|error| not_started(command, &error))?
        .success())
}

/// Runs `command` quietly and returns its standard output; a failure carries the last line of its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("and said nothing");
    Err(format!(
        "`{}` ended with {}: {}",
        shown(command),
        output.status,
        reason.trim()
    ))
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    if error.kind() == std::io::ErrorKind::NotFound {
        format!("there is no `{program}` on this machine")
    } else {
        format!("`{program}` could not be run: {error}")
    }
}

/// The command as a person would type it, shortened after its first few words.
fn shown(command: &Command) -> String {
    const WORDS: usize = 6;
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .take(WORDS)
        .map(OsStr::to_string_lossy)
        .collect();
    if command.get_args().count() >= WORDS {
        words.push("...".into());
    }
    words.join(" ")
}

/// Counts the steps of one command: `[2/3] ...`.
pub(crate) struct Steps {
    done: usize,
    of: usize,
}

impl Steps {
    pub(crate) fn of(of: usize) -> Self {
        Self { done: 0, of }
    }

    /// Announces the next step.
    pub(crate) fn next(&mut self, what: &str) {
        self.done += 1;
        eprintln!("[{}/{}] {what}", self.done, self.of);
    }
}
