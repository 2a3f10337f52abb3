//! Clients that register themselves (RFC 7591), where the tenant lets them. They ask for nothing of administration,
//! and are forgotten after a day where no user has consented.

use super::clients::{self, Client, Wanted};
use super::failure::Failure;
use super::policy::{self, ClientRegistration};
use super::scope;
use crate::model::Device;
use crate::throttle;
use sbd_sdk::{Scopes, time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one is kept without a user.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What it is called that does not say.
const UNNAMED: &str = "A program without a name";
/// How clients show who they are.
pub(crate) const PUBLIC: &str = "none";
/// How those do that have a secret, whichever they said; the first where nothing is said.
pub(crate) const CONFIDENTIAL: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// How they come to tokens.
pub(crate) const GRANT_TYPES: [&str; 3] = [
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
];

/// What a client says of itself. What else it says is not heeded, as the standard has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    client_uri: Option<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    scope: Option<String>,
}

/// What it is registered as.
#[derive(Debug, Serialize)]
pub(crate) struct Registered {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u8>,
    client_id_issued_at: i64,
    client_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: &'static str,
    grant_types: [&'static str; 3],
    response_types: [&'static str; 1],
    scope: String,
}

/// Registers a client that says this of itself.
pub(crate) async fn register(metadata: Metadata, device: &Device) -> Result<Registered, Failure> {
    if policy::get().await? == ClientRegistration::Off {
        return Err(Failure::denied(
            "clients do not register themselves here; ask an administrator for a `client_id`",
        ));
    }
    let network = device.address.as_deref().unwrap_or_default();
    let now = time::now();
    throttle::REGISTER_CLIENT.of(network).count(now).await?;
    let method = method(&metadata)?;
    let wanted = wanted(metadata, method != PUBLIC)?;
    let (client, secret) = clients::made(wanted, None, Some(now + KEPT)).map_err(|error| {
        let detail = error.details().first();
        let field = detail
            .map(|detail| detail.field.as_str())
            .unwrap_or_default();
        let code = match field.starts_with("redirect_uris") {
            true => "invalid_redirect_uri",
            false => "invalid_client_metadata",
        };
        let message = detail
            .map(|detail| detail.message.as_str())
            .unwrap_or_default();
        Failure::new(code, format!("{field}: {message}"))
    })?;
    clients::stored(&client).await?;
    Ok(Registered::new(client, secret, method))
}

/// How a client wants to show who it is.
fn method(metadata: &Metadata) -> Result<&'static str, Failure> {
    let [usual, other] = CONFIDENTIAL;
    let said = metadata.token_endpoint_auth_method.as_deref();
    let mut known = [PUBLIC, usual, other].into_iter();
    let found = known.find(|known| *known == said.unwrap_or(usual));
    found.ok_or_else(|| {
        Failure::new(
            "invalid_client_metadata",
            "token_endpoint_auth_method: `none`, `client_secret_basic` or `client_secret_post`",
        )
    })
}

fn wanted(metadata: Metadata, confidential: bool) -> Result<Wanted, Failure> {
    let wrong = |why: &'static str| Failure::new("invalid_client_metadata", why);
    let grant_types = metadata
        .grant_types
        .unwrap_or_else(|| vec![GRANT_TYPES[0].to_owned()]);
    let by_device = grant_types.iter().any(|one| one == GRANT_TYPES[2]);
    let by_code = grant_types.iter().any(|one| one == GRANT_TYPES[0]);
    if !by_code && !by_device {
        return Err(wrong(
            "grant_types: `authorization_code`, or that of devices",
        ));
    }
    let is_code = |types: &Vec<String>| types.is_empty() || types.iter().any(|one| one == "code");
    if metadata
        .response_types
        .as_ref()
        .is_some_and(|types| !is_code(types))
    {
        return Err(wrong("response_types: `code`"));
    }
    if by_code && metadata.redirect_uris.is_empty() {
        return Err(Failure::new(
            "invalid_redirect_uri",
            "redirect_uris: 1 to 10 addresses",
        ));
    }
    let scopes = match metadata.scope.as_deref().filter(|scope| !scope.is_empty()) {
        Some(scope) => scope::read(scope)
            .map_err(|failure| Failure::new("invalid_client_metadata", failure.description))?,
        None => Scopes::everything(),
    };
    if scope::administers(&scopes) {
        return Err(wrong(
            "scope: an administrator registers who is to administer",
        ));
    }
    Ok(Wanted {
        name: metadata.client_name.unwrap_or_else(|| UNNAMED.to_owned()),
        page: metadata.client_uri,
        redirect_uris: metadata.redirect_uris,
        confidential,
        scopes,
    })
}

// === impl Registered ===

impl Registered {
    fn new(client: Client, secret: Option<String>, method: &'static str) -> Self {
        Self {
            token_endpoint_auth_method: method,
            client_secret_expires_at: secret.as_ref().map(|_| 0),
            client_secret: secret,
            client_id: client.id.to_string(),
            client_id_issued_at: client.created_at.seconds(),
            client_name: client.name,
            client_uri: client.page,
            redirect_uris: client.redirect_uris,
            grant_types: GRANT_TYPES,
            response_types: ["code"],
            scope: scope::written(&client.scopes),
        }
    }
}
