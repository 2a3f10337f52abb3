//! Tickets: whoever is signed in gets one, and it lets one connection in within half a minute. It may
//! stand in an address, where logs and histories keep it: by then it is worth nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use moka::sync::Cache;
use sbd_runtime::Authenticated;
use std::sync::Arc;
use std::time::Duration;

/// How long one is good for.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Tickets that nobody has used yet; the oldest go first. Whoever asks for more is slowed by their rate.
const UNUSED: u64 = 50_000;

/// The tickets that were given out. Cheap to clone; nothing of it outlives the process.
#[derive(Clone)]
pub struct Tickets {
    /// By their SHA-256: what is looked up is not the secret.
    unused: Cache<[u8; 32], Ticket>,
}

#[derive(Clone)]
struct Ticket {
    tenant: Arc<str>,
    caller: Arc<Authenticated>,
    /// The page that asked for it, if a page did.
    origin: Option<HeaderValue>,
}

// === impl Tickets ===

impl Default for Tickets {
    fn default() -> Self {
        Self {
            unused: Cache::builder()
                .max_capacity(UNUSED)
                .time_to_live(GOOD_FOR)
                .build(),
        }
    }
}

impl Tickets {
    /// How long one is good for.
    pub const GOOD_FOR: Duration = GOOD_FOR;

    /// A ticket for somebody who is signed in; a page of another `origin` cannot use it. `None`: there is
    /// no randomness to make one of.
    pub fn issue(
        &self,
        tenant: &Arc<str>,
        caller: &Arc<Authenticated>,
        origin: Option<&HeaderValue>,
    ) -> Option<String> {
        let mut secret = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut secret).ok()?;
        let text = URL_SAFE_NO_PAD.encode(secret);
        let ticket = Ticket {
            tenant: Arc::clone(tenant),
            caller: Arc::clone(caller),
            origin: origin.cloned(),
        };
        self.unused.insert(key(&text), ticket);
        Some(text)
    }

    /// Whom a ticket lets in. It is used by being asked for.
    pub(crate) fn take(
        &self,
        text: &str,
        tenant: &Arc<str>,
        origin: Option<&HeaderValue>,
    ) -> Option<Arc<Authenticated>> {
        let ticket = self.unused.remove(&key(text))?;
        let is_of_page = ticket.origin.is_none() || ticket.origin.as_ref() == origin;
        (ticket.tenant == *tenant && is_of_page).then_some(ticket.caller)
    }
}

fn key(text: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(digest.as_ref());
    key
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_contract::Principal;

    #[test]
    fn a_ticket_is_for_one_connection_of_its_tenant_and_page() {
        let tickets = Tickets::default();
        let (acme, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let ada = Arc::new(Authenticated::from(Principal::user("acme", "usr_1")));
        let page = HeaderValue::from_static("https://app.example.com");
        let evil = HeaderValue::from_static("https://evil.example.com");
        let issue = |origin| tickets.issue(&acme, &ada, origin).unwrap();
        let takes = |ticket: &str, tenant, origin| tickets.take(ticket, tenant, origin).is_some();

        let ticket = issue(None);
        assert!(takes(&ticket, &acme, Some(&page)));
        assert!(!takes(&ticket, &acme, Some(&page)), "it was used");
        assert!(!takes("", &acme, None) && !takes("invented", &acme, None));
        assert!(!takes(&issue(None), &other, None));
        assert!(takes(&issue(Some(&page)), &acme, Some(&page)));
        assert!(!takes(&issue(Some(&page)), &acme, Some(&evil)));
        assert!(!takes(&issue(Some(&page)), &acme, None));
        assert_ne!(issue(None), issue(None));
    }
}
