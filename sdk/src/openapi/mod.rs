//! The component's own description: what its operations say of themselves, completed with what is
//! the same for all of them.
//!
//! An argument of an operation says by [`Input`] what it means for the description, its answer by
//! [`Output`]; what neither can know stands in the attribute [`crate::operation`].

mod description;
mod input;
mod output;

pub use description::{Declared, Description};
pub use input::{Input, PathValues};
pub use output::{Body, Output};

use crate::Operation;
use crate::error::ErrorBody;
use sbd_contract::{offer, session_cookie};
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApiBuilder, Paths, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

/// The name of the security scheme of whoever is signed in.
pub const BEARER: &str = "bearer";
/// The same, of whoever is signed in with a browser.
pub const COOKIE: &str = "cookie";

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

/// Makes the document of these operations under their tags, and of what the host may ask for.
pub(crate) type Describe = fn(&[(&'static str, Operation)], &Map<String, Value>, About) -> Value;

/// The document of a component without operations.
pub(crate) fn undescribed(
    _: &[(&'static str, Operation)],
    asked: &Map<String, Value>,
    about: About,
) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.name,
            "version": about.version,
            "description": about.description,
        },
        "paths": {},
    });
    if let Some(fields) = document.as_object_mut() {
        fields.extend(asked.clone());
    }
    document
}

/// The whole document.
pub(crate) fn document(
    operations: &[(&'static str, Operation)],
    asked: &Map<String, Value>,
    about: About,
) -> Value {
    let mut components = Components::default();
    let mut paths = Paths::new();
    for (tag, operation) in operations {
        let declared = operation.declared;
        let (described, schemas) = Description::of(declared, tag);
        components.schemas.extend(schemas);
        if let Some(method) = description::method(&declared.method) {
            paths.add_path_operation(declared.path, vec![method], described);
        }
    }
    complete(&mut components);
    let info = InfoBuilder::new()
        .title(about.name)
        .version(about.version)
        .description(Some(about.description))
        .build();
    let document = OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .build();
    // Our own fields go into the finished document: utoipa keeps them in no order.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    for (_, operation) in operations {
        let declared = operation.declared;
        let method = declared.method.as_str().to_ascii_lowercase();
        let place = document["paths"][declared.path].get_mut(method);
        if let Some(fields) = place.and_then(Value::as_object_mut) {
            fields.extend(own_fields(declared));
        }
    }
    if let Some(fields) = document.as_object_mut() {
        fields.extend(asked.clone());
    }
    document
}

/// What OpenAPI has no words for.
fn own_fields(declared: &Declared) -> impl Iterator<Item = (String, Value)> {
    let fields = [
        (offer::PERMISSION, declared.permission.map(Value::from)),
        (offer::EFFECT, declared.effect.map(Value::from)),
        (offer::IDEMPOTENT, declared.idempotent.then(|| json!(true))),
    ];
    let said = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    fields.into_iter().filter_map(said)
}

/// Adds how one says who asks, and the error answer of every operation.
fn complete(components: &mut Components) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        session_cookie::SECURE,
        session_cookie::ABOUT,
    ));
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(cookie));
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
}
