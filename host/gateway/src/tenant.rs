//! Which tenant a request is for.

use crate::error::Refusal;
use http::request::Parts;
use std::sync::Arc;

/// Reads the tenant off a request. There is one tenant, `default`, so far; host names and the
/// header `x-sbd-tenant` will be looked up here and nowhere else.
pub(crate) struct TenantResolver {
    default: Arc<str>,
}

impl TenantResolver {
    pub(crate) fn new() -> Self {
        Self {
            default: Arc::from("default"),
        }
    }

    /// The tenant of a request, or why there is none.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a host name may belong to no tenant"
    )]
    pub(crate) fn resolve(&self, _parts: &Parts) -> Result<Arc<str>, Refusal> {
        Ok(Arc::clone(&self.default))
    }

    /// The tenant whose components describe the public API.
    pub(crate) fn default_tenant(&self) -> Arc<str> {
        Arc::clone(&self.default)
    }
}
