//! What a component offers, as it says itself at [`crate::path::OFFER`]: an OpenAPI 3.1 document whose
//! `x-sbd-` fields say what OpenAPI has no words for. It is the one declaration: permissions, tools
//! for agents, subscriptions and schedules are read from it.

use crate::is_permission;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Of an operation: what a principal needs to be allowed. Without it anybody may ask.
pub const PERMISSION: &str = "x-sbd-permission";
/// Of an operation: its [`Effect`]. Without it, what its method means.
pub const EFFECT: &str = "x-sbd-effect";
/// Of an operation: whether asking twice has the effect of asking once. Without it, what its method
/// means.
pub const IDEMPOTENT: &str = "x-sbd-idempotent";
/// Of the document: which events it listens to, a list of types; `*` stands for one word, or at the
/// end for any.
pub const EVENTS: &str = "x-sbd-events";
/// Of the document: the tasks it works on, a list of [`Task`].
pub const TASKS: &str = "x-sbd-tasks";
/// Of the document: when it is to be called, a list of [`Schedule`].
pub const SCHEDULES: &str = "x-sbd-schedules";
/// Of the document: the real-time channels it decides about, a list of [`Channels`].
pub const CHANNELS: &str = "x-sbd-channels";

const PREFIX: &str = "x-sbd-";

/// The methods that OpenAPI has a place for.
pub const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The most that a [`Schedule`] is put off: a day.
pub const MOST_JITTER_MS: u64 = 24 * 60 * 60 * 1000;

/// Most entries of each list.
const MOST: usize = 100;

/// Kinds of channels about which the host decides.
const HOSTS_KINDS: [&str; 2] = ["user", "system"];

/// Longest name of a channel, with its kind.
const CHANNEL_BYTES: usize = 256;

/// What a component offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// Its operations, in the document's order.
    pub operations: Vec<Operation>,
    /// The types of events it listens to.
    pub events: Vec<String>,
    /// The tasks it works on.
    pub tasks: Vec<Task>,
    /// When it is to be called.
    pub schedules: Vec<Schedule>,
    /// The channels it decides about.
    pub channels: Vec<Channels>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for parameters.
    pub path: String,
    /// Its `operationId`.
    pub id: Option<String>,
    /// What a principal needs to be allowed; `None`: nothing.
    pub permission: Option<String>,
    /// What it does to what there is.
    pub effect: Effect,
    /// Whether asking twice has the effect of asking once.
    pub idempotent: bool,
}

/// What an operation does to what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing.
    Read,
    /// It adds or changes.
    Write,
    /// It takes away what cannot be had again.
    Destructive,
}

/// A kind of queued work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Task {
    /// Its name, the last part of its path.
    pub name: String,
    /// The queue it waits in.
    #[serde(default = "default_queue")]
    pub queue: String,
}

/// A time to be called at, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name, the last part of its path.
    pub name: String,
    /// When, as cron writes it.
    pub cron: String,
    /// The time zone of that, an IANA name; UTC without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of times that passed while nobody could be called.
    #[serde(default)]
    pub missed: Missed,
    /// Each time is put off by so many milliseconds at most; [`MOST_JITTER_MS`] is the most.
    #[serde(default)]
    pub jitter_ms: u64,
}

/// What becomes of times that passed while the host was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// One is made up for, however many there were.
    Once,
    /// All are made up for, the last thousand of them.
    All,
}

/// The real-time channels of a kind. Where there is no more to say, its beginning stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenChannels")]
#[non_exhaustive]
pub struct Channels {
    /// What their names begin with: the kind and a colon.
    pub beginning: String,
    /// Whether what is said there by whoever is in one is an event for the component.
    pub takes_messages: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenChannels {
    Beginning(String),
    Full(FullChannels),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullChannels {
    beginning: String,
    #[serde(default)]
    takes_messages: bool,
}

impl From<WrittenChannels> for Channels {
    fn from(written: WrittenChannels) -> Self {
        let (beginning, takes_messages) = match written {
            WrittenChannels::Beginning(beginning) => (beginning, false),
            WrittenChannels::Full(full) => (full.beginning, full.takes_messages),
        };
        Self {
            beginning,
            takes_messages,
        }
    }
}

fn default_queue() -> String {
    "default".to_owned()
}

// === impl Offer ===

impl Offer {
    /// Reads an OpenAPI document, which is one.
    ///
    /// # Errors
    /// What is wrong with its `x-sbd-` fields, and where.
    pub fn read(document: &Value) -> Result<Self, String> {
        known(
            document,
            "the document",
            &[EVENTS, TASKS, SCHEDULES, CHANNELS],
        )?;
        let mut offer = Self {
            operations: Vec::new(),
            events: list(document, EVENTS)?,
            tasks: list(document, TASKS)?,
            schedules: list(document, SCHEDULES)?,
            channels: list(document, CHANNELS)?,
        };
        for event in &offer.events {
            check(
                is_event_pattern(event),
                EVENTS,
                event,
                "dotted words like `family.member.*`",
            )?;
        }
        for task in &offer.tasks {
            check(
                is_name(&task.name),
                TASKS,
                &task.name,
                "a word of a-z, 0-9 and hyphens",
            )?;
            check(is_name(&task.queue), TASKS, &task.queue, "a queue's name")?;
        }
        for schedule in &offer.schedules {
            let name = &schedule.name;
            check(
                is_name(name),
                SCHEDULES,
                name,
                "a word of a-z, 0-9 and hyphens",
            )?;
            check(
                schedule.jitter_ms <= MOST_JITTER_MS,
                SCHEDULES,
                name,
                "a `jitter_ms` of at most a day, 86400000",
            )?;
        }
        for channel in &offer.channels {
            let beginning = &channel.beginning;
            let kind = beginning.strip_suffix(':').unwrap_or_default();
            check(
                is_name(kind) && !HOSTS_KINDS.contains(&kind),
                CHANNELS,
                beginning,
                "a beginning like `family:`, other than the host's own `user:` and `system:`",
            )?;
        }
        let names = offer.tasks.iter().map(|task| &task.name);
        once(names, TASKS)?;
        once(
            offer.schedules.iter().map(|schedule| &schedule.name),
            SCHEDULES,
        )?;
        once(
            offer.channels.iter().map(|channels| &channels.beginning),
            CHANNELS,
        )?;
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            for name in METHODS {
                if let Some(operation) = item.get(name) {
                    offer
                        .operations
                        .push(Operation::read(name, path, operation)?);
                }
            }
        }
        Ok(offer)
    }
}

// === impl Operation ===

impl Operation {
    fn read(method: &str, path: &str, operation: &Value) -> Result<Self, String> {
        let at = format!("{} {path}", method.to_ascii_uppercase());
        known(operation, &at, &[PERMISSION, EFFECT, IDEMPOTENT])?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|error| format!("{at}: {error}"))?;
        let permission = match operation.get(PERMISSION) {
            None => None,
            Some(Value::String(permission)) if is_permission(permission) => {
                Some(permission.clone())
            }
            Some(other) => {
                return Err(format!(
                    "{at}: `{PERMISSION}` is {other}; write words joined by colons, like `families:read`"
                ));
            }
        };
        let effect = match operation.get(EFFECT) {
            None => Effect::of(&method),
            Some(effect) => Effect::deserialize(effect).map_err(|_| {
                format!("{at}: `{EFFECT}` is {effect}; write `read`, `write` or `destructive`")
            })?,
        };
        let idempotent = match operation.get(IDEMPOTENT) {
            None => method.is_idempotent(),
            Some(Value::Bool(idempotent)) => *idempotent,
            Some(other) => {
                return Err(format!(
                    "{at}: `{IDEMPOTENT}` is {other}; write true or false"
                ));
            }
        };
        let id = operation.get("operationId").and_then(Value::as_str);
        Ok(Self {
            method,
            path: path.to_owned(),
            id: id.map(str::to_owned),
            permission,
            effect,
            idempotent,
        })
    }
}

impl Effect {
    /// What a method means (RFC 9110).
    fn of(method: &Method) -> Self {
        match *method {
            Method::DELETE => Self::Destructive,
            _ if method.is_safe() => Self::Read,
            _ => Self::Write,
        }
    }
}

/// Refuses fields of ours that nobody knows: a typo must not make an operation free for all.
fn known(value: &Value, at: &str, known: &[&str]) -> Result<(), String> {
    let fields = value.as_object().into_iter().flat_map(Map::keys);
    match fields
        .filter(|name| name.starts_with(PREFIX))
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "{at} has `{unknown}`, which this host does not know; there are {}",
            known.join(", ")
        )),
    }
}

fn list<T: serde::de::DeserializeOwned>(document: &Value, name: &str) -> Result<Vec<T>, String> {
    let Some(value) = document.get(name) else {
        return Ok(Vec::new());
    };
    let entries = value
        .as_array()
        .ok_or_else(|| format!("`{name}` is no list"))?;
    if entries.len() > MOST {
        return Err(format!("`{name}` has more than {MOST} entries"));
    }
    let read = |entry: &Value| {
        T::deserialize(entry).map_err(|error| format!("`{name}` has {entry}: {error}"))
    };
    entries.iter().map(read).collect()
}

fn check(is_right: bool, name: &str, text: &str, wanted: &str) -> Result<(), String> {
    if is_right {
        return Ok(());
    }
    Err(format!("`{name}` has `{text}`; write {wanted}"))
}

fn once<'a>(mut names: impl Iterator<Item = &'a String>, field: &str) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    match names.find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => Err(format!("`{field}` has `{twice}` twice")),
    }
}

/// A word that can be the last part of a path.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text is the name of a real-time channel: a kind of `a-z0-9-` and a name with a colon between,
/// without spaces or control characters; 256 bytes at most.
pub fn is_channel(text: &str) -> bool {
    let Some((kind, name)) = text.split_once(':') else {
        return false;
    };
    text.len() <= CHANNEL_BYTES
        && is_name(kind)
        && !name.is_empty()
        && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether a text is the type of an event: two or more words of `a-z0-9_-` with dots between them, each
/// beginning with a letter; 128 bytes at most.
pub fn is_event_type(text: &str) -> bool {
    text.len() <= 128 && text.contains('.') && text.split('.').all(is_event_word)
}

/// Whether an event's type fits a pattern, in which `*` stands for one word, or at the end for any.
pub fn is_event_of(pattern: &str, kind: &str) -> bool {
    let (mut patterns, mut words) = (pattern.split('.').peekable(), kind.split('.'));
    loop {
        match (patterns.next(), words.next()) {
            (Some("*"), Some(_)) if patterns.peek().is_none() => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(word)) if wanted == word => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn is_event_pattern(text: &str) -> bool {
    text.len() <= 128
        && text
            .split('.')
            .all(|word| word == "*" || is_event_word(word))
}

fn is_event_word(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    fn with(operation: Value) -> Value {
        json!({"openapi": "3.1.0", "paths": {"/notes/{id}": {"delete": operation}}})
    }

    #[test]
    fn an_operation_means_what_its_method_does_unless_it_says_otherwise() {
        let offer = Offer::read(&with(json!({"operationId": "deleteNote"}))).unwrap();
        let [delete] = offer.operations.as_slice() else {
            unreachable!("one operation")
        };
        assert_eq!(
            (delete.effect, delete.idempotent),
            (Effect::Destructive, true)
        );
        assert_eq!(
            (delete.id.as_deref(), &delete.permission),
            (Some("deleteNote"), &None)
        );
        let said = with(json!({
            "x-sbd-permission": "notes:write", "x-sbd-effect": "write", "x-sbd-idempotent": false,
        }));
        let offer = Offer::read(&said).unwrap();
        let [delete] = offer.operations.as_slice() else {
            unreachable!("one operation")
        };
        assert_eq!((delete.effect, delete.idempotent), (Effect::Write, false));
        assert_eq!(delete.permission.as_deref(), Some("notes:write"));
    }

    #[test]
    fn what_it_listens_to_and_works_on_is_read() {
        let offer = Offer::read(&json!({
            "x-sbd-events": ["family.member.*"],
            "x-sbd-tasks": [{"name": "index"}, {"name": "embed", "queue": "ai"}],
            "x-sbd-schedules": [
                {"name": "nightly", "cron": "0 3 * * *", "time_zone": "Europe/Berlin"},
                {"name": "often", "cron": "* * * * *", "missed": "once", "jitter_ms": 500},
            ],
            "x-sbd-channels": ["family:", {"beginning": "room:", "takes_messages": true}],
        }))
        .unwrap();
        assert_eq!(offer.events, ["family.member.*"]);
        assert_eq!(offer.tasks[0].queue, "default");
        assert_eq!(
            offer.schedules[0].time_zone.as_deref(),
            Some("Europe/Berlin")
        );
        let channels = offer.channels.iter();
        let channels: Vec<_> = channels
            .map(|one| (one.beginning.as_str(), one.takes_messages))
            .collect();
        assert_eq!(channels, [("family:", false), ("room:", true)]);
        let missed = |place: usize| {
            let schedule = &offer.schedules[place];
            (schedule.missed, schedule.jitter_ms)
        };
        assert_eq!(
            [missed(0), missed(1)],
            [(Missed::Skip, 0), (Missed::Once, 500)]
        );
    }

    #[test]
    fn a_wrong_offer_says_where_and_what_to_write() {
        for (wrong, says) in [
            (
                with(json!({"x-sbd-permision": "a:b"})),
                "DELETE /notes/{id} has `x-sbd-permision`",
            ),
            (
                with(json!({"x-sbd-permission": "notes"})),
                "words joined by colons",
            ),
            (
                with(json!({"x-sbd-effect": "none"})),
                "`read`, `write` or `destructive`",
            ),
            (with(json!({"x-sbd-idempotent": "yes"})), "true or false"),
            (json!({"x-sbd-event": []}), "the document has `x-sbd-event`"),
            (json!({"x-sbd-events": {}}), "no list"),
            (json!({"x-sbd-events": ["Family"]}), "dotted words"),
            (json!({"x-sbd-tasks": [{"name": "a b"}]}), "hyphens"),
            (
                json!({"x-sbd-tasks": [{"name": "a"}, {"name": "a"}]}),
                "twice",
            ),
            (
                json!({"x-sbd-tasks": [{"name": "a", "que": "b"}]}),
                "unknown field",
            ),
            (json!({"x-sbd-schedules": [{"name": "a"}]}), "missing field"),
            (
                json!({"x-sbd-schedules": [{"name": "a", "cron": "* * * * *", "missed": "one"}]}),
                "`skip`, `once`, `all`",
            ),
            (
                json!({"x-sbd-schedules": [{"name": "a", "cron": "* * * * *", "jitter_ms": 86_400_001}]}),
                "at most a day",
            ),
            (json!({"x-sbd-channels": ["family"]}), "like `family:`"),
            (json!({"x-sbd-channels": ["user:"]}), "the host's own"),
            (json!({"x-sbd-channels": ["a:", "a:"]}), "twice"),
            (
                json!({"x-sbd-channels": [{"beginning": "a:", "takes": true}]}),
                "x-sbd-channels",
            ),
        ] {
            let error = Offer::read(&wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_star_is_a_word_and_at_the_end_any() {
        for (pattern, kind, is_taken) in [
            ("family.deleted", "family.deleted", true),
            ("family.deleted", "family.deleted.twice", false),
            ("family.deleted", "family", false),
            ("family.*", "family.deleted", true),
            ("family.*", "family.member.joined", true),
            ("family.*", "family", false),
            ("family.*", "families.deleted", false),
            ("*.deleted", "family.deleted", true),
            ("*.deleted", "family.member.deleted", false),
            ("family.*.joined", "family.member.joined", true),
            ("*", "family.member.joined", true),
        ] {
            assert_eq!(is_event_of(pattern, kind), is_taken, "{pattern} {kind}");
        }
    }
}
