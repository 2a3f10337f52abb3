//! Which trigger a path belongs to, with Spin's rules: `/...` at the end stands for any rest, `:name`
//! for one segment; the more exact route wins; a slash at the end makes no difference.

use crate::{HttpTrigger, Route};
use std::cmp::Ordering;

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

/// In the order of exactness.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let mut patterns: Vec<Pattern> = public.collect();
        patterns.sort_by(Pattern::by_exactness);
        Self { patterns }
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
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| format!("route `{text}` must begin with a slash"))?;
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
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            segments.push(match segment.strip_prefix(':') {
                Some("") => return Err(format!("route `{text}` has a parameter without a name; write it like /:id")),
                Some(name) => Segment::Param(name.to_owned()),
                None if segment.is_empty() => return Err(format!("route `{text}` has an empty segment; remove the double slash")),
                None if segment.contains(['*', '?', '#', ' ']) || segment.contains("...") => {
                    return Err(format!("segment `{segment}` of route `{text}` has a character that routes cannot have"));
                }
                None => Segment::Literal(segment.to_owned()),
            });
        }
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
            let rank = |segment: &Segment| matches!(segment, Segment::Param(_));
            let order = rank(ours).cmp(&rank(theirs)).then_with(|| ours.cmp(theirs));
            if order != Ordering::Equal {
                return order;
            }
        }
        other
            .segments
            .len()
            .cmp(&self.segments.len())
            .then(self.open.cmp(&other.open))
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

/// Checks a route as written.
pub(crate) fn check(text: &str) -> Result<(), String> {
    Pattern::parse(text, 0).map(drop)
}

/// Whether two routes match the same paths.
pub(crate) fn same(one: &str, other: &str) -> bool {
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
    }

    #[test]
    fn wrong_routes_and_same_routes() {
        for route in ["a", "", "/a//b", "/a...", "/:", "/a/.../b", "/a*", "/a b"] {
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
