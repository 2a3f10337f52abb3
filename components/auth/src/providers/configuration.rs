//! Which issuers a tenant's users may sign in by: administrators say so. The secret that a client has with one is
//! sealed.

use crate::confirmation;
use crate::oauth::{redirect, require_person};
use crate::store::PROVIDERS;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, vault};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// What secrets are sealed for.
const PURPOSE: &str = "provider-secret";
/// Providers of a tenant at most.
const MOST: u32 = 20;
/// Characters of what one is called, at most.
const MAX_LABEL: usize = 50;
/// Bytes of an id and a secret, at most.
const MAX_CREDENTIAL: usize = 2000;
/// Where browsers are led back to, unless something else is said.
pub(crate) const PAGE: &str = "/account/provider";
const GITHUB: &str = "https://github.com";

/// How an issuer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    /// OpenID Connect, by its discovery.
    Oidc,
    /// The same, of Google.
    Google,
    /// OAuth as GitHub speaks it; with an `issuer`, of a GitHub Enterprise Server there.
    Github,
}

/// A provider, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Provider {
    /// A word, which stands in addresses.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) preset: Preset,
    /// What users are shown.
    pub(crate) label: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    /// Sealed.
    secret: String,
    /// Where browsers are led back to, if it is not our own page.
    pub(crate) redirect_uri: Option<String>,
    pub(crate) updated_at: Time,
}

/// What a provider is to be.
pub(crate) struct Wanted {
    pub(crate) preset: Preset,
    pub(crate) label: String,
    pub(crate) issuer: Option<String>,
    pub(crate) client_id: String,
    /// The one there is stays, without one.
    pub(crate) client_secret: Option<String>,
    pub(crate) redirect_uri: Option<String>,
}

/// All providers of the tenant, by their words.
pub(crate) async fn list() -> Result<Vec<Provider>> {
    let all = PROVIDERS
        .find(json!({}))
        .sort(json!({"_id": 1}))
        .limit(MOST);
    Ok(all.fetch().await?.documents)
}

/// A provider.
pub(crate) async fn get(id: &str) -> Result<Provider> {
    let provider = PROVIDERS.get(id).await?;
    provider.ok_or_else(|| Error::not_found("provider"))
}

/// Says what a provider is, which is recorded, but for its secret.
pub(crate) async fn set(by: &Caller, id: &str, wanted: Wanted) -> Result<Provider> {
    require_person(by)?;
    let issuer = checked(id, &wanted)?;
    confirmation::fresh(by).await?;
    let before = PROVIDERS.get(id).await?;
    if before.is_none() && too_many(list().await?.len()) {
        return Err(Error::conflict("there are 20 providers; remove one first"));
    }
    let secret = match (&wanted.client_secret, before) {
        (Some(secret), _) => vault::encrypt(PURPOSE, id, secret).await?,
        (None, Some(before)) => before.secret,
        (None, None) => return Err(Error::validation("client_secret", "is missing")),
    };
    let provider = Provider {
        id: id.to_owned(),
        preset: wanted.preset,
        label: wanted.label.trim().to_owned(),
        issuer,
        client_id: wanted.client_id,
        secret,
        redirect_uri: wanted.redirect_uri,
        updated_at: time::now(),
    };
    let told = json!({"provider": id, "issuer": provider.issuer, "client_id": provider.client_id, "by": by.user});
    let change = Transaction::new()
        .delete_many(&PROVIDERS, json!({"_id": id}))
        .insert(&PROVIDERS, &provider)
        .audit(id, "provider.changed", &told);
    match change.commit().await {
        Ok(_) => Ok(provider),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "somebody else changed it at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

fn too_many(count: usize) -> bool {
    u32::try_from(count).is_ok_and(|count| count >= MOST)
}

/// The issuer, if all is in order.
fn checked(id: &str, wanted: &Wanted) -> Result<String> {
    let label = wanted.label.trim();
    if !(1..=MAX_LABEL).contains(&label.chars().count()) || label.chars().any(char::is_control) {
        return Err(Error::validation(
            "label",
            "1 to 50 characters, on one line",
        ));
    }
    let right = 1..=MAX_CREDENTIAL;
    if !right.contains(&wanted.client_id.len()) {
        return Err(Error::validation("client_id", "1 to 2000 bytes"));
    }
    if wanted
        .client_secret
        .as_ref()
        .is_some_and(|secret| !right.contains(&secret.len()))
    {
        return Err(Error::validation("client_secret", "1 to 2000 bytes"));
    }
    if wanted
        .redirect_uri
        .as_ref()
        .is_some_and(|uri| !redirect::is_registrable(uri))
    {
        return Err(Error::validation("redirect_uri", redirect::WRONG));
    }
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=30).contains(&id.len()) || !id.bytes().all(is_word) {
        return Err(Error::validation(
            "id",
            "1 to 30 characters out of a-z, 0-9 and `-`",
        ));
    }
    let issuer = match (wanted.preset, wanted.issuer.as_deref()) {
        (Preset::Google, None) => "https://accounts.google.com",
        (Preset::Github, None) => GITHUB,
        (Preset::Google, Some(_)) => return Err(Error::validation("issuer", "is known of Google")),
        (Preset::Oidc, None) => return Err(Error::validation("issuer", "is missing")),
        (_, Some(issuer)) => issuer,
    };
    // Over https, or of a test on the same machine.
    let is_issuer =
        issuer.starts_with("http") && redirect::is_registrable(issuer) && !issuer.contains('?');
    match is_issuer {
        true => Ok(issuer.to_owned()),
        false => Err(Error::validation(
            "issuer",
            "an address like `https://login.example`",
        )),
    }
}

/// Removes a provider: nobody signs in by it any more. Links to it stay, for whoever sets it up again.
pub(crate) async fn remove(by: &Caller, id: &str) -> Result<()> {
    require_person(by)?;
    // Whatever is asked for, only what is there has a name that can be recorded.
    let Provider { id, .. } = &get(id).await?;
    let told = json!({"provider": id, "by": by.user});
    let change = Transaction::new()
        .delete_one(&PROVIDERS, json!({"_id": id}))
        .audit(id, "provider.removed", &told);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("provider")),
        Err(error) => Err(error.into()),
    }
}

// === impl Provider ===

impl Provider {
    /// The secret that this server has with it.
    pub(crate) async fn secret(&self) -> Result<String> {
        let opened = vault::decrypt(PURPOSE, &self.id, &self.secret).await?;
        opened.text().ok_or_else(|| {
            Error::internal(format_args!(
                "the secret of provider `{}` does not open; set it again",
                self.id
            ))
        })
    }

    /// Where a browser is led back to.
    pub(crate) fn leads_back(&self, origin: &str) -> String {
        match &self.redirect_uri {
            Some(uri) => uri.clone(),
            None => format!("{origin}{PAGE}"),
        }
    }

    /// Where the API of one is that speaks as GitHub does.
    pub(crate) fn api(&self) -> String {
        match self.issuer == GITHUB {
            true => "https://api.github.com".to_owned(),
            false => format!("{}/api/v3", self.issuer),
        }
    }
}
