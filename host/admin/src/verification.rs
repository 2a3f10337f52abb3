//! Whether what a component has stored is sound. It alone can say; here is only the way to it.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_contract::path;
use sbd_runtime::{Call, Class, InvokeError, Question};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Largest report, in bytes.
const LARGEST: usize = 1 << 20;

/// What a component says of what it has stored.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether all is as it should be.
    pub sound: bool,
    /// What was found, in the component's own words.
    pub found: Value,
}

impl Admin {
    /// Has a component look at all that it has stored for a tenant.
    ///
    /// # Errors
    /// When there is no such tenant or component, it keeps no books, or it could not look.
    pub async fn verify(&self, tenant: &str, component: &str) -> Result<Verdict, Error> {
        let call = Call {
            tenant: self.served(tenant)?,
            component: component.into(),
            request_id: "req_verify".into(),
            // It takes as long as other queued work.
            class: Class::Tasks,
            principal: None,
        };
        let unasked = |error: InvokeError| {
            Error::unavailable(format!("`{component}` could not say: {error}"))
        };
        let question = Question::get(path::VERIFY).with_room(LARGEST);
        let reply = self.runtime.application().ask(call, question).await;
        let reply = reply.map_err(unasked)?;
        match reply.status {
            StatusCode::OK => serde_json::from_slice(&reply.body)
                .map_err(|error| unasked(InvokeError::Unusable(error.to_string()))),
            StatusCode::NOT_FOUND => Err(Error::invalid(format!(
                "component `{component}` keeps no books: it has no GET {}",
                path::VERIFY
            ))),
            status => Err(unasked(InvokeError::Unusable(status.to_string()))),
        }
    }
}
