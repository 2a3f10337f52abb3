//! One event on its way to one component.

use crate::cloud_event::CloudEvent;
use http::StatusCode;
use sbd_contract::Principal;
use sbd_runtime::{Call, Class, InvokeError, Reply, Runtime};
use std::sync::Arc;
use uuid::Uuid;

/// Most of an answer that is kept as the reason of a refusal.
const QUOTED: usize = 500;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The component has done its part.
    Taken,
    /// It will never take this event.
    Refused(String),
    /// It may take it another time.
    Failed(String),
    /// It was not asked: it is switched off, not there, or has no room. Nothing about this event.
    Unreachable(String),
}

/// Sends an event to a component.
pub(crate) async fn deliver(
    runtime: &Runtime,
    tenant: &Arc<str>,
    component: &Arc<str>,
    event: &CloudEvent,
) -> Outcome {
    let principal = Principal::service(Arc::clone(tenant), Arc::clone(component));
    let call = Call {
        tenant: Arc::clone(tenant),
        component: Arc::clone(component),
        request_id: format!("req_{}", Uuid::now_v7().simple()).into(),
        class: Class::Events,
        principal: Some(Arc::new(principal.into())),
    };
    let reply = runtime.application().ask(call, event.question()).await;
    match reply {
        Ok(reply) => answered(&reply),
        Err(error) => unanswered(&error),
    }
}

fn answered(reply: &Reply) -> Outcome {
    let status = reply.status;
    let told = || {
        let body = String::from_utf8_lossy(&reply.body);
        let told: String = body.chars().take(QUOTED).collect();
        format!("{status}: {told}")
    };
    match status {
        _ if status.is_success() => Outcome::Taken,
        // Of the client errors those that pass by themselves (RFC 9110, 6585, 8470).
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Failed(told())
        }
        _ if status.is_client_error() => Outcome::Refused(told()),
        _ => Outcome::Failed(told()),
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
    use bytes::Bytes;

    #[test]
    fn an_answer_says_whether_it_is_worth_another_try() {
        let outcome = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            answered(&Reply {
                status,
                body: Bytes::from_static(b"why"),
            })
        };
        assert_eq!(outcome(204), Outcome::Taken);
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
