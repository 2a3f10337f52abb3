//! Which tenant a request is for.

use crate::error::Refusal;
use http::request::Parts;
use http::{HeaderName, header};
use sbd_registry::{DEFAULT_TENANT, Tenant, TenantState, Tenants};
use std::borrow::Cow;
use std::sync::Arc;

/// By which a request names its tenant, where host names do not.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-sbd-tenant");

/// Reads the tenant off a request: by the host name it was sent to, else by the header
/// `x-sbd-tenant`, else `default`.
pub(crate) struct TenantResolver {
    /// `None`: there is only the one.
    tenants: Option<Tenants>,
    default: Arc<str>,
}

impl TenantResolver {
    pub(crate) fn new(tenants: Option<Tenants>) -> Self {
        Self {
            tenants,
            default: Arc::from(DEFAULT_TENANT),
        }
    }

    /// The tenant of a request, or why there is none.
    pub(crate) fn resolve(&self, parts: &Parts) -> Result<Arc<str>, Refusal> {
        let Some(tenants) = &self.tenants else {
            return Ok(Arc::clone(&self.default));
        };
        if let Some(tenant) = host(parts).and_then(|host| tenants.by_host(&host)) {
            return served(&tenant);
        }
        match parts.headers.get(TENANT) {
            None => Ok(Arc::clone(&self.default)),
            Some(name) => {
                let name = name.to_str().unwrap_or_default();
                let tenant = tenants.get(name).ok_or_else(Refusal::unknown_tenant)?;
                served(&tenant)
            }
        }
    }

    /// The tenant whose components describe the public API.
    pub(crate) fn default_tenant(&self) -> Arc<str> {
        Arc::clone(&self.default)
    }
}

fn served(tenant: &Tenant) -> Result<Arc<str>, Refusal> {
    match tenant.state {
        TenantState::Active => Ok(Arc::clone(tenant.name.shared())),
        TenantState::Suspended => Err(Refusal::tenant_suspended()),
        TenantState::Deleting => Err(Refusal::unknown_tenant()),
    }
}

/// The host name a request was sent to, in lower case, without port. HTTP/2 has it in the address.
fn host(parts: &Parts) -> Option<Cow<'_, str>> {
    let authority = match parts.uri.host() {
        Some(host) => host,
        None => {
            let host = parts.headers.get(header::HOST)?.to_str().ok()?;
            // Not that of an IPv6 address, which is in brackets.
            host.rsplit_once(':').map_or(host, |(name, _)| name)
        }
    };
    let name = authority.strip_suffix('.').unwrap_or(authority);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(name))
}
