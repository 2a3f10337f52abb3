//! What all test binaries of one run said, added up.

/// A test that finds a peer missing prints this, its name, `: ` and the reason on one line.
///
/// It has to write to `std::io::stdout()` itself: libtest swallows what `println!` prints in a test that passes.
const SKIPPED_PEER: &str = "SKIPPED-PEER: ";

/// A test program that is about to run says this and the name of its file.
const PROGRAM: &str = "program ";

/// How many tests are told how long they took.
const SLOWEST: usize = 10;

/// The counts of a test run, what it could not run, and what took long.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// `name: reason` of what wanted something that this machine does not have.
    pub(crate) missing_peers: Vec<String>,
    /// `name: reason` of the tests that are marked `#[ignore]`.
    ignored_tests: Vec<String>,
    /// The program whose tests run now.
    program: String,
    /// Seconds and `program: name` of each test.
    times: Vec<(f64, String)>,
}

impl Summary {
    /// Takes in one line of a test binary's output.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some((_, skipped)) = line.split_once(SKIPPED_PEER) {
            let skipped = skipped.trim().to_owned();
            if !self.missing_peers.contains(&skipped) {
                self.missing_peers.push(skipped);
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.read_result(result);
        } else if let Some(file) = line.strip_prefix(PROGRAM) {
            // `name-hash`
            let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
            self.program = name.to_owned();
        } else if let Some((test, reason)) = line
            .strip_prefix("test ")
            .and_then(|test| test.split_once(" ... ignored"))
        {
            let reason = reason.trim_start_matches([',', ' ']);
            let reason = if reason.is_empty() {
                "marked #[ignore] without a reason"
            } else {
                reason
            };
            self.ignored_tests.push(format!("{test}: {reason}"));
        } else if let Some((name, seconds)) = read_time(line) {
            self.times
                .push((seconds, format!("{}: {name}", self.program)));
        }
    }

    /// Adds the counts of `ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`.
    fn read_result(&mut self, result: &str) {
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(what)) = (
                words.next().and_then(|word| word.parse::<u64>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    /// The tests that took longest, the slowest first.
    pub(crate) fn slowest(&self) -> Vec<String> {
        let mut times: Vec<_> = self.times.iter().collect();
        times.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        let slowest = times.iter().take(SLOWEST);
        slowest
            .map(|(seconds, test)| format!("{seconds:6.1} s  {test}"))
            .collect()
    }

    /// The last lines of a run: what could not be run and why, then the counts.
    pub(crate) fn lines(&self) -> Vec<String> {
        let not_run = self.missing_peers.iter().chain(&self.ignored_tests);
        let mut lines: Vec<String> = not_run.map(|entry| format!("not run: {entry}")).collect();
        lines.push(format!(
            "{} passed, {} failed, {} ignored",
            self.passed, self.failed, self.ignored
        ));
        lines
    }
}

/// Name and seconds of `test NAME ... ok <1.234s>`.
fn read_time(line: &str) -> Option<(&str, f64)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (_, time) = outcome.rsplit_once('<')?;
    Some((name, time.strip_suffix("s>")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Summary;

    fn read(lines: &[&str]) -> Summary {
        let mut summary = Summary::default();
        lines.iter().for_each(|line| summary.read_line(line));
        summary
    }

    #[test]
    fn adds_up_result_lines() {
        let summary = read(&[
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 61.20s",
        ]);
        assert_eq!((summary.passed, summary.failed, summary.ignored), (7, 2, 1));
        assert_eq!(summary.lines(), ["7 passed, 2 failed, 1 ignored"]);
    }

    #[test]
    fn names_what_was_not_run_and_why() {
        let summary = read(&[
            "test slow ... ignored, takes an hour",
            "test bare ... ignored",
            "test b ... SKIPPED-PEER: spin: no `spin` on the PATH",
            "SKIPPED-PEER: spin: no `spin` on the PATH",
        ]);
        assert_eq!(
            summary.lines(),
            [
                "not run: spin: no `spin` on the PATH",
                "not run: slow: takes an hour",
                "not run: bare: marked #[ignore] without a reason",
                "0 passed, 0 failed, 0 ignored",
            ]
        );
    }

    #[test]
    fn names_the_slowest_tests_with_their_programs() {
        let mut lines = vec!["program swap-0123abcd".to_owned()];
        lines.extend((0..12).map(|n| format!("test t{n} ... ok <{n}.250s>")));
        lines.push("program two-words-4567".to_owned());
        lines.push("test tests::bad ... FAILED <100.004s>".to_owned());
        lines.push("test quick ... ok".to_owned());
        lines.push("test not ... ignored, takes <9s>".to_owned());
        let summary = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let slowest = summary.slowest();
        assert_eq!(slowest.len(), 10);
        assert_eq!(slowest[0], " 100.0 s  two-words: tests::bad");
        assert_eq!(slowest[1], "  11.2 s  swap: t11");
        assert_eq!(slowest[9], "   3.2 s  swap: t3");
        assert_eq!(
            summary.lines().first().map(String::as_str),
            Some("not run: not: takes <9s>")
        );
    }
}
