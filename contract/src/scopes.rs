//! What a principal may do: permissions, and the patterns that stand for several of them.
//!
//! A permission is two or more words joined by colons, `families:read`. A scope is a permission, or
//! one ending in `:*` for all that begins so, or `*`, or `*:read` for all that only read. Permissions of administration
//! begin with `admin:`, and neither `*` nor `*:read` stands for them: who may do everything a user may is no administrator.

use serde::{Deserialize, Serialize};

/// How permissions of administration begin.
const ADMINISTRATION: &str = "admin:";

/// All that only reads: permissions whose last word says so.
const READING: &str = "*:read";

/// The longest permission, in bytes.
const LONGEST: usize = 100;

/// What a principal may do. Empty: nothing that needs a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no scope; write a permission like `families:read`, all of an area like `families:*`, `*:read` or `*`"
)]
pub struct InvalidScope(String);

/// Whether a text is a permission: words of `a-z`, `0-9`, `_` and `-`, at least two, joined by colons,
/// 100 bytes at most.
pub fn is_permission(text: &str) -> bool {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    text.len() <= LONGEST && text.contains(':') && text.split(':').all(is_word)
}

// === impl Scopes ===

impl Scopes {
    /// These scopes.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Result<Self, InvalidScope> {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        match scopes.iter().find(|scope| !is_scope(scope)) {
            Some(wrong) => Err(InvalidScope(wrong.clone())),
            None => Ok(Self(scopes)),
        }
    }

    /// All that users may, and nothing of administration.
    pub fn everything() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// The same with all of administration.
    #[must_use]
    pub fn with_administration(mut self) -> Self {
        self.0.push(format!("{ADMINISTRATION}*"));
        self
    }

    /// Whether they hold this permission.
    pub fn allow(&self, permission: &str) -> bool {
        self.0.iter().any(|scope| covers(scope, permission))
    }

    /// What both hold: of rights that were given once, those that are left. What an area and `*:read` have in common
    /// no scope says: of these two nothing is left.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        for (one, another) in self
            .0
            .iter()
            .flat_map(|one| other.0.iter().map(move |another| (one, another)))
        {
            let narrower = match (covers(one, another), covers(another, one)) {
                (true, _) => another,
                (false, true) => one,
                (false, false) => continue,
            };
            if !both.contains(narrower) {
                both.push(narrower.clone());
            }
        }
        Self(both)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn is_scope(text: &str) -> bool {
    // What stands before `:*` is the beginning of a permission.
    text == "*"
        || text == READING
        || is_permission(text)
        || text
            .strip_suffix(":*")
            .is_some_and(|area| is_permission(&format!("{area}:x")))
}

/// Whether a scope stands for all that another one, or a permission, does.
fn covers(scope: &str, other: &str) -> bool {
    if scope == READING {
        return scope == other
            || is_permission(other)
                && other.ends_with(":read")
                && !other.starts_with(ADMINISTRATION);
    }
    match scope.strip_suffix('*') {
        Some("") => !other.starts_with(ADMINISTRATION),
        Some(beginning) => other.starts_with(beginning),
        None => scope == other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn scopes(list: &[&str]) -> Scopes {
        Scopes::new(list.iter().copied()).unwrap()
    }

    #[test]
    fn a_scope_holds_what_it_says_and_no_more() {
        for (held, permission, is_allowed) in [
            (&["families:read"][..], "families:read", true),
            (&["families:read"], "families:write", false),
            (&["families:read"], "families:read:all", false),
            (&["families:*"], "families:members:add", true),
            (&["families:*"], "families2:read", false),
            (&["*"], "families:read", true),
            (&["*"], "admin:wallet:mint", false),
            (&["admin:*"], "admin:wallet:mint", true),
            (&["admin:*"], "families:read", false),
            (&["*:read"], "families:read", true),
            (&["*:read"], "families:members:read", true),
            (&["*:read"], "families:write", false),
            (&["*:read"], "families:read:all", false),
            (&["*:read"], "admin:wallet:read", false),
            (&[], "families:read", false),
        ] {
            let allowed = scopes(held).allow(permission);
            assert_eq!(allowed, is_allowed, "{held:?} {permission}");
        }
        let all = Scopes::everything().with_administration();
        assert!(all.allow("admin:wallet:mint") && all.allow("notes:write"));
    }

    #[test]
    fn of_two_the_narrower_is_left() {
        let both = |one: &[&str], other: &[&str]| scopes(one).intersect(&scopes(other));
        assert_eq!(both(&["*"], &["notes:read"]), scopes(&["notes:read"]));
        assert_eq!(both(&["*", "admin:*"], &["*:read"]), scopes(&["*:read"]));
        let some = &["notes:read", "notes:write", "admin:users:read"];
        assert_eq!(both(&["*:read"], some), scopes(&["notes:read"]));
        assert_eq!(both(&["*:read"], &["notes:*"]), scopes(&[]));
        assert_eq!(
            both(&["notes:*"], &["notes:read", "a:b"]),
            scopes(&["notes:read"])
        );
        assert_eq!(both(&["*"], &["*"]), scopes(&["*"]));
        assert_eq!(both(&["*"], &["admin:*"]), Scopes::default());
        assert_eq!(both(&["a:b"], &["a:c"]), Scopes::default());
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for wrong in [
            "",
            "read",
            "Notes:read",
            "notes:",
            ":read",
            "notes:**",
            "a b:c",
            "**",
            ":*",
        ] {
            assert!(Scopes::new([wrong]).is_err(), "{wrong:?}");
        }
        assert!(
            is_permission("notes:read") && !is_permission("notes:*") && !is_permission("notes")
        );
        assert!(!is_permission(&format!("notes:{}", "a".repeat(100))));
    }
}
