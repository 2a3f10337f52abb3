//! What a component may cost.

use crate::document::Document;
use crate::{ByteSize, parse_duration};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// The largest memory the engine's pool has slots for.
const LARGEST_MEMORY: ByteSize = ByteSize::new(1 << 30);

/// One page of WebAssembly; nothing runs in less.
const SMALLEST_MEMORY: ByteSize = ByteSize::new(64 << 10);

/// The longest time limit. Who waits a day for an HTTP answer has lost the connection long since.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The largest count, far above what one machine serves and far below what overflows.
const MOST: usize = 1_000_000_000;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Declares each limit once: its meaning, the kind of value it has, and its default.
macro_rules! limits {
    ($($(#[$doc:meta])+ $name:ident: $type:ty, $kind:ident = $default:expr;)+) => {
        /// What a component may cost. Every limit has a safe default.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits {
            $($(#[$doc])+ pub $name: $type,)+
        }

        /// The table as TOML holds it.
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Raw {
            $($name: Option<Spanned<<$kind as Kind>::Raw>>,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            pub(crate) fn read(raw: Raw, document: &Document<'_>) -> Self {
                let mut limits = Self::default();
                $(if let Some(raw) = raw.$name
                    && let Some(value) = read::<$kind>(&raw, document) {
                    limits.$name = value;
                })+
                limits
            }

            /// Every limit with its value, as the manifest writes both.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), <$kind as Kind>::show(&self.$name)),)+]
            }

            /// The value of one limit as the manifest writes it; `None`: there is no such limit.
            pub fn value(&self, name: &str) -> Option<String> {
                $(if name == stringify!($name) {
                    return Some(<$kind as Kind>::show(&self.$name));
                })+
                None
            }
        }
    };
}

limits! {
    /// All memories and tables of an instance together. Default 64MiB, at most 1GiB.
    memory: ByteSize, Memory = ByteSize::new(64 * MIB);
    /// Handles (streams, futures, headers, bodies...) that an instance may hold. The host keeps at most
    /// 128KiB for each, or twice `response_headers`. Default 1000.
    handles: usize, Count = 1000;
    /// Computing time of a request. Default 5s.
    cpu_time: Duration, SomeTime = Duration::from_secs(5);
    /// From a request to the beginning of its answer. Default 30s.
    request_timeout: Duration, SomeTime = Duration::from_secs(30);
    /// The same where the request is queued work. Default 10m.
    task_time: Duration, SomeTime = Duration::from_secs(600);
    /// The longest pause within an answer's body. Default 60s.
    response_stall: Duration, SomeTime = Duration::from_secs(60);
    /// Requests at once, per tenant. What the host itself asks has a quarter of it beside that, by kind:
    /// authentication, events, tasks, probes. Default 256.
    concurrency: usize, Count = 256;
    /// Instances at once, over all tenants; an eighth of them is kept for tenants that have none.
    /// Default 64.
    instances: usize, Count = 64;
    /// Requests that may wait for their turn, per tenant; of the host's own a quarter, by kind. Default
    /// 1000.
    queue: usize, Count = 1000;
    /// How long a request may wait for its turn. Default 1s.
    queue_wait: Duration, Time = Duration::from_secs(1);
    /// Requests that an instance answers before it is thrown away; each draws a number between seven
    /// eighths of it and all of it. Default 128; where WASI 0.2 is spoken and the toolchain is not known
    /// to bear a second request, 1.
    reuse_requests: Option<usize>, CountIfSaid = None;
    /// Requests that an instance answers at once. Default 16; one where WASI 0.2 is spoken.
    reuse_concurrent: usize, Count = 16;
    /// Instances that may fail within ten seconds, per tenant, before the component is paused for the
    /// rest of them. Default 50.
    failures: usize, Count = 50;
    /// A request's head. Default 64KiB.
    request_headers: ByteSize, Size = ByteSize::new(64 * KIB);
    /// A request's body. Default 1MiB.
    request_body: ByteSize, Size = ByteSize::new(MIB);
    /// The headers of an answer, and of a request to elsewhere. Default 64KiB.
    response_headers: ByteSize, Size = ByteSize::new(64 * KIB);
    /// An answer's body. Default 64MiB.
    response_body: ByteSize, Size = ByteSize::new(64 * MIB);
    /// What an instance may write to its log in a second; it may save up four seconds. Default 64KiB.
    log_rate: ByteSize, Size = ByteSize::new(64 * KIB);
    /// Requests to the outside under way at once, per tenant. Default 64.
    outbound_in_flight: usize, Count = 64;
    /// Requests to the outside that one request may lead to. Default 100.
    outbound_requests: usize, Count = 100;
    /// The body of an answer from the outside. Default 16MiB.
    outbound_response: ByteSize, Size = ByteSize::new(16 * MIB);
    /// Components that may call each other in one chain. Default 16.
    call_depth: usize, Count = 16;
    /// Calls of other components that one request from outside may lead to, in all. Default 64.
    calls: usize, Count = 64;
    /// Calls of capabilities that one request may make. Default 1000.
    capability_calls: usize, Count = 1000;
    /// Bytes that one request may give to capabilities and get from them; and what any one call may give
    /// to the host. Default 64MiB.
    capability_bytes: ByteSize, Size = ByteSize::new(64 * MIB);
    /// Bytes of documents, values and blobs that the component may keep, per tenant. Default 1GiB.
    stored_bytes: ByteSize, Size = ByteSize::new(GIB);
    /// Documents that the component may keep, per tenant. Default 1000000.
    stored_documents: usize, Count = 1_000_000;
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        let entries = entries
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        f.write_str(&entries.collect::<Vec<_>>().join(", "))
    }
}

/// A kind of value: how TOML writes it, what it is then, and what it must not be.
trait Kind {
    type Raw: serde::de::DeserializeOwned;
    type Value;
    fn parse(raw: &Self::Raw) -> Result<Self::Value, String>;
    fn show(value: &Self::Value) -> String;
}

fn read<K: Kind>(raw: &Spanned<K::Raw>, document: &Document<'_>) -> Option<K::Value> {
    K::parse(raw.get_ref())
        .map_err(|message| document.problem(raw.span(), message))
        .ok()
}

enum Size {}

impl Kind for Size {
    type Raw = String;
    type Value = ByteSize;

    fn parse(text: &String) -> Result<ByteSize, String> {
        text.parse()
    }

    fn show(size: &ByteSize) -> String {
        size.to_string()
    }
}

enum Memory {}

impl Kind for Memory {
    type Raw = String;
    type Value = ByteSize;

    fn parse(text: &String) -> Result<ByteSize, String> {
        let size = Size::parse(text)?;
        if !(SMALLEST_MEMORY..=LARGEST_MEMORY).contains(&size) {
            return Err(format!(
                "a component's memory is {SMALLEST_MEMORY} to {LARGEST_MEMORY}, not {size}"
            ));
        }
        Ok(size)
    }

    fn show(size: &ByteSize) -> String {
        size.to_string()
    }
}

/// Nothing at all is a choice.
enum Time {}

impl Kind for Time {
    type Raw = String;
    type Value = Duration;

    fn parse(text: &String) -> Result<Duration, String> {
        let duration = parse_duration(text)?;
        if duration > LONGEST {
            return Err(format!("`{text}` is too long; give at most 24h"));
        }
        Ok(duration)
    }

    fn show(time: &Duration) -> String {
        format!("{time:?}")
    }
}

enum SomeTime {}

impl Kind for SomeTime {
    type Raw = String;
    type Value = Duration;

    fn parse(text: &String) -> Result<Duration, String> {
        let duration = Time::parse(text)?;
        if duration.is_zero() {
            return Err("no time at all would let nothing finish; give at least 1ms".to_owned());
        }
        Ok(duration)
    }

    fn show(time: &Duration) -> String {
        Time::show(time)
    }
}

enum Count {}

impl Kind for Count {
    type Raw = u64;
    type Value = usize;

    fn parse(number: &u64) -> Result<usize, String> {
        match usize::try_from(*number) {
            Ok(0) => Err("0 would allow nothing at all; give at least 1".to_owned()),
            Ok(number) if number <= MOST => Ok(number),
            _ => Err(format!("{number} is too many; give at most {MOST}")),
        }
    }

    fn show(count: &usize) -> String {
        count.to_string()
    }
}

/// A count whose default is not the manifest's to know.
enum CountIfSaid {}

impl Kind for CountIfSaid {
    type Raw = u64;
    type Value = Option<usize>;

    fn parse(number: &u64) -> Result<Option<usize>, String> {
        Count::parse(number).map(Some)
    }

    fn show(count: &Option<usize>) -> String {
        count.map_or_else(|| "default".to_owned(), |count| count.to_string())
    }
}

/// A count that is neither nothing nor beyond all sense; 0 after a complaint.
pub(crate) fn count(raw: &Spanned<u64>, document: &Document<'_>) -> usize {
    read::<Count>(raw, document).unwrap_or_default()
}
