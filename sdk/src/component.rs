//! A component: all that it offers, in one place.

use crate::channels::{self, Channels};
use crate::events::{self, Subscription};
use crate::openapi::{self, About};
use crate::schedules::Schedule;
use crate::tasks::Task;
use crate::{App, Json, Operation, constraints};
use axum::Router;
use axum::routing::{MethodRouter, get};
use sbd_contract::{offer, path};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All that a component offers. [`crate::component!`] takes the function that makes it.
///
/// ```
/// # use sbd_sdk::{Component, Json, Result, events::Event, on_event, operation, schedule, task};
/// # use sbd_sdk::schedules::Tick;
/// # use serde_json::Value;
/// # /// Lists notes.
/// # #[operation(get "/api/v1/notes")] async fn list_notes() -> Json<Vec<String>> { Json(Vec::new()) }
/// # #[on_event("family.deleted")] async fn forget(_: Event<Value>) -> Result<()> { Ok(()) }
/// # #[task("index", queue = "ai")] async fn index(Json(_): Json<Value>) -> Result<()> { Ok(()) }
/// # #[schedule("nightly", cron = "0 3 * * *")] async fn nightly(_: Tick) -> Result<()> { Ok(()) }
/// fn component() -> Component {
///     Component::new()
///         .operations("notes", [list_notes()])
///         .events([forget()])
///         .tasks([index()])
///         .schedules([nightly()])
/// }
/// # sbd_sdk::testing::assert_described(component());
/// ```
#[derive(Debug)]
pub struct Component {
    routes: Router,
    operations: Vec<(&'static str, Operation)>,
    /// What describes the operations: nothing, as long as there are none.
    describe: openapi::Describe,
    /// What the host may ask for, as the offer says it.
    asked: Map<String, Value>,
}

// === impl Component ===

impl Component {
    /// A component that offers nothing yet.
    pub fn new() -> Self {
        Router::new().into()
    }

    /// Operations of the public API, under the tag by which the description groups them.
    #[must_use]
    pub fn operations(
        mut self,
        tag: &'static str,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Self {
        for operation in operations {
            let handler = constraints::kept(operation.declared, operation.handler.clone());
            self.routes = self.routes.route(operation.declared.path, handler);
            self.operations.push((tag, operation));
        }
        self.describe = openapi::document;
        self
    }

    /// Events it listens to, once and for all.
    #[must_use]
    pub fn events(mut self, handlers: impl IntoIterator<Item = Subscription>) -> Self {
        let handlers: Vec<_> = handlers.into_iter().collect();
        for handler in &handlers {
            self.asks(offer::EVENTS, handler.pattern.into());
        }
        self.route(path::EVENTS, events::deliver(handlers))
    }

    /// Tasks it works on.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        for task in tasks {
            let address = format!("{}{}", path::TASKS, task.name);
            self.asks(
                offer::TASKS,
                json!({"name": task.name, "queue": task.queue}),
            );
            self.routes = self.routes.route(&address, task.handler);
        }
        self
    }

    /// When it is to be called.
    #[must_use]
    pub fn schedules(mut self, schedules: impl IntoIterator<Item = Schedule>) -> Self {
        for schedule in schedules {
            let address = format!("{}{}", path::SCHEDULES, schedule.name);
            self.asks(offer::SCHEDULES, schedule.offer());
            self.routes = self.routes.route(&address, schedule.handler);
        }
        self
    }

    /// Real-time channels it decides about, once and for all.
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = Channels>) -> Self {
        let channels: Vec<_> = channels.into_iter().collect();
        for one in &channels {
            self.asks(offer::CHANNELS, one.offer());
        }
        self.route(path::CHANNELS, channels::authorize(channels))
    }

    /// Adds to what the offer says of what the host may ask for.
    fn asks(&mut self, field: &str, entry: Value) {
        let list = self.asked.entry(field).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(entry);
        }
    }

    /// An address that is not described: what the host asks for under `/-/`, or what is no API.
    #[must_use]
    pub fn route(mut self, path: &str, handler: MethodRouter) -> Self {
        self.routes = self.routes.route(path, handler);
        self
    }

    /// Has what was added so far answer as this makes of it: under a layer that all of it is reached through.
    ///
    /// ```
    /// # use axum::{extract::Request, middleware::{Next, from_fn}, response::{IntoResponse, Response}};
    /// # use sbd_sdk::{Component, Error};
    /// async fn closed(_: Request, _: Next) -> Response {
    ///     Error::forbidden("this is closed; come back tomorrow").into_response()
    /// }
    ///
    /// let component = Component::new().under(|routes| routes.layer(from_fn(closed)));
    /// ```
    #[must_use]
    pub fn under(mut self, layer: impl FnOnce(Router) -> Router) -> Self {
        self.routes = layer(self.routes);
        self
    }

    /// Ready to answer. The description is made when it is asked for.
    pub fn build(self, about: About) -> App {
        let (describe, offered) = (self.describe, Arc::new((self.operations, self.asked)));
        let description = get(move || {
            let offered = Arc::clone(&offered);
            async move { Json(describe(&offered.0, &offered.1, about)) }
        });
        App::new(self.routes, description)
    }
}

impl Default for Component {
    fn default() -> Self {
        Self::new()
    }
}

/// A component whose addresses are not described.
impl From<Router> for Component {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            operations: Vec::new(),
            describe: openapi::undescribed,
            asked: Map::new(),
        }
    }
}

/// Makes a crate a component: `component!(component)` with a function that returns its [`Component`],
/// or an axum router. It is built once per instance.
///
/// Off wasm it makes nothing, so that the crate's tests build natively.
#[macro_export]
macro_rules! component {
    ($component:path) => {
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            fn _builds() -> $crate::Component {
                $component().into()
            }
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;

            impl $crate::wasip3::exports::http::handler::Guest for Exported {
                async fn handle(
                    request: $crate::wasip3::http::types::Request,
                ) -> ::core::result::Result<
                    $crate::wasip3::http::types::Response,
                    $crate::wasip3::http::types::ErrorCode,
                > {
                    ::std::thread_local! {
                        static APP: $crate::App =
                            $crate::Component::from($component()).build($crate::About {
                                name: env!("CARGO_PKG_NAME"),
                                version: env!("CARGO_PKG_VERSION"),
                                description: env!("CARGO_PKG_DESCRIPTION"),
                            });
                    }
                    let app = APP.with(::core::clone::Clone::clone);
                    app.handle(request).await
                }
            }

            $crate::wasip3::http::service::export!(Exported);
        };
    };
}
