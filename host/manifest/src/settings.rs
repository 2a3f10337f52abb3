//! Our own settings, from `[application.tool.sbd]` and `[component.X.tool.sbd]`.

use crate::document::Document;
use crate::error::did_you_mean;
use crate::{ByteSize, parse_duration, raw};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;

/// `[application.tool.sbd]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// The component that answers `POST /-/authenticate`. `None`: every request is anonymous.
    pub auth: Option<String>,
    /// Who may call the API from a browser. `None`: pages of this very origin.
    pub cors: Option<Cors>,
    /// Requests per caller. `None`: the host's default.
    pub rate_limit: Option<RateLimit>,
}

/// Which other origins a browser may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins like `https://app.example.com`, or `*` alone.
    pub origins: Vec<String>,
    /// Whether cookies may come along; not with `*`.
    pub credentials: bool,
}

/// Requests per user, or per address of the anonymous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run; at least 1.
    pub per_second: u32,
    /// At once; at least 1.
    pub burst: u32,
}

/// `[component.X.tool.sbd]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSettings {
    /// Capabilities of the platform that the component may use.
    pub grants: Vec<Grant>,
    /// Its document collections, by name.
    pub collections: BTreeMap<String, Collection>,
    /// What it may cost.
    pub limits: Limits,
    /// Whether the host asks it for `GET /-/openapi.json`. Default true.
    pub openapi: bool,
}

/// A capability that a component can be granted by its word in `grants`. Key-value stores are
/// granted as in Spin, by their names in `key_value_stores`; a component's own `variables` need no
/// grant. Matched exhaustively on purpose: a new capability is nothing until the runtime links it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    /// JSON collections.
    Documents,
    /// Values with a time to live.
    Cache,
    /// Hash and verify passwords.
    Passwords,
    /// Sign and verify tokens.
    Keys,
}

/// A document collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Its indexes.
    pub indexes: Vec<Index>,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name, for messages.
    pub name: String,
    /// The fields, most significant first.
    pub fields: Vec<IndexField>,
    /// No two documents have the same values.
    pub unique: bool,
    /// Documents that lack every field are left out.
    pub sparse: bool,
    /// Documents are deleted so many seconds after the time in the (only) field.
    pub ttl_seconds: Option<u64>,
}

/// A field of an index, written `path` or `-path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexField {
    /// Dotted path.
    pub path: String,
    /// Up or down.
    pub direction: Direction,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    Ascending,
    /// From the greatest to the least.
    Descending,
}

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
    /// Requests that an instance answers before it is thrown away, about. Default 128.
    pub reuse_requests: usize,
    /// Requests that an instance answers at once, about. Default 16.
    pub reuse_concurrent: usize,
}

const GRANTS: &[(&str, Grant)] = &[
    ("documents", Grant::Documents),
    ("cache", Grant::Cache),
    ("passwords", Grant::Passwords),
    ("keys", Grant::Keys),
];

/// Words that people try in `grants`, and what grants them instead.
const NOT_BY_GRANT: &[(&str, &str)] = &[
    (
        "keyvalue",
        "is granted by the names of its stores: key_value_stores = [\"default\"] under [component.X]",
    ),
    (
        "config",
        "needs no grant; what the component may read stands under [component.X.variables]",
    ),
    (
        "http",
        "is granted by the hosts to reach: allowed_outbound_hosts = [\"https://example.com\"] under [component.X]",
    ),
];

/// The largest memory the engine's pool has slots for.
const LARGEST_MEMORY: ByteSize = ByteSize::new(1 << 30);

/// One page of WebAssembly; nothing runs in less.
const SMALLEST_MEMORY: ByteSize = ByteSize::new(64 << 10);

/// The longest time limit. Who waits a day for an HTTP answer has lost the connection long since.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The largest count, far above what one machine serves and far below what overflows.
const MOST: usize = 1_000_000;

// === impl Grant ===

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = GRANTS
            .iter()
            .find(|(_, grant)| grant == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = GRANTS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, grant)| *grant);
        found.ok_or_else(|| {
            if let Some((_, instead)) = NOT_BY_GRANT.iter().find(|(name, _)| *name == text) {
                return format!("`{text}` {instead}");
            }
            let known = did_you_mean(text, GRANTS.iter().map(|(name, _)| *name));
            format!("there is no capability `{text}` to grant{known}")
        })
    }
}

// === impl ComponentSettings ===

impl Default for ComponentSettings {
    fn default() -> Self {
        Self {
            grants: Vec::new(),
            collections: BTreeMap::new(),
            limits: Limits::default(),
            openapi: true,
        }
    }
}

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

impl AppSettings {
    pub(crate) fn read(raw: raw::AppSettings, document: &Document<'_>) -> Self {
        let cors = raw.cors.map(|raw| {
            for origin in &raw.origins {
                check_origin(origin, document);
                if origin.get_ref() == "*" && raw.origins.len() > 1 {
                    document.problem(
                        origin.span(),
                        "`*` already means every origin; remove it or the others",
                    );
                }
                if origin.get_ref() == "*" && raw.credentials {
                    document.problem(
                        origin.span(),
                        "browsers refuse `credentials` with origin `*`; list the origins",
                    );
                }
            }
            Cors {
                origins: raw.origins.into_iter().map(Spanned::into_inner).collect(),
                credentials: raw.credentials,
            }
        });
        let rate_limit = raw.rate_limit.map(|raw| RateLimit {
            per_second: u32::try_from(count(&raw.per_second, document)).unwrap_or(u32::MAX),
            burst: u32::try_from(count(&raw.burst, document)).unwrap_or(u32::MAX),
        });
        Self {
            auth: raw.auth.map(Spanned::into_inner),
            cors,
            rate_limit,
        }
    }
}

fn check_origin(origin: &Spanned<String>, document: &Document<'_>) {
    let text = origin.get_ref();
    let host = text
        .split_once("://")
        .map(|(_, host)| host)
        .unwrap_or_default();
    if text != "*" && (host.is_empty() || host.contains('/')) {
        document.problem(
            origin.span(),
            format!(
                "`{text}` is no origin; write it like \"https://app.example.com\", without a path"
            ),
        );
    }
}

impl ComponentSettings {
    pub(crate) fn read(raw: raw::ComponentSettings, document: &Document<'_>) -> Self {
        let mut grants = Vec::new();
        for grant in raw.grants {
            match grant.get_ref().parse() {
                Ok(parsed) if grants.contains(&parsed) => document.problem(
                    grant.span(),
                    format!("`{parsed}` is granted twice; remove one"),
                ),
                Ok(parsed) => grants.push(parsed),
                Err(message) => document.problem(grant.span(), message),
            }
        }
        let mut collections = BTreeMap::new();
        for (name, raw) in raw.collections {
            if !is_collection_name(name.get_ref()) {
                document.problem(
                    name.span(),
                    format!(
                        "`{}` is no collection name; use 1 to 64 lower-case letters, digits and _",
                        name.get_ref()
                    ),
                );
            }
            collections.insert(name.into_inner(), Collection::read(raw, document));
        }
        Self {
            grants,
            collections,
            limits: Limits::read(raw.limits, document),
            openapi: raw.openapi.unwrap_or(true),
        }
    }
}

fn is_collection_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl Collection {
    fn read(raw: raw::Collection, document: &Document<'_>) -> Self {
        let mut indexes: Vec<Index> = Vec::new();
        for index in raw.indexes {
            if indexes
                .iter()
                .any(|known| known.name == *index.name.get_ref())
            {
                document.problem(
                    index.name.span(),
                    format!(
                        "two indexes are called `{}`; rename one",
                        index.name.get_ref()
                    ),
                );
            }
            if !is_collection_name(index.name.get_ref()) {
                document.problem(
                    index.name.span(),
                    format!(
                        "`{}` is no index name; use 1 to 64 lower-case letters, digits and _",
                        index.name.get_ref()
                    ),
                );
            }
            if index.fields.get_ref().is_empty() {
                document.problem(
                    index.fields.span(),
                    "an index needs at least one field, like fields = [\"owner\"]",
                );
            }
            if index.ttl_seconds.is_some() && index.fields.get_ref().len() != 1 {
                document.problem(index.fields.span(), "an index with `ttl_seconds` has exactly one field, the one that holds the time");
            }
            let fields = index
                .fields
                .into_inner()
                .into_iter()
                .map(|field| IndexField::read(&field, document))
                .collect();
            indexes.push(Index {
                name: index.name.into_inner(),
                fields,
                unique: index.unique,
                sparse: index.sparse,
                ttl_seconds: index.ttl_seconds,
            });
        }
        Self { indexes }
    }
}

impl IndexField {
    fn read(raw: &Spanned<String>, document: &Document<'_>) -> Self {
        let (path, direction) = match raw.get_ref().strip_prefix('-') {
            Some(path) => (path, Direction::Descending),
            None => (raw.get_ref().as_str(), Direction::Ascending),
        };
        let wrong = |segment: &str| {
            segment.is_empty() || segment.starts_with('$') || segment.contains('\0')
        };
        if path.split('.').any(wrong) {
            document.problem(raw.span(), format!("`{path}` is no field; write it like \"members.user_id\", or \"-created_at\" for descending"));
        }
        Self {
            path: path.to_owned(),
            direction,
        }
    }
}

impl Limits {
    fn read(raw: raw::Limits, document: &Document<'_>) -> Self {
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

fn count(raw: &Spanned<u64>, document: &Document<'_>) -> usize {
    let number = usize::try_from(*raw.get_ref()).unwrap_or(usize::MAX);
    if number == 0 {
        document.problem(raw.span(), "0 would allow nothing at all; give at least 1");
    }
    if number > MOST {
        document.problem(raw.span(), format!("{number} is too many; give at most {MOST}"));
    }
    number
}
