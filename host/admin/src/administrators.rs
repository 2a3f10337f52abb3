//! Making administrators. The rules are the auth component's; here is only the way to it.

use crate::{Admin, Error};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use sbd_registry::Actor;
use sbd_runtime::{Call, body};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;
use utoipa::ToSchema;

/// What the auth component needs to know.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdministrator {
    /// The e-mail address.
    pub email: String,
    /// The user name; made from the address when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, if the account is new.
    pub password: String,
}

impl fmt::Debug for NewAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAdministrator")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Makes an administrator of a tenant, or gives an existing account the role; answers what became
    /// of it in words.
    ///
    /// # Errors
    /// The auth component's refusal; there is no such tenant, or no auth component.
    pub async fn create_administrator(
        &self,
        actor: &Actor,
        tenant: &str,
        new: &NewAdministrator,
    ) -> Result<String, Error> {
        let details = json!({"email": new.email});
        let create = self.ask_for_administrator(tenant, new);
        self.act(actor, "administrator.create", tenant, details, create)
            .await
    }

    async fn ask_for_administrator(
        &self,
        tenant: &str,
        new: &NewAdministrator,
    ) -> Result<String, Error> {
        let tenant = self.registry.tenants.changeable(tenant)?;
        let application = self.runtime.application();
        let Some(auth) = application.app().settings.auth.as_deref() else {
            return Err(Error::invalid(
                "this application has no auth component; name one in spin.toml: [application.tool.sbd] auth = \"NAME\"",
            ));
        };
        let call = Call {
            tenant: tenant.name.shared().clone(),
            component: auth.into(),
            request_id: "req_administrator".into(),
            caller: None,
        };
        let unasked = |error: &dyn fmt::Display| {
            Error::unavailable(format!("the auth component did not answer: {error}"))
        };
        let json = serde_json::to_vec(new).map_err(|error| unasked(&error))?;
        let request = Request::post("/-/administrators")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body::full(json))
            .map_err(|error| unasked(&error))?;
        let response = application.invoke(call, request).await;
        let response = response.map_err(|error| unasked(&error))?;
        let status = response.status();
        let answer = response.into_body().collect().await;
        let answer = answer.map_err(|error| unasked(&error))?.to_bytes();
        match status {
            StatusCode::CREATED => Ok(format!("{} is now an administrator.", new.email)),
            StatusCode::OK => Ok(format!(
                "{} existed and is now an administrator; the password is unchanged.",
                new.email
            )),
            StatusCode::NOT_FOUND => Err(Error::invalid(format!(
                "component `{auth}` cannot make administrators: it has no POST /-/administrators"
            ))),
            _ => Err(Error::invalid(refusal(&answer))),
        }
    }
}

/// The sentences in a standard error body.
fn refusal(answer: &[u8]) -> String {
    let error: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = error
        .pointer("/error/message")
        .and_then(|message| message.as_str());
    let mut text = message.unwrap_or("the auth component refused").to_owned();
    for detail in error
        .pointer("/error/details")
        .and_then(|details| details.as_array())
        .into_iter()
        .flatten()
    {
        let part = |name: &str| {
            detail
                .get(name)
                .and_then(|part| part.as_str())
                .unwrap_or_default()
        };
        text.push_str(&format!("\n  {}: {}", part("field"), part("message")));
    }
    text
}
