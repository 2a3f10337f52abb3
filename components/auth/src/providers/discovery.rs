//! Where an issuer has what (OpenID Connect Discovery), kept for five minutes; and the keys that it signs with.

use super::configuration::{Preset, Provider};
use super::id_token::Key;
use super::outside::{self, Ask, failed};
use crate::tokens::digest;
use sbd_sdk::{Result, cache};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long it is taken for granted.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// Where an issuer has what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Places {
    issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    /// Of one of OpenID Connect.
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    pub(crate) userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

/// Where a provider has what.
pub(crate) async fn of(provider: &Provider) -> Result<Places> {
    let issuer = &provider.issuer;
    if provider.preset == Preset::Github {
        return Ok(Places {
            issuer: issuer.clone(),
            authorization_endpoint: format!("{issuer}/login/oauth/authorize"),
            token_endpoint: format!("{issuer}/login/oauth/access_token"),
            jwks_uri: None,
            userinfo_endpoint: Some(format!("{}/user", provider.api())),
            token_endpoint_auth_methods_supported: Some(vec!["client_secret_post".to_owned()]),
            authorization_response_iss_parameter_supported: false,
        });
    }
    let kept = format!("provider:{}", digest(issuer));
    if let Some(places) = cache::get(&kept).await? {
        return Ok(places);
    }
    let at = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let said = got(&at).await?;
    let places: Places =
        serde_json::from_value(said).map_err(|error| failed(issuer, &error.to_string()))?;
    places.check(issuer)?;
    cache::set(&kept, &places, KEPT).await?;
    Ok(places)
}

/// The keys that an issuer signs with, as of now.
pub(crate) async fn keys(places: &Places) -> Result<Vec<Key>> {
    let at = places.jwks_uri.as_deref();
    let at = at.ok_or_else(|| failed(&places.issuer, "it names no keys"))?;
    let mut said = got(at).await?;
    // One that is not understood is none, and does not spoil the others.
    let keys = said.get_mut("keys").map(Value::take);
    let keys: Vec<Value> = serde_json::from_value(keys.unwrap_or_default()).unwrap_or_default();
    Ok(keys
        .into_iter()
        .filter_map(|key| serde_json::from_value(key).ok())
        .collect())
}

async fn got(at: &str) -> Result<Value> {
    let ask = Ask {
        to: at,
        authorization: None,
        form: None,
    };
    outside::ask(ask).await
}

// === impl Places ===

impl Places {
    /// It is the issuer that it is taken for, and nothing of it goes over the network in the clear that does not there.
    fn check(&self, issuer: &str) -> Result<()> {
        if self.issuer != issuer {
            return Err(failed(
                issuer,
                &format!("it calls itself `{}`", self.issuer),
            ));
        }
        let places = [&self.authorization_endpoint, &self.token_endpoint].into_iter();
        let places = places.chain(&self.jwks_uri).chain(&self.userinfo_endpoint);
        let is_sound =
            |place: &String| place.starts_with("https://") || issuer.starts_with("http://");
        match places.into_iter().all(is_sound) {
            true => Ok(()),
            false => Err(failed(issuer, "it names addresses that are not https")),
        }
    }

    /// Whether its clients show who they are in the body.
    pub(crate) fn takes_secrets_in_the_body(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_some_and(|methods| !methods.iter().any(|method| method == "client_secret_basic"))
    }
}
