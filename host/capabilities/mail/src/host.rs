//! The host side of `sbd:platform/mail`.

use crate::bindings::mail;
use crate::{Error, Mail, MailCtx, Message, Template};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl mail::Host for MailCtx {}

impl<T: Metered> mail::HostWithStore<T> for Mail {
    async fn send(store: &Accessor<T, Self>, message: mail::Message) -> Result<(), mail::Error> {
        let message = Message::from(message);
        let (ctx, _) = called(store, "send", bytes(&message))?;
        Ok(ctx.send(&message).await?)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Mail>,
    operation: &'static str,
    bytes: usize,
) -> Result<(MailCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "mail", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

fn bytes(message: &Message) -> usize {
    let templates = message.templates.iter().map(|template| {
        let html = template.html.as_deref().unwrap_or_default();
        template.language.len() + template.subject.len() + template.text.len() + html.len()
    });
    let reply_to = message.reply_to.as_deref().unwrap_or_default();
    message.to.len()
        + reply_to.len()
        + message.values.len()
        + message.id.len()
        + templates.sum::<usize>()
}

impl From<mail::Message> for Message {
    fn from(message: mail::Message) -> Self {
        let template = |template: mail::Template| Template {
            language: template.language,
            subject: template.subject,
            text: template.text,
            html: template.html,
        };
        Self {
            to: message.to,
            reply_to: message.reply_to,
            template: message.template,
            templates: message.templates.into_iter().map(template).collect(),
            language: message.language,
            values: message.values,
            id: message.id,
        }
    }
}

impl From<OverLimit> for mail::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for mail::Error {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::Invalid(text),
            Error::Refused(_) => Self::Refused(text),
            Error::Limit(_) => Self::Limit(text),
            Error::Unavailable(_) => Self::Unavailable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::mail::{self, HostWithStore as _};
    use crate::{Mail, MailCtx, MailView, Mailer, Settings, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links, metered};
    use sbd_metering::Budget;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl MailView for Instance<MailCtx> {
        fn mail(&mut self) -> &mut MailCtx {
            &mut self.ctx
        }
    }

    fn message(to: &str) -> mail::Message {
        mail::Message {
            to: to.to_owned(),
            reply_to: None,
            template: "hello".to_owned(),
            templates: vec![mail::Template {
                language: "en".to_owned(),
                subject: "Hello".to_owned(),
                text: "Hello.".to_owned(),
                html: None,
            }],
            language: String::new(),
            values: "{}".to_owned(),
            id: "1".to_owned(),
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<MailCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn a_guest_sends_is_told_why_not_and_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = Arc::new(Mailer::open(folder.path(), &Settings::default()).unwrap());
        let ctx = MailCtx::new(mailer, "acme".into(), "hello".into());
        let meter = Arc::new(Budget::new(2, usize::MAX));
        let guest = async |store: &Accessor<_, Mail>| {
            let send = async |to: &str| Mail::send(store, message(to)).await;
            send("ada@example.org").await.unwrap();
            let invalid = send("ada@example.org\r\nBcc: eve@example.org").await;
            assert!(
                matches!(invalid, Err(mail::Error::Invalid(_))),
                "{invalid:?}"
            );
            let Err(mail::Error::Limit(limit)) = send("ada@example.org").await else {
                unreachable!("not charged");
            };
            assert!(limit.contains("capability_calls"), "{limit}");
        };
        metered::<_, Mail, _>(ctx, meter.clone(), Instance::<MailCtx>::mail, guest).await;
        let mails = std::fs::read_dir(folder.path().join("mail/acme")).unwrap();
        assert_eq!(mails.count(), 1);
        assert!(meter.used().1 >= 2 * "ada@example.orgHello.".len());
    }
}
