//! Changes, accounted for.

use crate::{Admin, Error};
use futures::FutureExt as _;
use sbd_registry::{Actor, Outcome};
use serde_json::Value;
use std::panic::AssertUnwindSafe;

/// What becomes of a change that panics. It has half done nothing that is served: what is served is
/// replaced in one step, which cannot fail.
const CUT_SHORT: &str = "the change was cut short by a fault of the server; its log says where";

impl Admin {
    /// Makes a change between two entries of the account. What cannot be accounted for is not done.
    pub(crate) async fn act<T>(
        &self,
        actor: &Actor,
        action: &'static str,
        target: &str,
        details: Value,
        change: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let audit = &self.registry.audit;
        let begun = audit.begin(actor, action, target, details).await?;
        let changed = AssertUnwindSafe(change).catch_unwind().await;
        let changed = changed.unwrap_or_else(|_| Err(Error::unavailable(CUT_SHORT.to_owned())));
        let outcome = match &changed {
            Ok(_) => Outcome::Done,
            Err(error) if error.status.is_server_error() => Outcome::Failed(error.to_string()),
            Err(error) => Outcome::Refused(error.to_string()),
        };
        tracing::info!(%actor, action, target, %outcome, "administration");
        if let Err(error) = audit.finish(begun, &outcome).await {
            // The change stands, and its beginning is accounted for.
            tracing::error!(%error, action, target, "the end of a change is not accounted for");
        }
        changed
    }
}
