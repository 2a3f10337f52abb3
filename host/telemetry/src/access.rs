//! The access log: a line for every answered request.
//!
//! It is the one event that every request pays for, so it is put into words on the log's own
//! thread. It follows the filter and the format of `tracing`'s events.

use crate::logs::STANDARD_ERROR;
use serde::Serialize;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name under which a log filter knows the access log: `sbd::access=off` silences it.
pub const TARGET: &str = "sbd::access";

/// One answered request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Access<'a> {
    /// `req_...`
    pub request_id: &'a str,
    /// The method.
    pub method: &'static str,
    /// The path, without the query, which may carry secrets.
    pub path: &'a str,
    /// The status, or 499 if the client left before.
    pub status: u16,
    /// From the request's head to the last byte of its answer.
    pub duration_ms: f64,
    /// Whose data.
    pub tenant: &'a str,
    /// Who answered.
    pub component: &'a str,
    /// The administrator who asked in a user's place; empty where none did.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub impersonated_by: &'a str,
}

/// A request as it waits to be put into words: its texts stand elsewhere, one behind the other.
pub(crate) struct Entry {
    time: SystemTime,
    method: &'static str,
    status: u16,
    duration_ms: f64,
    /// Of request id, path, tenant, component and who acts in a user's place.
    lengths: [usize; 5],
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    #[serde(flatten)]
    access: Access<'a>,
    target: &'static str,
}

struct Timestamp(jiff::Timestamp);

// === impl Access ===

impl Access<'_> {
    /// Writes the line, if access is logged.
    pub fn log(self) {
        if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            STANDARD_ERROR.take(&self, SystemTime::now());
        }
    }

    fn write(self, line: &mut Vec<u8>, json: bool, time: SystemTime) {
        let timestamp = Timestamp::at(time);
        // Writing to memory cannot fail.
        if json {
            let whole = Line {
                timestamp,
                level: "INFO",
                message: "request",
                access: self,
                target: TARGET,
            };
            let _ = serde_json::to_writer(&mut *line, &whole);
            line.push(b'\n');
        } else {
            let Access {
                request_id,
                method,
                path,
                status,
                duration_ms,
                tenant,
                component,
                impersonated_by,
            } = self;
            let by = match impersonated_by {
                "" => String::new(),
                by => format!(" impersonated_by={by}"),
            };
            let _ = writeln!(
                line,
                "{:.6}  INFO {TARGET}: {method} {} {status} {duration_ms:.3} ms tenant={tenant} component={component} request_id={request_id}{by}",
                timestamp.0,
                path.escape_debug(),
            );
        }
    }
}

// === impl Entry ===

impl Entry {
    /// The request, with its texts copied to the end of `texts`.
    pub(crate) fn new(access: &Access<'_>, time: SystemTime, texts: &mut String) -> Self {
        let own = [
            access.request_id,
            access.path,
            access.tenant,
            access.component,
            access.impersonated_by,
        ];
        texts.extend(own);
        Self {
            time,
            method: access.method,
            status: access.status,
            duration_ms: access.duration_ms,
            lengths: own.map(str::len),
        }
    }

    /// Puts the entry into words, on a line. Its texts are taken from the beginning of `texts`.
    pub(crate) fn write(self, texts: &mut &str, line: &mut Vec<u8>, json: bool) {
        let [request_id, path, tenant, component, impersonated_by] = self.lengths.map(|length| {
            let (own, rest) = texts.split_at_checked(length).unwrap_or_default();
            *texts = rest;
            own
        });
        let access = Access {
            request_id,
            method: self.method,
            path,
            status: self.status,
            duration_ms: self.duration_ms,
            tenant,
            component,
            impersonated_by,
        };
        access.write(line, json, self.time);
    }
}

// === impl Timestamp ===

impl Timestamp {
    fn at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        let nanoseconds = i32::try_from(since.subsec_nanos()).unwrap_or_default();
        Self(jiff::Timestamp::new(seconds, nanoseconds).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::time::Duration;

    const ACCESS: Access<'_> = Access {
        request_id: "req_1",
        method: "GET",
        path: "/a\"\n\u{1b}b",
        status: 200,
        duration_ms: 1.5,
        tenant: "default",
        component: "family",
        impersonated_by: "",
    };

    fn line(json: bool) -> String {
        line_of(&ACCESS, json)
    }

    fn line_of(access: &Access<'_>, json: bool) -> String {
        let time = UNIX_EPOCH + Duration::new(1_795_482_123, 4000);
        let mut texts = String::new();
        let entry = Entry::new(access, time, &mut texts);
        let (mut texts, mut line) = (texts.as_str(), Vec::new());
        entry.write(&mut texts, &mut line, json);
        assert_eq!(texts, "");
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_json_line_has_the_fields_of_an_event() {
        let line = line(true);
        assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-11-24T01:02:03.000004Z", "level": "INFO", "message": "request",
            "request_id": "req_1", "method": "GET", "path": "/a\"\n\u{1b}b", "status": 200,
            "duration_ms": 1.5, "tenant": "default", "component": "family", "target": "sbd::access",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn whoever_acts_for_somebody_else_is_named() {
        let access = Access {
            impersonated_by: "usr_2",
            ..ACCESS
        };
        assert!(line_of(&access, true).contains(r#""impersonated_by":"usr_2""#));
        assert!(line_of(&access, false).ends_with("request_id=req_1 impersonated_by=usr_2\n"));
    }

    #[test]
    fn a_compact_line_is_one_line() {
        let line = line(false);
        assert_eq!(line.lines().count(), 1, "{line:?}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        assert!(
            line.contains("GET /a") && line.contains("200 1.500 ms"),
            "{line}"
        );
    }
}
