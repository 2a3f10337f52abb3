//! Mail to people, sent by the host.

use crate::bindings::mail as host;
use crate::tasks::{New, Task, Work};
use crate::{Error, NoContent};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// What a mail says in one language. Make it a `const`.
///
/// Each text may have `{{ name }}` for a value, with conditions and loops as in Jinja; in HTML values are
/// escaped. A value that is not there is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The language, like `en` or `pt-BR`.
    pub language: Cow<'static, str>,
    /// One line.
    pub subject: Cow<'static, str>,
    /// The text.
    pub text: Cow<'static, str>,
    /// The same as HTML.
    pub html: Option<Cow<'static, str>>,
}

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// To whom: one address.
    pub to: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// What the template is called; an operator may give a tenant another one of this name.
    pub template: String,
    /// The component's own templates, one a language; the first one is for all others.
    pub templates: Vec<Template>,
    /// The language wanted, like `de-CH`: the nearest there is.
    pub language: String,
    /// The values of the template: an object.
    pub values: Value,
    /// The same each time the same mail is tried again.
    pub id: String,
}

const TASK: &str = "mail";
/// How often a mail is tried again.
const RETRIES: u32 = 20;

/// Sends a mail, and returns when the mail server has taken it. A call sends once: where it is not taken
/// now, the error is 503 `OVERLOADED`, and a task that ends with it is tried again. Every other error is
/// for good.
///
/// # Errors
/// `VALIDATION_ERROR` when an address, template or value is wrong or the server will never take the mail;
/// `OVERLOADED` when it is not taken now.
pub async fn send(message: &Message) -> crate::Result<()> {
    let message = message.to_host()?;
    host::send(message).await.map_err(refused)
}

/// The task by which [`queue`] sends, for [`crate::Component::tasks`]. The component's manifest grants
/// `mail` and `tasks`.
pub fn task() -> Task {
    let handler = async |work: Work<Message>| send(&work.data).await.map(|()| NoContent);
    Task::new(TASK, "default", post(handler))
}

/// Has a mail sent by a task: again, later and later, for some days, as long as the mail server does not
/// take it. While one of the same id waits, there is no other. Answers the task's id.
///
/// # Errors
/// When the task cannot be enqueued, or the component does not offer it ([`task`]).
pub async fn queue(message: &Message) -> crate::Result<String> {
    let new = New::of(TASK, message)?;
    new.unique(&message.id).retries(RETRIES).enqueue().await
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(why) | host::Error::Refused(why) => Error::validation("mail", why),
        host::Error::Limit(cause) | host::Error::Unavailable(cause) => {
            Error::overloaded("mail is not taken just now; try again in a while", 60)
                .caused_by(format_args!("mail not sent: {cause}"))
        }
        host::Error::Other(cause) => Error::internal(cause),
    }
}

// === impl Template ===

impl Template {
    /// A template without HTML.
    pub const fn new(language: &'static str, subject: &'static str, text: &'static str) -> Self {
        Self {
            language: Cow::Borrowed(language),
            subject: Cow::Borrowed(subject),
            text: Cow::Borrowed(text),
            html: None,
        }
    }

    /// A template with the same as HTML.
    pub const fn with_html(
        language: &'static str,
        subject: &'static str,
        text: &'static str,
        html: &'static str,
    ) -> Self {
        Self {
            language: Cow::Borrowed(language),
            subject: Cow::Borrowed(subject),
            text: Cow::Borrowed(text),
            html: Some(Cow::Borrowed(html)),
        }
    }

    fn to_host(&self) -> host::Template {
        host::Template {
            language: self.language.to_string(),
            subject: self.subject.to_string(),
            text: self.text.to_string(),
            html: self.html.as_ref().map(ToString::to_string),
        }
    }
}

// === impl Message ===

impl Message {
    /// A mail of this id to an address, of a template and with its values, in the first language there is.
    pub fn new(
        id: impl Into<String>,
        to: impl Into<String>,
        template: &str,
        templates: &[Template],
        values: Value,
    ) -> Self {
        Self {
            to: to.into(),
            reply_to: None,
            template: template.to_owned(),
            templates: templates.to_vec(),
            language: String::new(),
            values,
            id: id.into(),
        }
    }

    /// The same in the language nearest to this one.
    #[must_use]
    pub fn in_language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    fn to_host(&self) -> crate::Result<host::Message> {
        Ok(host::Message {
            to: self.to.clone(),
            reply_to: self.reply_to.clone(),
            template: self.template.clone(),
            templates: self.templates.iter().map(Template::to_host).collect(),
            language: self.language.clone(),
            values: serde_json::to_string(&self.values).map_err(Error::internal)?,
            id: self.id.clone(),
        })
    }
}
