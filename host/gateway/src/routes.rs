//! The routes of manifest and host, with all that a request needs of one made in advance.

use crate::error::GatewayError;
use crate::host_routes::{HostAnswers, HostRoute};
use crate::tickets::Tickets;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sbd_manifest::{App, ComponentSettings, Target as Declared, check_route, same_route};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which route a path belongs to.
pub(crate) struct Routes {
    matcher: sbd_manifest::Routes,
    /// As the matcher numbers them.
    routes: Vec<Route>,
    documented: Vec<Arc<str>>,
}

/// One public route.
pub(crate) struct Route {
    pub(crate) pattern: Arc<str>,
    pub(crate) pattern_header: HeaderValue,
    /// The pattern without its trailing `/...`.
    pub(crate) prefix_header: HeaderValue,
    pub(crate) target: Target,
}

/// What answers on a route.
pub(crate) enum Target {
    Static(StaticResponse),
    /// Each request is asked anew, within these limits.
    Asked(Asked, RequestLimits),
}

/// Who is asked.
pub(crate) enum Asked {
    Component {
        id: Arc<str>,
        spin_headers: bool,
    },
    Host {
        answers: HostAnswers,
        tickets: Option<Tickets>,
    },
}

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    /// Bytes of the request's head: its address and headers.
    pub(crate) headers: u64,
    /// Bytes of the request's body.
    pub(crate) body: u64,
}

/// An answer that the manifest holds.
pub(crate) struct StaticResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A path on its route.
pub(crate) struct Matched<'a> {
    pub(crate) route: &'a Route,
    /// What `/...` stands for, with its leading slash; else empty.
    pub(crate) rest: &'a str,
    /// What `:name` stands for.
    pub(crate) params: Vec<(&'a str, &'a str)>,
}

// === impl Routes ===

impl Routes {
    /// The routes of an application, and those of the host.
    pub(crate) fn new(app: &App, host: &[HostRoute]) -> Result<Self, GatewayError> {
        let mut components: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        let mut routes = Vec::with_capacity(app.triggers.len());
        for trigger in &app.triggers {
            // Private ones are for other components only.
            let sbd_manifest::Route::Public(pattern) = &trigger.route else {
                continue;
            };
            let target = match &trigger.target {
                Declared::Component(id) => {
                    let id = id.as_str();
                    let component = Asked::Component {
                        id: Arc::clone(components.entry(id).or_insert_with(|| Arc::from(id))),
                        spin_headers: setting(app, id, |settings| settings.spin_headers),
                    };
                    Target::Asked(component, RequestLimits::of(app, id))
                }
                Declared::Static {
                    status,
                    headers,
                    body,
                } => {
                    let answer = StaticResponse::new(*status, headers, body);
                    Target::Static(answer.map_err(|reason| GatewayError::StaticResponse {
                        route: pattern.clone(),
                        reason,
                    })?)
                }
            };
            routes.push(Route::new(pattern, target));
        }
        for route in HostRoute::own().iter().chain(host) {
            check_route(&route.pattern).map_err(|reason| route.wrong(reason))?;
            let same = |other: &&Route| same_route(&other.pattern, &route.pattern);
            if let Some(other) = routes.iter().find(same) {
                if other.is_hosts() {
                    return Err(route.wrong("it is there twice".to_owned()));
                }
                if route.yields {
                    continue;
                }
                return Err(route.taken_by(other));
            }
            let host = Asked::Host {
                answers: route.answers.clone(),
                tickets: route.tickets.clone(),
            };
            routes.push(Route::new(
                &route.pattern,
                Target::Asked(host, route.limits),
            ));
        }
        Ok(Self {
            matcher: sbd_manifest::Routes::of(routes.iter().map(|route| &*route.pattern)),
            documented: components
                .into_iter()
                .filter(|(id, _)| setting(app, id, |settings| settings.openapi))
                .map(|(_, id)| id)
                .collect(),
            routes,
        })
    }

    /// The most exact route for a path.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<Matched<'a>> {
        let found = self.matcher.find(path)?;
        Some(Matched {
            route: self.routes.get(found.trigger)?,
            rest: found.rest,
            params: found.params,
        })
    }

    /// Does a path lead to this component?
    pub(crate) fn leads_to(&self, path: &str, component: &str) -> bool {
        self.find(path)
            .is_some_and(|matched| matched.route.component() == Some(component))
    }

    /// Does a path lead to this route of the host?
    pub(crate) fn leads_to_host(&self, path: &str, host: &HostRoute) -> bool {
        self.find(path)
            .is_some_and(|Matched { route, .. }| route.is_hosts() && route.pattern == host.pattern)
    }

    /// Is this path written as a route, alone or with `/...` behind it?
    pub(crate) fn names(&self, path: &str) -> bool {
        self.routes
            .iter()
            .any(|route| prefix(&route.pattern) == path)
    }

    /// The components that have a public route and describe it, each once.
    pub(crate) fn documented(&self) -> impl Iterator<Item = &Arc<str>> {
        self.documented.iter()
    }

    /// Public routes and their components, in the manifest's order.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes
            .iter()
            .filter_map(|route| Some((&*route.pattern, route.component()?)))
    }
}

// === impl Matched ===

impl Matched<'_> {
    /// What `:name` stands for, to be kept.
    pub(crate) fn owned_params(&self) -> Vec<(String, String)> {
        let params = self.params.iter();
        params
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

// === impl Route ===

impl Route {
    fn new(pattern: &str, target: Target) -> Self {
        // The manifest lets no character into a route that a header could not carry, except
        // those beyond ASCII; a guest then misses these headers rather than the request.
        let header = |text: &str| {
            HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        Self {
            pattern: Arc::from(pattern),
            pattern_header: header(pattern),
            prefix_header: header(prefix(pattern)),
            target,
        }
    }

    /// The component that answers, if one does.
    pub(crate) fn component(&self) -> Option<&str> {
        match &self.target {
            Target::Asked(Asked::Component { id, .. }, _) => Some(id),
            Target::Asked(Asked::Host { .. }, _) | Target::Static(_) => None,
        }
    }

    fn is_hosts(&self) -> bool {
        matches!(&self.target, Target::Asked(Asked::Host { .. }, _))
    }
}

fn prefix(pattern: &str) -> &str {
    pattern.strip_suffix("/...").unwrap_or(pattern)
}

// === impl Asked ===

impl Asked {
    /// The tickets that say who asks, where some do.
    pub(crate) fn tickets(&self) -> Option<&Tickets> {
        match self {
            Self::Component { .. } => None,
            Self::Host { tickets, .. } => tickets.as_ref(),
        }
    }
}

// === impl RequestLimits ===

impl RequestLimits {
    /// The limits of a component that are kept before it is reached.
    pub(crate) fn of(app: &App, component: &str) -> Self {
        let declared = app.components.get(component);
        declared.map_or_else(Self::default, |component| {
            Self::from(&component.settings.limits)
        })
    }
}

impl From<&sbd_manifest::Limits> for RequestLimits {
    fn from(declared: &sbd_manifest::Limits) -> Self {
        Self {
            headers: declared.request_headers.bytes(),
            body: declared.request_body.bytes(),
        }
    }
}

/// As for a component of which the manifest says nothing.
impl Default for RequestLimits {
    fn default() -> Self {
        Self::from(&sbd_manifest::Limits::default())
    }
}

fn setting(app: &App, component: &str, read: impl Fn(&ComponentSettings) -> bool) -> bool {
    let declared = app.components.get(component);
    declared.is_some_and(|component| read(&component.settings))
}

// === impl StaticResponse ===

impl StaticResponse {
    fn new(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Result<Self, String> {
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let parsed = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::try_from(value).ok());
            let (name, value) = parsed.ok_or_else(|| format!("`{name}: {value}` is no header"))?;
            map.insert(name, value);
        }
        Ok(Self {
            status: StatusCode::from_u16(status).map_err(|error| error.to_string())?,
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }
}
