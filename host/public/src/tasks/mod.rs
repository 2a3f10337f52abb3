//! `/api/v1/tasks`: a user's own tasks, how far they are, and an end to them. Whose a task is decides who
//! finds it: for anybody else it is not there.

mod seen;
mod stream;

use crate::description::Error;
use http::{Method, Response, StatusCode, Uri, header};
use jiff::Timestamp;
use sbd_contract::ErrorBody;
use sbd_gateway::{HostRequest, HostRoute, Refusal};
use sbd_runtime::{Body, Runtime, TaskStore, body};
use sbd_tasks::{Filter, State, Task};
use seen::{Page, Seen, states};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, OpenApi};

/// What a token needs to see tasks, and to end them.
const READ: &str = "tasks:read";
const WRITE: &str = "tasks:write";

/// Tasks on a page if nothing is said, and at most; and the last page there is, as in every list.
const PER_PAGE: u32 = 20;
const MAX_PER_PAGE: u32 = 100;
const MAX_PAGE: u32 = 100_000;

/// Which tasks are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Query {
    #[param(schema_with = pages)]
    page: Option<u32>,
    #[param(schema_with = per_pages)]
    per_page: Option<u32>,
    #[param(schema_with = states)]
    state: Option<String>,
}

impl Query {
    fn of(uri: &Uri) -> Result<Self, Refusal> {
        let fields = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let fields = serde_urlencoded::Deserializer::new(fields);
        serde_path_to_error::deserialize(fields).map_err(|error| {
            let (field, wrong) = (error.path(), error.inner());
            invalid(format!(
                "`{field}` in the query is not right: {wrong}; correct it"
            ))
        })
    }
}

/// What the routes say of themselves.
#[derive(OpenApi)]
#[openapi(
    paths(listed, shown, canceled, streamed),
    tags((name = "tasks", description = "A user's own tasks: what is done later, how far it is, and an end to it"))
)]
pub(crate) struct Description;

/// Where a request is about something.
struct At {
    tenant: Arc<str>,
    request_id: Arc<str>,
}

/// A task that is to be the caller's own.
struct Own {
    at: At,
    user: Arc<str>,
    id: String,
}

/// The routes.
pub(crate) fn routes(runtime: &Runtime) -> Vec<HostRoute> {
    let (list, one, cancel, stream) = (
        runtime.clone(),
        runtime.clone(),
        runtime.clone(),
        runtime.clone(),
    );
    let routes = [
        HostRoute::new("/api/v1/tasks", move |request| {
            listed(list.clone(), request)
        }),
        HostRoute::new("/api/v1/tasks/:id", move |request| {
            shown(one.clone(), request)
        }),
        HostRoute::new("/api/v1/tasks/:id/cancel", move |request| {
            canceled(cancel.clone(), request)
        }),
        HostRoute::new("/api/v1/tasks/:id/stream", move |request| {
            streamed(stream.clone(), request)
        }),
    ];
    // An application of others may have tasks of its own.
    routes.map(HostRoute::yielding).into()
}

/// Lists the caller's tasks, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    operation_id = "listTasks",
    tag = "tasks",
    params(Query),
    responses(
        (status = 200, description = "A page of tasks", body = Page),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The token lacks the permission", body = ErrorBody),
        (status = 422, description = "A query field is wrong", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = [])),
    extensions(("x-sbd-permission" = json!(READ))),
)]
async fn listed(runtime: Runtime, request: HostRequest) -> Result<Response<Body>, Refusal> {
    only(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let user = user(&request, READ)?;
    let query = Query::of(request.request.uri())?;
    let state = query.state.as_deref();
    let state = state.map(|word| State::of_word(word).ok_or_else(|| no_state(word)));
    let page = within("page", query.page.unwrap_or(1), MAX_PAGE)?;
    let per_page = within("per_page", query.per_page.unwrap_or(PER_PAGE), MAX_PER_PAGE)?;
    let filter = Filter {
        user: Some(user),
        state: state.transpose()?,
    };
    let at = At::of(&request);
    let store = at.store(&runtime).await?;
    let offset = u64::from(page - 1) * u64::from(per_page);
    let listed = store.tasks.list(filter, offset, per_page).await;
    let listed = listed.map_err(|error| at.failed(&error))?;
    answer(&Page {
        items: listed.tasks.iter().map(Seen::of).collect(),
        page,
        per_page,
        total: listed.total,
        pages: listed.total.div_ceil(per_page.into()),
    })
}

/// Shows one of the caller's tasks.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}",
    operation_id = "getTask",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The task", body = Seen),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The token lacks the permission", body = ErrorBody),
        (status = 404, description = "The caller has no such task, or it was forgotten", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = [])),
    extensions(("x-sbd-permission" = json!(READ))),
)]
async fn shown(runtime: Runtime, request: HostRequest) -> Result<Response<Body>, Refusal> {
    only(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let (_, task) = Own::of(&request, READ)?.find(&runtime).await?;
    answer(&Seen::of(&task))
}

/// Cancels one of the caller's tasks, with those that were to come after it.
///
/// One that runs is cut off.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{id}/cancel",
    operation_id = "cancelTask",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The task, canceled", body = Seen),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The token lacks the permission", body = ErrorBody),
        (status = 404, description = "The caller has no such task, or it was forgotten", body = ErrorBody),
        (status = 409, description = "It has ended already", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = [])),
    extensions(
        ("x-sbd-permission" = json!(WRITE)),
        ("x-sbd-effect" = json!("destructive")),
    ),
)]
async fn canceled(runtime: Runtime, request: HostRequest) -> Result<Response<Body>, Refusal> {
    only(&request, &[Method::POST], "POST")?;
    let own = Own::of(&request, WRITE)?;
    let (store, task) = own.find(&runtime).await?;
    let canceled = store.tasks.cancel(&task.id, Timestamp::now()).await;
    if !canceled.map_err(|error| own.at.failed(&error))? {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            "The task has ended already, and cannot be canceled any more; look at what became of it.",
        ));
    }
    let task = store.tasks.get(&task.id).await;
    let task = task.map_err(|error| own.at.failed(&error))?;
    answer(&Seen::of(&task.ok_or_else(no_task)?))
}

/// Tells how far one of the caller's tasks is, as it goes on.
///
/// Server-Sent Events in the form of `docs/streams.md`: `task.progress` now and whenever it is another one,
/// then `task.ended`; `data` of both is the task.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/stream",
    operation_id = "streamTask",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "Messages, until the task has ended", body = String, content_type = "text/event-stream"),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The token lacks the permission", body = ErrorBody),
        (status = 404, description = "The caller has no such task, or it was forgotten", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = [])),
    extensions(("x-sbd-permission" = json!(READ))),
)]
async fn streamed(runtime: Runtime, request: HostRequest) -> Result<Response<Body>, Refusal> {
    only(&request, &[Method::GET], "GET")?;
    let own = Own::of(&request, READ)?;
    let (tenant, stopping) = (Arc::clone(&request.tenant), request.stopping.clone());
    let (store, task) = own.find(&runtime).await?;
    Ok(stream::of(runtime, tenant, &store, task.id, stopping))
}

/// The user who asks, if they may.
fn user(request: &HostRequest, permission: &str) -> Result<Arc<str>, Refusal> {
    const NOBODY: &str = "Tasks are somebody's; log in to see yours.";
    let caller = request.permitted(permission, NOBODY)?;
    let user = caller.user.clone();
    user.ok_or_else(|| Refusal::unauthenticated(NOBODY))
}

fn answer(content: &impl Serialize) -> Result<Response<Body>, Refusal> {
    let json = serde_json::to_vec(content).map_err(|_| Refusal::internal())?;
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body::full(json))
        .map_err(|_| Refusal::internal())
}

fn only(request: &HostRequest, methods: &[Method], allow: &'static str) -> Result<(), Refusal> {
    match methods.contains(request.request.method()) {
        true => Ok(()),
        false => Err(Refusal::method_not_allowed(allow)),
    }
}

fn within(what: &str, given: u32, most: u32) -> Result<u32, Refusal> {
    match (1..=most).contains(&given) {
        true => Ok(given),
        false => Err(invalid(format!(
            "`{what}` is 1 to {most}, not {given}; choose another"
        ))),
    }
}

fn pages() -> Object {
    numbers("The page, from 1", 1, MAX_PAGE)
}

fn per_pages() -> Object {
    numbers("Tasks on a page", PER_PAGE, MAX_PER_PAGE)
}

/// From 1 to the most, and what it is if nothing is said.
fn numbers(what: &str, usual: u32, most: u32) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some(what))
        .minimum(Some(1))
        .maximum(Some(most))
        .default(Some(usual.into()))
        .build()
}

fn no_state(word: &str) -> Refusal {
    let states: Vec<&str> = State::ALL.iter().map(|state| state.word()).collect();
    invalid(format!(
        "`state` is one of {}, not `{word}`",
        states.join(", ")
    ))
}

fn invalid(message: String) -> Refusal {
    Refusal::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "VALIDATION_ERROR",
        message,
    )
}

fn no_task() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        "There is no such task, or it was forgotten some time after its end; check its id.",
    )
}

// === impl At ===

impl At {
    fn of(request: &HostRequest) -> Self {
        Self {
            tenant: Arc::clone(&request.tenant),
            request_id: Arc::clone(&request.request_id),
        }
    }

    async fn store(&self, runtime: &Runtime) -> Result<TaskStore, Refusal> {
        let store = runtime.tasks(&self.tenant).await;
        store.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Refusal {
        tracing::error!(
            tenant = &*self.tenant,
            request_id = &*self.request_id,
            %error,
            "tasks could not be read"
        );
        Refusal::internal()
    }
}

// === impl Own ===

impl Own {
    /// That in the address of a request, if who asks may.
    fn of(request: &HostRequest, permission: &str) -> Result<Self, Refusal> {
        Ok(Self {
            at: At::of(request),
            user: user(request, permission)?,
            id: request.param("id").unwrap_or_default().to_owned(),
        })
    }

    async fn find(&self, runtime: &Runtime) -> Result<(TaskStore, Task), Refusal> {
        let store = self.at.store(runtime).await?;
        let task = store.tasks.get(&self.id).await;
        let task = task.map_err(|error| self.at.failed(&error))?;
        let task = task.filter(|task| task.user.as_ref() == Some(&self.user));
        Ok((store, task.ok_or_else(no_task)?))
    }
}
