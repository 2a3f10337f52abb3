//! From which networks accounts are used: for a tenant's administrators.

use crate::model::Device;
use crate::network_policy::{self, NetworkPolicy};
use crate::networks::Networks;
use http::HeaderMap;
use sbd_sdk::{By, Caller, Json, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From which networks accounts are used, and opened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkPolicyInput {
    /// From these alone, at most 50 addresses or ranges; from any, where there is none.
    #[serde(default)]
    #[schema(example = json!(["192.0.2.0/24"]))]
    allowed: Vec<String>,
    /// Not from these, at most 50, even where they are among the others.
    #[serde(default)]
    #[schema(example = json!(["192.0.2.66"]))]
    denied: Vec<String>,
    /// Whether it may leave out where the caller is now.
    #[serde(default)]
    even_if_locked_out: bool,
}

/// From which networks accounts are used, and opened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NetworkPolicy)]
pub(crate) struct NetworkPolicyView {
    /// From these alone; from any, where there is none.
    allowed: Vec<String>,
    /// Not from these, even where they are among the others.
    denied: Vec<String>,
}

/// Reads from which networks accounts are used.
#[operation(get "/api/v1/auth/policy/networks", permission = "admin:users:read", answers = "From which")]
pub(crate) async fn get_network_policy(_: By) -> Result<Json<NetworkPolicyView>> {
    Ok(Json(network_policy::get().await?.into()))
}

/// Says from which networks accounts of this tenant are used, and opened.
///
/// From elsewhere nobody signs in, no account is opened, and no token counts, within a minute. An address that the
/// server does not know is on no list. Where everybody is shut out, whoever operates the host lifts it
/// (`sbd admin create … --from-anywhere`).
#[operation(
    put "/api/v1/auth/policy/networks", permission = "admin:users:write", answers = "From which now",
    refuses(conflict = "Somebody else decided at the same time")
)]
pub(crate) async fn set_network_policy(
    caller: Caller,
    headers: HeaderMap,
    Json(input): Json<NetworkPolicyInput>,
) -> Result<Json<NetworkPolicyView>> {
    let allowed = Networks::read("allowed", &input.allowed)?;
    let denied = Networks::read("denied", &input.denied)?;
    let policy = NetworkPolicy::new(allowed, denied);
    let here = Device::of(&headers);
    network_policy::set(&caller, &policy, &here, input.even_if_locked_out).await?;
    Ok(Json(policy.into()))
}

impl From<NetworkPolicy> for NetworkPolicyView {
    fn from(policy: NetworkPolicy) -> Self {
        Self {
            allowed: policy.allowed.texts(),
            denied: policy.denied.texts(),
        }
    }
}
