//! `#[on_event]`, `#[task]`, `#[schedule]` and `#[channels]`: what the host asks a component for.

use crate::arguments::{once, text, unknown, words};
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, ItemFn, LitStr, Token};

/// What the attribute says: what it is about, and more by words.
pub(crate) struct Declared {
    about: LitStr,
    words: Vec<(Ident, Option<LitStr>)>,
}

// === impl Declared ===

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut declared = Self {
            about: input.parse()?,
            words: Vec::new(),
        };
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        words(input, |word, input| {
            let said = match input.peek(Token![=]) {
                true => Some(text(input)?),
                false => None,
            };
            declared.words.push((word.clone(), said));
            Ok(())
        })?;
        Ok(declared)
    }
}

impl Declared {
    /// The texts of the words there may be, in their order.
    fn texts<const N: usize>(self, known: [&str; N]) -> syn::Result<[Option<LitStr>; N]> {
        let mut texts = [const { None }; N];
        for (word, text) in self.words {
            let place = known.iter().position(|known| word == known);
            let text = text.ok_or_else(|| {
                let message = format!("say `{word} = \"...\"`");
                syn::Error::new(word.span(), message)
            });
            match place.and_then(|place| texts.get_mut(place)) {
                Some(place) => once(place, &word, text?)?,
                None if known.is_empty() => {
                    let message = format!("`{word}` is not known here; remove it");
                    return Err(syn::Error::new(word.span(), message));
                }
                None => return Err(unknown(&word, &known)),
            }
        }
        Ok(texts)
    }

    /// Whether this word is there, the only one there may be, without a text.
    fn says(self, known: &str) -> syn::Result<bool> {
        let mut said = None;
        for (word, text) in self.words {
            if word != known {
                return Err(unknown(&word, &[known]));
            }
            if let Some(text) = text {
                let message = format!("`{word}` stands alone; remove what is behind it");
                return Err(syn::Error::new(text.span(), message));
            }
            once(&mut said, &word, ())?;
        }
        Ok(said.is_some())
    }
}

pub(crate) fn event(declared: Declared, function: &ItemFn) -> syn::Result<TokenStream> {
    let pattern = declared.about.clone();
    let [] = declared.texts([])?;
    let name = function.sig.ident.to_string();
    expand(
        function,
        &quote!(::sbd_sdk::events::Subscription),
        &quote!(#pattern, #name),
    )
}

pub(crate) fn task(declared: Declared, function: &ItemFn) -> syn::Result<TokenStream> {
    let name = declared.about.clone();
    let [queue] = declared.texts(["queue"])?;
    let queue = queue.map_or_else(|| quote!("default"), |queue| quote!(#queue));
    expand(
        function,
        &quote!(::sbd_sdk::tasks::Task),
        &quote!(#name, #queue),
    )
}

pub(crate) fn schedule(declared: Declared, function: &ItemFn) -> syn::Result<TokenStream> {
    let name = declared.about.clone();
    let [cron, time_zone, missed, jitter] =
        declared.texts(["cron", "time_zone", "missed", "jitter"])?;
    let Some(cron) = cron else {
        let message = "say when, like `cron = \"0 3 * * *\"`";
        return Err(syn::Error::new(name.span(), message));
    };
    let time_zone = time_zone.map_or_else(|| quote!("UTC"), |zone| quote!(#zone));
    let missed = missed.as_ref().map_or(Ok("skip"), is_missed)?;
    let jitter_ms = jitter.as_ref().map_or(Ok(0), milliseconds)?;
    expand(
        function,
        &quote!(::sbd_sdk::schedules::Schedule),
        &quote!(#name, #cron, #time_zone, #missed, #jitter_ms),
    )
}

/// What becomes of missed times, as the offer says it.
fn is_missed(text: &LitStr) -> syn::Result<&'static str> {
    let words = ["skip", "once", "all"];
    let word = words.into_iter().find(|word| text.value() == *word);
    let message = "write `skip`, `once` or `all`";
    word.ok_or_else(|| syn::Error::new(text.span(), message))
}

/// A time like `500ms`, `30s`, `5m` or `2h`.
fn milliseconds(text: &LitStr) -> syn::Result<u64> {
    let written = text.value();
    let digits = written.trim_end_matches(|c: char| !c.is_ascii_digit());
    let scale = match &written[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let milliseconds = number.zip(scale);
    let milliseconds = milliseconds.and_then(|(number, scale)| number.checked_mul(scale));
    let message = "write a time like `500ms`, `30s`, `5m` or `2h`";
    milliseconds.ok_or_else(|| syn::Error::new(text.span(), message))
}

pub(crate) fn channels(declared: Declared, function: &ItemFn) -> syn::Result<TokenStream> {
    let beginning = declared.about.clone();
    let takes_messages = declared.says("takes_messages")?;
    expand(
        function,
        &quote!(::sbd_sdk::channels::Channels),
        &quote!(#beginning, #takes_messages),
    )
}

/// The function without arguments, with the handler in it.
fn expand(function: &ItemFn, kind: &TokenStream, said: &TokenStream) -> syn::Result<TokenStream> {
    if function.sig.asyncness.is_none() {
        let message = "what the host asks for is answered by an `async fn`";
        return Err(syn::Error::new_spanned(function.sig.fn_token, message));
    }
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let docs = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    let handler = ItemFn {
        vis: syn::Visibility::Inherited,
        ..function.clone()
    };
    Ok(quote! {
        #(#docs)*
        #visibility fn #name() -> #kind {
            #handler

            <#kind>::new(#said, ::sbd_sdk::axum::routing::post(#name))
        }
    })
}
