//! Programs under measurement: started, watched from outside, ended when dropped.

use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that does not answer by then is broken. A first start compiles every component.
const PATIENCE: Duration = Duration::from_secs(120);

/// Linux counts processor time in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    begun: Instant,
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: u64,
    /// The part of it that no file backs: heaps, stacks, linear memories.
    pub(crate) anonymous: u64,
}

/// The folder of the built programs, this one among them.
pub(crate) fn build_folder() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    exe.parent()
        .map(Path::to_owned)
        .context("this program is in no folder")
}

// === impl Process ===

impl Process {
    /// Starts a program; what it logs goes to a file, as it would on a server.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stderr(file).spawn();
        let program = command.get_program().to_string_lossy();
        let child = child.with_context(|| {
            format!("cannot start {program}; build it with `cargo xtask build`")
        })?;
        Ok(Self { child, log, begun })
    }

    /// Starts this very program in another role and reads the first line that it prints.
    pub(crate) fn start_baseline(
        arguments: &[&str],
        data_dir: &Path,
    ) -> anyhow::Result<(Self, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(data_dir)
            .stdout(Stdio::piped());
        let mut process = Self::start(&mut command, data_dir.join("log"))?;
        let mut line = String::new();
        if let Some(stdout) = process.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.is_empty() {
            bail!(
                "`{}` ended before it served: {}",
                arguments.join(" "),
                process.said()
            );
        }
        Ok((process, line))
    }

    /// Asks for `path` until the answer is 200; says how long after the program's start that was.
    /// Connecting is tried every millisecond.
    pub(crate) fn wait_for(
        &mut self,
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        loop {
            match ask(address, path, headers) {
                Ok(200) => return Ok(self.begun.elapsed()),
                Ok(status) if status < 500 => bail!("{path} is answered {status}: {}", self.said()),
                _ => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.said());
            }
            if asked.elapsed() > PATIENCE {
                bail!(
                    "no 200 for {path} within {} s: {}",
                    PATIENCE.as_secs(),
                    self.said()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Processor time used so far; `None` where the system does not say.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        processor_time(&stat)
    }

    /// Memory held now; `None` where the system does not say.
    pub(crate) fn memory(&self) -> Option<Memory> {
        memory(&self.child.id().to_string())
    }

    /// The end of its log.
    fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(10)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own; the status of the answer.
pub(crate) fn ask(address: SocketAddr, path: &str, headers: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).context("no HTTP answer")?;
    Ok(status.parse()?)
}

/// Fields 14 and 15, counted after the name, which may itself hold blanks and parentheses.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// Memory that this process holds now; `None` where the system does not say.
pub(crate) fn own_memory() -> Option<Memory> {
    memory("self")
}

fn memory(process: &str) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Memory {
        resident: field(&status, "VmRSS:")?,
        anonymous: field(&status, "RssAnon:")?,
    })
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// A port of the loopback address that is free now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 10 0 0 0 150 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(processor_time("42 (a"), None);
        let status = "Name:\tsbd\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(
            (field(status, "VmRSS:"), field(status, "RssAnon:")),
            (Some(2 << 20), Some(1 << 20))
        );
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[test]
    fn a_program_that_ends_early_is_named_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]);
        let mut process = Process::start(&mut command, folder.path().join("log")).unwrap();
        let error = process
            .wait_for(free_address().unwrap(), "/", "")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("no luck"),
            "{error}"
        );
    }
}
