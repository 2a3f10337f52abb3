//! Clients: programs that users may let act for them. Administrators register them, or they do so themselves where
//! the tenant lets them (`policy`).
//!
//! A public client, such as an app, has no secret, which it could not keep; a confidential one has, of which the
//! digest alone is kept. Both show by PKCE that they are who began.

use super::failure::Failure;
use super::grants::{self, GrantId};
use super::parameters::Parameters;
use super::redirect;
use super::scope;
use crate::confirmation;
use crate::store::{OAUTH_CLIENTS, OAUTH_CONSENTS, OAUTH_GRANTS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Scopes, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

id!(pub(crate) ClientId, "ocl", "client");

/// What a client's secret begins with.
const SECRET_PREFIX: &str = "ocs_";
/// Characters of a name at most.
const MAX_NAME: usize = 100;
/// Addresses that a user may be led back to, at most.
const MAX_REDIRECTS: usize = 10;

/// A client, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    #[serde(rename = "_id")]
    pub(crate) id: ClientId,
    pub(crate) name: String,
    /// Its own page.
    #[serde(default)]
    pub(crate) page: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    /// The digest of its secret; none of a public client.
    secret: Option<String>,
    /// What it may ask for at most.
    pub(crate) scopes: Scopes,
    /// The administrator who registered it; none where it did so itself.
    pub(crate) registered_by: Option<String>,
    pub(crate) created_at: Time,
    /// Until a first user consents, of one that registered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Time>,
}

/// What a client is to be.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) page: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) confidential: bool,
    pub(crate) scopes: Scopes,
}

/// What the list of clients is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientSort {
    /// When they were registered.
    #[default]
    CreatedAt,
    /// What they are called.
    Name,
}

/// Registers a client for an administrator; answers its secret, if it has one, which is never shown again.
pub(crate) async fn register(by: &Caller, wanted: Wanted) -> Result<(Client, Option<String>)> {
    super::require_person(by)?;
    let (client, secret) = made(wanted, Some(by.user.to_string()), None)?;
    if secret.is_some() {
        confirmation::fresh(by).await?;
    }
    stored(&client).await?;
    Ok((client, secret))
}

/// Stores a new client, which is recorded.
pub(crate) async fn stored(client: &Client) -> Result<()> {
    let told = json!({
        "client_id": client.id, "name": client.name, "redirect_uris": client.redirect_uris,
        "scopes": client.scopes, "by": client.registered_by,
    });
    Transaction::new()
        .insert(&OAUTH_CLIENTS, client)
        .audit(client.id.as_str(), "client.registered", &told)
        .commit()
        .await?;
    Ok(())
}

/// A client of these, if they are in order.
pub(crate) fn made(
    wanted: Wanted,
    registered_by: Option<String>,
    expires_at: Option<Time>,
) -> Result<(Client, Option<String>)> {
    let name = wanted.name.trim().to_owned();
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(is_invisible) {
        return Err(Error::validation(
            "name",
            "1 to 100 characters, on one line",
        ));
    }
    let is_page = |page: &String| page.starts_with("https://") && redirect::is_registrable(page);
    if wanted.page.as_ref().is_some_and(|page| !is_page(page)) {
        return Err(Error::validation(
            "page",
            "an address like `https://app.example`",
        ));
    }
    let redirects = &wanted.redirect_uris;
    if redirects.len() > MAX_REDIRECTS {
        return Err(Error::validation("redirect_uris", "10 addresses at most"));
    }
    if let Some(at) = redirects
        .iter()
        .position(|uri| !redirect::is_registrable(uri))
    {
        return Err(Error::validation(
            format!("redirect_uris[{at}]"),
            redirect::WRONG,
        ));
    }
    if scope::written(&wanted.scopes).is_empty() {
        return Err(Error::validation("scopes", "1 to 50 scopes"));
    }
    let secret = match wanted.confidential {
        true => Some(format!(
            "{SECRET_PREFIX}{}",
            URL_SAFE_NO_PAD.encode(tokens::random()?)
        )),
        false => None,
    };
    let client = Client {
        id: ClientId::new(),
        name,
        page: wanted.page,
        redirect_uris: wanted.redirect_uris,
        secret: secret.as_deref().map(tokens::digest),
        scopes: wanted.scopes,
        registered_by,
        created_at: time::now(),
        expires_at,
    };
    Ok((client, secret))
}

/// What breaks a line, or turns the direction in which a name is read.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A page of the tenant's clients.
pub(crate) async fn list(listing: &Listing<ClientSort>) -> Result<Page<Client>> {
    OAUTH_CLIENTS.find(json!({})).page(listing).await
}

/// Another secret for a confidential client; the one before is worth nothing.
pub(crate) async fn renew_secret(by: &Caller, id: &ClientId) -> Result<String> {
    super::require_person(by)?;
    confirmation::fresh(by).await?;
    let secret = format!(
        "{SECRET_PREFIX}{}",
        URL_SAFE_NO_PAD.encode(tokens::random()?)
    );
    let told = json!({"client_id": id, "by": by.user});
    let change = Transaction::new()
        .update_one(
            &OAUTH_CLIENTS,
            json!({"_id": id, "secret": {"$ne": null}}),
            json!({"$set": {"secret": tokens::digest(&secret)}}),
        )
        .audit(id.as_str(), "client.secret_renewed", &told);
    match change.commit().await {
        Ok(_) => Ok(secret),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("confidential client")),
        Err(error) => Err(error.into()),
    }
}

/// Removes a client, and with it all that users have granted to it; answers what ended.
pub(crate) async fn remove(by: &Caller, id: &ClientId) -> Result<Vec<GrantId>> {
    super::require_person(by)?;
    let ended = grants::of(json!({"client_id": id})).await?;
    let told = json!({"client_id": id, "by": by.user, "grants": ended.len()});
    let change = Transaction::new()
        .delete_one(&OAUTH_CLIENTS, json!({"_id": id}))
        .delete_many(&OAUTH_CONSENTS, json!({"client_id": id}))
        .delete_many(&OAUTH_GRANTS, json!({"client_id": id}))
        .audit(id.as_str(), "client.removed", &told);
    match change.commit().await {
        Ok(_) => Ok(ended),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("client")),
        Err(error) => Err(error.into()),
    }
}

/// A client that is registered, and still is.
pub(crate) async fn found(id: &str) -> Result<Option<Client>> {
    if !id::is("ocl", id) {
        return Ok(None);
    }
    let now = time::now();
    let client = OAUTH_CLIENTS.get(id).await?;
    Ok(client.filter(|client| client.expires_at.is_none_or(|end| now < end)))
}

/// The client that a request is of: a confidential one shows so by its secret.
pub(crate) async fn authenticated(fields: &Parameters) -> Result<Client, Failure> {
    let unknown = || fields.unknown_client();
    let id = fields.get("client_id").ok_or_else(unknown)?;
    let client = found(id).await?.ok_or_else(unknown)?;
    match client.is_shown_by(fields.get("client_secret")) {
        true => Ok(client),
        false => Err(unknown()),
    }
}

// === impl Client ===

impl Client {
    /// Whether it has a secret.
    pub(crate) fn is_confidential(&self) -> bool {
        self.secret.is_some()
    }

    /// Whether this is its secret; none of a public client.
    fn is_shown_by(&self, secret: Option<&str>) -> bool {
        match (&self.secret, secret) {
            (None, None) => true,
            (Some(digest), Some(secret)) => {
                let given = tokens::digest(secret);
                digest.as_bytes().ct_eq(given.as_bytes()).into()
            }
            _ => false,
        }
    }

    /// Whether its users may be led back there.
    pub(crate) fn leads_to(&self, uri: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|one| redirect::matches(one, uri))
    }

    /// What it asks for with this `scope`, or without one.
    pub(crate) fn asks(&self, scope: Option<&str>) -> Result<Scopes, Failure> {
        let scopes = match scope {
            Some(scope) => scope::read(scope)?,
            None => self.scopes.clone(),
        };
        match scope::within(&scopes, &self.scopes) {
            true => Ok(scopes),
            false => Err(Failure::new(
                "invalid_scope",
                format!(
                    "this client may ask for `{}` at most",
                    scope::written(&self.scopes)
                ),
            )),
        }
    }
}

impl Sort for ClientSort {
    const ITEMS: &'static str = "clients";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Name => "name",
        }
    }
}
