//! The capabilities of the platform, by the words that grant them.

use crate::error::did_you_mean;
use std::fmt;
use std::str::FromStr;

/// Declares each capability once: what it is for, its name, and the word that grants it.
macro_rules! grants {
    ($($(#[$doc:meta])+ $name:ident = $word:literal,)+) => {
        /// A capability that a component can be granted by its word in `grants`. Key-value stores are
        /// granted as in Spin, by their names in `key_value_stores`; a component's own `variables` need
        /// no grant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Grant {
            $($(#[$doc])+ $name,)+
        }

        impl Grant {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word that grants it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

grants! {
    /// JSON collections.
    Documents = "documents",
    /// Values with a time to live.
    Cache = "cache",
    /// Hash and verify passwords.
    Passwords = "passwords",
    /// Sign and verify tokens.
    Keys = "keys",
    /// Encrypt and decrypt fields.
    Vault = "vault",
    /// Ask which features are on.
    Features = "features",
    /// Publish events that belong to no transaction.
    Events = "events",
    /// Read what was recorded of what was done.
    Audit = "audit",
    /// Have work done later.
    Tasks = "tasks",
    /// Say something to whoever is connected.
    Realtime = "realtime",
    /// Send mail.
    Mail = "mail",
    /// Find points by likeness.
    Vectors = "vectors",
    /// Count what happens.
    Metrics = "metrics",
    /// Ask language models.
    Inference = "inference",
    /// Large contents under names.
    Blobs = "blobs",
    /// Have the text of images recognised.
    Ocr = "ocr",
}

/// Words that people try in `grants`, and what grants them instead.
const NOT_BY_GRANT: &[(&str, &str)] = &[
    (
        "keyvalue",
        "is granted by the names of its stores: key_value_stores = [\"default\"] under [component.X]",
    ),
    (
        "sqlite",
        "is granted by the names of its databases: sqlite_databases = [\"default\"] under [component.X]",
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
        f.write_str(self.word())
    }
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|grant| grant.word() == text).copied();
        found.ok_or_else(|| {
            if let Some((_, instead)) = NOT_BY_GRANT.iter().find(|(name, _)| *name == text) {
                return format!("`{text}` {instead}");
            }
            let known = did_you_mean(text, Self::ALL.iter().map(|grant| grant.word()));
            format!("there is no capability `{text}` to grant{known}")
        })
    }
}
