//! What the gateway needs of the runtime, as a trait: the gateway's own promises are then tested
//! without wasm, and the product is tested whole elsewhere.

use jiff::Timestamp;
use sbd_pace::{State, Tripped};
use sbd_runtime::{Application, Body, Call, InvokeError, Offered};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Hears of sessions that ended: the tenant, then the sessions' ids.
pub type RevocationListener = Box<dyn Fn(&str, &[String]) + Send + Sync>;

/// The components behind the gateway.
pub trait Components: Send + Sync + 'static {
    /// Sends a request to one component of one tenant. Ends within the component's time limits.
    ///
    /// # Errors
    /// When no response came back; see [`InvokeError`].
    fn invoke(
        &self,
        call: Call,
        request: http::Request<Body>,
    ) -> impl Future<Output = Result<http::Response<Body>, InvokeError>> + Send;

    /// What a component offers, if it says so.
    fn offer(&self, component: &str) -> Option<Arc<Offered>>;

    /// Calls `listener` before the response that ended the sessions reaches its client.
    fn on_revoked(&self, listener: RevocationListener);

    /// The features that are off for everybody in a tenant.
    fn switched_off(&self, tenant: &str) -> BTreeSet<Arc<str>>;

    /// The features that a component's path belongs to: the component itself, and parts of it.
    fn features_at(&self, component: &str, path: &str) -> Vec<Arc<str>>;

    /// What `/health` shows about the components, as a JSON object; of what goes on in tenants, that in
    /// one of them alone if it is named.
    fn health(&self, tenant: Option<&str>) -> Value;
}

impl Components for Application {
    async fn invoke(
        &self,
        call: Call,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, InvokeError> {
        Application::invoke(self, call, request).await
    }

    fn offer(&self, component: &str) -> Option<Arc<Offered>> {
        Application::offer(self, component).cloned()
    }

    fn on_revoked(&self, listener: RevocationListener) {
        Application::on_revoked(self, listener);
    }

    fn switched_off(&self, tenant: &str) -> BTreeSet<Arc<str>> {
        Application::switched_off(self, tenant)
    }

    fn features_at(&self, component: &str, path: &str) -> Vec<Arc<str>> {
        Application::features_at(self, component, path)
    }

    fn health(&self, tenant: Option<&str>) -> Value {
        let stats = self.stats();
        let tripped = self.tripped();
        let shown = |tripped: &&Tripped| tenant.is_none_or(|tenant| &*tripped.tenant == tenant);
        json!({
            "instances": stats.instances,
            "tenants_open": stats.tenants,
            "circuit_breakers": tripped.iter().filter(shown).map(tripped_as_json).collect::<Vec<_>>(),
            "compile_cache": {
                "hits": stats.compile_cache.hits,
                "misses": stats.compile_cache.misses,
                "rejected": stats.compile_cache.rejected,
            },
        })
    }
}

fn tripped_as_json(tripped: &Tripped) -> Value {
    let (state, since, until) = match tripped.state {
        State::Closed => ("closed", None, None),
        State::HalfOpen { since } => ("half-open", Some(since), None),
        State::Open { since, until } => ("open", Some(since), Some(until)),
    };
    json!({
        "what": tripped.what,
        "component": tripped.component,
        "tenant": tripped.tenant,
        "state": state,
        "since": since.map(|since| at(since).to_string()),
        "until": until.map(|until| at(until).to_string()),
    })
}

/// The time of day of a moment.
fn at(moment: Instant) -> Timestamp {
    let (now, today) = (Instant::now(), Timestamp::now());
    today + moment.saturating_duration_since(now) - now.saturating_duration_since(moment)
}
