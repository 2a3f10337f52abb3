//! What arguments of an operation mean for its description.

use super::Description;
use crate::etag::Preconditions;
use crate::idempotency::{self, Idempotency};
use crate::listing::{Listing, Sort};
use crate::paging::{DEFAULT_PER_PAGE, MAX_PER_PAGE, Order};
use crate::{By, Caller, Json, Path, Query, RequestId, Tenant};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::de::DeserializeOwned;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// What an argument of an operation means for its description. Each extractor implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an operation",
    note = "use an extractor of `sbd_sdk`, or say by `impl sbd_sdk::openapi::Input` what it means for the description"
)]
pub trait Input {
    /// Adds to the description.
    fn describe(description: &mut Description);
}

/// What stands in the variable parts of a path.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a path",
    note = "use a text, a number, a type made by `sbd_sdk::id!`, or a tuple of them"
)]
pub trait PathValues: DeserializeOwned {
    /// What is not there when the path holds none: a noun.
    const NOUN: &'static str = "address";

    /// Adds a parameter for each part to the description.
    fn describe(description: &mut Description, names: &mut dyn Iterator<Item = &'static str>);
}

/// Says nothing about these.
macro_rules! silent {
    ($($type:ty),*) => {$(
        impl Input for $type {
            fn describe(_: &mut Description) {}
        }
    )*};
}

silent!(
    RequestId, Tenant, HeaderMap, Method, Uri, Request, Body, Bytes, String
);

impl Input for Caller {
    fn describe(description: &mut Description) {
        description.signed_in(true);
        description.refuses(StatusCode::UNAUTHORIZED, "not signed in");
    }
}

impl Input for Option<Caller> {
    fn describe(description: &mut Description) {
        description.signed_in(false);
    }
}

impl Input for By {
    fn describe(description: &mut Description) {
        Caller::describe(description);
    }
}

impl<T: ToSchema> Input for Json<T> {
    fn describe(description: &mut Description) {
        description.request_body::<T>();
        description.refuses_first(StatusCode::UNPROCESSABLE_ENTITY, "a field is wrong");
    }
}

impl<T: IntoParams> Input for Query<T> {
    fn describe(description: &mut Description) {
        query_parameters::<T>(description);
    }
}

fn query_parameters<T: IntoParams>(description: &mut Description) {
    for parameter in T::into_params(|| Some(ParameterIn::Query)) {
        description.parameter(parameter);
    }
    description.refuses(StatusCode::UNPROCESSABLE_ENTITY, "a query field is wrong");
}

impl<S: Sort, F: IntoParams> Input for Listing<S, F> {
    fn describe(description: &mut Description) {
        description.lists(S::ITEMS);
        let order = match S::ORDER {
            Order::Asc => "Up or down.",
            Order::Desc => "Up or down; down when not said, so that the latest comes first.",
        };
        let per_page = format!("{} on a page, 1 to {MAX_PER_PAGE}.", first_upper(S::ITEMS));
        for parameter in [
            query("page", "The page, from 1.", number(1, None)),
            query(
                "per_page",
                &per_page,
                number(DEFAULT_PER_PAGE, Some(MAX_PER_PAGE)),
            ),
            query("sort", "What to sort by.", S::schema()),
            query("order", order, Order::schema()),
        ] {
            description.parameter(parameter);
        }
        query_parameters::<F>(description);
    }
}

fn query(name: &str, description: &str, schema: RefOr<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn number(default: u32, most: Option<u32>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .default(Some(default.into()))
        .minimum(Some(1))
        .maximum(most)
        .into()
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

impl Input for Idempotency {
    fn describe(description: &mut Description) {
        description.header_parameter(
            "Idempotency-Key",
            format!(
                "1 to {} visible ASCII characters. The same key with the same request within 24 hours \
                 gives the first answer again, with `idempotency-replayed: true`.",
                idempotency::MAX_KEY
            ),
        );
        description.refuses(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the key was used for another request",
        );
    }
}

impl Input for Preconditions {
    fn describe(description: &mut Description) {
        let act = match *description.method() {
            Method::DELETE => "delete",
            _ => "change",
        };
        description.header_parameter(
            "If-Match",
            format!("The version to {act}; another one is not touched"),
        );
        description.refuses(
            StatusCode::PRECONDITION_FAILED,
            "it has another version than `If-Match`",
        );
    }
}

impl<T: PathValues> Input for Path<T> {
    fn describe(description: &mut Description) {
        let mut names = description.path_names();
        T::describe(description, &mut names);
    }
}

/// Plain values, of which only their form is known.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl PathValues for $type {
            fn describe(
                description: &mut Description,
                names: &mut dyn Iterator<Item = &'static str>,
            ) {
                if let Some(name) = names.next() {
                    description.path_parameter(name, <$type>::schema(), None);
                }
            }
        }
    )*};
}

plain!(String, u16, u32, u64, i32, i64);

/// Several parts, in order. What is not there is what the last of them names.
macro_rules! several {
    ($(($($part:ident),+; $last:ident))*) => {$(
        impl<$($part: PathValues),+> PathValues for ($($part,)+) {
            const NOUN: &'static str = $last::NOUN;

            fn describe(
                description: &mut Description,
                names: &mut dyn Iterator<Item = &'static str>,
            ) {
                $($part::describe(description, names);)+
            }
        }
    )*};
}

several!((A, B; B) (A, B, C; C));
