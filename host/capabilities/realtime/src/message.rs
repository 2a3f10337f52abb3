//! What is said in a channel: as a component says it, and as whoever listens is told.

use crate::limits::{CHANNEL_BYTES, DATA_BYTES};
use crate::{Error, SYSTEM, limits};
use bytes::Bytes;
use jiff::Timestamp;
use sbd_contract::offer::{is_channel, is_event_type};
use serde::de::IgnoredAny;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// What the types of messages about the stream itself begin with.
const ABOUT_THE_STREAM: &str = "stream.";

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is said.
    pub channel: String,
    /// What it is.
    pub kind: String,
    /// What whoever listens learns, as JSON.
    pub data: String,
}

/// A message that was published.
#[derive(Debug)]
pub struct Told {
    /// Where it was said.
    pub channel: Arc<str>,
    /// To come back with.
    pub id: String,
    /// All of it as JSON on one line, as `docs/streams.md` says. Whoever listens shares it.
    pub text: Bytes,
    pub(crate) at: Instant,
}

// === impl Message ===

impl Message {
    /// What the host says to everybody in a tenant.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn to_everybody(kind: String, data: String) -> Result<Self, Error> {
        let channel = SYSTEM.to_owned();
        let message = Self {
            channel,
            kind,
            data,
        };
        message.with_checked_content()
    }

    /// Refuses what could not be delivered; the data is brought to one line.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if !is_channel(&self.channel) {
            return Err(Error::Invalid(format!(
                "`{}` is no channel; write its kind and a name with a colon between, like `family:fam_1`, in at most {CHANNEL_BYTES} bytes",
                self.channel.escape_debug()
            )));
        }
        self.with_checked_content()
    }

    fn with_checked_content(mut self) -> Result<Self, Error> {
        if !is_event_type(&self.kind) || self.kind.starts_with(ABOUT_THE_STREAM) {
            return Err(Error::Invalid(format!(
                "`{}` is no type of a message; write two or more words of a-z, 0-9, `_` and `-` with dots between them, like `notification.created`, the first of them not `stream`",
                self.kind.escape_debug()
            )));
        }
        if self.data.len() > DATA_BYTES {
            return Err(Error::Invalid(format!(
                "the data of a message has at most {} bytes, this one's has {}; say an id and let whoever listens ask for the rest",
                limits::DATA_BYTES,
                self.data.len()
            )));
        }
        serde_json::from_str::<IgnoredAny>(&self.data).map_err(|error| {
            Error::Invalid(format!("the data of a message is no JSON: {error}"))
        })?;
        // In JSON they are space between values.
        if self.data.contains(['\n', '\r']) {
            self.data = self.data.replace(['\n', '\r'], " ");
        }
        Ok(self)
    }
}

// === impl Told ===

impl Told {
    /// A checked message as it is told under an id.
    pub fn new(message: &Message, channel: Arc<str>, id: String) -> Self {
        let (kind, data) = (&message.kind, &message.data);
        let [id_text, channel_text] = [json!(id), json!(channel)];
        let time = Timestamp::now();
        let text = format!(
            r#"{{"id":{id_text},"channel":{channel_text},"type":"{kind}","time":"{time:.3}","data":{data}}}"#
        );
        Self {
            text: text.into(),
            channel,
            id,
            at: Instant::now(),
        }
    }

    /// About what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.id.len() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn message(channel: &str, kind: &str, data: &str) -> Message {
        Message {
            channel: channel.to_owned(),
            kind: kind.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn what_could_not_be_delivered_is_refused() {
        let long = format!("family:{}", "x".repeat(CHANNEL_BYTES - 6));
        let large = format!("\"{}\"", "x".repeat(DATA_BYTES - 1));
        for (channel, kind, data, says) in [
            ("family", "a.b", "1", "is no channel"),
            ("family:", "a.b", "1", "is no channel"),
            ("Family:1", "a.b", "1", "is no channel"),
            ("family:a\nb", "a.b", "1", "is no channel"),
            (&*long, "a.b", "1", "at most 256 bytes"),
            ("family:1", "created", "1", "two or more words"),
            ("family:1", "stream.end", "1", "not `stream`"),
            ("family:1", "a.b", "", "no JSON"),
            ("family:1", "a.b", "{} {}", "no JSON"),
            ("family:1", "a.b", &*large, "at most 65536 bytes"),
        ] {
            let error = message(channel, kind, data).checked().unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn it_is_told_on_one_line_and_its_data_stays_as_it_is() {
        let data = "{\n \"big\": 123456789012345678901234567890,\r\n \"text\": \"a\\nb\" }";
        let message = message("family:1", "thing.said", data).checked().unwrap();
        let told = Told::new(&message, "family:1".into(), "e-1".to_owned());
        let text = std::str::from_utf8(&told.text).unwrap();
        assert!(!text.contains(['\n', '\r']), "{text}");
        assert!(text.contains("123456789012345678901234567890"), "{text}");
        assert!(
            text.starts_with(r#"{"id":"e-1","channel":"family:1","type":"thing.said","time":""#),
            "{text}"
        );
    }
}
