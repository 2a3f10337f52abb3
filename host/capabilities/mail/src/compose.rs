//! A mail as it goes to a server: headers, and the text in one form or two (RFC 5322).

use crate::{Error, Sender, address};
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use sbd_mail_templates::Rendered;

/// A mail, ready to go.
#[derive(Clone, Debug)]
pub struct Composed {
    /// From whom and to whom, as the servers are told.
    pub envelope: Envelope,
    /// The whole of it, line breaks and all.
    pub bytes: Vec<u8>,
}

/// For whom a mail is, and what tells it from others.
pub(crate) struct Head<'a> {
    pub(crate) from: &'a Sender,
    pub(crate) to: &'a str,
    pub(crate) reply_to: Option<&'a str>,
    /// `[tenant, component, the component's id for it]`
    pub(crate) id: [&'a str; 3],
}

pub(crate) fn compose(head: &Head<'_>, said: Rendered) -> Result<Composed, Error> {
    let plain = |text: &str| Ok::<_, Error>(Mailbox::new(None, address::read(text)?));
    let mut message = Message::builder()
        .from(head.from.0.clone())
        .to(plain(head.to)?)
        .subject(said.subject)
        .message_id(Some(message_id(head)))
        .raw_header(automatic());
    if let Some(reply_to) = head.reply_to {
        message = message.reply_to(plain(reply_to)?);
    }
    let message = match said.html {
        Some(html) => message.multipart(MultiPart::alternative_plain_html(said.text, html)),
        None => message.singlepart(SinglePart::plain(said.text)),
    };
    let message = message.map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Composed {
        envelope: message.envelope().clone(),
        bytes: message.formatted(),
    })
}

/// The same for the same mail, and nobody else's: what a component calls it could be anything.
fn message_id(head: &Head<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in head.id {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let hash = hasher.finalize().to_hex();
    let hash = hash.get(..40).unwrap_or_default();
    format!("<{hash}@{}>", head.from.domain())
}

/// That nobody wrote it: who is on holiday need not say so (RFC 3834).
fn automatic() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}
