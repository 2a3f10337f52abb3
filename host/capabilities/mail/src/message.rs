//! What a component wants sent.

use crate::Template;

/// A mail, as a component wants it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom: one address.
    pub to: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// What the template is called.
    pub template: String,
    /// The component's own templates, one a language; the first one is for all others.
    pub templates: Vec<Template>,
    /// The language wanted.
    pub language: String,
    /// The values of the template, an object as JSON.
    pub values: String,
    /// The same each time the same mail is tried again.
    pub id: String,
}
