//! Refusals: the one place where whatever went wrong becomes a status and the standard body.

use http::{HeaderValue, Response, StatusCode, header};
use sbd_runtime::{Body, InvokeError, Limit, OverLimit, body};
use std::borrow::Cow;
use std::time::Duration;

/// One of many open connections ends within a while, or none does.
const OPEN_RETRY: Duration = Duration::from_secs(5);

/// Why the gateway could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// An origin is no origin.
    #[error(
        "`{0}` is not an origin; write it as browsers send it, for example https://app.example.com"
    )]
    Origin(String),
    /// Credentials for everybody.
    #[error(
        "cors: `credentials` does not go with the origin `*`; name the origins that may send cookies"
    )]
    CredentialsForAll,
    /// A static response of the manifest cannot be sent.
    #[error(
        "the static response of route `{route}` cannot be sent: {reason}; correct it in the manifest"
    )]
    StaticResponse {
        /// The route as the manifest writes it.
        route: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The application has a route where the host answers.
    #[error(
        "the route `{route}` of {} is one that the host answers itself, as `{hosts}`; choose another in the manifest",
        component.as_ref().map_or("a static response".to_owned(), |id| format!("the component `{id}`"))
    )]
    HostsRoute {
        /// The route as the manifest writes it.
        route: String,
        /// Its component; `None` for a static response.
        component: Option<String>,
        /// The route as the host writes it.
        hosts: String,
    },
    /// A route of the host cannot be served.
    #[error(
        "the host's route `{route}` cannot be served: {reason}; this is a bug, please report it"
    )]
    HostRoute {
        /// The route.
        route: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A request that is answered with an error: what the gateway itself says no to, in the form and,
/// where there is one, with the sentence that every component has for it.
#[derive(Clone, Debug)]
pub struct Refusal(sbd_contract::Refusal);

// === impl Refusal ===

impl Refusal {
    /// Any refusal. The message says what to do next, in one sentence.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(sbd_contract::Refusal::new(status, code, message))
    }

    /// 400: the request is not what is understood here.
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self(sbd_contract::Refusal::malformed(message))
    }

    pub(crate) fn broken_body() -> Self {
        Self::malformed(
            "The request body broke off or is not encoded as its headers say; send it again.",
        )
    }

    /// 401: nobody is logged in. In place of the usual sentence one that says what this is.
    pub fn unauthenticated(message: &'static str) -> Self {
        let bearer = HeaderValue::from_static("Bearer");
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message);
        Self(refusal.0.with_header(header::WWW_AUTHENTICATE, bearer))
    }

    pub(crate) fn token_expired() -> Self {
        Self(sbd_contract::Refusal::token_expired(
            "The access token has expired; get a new one with the refresh token.",
        ))
    }

    pub(crate) fn token_invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self(sbd_contract::Refusal::token_invalid(message))
    }

    /// 403: not for this caller.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self(sbd_contract::Refusal::forbidden(message))
    }

    pub(crate) fn lacks_permission(permission: &str) -> Self {
        Self(sbd_contract::Refusal::lacks_permission(permission))
    }

    /// 404: nothing is there.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "Nothing answers at this path; see /docs for the paths that exist.",
        )
    }

    pub(crate) fn unknown_tenant() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "UNKNOWN_TENANT",
            "There is no such tenant here; check the header x-sbd-tenant, or leave it out.",
        )
    }

    pub(crate) fn tenant_suspended() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "TENANT_SUSPENDED",
            "This tenant is suspended, nothing of it is lost; ask the operator to resume it.",
        )
    }

    /// 405: only these methods are answered, in a list by commas.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let refusal = sbd_contract::Refusal::method_not_allowed();
        Self(refusal.with_header(header::ALLOW, HeaderValue::from_static(allow)))
    }

    pub(crate) fn body_too_large(limit: u64) -> Self {
        Self(sbd_contract::Refusal::body_too_large(format!(
            "The request body is larger than the {limit} bytes allowed here; send less."
        )))
        .naming("request_body", format!("{limit} bytes"))
    }

    pub(crate) fn uri_too_long(limit: usize) -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            "URI_TOO_LONG",
            format!("The address is longer than {limit} bytes; send long values in the body."),
        )
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let message = format!("Too many requests; try again in {seconds} s.");
        Self(sbd_contract::Refusal::rate_limited(message, seconds))
    }

    /// More connections and answers that last than one payer may have open.
    pub(crate) fn too_many_open(most: usize) -> Self {
        let message = format!(
            "You have {most} such connections open, which is as many as one may; close one first."
        );
        let seconds = whole_seconds(OPEN_RETRY);
        Self(sbd_contract::Refusal::rate_limited(message, seconds))
    }

    fn timeout(after: Duration, limit: Limit) -> Self {
        let seconds = after.as_secs_f32();
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "TIMEOUT",
            format!("No answer within {seconds} s; try again, or ask for less at once."),
        )
        .naming(limit.name(), format!("{after:?}"))
    }

    /// A component that wanted more than it may have. There is nothing the client could change, but
    /// the operator it may tell can.
    fn over_limit(over: &OverLimit) -> Self {
        let status = match over.limit {
            Limit::Memory
            | Limit::Handles
            | Limit::Stack
            | Limit::ResponseHeaders
            | Limit::ResponseBody
            | Limit::StoredBytes
            | Limit::StoredDocuments => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::TOO_MANY_REQUESTS,
        };
        let OverLimit {
            limit,
            allowed,
            component,
            ..
        } = over;
        let message = format!(
            "The component `{component}` ran into its limit `{limit}` ({allowed}); ask for less at once, or ask the operator to raise it."
        );
        Self::new(status, "LIMIT_EXCEEDED", message).naming(limit.name(), allowed.clone())
    }

    /// The same with the limit that is behind it.
    fn naming(self, limit: &str, allowed: String) -> Self {
        Self(self.0.with_detail(format!("limits.{limit}"), allowed))
    }

    pub(crate) fn headers_too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEADERS_TOO_LARGE",
            format!(
                "The request's headers are larger than the {limit} bytes allowed here; send less."
            ),
        )
        .naming("request_headers", format!("{limit} bytes"))
    }

    /// Larger than any component allows, and than hyper reads.
    pub(crate) fn head_too_large(bytes: usize) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEADERS_TOO_LARGE",
            format!(
                "The request's head is larger than {bytes} bytes, or has more than 100 headers; send less."
            ),
        )
    }

    /// 500: the log has the reason.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "Something went wrong in the server; its log has the reason under this request id.",
        )
    }

    /// 503: to be tried again after so long.
    pub fn busy(wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let message = format!("The server is busy; try again in {seconds} s.");
        Self(sbd_contract::Refusal::overloaded(message, seconds))
    }

    pub(crate) fn not_ready() -> Self {
        Self(sbd_contract::Refusal::overloaded(
            "The server is starting or stopping; try again shortly.",
            1,
        ))
    }

    fn storage_full() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "STORAGE_FULL",
            "The server's disk is full, nothing was written; the operator must make room.",
        )
    }

    /// What the runtime reports, as what the client is told. Where the client could do nothing
    /// about it, the reason stays in the log.
    pub(crate) fn from_component(error: &InvokeError, component: &str, request_id: &str) -> Self {
        if let Some(refusal) = error.refusal() {
            return Self(refusal);
        }
        match error {
            InvokeError::Overloaded { retry_after, limit } => {
                let allowed = format!("busy for {} s", whole_seconds(*retry_after));
                Self::busy(*retry_after).naming(limit.name(), allowed)
            }
            InvokeError::Timeout { after, limit } => Self::timeout(*after, *limit),
            InvokeError::OverLimit(over) => Self::over_limit(over),
            InvokeError::StorageFull => Self::storage_full(),
            InvokeError::BodyBroken => Self::broken_body(),
            InvokeError::BodyTooLarge => Self(sbd_contract::Refusal::body_too_large(
                "The request body is larger than allowed here; send less.",
            )),
            // UnknownComponent, Trapped, CannotStart, Guest.
            other => {
                tracing::error!(error = %other, component, request_id, "a component did not answer");
                Self::internal()
            }
        }
    }

    /// The answer in the standard form.
    pub(crate) fn into_response(self, request_id: &str) -> Response<Body> {
        self.into_parts(request_id).map(body::full)
    }

    /// The same with the body's bytes.
    pub(crate) fn into_parts(self, request_id: &str) -> Response<Vec<u8>> {
        self.0.into_parts(request_id)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }
}

/// Rounded up, and never "try again in 0 s".
fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}
