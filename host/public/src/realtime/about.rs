//! Messages about the stream itself, and how it ends.

use bytes::Bytes;
use jiff::Timestamp;
use sbd_realtime::End;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::time::Duration;

/// Whoever is asked to connect again does so within this time, each at a moment of their own.
const SPREAD: Duration = Duration::from_secs(10);
/// And not before the next host can be there.
const SOONEST: Duration = Duration::from_millis(500);

/// A message about the stream itself.
pub(super) struct About {
    /// To come back with.
    pub(super) id: Option<String>,
    /// All of it.
    pub(super) text: Bytes,
}

/// Why nothing follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The `code` of `stream.end`; none where the client is told by the close alone.
    pub(super) code: Option<&'static str>,
    /// What to do.
    pub(super) message: Cow<'static, str>,
    /// The code by which a WebSocket is closed.
    pub(super) close: u16,
}

// === impl Ending ===

impl Ending {
    const fn new(code: &'static str, close: u16, message: &'static str) -> Self {
        Self {
            code: Some(code),
            message: Cow::Borrowed(message),
            close,
        }
    }

    /// The host stops: it has said so.
    pub(super) const STOPPING: Self = Self {
        code: None,
        message: Cow::Borrowed("the host stops; connect again"),
        close: 1001,
    };
    /// The client closed.
    pub(super) const DONE: Self = Self {
        code: None,
        message: Cow::Borrowed(""),
        close: 1000,
    };
    pub(super) const EXPIRED: Self = Self::new(
        "token_expired",
        1008,
        "your access token has expired; connect again with a new one",
    );
    pub(super) const SILENT: Self = Self::new(
        "silent",
        1008,
        "you did not answer stream.ping; connect again",
    );
    pub(super) const TOO_MUCH: Self = Self::new(
        "too_much",
        1008,
        "you say more than may be said; connect again and say less",
    );
    pub(super) const NOT_TEXT: Self = Self::new(
        "malformed",
        1003,
        "messages are text; send JSON in text frames",
    );
    pub(super) const TOO_LARGE: Self =
        Self::new("too_large", 1009, "a message has at most 64 KiB; send less");

    /// It is not what may be said.
    pub(super) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: Some("malformed"),
            message: message.into(),
            close: 4400,
        }
    }

    /// The last message of a stream.
    pub(super) fn last(&self) -> Option<Bytes> {
        let data = json!({"code": self.code?, "message": self.message});
        Some(said("stream.end", data).text)
    }
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        match end {
            End::TooSlow => Self::new(
                "too_slow",
                1013,
                "you read more slowly than is said; connect again with the last id",
            ),
            End::SignedOut => Self::new("signed_out", 1008, "your session has ended; sign in anew"),
            End::Suspended => Self::new(
                "suspended",
                1008,
                "this tenant is not served; ask the operator",
            ),
        }
    }
}

/// It is open. The id is there where whoever listens has no newer one to come back with.
pub(super) fn ready(heartbeat: Duration, id: Option<String>) -> About {
    let data = json!({"heartbeat_ms": milliseconds(heartbeat)});
    about("stream.ready", data, id)
}

/// Are you there? The id is that of all that was said until now, if all of it was told.
pub(super) fn ping(id: Option<String>) -> About {
    about("stream.ping", Value::Null, id)
}

pub(super) fn joined(channel: &str) -> About {
    said("stream.joined", json!({"channel": channel}))
}

pub(super) fn left(channel: &str, reason: &str) -> About {
    said("stream.left", json!({"channel": channel, "reason": reason}))
}

pub(super) fn refused(channel: &str, code: &str, message: &str) -> About {
    said(
        "stream.refused",
        json!({"channel": channel, "error": {"code": code, "message": message}}),
    )
}

pub(super) fn gap(channel: &str) -> About {
    said("stream.gap", json!({"channel": channel}))
}

/// Connect again, each at another time.
pub(super) fn reconnect() -> About {
    let mut random = [0; 4];
    // Without randomness all come at once, which the next host outlives.
    let _ = getrandom::fill(&mut random);
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    let after = SOONEST + (SPREAD - SOONEST).mul_f64(share);
    said("stream.reconnect", json!({"after_ms": milliseconds(after)}))
}

fn said(kind: &str, data: Value) -> About {
    about(kind, data, None)
}

fn about(kind: &str, data: Value, id: Option<String>) -> About {
    let mut said = Map::new();
    if let Some(id) = &id {
        said.insert("id".to_owned(), id.as_str().into());
    }
    said.insert("type".to_owned(), kind.into());
    said.insert("time".to_owned(), format!("{:.3}", Timestamp::now()).into());
    if !data.is_null() {
        said.insert("data".to_owned(), data);
    }
    About {
        id,
        text: Value::from(said).to_string().into(),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn whoever_is_to_connect_again_is_told_another_time_each() {
        let after = || {
            let said: Value = serde_json::from_slice(&reconnect().text).unwrap();
            assert_eq!(said["type"], "stream.reconnect");
            said["data"]["after_ms"].as_u64().unwrap()
        };
        let all: Vec<u64> = (0..200).map(|_| after()).collect();
        assert!(all.iter().all(|after| (500..=10_000).contains(after)));
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(most - least > 5000, "{least} to {most}");
    }

    #[test]
    fn a_close_says_no_more_than_fits() {
        for ending in [
            Ending::STOPPING,
            Ending::EXPIRED,
            Ending::SILENT,
            Ending::TOO_MUCH,
            Ending::NOT_TEXT,
            Ending::TOO_LARGE,
            End::TooSlow.into(),
            End::SignedOut.into(),
            End::Suspended.into(),
        ] {
            assert!(ending.message.len() <= 123, "{ending:?}");
        }
    }
}
