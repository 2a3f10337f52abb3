//! The languages that pages speak, and texts in all of them.

use http::{HeaderMap, header};

/// A language of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, for whoever reads none of them.
    #[default]
    English,
    /// German.
    German,
}

/// A text that is there in every language; [`crate::catalogue!`] makes such.
pub trait Text: Copy {
    /// How it reads in a language.
    fn of(self, language: Language) -> &'static str;
}

/// Texts by their keys, with each in every language, so that none is missing anywhere:
///
/// ```
/// use page::{Language, Text as _};
///
/// page::catalogue! {
///     /// What is said here.
///     pub(crate) Words {
///         SignIn: "Sign in", "Anmelden";
///         SignOut: "Sign out", "Abmelden";
///     }
/// }
///
/// assert_eq!(Words::SignIn.of(Language::German), "Anmelden");
/// # assert_eq!(Words::SignOut.of(Language::English), "Sign out");
/// ```
#[macro_export]
macro_rules! catalogue {
    ($(#[$about:meta])* $visibility:vis $name:ident {
        $($key:ident: $english:literal, $german:literal;)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name { $(#[doc = $english] $key,)+ }

        impl $crate::Text for $name {
            fn of(self, language: $crate::Language) -> &'static str {
                match (self, language) {
                    $(
                        (Self::$key, $crate::Language::English) => $english,
                        (Self::$key, $crate::Language::German) => $german,
                    )+
                }
            }
        }
    };
}

// === impl Language ===

impl Language {
    /// The one of ours that a browser would like most (RFC 9110, 12.5.4).
    pub fn of(headers: &HeaderMap) -> Self {
        let wanted = headers.get(header::ACCEPT_LANGUAGE);
        let wanted = wanted.and_then(|wanted| wanted.to_str().ok());
        let wanted = wanted.unwrap_or_default().split(',');
        let ours = wanted.filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let language = Self::named(parts.next()?)?;
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(Ok(1.0), str::parse::<f32>).ok()?;
            (weight > 0.0).then_some((language, weight))
        });
        // Of two that are wanted as much, the first.
        let best = ours.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(language, _)| language).unwrap_or_default()
    }

    fn named(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?;
        [Self::English, Self::German]
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// What it is called in HTML.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_browser_says_what_its_reader_reads() {
        for (accepts, spoken) in [
            ("", "en"),
            ("de", "de"),
            ("DE-at;q=0.8, en;q=0.7", "de"),
            ("en;q=0.8, de;q=0.7", "en"),
            ("fr, de;q=0.5, en;q=0.4", "de"),
            ("de, en", "de"),
            ("de;q=0, en;q=0.1", "en"),
            ("de;q=x", "en"),
            ("fr, *", "en"),
            (";;,,", "en"),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepts.parse().unwrap())]);
            assert_eq!(Language::of(&headers).tag(), spoken, "{accepts}");
        }
    }
}
