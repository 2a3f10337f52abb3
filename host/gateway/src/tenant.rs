//! Which tenant a request is for.

use crate::authority::Authority;
use crate::error::Refusal;
use http::{HeaderMap, HeaderName};
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

    /// The tenant of a request to this host, or why there is none.
    pub(crate) fn resolve(
        &self,
        host: Option<&Authority>,
        headers: &HeaderMap,
    ) -> Result<Arc<str>, Refusal> {
        let mut named = headers.get_all(TENANT).into_iter();
        let name = named.next();
        if named.next().is_some() {
            return Err(Refusal::malformed(
                "The request has more than one x-sbd-tenant header; send one, or none.",
            ));
        }
        let Some(tenants) = &self.tenants else {
            return Ok(Arc::clone(&self.default));
        };
        if let Some(tenant) = host.and_then(|host| tenants.by_host(&lookup(host))) {
            return served(&tenant);
        }
        match name {
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

/// A host as tenants have it: in lower case, without the dot of the root.
fn lookup(host: &Authority) -> Cow<'_, str> {
    let name = host.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}
