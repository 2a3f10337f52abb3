//! The mail capability, `sbd:platform/mail`: to people, through a mail server or into files.
//!
//! A [`Mailer`] serves all tenants. It checks a [`Message`], puts its values into its template, or into
//! the one that an operator gave the tenant instead, and hands what comes out to a [`Transport`].

mod address;
mod bindings;
mod compose;
mod error;
mod files;
mod host;
mod limits;
mod mailer;
mod message;
mod own_templates;
mod settings;
mod smtp;
mod transport;

pub use address::Sender;
pub use compose::Composed;
pub use error::Error;
pub use files::Files;
pub use limits::{MAX_ID_BYTES, MAX_TEMPLATE_NAME};
pub use mailer::Mailer;
pub use message::Message;
pub use own_templates::OwnTemplate;
pub use sbd_mail_templates::Template;
pub use settings::{InvalidServer, Server, Settings, Tls};
pub use smtp::Smtp;
pub use transport::Transport;

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may send. Cheap to clone.
#[derive(Clone)]
pub struct MailCtx {
    mailer: Arc<Mailer>,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components send mail.
pub trait MailView: Send {
    /// Mail as this store's component sends it.
    fn mail(&mut self) -> &mut MailCtx;
}

struct Mail;

impl HasData for Mail {
    type Data<'a> = &'a mut MailCtx;
}

/// Links `sbd:platform/mail`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: MailView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::mail::add_to_linker::<T, Mail>(linker, T::mail)
}

// === impl MailCtx ===

impl MailCtx {
    /// What `component` of a tenant may send.
    pub fn new(mailer: Arc<Mailer>, tenant: Arc<str>, component: Arc<str>) -> Self {
        Self {
            mailer,
            tenant,
            component,
        }
    }

    /// Sends a mail, and returns when the mail server has taken it.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn send(&self, message: &Message) -> Result<(), Error> {
        let Self {
            mailer,
            tenant,
            component,
        } = self;
        mailer.send(tenant, component, message).await
    }
}
