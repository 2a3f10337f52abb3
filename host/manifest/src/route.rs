//! Which trigger a path belongs to, with Spin's rules: `/...` at the end stands for any rest, `:name`
//! for one segment; the more exact route wins; a slash at the end makes no difference. Paths are
//! compared as sent, still percent-encoded. Unlike in Spin, `//` is not the same as `/`: a component
//! would see another path than the one that was routed.

use crate::{HttpTrigger, Route};
use std::cmp::Ordering;

/// Where Spin answers itself; it refuses an application with routes there.
const SPINS_OWN: &str = "/.well-known/spin/";

/// The public routes of an application.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    patterns: Vec<Pattern>,
}

/// A path on its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch<'a> {
    /// Which of the triggers given to [`Routes::new`].
    pub trigger: usize,
    /// The route as written.
    pub route: &'a str,
    /// What `:name` stands for, in order.
    pub params: Vec<(&'a str, &'a str)>,
    /// What `/...` stands for, with its leading slash; else empty.
    pub rest: &'a str,
}

#[derive(Clone, Debug)]
struct Pattern {
    trigger: usize,
    text: String,
    segments: Vec<Segment>,
    /// Ends in `/...`.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Param(String),
}

// === impl Routes ===

impl Routes {
    /// The public routes of these triggers, which [`crate::App`] has checked.
    pub fn new(triggers: &[HttpTrigger]) -> Self {
        let public = triggers
            .iter()
            .enumerate()
            .filter_map(|(trigger, declared)| match &declared.route {
                Route::Public(text) => Pattern::parse(text, trigger).ok(),
                Route::Private => None,
            });
        Self::sorted(public)
    }

    /// These patterns alone, which [`crate::App`] or [`check`] has checked. Their matches are numbered
    /// as they come.
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let numbered = patterns.into_iter().enumerate();
        Self::sorted(numbered.filter_map(|(number, text)| Pattern::parse(text, number).ok()))
    }

    fn sorted(patterns: impl Iterator<Item = Pattern>) -> Self {
        let mut patterns: Vec<Pattern> = patterns.collect();
        patterns.sort_by(Pattern::by_exactness);
        Self { patterns }
    }

    /// Every route for a path, not only the most exact one.
    pub fn all<'a>(&'a self, path: &'a str) -> impl Iterator<Item = RouteMatch<'a>> {
        self.patterns
            .iter()
            .filter_map(|pattern| pattern.matched(path))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The most exact route for a path (without query).
    pub fn find<'a>(&'a self, path: &'a str) -> Option<RouteMatch<'a>> {
        self.patterns
            .iter()
            .find_map(|pattern| pattern.matched(path))
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(text: &str, trigger: usize) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or_else(|| {
            format!("route `{text}` must begin with a slash; write it like \"/api/...\"")
        })?;
        if text.starts_with(SPINS_OWN) {
            return Err(format!(
                "routes under {SPINS_OWN} belong to the host; choose another"
            ));
        }
        let (path, open) = match path.strip_suffix("...") {
            Some("") => ("", true),
            Some(path) => {
                let path = path.strip_suffix('/').ok_or_else(|| {
                    format!("in route `{text}`, `...` must be a segment of its own at the end")
                })?;
                (path, true)
            }
            None => (path.strip_suffix('/').unwrap_or(path), false),
        };
        let segments = path
            .split('/')
            .filter(|_| !path.is_empty())
            .map(|segment| Segment::parse(segment, text))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            trigger,
            text: text.to_owned(),
            segments,
            open,
        })
    }

    /// Literals before parameters before the open end, segment by segment.
    fn by_exactness(&self, other: &Self) -> Ordering {
        for (ours, theirs) in self.segments.iter().zip(&other.segments) {
            let order = match (ours, theirs) {
                (Segment::Literal(ours), Segment::Literal(theirs)) => ours.cmp(theirs),
                (Segment::Literal(_), Segment::Param(_)) => Ordering::Less,
                (Segment::Param(_), Segment::Literal(_)) => Ordering::Greater,
                (Segment::Param(_), Segment::Param(_)) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        let longer_first = other.segments.len().cmp(&self.segments.len());
        longer_first.then(self.open.cmp(&other.open))
    }

    fn matched<'a>(&'a self, path: &'a str) -> Option<RouteMatch<'a>> {
        let mut rest = path;
        let mut params = Vec::new();
        for segment in &self.segments {
            let after = rest.strip_prefix('/')?;
            let end = after.find('/').unwrap_or(after.len());
            let (value, after) = after.split_at(end);
            match segment {
                Segment::Literal(literal) if literal == value => {}
                Segment::Param(name) if !value.is_empty() => params.push((name.as_str(), value)),
                _ => return None,
            }
            rest = after;
        }
        let whole = rest.is_empty() || rest == "/";
        let matches = whole || self.open && rest.starts_with('/');
        let rest = if self.open { rest } else { "" };
        matches.then_some(RouteMatch {
            trigger: self.trigger,
            route: &self.text,
            params,
            rest,
        })
    }

    /// Two routes of the same shape match the same paths.
    fn shape(&self) -> (Vec<Option<&str>>, bool) {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Param(_) => None,
        });
        (segments.collect(), self.open)
    }
}

// === impl Segment ===

impl Segment {
    fn parse(segment: &str, route: &str) -> Result<Self, String> {
        if let Some(name) = segment.strip_prefix(':') {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            return if !name.is_empty() && name.chars().all(word) {
                Ok(Self::Param(name.to_owned()))
            } else {
                Err(format!(
                    "`{segment}` in route `{route}` is no parameter; it stands for a whole segment and is written like /:id"
                ))
            };
        }
        match segment {
            "" => Err(format!(
                "route `{route}` has an empty segment; remove the double slash"
            )),
            "*" => Err(format!("in route `{route}`, write `...` for any rest")),
            _ if segment.contains("...") => Err(format!(
                "in route `{route}`, `...` must be a segment of its own at the end"
            )),
            _ if segment
                .contains(|c: char| "*?#".contains(c) || c.is_whitespace() || c.is_control()) =>
            {
                Err(format!(
                    "segment `{}` has a character that paths do not have; percent-encode it",
                    segment.escape_default()
                ))
            }
            _ => Ok(Self::Literal(segment.to_owned())),
        }
    }
}

/// Checks a route as written.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    Pattern::parse(text, 0).map(drop)
}

/// Whether two routes match the same paths.
pub fn same(one: &str, other: &str) -> bool {
    match (Pattern::parse(one, 0), Pattern::parse(other, 0)) {
        (Ok(one), Ok(other)) => one.shape() == other.shape(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{ComponentId, Target};

    fn routes(patterns: &[&str]) -> Routes {
        let trigger = |pattern: &&str| HttpTrigger {
            id: None,
            route: Route::Public((*pattern).to_owned()),
            target: Target::Component(ComponentId::new("x").unwrap()),
        };
        Routes::new(&patterns.iter().map(trigger).collect::<Vec<_>>())
    }

    #[test]
    fn the_more_exact_route_wins() {
        let patterns = [
            "/...",
            "/a/...",
            "/a/b",
            "/a/:id",
            "/a/:id/c",
            "/a/:id/...",
            "/",
        ];
        let table = [
            ("/", 6),
            ("/x", 0),
            ("/x/y", 0),
            ("/a", 1),
            ("/a/", 1),
            ("/a/b", 2),
            ("/a/b/", 2),
            ("/a/z", 3),
            ("/a/z/c", 4),
            ("/a/z/d", 5),
            ("/a/b/d", 5),
        ];
        for (path, trigger) in table {
            assert_eq!(
                routes(&patterns).find(path).unwrap().trigger,
                trigger,
                "{path}"
            );
        }
        // The name of a parameter does not count.
        let named = routes(&["/:a/...", "/:b/x"]);
        assert_eq!(named.find("/1/x").unwrap().trigger, 1);
        assert_eq!(named.find("/1/y").unwrap().trigger, 0);
        // A literal that leads nowhere gives way to a parameter.
        let detour = routes(&["/a/b/c", "/:x/b/d", "/..."]);
        for (path, trigger) in [("/a/b/c", 0), ("/a/b/d", 1), ("/a/b/e", 2)] {
            assert_eq!(detour.find(path).unwrap().trigger, trigger, "{path}");
        }
        assert!(routes(&["/a/b"]).find("/a//b").is_none());
        assert!(routes(&["/a%20b"]).find("/a%20b").is_some());
        assert!(routes(&["/robots.txt"]).find("/robots.txt").is_some());
        assert!(routes(&["/a"]).find("/ab").is_none());
        assert!(routes(&["/a"]).find("/a/b").is_none());
        assert!(routes(&["/a/..."]).find("/ab").is_none());
        assert!(routes(&["/a/:id"]).find("/a/").is_none());
    }

    #[test]
    fn parameters_and_rest() {
        let routes = routes(&["/users/:id/files/..."]);
        let found = routes.find("/users/7/files/a/b").unwrap();
        assert_eq!(
            (found.params.as_slice(), found.rest),
            ([("id", "7")].as_slice(), "/a/b")
        );
        assert_eq!(found.route, "/users/:id/files/...");
        for (path, rest) in [
            ("/users/7/files", ""),
            ("/users/7/files/", "/"),
            ("/users/7/files/a/", "/a/"),
            ("/users/7/files//a%2Fb", "//a%2Fb"),
        ] {
            assert_eq!(routes.find(path).unwrap().rest, rest, "{path}");
        }
    }

    #[test]
    fn wrong_routes_and_same_routes() {
        for route in [
            "a",
            "",
            "/a//b",
            "/a...",
            "/:",
            "/:id.json",
            "/a/.../b",
            "/a/*",
            "/a*",
            "/a b",
            "/a\nb",
            "/.well-known/spin/health",
        ] {
            assert!(check(route).is_err(), "{route}");
        }
        assert!(
            same("/a/:x", "/a/:y")
                && same("/a", "/a/")
                && !same("/a", "/a/...")
                && !same("/a/b", "/a/:b")
        );
    }
}
