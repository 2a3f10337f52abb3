//! The one place where it is decided whether a principal may call an operation.

use crate::InvokeError;
use crate::principal::Authenticated;
use crate::reserved::{has_one_reading, read_freely};
use http::Method;
use matchit::Router;
use sbd_contract::Offer;
use std::collections::BTreeMap;

/// What the operations of one component need.
#[derive(Default)]
pub(super) struct Permissions {
    /// Only paths with an operation that needs something.
    by_path: Router<BTreeMap<Method, Option<String>>>,
    is_empty: bool,
}

// === impl Permissions ===

impl Permissions {
    /// What an offer says.
    ///
    /// # Errors
    /// A path that requests cannot be held against.
    pub(super) fn of(offer: &Offer) -> Result<Self, String> {
        let mut by_path: BTreeMap<&str, BTreeMap<Method, Option<String>>> = BTreeMap::new();
        for operation in &offer.operations {
            let methods = by_path.entry(&operation.path).or_default();
            methods.insert(operation.method.clone(), operation.permission.clone());
        }
        // All paths are needed to find the one that a request means, unless none needs anything.
        let mut permissions = Self {
            is_empty: offer.operations.iter().all(|one| one.permission.is_none()),
            ..Self::default()
        };
        if permissions.is_empty {
            return Ok(permissions);
        }
        for (path, methods) in by_path {
            let inserted = permissions.by_path.insert(path, methods);
            inserted.map_err(|error| {
                format!("path `{path}`: {error}; let a parameter be a whole segment, `/{{id}}`")
            })?;
        }
        Ok(permissions)
    }

    /// Refuses who lacks the permission that an operation needs.
    pub(super) fn check(
        &self,
        method: &Method,
        path: &str,
        principal: Option<&Authenticated>,
    ) -> Result<(), InvokeError> {
        if self.is_empty {
            return Ok(());
        }
        self.check_as_written(method, path, principal)?;
        if has_one_reading(path) {
            return Ok(());
        }
        // Some guests decode a path before they route it, or take two slashes for one: it must be
        // allowed however it is read.
        match read_freely(path) {
            Some(freely) => self.check_as_written(method, &freely, principal),
            None => Ok(()),
        }
    }

    fn check_as_written(
        &self,
        method: &Method,
        path: &str,
        principal: Option<&Authenticated>,
    ) -> Result<(), InvokeError> {
        let Some(permission) = self.needed(method, path) else {
            return Ok(());
        };
        match principal {
            None => Err(InvokeError::Unauthenticated),
            Some(principal) if principal.scopes.allow(permission) => Ok(()),
            Some(_) => Err(InvokeError::Forbidden(permission.to_owned())),
        }
    }

    fn needed(&self, method: &Method, path: &str) -> Option<&str> {
        let methods = self.by_path.at(path).ok()?.value;
        let own = methods.get(method);
        // Who answers GET answers HEAD.
        let own = own.or_else(|| {
            methods
                .get(&Method::GET)
                .filter(|_| *method == Method::HEAD)
        });
        own?.as_deref()
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permissions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_contract::{Principal, Scopes};
    use serde_json::json;

    fn permissions() -> Permissions {
        let offer = Offer::read(&json!({"paths": {
            "/notes": {"get": {"x-sbd-permission": "notes:read"}, "post": {}},
            "/notes/{id}": {"get": {"x-sbd-permission": "notes:read"}, "delete": {"x-sbd-permission": "notes:delete"}},
            "/notes/public": {"get": {}},
        }}));
        Permissions::of(&offer.unwrap()).unwrap()
    }

    fn holder(scope: &str) -> Authenticated {
        let scopes = Scopes::new([scope]).unwrap();
        Principal::user("acme", "usr_1").with_scopes(scopes).into()
    }

    #[test]
    fn who_lacks_the_permission_is_refused() {
        let permissions = permissions();
        let reader = holder("notes:read");
        let check = |method: Method, path: &str, who: Option<&Authenticated>| {
            permissions
                .check(&method, path, who)
                .map_err(|error| error.to_string())
        };
        let nobody = InvokeError::Unauthenticated.to_string();
        for path in [
            "/notes",
            "/notes/1",
            "/notes/1%2f2",
            "//notes",
            "/%6eotes",
            "/x/../notes",
            "/notes/",
        ] {
            assert_eq!(
                check(Method::GET, path, None),
                Err(nobody.clone()),
                "{path}"
            );
            assert_eq!(check(Method::GET, path, Some(&reader)), Ok(()), "{path}");
        }
        assert_eq!(check(Method::HEAD, "/notes", None), Err(nobody));
        let refused = check(Method::DELETE, "/notes/1", Some(&reader)).unwrap_err();
        assert!(refused.contains("notes:delete"), "{refused}");
        assert_eq!(
            check(Method::DELETE, "/notes/1", Some(&holder("*"))),
            Ok(())
        );
    }

    #[test]
    fn what_needs_nothing_and_what_is_not_there_is_for_the_component() {
        let permissions = permissions();
        for (method, path) in [
            (Method::POST, "/notes"),
            (Method::GET, "/notes/public"),
            (Method::PATCH, "/notes"),
            (Method::GET, "/elsewhere"),
        ] {
            assert!(permissions.check(&method, path, None).is_ok(), "{path}");
        }
    }
}
