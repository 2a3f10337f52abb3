//! The addresses that OAuth itself has. `metadata` describes them, and not the OpenAPI document: what they take is
//! form-encoded, and what they refuse is said in OAuth's words.
//!
//! Clients that are pages of others may ask all but the first: nothing there goes by what a browser brings by itself.

use super::clients;
use super::failure::Failure;
use super::grants::{GrantId, Issued};
use super::introspection;
use super::parameters::Parameters;
use super::registration::{self, Metadata};
use super::{authorization, codes, device, issuer, metadata, refresh};
use crate::model::Device;
use crate::place::Place;
use crate::sessions::Revoked;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use sbd_sdk::{Component, Error, Json, NoStore, Result};
use serde_json::Value;

/// How long anybody may keep what the server says of itself.
const FOR_FIVE_MINUTES: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];
/// Where what is protected is described.
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The component with these addresses.
pub(crate) fn on(component: Component) -> Component {
    component
        .route("/oauth/authorize", get(authorize))
        .route("/oauth/token", from_anywhere(post(token)))
        .route("/oauth/device", from_anywhere(post(begin_device)))
        .route("/oauth/introspect", from_anywhere(post(introspect)))
        .route("/oauth/revoke", from_anywhere(post(revoke)))
        .route("/oauth/register", from_anywhere(post(register)))
        .route(
            "/.well-known/oauth-authorization-server",
            from_anywhere(get(server)),
        )
        .route(RESOURCE, from_anywhere(get(resource)))
        .route(
            "/.well-known/oauth-protected-resource/{*path}",
            from_anywhere(get(resource_at)),
        )
}

/// The same for pages of others.
fn from_anywhere(handler: MethodRouter) -> MethodRouter {
    let handler = handler.options(async || StatusCode::NO_CONTENT);
    handler.layer(axum::middleware::map_response(
        async |mut answer: Response| {
            let headers = answer.headers_mut();
            for (name, value) in [
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
                (
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    "authorization, content-type, mcp-protocol-version",
                ),
                (
                    header::ACCESS_CONTROL_EXPOSE_HEADERS,
                    "retry-after, www-authenticate",
                ),
                (header::ACCESS_CONTROL_MAX_AGE, "7200"),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            answer
        },
    ))
}

/// A client leads its user here.
async fn authorize(headers: HeaderMap, uri: Uri) -> Result<Response> {
    let fields = Parameters::read(uri.query().unwrap_or_default().as_bytes());
    let to = authorization::begin(&fields, &issuer::of(&headers)?).await?;
    let to = HeaderValue::try_from(to).map_err(Error::internal)?;
    let silent = [(header::REFERRER_POLICY, "no-referrer")];
    Ok((
        StatusCode::SEE_OTHER,
        NoStore,
        silent,
        [(header::LOCATION, to)],
    )
        .into_response())
}

/// A client trades what it has for tokens.
async fn token(
    headers: HeaderMap,
    fields: Parameters,
) -> Result<(Revoked<GrantId>, NoStore, Json<Issued>), Failure> {
    let client = clients::authenticated(&fields).await?;
    authorization::require_own(&fields, &issuer::of(&headers)?)?;
    let mut issued = match fields.required("grant_type")? {
        "authorization_code" => codes::redeem(&client, &fields).await,
        "refresh_token" => {
            let place = Place::of(&Device::of(&headers));
            refresh::trade(&client, &fields, &place).await
        }
        "urn:ietf:params:oauth:grant-type:device_code" => device::redeem(&client, &fields).await,
        _ => Err(Failure::new(
            "unsupported_grant_type",
            "`authorization_code`, `refresh_token` and that of devices are those there are",
        )),
    }?;
    let ended = std::mem::take(&mut issued.ended);
    Ok((Revoked(ended), NoStore, Json(issued)))
}

/// A device without a browser begins.
async fn begin_device(
    headers: HeaderMap,
    fields: Parameters,
) -> Result<(NoStore, Json<device::Begun>), Failure> {
    let client = clients::authenticated(&fields).await?;
    let begun = device::begin(&client, &fields, &issuer::of(&headers)?).await?;
    Ok((NoStore, Json(begun)))
}

/// A client asks what a token of its own is worth.
async fn introspect(
    headers: HeaderMap,
    fields: Parameters,
) -> Result<(NoStore, Json<Value>), Failure> {
    let client = clients::authenticated(&fields).await?;
    let said = introspection::introspect(&client, &fields, &issuer::of(&headers)?).await?;
    Ok((NoStore, Json(said)))
}

/// A client gives a token back.
async fn revoke(fields: Parameters) -> Result<(Revoked<GrantId>, NoStore, StatusCode), Failure> {
    let client = clients::authenticated(&fields).await?;
    let ended = introspection::revoke(&client, &fields).await?;
    Ok((Revoked(ended), NoStore, StatusCode::OK))
}

/// A client registers itself.
async fn register(
    headers: HeaderMap,
    said: Result<Json<Metadata>, Error>,
) -> Result<(StatusCode, NoStore, Json<registration::Registered>), Failure> {
    let said =
        said.map_err(|error| Failure::new("invalid_client_metadata", error.message().to_owned()))?;
    let registered = registration::register(said.0, &Device::of(&headers)).await?;
    Ok((StatusCode::CREATED, NoStore, Json(registered)))
}

type Said = ([(HeaderName, &'static str); 1], Json<Value>);

/// What the server says of itself.
async fn server(headers: HeaderMap) -> Result<Said> {
    let said = metadata::server(&issuer::of(&headers)?).await?;
    Ok((FOR_FIVE_MINUTES, Json(said)))
}

/// Who gives tokens for what is here.
async fn resource(headers: HeaderMap) -> Result<Said> {
    Ok((
        FOR_FIVE_MINUTES,
        Json(metadata::resource(&issuer::of(&headers)?, "")),
    ))
}

/// The same of what is at a path.
async fn resource_at(headers: HeaderMap, Path(path): Path<String>) -> Result<Said> {
    let said = metadata::resource(&issuer::of(&headers)?, &format!("/{path}"));
    Ok((FOR_FIVE_MINUTES, Json(said)))
}
