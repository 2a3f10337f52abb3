//! What the routes say of themselves, as one OpenAPI document in the form of components' documents.

use crate::{realtime, tasks};
use bytes::Bytes;
use sbd_contract::{ErrorBody, session_cookie};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToResponse};

/// The document.
pub(crate) fn document() -> Bytes {
    let mut document = Description::openapi();
    document.merge(tasks::Description::openapi());
    document.merge(realtime::Description::openapi());
    // It always serialises; the gateway would refuse anything else.
    serde_json::to_vec(&document).unwrap_or_default().into()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "host", description = "What the host answers itself"),
    components(schemas(ErrorBody), responses(Error)),
    modifiers(&Access)
)]
struct Description;

/// Any refusal: a code for programs, a sentence for people, the request's id
#[derive(ToResponse)]
#[response(content_type = "application/json")]
#[allow(dead_code, reason = "read by its description only")]
pub(crate) struct Error(ErrorBody);

/// How one says who asks: as everywhere, or by a ticket.
struct Access;

impl Modify for Access {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            session_cookie::SECURE,
            session_cookie::ABOUT,
        ));
        let ticket = ApiKey::Query(ApiKeyValue::with_description(
            "ticket",
            "Of `POST /api/v1/realtime/tickets`, good for one connection",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
        components.add_security_scheme("ticket", SecurityScheme::ApiKey(ticket));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::Value;

    #[test]
    fn it_is_a_sound_document_of_described_operations() {
        let document: Value = serde_json::from_slice(&document()).unwrap();
        assert_eq!(
            sbd_runtime::openapi::problems(&document),
            Vec::<String>::new()
        );
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for field in ["operationId", "summary", "security"] {
                    let said = operation.get(field);
                    assert!(said.is_some(), "{method} {path} has no {field}");
                }
                let other = &operation["responses"]["default"]["$ref"];
                assert_eq!(other, "#/components/responses/Error", "{method} {path}");
            }
        }
    }
}
