//! What stands between the parentheses of an attribute.

use syn::parse::ParseStream;
use syn::{Ident, LitStr, Token};

/// Each `word`, with what is behind it for `read` to parse, separated by commas.
pub(crate) fn words(
    input: ParseStream<'_>,
    mut read: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    while !input.is_empty() {
        let word: Ident = input.parse()?;
        read(&word, input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// The text in `= "text"`.
pub(crate) fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Refuses a word that is said twice.
pub(crate) fn once<T>(place: &mut Option<T>, word: &Ident, value: T) -> syn::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(syn::Error::new(
            word.span(),
            format!("`{word}` is said twice; remove one"),
        )),
    }
}

/// Refuses a word that nobody knows.
pub(crate) fn unknown(word: &Ident, known: &[&str]) -> syn::Error {
    let known = known.join("`, `");
    syn::Error::new(
        word.span(),
        format!("`{word}` is not known here; write one of `{known}`"),
    )
}
