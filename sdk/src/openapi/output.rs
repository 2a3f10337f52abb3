//! What the answer of an operation means for its description.

use super::Description;
use crate::answer::{Created, NoContent, Tagged};
use crate::{Answer, Error, Json};
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// What an answer means for the description of its operation.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of an operation",
    note = "answer `Json`, `Tagged`, `Created` or `NoContent`, alone or in a `Result`"
)]
pub trait Output {
    /// Adds to the description.
    fn describe(description: &mut Description);
}

/// What the body of an answer means for the description: any type with a schema, or [`Tagged`].
pub trait Body {
    /// Adds to the description, which has its answer already.
    fn describe(description: &mut Description);
    /// The body as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn json(&self) -> crate::Result<String>;
    /// Its version, if it has one.
    fn version(&self) -> Option<u64> {
        None
    }
}

impl<T: Serialize + ToSchema> Body for T {
    fn describe(description: &mut Description) {
        description.answer_body::<T>();
    }

    fn json(&self) -> crate::Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

impl<T: Serialize + ToSchema> Body for Tagged<T> {
    fn describe(description: &mut Description) {
        description.answer_body::<T>();
        description.answer_header("ETag", "Its version");
    }

    fn json(&self) -> crate::Result<String> {
        self.body.json()
    }

    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl<T: Output, E> Output for Result<T, E> {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

impl<T: ToSchema> Output for Json<T> {
    fn describe(description: &mut Description) {
        let items = description.items();
        let usual = items.map(|items| format!("A page of {items}"));
        description.answers(StatusCode::OK, usual.unwrap_or_else(|| "Done".to_owned()));
        description.answer_body::<T>();
    }
}

impl<T: Serialize + ToSchema> Output for Tagged<T> {
    fn describe(description: &mut Description) {
        description.answers(StatusCode::OK, "Done");
        <Self as Body>::describe(description);
        if *description.method() == Method::GET {
            description.header_parameter("If-None-Match", "Versions the caller has already");
            description.also_answers(
                StatusCode::NOT_MODIFIED,
                "The caller has this version already",
            );
        }
    }
}

impl<T: Body> Output for Created<T> {
    fn describe(description: &mut Description) {
        description.answers(StatusCode::CREATED, "Created");
        description.answer_header("Location", description.location());
        T::describe(description);
    }
}

impl Output for NoContent {
    fn describe(description: &mut Description) {
        let usual = match *description.method() {
            Method::DELETE => "Deleted",
            _ => "Done",
        };
        description.answers(StatusCode::NO_CONTENT, usual);
    }
}

/// Headers before it say nothing: [`crate::NoStore`], or what a domain tells the host.
impl<H, T: Output> Output for (H, T) {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

/// As it is: the status of a good answer is 200, and nothing is known of its body.
macro_rules! anything {
    ($($type:ty),*) => {$(
        impl Output for $type {
            fn describe(description: &mut Description) {
                description.answers(StatusCode::OK, "Done");
            }
        }
    )*};
}

anything!(Answer, Response, String, &'static str);
