//! Whether mail can be sent.

use super::Finding;
use crate::application::mail_settings;
use crate::settings::Settings;
use sbd_mail::Smtp;

/// Connects to the mail server, if there is one, and signs in.
pub(super) async fn examine(settings: &Settings) -> Finding {
    let wrong = |error: String| Finding::wrong("mail", error);
    let mail = match mail_settings(settings) {
        Ok(mail) => mail,
        Err(error) => return wrong(format!("{error:#}")),
    };
    let Some(server) = &mail.server else {
        let folder = settings.data_dir().join("mail");
        return Finding::right(
            "mail",
            format!(
                "no mail server is set; mails become files in {}",
                folder.display()
            ),
        );
    };
    let tested = match Smtp::new(server, &mail.from) {
        Ok(smtp) => smtp.test().await,
        Err(error) => Err(error),
    };
    match tested {
        Ok(()) => Finding::right("mail", "the mail server takes mails".to_owned()),
        Err(error) => wrong(error.to_string()),
    }
}
