//! What a request to connect says.

use http::{HeaderName, Request};
use sbd_gateway::Refusal;
use std::collections::BTreeSet;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest id that somebody comes back with.
const LONGEST_ID: usize = 256;

/// What a request to connect asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The channels to join, each once.
    pub(super) channels: BTreeSet<String>,
    /// The last message that was heard before.
    pub(super) last_event_id: Option<String>,
}

// === impl Asked ===

impl Asked {
    /// Reads a request. What nobody knows is refused, a token in the address above all.
    pub(super) fn read<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        let query = request.uri().query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "channels" => {
                    let names = value.split(',').filter(|name| !name.is_empty());
                    asked.channels.extend(names.map(str::to_owned));
                }
                "last_event_id" => asked.last_event_id = Some(value.into_owned()),
                // The gateway has looked at it.
                "ticket" => {}
                "token" | "access_token" | "authorization" | "bearer" => {
                    return Err(Refusal::malformed(
                        "A token does not belong in an address, where logs keep it; send it as a header or sub-protocol, or get a ticket.",
                    ));
                }
                _ => {
                    return Err(Refusal::malformed(
                        "The address has a field that nobody knows; there are channels, last_event_id and ticket.",
                    ));
                }
            }
        }
        // What a browser adds by itself is newer than the address.
        if let Some(id) = request.headers().get(LAST_EVENT_ID) {
            let id = id.to_str().ok().filter(|id| !id.is_empty());
            asked.last_event_id = id.map(str::to_owned).or(asked.last_event_id);
        }
        let id = asked.last_event_id.as_ref();
        if id.is_some_and(|id| id.len() > LONGEST_ID) {
            return Err(Refusal::malformed(
                "The id of the last message is none of ours; leave it out.",
            ));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(query: &str, header: Option<&str>) -> Option<Asked> {
        let mut request = Request::builder().uri(format!("/api/v1/realtime{query}"));
        if let Some(id) = header {
            request = request.header(LAST_EVENT_ID, id);
        }
        Asked::read(&request.body(()).unwrap()).ok()
    }

    #[test]
    fn channels_and_the_last_id_are_read_and_nothing_else() {
        let asked = read(
            "?channels=family:1,room%3A2,,family:1&channels=a:b&ticket=x",
            None,
        );
        let asked = asked.unwrap();
        let channels: Vec<_> = asked.channels.iter().map(String::as_str).collect();
        assert_eq!(channels, ["a:b", "family:1", "room:2"]);
        assert_eq!(asked.last_event_id, None);
        let id = |query, header| read(query, header).unwrap().last_event_id;
        assert_eq!(id("?last_event_id=e-1", None).as_deref(), Some("e-1"));
        assert_eq!(
            id("?last_event_id=e-1", Some("e-2")).as_deref(),
            Some("e-2")
        );
        assert_eq!(id("", Some("")), None);
        for wrong in ["?token=x", "?access_token=x", "?channel=x", "?x"] {
            assert!(read(wrong, None).is_none(), "{wrong}");
        }
        assert!(read("", Some(&"x".repeat(300))).is_none());
    }
}
