//! What a component's answer to something the host sent it means.

use bytes::Bytes;
use http::StatusCode;
use sbd_runtime::{InvokeError, Reply};

/// Most of an answer that is kept as the reason of a refusal.
const QUOTED: usize = 500;

/// What became of something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The component has done its part, and says so much.
    Taken(Bytes),
    /// It will never take it.
    Refused(String),
    /// It may take it another time.
    Failed(String),
    /// It was not asked: it is switched off, not there, or has no room. Nothing about what was sent.
    Unreachable(String),
}

// === impl Outcome ===

impl Outcome {
    pub(crate) fn of(reply: Result<Reply, InvokeError>) -> Self {
        match reply {
            Ok(reply) => answered(reply),
            Err(error) => unanswered(&error),
        }
    }
}

fn answered(reply: Reply) -> Outcome {
    let status = reply.status;
    if status.is_success() {
        return Outcome::Taken(reply.body);
    }
    let body = String::from_utf8_lossy(&reply.body);
    let told: String = body.chars().take(QUOTED).collect();
    let told = format!("{status}: {told}");
    match status {
        // Of the client errors those that pass by themselves (RFC 9110, 6585, 8470).
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Failed(told)
        }
        _ if status.is_client_error() => Outcome::Refused(told),
        _ => Outcome::Failed(told),
    }
}

fn unanswered(error: &InvokeError) -> Outcome {
    let reason = error.to_string();
    match error {
        InvokeError::UnknownComponent(_)
        | InvokeError::SwitchedOff(_)
        | InvokeError::Overloaded { .. }
        | InvokeError::CannotStart(_)
        | InvokeError::StorageFull => Outcome::Unreachable(reason),
        InvokeError::Forbidden(_) | InvokeError::Unauthenticated => Outcome::Refused(reason),
        _ => Outcome::Failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_it_is_worth_another_try() {
        let outcome = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            answered(Reply {
                status,
                body: Bytes::from_static(b"why"),
            })
        };
        assert_eq!(outcome(200), Outcome::Taken(Bytes::from_static(b"why")));
        for refused in [400, 404, 409, 422] {
            assert!(matches!(outcome(refused), Outcome::Refused(why) if why.contains("why")));
        }
        for failed in [301, 408, 425, 429, 500, 503] {
            assert!(matches!(outcome(failed), Outcome::Failed(_)), "{failed}");
        }
        let off = unanswered(&InvokeError::SwitchedOff("notes".to_owned()));
        assert!(matches!(off, Outcome::Unreachable(_)));
        assert!(matches!(
            unanswered(&InvokeError::Trapped),
            Outcome::Failed(_)
        ));
    }
}
