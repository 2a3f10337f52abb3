//! Fields encrypted with the tenant's keys, which never leave the host. What a component seals opens for it alone, in
//! its tenant, for the same purpose and with the same context: the id of what it belongs to.

use crate::Error;
use crate::bindings::vault as host;

/// What a sealed text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The plain text.
    Plain(Vec<u8>),
    /// Altered, or sealed for something else.
    Forged,
    /// Sealed with a key that this tenant does not have here, such as that of the server which it was imported
    /// from. Nothing opens it any more.
    UnknownKey,
}

/// Seals at most 64 KiB for a purpose, 1 to 64 characters of `a-z0-9-`, with a context of at most 1 KiB.
///
/// # Errors
/// When something is out of bounds, or the key store does not answer.
pub async fn encrypt(
    purpose: &str,
    context: &str,
    plain: impl AsRef<[u8]>,
) -> crate::Result<String> {
    let (purpose, context) = (purpose.to_owned(), context.to_owned());
    host::encrypt(purpose, context, plain.as_ref().to_vec())
        .await
        .map_err(refused)
}

/// Opens what was sealed for the same purpose with the same context.
///
/// # Errors
/// When purpose or context is out of bounds, or the key store does not answer.
pub async fn decrypt(purpose: &str, context: &str, sealed: &str) -> crate::Result<Opened> {
    let (purpose, context) = (purpose.to_owned(), context.to_owned());
    let opened = host::decrypt(purpose, context, sealed.to_owned()).await;
    Ok(match opened.map_err(refused)? {
        host::Opened::Plain(plain) => Opened::Plain(plain),
        host::Opened::Refused(host::Refusal::Forged) => Opened::Forged,
        host::Opened::Refused(host::Refusal::UnknownKey) => Opened::UnknownKey,
    })
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
        host::Error::Unavailable(cause) => Error::overloaded(
            "what is encrypted cannot be read just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("vault unavailable: {cause}")),
    }
}

// === impl Opened ===

impl Opened {
    /// The plain text as a text, if it opened and is one.
    pub fn text(self) -> Option<String> {
        match self {
            Self::Plain(plain) => String::from_utf8(plain).ok(),
            Self::Forged | Self::UnknownKey => None,
        }
    }
}
