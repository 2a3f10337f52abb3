//! What a component may cost.

use crate::document::Document;
use crate::{ByteSize, parse_duration, raw};
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// What a component may cost. Every limit has a safe default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// All memories and tables of an instance together. Default 64MiB, at most 1GiB.
    pub memory: ByteSize,
    /// A request's body. Default 1MiB.
    pub request_body: ByteSize,
    /// Computing time of a request. Default 5s.
    pub cpu_time: Duration,
    /// From a request to the beginning of its answer. Default 30s.
    pub request_timeout: Duration,
    /// How long a request may wait for its turn. Default 1s.
    pub queue_wait: Duration,
    /// Requests at once, per tenant. Default 256.
    pub concurrency: usize,
    /// Instances at once, over all tenants. Default 64.
    pub instances: usize,
    /// Requests that an instance answers before it is thrown away; each draws a number between three
    /// quarters of it and all of it. Default 128.
    pub reuse_requests: usize,
    /// Requests that an instance answers at once. Default 16.
    pub reuse_concurrent: usize,
}

/// The largest memory the engine's pool has slots for.
const LARGEST_MEMORY: ByteSize = ByteSize::new(1 << 30);

/// One page of WebAssembly; nothing runs in less.
const SMALLEST_MEMORY: ByteSize = ByteSize::new(64 << 10);

/// The longest time limit. Who waits a day for an HTTP answer has lost the connection long since.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The largest count, far above what one machine serves and far below what overflows.
const MOST: usize = 1_000_000;

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::new(64 << 20),
            request_body: ByteSize::new(1 << 20),
            cpu_time: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            queue_wait: Duration::from_secs(1),
            concurrency: 256,
            instances: 64,
            reuse_requests: 128,
            reuse_concurrent: 16,
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory,
            request_body,
            cpu_time,
            request_timeout,
            queue_wait,
            concurrency,
            instances,
            ..
        } = self;
        write!(
            f,
            "memory {memory}, request_body {request_body}, cpu_time {cpu_time:?}, request_timeout {request_timeout:?}, "
        )?;
        write!(
            f,
            "queue_wait {queue_wait:?}, concurrency {concurrency}, instances {instances}, "
        )?;
        write!(
            f,
            "reuse {} x {}",
            self.reuse_requests, self.reuse_concurrent
        )
    }
}

impl Limits {
    pub(crate) fn read(raw: raw::Limits, document: &Document<'_>) -> Self {
        let mut limits = Self::default();
        read_into(&mut limits.memory, raw.memory, document, |text| {
            let size: ByteSize = text.parse()?;
            if !(SMALLEST_MEMORY..=LARGEST_MEMORY).contains(&size) {
                Err(format!(
                    "a component's memory is {SMALLEST_MEMORY} to {LARGEST_MEMORY}, not {size}"
                ))
            } else {
                Ok(size)
            }
        });
        read_into(
            &mut limits.request_body,
            raw.request_body,
            document,
            str::parse,
        );
        read_into(&mut limits.cpu_time, raw.cpu_time, document, some_time);
        read_into(
            &mut limits.request_timeout,
            raw.request_timeout,
            document,
            some_time,
        );
        // Not to wait at all is a choice.
        read_into(&mut limits.queue_wait, raw.queue_wait, document, time);
        for (limit, raw) in [
            (&mut limits.concurrency, raw.concurrency),
            (&mut limits.instances, raw.instances),
            (&mut limits.reuse_requests, raw.reuse_requests),
            (&mut limits.reuse_concurrent, raw.reuse_concurrent),
        ] {
            if let Some(raw) = raw {
                *limit = count(&raw, document);
            }
        }
        limits
    }
}

fn read_into<T>(
    limit: &mut T,
    raw: Option<Spanned<String>>,
    document: &Document<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) {
    if let Some(raw) = raw {
        match parse(raw.get_ref()) {
            Ok(value) => *limit = value,
            Err(message) => document.problem(raw.span(), message),
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > LONGEST {
        return Err(format!("`{text}` is too long; give at most 24h"));
    }
    Ok(duration)
}

fn some_time(text: &str) -> Result<Duration, String> {
    let duration = time(text)?;
    if duration.is_zero() {
        return Err("no time at all would let nothing finish; give at least 1ms".to_owned());
    }
    Ok(duration)
}

/// A count that is neither nothing nor beyond all sense.
pub(crate) fn count(raw: &Spanned<u64>, document: &Document<'_>) -> usize {
    let number = usize::try_from(*raw.get_ref()).unwrap_or(usize::MAX);
    if number == 0 {
        document.problem(raw.span(), "0 would allow nothing at all; give at least 1");
    }
    if number > MOST {
        document.problem(
            raw.span(),
            format!("{number} is too many; give at most {MOST}"),
        );
    }
    number
}
