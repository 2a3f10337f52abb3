//! Who a user is to a provider, asked with the code that the browser brought.

use super::configuration::{Preset, Provider};
use super::discovery::{self, Places};
use super::id_token::{self, Expected};
use super::outside::{self, Ask, failed};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sbd_sdk::{Error, Result, time};
use serde_json::Value;

/// Who a user is to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What the issuer calls them, for ever.
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// Whether the issuer has seen that they read what is sent there.
    pub(crate) email_verified: bool,
    /// What they like to be called.
    pub(crate) name: Option<String>,
}

/// What the sign-in began with.
pub(crate) struct Begun<'a> {
    pub(crate) redirect_uri: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) verifier: &'a str,
}

/// Trades the code for who that is.
pub(crate) async fn of(provider: &Provider, code: &str, begun: &Begun<'_>) -> Result<Identity> {
    let places = discovery::of(provider).await?;
    let tokens = traded(provider, &places, code, begun).await?;
    let access = text(&tokens, "access_token").unwrap_or_default();
    match provider.preset {
        Preset::Github => as_github_says(provider, &access).await,
        Preset::Oidc | Preset::Google => {
            let token = text(&tokens, "id_token");
            let token = token.ok_or_else(|| failed(&provider.issuer, "it answers no ID token"))?;
            as_signed(provider, &places, &token, &access, begun.nonce).await
        }
    }
}

async fn traded(
    provider: &Provider,
    places: &Places,
    code: &str,
    begun: &Begun<'_>,
) -> Result<Value> {
    let secret = provider.secret().await?;
    let in_the_body = places.takes_secrets_in_the_body();
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", begun.redirect_uri),
        ("code_verifier", begun.verifier),
        ("client_id", &provider.client_id),
    ];
    fields.extend(in_the_body.then_some(("client_secret", &*secret)));
    let ask = Ask {
        to: &places.token_endpoint,
        authorization: (!in_the_body).then(|| basic(&provider.client_id, &secret)),
        form: Some(encoded(&fields)),
    };
    let said = outside::ask(ask).await?;
    match text(&said, "error") {
        None => Ok(said),
        // A code that was made up is no fault of the provider's.
        Some(error) if error == "invalid_grant" || error == "bad_verification_code" => {
            Err(unknown())
        }
        Some(error) => Err(failed(&provider.issuer, &error)),
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

/// As RFC 6749 has it, 2.3.1: both are form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", STANDARD.encode(both))
}

async fn as_signed(
    provider: &Provider,
    places: &Places,
    token: &str,
    access: &str,
    nonce: &str,
) -> Result<Identity> {
    let keys = discovery::keys(places).await?;
    let expected = Expected {
        issuer: &provider.issuer,
        client_id: &provider.client_id,
        nonce,
        now: time::now(),
    };
    let claims = id_token::verified(token, &keys, &expected)
        .map_err(|wrong| failed(&provider.issuer, &format!("the ID token: {wrong}")))?;
    let mut about = claims.about;
    // Many say there no more than who it is.
    if let (None, Some(at)) = (text(&about, "email"), &places.userinfo_endpoint) {
        let more = asked(at, access).await?;
        if text(&more, "sub").as_deref() == Some(&*claims.sub) {
            about = more;
        }
    }
    Ok(Identity {
        subject: claims.sub,
        email: text(&about, "email"),
        email_verified: matches!(about.get("email_verified"), Some(Value::Bool(true)))
            || text(&about, "email_verified").as_deref() == Some("true"),
        name: text(&about, "preferred_username").or_else(|| text(&about, "name")),
    })
}

async fn as_github_says(provider: &Provider, access: &str) -> Result<Identity> {
    let api = provider.api();
    let user = asked(&format!("{api}/user"), access).await?;
    let id = user.get("id").and_then(Value::as_u64);
    let id = id.ok_or_else(|| failed(&provider.issuer, "it does not say who that is"))?;
    let addresses = asked(&format!("{api}/user/emails"), access).await?;
    let primary = addresses.as_array().into_iter().flatten();
    let primary = primary
        .into_iter()
        .find(|one| one.get("primary") == Some(&Value::Bool(true)));
    Ok(Identity {
        subject: id.to_string(),
        email: primary.and_then(|one| text(one, "email")),
        email_verified: primary.is_some_and(|one| one.get("verified") == Some(&Value::Bool(true))),
        name: text(&user, "login"),
    })
}

async fn asked(at: &str, access: &str) -> Result<Value> {
    let ask = Ask {
        to: at,
        authorization: Some(format!("Bearer {access}")),
        form: None,
    };
    outside::ask(ask).await
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// What a browser brings that is nothing.
pub(crate) fn unknown() -> Error {
    Error::token_invalid(
        "this sign-in is not known in this browser, was used, or has run out; begin it again",
    )
}
