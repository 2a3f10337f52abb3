//! The description of one operation, while its arguments and its answer add to it.

use super::{BEARER, COOKIE, Input};
use crate::Caller;
use crate::error::ErrorBody;
use http::{Method, StatusCode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, Header, HttpMethod, Object, Ref, RefOr, Required, Response, ResponseBuilder,
};

const JSON: &str = "application/json";

/// What an operation's attribute says. [`crate::operation`] makes it.
#[derive(Debug)]
pub struct Declared {
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for parameters.
    pub path: &'static str,
    /// Its id.
    pub id: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// More about it; may be empty.
    pub description: &'static str,
    /// What a principal needs to be allowed.
    pub permission: Option<&'static str>,
    /// What it does to what there is, where its method does not say it.
    pub effect: Option<&'static str>,
    /// Asking twice has the effect of asking once, though its method does not say it.
    pub idempotent: bool,
    /// What a good answer is.
    pub answers: Option<&'static str>,
    /// What the `Location` of what was created is.
    pub location: Option<&'static str>,
    /// What parts of the path are.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Refusals, by status.
    pub refusals: &'static [(u16, &'static str)],
    /// Lets arguments and answer describe themselves.
    pub describe: fn(&mut Description),
}

/// The description of one operation.
pub struct Description {
    declared: &'static Declared,
    parameters: Vec<Parameter>,
    body: Option<RefOr<Schema>>,
    security: Option<Vec<SecurityRequirement>>,
    /// What a list is a list of.
    items: Option<&'static str>,
    answers: BTreeMap<u16, Response>,
    /// Reasons to refuse, by status.
    refusals: BTreeMap<u16, Vec<&'static str>>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

// === impl Description ===

impl Description {
    /// The description of an operation, and the schemas it refers to.
    pub(crate) fn of(
        declared: &'static Declared,
        tag: &str,
    ) -> (Operation, Vec<(String, RefOr<Schema>)>) {
        Self::complete(declared).finish(tag)
    }

    /// What an operation takes beside its body.
    pub(crate) fn parameters(declared: &'static Declared) -> Vec<Parameter> {
        Self::complete(declared).parameters
    }

    fn complete(declared: &'static Declared) -> Self {
        let mut description = Self {
            declared,
            parameters: Vec::new(),
            body: None,
            security: None,
            items: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            schemas: Vec::new(),
        };
        (declared.describe)(&mut description);
        description
    }

    /// The operation's method.
    pub fn method(&self) -> &Method {
        &self.declared.method
    }

    /// The names of the path's variable parts, in order.
    pub fn path_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let parts = self.declared.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// What a list is a list of: `families`.
    pub fn items(&self) -> Option<&'static str> {
        self.items
    }

    /// Says what a list is a list of.
    pub fn lists(&mut self, items: &'static str) {
        self.items = Some(items);
    }

    /// Adds a parameter.
    pub fn parameter(&mut self, parameter: Parameter) {
        self.parameters.push(parameter);
    }

    /// Adds a variable part of the path; the attribute may say better what it is.
    pub fn path_parameter(
        &mut self,
        name: &'static str,
        schema: impl Into<RefOr<Schema>>,
        description: Option<String>,
    ) {
        let said = self.declared.parameters.iter().find(|(of, _)| *of == name);
        let description = said.map(|&(_, text)| text.to_owned()).or(description);
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema))
            .description(description);
        self.parameter(parameter.build());
    }

    /// Adds a header that a request may have.
    pub fn header_parameter(&mut self, name: &str, description: impl Into<String>) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .schema(Some(Object::with_type(SchemaType::from_iter([
                Type::String,
                Type::Null,
            ]))))
            .description(Some(description));
        self.parameter(parameter.build());
    }

    /// The request has a JSON body.
    pub fn request_body<T: ToSchema>(&mut self) {
        self.body = Some(self.schema::<T>());
    }

    /// Only somebody who is signed in may ask; or anybody, and who is signed in is known.
    pub fn signed_in(&mut self, must_be: bool) {
        let ways = [BEARER, COOKIE].map(|way| SecurityRequirement::new(way, Vec::<String>::new()));
        let anybody = (!must_be).then(SecurityRequirement::default);
        self.security = Some(anybody.into_iter().chain(ways).collect());
    }

    /// Adds a reason to refuse. Several with one status are joined.
    pub fn refuses(&mut self, status: StatusCode, reason: &'static str) {
        self.refusals
            .entry(status.as_u16())
            .or_default()
            .push(reason);
    }

    /// Adds a reason to refuse that comes before others with its status.
    pub fn refuses_first(&mut self, status: StatusCode, reason: &'static str) {
        let reasons = self.refusals.entry(status.as_u16()).or_default();
        reasons.insert(0, reason);
    }

    /// A good answer; the attribute may say better what it is.
    pub fn answers(&mut self, status: StatusCode, usual: impl Into<Cow<'static, str>>) {
        let said = self.declared.answers.map(Cow::Borrowed);
        let description = said.unwrap_or_else(|| usual.into());
        let response = ResponseBuilder::new().description(description).build();
        self.answers.insert(status.as_u16(), response);
    }

    /// The good answer has a JSON body.
    pub fn answer_body<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        for response in self.good() {
            let content = Content::new(Some(schema.clone()));
            response.content.insert(JSON.to_owned(), RefOr::T(content));
        }
    }

    /// The good answer has a header.
    pub fn answer_header(&mut self, name: &str, description: &str) {
        for response in self.good() {
            let mut header = Header::new(Object::with_type(Type::String));
            header.description = Some(description.to_owned());
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }

    /// What the `Location` of what was created is.
    pub fn location(&self) -> &'static str {
        self.declared.location.unwrap_or("Its address")
    }

    /// Another answer that is no refusal.
    pub fn also_answers(&mut self, status: StatusCode, description: &str) {
        let response = ResponseBuilder::new().description(description).build();
        self.answers.insert(status.as_u16(), response);
    }

    /// Another answer that is no refusal, with a JSON body of its own.
    pub fn also_answers_with<T: ToSchema>(&mut self, status: StatusCode, description: &str) {
        let content = Content::new(Some(self.schema::<T>()));
        let mut response = ResponseBuilder::new().description(description).build();
        response.content.insert(JSON.to_owned(), RefOr::T(content));
        self.answers.insert(status.as_u16(), response);
    }

    fn good(&mut self) -> impl Iterator<Item = &mut Response> {
        let successes = self.answers.range_mut(200..300);
        successes.map(|(_, response)| response)
    }

    /// The schema of a type: a reference, and the schema noted; or the schema itself, where it is no
    /// more than a type or a list.
    pub fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let schema = T::schema();
        T::schemas(&mut self.schemas);
        if is_plain(&schema) {
            return schema;
        }
        self.schemas.push((T::name().into_owned(), schema));
        Ref::from_schema_name(T::name()).into()
    }

    fn finish(mut self, tag: &str) -> (Operation, Vec<(String, RefOr<Schema>)>) {
        let declared = self.declared;
        // The host refuses whoever lacks a permission, whether or not the operation asks who it is.
        if declared.permission.is_some() && self.security.is_none() {
            Caller::describe(&mut self);
        }
        let mut said: BTreeMap<u16, Cow<'static, str>> = self
            .refusals
            .iter()
            .map(|(&status, reasons)| (status, reasons.join(", or ").into()))
            .collect();
        for &(status, text) in declared.refusals {
            said.insert(status, text.into());
        }
        for (status, text) in said {
            let refusal = ResponseBuilder::new()
                .description(capitalised(&text))
                .content(
                    JSON,
                    Content::new(Some(Ref::from_schema_name(ErrorBody::name()))),
                );
            self.answers.insert(status, refusal.build());
        }
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut operation = OperationBuilder::new()
            .tag(tag)
            .summary(text(declared.summary))
            .description(text(declared.description))
            .operation_id(Some(declared.id))
            .securities(self.security)
            .build();
        if !self.parameters.is_empty() {
            let parameters = self.parameters.into_iter().map(RefOr::T);
            operation.parameters = Some(parameters.collect());
        }
        operation.request_body = self.body.map(|schema| {
            let body = RequestBodyBuilder::new()
                .content(JSON, Content::new(Some(schema)))
                .required(Some(Required::True));
            RefOr::T(body.build())
        });
        let responses = &mut operation.responses.responses;
        for (status, response) in self.answers {
            responses.insert(status.to_string(), RefOr::T(response));
        }
        responses.insert(
            "default".to_owned(),
            Ref::from_response_name("Error").into(),
        );
        (operation, self.schemas)
    }
}

/// No more than a type, or a list.
fn is_plain(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.properties.is_empty()
                && object.enum_values.is_none()
                && object.description.is_none()
        }
        RefOr::T(Schema::Array(_)) => true,
        _ => false,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// The place that OpenAPI has for a method.
pub(super) fn method(method: &Method) -> Option<HttpMethod> {
    Some(match *method {
        Method::GET => HttpMethod::Get,
        Method::PUT => HttpMethod::Put,
        Method::POST => HttpMethod::Post,
        Method::DELETE => HttpMethod::Delete,
        Method::PATCH => HttpMethod::Patch,
        _ => return None,
    })
}
