//! What users decide about programs of others, and what administrators do.

use crate::oauth::authorization::{self, RequestId};
use crate::oauth::clients::{self, Client, ClientId, ClientSort, Wanted};
use crate::oauth::consents::{self, Consent, ConsentSort};
use crate::oauth::device;
use crate::oauth::grants::GrantId;
use crate::oauth::policy::{self, ClientRegistration};
use crate::sessions::Revoked;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{
    By, Caller, Created, Error, Json, Listing, NoContent, NoStore, Path, Result, Scopes, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskingClient {
    #[schema(inline)]
    id: ClientId,
    /// What it calls itself.
    name: String,
    /// Its own page, as it says.
    page: Option<String>,
    /// Whether an administrator registered it; otherwise it did so itself, and may have any name.
    registered_by_administrator: bool,
}

/// What a client asks a user for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorizationRequest {
    #[schema(inline)]
    id: RequestId,
    /// Who asks.
    #[schema(inline)]
    client: AskingClient,
    /// What for.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// What the caller can grant of it.
    #[schema(value_type = Vec<String>)]
    grantable: Scopes,
    /// What the caller has granted it before.
    #[schema(value_type = Option<Vec<String>>)]
    granted_before: Option<Scopes>,
    /// Where the browser is led afterwards.
    redirect_uri: String,
    /// Until when it waits.
    expires_at: Time,
}

/// What a user grants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentInput {
    /// None beyond what was asked for.
    #[schema(example = json!(["notes:read"]))]
    scopes: Vec<String>,
}

/// Where the browser is to go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadsTo {
    /// The client's own address, with what it is told.
    location: String,
}

/// What a device asks a user for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceRequest {
    /// Who asks.
    #[schema(inline)]
    client: AskingClient,
    /// What for.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// What the caller can grant of it.
    #[schema(value_type = Vec<String>)]
    grantable: Scopes,
    /// Until when it waits.
    expires_at: Time,
}

/// What a user has consented to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consent)]
pub(crate) struct ConsentView {
    #[schema(inline)]
    client_id: ClientId,
    /// What the client calls itself.
    client_name: String,
    /// All that was ever granted.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// When it was first.
    created_at: Time,
    /// When it last was.
    updated_at: Time,
}

/// A client to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClient {
    /// What users are asked about.
    #[schema(min_length = 1, max_length = 100, example = "Reader")]
    name: String,
    /// Its own page.
    #[serde(default)]
    #[schema(example = "https://reader.example")]
    page: Option<String>,
    /// Where its users may be led back to, 10 at most: `https://...`, or of a program `http://127.0.0.1/...`, at any
    /// port, or `com.example.app:/...`. None, of one for devices alone.
    #[schema(example = json!(["https://reader.example/callback"]))]
    redirect_uris: Vec<String>,
    /// Whether it can keep a secret: a server can, an app cannot.
    confidential: bool,
    /// What it may ask for at most, in 1 to 50 words.
    #[schema(example = json!(["notes:read"]))]
    scopes: Vec<String>,
}

/// A client, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OauthClient)]
pub(crate) struct ClientView {
    #[schema(inline)]
    id: ClientId,
    /// What users are asked about.
    name: String,
    /// Its own page.
    page: Option<String>,
    /// Where its users may be led back to.
    redirect_uris: Vec<String>,
    /// Whether it has a secret.
    confidential: bool,
    /// What it may ask for at most.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// The administrator who registered it; none where it did so itself.
    registered_by: Option<String>,
    /// When.
    created_at: Time,
}

/// A client that was just registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegisteredClient {
    #[serde(flatten)]
    client: ClientView,
    /// Its secret, if it has one, which is not shown again.
    secret: Option<String>,
}

/// Another secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientSecret {
    /// It is not shown again.
    secret: String,
}

/// What is decided about clients.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientPolicy {
    /// Whether they register themselves.
    client_registration: ClientRegistration,
}

/// Reads which program asks the caller for what.
#[operation(
    get "/api/v1/auth/oauth/requests/{id}", permission = "consents:read", answers = "Who asks for what",
    refuses(
        not_found = "None that waits; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn get_authorization_request(
    caller: Caller,
    Path(id): Path<RequestId>,
) -> Result<(NoStore, Json<AuthorizationRequest>)> {
    let asked = authorization::request(&caller, &id).await?;
    let request = AuthorizationRequest {
        id: asked.request.id,
        client: asked.client.into(),
        scopes: asked.request.scopes,
        grantable: asked.grantable,
        granted_before: asked.granted,
        redirect_uri: asked.request.redirect_uri,
        expires_at: asked.request.expires_at,
    };
    Ok((NoStore, Json(request)))
}

/// Lets a program act for the caller, once for each request; the caller is told of it.
#[operation(
    post "/api/v1/auth/oauth/requests/{id}/consent", permission = "consents:write",
    answers = "Where the browser is to go, which brings the program its code",
    refuses(
        not_found = "None that waits; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session",
        conflict = "The caller consented to this program elsewhere at the same time"
    )
)]
pub(crate) async fn consent_to_request(
    caller: Caller,
    Path(id): Path<RequestId>,
    Json(input): Json<ConsentInput>,
) -> Result<(NoStore, Json<LeadsTo>)> {
    let location = authorization::consent(&caller, &id, input.scopes).await?;
    Ok((NoStore, Json(LeadsTo { location })))
}

/// Does not let a program act for the caller.
#[operation(
    post "/api/v1/auth/oauth/requests/{id}/deny", permission = "consents:write",
    answers = "Where the browser is to go, which tells the program",
    refuses(
        not_found = "None that waits; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn deny_request(
    caller: Caller,
    Path(id): Path<RequestId>,
) -> Result<(NoStore, Json<LeadsTo>)> {
    let location = authorization::deny(&caller, &id).await?;
    Ok((NoStore, Json(LeadsTo { location })))
}

/// Reads which device waits with a code that the caller typed in.
///
/// After 10 codes of none the caller waits, at most 15 minutes.
#[operation(
    get "/api/v1/auth/oauth/device/{user_code}", permission = "consents:read",
    answers = "Who asks for what", parameters(user_code = "What the device shows"),
    refuses(
        not_found = "No device waits with it; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session",
        rate_limited = "Too many codes of none; see `Retry-After`"
    )
)]
pub(crate) async fn get_device_request(
    caller: Caller,
    Path(user_code): Path<String>,
) -> Result<(NoStore, Json<DeviceRequest>)> {
    let asked = device::request(&caller, &user_code).await?;
    let request = DeviceRequest {
        client: asked.client.into(),
        scopes: asked.device.scopes,
        grantable: asked.grantable,
        expires_at: asked.device.expires_at,
    };
    Ok((NoStore, Json(request)))
}

/// Lets a device act for the caller, who is told of it.
#[operation(
    post "/api/v1/auth/oauth/device/{user_code}/approve", permission = "consents:write",
    answers = "The device goes on", parameters(user_code = "What the device shows"),
    refuses(
        not_found = "No device waits with it; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session",
        conflict = "The caller consented to this program elsewhere at the same time",
        rate_limited = "Too many codes of none; see `Retry-After`"
    )
)]
pub(crate) async fn approve_device(
    caller: Caller,
    Path(user_code): Path<String>,
    Json(input): Json<ConsentInput>,
) -> Result<NoContent> {
    device::approve(&caller, &user_code, input.scopes).await?;
    Ok(NoContent)
}

/// Does not let a device act for the caller.
#[operation(
    post "/api/v1/auth/oauth/device/{user_code}/deny", permission = "consents:write",
    answers = "The device is told", parameters(user_code = "What the device shows"),
    refuses(
        not_found = "No device waits with it; they do for 10 minutes",
        forbidden = "Whoever asks is not signed in with a session",
        rate_limited = "Too many codes of none; see `Retry-After`"
    )
)]
pub(crate) async fn deny_device(
    caller: Caller,
    Path(user_code): Path<String>,
) -> Result<NoContent> {
    device::deny(&caller, &user_code).await?;
    Ok(NoContent)
}

/// Lists the programs that the caller lets act for them.
#[operation(get "/api/v1/auth/oauth/consents", permission = "consents:read")]
pub(crate) async fn list_consents(
    caller: Caller,
    listing: Listing<ConsentSort>,
) -> Result<Json<Page<ConsentView>>> {
    let page = consents::list(&caller.user, &listing).await?;
    Ok(Json(page.map(ConsentView::from)))
}

/// Lets a program act for the caller no more.
#[operation(
    delete "/api/v1/auth/oauth/consents/{client_id}", permission = "consents:write",
    answers = "All that it has of the caller is worthless with the next request",
    refuses(
        not_found = "The caller has not consented to it",
        forbidden = "Whoever asks is not signed in with a session",
        conflict = "The program is at work just now"
    )
)]
pub(crate) async fn withdraw_consent(
    caller: Caller,
    Path(client_id): Path<ClientId>,
) -> Result<(Revoked<GrantId>, NoContent)> {
    let ended = consents::withdraw(&caller, &client_id).await?;
    Ok((Revoked(ended), NoContent))
}

/// Registers a program that users may let act for them.
#[operation(
    post "/api/v1/auth/oauth/clients", permission = "admin:clients:write",
    answers = "Registered; the secret is in this answer and nowhere else",
    location = "The tenant's clients",
    refuses(forbidden = "Whoever asks is not signed in with a session, or for a secret has to show once more who they are")
)]
pub(crate) async fn register_client(
    caller: Caller,
    Json(new): Json<NewClient>,
) -> Result<(NoStore, Created<RegisteredClient>)> {
    if new.scopes.len() > 50 {
        return Err(Error::validation("scopes", "1 to 50 scopes"));
    }
    let scopes =
        Scopes::new(new.scopes).map_err(|wrong| Error::validation("scopes", wrong.to_string()))?;
    let wanted = Wanted {
        name: new.name,
        page: new.page,
        redirect_uris: new.redirect_uris,
        confidential: new.confidential,
        scopes,
    };
    let (client, secret) = clients::register(&caller, wanted).await?;
    let registered = RegisteredClient {
        client: client.into(),
        secret,
    };
    Ok((
        NoStore,
        Created::at("/api/v1/auth/oauth/clients", &registered)?,
    ))
}

/// Lists the tenant's clients.
#[operation(get "/api/v1/auth/oauth/clients", permission = "admin:clients:read")]
pub(crate) async fn list_clients(
    _: By,
    listing: Listing<ClientSort>,
) -> Result<Json<Page<ClientView>>> {
    let page = clients::list(&listing).await?;
    Ok(Json(page.map(ClientView::from)))
}

/// Gives a client another secret; the one before is worth nothing.
#[operation(
    post "/api/v1/auth/oauth/clients/{id}/secret", permission = "admin:clients:write",
    answers = "The secret is in this answer and nowhere else",
    refuses(
        not_found = "No client with a secret",
        forbidden = "Whoever asks is not signed in with a session, or has to show once more who they are"
    )
)]
pub(crate) async fn renew_client_secret(
    caller: Caller,
    Path(id): Path<ClientId>,
) -> Result<(NoStore, Json<ClientSecret>)> {
    let secret = clients::renew_secret(&caller, &id).await?;
    Ok((NoStore, Json(ClientSecret { secret })))
}

/// Removes a client, and all that users have granted to it.
#[operation(
    delete "/api/v1/auth/oauth/clients/{id}", permission = "admin:clients:write",
    answers = "Removed; all that it has is worthless with the next request",
    refuses(
        not_found = "No client",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn remove_client(
    caller: Caller,
    Path(id): Path<ClientId>,
) -> Result<(Revoked<GrantId>, NoContent)> {
    let ended = clients::remove(&caller, &id).await?;
    Ok((Revoked(ended), NoContent))
}

/// Reads whether clients register themselves.
#[operation(get "/api/v1/auth/oauth/policy", permission = "admin:clients:read", answers = "Whether they do")]
pub(crate) async fn get_client_policy(_: By) -> Result<Json<ClientPolicy>> {
    let client_registration = policy::get().await?;
    Ok(Json(ClientPolicy {
        client_registration,
    }))
}

/// Says whether clients register themselves; nobody does until this is said.
#[operation(
    put "/api/v1/auth/oauth/policy", permission = "admin:clients:write", answers = "Whether they do now",
    refuses(
        conflict = "Somebody else decided at the same time",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn set_client_policy(
    caller: Caller,
    Json(input): Json<ClientPolicy>,
) -> Result<Json<ClientPolicy>> {
    policy::set(&caller, input.client_registration).await?;
    Ok(Json(input))
}

impl From<Client> for AskingClient {
    fn from(client: Client) -> Self {
        Self {
            id: client.id,
            name: client.name,
            page: client.page,
            registered_by_administrator: client.registered_by.is_some(),
        }
    }
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            confidential: client.is_confidential(),
            id: client.id,
            name: client.name,
            page: client.page,
            redirect_uris: client.redirect_uris,
            scopes: client.scopes,
            registered_by: client.registered_by,
            created_at: client.created_at,
        }
    }
}

impl From<(Consent, String)> for ConsentView {
    fn from((consent, client_name): (Consent, String)) -> Self {
        Self {
            client_id: consent.client_id,
            client_name,
            scopes: consent.scopes,
            created_at: consent.created_at,
            updated_at: consent.updated_at,
        }
    }
}
