//! Pages of the platform itself.

use crate::routes::Routes;

/// A page that no component answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Home,
    Docs,
    OpenApi,
    Healthz,
    Readyz,
    Health,
}

/// Which pages give way to the application. One that a route names keeps its own; `/` also gives
/// way to a route for everything, because a Spin application expects to be found there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yields {
    home: bool,
    docs: bool,
    openapi: bool,
}

impl Yields {
    pub(crate) fn to(routes: &Routes) -> Self {
        Self {
            home: routes.find("/").is_some(),
            docs: routes.names("/docs"),
            openapi: routes.names("/openapi.json"),
        }
    }
}

impl Builtin {
    /// The page at a path.
    pub(crate) fn at(path: &str, yields: &Yields) -> Option<Self> {
        match path {
            "/" if !yields.home => Some(Self::Home),
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            "/health" => Some(Self::Health),
            "/openapi.json" if !yields.openapi => Some(Self::OpenApi),
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
            Self::OpenApi => "/openapi.json",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::Health => "/health",
        }
    }
}
