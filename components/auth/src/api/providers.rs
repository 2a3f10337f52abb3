//! Signing in by somebody else's word.

use crate::api::second_factor::FirstStep;
use crate::api::tokens::pass;
use crate::model::{Device, Mode};
use crate::oauth::require_person;
use crate::providers::attempts::{self, Brought, Led, Purpose};
use crate::providers::configuration::{self, Preset, Provider, Wanted};
use crate::providers::links::{self, Link};
use crate::providers::sign_in;
use crate::{confirmation, throttle};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{By, Caller, Json, NoContent, NoStore, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom a user may sign in by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInProvider {
    /// Its word, which stands in addresses.
    id: String,
    /// What users are shown.
    label: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInProviders {
    items: Vec<SignInProvider>,
}

/// A provider to set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderInput {
    /// How it speaks.
    #[schema(inline)]
    preset: Preset,
    /// What users are shown.
    #[schema(min_length = 1, max_length = 50, example = "Our login")]
    label: String,
    /// What it calls itself; of Google and GitHub that is known.
    #[serde(default)]
    #[schema(example = "https://login.example")]
    issuer: Option<String>,
    /// What this server is called there.
    #[schema(min_length = 1, max_length = 2000)]
    client_id: String,
    /// The secret it has there; the one there is stays, without one.
    #[serde(default)]
    #[schema(format = Password, max_length = 2000)]
    client_secret: Option<String>,
    /// A page of one's own that browsers are led back to, with `state` and `code`; `/account/provider` without one.
    #[serde(default)]
    redirect_uri: Option<String>,
}

/// A provider, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderView {
    /// Its word, which stands in addresses.
    id: String,
    #[schema(inline)]
    preset: Preset,
    /// What users are shown.
    label: String,
    /// What it calls itself.
    issuer: String,
    /// What this server is called there.
    client_id: String,
    /// Where browsers are led back to, if it is not our own page.
    redirect_uri: Option<String>,
    /// When it was last changed.
    updated_at: Time,
}

/// With what somebody is led to a provider.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSignIn {
    /// The code of an invitation, where a new account takes one.
    #[serde(default)]
    invitation: Option<String>,
}

/// Where the browser is to go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadsToProvider {
    /// The provider's own address.
    location: String,
}

/// What the browser brought back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderLogin {
    /// As it is in the address that the browser was led back to.
    state: String,
    /// The same.
    code: String,
    /// The same, where it is there.
    #[serde(default)]
    iss: Option<String>,
    /// A pass that was made beforehand, for who is where the account is not used from.
    #[serde(default)]
    #[schema(max_length = 100)]
    pass: Option<String>,
    /// In what the session is kept: `tokens` in the answer, or a `cookie`, for browsers.
    #[serde(default)]
    #[schema(inline)]
    mode: Mode,
}

/// What the browser of somebody who is signed in brought back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderReturn {
    /// As it is in the address that the browser was led back to.
    state: String,
    /// The same.
    code: String,
    /// The same, where it is there.
    #[serde(default)]
    iss: Option<String>,
}

/// Who the caller is to a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderLink {
    /// The link's id.
    id: String,
    /// The provider's word.
    provider: String,
    /// What the caller is called there.
    name: Option<String>,
    /// When it began.
    created_at: Time,
    /// When the caller last signed in by it.
    last_used_at: Option<Time>,
}

/// All links of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderLinks {
    items: Vec<ProviderLink>,
}

/// Where the browser is to go, and the cookie by which it is known again.
type Leads = (
    [(HeaderName, HeaderValue); 1],
    (NoStore, Json<LeadsToProvider>),
);

/// Lists whom users may sign in by.
#[operation(get "/api/v1/auth/providers", answers = "All of them")]
pub(crate) async fn list_providers() -> Result<Json<SignInProviders>> {
    let all = configuration::list().await?.into_iter();
    let items = all.map(|provider| SignInProvider {
        id: provider.id,
        label: provider.label,
    });
    Ok(Json(SignInProviders {
        items: items.collect(),
    }))
}

/// Reads how a provider is set up.
#[operation(
    get "/api/v1/auth/providers/{id}", permission = "admin:providers:read", answers = "All but its secret",
    parameters(id = "The provider's word"), refuses(not_found = "No provider")
)]
pub(crate) async fn get_provider(_: By, Path(id): Path<String>) -> Result<Json<ProviderView>> {
    Ok(Json(configuration::get(&id).await?.into()))
}

/// Sets a provider up. The operator grants this server to reach its hosts.
#[operation(
    put "/api/v1/auth/providers/{id}", permission = "admin:providers:write", answers = "As it is now",
    parameters(id = "A word for it, which stands in addresses"),
    refuses(
        forbidden = "Whoever asks is not signed in with a session, or has to show once more who they are",
        conflict = "Somebody else changed it at the same time, or there are as many as there may be"
    )
)]
pub(crate) async fn set_provider(
    caller: Caller,
    Path(id): Path<String>,
    Json(input): Json<ProviderInput>,
) -> Result<Json<ProviderView>> {
    let wanted = Wanted {
        preset: input.preset,
        label: input.label,
        issuer: input.issuer,
        client_id: input.client_id,
        client_secret: input.client_secret,
        redirect_uri: input.redirect_uri,
    };
    Ok(Json(configuration::set(&caller, &id, wanted).await?.into()))
}

/// Removes a provider; nobody signs in by it any more.
#[operation(
    delete "/api/v1/auth/providers/{id}", permission = "admin:providers:write",
    parameters(id = "The provider's word"),
    refuses(
        not_found = "No provider",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn remove_provider(caller: Caller, Path(id): Path<String>) -> Result<NoContent> {
    configuration::remove(&caller, &id).await?;
    Ok(NoContent)
}

/// Leads a browser to a provider, to sign in by it.
///
/// The answer's cookie is for this browser, which brings it back.
#[operation(
    post "/api/v1/auth/providers/{id}/sign-in", answers = "Where the browser is to go",
    parameters(id = "The provider's word"),
    refuses(
        not_found = "No provider",
        rate_limited = "Too many sign-ins from this address; see `Retry-After`"
    )
)]
pub(crate) async fn begin_provider_sign_in(
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(input): Json<ProviderSignIn>,
) -> Result<Leads> {
    let network = Device::of(&headers).address.unwrap_or_default();
    throttle::PROVIDER.of(&network).count(time::now()).await?;
    let purpose = Purpose::SignIn {
        invitation: input.invitation,
        pass: None,
    };
    Ok(leads(attempts::begin(&id, purpose, &headers).await?))
}

/// Signs in whoever came back from a provider, once; whoever is new opens an account, where they may.
#[operation(
    post "/api/v1/auth/login/provider",
    refuses(
        token_invalid = "Not known in this browser, used, or run out",
        forbidden = "The account is switched off, or used from other places only (`PLACE_REFUSED`), or none may be opened",
        conflict = "There is an account with this e-mail address: sign in to it, and link the provider there"
    )
)]
pub(crate) async fn login_by_provider(
    headers: HeaderMap,
    Json(input): Json<ProviderLogin>,
) -> Result<FirstStep> {
    let device = Device {
        shown_pass: pass(input.pass)?,
        ..Device::of(&headers).keeping(input.mode)
    };
    let brought = Brought {
        state: &input.state,
        code: &input.code,
        issuer: input.iss.as_deref(),
    };
    let admitted = sign_in::end(&brought, &headers, &device).await?;
    FirstStep::of(admitted, &headers)
}

/// Leads the browser of the caller to a provider, to be linked to whoever they are there.
#[operation(
    post "/api/v1/auth/me/providers/{id}", permission = "account:providers",
    answers = "Where the browser is to go", parameters(id = "The provider's word"),
    refuses(
        not_found = "No provider",
        forbidden = "Whoever asks is not signed in with a session, or has to show once more who they are"
    )
)]
pub(crate) async fn begin_provider_link(
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Leads> {
    require_person(&caller)?;
    confirmation::fresh(&caller).await?;
    let purpose = Purpose::Link {
        user_id: caller.user.to_string(),
    };
    Ok(leads(attempts::begin(&id, purpose, &headers).await?))
}

/// Links the caller, who came back from a provider, to whoever they are there, once.
#[operation(
    post "/api/v1/auth/me/providers", permission = "account:providers", answers = "Linked",
    refuses(
        token_invalid = "Not known in this browser, used, or run out",
        forbidden = "Whoever asks is not signed in with a session",
        conflict = "Whoever that is there is linked to an account already"
    )
)]
pub(crate) async fn link_provider(
    caller: Caller,
    headers: HeaderMap,
    Json(input): Json<ProviderReturn>,
) -> Result<Json<ProviderLink>> {
    let brought = Brought {
        state: &input.state,
        code: &input.code,
        issuer: input.iss.as_deref(),
    };
    Ok(Json(links::end(&caller, &brought, &headers).await?.into()))
}

/// Lists who the caller is to providers.
#[operation(get "/api/v1/auth/me/providers", permission = "account:read", answers = "All of them")]
pub(crate) async fn list_provider_links(caller: Caller) -> Result<Json<ProviderLinks>> {
    let all = links::list(&caller.user).await?.into_iter();
    Ok(Json(ProviderLinks {
        items: all.map(ProviderLink::from).collect(),
    }))
}

/// Unlinks the caller from a provider.
#[operation(
    delete "/api/v1/auth/me/providers/{id}", permission = "account:providers",
    parameters(id = "The link's id"),
    refuses(
        not_found = "No link of the caller",
        forbidden = "Whoever asks is not signed in with a session, or has to show once more who they are"
    )
)]
pub(crate) async fn unlink_provider(caller: Caller, Path(id): Path<String>) -> Result<NoContent> {
    links::remove(&caller, &id).await?;
    Ok(NoContent)
}

fn leads(led: Led) -> Leads {
    let location = LeadsToProvider {
        location: led.location,
    };
    (
        [(header::SET_COOKIE, led.cookie)],
        (NoStore, Json(location)),
    )
}

impl From<Provider> for ProviderView {
    fn from(provider: Provider) -> Self {
        Self {
            id: provider.id,
            preset: provider.preset,
            label: provider.label,
            issuer: provider.issuer,
            client_id: provider.client_id,
            redirect_uri: provider.redirect_uri,
            updated_at: provider.updated_at,
        }
    }
}

impl From<Link> for ProviderLink {
    fn from(link: Link) -> Self {
        Self {
            id: link.id,
            provider: link.provider,
            name: link.name,
            created_at: link.created_at,
            last_used_at: link.last_used_at,
        }
    }
}
