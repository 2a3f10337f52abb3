//! What the server says of itself to clients: where is what (RFC 8414), and who gives tokens for what is here
//! (RFC 9728).

use super::policy::{self, ClientRegistration};
use super::registration::{CONFIDENTIAL, GRANT_TYPES, PUBLIC};
use sbd_sdk::Result;
use serde_json::{Value, json};

/// How clients show who they are.
const METHODS: [&str; 3] = [CONFIDENTIAL[0], CONFIDENTIAL[1], PUBLIC];

/// Of the authorization server.
pub(crate) async fn server(issuer: &str) -> Result<Value> {
    let at = |path: &str| format!("{issuer}{path}");
    let mut said = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device"),
        "introspection_endpoint": at("/oauth/introspect"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": ["*"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GRANT_TYPES,
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": CONFIDENTIAL,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "service_documentation": at("/docs"),
    });
    if policy::get().await? == ClientRegistration::Open {
        said["registration_endpoint"] = json!(at("/oauth/register"));
    }
    Ok(said)
}

/// Of what is protected: all of this server, or what is at a path.
pub(crate) fn resource(issuer: &str, path: &str) -> Value {
    json!({
        "resource": format!("{issuer}{path}"),
        "authorization_servers": [issuer],
        "scopes_supported": ["*"],
        "bearer_methods_supported": ["header"],
        "resource_documentation": format!("{issuer}/docs"),
    })
}
