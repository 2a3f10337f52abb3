//! `mail` of a test: every mail is taken, and can be read.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::mail::{Error, Message, Template};
use sbd_mail_templates as templates;

/// A mail that a component has sent, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// What the component calls its template.
    pub template: String,
    /// The language that it was written in.
    pub language: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// What the component calls it.
    pub id: String,
}

pub(crate) async fn send(message: Message) -> Result<(), Error> {
    let world = granted("mail");
    let invalid = |error: templates::Invalid| Error::Invalid(error.to_string());
    if !message.to.contains('@') || message.to.chars().any(|c| c.is_whitespace() || c == ',') {
        return Err(Error::Invalid(format!("`{}` is no address", message.to)));
    }
    let template = |template: Template| templates::Template {
        language: template.language,
        subject: template.subject,
        text: template.text,
        html: template.html,
    };
    let known: Vec<_> = message.templates.into_iter().map(template).collect();
    // Whichever language is wanted in a test, all must be right.
    for template in &known {
        template.check().map_err(invalid)?;
        templates::render(template, &message.values).map_err(invalid)?;
    }
    let nearest = templates::nearest(&known, &message.language);
    let template = nearest.ok_or_else(|| Error::Invalid("a mail has a template".to_owned()))?;
    let said = templates::render(template, &message.values).map_err(invalid)?;
    world.mails.borrow_mut().push(Mail {
        to: message.to,
        template: message.template,
        language: template.language.clone(),
        subject: said.subject,
        text: said.text,
        html: said.html,
        id: message.id,
    });
    Ok(())
}
