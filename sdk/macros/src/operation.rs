//! `#[operation]`.

use crate::arguments::{once, text, unknown, words};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Expr, FnArg, Ident, ItemFn, Lit, LitStr, Meta, ReturnType, Token, parenthesized,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const EFFECTS: [&str; 3] = ["read", "write", "destructive"];
const WORDS: [&str; 8] = [
    "permission",
    "effect",
    "idempotent",
    "answers",
    "location",
    "parameters",
    "refuses",
    "id",
];

/// Refusals by the names of their constructors: their statuses, and what is said of them unless an
/// operation says it better.
const REFUSALS: [(&str, u16, &str); 12] = [
    ("malformed", 400, "It cannot be read"),
    ("unauthenticated", 401, "Not signed in"),
    ("invalid_credentials", 401, "Name or password is wrong"),
    ("token_invalid", 401, "The token is not accepted"),
    ("forbidden", 403, "The caller may not do this"),
    ("not_found", 404, "There is no such thing"),
    ("conflict", 409, "It does not go with what is there already"),
    (
        "precondition_failed",
        412,
        "It has changed since it was read",
    ),
    ("validation", 422, "A field is wrong"),
    ("rate_limited", 429, "Too many requests; see `Retry-After`"),
    (
        "overloaded",
        503,
        "Too much to do just now; see `Retry-After`",
    ),
    ("storage_full", 507, "There is no room left"),
];

/// What the attribute says.
pub(crate) struct Declared {
    method: Ident,
    path: LitStr,
    permission: Option<LitStr>,
    effect: Option<Ident>,
    idempotent: Option<()>,
    answers: Option<LitStr>,
    location: Option<LitStr>,
    id: Option<LitStr>,
    parameters: Vec<(Ident, LitStr)>,
    refusals: Vec<(u16, String)>,
}

// === impl Declared ===

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let method: Ident = input.parse()?;
        if !METHODS.contains(&method.to_string().as_str()) {
            return Err(unknown(&method, &METHODS));
        }
        let mut declared = Self {
            method,
            path: input.parse()?,
            permission: None,
            effect: None,
            idempotent: None,
            answers: None,
            location: None,
            id: None,
            parameters: Vec::new(),
            refusals: Vec::new(),
        };
        if !declared.path.value().starts_with('/') {
            let message = "a path begins with `/`, like `/api/v1/notes/{id}`";
            return Err(syn::Error::new(declared.path.span(), message));
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        words(input, |word, input| declared.read(word, input))?;
        Ok(declared)
    }
}

impl Declared {
    fn read(&mut self, word: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match word.to_string().as_str() {
            "permission" => once(&mut self.permission, word, text(input)?),
            "effect" => {
                input.parse::<Token![=]>()?;
                let effect: Ident = input.parse()?;
                if !EFFECTS.contains(&effect.to_string().as_str()) {
                    return Err(unknown(&effect, &EFFECTS));
                }
                once(&mut self.effect, word, effect)
            }
            "idempotent" => once(&mut self.idempotent, word, ()),
            "answers" => once(&mut self.answers, word, text(input)?),
            "location" => once(&mut self.location, word, text(input)?),
            "id" => once(&mut self.id, word, text(input)?),
            "parameters" => {
                let within;
                parenthesized!(within in input);
                words(&within, |name, input| {
                    if !self.path.value().contains(&format!("{{{name}}}")) {
                        let message = format!("the path has no `{{{name}}}`");
                        return Err(syn::Error::new(name.span(), message));
                    }
                    self.parameters.push((name.clone(), text(input)?));
                    Ok(())
                })
            }
            "refuses" => {
                let within;
                parenthesized!(within in input);
                words(&within, |name, input| self.refuse(name, input))
            }
            _ => Err(unknown(word, &WORDS)),
        }
    }

    fn refuse(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let known = REFUSALS.iter().find(|(word, ..)| name == word);
        let Some(&(_, status, usual)) = known else {
            return Err(unknown(name, &REFUSALS.map(|(word, ..)| word)));
        };
        let said = match input.peek(Token![=]) {
            true => text(input)?.value(),
            false => usual.to_owned(),
        };
        self.refusals.push((status, said));
        Ok(())
    }
}

/// The function without arguments, with the handler in it.
pub(crate) fn expand(declared: &Declared, function: &ItemFn) -> syn::Result<TokenStream> {
    if function.sig.asyncness.is_none() {
        let message = "an operation is an `async fn`";
        return Err(syn::Error::new_spanned(function.sig.fn_token, message));
    }
    let mut arguments = Vec::new();
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Typed(argument) => arguments.push(&argument.ty),
            FnArg::Receiver(receiver) => {
                let message = "an operation is a function of its own, without `self`";
                return Err(syn::Error::new_spanned(receiver, message));
            }
        }
    }
    let answer = match &function.sig.output {
        ReturnType::Type(_, answer) => quote!(#answer),
        ReturnType::Default => quote!(()),
    };
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let docs = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    let handler = ItemFn {
        vis: syn::Visibility::Inherited,
        ..function.clone()
    };
    let Declared { method, path, .. } = declared;
    let filter = format_ident!("{}", method.to_string().to_uppercase());
    let id = match &declared.id {
        Some(id) => id.value(),
        None => camel_case(&name.to_string()),
    };
    let (summary, description) = summary(&function.attrs);
    let permission = option(declared.permission.as_ref());
    let effect = option(declared.effect.as_ref().map(Ident::to_string));
    let idempotent = declared.idempotent.is_some();
    let answers = option(declared.answers.as_ref());
    let location = option(declared.location.as_ref());
    let parameters = declared.parameters.iter().map(|(name, text)| {
        let name = name.to_string();
        quote!((#name, #text))
    });
    let refusals = declared
        .refusals
        .iter()
        .map(|(status, said)| quote!((#status, #said)));
    Ok(quote! {
        #(#docs)*
        #visibility fn #name() -> ::sbd_sdk::Operation {
            #handler

            static DECLARED: ::sbd_sdk::openapi::Declared = ::sbd_sdk::openapi::Declared {
                method: ::sbd_sdk::http::Method::#filter,
                path: #path,
                id: #id,
                summary: #summary,
                description: #description,
                permission: #permission,
                effect: #effect,
                idempotent: #idempotent,
                answers: #answers,
                location: #location,
                parameters: &[#(#parameters),*],
                refusals: &[#(#refusals),*],
                describe: |description| {
                    #(<#arguments as ::sbd_sdk::openapi::Input>::describe(description);)*
                    <#answer as ::sbd_sdk::openapi::Output>::describe(description);
                },
            };
            ::sbd_sdk::Operation::new(
                &DECLARED,
                ::sbd_sdk::axum::routing::on(
                    ::sbd_sdk::axum::routing::MethodFilter::#filter,
                    #name,
                ),
            )
        }
    })
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// `list_family_members` as `listFamilyMembers`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    let mut id = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_uppercase());
        id.push_str(rest);
    }
    id
}

/// The first paragraph of a comment, and the rest.
fn summary(attributes: &[Attribute]) -> (String, String) {
    let lines: Vec<String> = attributes.iter().filter_map(comment).collect();
    let mut paragraphs = lines.split(String::is_empty).map(|lines| lines.join("\n"));
    let summary = paragraphs.next().unwrap_or_default();
    let rest: Vec<String> = paragraphs
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    (summary, rest.join("\n\n"))
}

/// A line of a comment.
fn comment(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else {
        return None;
    };
    match &meta.value {
        Expr::Lit(literal) if meta.path.is_ident("doc") => match &literal.lit {
            Lit::Str(line) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn refused(attribute: &str) -> String {
        let Err(error) = syn::parse_str::<Declared>(attribute) else {
            return String::new();
        };
        error.to_string()
    }

    #[test]
    fn ids_are_names_in_another_case() {
        assert_eq!(camel_case("list_family_members"), "listFamilyMembers");
        assert_eq!(camel_case("login"), "login");
    }

    #[test]
    fn a_misspelt_word_is_refused() {
        assert_eq!(
            refused(r#"get "/a/{id}", permission = "a:b", effect = read"#),
            ""
        );
        for (wrong, says) in [
            (r#"gets "/a""#, "`gets` is not known"),
            (r#"get "a""#, "begins with `/`"),
            (r#"get "/a", permision = "a:b""#, "`permision` is not known"),
            (r#"get "/a", effect = reed"#, "`reed` is not known"),
            (r#"get "/a", refuses(gone)"#, "`gone` is not known"),
            (r#"get "/a", parameters(id = "Its id")"#, "no `{id}`"),
            (r#"get "/a", id = "x", id = "y""#, "said twice"),
        ] {
            assert!(refused(wrong).contains(says), "{wrong}: {}", refused(wrong));
        }
    }

    #[test]
    fn a_comment_is_a_summary_and_more() {
        let function: ItemFn = syn::parse_str(
            "/// Reads\n/// a note.\n///\n/// One of one's own.\n///\n/// No other.\nfn read() {}",
        )
        .unwrap();
        let (summary, description) = summary(&function.attrs);
        assert_eq!(summary, "Reads\na note.");
        assert_eq!(description, "One of one's own.\n\nNo other.");
    }
}
