//! The capabilities of the platform, by the words that grant them.

use crate::error::did_you_mean;
use std::fmt;
use std::str::FromStr;

/// A capability that a component can be granted by its word in `grants`. Key-value stores are
/// granted as in Spin, by their names in `key_value_stores`; a component's own `variables` need no
/// grant. Matched exhaustively on purpose: a new capability is nothing until the runtime links it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    /// JSON collections.
    Documents,
    /// Values with a time to live.
    Cache,
    /// Hash and verify passwords.
    Passwords,
    /// Sign and verify tokens.
    Keys,
    /// Ask which features are on.
    Features,
}

const GRANTS: &[(&str, Grant)] = &[
    ("documents", Grant::Documents),
    ("cache", Grant::Cache),
    ("passwords", Grant::Passwords),
    ("keys", Grant::Keys),
    ("features", Grant::Features),
];

/// Words that people try in `grants`, and what grants them instead.
const NOT_BY_GRANT: &[(&str, &str)] = &[
    (
        "keyvalue",
        "is granted by the names of its stores: key_value_stores = [\"default\"] under [component.X]",
    ),
    (
        "config",
        "needs no grant; what the component may read stands under [component.X.variables]",
    ),
    (
        "http",
        "is granted by the hosts to reach: allowed_outbound_hosts = [\"https://example.com\"] under [component.X]",
    ),
];

// === impl Grant ===

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = GRANTS
            .iter()
            .find(|(_, grant)| grant == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = GRANTS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, grant)| *grant);
        found.ok_or_else(|| {
            if let Some((_, instead)) = NOT_BY_GRANT.iter().find(|(name, _)| *name == text) {
                return format!("`{text}` {instead}");
            }
            let known = did_you_mean(text, GRANTS.iter().map(|(name, _)| *name));
            format!("there is no capability `{text}` to grant{known}")
        })
    }
}
