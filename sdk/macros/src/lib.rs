//! The attributes of `sbd-sdk`. Each makes of an async function a function of the same name without
//! arguments, which answers the handler together with what the component offers by it.

#![deny(missing_docs)]

mod arguments;
mod hosted;
mod operation;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

/// An operation of the public API: `#[operation(get "/api/v1/notes/{id}", permission = "notes:read")]`.
///
/// The function's arguments and its answer say of themselves what they mean for the description.
/// Its name in camelCase is the operation's id, the first paragraph of its comment the summary, the
/// rest the description. What else can be said, behind method and path:
///
/// - `permission = "notes:read"`: what a principal needs to be allowed;
/// - `effect = read`, `write` or `destructive`, where the method does not say it;
/// - `idempotent`: asking twice has the effect of asking once, where the method does not say it;
/// - `answers = "The note"`: what a good answer is;
/// - `location = "The note's address"`: what the `Location` of what was created is;
/// - `parameters(id = "The note's id")`: what parts of the path are, whose types do not say it;
/// - `refuses(not_found = "No note of the caller", forbidden)`: refusals that neither arguments nor
///   answer imply, by their constructors; with a word of its own, or with the usual one;
/// - `id = "getNote"`: another id than the function's name gives.
#[proc_macro_attribute]
pub fn operation(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = parse_macro_input!(attribute as operation::Declared);
    let function = parse_macro_input!(item as ItemFn);
    finish(operation::expand(&declared, &function))
}

/// A handler of events: `#[on_event("family.member.*")]`. `*` stands for one word, or at the end for
/// any.
#[proc_macro_attribute]
pub fn on_event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = parse_macro_input!(attribute as hosted::Declared);
    let function = parse_macro_input!(item as ItemFn);
    finish(hosted::event(declared, &function))
}

/// A kind of queued work: `#[task("index", queue = "ai")]`.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = parse_macro_input!(attribute as hosted::Declared);
    let function = parse_macro_input!(item as ItemFn);
    finish(hosted::task(declared, &function))
}

/// A time to be called at: `#[schedule("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin")]`,
/// in UTC without a time zone. What else can be said:
///
/// - `missed = "once"` or `"all"`: one of the times that passed while the host was down is made up for, or
///   all of them are (the last thousand); without it they are left out;
/// - `jitter = "5m"`: each time is put off by so much at most, so that not all tenants begin at once.
#[proc_macro_attribute]
pub fn schedule(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = parse_macro_input!(attribute as hosted::Declared);
    let function = parse_macro_input!(item as ItemFn);
    finish(hosted::schedule(declared, &function))
}

/// Who decides about the real-time channels of a kind: `#[channels("family:")]`.
///
/// With `takes_messages`, as in `#[channels("room:", takes_messages)]`, what somebody who is in one says
/// there is an event for the component: `channel.message.sent` of its own, whose subject is the channel
/// and whose data has `user` and `data`.
#[proc_macro_attribute]
pub fn channels(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = parse_macro_input!(attribute as hosted::Declared);
    let function = parse_macro_input!(item as ItemFn);
    finish(hosted::channels(declared, &function))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded
        .unwrap_or_else(|error| {
            let error = error.to_compile_error();
            quote!(#error)
        })
        .into()
}
