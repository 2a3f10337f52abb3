//! Making administrators. The rules are the auth component's; here is only the way to it.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_contract::{ErrorBody, path};
use sbd_registry::Actor;
use sbd_runtime::{Call, Class, InvokeError, Question};
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
    /// Whether the tenant's accounts are to be used from any network again: administrators have shut themselves out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_anywhere: bool,
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
        let details = json!({"email": new.email, "from_anywhere": new.from_anywhere});
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
            class: Class::Authentication,
            principal: None,
        };
        let unasked = |error: InvokeError| {
            Error::unavailable(format!("the auth component did not answer: {error}"))
        };
        let question = Question::post(path::ADMINISTRATORS, new).map_err(unasked)?;
        let reply = application.ask(call, question).await.map_err(unasked)?;
        let lifted = match new.from_anywhere {
            true => " Accounts are used from any network again.",
            false => "",
        };
        match reply.status {
            StatusCode::CREATED => Ok(format!("{} is now an administrator.{lifted}", new.email)),
            StatusCode::OK => Ok(format!(
                "{} existed and is now an administrator; the password is unchanged.{lifted}",
                new.email
            )),
            StatusCode::NOT_FOUND => Err(Error::invalid(format!(
                "component `{auth}` cannot make administrators: it has no POST {}",
                path::ADMINISTRATORS
            ))),
            _ => Err(Error::invalid(refusal(&reply.body))),
        }
    }
}

/// The sentences in a standard error body.
fn refusal(answer: &[u8]) -> String {
    let Ok(ErrorBody { error }) = serde_json::from_slice(answer) else {
        return "the auth component refused".to_owned();
    };
    let details = error.details.iter();
    let details = details.map(|detail| format!("\n  {}: {}", detail.field, detail.message));
    std::iter::once(error.message).chain(details).collect()
}
