//! Query fields are what their description says: a value that is too long, too short or out of range is
//! refused before the operation is asked. Their types are for the extractors to see to.

use crate::Error;
use crate::openapi::{Declared, Description};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::sync::{Arc, OnceLock};
use utoipa::Number;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{Object, RefOr, Schema};

/// A query field that has constraints.
struct Field {
    name: String,
    schema: Object,
}

/// The handler of an operation behind the constraints of its query fields.
pub(crate) fn kept(declared: &'static Declared, handler: MethodRouter) -> MethodRouter {
    // Described once an instance, and only if there is a query.
    let fields: Arc<OnceLock<Vec<Field>>> = Arc::default();
    handler.route_layer(from_fn(move |request: Request, next: Next| {
        let fields = Arc::clone(&fields);
        async move {
            let Some(query) = request.uri().query() else {
                return next.run(request).await;
            };
            let fields = fields.get_or_init(|| described(declared));
            match check(fields, query) {
                Ok(()) => next.run(request).await,
                Err(error) => error.into_response() as Response,
            }
        }
    }))
}

fn described(declared: &'static Declared) -> Vec<Field> {
    let parameters = Description::parameters(declared).into_iter();
    parameters.filter_map(Field::of).collect()
}

fn check(fields: &[Field], query: &str) -> Result<(), Error> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let field = fields.iter().find(|field| field.name == name);
        if let Some(problem) = field.and_then(|field| problem(&field.schema, &value)) {
            return Err(Error::validation(name, problem));
        }
    }
    Ok(())
}

// === impl Field ===

impl Field {
    fn of(parameter: Parameter) -> Option<Self> {
        match (parameter.parameter_in, parameter.schema) {
            (ParameterIn::Query, Some(RefOr::T(Schema::Object(schema)))) => Some(Self {
                name: parameter.name,
                schema,
            }),
            _ => None,
        }
    }
}

/// What is wrong with a value.
fn problem(schema: &Object, value: &str) -> Option<String> {
    let length = value.chars().count();
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        return Some(format!("at most {most} characters"));
    }
    if let Some(least) = schema.min_length.filter(|least| length < *least) {
        return Some(format!("at least {least} characters"));
    }
    let number: f64 = value.parse().ok()?;
    if let Some(most) = bound(&schema.maximum).filter(|most| number > *most) {
        return Some(format!("at most {most}"));
    }
    let least = bound(&schema.minimum).filter(|least| number < *least)?;
    Some(format!("at least {least}"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bounds are numbers that people write"
)]
fn bound(number: &Option<Number>) -> Option<f64> {
    Some(match number.as_ref()? {
        Number::Int(number) => *number as f64,
        Number::UInt(number) => *number as f64,
        Number::Float(number) => *number,
    })
}
