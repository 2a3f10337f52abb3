//! An event in the form of CloudEvents 1.0: as it is sent (HTTP binary mode), and as it is kept where it
//! could not be (JSON).

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sbd_contract::path;
use sbd_documents::Published;
use sbd_runtime::Question;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a header does not hold as it is, by the HTTP binding of CloudEvents (3.1.3.2).
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// By which requests name their trace (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// An event, by the names of CloudEvents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// `evt_...`
    pub id: String,
    /// The component that published it.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was published, RFC 3339.
    pub time: String,
    /// The tenant.
    #[serde(rename = "sbdtenant")]
    pub tenant: Arc<str>,
    /// The request from outside that led to it.
    #[serde(
        rename = "sbdrequest",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub request: Option<Arc<str>>,
    /// The event that led to it.
    #[serde(rename = "sbdcause", default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<str>>,
    /// The user for whom that was.
    #[serde(rename = "sbduser", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    /// The replay that it is sent for, if it was taken before.
    #[serde(rename = "sbdreplay", default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// The trace that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// What subscribers learn.
    pub data: Value,
    /// Further attributes.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, String>,
}

// === impl CloudEvent ===

impl CloudEvent {
    /// The event of a tenant's log.
    ///
    /// # Errors
    /// When its data is damaged.
    pub(crate) fn new(tenant: &Arc<str>, published: &Published) -> Result<Self, String> {
        let event = &published.event;
        let data = serde_json::from_str(&event.data);
        Ok(Self {
            specversion: "1.0".to_owned(),
            id: published.id.clone(),
            source: published.component.clone(),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            time: published.time.to_string(),
            tenant: Arc::clone(tenant),
            request: event.cause.request.clone(),
            cause: event.cause.event.clone(),
            user: event.cause.user.clone(),
            replay: None,
            traceparent: event.cause.trace.clone(),
            datacontenttype: "application/json".to_owned(),
            data: data.map_err(|error| format!("its data is damaged: {error}"))?,
            attributes: event.attributes.iter().cloned().collect(),
        })
    }

    /// What its order is kept for. An event about nothing in particular waits for no other.
    pub(crate) fn key(&self) -> String {
        self.subject.clone().unwrap_or_else(|| self.id.clone())
    }

    /// The request that delivers it.
    pub(crate) fn question(&self) -> Question {
        let data = Bytes::from(self.data.to_string());
        let question = Question::post_json(path::EVENTS, data);
        let ours = [
            ("specversion", Some(self.specversion.as_str())),
            ("id", Some(&self.id)),
            ("source", Some(&self.source)),
            ("type", Some(&self.kind)),
            ("subject", self.subject.as_deref()),
            ("time", Some(&self.time)),
            ("sbdtenant", Some(&self.tenant)),
            ("sbdrequest", self.request.as_deref()),
            ("sbdcause", self.cause.as_deref()),
            ("sbduser", self.user.as_deref()),
            ("sbdreplay", self.replay.as_deref()),
            ("traceparent", self.traceparent.as_deref()),
        ];
        let ours = ours
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let others = self.attributes.iter();
        let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
        // The trace goes on, for whoever knows nothing of events.
        let trace = self.traceparent.as_deref();
        let question = match trace.and_then(|trace| HeaderValue::try_from(trace).ok()) {
            Some(trace) => question.with(TRACEPARENT, trace),
            None => question,
        };
        ours.chain(others)
            .fold(question, |question, (name, value)| {
                let name = HeaderName::try_from(format!("ce-{name}"));
                let value = HeaderValue::try_from(utf8_percent_encode(value, ENCODED).to_string());
                match (name, value) {
                    (Ok(name), Ok(value)) => question.with(name, value),
                    // Names and values were checked when it was published.
                    _ => question,
                }
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use jiff::Timestamp;
    use sbd_documents::Event;

    fn published() -> Published {
        Published {
            place: 7,
            id: "evt_1".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            component: "family".to_owned(),
            event: Event {
                kind: "family.member.joined".to_owned(),
                subject: Some("fam \"ü\" 100%".to_owned()),
                data: r#"{"big":9007199254740993}"#.to_owned(),
                attributes: vec![("dataschema".to_owned(), "v1".to_owned())],
                ..Event::default()
            },
        }
    }

    #[test]
    fn what_is_kept_is_what_was_published() {
        let event = CloudEvent::new(&"acme".into(), &published()).unwrap();
        let kept = serde_json::to_string(&event).unwrap();
        let read: CloudEvent = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.data.to_string(), r#"{"big":9007199254740993}"#);
        assert_eq!(read.attributes["dataschema"], "v1");
        assert_eq!(serde_json::to_string(&read).unwrap(), kept);
        assert_eq!(event.key(), "fam \"ü\" 100%");
    }

    #[test]
    fn one_without_a_subject_waits_for_no_other() {
        let mut published = published();
        published.event.subject = None;
        let event = CloudEvent::new(&"acme".into(), &published).unwrap();
        assert_eq!(event.key(), "evt_1");
    }
}
