//! Scopes as OAuth writes them: one text, with spaces between.

use super::failure::Failure;
use sbd_sdk::Scopes;

/// How permissions of administration begin.
const ADMINISTRATION: &str = "admin:";
/// Scopes at a time, at most.
const MOST: usize = 50;

/// Reads what a client asks for.
pub(crate) fn read(text: &str) -> Result<Scopes, Failure> {
    let wrong = |why: String| Failure::new("invalid_scope", why);
    let mut scopes: Vec<&str> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    if scopes.is_empty() || scopes.len() > MOST {
        return Err(wrong("ask for 1 to 50 scopes".to_owned()));
    }
    Scopes::new(scopes).map_err(|error| wrong(error.to_string()))
}

/// As OAuth writes them.
pub(crate) fn written(scopes: &Scopes) -> String {
    scopes.iter().collect::<Vec<_>>().join(" ")
}

/// Whether these are none beyond those.
pub(crate) fn within(scopes: &Scopes, most: &Scopes) -> bool {
    let both = most.intersect(scopes);
    scopes
        .iter()
        .all(|scope| both.iter().any(|held| held == scope))
}

/// Whether one of them is of administration.
pub(crate) fn administers(scopes: &Scopes) -> bool {
    scopes.iter().any(|scope| scope.starts_with(ADMINISTRATION))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn scopes_are_read_and_compared() {
        let scopes = read("  notes:read admin:users:read  notes:read ").unwrap();
        assert_eq!(written(&scopes), "notes:read admin:users:read");
        assert!(administers(&scopes) && !administers(&Scopes::everything()));
        assert!(!within(&scopes, &Scopes::everything()));
        let all = Scopes::everything().with_administration();
        assert!(within(&scopes, &all) && within(&all, &all));
        assert!(!within(&Scopes::everything(), &read("notes:*").unwrap()));
        for wrong in ["", " ", "openid", "notes:read nonsense", "Notes:read"] {
            assert_eq!(read(wrong).unwrap_err().code, "invalid_scope", "{wrong:?}");
        }
        let many: Vec<_> = (0..=MOST).map(|n| format!("notes:read{n}")).collect();
        assert!(read(&many.join(" ")).is_err());
    }
}
