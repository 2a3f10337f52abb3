//! Audit: what a transaction records of what was done, and what is read of it.

use crate::event::{TEXT_BYTES, is_text};
use crate::request::json;
use crate::{Error, Limits};
use jiff::Timestamp;
use sbd_audit_chain::Entry;
use sbd_contract::offer::is_event_type;
use sbd_metering::Cause;
use serde_json::{Value, json as value};

/// What the host adds to the data of an entry that an administrator caused in a user's place.
const IMPERSONATED_BY: &str = "impersonated_by";
/// Most entries of a page.
const PAGE: u32 = 1000;

/// Something to record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is about; each has a chain of its own.
    pub subject: String,
    /// What was done: dotted words.
    pub action: String,
    /// More about it, as JSON.
    pub data: String,
    /// Who did it, and in which request.
    pub cause: Cause,
}

/// Which entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those about this.
    pub subject: Option<String>,
    /// Those of this action, or that begin with it where it ends with a dot.
    pub action: Option<String>,
    /// Those of this user.
    pub actor: Option<String>,
    /// Those recorded then or later.
    pub since: Option<Timestamp>,
    /// Those recorded before.
    pub until: Option<Timestamp>,
    /// Those before this place, which the page before has named.
    pub before: Option<u64>,
    /// So many at most.
    pub limit: u32,
}

/// A page of entries, each with its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The entries, newest first.
    pub entries: Vec<(Entry, Vec<u8>)>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
}

/// The last entry that was deleted of a chain because its time was over: the next one follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The component whose chain it is.
    pub component: String,
    /// What it is about.
    pub subject: String,
    /// The entry's number.
    pub number: u64,
    /// The entry's hash.
    pub hash: Vec<u8>,
}

/// What became of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries it has.
    pub entries: u64,
    /// How many before those were deleted because their time was over.
    pub pruned: u64,
    /// The number of the first entry that was altered, or is missing.
    pub broken_at: Option<u64>,
    /// The hash of the last entry.
    pub head: Option<Vec<u8>>,
}

// === impl Record ===

impl Record {
    /// Its texts.
    pub(crate) fn texts(&self) -> [&str; 3] {
        [&self.subject, &self.action, &self.data]
    }

    /// Refuses what says nothing; the data is brought to one line.
    pub(crate) fn checked(mut self, limits: &Limits) -> Result<Self, Error> {
        if self.texts().into_iter().map(str::len).sum::<usize>() > limits.event_bytes {
            return Err(Error::Limit("event_bytes"));
        }
        if !is_event_type(&self.action) {
            return Err(Error::Invalid(format!(
                "`{}` is no action; write two or more words of a-z, 0-9, `_` and `-` with dots between them, like `family.member.removed`",
                self.action.escape_debug()
            )));
        }
        if !is_text(&self.subject) {
            return Err(Error::Invalid(format!(
                "the subject of an entry has 1 to {TEXT_BYTES} bytes, without control characters; use an id"
            )));
        }
        let data = json("data", &self.data, limits)?;
        self.data = match &self.cause.impersonated_by {
            Some(by) => marked(data, by).to_string(),
            None => data.to_string(),
        };
        Ok(self)
    }
}

/// What an entry says that an administrator caused in a user's place: that as well.
fn marked(data: Value, by: &str) -> Value {
    match data {
        Value::Object(mut fields) => {
            fields.insert(IMPERSONATED_BY.to_owned(), by.into());
            Value::Object(fields)
        }
        other => value!({IMPERSONATED_BY: by, "data": other}),
    }
}

// === impl Asked ===

impl Asked {
    /// Refuses what could not be answered.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if !(1..=PAGE).contains(&self.limit) {
            return Err(Error::Invalid(format!("`limit` must be 1 to {PAGE}")));
        }
        Ok(self)
    }
}
