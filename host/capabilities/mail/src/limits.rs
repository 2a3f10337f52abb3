//! What a mail may be at most, as `wit/mail.wit` promises, and how many of them there may be.

use crate::{Error, Message};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sbd_mail_templates::MAX_TEMPLATES;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Longest id in bytes; an id has at least one.
pub const MAX_ID_BYTES: usize = 200;
/// Longest name of a template in bytes.
pub const MAX_TEMPLATE_NAME: usize = 64;

/// How many mails each tenant may send an hour.
pub(crate) struct Hourly {
    per_hour: NonZeroU32,
    tenants: DefaultKeyedRateLimiter<Arc<str>>,
}

// === impl Hourly ===

impl Hourly {
    pub(crate) fn new(per_hour: NonZeroU32) -> Self {
        Self {
            per_hour,
            tenants: RateLimiter::keyed(Quota::per_hour(per_hour)),
        }
    }

    /// Counts a mail of a tenant's.
    pub(crate) fn count(&self, tenant: &Arc<str>) -> Result<(), Error> {
        self.tenants.check_key(tenant).map_err(|until| {
            let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            Error::Limit(format!(
                "a tenant sends at most {} mails an hour; send it in {seconds} s, or raise the setting `mail_per_hour`",
                self.per_hour
            ))
        })
    }

    /// Forgets a tenant's count.
    pub(crate) fn forget_idle(&self) {
        self.tenants.retain_recent();
    }
}

/// Refuses what cannot be sent, whatever its templates say.
pub(crate) fn check(message: &Message) -> Result<(), Error> {
    let invalid = |text: String| Err(Error::Invalid(text));
    if !(1..=MAX_ID_BYTES).contains(&message.id.len()) {
        return invalid(format!(
            "a mail's id has 1 to {MAX_ID_BYTES} bytes, this one has {}; choose another",
            message.id.len()
        ));
    }
    if !(1..=MAX_TEMPLATES).contains(&message.templates.len()) {
        return invalid(format!(
            "a mail has 1 to {MAX_TEMPLATES} templates, one a language; this one has {}",
            message.templates.len()
        ));
    }
    check_name(&message.template)
}

/// Refuses what a template cannot be called: it is part of a file's name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if (1..=MAX_TEMPLATE_NAME).contains(&name.len()) && name.bytes().all(known) {
        return Ok(());
    }
    let name: String = name.chars().take(MAX_TEMPLATE_NAME).collect();
    Err(Error::Invalid(format!(
        "`{name}` cannot be a template's name; write 1 to {MAX_TEMPLATE_NAME} of a-z, 0-9, `-` and `_`"
    )))
}
