//! `/tenants/{name}/mail/templates`

use super::answers::{Body, By, Failure};
use crate::Admin;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use sbd_mail::{OwnTemplate, Template};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a mail says in a tenant, in place of what its component says.
#[derive(Serialize, ToSchema)]
pub(crate) struct MailTemplate {
    /// The component whose mails it is for.
    component: String,
    /// What the component calls it.
    template: String,
    /// The language.
    language: String,
    #[serde(flatten)]
    content: MailContent,
}

/// What a mail says.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailContent {
    /// One line.
    subject: String,
    /// The text.
    text: String,
    /// The same as HTML.
    html: Option<String>,
}

impl From<OwnTemplate> for MailTemplate {
    fn from(own: OwnTemplate) -> Self {
        Self {
            component: own.component,
            template: own.name,
            language: own.template.language,
            content: MailContent {
                subject: own.template.subject,
                text: own.template.text,
                html: own.template.html,
            },
        }
    }
}

/// Lists the mail templates that a tenant was given.
#[utoipa::path(get, path = "/tenants/{name}/mail/templates", responses((status = 200, body = Vec<MailTemplate>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Vec<MailTemplate>>, Failure> {
    let templates = admin.mail_templates(&name).await?.into_iter();
    Ok(Json(templates.map(MailTemplate::from).collect()))
}

/// Gives a tenant a mail template in place of a component's own.
#[utoipa::path(put, path = "/tenants/{name}/mail/templates/{component}/{template}/{language}", request_body = MailContent, responses((status = 204)))]
pub(crate) async fn set(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, component, template, language)): Path<(String, String, String, String)>,
    Body(content): Body<MailContent>,
) -> Result<StatusCode, Failure> {
    let own = OwnTemplate {
        component,
        name: template,
        template: Template {
            language,
            subject: content.subject,
            text: content.text,
            html: content.html,
        },
    };
    admin.set_mail_template(&actor, &name, own).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a mail to the component's own template again.
#[utoipa::path(delete, path = "/tenants/{name}/mail/templates/{component}/{template}/{language}", responses((status = 204)))]
pub(crate) async fn remove(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, component, template, language)): Path<(String, String, String, String)>,
) -> Result<StatusCode, Failure> {
    let which = [component.as_str(), &template, &language];
    admin.remove_mail_template(&actor, &name, which).await?;
    Ok(StatusCode::NO_CONTENT)
}
