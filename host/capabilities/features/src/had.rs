//! Who has which feature because it was granted to them, in memory: it is asked for with requests.

use crate::{Error, Granted, Until};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Users who have one feature in one tenant at most.
const MOST: usize = 1_000_000;

/// By feature, by user.
type OfTenant = HashMap<Box<str>, HashMap<Box<str>, Until>>;

/// Who has what, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Had(HashMap<Box<str>, OfTenant>);

// === impl Had ===

impl Had {
    pub(crate) fn new(granted: Vec<Granted>) -> Self {
        let mut had = Self::default();
        for one in granted {
            had.set(&one.tenant, &one.feature, &one.user, Some(one.until));
        }
        had
    }

    /// Whether a user has a feature now.
    pub(crate) fn has(&self, tenant: &str, feature: &str, user: &str) -> bool {
        let users = self.0.get(tenant).and_then(|all| all.get(feature));
        match users.and_then(|users| users.get(user)) {
            None => false,
            Some(Until::Forever) => true,
            Some(Until::Time(end)) => now() < u128::from(*end),
        }
    }

    /// Refuses one more where there are as many as there may be.
    pub(crate) fn require_room(&self, tenant: &str, feature: &str) -> Result<(), Error> {
        let users = self.0.get(tenant).and_then(|all| all.get(feature));
        match users.is_some_and(|users| users.len() >= MOST) {
            false => Ok(()),
            true => Err(Error::Invalid(format!(
                "{MOST} users have `{feature}`, the most there may be; switch it on for everybody"
            ))),
        }
    }

    pub(crate) fn set(&mut self, tenant: &str, feature: &str, user: &str, until: Option<Until>) {
        let all = self.0.entry(tenant.into()).or_default();
        let users = all.entry(feature.into()).or_default();
        match until {
            Some(until) => users.insert(user.into(), until),
            None => users.remove(user),
        };
    }

    pub(crate) fn forget(&mut self, tenant: &str) {
        self.0.remove(tenant);
    }
}

/// Milliseconds since 1970.
fn now() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis()
}
