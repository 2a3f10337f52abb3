//! The component's own description, completed with what is the same for all of them.

use crate::error::ErrorBody;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Content, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

/// The name of the security scheme: `security(("bearer" = []))` in `#[utoipa::path]`.
pub const BEARER: &str = "bearer";

/// What a component says about itself; [`crate::component!`] takes it from its `Cargo.toml`.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The component's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is for.
    pub description: &'static str,
}

/// Adds title, bearer tokens and the error answer of every operation.
pub(crate) fn complete(mut api: OpenApi, about: About) -> OpenApi {
    api.info = InfoBuilder::new()
        .title(about.name)
        .version(about.version)
        .description(Some(about.description))
        .build();
    for item in api.paths.paths.values_mut() {
        operations(item).for_each(|operation| {
            let default = RefOr::Ref(Ref::from_response_name("Error"));
            operation
                .responses
                .responses
                .entry("default".to_owned())
                .or_insert(default);
        });
    }
    let components = api.components.get_or_insert_with(Components::default);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut schemas = vec![(ErrorBody::name().into_owned(), ErrorBody::schema())];
    ErrorBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let error = ResponseBuilder::new()
        .description("Any refusal: a code for programs, a sentence for people, the request's id")
        .content(
            "application/json",
            Content::new(Some(Ref::from_schema_name(ErrorBody::name()))),
        )
        .build();
    components
        .responses
        .insert("Error".to_owned(), RefOr::T(error));
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.options,
        &mut item.head,
        &mut item.patch,
        &mut item.trace,
    ];
    methods.into_iter().flatten()
}
