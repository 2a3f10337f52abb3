//! Events: what a transaction publishes, and what is kept of it until it is delivered.

use crate::request::json;
use crate::{Error, Limits};
use jiff::Timestamp;
use sbd_contract::offer::is_event_type;
use sbd_metering::Cause;
use std::collections::HashSet;
use std::pin::Pin;

/// An announcement on its way.
type Announcing<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Send>, String>> + Send + 'a>>;

/// Most bytes of a subject, and of an attribute.
pub(crate) const TEXT_BYTES: usize = 256;
/// Most bytes of the name of an attribute, as CloudEvents advises.
const NAME_BYTES: usize = 20;
/// Most attributes.
const ATTRIBUTES: usize = 16;
/// Attributes that are the host's to set, beside those that begin with `sbd`.
const OURS: [&str; 10] = [
    "id",
    "source",
    "specversion",
    "type",
    "subject",
    "time",
    "data",
    "datacontenttype",
    "traceparent",
    "tracestate",
];

/// An event to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What happened: dotted words.
    pub kind: String,
    /// What it happened to; the order is kept for each.
    pub subject: Option<String>,
    /// What subscribers learn, as JSON.
    pub data: String,
    /// Further attributes of CloudEvents, by name.
    pub attributes: Vec<(String, String)>,
    /// What led to it.
    pub cause: Cause,
}

/// Hears that events are published, so that they are delivered. `()` hears nothing.
pub trait Announce: Send + Sync + 'static {
    /// Events are about to be committed. What is answered is dropped when they are, or are not.
    ///
    /// # Errors
    /// When they could be committed and never be delivered.
    fn announce(&self) -> Announcing<'_>;
}

/// Which events are kept though everybody has had them: for being sent again to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those published since.
    pub since: Timestamp,
    /// So many bytes of data, of the newest.
    pub bytes: u64,
}

/// An event that has been published, in the order of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place: those of a later commit are greater, and none is given twice.
    pub place: u64,
    /// `evt_...`, in the order of places too.
    pub id: String,
    /// When it was published.
    pub time: Timestamp,
    /// The component that published it.
    pub component: String,
    /// The event.
    pub event: Event,
}

// === impl Announce ===

impl Announce for () {
    fn announce(&self) -> Announcing<'_> {
        Box::pin(async { Ok(Box::new(()) as Box<dyn Send>) })
    }
}

// === impl Event ===

impl Event {
    /// Its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let attributes = self.attributes.iter();
        let attributes = attributes.flat_map(|(name, value)| [name, value]);
        [&self.kind, &self.data]
            .into_iter()
            .chain(&self.subject)
            .chain(attributes)
            .map(String::as_str)
    }

    /// Refuses what could not be delivered; the data is brought to one line.
    pub(crate) fn checked(mut self, limits: &Limits) -> Result<Self, Error> {
        if self.texts().map(str::len).sum::<usize>() > limits.event_bytes {
            return Err(Error::Limit("event_bytes"));
        }
        if !is_event_type(&self.kind) {
            return Err(Error::Invalid(format!(
                "`{}` is no type of an event; write two or more words of a-z, 0-9, `_` and `-` with dots between them, like `family.member.joined`",
                self.kind.escape_debug()
            )));
        }
        if self.subject.as_deref().is_some_and(|text| !is_text(text)) {
            return Err(Error::Invalid(format!(
                "the subject of an event has 1 to {TEXT_BYTES} bytes, without control characters; use an id"
            )));
        }
        check_attributes(&self.attributes)?;
        self.data = json("data", &self.data, limits)?.to_string();
        Ok(self)
    }
}

pub(crate) fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

fn check_attributes(attributes: &[(String, String)]) -> Result<(), Error> {
    if attributes.len() > ATTRIBUTES {
        return Err(Error::Invalid(format!(
            "an event has at most {ATTRIBUTES} further attributes; put the rest into its data"
        )));
    }
    let mut names = HashSet::new();
    for (name, value) in attributes {
        let is_name = (1..=NAME_BYTES).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let shown = name.escape_debug();
        if !is_name {
            return Err(Error::Invalid(format!(
                "`{shown}` is no attribute of an event; name it with 1 to {NAME_BYTES} of a-z and 0-9"
            )));
        }
        if OURS.contains(&name.as_str()) || name.starts_with("sbd") {
            return Err(Error::Invalid(format!(
                "the attribute `{shown}` is set by the host; leave it out"
            )));
        }
        if !names.insert(name) {
            return Err(Error::Invalid(format!(
                "the attribute `{shown}` is there twice; name it once"
            )));
        }
        if !is_text(value) {
            return Err(Error::Invalid(format!(
                "the attribute `{shown}` has 1 to {TEXT_BYTES} bytes, without control characters; put more into the data"
            )));
        }
    }
    Ok(())
}
