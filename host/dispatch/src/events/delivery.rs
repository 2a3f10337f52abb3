//! One event on its way to one component.

use crate::events::cloud_event::CloudEvent;
use crate::outcome::Outcome;
use sbd_contract::Principal;
use sbd_runtime::{Call, Class, Runtime};
use std::sync::Arc;
use uuid::Uuid;

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
    Outcome::of(runtime.application().ask(call, event.question()).await)
}
