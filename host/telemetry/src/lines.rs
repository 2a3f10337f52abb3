//! Log lines on their way to standard error.
//!
//! A line a request is the common case, and a system call a line would cost more than many requests
//! do. So lines gather for a moment and leave together, and those of the access log are not even
//! put into words before; warnings and errors take everything before them along at once. A killed
//! process loses the last [`PAUSE`] of lines.

use crate::access::{Access, Entry};
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, SystemTime};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that may gather before whoever logs has to write them out itself.
const MOST: usize = 512 << 10;

/// Gathers lines. One for the process, because there is one standard error.
pub(crate) struct Lines {
    waiting: Mutex<Batch>,
    /// Held while bytes are written, so that batches stay in order.
    out: Mutex<Out>,
    thread: OnceLock<Thread>,
    is_json: OnceLock<bool>,
}

#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    /// The texts of what waits, one behind the other.
    texts: String,
}

enum Waiting {
    Line(usize),
    Access(Entry),
}

/// The writer, and room that is used again for each batch.
struct Out {
    writer: Box<dyn Write + Send>,
    batch: Batch,
    lines: Vec<u8>,
}

/// Takes one line.
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    is_urgent: bool,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            waiting: Mutex::default(),
            out: Mutex::new(Out {
                writer: Box::new(out),
                batch: Batch::default(),
                lines: Vec::new(),
            }),
            thread: OnceLock::new(),
            is_json: OnceLock::new(),
        }
    }

    /// Says what the lines are, and starts the thread that writes them out. Without it every line
    /// is urgent.
    pub(crate) fn start(&'static self, is_json: bool) -> io::Result<()> {
        let _ = self.is_json.set(is_json);
        let thread = std::thread::Builder::new().name("sbd-log".to_owned());
        let thread = thread.spawn(|| {
            loop {
                std::thread::park();
                std::thread::sleep(PAUSE);
                self.flush();
            }
        })?;
        let _ = self.thread.set(thread.thread().clone());
        Ok(())
    }

    /// Takes an entry of the access log; nothing before the start.
    pub(crate) fn take(&self, access: &Access<'_>, time: SystemTime) {
        if self.is_json.get().is_some() {
            let entry = |texts: &mut String| Waiting::Access(Entry::new(access, time, texts));
            self.add(entry, false);
        }
    }

    fn add(&self, waiting: impl FnOnce(&mut String) -> Waiting, is_urgent: bool) {
        let mut batch = locked(&self.waiting);
        let is_first = batch.waiting.is_empty();
        let waiting = waiting(&mut batch.texts);
        batch.waiting.push(waiting);
        let is_too_much = batch.texts.len() > MOST;
        drop(batch);
        match self.thread.get() {
            Some(thread) if !is_urgent && !is_too_much => {
                if is_first {
                    thread.unpark();
                }
            }
            _ => self.flush(),
        }
    }

    /// Writes out what waits. Standard error that cannot be written to is nobody's to tell.
    pub(crate) fn flush(&self) {
        let mut out = locked(&self.out);
        let Out {
            writer,
            batch,
            lines,
        } = &mut *out;
        std::mem::swap(batch, &mut locked(&self.waiting));
        let is_json = self.is_json.get().is_none_or(|json| *json);
        let mut texts = batch.texts.as_str();
        for waiting in batch.waiting.drain(..) {
            match waiting {
                Waiting::Line(length) => {
                    let (line, rest) = texts.split_at_checked(length).unwrap_or_default();
                    lines.extend_from_slice(line.as_bytes());
                    texts = rest;
                }
                Waiting::Access(entry) => entry.write(&mut texts, lines, is_json),
            }
        }
        batch.texts.clear();
        let _ = writer.write_all(lines).and_then(|()| writer.flush());
        lines.clear();
        lines.shrink_to(MOST);
    }
}

impl<'a> MakeWriter<'a> for &'static Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            lines: self,
            is_urgent: *event.level() <= Level::WARN,
        }
    }
}

// === impl Line ===

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = |texts: &mut String| {
            texts.push_str(&text);
            Waiting::Line(text.len())
        };
        self.lines.add(line, self.is_urgent);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Sent(Sender<String>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (&'static Lines, Receiver<String>) {
        let (sender, written) = channel();
        let lines = Box::leak(Box::new(Lines::new(Sent(sender))));
        (lines, written)
    }

    fn line(lines: &Lines, is_urgent: bool) -> Line<'_> {
        Line { lines, is_urgent }
    }

    #[test]
    fn lines_gather_and_leave_together() {
        let (lines, written) = lines();
        lines.start(true).unwrap();
        line(lines, false).write_all(b"one\n").unwrap();
        line(lines, false).write_all(b"two\n").unwrap();
        assert_eq!(written.recv().unwrap(), "one\ntwo\n");
        line(lines, false).write_all(b"three\n").unwrap();
        assert_eq!(written.recv().unwrap(), "three\n");
    }

    #[test]
    fn a_warning_takes_along_what_waits() {
        let (lines, written) = lines();
        lines.start(true).unwrap();
        line(lines, false).write_all(b"before\n").unwrap();
        line(lines, true).write_all(b"warning\n").unwrap();
        let now: String = written.try_iter().collect();
        assert_eq!(now, "before\nwarning\n");
    }

    #[test]
    fn a_flood_is_written_by_those_who_log() {
        let (lines, written) = lines();
        lines.start(true).unwrap();
        let line_of_one_kib = [b'x'; 1024];
        for _ in 0..4000 {
            line(lines, false).write_all(&line_of_one_kib).unwrap();
            assert!(locked(&lines.waiting).texts.len() <= MOST + 1024);
        }
        lines.flush();
        assert_eq!(
            written.try_iter().map(|batch| batch.len()).sum::<usize>(),
            4000 << 10
        );
    }

    #[test]
    fn nothing_is_lost_and_lines_stay_whole() {
        let (lines, written) = lines();
        lines.start(true).unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let barrier = Arc::clone(&barrier);
                std::thread::spawn(move || {
                    barrier.wait();
                    for number in 0..200 {
                        let text = format!("{thread} {number:>64}\n");
                        let mut line = line(lines, number % 17 == 0);
                        line.write_all(text.as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        lines.flush();
        let all: String = written.try_iter().collect();
        for thread in 0..8 {
            let own = all
                .lines()
                .filter(|line| line.starts_with(&format!("{thread} ")));
            let numbers = own.map(|line| line[1..].trim().parse::<u32>().unwrap());
            assert!(numbers.eq(0..200), "in the order of their thread");
        }
    }
}
