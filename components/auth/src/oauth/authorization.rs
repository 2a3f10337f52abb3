//! What a client asks a user for, in the browser: the request waits until the user has decided, and the browser is led
//! back to the client with a code, or with why there is none.
//!
//! A browser is led nowhere but where the client is registered for: whoever names another address is told so here.

use super::clients::{self, Client, ClientId};
use super::codes::{self, For};
use super::consents;
use super::failure::Failure;
use super::parameters::Parameters;
use super::redirect;
use crate::store::{OAUTH_CODES, OAUTH_REQUESTS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, Scopes, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

id!(pub(crate) RequestId, "oar", "request");

/// Where the user decides.
const PAGE: &str = "/account/consent?request=";
/// How long a request waits: signing in takes its time.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Bytes of a state at most.
const MAX_STATE: usize = 2000;

/// A request, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "_id")]
    pub(crate) id: RequestId,
    pub(crate) client_id: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Scopes,
    state: Option<String>,
    challenge: String,
    /// What the server called itself to whoever asks.
    issuer: String,
    pub(crate) expires_at: Time,
}

/// Who asks a user for what.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) client: Client,
    /// What the user can grant of it.
    pub(crate) grantable: Scopes,
    /// What they have granted the client before.
    pub(crate) granted: Option<Scopes>,
}

/// Takes a request; answers where the browser is to go: to the page where the user decides, or back to the client with
/// what is wrong.
///
/// # Errors
/// Where nobody is known whom the browser could be led back to.
pub(crate) async fn begin(fields: &Parameters, issuer: &str) -> Result<String> {
    let client = match fields.get("client_id") {
        Some(id) => clients::found(id).await?,
        None => None,
    };
    let client = client.ok_or_else(|| {
        Error::malformed(
            "no client has this `client_id`; whoever sent you here must register first",
        )
    })?;
    let redirect_uri = fields
        .get("redirect_uri")
        .filter(|uri| client.leads_to(uri));
    let redirect_uri = redirect_uri.ok_or_else(|| {
        Error::malformed("the client is not registered for this `redirect_uri`; it must be the same to the letter")
    })?;
    let asked = match fields.check() {
        Ok(()) => asked(&client, redirect_uri, fields, issuer),
        Err(failure) => Err(failure),
    };
    match asked {
        Ok(request) => {
            OAUTH_REQUESTS.insert(&request).await?;
            Ok(format!("{PAGE}{}", request.id))
        }
        Err(failure) => Ok(refused(redirect_uri, &failure, fields.get("state"), issuer)),
    }
}

/// The request, if it is in order.
fn asked(
    client: &Client,
    redirect_uri: &str,
    fields: &Parameters,
    issuer: &str,
) -> Result<Request, Failure> {
    if fields.required("response_type")? != "code" {
        return Err(Failure::new(
            "unsupported_response_type",
            "`code` is the one there is",
        ));
    }
    if fields
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(Failure::request(
            "`response_mode`: `query` is the one there is",
        ));
    }
    if fields.get("request").is_some() || fields.get("request_uri").is_some() {
        return Err(Failure::new(
            "request_not_supported",
            "send the fields themselves",
        ));
    }
    let challenge = fields.required("code_challenge")?;
    if fields.get("code_challenge_method") != Some("S256") || !codes::is_challenge(challenge) {
        return Err(Failure::request(
            "`code_challenge_method` is `S256`, and `code_challenge` is made by it",
        ));
    }
    if fields
        .get("state")
        .is_some_and(|state| state.len() > MAX_STATE)
    {
        return Err(Failure::request("`state` has 2000 bytes at most"));
    }
    require_own(fields, issuer)?;
    Ok(Request {
        id: RequestId::new(),
        client_id: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes: client.asks(fields.get("scope"))?,
        state: fields.get("state").map(str::to_owned),
        challenge: challenge.to_owned(),
        issuer: issuer.to_owned(),
        expires_at: time::now() + GOOD_FOR,
    })
}

/// Whoever says where the token will be used (RFC 8707) says so of this server.
pub(crate) fn require_own(fields: &Parameters, issuer: &str) -> Result<(), Failure> {
    let is_own = |resource: &str| {
        let rest = resource.strip_prefix(issuer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !resource.contains('#')
    };
    match fields.get("resource").is_none_or(is_own) {
        true => Ok(()),
        false => Err(Failure::new(
            "invalid_target",
            "`resource` is none of this server's",
        )),
    }
}

/// Where the browser goes that has no code to bring.
fn refused(redirect_uri: &str, failure: &Failure, state: Option<&str>, issuer: &str) -> String {
    let mut fields = vec![
        ("error", failure.code),
        ("error_description", &*failure.description),
    ];
    fields.extend(state.map(|state| ("state", state)));
    // That it was this server which answers (RFC 9207).
    fields.push(("iss", issuer));
    redirect::with(redirect_uri, &fields)
}

/// Who asks for what; for whoever is signed in.
pub(crate) async fn request(caller: &Caller, id: &RequestId) -> Result<Asked> {
    let user = consents::user(caller).await?;
    let (request, client) = waiting(id).await?;
    let granted = consents::before(&user.id, &client.id).await?;
    Ok(Asked {
        grantable: consents::grantable(&user, &request.scopes),
        granted: granted.map(|consent| consent.scopes),
        request,
        client,
    })
}

/// A request that waits, and whose it is.
async fn waiting(id: &RequestId) -> Result<(Request, Client)> {
    let gone = || Error::not_found("request");
    let now = time::now();
    let request = OAUTH_REQUESTS.get(id.as_str()).await?;
    let request = request
        .filter(|request| now < request.expires_at)
        .ok_or_else(gone)?;
    let client = clients::found(request.client_id.as_str()).await?;
    Ok((request, client.ok_or_else(gone)?))
}

/// The user consents; answers where the browser is to go, which brings the code.
pub(crate) async fn consent(
    caller: &Caller,
    id: &RequestId,
    scopes: Vec<String>,
) -> Result<String> {
    let user = consents::user(caller).await?;
    let (request, client) = waiting(id).await?;
    let scopes = consents::granted(&user, &request.scopes, scopes)?;
    let (code, stored) = codes::new(For {
        client_id: &client.id,
        user_id: &user.id,
        redirect_uri: &request.redirect_uri,
        challenge: &request.challenge,
        scopes: scopes.clone(),
    })?;
    let change = Transaction::new()
        .delete_one(&OAUTH_REQUESTS, json!({"_id": id}))
        .insert(&OAUTH_CODES, &stored);
    let change = consents::given(change, &user, &client, &scopes).await?;
    decided(change).await?;
    let mut fields = vec![("code", &*code)];
    fields.extend(request.state.as_deref().map(|state| ("state", state)));
    fields.push(("iss", &request.issuer));
    Ok(redirect::with(&request.redirect_uri, &fields))
}

/// The user does not consent; answers where the browser is to go.
pub(crate) async fn deny(caller: &Caller, id: &RequestId) -> Result<String> {
    let user = consents::user(caller).await?;
    let (request, client) = waiting(id).await?;
    let told = json!({"client_id": client.id, "scopes": request.scopes});
    let change = Transaction::new()
        .delete_one(&OAUTH_REQUESTS, json!({"_id": id}))
        .audit(&user.id, "consent.denied", &told);
    decided(change).await?;
    let failure = Failure::denied("the user does not consent");
    Ok(refused(
        &request.redirect_uri,
        &failure,
        request.state.as_deref(),
        &request.issuer,
    ))
}

async fn decided(change: Transaction) -> Result<()> {
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("request")),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "you have just consented to this client elsewhere; try again",
        )),
        Err(error) => Err(error.into()),
    }
}
