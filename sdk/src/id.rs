//! Identifiers: a short prefix that says of what, and a UUIDv7, so that later ones order later.

use uuid::Uuid;

/// A new identifier, for example `id::new("fam")`: `fam_019a2f3c8b7e7c2d9f00112233445566`.
pub fn new(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// Whether a text has the form of an identifier with this prefix. What has not cannot be found.
pub fn is(prefix: &str, text: &str) -> bool {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'));
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ones_differ_order_and_have_their_form() {
        let ids: Vec<_> = (0..100).map(|_| new("fam")).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| is("fam", id)));
    }

    #[test]
    fn other_forms_are_refused() {
        let id = new("fam");
        let others = [
            id.replace("fam_", "usr_"),
            id.to_uppercase(),
            format!("{id}0"),
            "fam_".into(),
            String::new(),
        ];
        assert!(others.iter().all(|other| !is("fam", other)));
    }
}
