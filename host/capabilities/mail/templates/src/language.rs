//! Which of several languages is nearest to the one that is wanted.

use crate::{Invalid, Template};

/// The template in the language nearest to the wanted one: that language, the same without its last
/// parts (`de` for `de-CH`), the same otherwise (`de-AT`), or the first there is.
pub fn nearest<'a>(templates: &'a [Template], wanted: &str) -> Option<&'a Template> {
    let wanted = key(wanted);
    let of = |language: &str| {
        let mut templates = templates.iter();
        templates.find(|template| key(&template.language) == language)
    };
    let mut part = wanted.as_str();
    loop {
        if let Some(found) = of(part) {
            return Some(found);
        }
        match part.rsplit_once('-') {
            Some((shorter, _)) => part = shorter,
            None => break,
        }
    }
    let mut templates_of_it = templates.iter();
    let same = |template: &&Template| key(&template.language).split('-').next() == Some(part);
    templates_of_it.find(same).or_else(|| templates.first())
}

/// Refuses what is no language. A template of an operator's is a file that is called by it.
pub(crate) fn check(language: &str) -> Result<(), Invalid> {
    let mut parts = language.split('-');
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let begins = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    match begins && parts.all(is_part) && language.len() <= 35 {
        true => Ok(()),
        false => {
            let language: String = language.chars().take(40).collect();
            Err(Invalid(format!(
                "`{language}` is no language; write it like `en` or `pt-BR`"
            )))
        }
    }
}

/// A language as languages are compared.
fn key(language: &str) -> String {
    language.trim().replace('_', "-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(languages: &[&str]) -> Vec<Template> {
        let template = |language: &&str| Template {
            language: (*language).to_owned(),
            subject: String::new(),
            text: String::new(),
            html: None,
        };
        languages.iter().map(template).collect()
    }

    #[test]
    fn the_nearest_language_is_taken() {
        for (there, wanted, taken) in [
            (&["en", "de", "de-CH"][..], "de-CH", "de-CH"),
            (&["en", "de"], "de-CH", "de"),
            (&["en", "de"], "DE_ch", "de"),
            (&["en", "zh-Hant"], "zh-Hant-TW", "zh-Hant"),
            (&["en", "de-AT"], "de", "de-AT"),
            (&["en", "de-AT"], "de-CH", "de-AT"),
            (&["en", "de"], "fr", "en"),
            (&["en", "de"], "", "en"),
            (&["de", "den"], "d", "de"),
        ] {
            let templates = of(there);
            let found = nearest(&templates, wanted).map(|template| template.language.as_str());
            assert_eq!(found, Some(taken), "{there:?} {wanted}");
        }
        assert_eq!(nearest(&[], "de"), None);
    }

    #[test]
    fn what_is_no_language_is_refused() {
        for right in ["en", "de-CH", "zh-Hant-TW", "es-419"] {
            assert_eq!(check(right), Ok(()));
        }
        for wrong in ["", "e", "en-", "../en", "en/de", "de_CH", "en.toml", "1a"] {
            let error = check(wrong).map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|said| said.contains("like `en`")),
                "{wrong}"
            );
        }
    }
}
