//! Where a client's user is led back: nowhere but where the client is registered for, to the letter. A program on the
//! user's own machine listens at any port (RFC 8252, 7.3).

use http::Uri;

/// Bytes of one at most.
const MAX: usize = 2000;
/// Names of the machine itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// What is wrong with one.
pub(crate) const WRONG: &str = "`https://...`, or of a program `http://127.0.0.1/...` or `com.example.app:/...`; with neither fragment nor user name";

/// Whether a client may be registered for it.
pub(crate) fn is_registrable(uri: &str) -> bool {
    let printable = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
    let Some((scheme, rest)) = uri
        .split_once(':')
        .filter(|_| printable && uri.len() <= MAX)
    else {
        return false;
    };
    match scheme {
        "https" => host(uri).is_some(),
        "http" => host(uri).is_some_and(|host| LOOPBACK.contains(&host.as_str())),
        // Of a name that its maker has, turned round (RFC 8252, 7.1): never `javascript:` and its like.
        _ => {
            let letters = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(&byte)
            };
            scheme.contains('.')
                && scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme.bytes().all(letters)
                && rest.starts_with('/')
        }
    }
}

/// Whether a client that is registered for this one may have its user led there.
pub(crate) fn matches(registered: &str, asked: &str) -> bool {
    registered == asked
        || on_any_port(registered).is_some_and(|one| Some(one) == on_any_port(asked))
}

/// One on the machine itself, without its port.
fn on_any_port(uri: &str) -> Option<(String, String)> {
    if !uri.starts_with("http://") || !is_registrable(uri) {
        return None;
    }
    let parsed: Uri = uri.parse().ok()?;
    let rest = parsed.path_and_query()?.as_str().to_owned();
    Some((host(uri)?, rest))
}

/// The host, of an address that names no user.
fn host(uri: &str) -> Option<String> {
    let parsed: Uri = uri.parse().ok()?;
    let authority = parsed.authority()?;
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    is_plain.then(|| authority.host().to_owned())
}

/// The same with these fields behind it.
pub(crate) fn with(uri: &str, fields: &[(&str, &str)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(fields);
    let between = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{between}{}", encoded.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_registered_for_addresses_that_are_its_own() {
        for right in [
            "https://app.example/cb",
            "https://app.example",
            "https://app.example/cb?x=1",
            "http://127.0.0.1/cb",
            "http://localhost:3000/cb",
            "http://[::1]:8080/",
            "com.example.app:/cb",
        ] {
            assert!(is_registrable(right), "{right}");
        }
        for wrong in [
            "",
            "/cb",
            "app.example/cb",
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost@evil.example/cb",
            "https://user@app.example/cb",
            "https:///cb",
            "https://",
            "https://app.example/cb#x",
            "https://app.example/c b",
            "https://app.example/cb\n",
            "https://ä.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "cursor://x",
            "com.example.app:cb",
            "Com.Example:/cb",
            "HTTPS://app.example/cb",
        ] {
            assert!(!is_registrable(wrong), "{wrong}");
        }
        assert!(!is_registrable(&format!(
            "https://a.example/{}",
            "x".repeat(MAX)
        )));
    }

    #[test]
    fn it_is_the_same_to_the_letter_but_for_the_port_on_ones_own_machine() {
        for (registered, asked, same) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example:444/cb", false),
            ("https://a.example/cb", "https://a.example/x/../cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:54321/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]/cb", "http://[::1]:54321/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:54321/other", false),
            ("http://127.0.0.1/cb", "http://localhost:54321/cb", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:1@evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x", false),
            ("com.example.app:/cb", "com.example.app:/cb", true),
            ("com.example.app:/cb", "com.example.app:/cb2", false),
        ] {
            assert_eq!(matches(registered, asked), same, "{registered} {asked}");
        }
    }

    #[test]
    fn fields_are_appended_and_encoded() {
        let fields = [("code", "a b&c"), ("state", "\u{e4}")];
        assert_eq!(
            with("https://a/cb", &fields),
            "https://a/cb?code=a+b%26c&state=%C3%A4"
        );
        assert_eq!(
            with("https://a/cb?x=1", &[("y", "2")]),
            "https://a/cb?x=1&y=2"
        );
    }
}
