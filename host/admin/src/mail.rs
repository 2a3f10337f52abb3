//! What mails say, where an operator says otherwise than a component.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_mail::OwnTemplate;
use sbd_registry::Actor;
use serde_json::Value;

impl Admin {
    /// The mail templates that a tenant was given, in the order of their names.
    ///
    /// # Errors
    /// When there is no such tenant, or one cannot be read.
    pub async fn mail_templates(&self, tenant: &str) -> Result<Vec<OwnTemplate>, Error> {
        let tenant = self.registry.tenants.find(tenant)?;
        let mailer = self.runtime.mailer();
        Ok(mailer.templates(tenant.name.shared()).await?)
    }

    /// Gives a tenant a mail template in place of a component's own, from the next mail on.
    ///
    /// # Errors
    /// When there is no such tenant, or the template cannot be read.
    pub async fn set_mail_template(
        &self,
        actor: &Actor,
        tenant: &str,
        own: OwnTemplate,
    ) -> Result<(), Error> {
        let language = &own.template.language;
        let target = format!("{tenant}/{}/{}/{language}", own.component, own.name);
        let set = async {
            let tenant = self.registry.tenants.changeable(tenant)?;
            let mailer = self.runtime.mailer();
            Ok(mailer.set_template(tenant.name.shared(), own).await?)
        };
        self.act(actor, "mail.set-template", &target, Value::Null, set)
            .await
    }

    /// Leaves a mail to the component's own template again.
    ///
    /// # Errors
    /// When there is no such tenant or template.
    pub async fn remove_mail_template(
        &self,
        actor: &Actor,
        tenant: &str,
        [component, name, language]: [&str; 3],
    ) -> Result<(), Error> {
        let target = format!("{tenant}/{component}/{name}/{language}");
        let remove = async {
            let tenant = self.registry.tenants.changeable(tenant)?;
            let mailer = self.runtime.mailer();
            let tenant = tenant.name.shared();
            let removed = mailer.remove_template(tenant, component, name, language);
            match removed.await? {
                true => Ok(()),
                false => Err(Error::new(
                    StatusCode::NOT_FOUND,
                    "UNKNOWN_TEMPLATE",
                    format!(
                        "`{component}/{name}` has no template in `{language}` here; `sbd mail templates list` has those there are"
                    ),
                )),
            }
        };
        self.act(actor, "mail.remove-template", &target, Value::Null, remove)
            .await
    }
}

impl From<sbd_mail::Error> for Error {
    fn from(error: sbd_mail::Error) -> Self {
        let message = error.to_string();
        match error {
            sbd_mail::Error::Invalid(_) => Self::invalid(message),
            _ => Self::unavailable(message),
        }
    }
}
