//! Mails through a mail server.

use crate::settings::{Server, Tls};
use crate::{Composed, Error, Sender, Transport};
use futures::future::BoxFuture;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{self, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::time::Duration;

/// How long connecting may take, and a whole mail.
const CONNECT: Duration = Duration::from_secs(15);
const MAIL: Duration = Duration::from_secs(60);
/// Connections to it, and how long one without a mail stays.
const CONNECTIONS: u32 = 8;
const IDLE: Duration = Duration::from_secs(30);
/// Characters of what a server says that are passed on.
const SAID: usize = 300;
/// What a server answers to whom it does not know, or not like this: the mail itself may be good.
const LOGIN: [u16; 5] = [530, 534, 535, 538, 454];

/// A mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    server: Server,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

// === impl Smtp ===

impl Smtp {
    /// A server, for mails of this sender. Nothing is connected before the first one.
    ///
    /// # Errors
    /// When its certificates cannot be read.
    pub fn new(server: &Server, from: &Sender) -> Result<Self, Error> {
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
                .port(server.port)
                .tls(tls(server)?)
                .timeout(Some(CONNECT))
                .hello_name(ClientId::Domain(from.domain().to_owned()))
                .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE));
        if let Some((user, password)) = &server.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self {
            server: server.clone(),
            transport: builder.build(),
        })
    }

    /// Connects, signs in, and says why it cannot.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn test(&self) -> Result<(), Error> {
        let tested = tokio::time::timeout(CONNECT, self.transport.test_connection()).await;
        match tested {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(self.unavailable("it does not answer as a mail server does")),
            Ok(Err(error)) => Err(self.unavailable(&said(&error))),
            Err(_) => Err(self.unavailable("it does not answer")),
        }
    }

    async fn send(&self, mail: &Composed) -> Result<(), Error> {
        let sending = self.transport.send_raw(&mail.envelope, &mail.bytes);
        match tokio::time::timeout(MAIL, sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.unavailable("it does not answer in time")),
        }
    }

    fn failed(&self, error: &smtp::Error) -> Error {
        let status = error.status().map(|code| code.to_string());
        let status = status.and_then(|code| code.parse::<u16>().ok());
        if status.is_some_and(|code| LOGIN.contains(&code)) {
            return self.unavailable(&format!("it wants another login: {}", said(error)));
        }
        // Without TLS where the server needs it, and the like: the mail is not to blame.
        match error.is_permanent() {
            true => Error::Refused(said(error)),
            false => self.unavailable(&said(error)),
        }
    }

    fn unavailable(&self, why: &str) -> Error {
        let Server { host, port, .. } = &self.server;
        Error::Unavailable(format!(
            "the mail server {host}:{port} does not take it: {why}"
        ))
    }
}

impl Transport for Smtp {
    fn take<'a>(&'a self, _: &'a str, mail: Composed) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.send(&mail).await })
    }
}

fn tls(server: &Server) -> Result<client::Tls, Error> {
    let wrong = |error: smtp::Error| Error::Invalid(format!("the setting `mail_url`: {error}"));
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.certificates {
        let unreadable = |error| {
            Error::Invalid(format!(
                "the setting `mail_url`: cannot read the certificates in {}: {error}",
                path.display()
            ))
        };
        let pem = std::fs::read(path).map_err(unreadable)?;
        let certificate = Certificate::from_pem(&pem).map_err(wrong)?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build().map_err(wrong)?;
    Ok(match server.tls {
        Tls::Implicit => client::Tls::Wrapper(parameters),
        Tls::Required => client::Tls::Required(parameters),
        Tls::Opportunistic => client::Tls::Opportunistic(parameters),
        Tls::None => client::Tls::None,
    })
}

/// What a server says, as a line of text.
fn said(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !text.contains(&cause_said) {
            text = format!("{text}: {cause_said}");
        }
        source = cause.source();
    }
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SAID).map(one_line).collect()
}
