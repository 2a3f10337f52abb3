//! What sends the mails of all tenants.

use crate::compose::{Head, compose};
use crate::limits::{self, Hourly};
use crate::{
    Error, Files, Message, OwnTemplate, Sender, Settings, Smtp, Template, Transport, files,
    own_templates,
};
use sbd_mail_templates::{Rendered, nearest, render};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What sends the mails of all tenants.
pub struct Mailer {
    transport: Arc<dyn Transport>,
    from: Sender,
    hourly: Hourly,
    /// `mail` in the data directory, with a folder for each tenant.
    folder: PathBuf,
}

// === impl Mailer ===

impl Mailer {
    /// A mailer for a data directory: through the server of the settings, or into files. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// When something about the server is wrong. Whether it answers, the first mail finds out.
    pub fn open(data_dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let folder = data_dir.join("mail");
        let transport: Arc<dyn Transport> = match &settings.server {
            Some(server) => Arc::new(Smtp::new(server, &settings.from)?),
            None => Arc::new(Files::new(folder.clone())),
        };
        Ok(Self {
            transport,
            from: settings.from.clone(),
            hourly: Hourly::new(settings.per_hour),
            folder,
        })
    }

    /// The same with something else that takes the mails away.
    #[must_use]
    pub fn over(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport, ..self }
    }

    /// Sends a mail of a tenant's component, and returns when it was taken.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn send(
        &self,
        tenant: &Arc<str>,
        component: &str,
        message: &Message,
    ) -> Result<(), Error> {
        limits::check(message)?;
        let said = self.said(tenant, component, message).await?;
        let head = Head {
            from: &self.from,
            to: &message.to,
            reply_to: message.reply_to.as_deref(),
            id: [tenant, component, &message.id],
        };
        let mail = compose(&head, said)?;
        self.hourly.count(tenant)?;
        self.transport.take(tenant, mail).await
    }

    /// What a mail says. An operator's template stands before the component's own in its language; where
    /// it does not do, the component's own does, and the log says why.
    async fn said(
        &self,
        tenant: &str,
        component: &str,
        message: &Message,
    ) -> Result<Rendered, Error> {
        let folder = self.folder.join(tenant);
        let theirs = own_templates::of(&folder, component, &message.template).await;
        if !theirs.is_empty() {
            let merged = merged(&message.templates, theirs);
            if let Some(template) = nearest(&merged, &message.language)
                && !message.templates.contains(template)
            {
                match render(template, &message.values) {
                    Ok(said) => return Ok(said),
                    Err(error) => tracing::warn!(
                        tenant, component, template = message.template, language = template.language, %error,
                        "the operator's mail template cannot be used; the component's own is"
                    ),
                }
            }
        }
        for template in &message.templates {
            template.check()?;
        }
        let template = nearest(&message.templates, &message.language)
            .ok_or_else(|| Error::Invalid("a mail has at least one template".to_owned()))?;
        Ok(render(template, &message.values)?)
    }

    /// All templates that an operator gave a tenant, in the order of their names.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn templates(&self, tenant: &str) -> Result<Vec<OwnTemplate>, Error> {
        own_templates::all(&self.folder.join(tenant)).await
    }

    /// Gives a tenant a template, from the next mail on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it cannot be read; when it cannot be written.
    pub async fn set_template(&self, tenant: &str, own: OwnTemplate) -> Result<(), Error> {
        own_templates::set(&self.folder.join(tenant), own).await
    }

    /// Takes a template away again; says whether it was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove_template(
        &self,
        tenant: &str,
        component: &str,
        name: &str,
        language: &str,
    ) -> Result<bool, Error> {
        own_templates::remove(&self.folder.join(tenant), component, name, language).await
    }

    /// Removes all files of a tenant, and answers them with their sizes. Blocks.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn remove(&self, tenant: &str) -> io::Result<Vec<(PathBuf, u64)>> {
        self.hourly.forget_idle();
        files::remove(&self.folder.join(tenant))
    }
}

/// A component's templates, with an operator's in place of those in the same language, and beside them.
fn merged(own: &[Template], theirs: Vec<Template>) -> Vec<Template> {
    let mut merged = own.to_vec();
    for template in theirs {
        let same = |one: &&mut Template| one.language.eq_ignore_ascii_case(&template.language);
        match merged.iter_mut().find(same) {
            Some(place) => *place = template,
            None => merged.push(template),
        }
    }
    merged
}
