//! Pages of the platform itself, which are there whatever becomes of the components.

use crate::error::Refusal;
use crate::gateway::Edge;
use crate::health::plain;
use crate::host_routes::read_only;
use crate::routes::Routes;
use http::Response;
use http::request::Parts;
use sbd_runtime::Body;

/// A page that neither a component nor a route of the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Home,
    Docs,
    Healthz,
    Readyz,
}

/// Which pages give way to the application. One that a route names keeps its own; `/` also gives
/// way to a route for everything, because a Spin application expects to be found there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yields {
    home: bool,
    docs: bool,
}

// === impl Yields ===

impl Yields {
    pub(crate) fn to(routes: &Routes) -> Self {
        Self {
            home: routes.find("/").is_some(),
            docs: routes.names("/docs"),
        }
    }
}

// === impl Builtin ===

impl Builtin {
    /// The page at a path.
    pub(crate) fn at(path: &str, yields: &Yields) -> Option<Self> {
        match path {
            "/" if !yields.home => Some(Self::Home),
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            _ if !yields.docs => {
                let rest = path.strip_prefix("/docs")?;
                (rest.is_empty() || rest.starts_with('/')).then_some(Self::Docs)
            }
            _ => None,
        }
    }

    /// The route in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Docs => "/docs/...",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
        }
    }

    /// The page itself.
    pub(crate) fn page<C>(self, edge: &Edge<C>, parts: &Parts) -> Result<Response<Body>, Refusal> {
        read_only(&parts.method)?;
        let lasting = &edge.lasting;
        match self {
            Self::Home => Ok(edge.home.page(&parts.headers)),
            Self::Docs => {
                let file = lasting.docs.file(parts.uri.path());
                file.ok_or_else(Refusal::not_found)
            }
            Self::Healthz => Ok(plain("ok\n")),
            Self::Readyz => lasting.health.ready().map(|()| plain("ready\n")),
        }
    }
}
