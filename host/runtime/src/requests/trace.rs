//! The trace that a request is part of (W3C Trace Context), which is kept and passed on. The host begins
//! none and exports none.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Names the trace and the caller's place in it.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The lengths of its parts: version, trace, parent, flags.
const PARTS: [usize; 4] = [2, 32, 16, 2];

/// What the header says, if it is well-formed.
pub(crate) fn of(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?.to_str().ok()?;
    let is_one = values.next().is_none();
    (is_one && is_well_formed(value)).then(|| Arc::from(value))
}

/// Has a request carry a trace, unless it says its own place in one.
pub(crate) fn pass_on(trace: Option<&Arc<str>>, headers: &mut HeaderMap) {
    if let Some(trace) = trace
        && of(headers).is_none()
        && let Ok(value) = HeaderValue::from_str(trace)
    {
        headers.insert(TRACEPARENT, value);
    }
}

/// Later versions may have further parts; which those are, nobody here needs to know.
fn is_well_formed(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_nothing = |part: &str| part.bytes().all(|b| b == b'0');
    let [version, trace, parent, _, ..] = *parts else {
        return false;
    };
    let has_parts = parts
        .iter()
        .zip(PARTS)
        .all(|(part, length)| part.len() == length && is_hex(part));
    let is_whole = version != "ff" && (version != "00" || parts.len() == PARTS.len());
    value.len() <= 256 && has_parts && is_whole && !is_nothing(trace) && !is_nothing(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(TRACEPARENT, value);
            }
        }
        headers
    }

    #[test]
    fn a_trace_is_taken_as_it_is_or_not_at_all() {
        let trace = |values: &[&str]| of(&headers(values));
        assert_eq!(trace(&[TRACE]).as_deref(), Some(TRACE));
        let later = format!("cc{}-more", &TRACE[2..]);
        assert_eq!(trace(&[&later]).as_deref(), Some(later.as_str()));
        for wrong in [
            "",
            "00",
            &TRACE.to_uppercase(),
            &TRACE[..54],
            &format!("{TRACE}-more"),
            &format!("ff{}", &TRACE[2..]),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(trace(&[wrong]), None, "{wrong}");
        }
        assert_eq!(trace(&[TRACE, TRACE]), None, "it is not clear which");
    }

    #[test]
    fn whoever_says_its_place_keeps_it() {
        let own = TRACE.replace("b7ad", "c7ad");
        let passed = |values: &[&str]| {
            let mut headers = headers(values);
            pass_on(Some(&TRACE.into()), &mut headers);
            of(&headers)
        };
        assert_eq!(passed(&[]).as_deref(), Some(TRACE));
        assert_eq!(passed(&["nonsense"]).as_deref(), Some(TRACE));
        assert_eq!(passed(&[&own]).as_deref(), Some(own.as_str()));
    }
}
