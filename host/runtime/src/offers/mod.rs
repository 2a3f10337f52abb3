//! What components offer: asked for once when a component is loaded, checked, and kept with it.
//!
//! A component is asked in an instance that belongs to no tenant: it has no capability, and no way
//! out. So an offer can depend on nothing but the component's own code, and is kept beside its
//! compiled file by the same hash.

mod asking;
pub mod check;
mod loading;
mod permissions;
mod schedules;

use asking::Asking;
pub(crate) use loading::{Loader, Loading};

use crate::InvokeError;
use crate::principal::Authenticated;
use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use permissions::Permissions;
use sbd_contract::Offer;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Largest document of one component. Parsed it takes up to fifty times as much.
const LARGEST: usize = 1024 * 1024;

/// Most problems that a refusal quotes.
const QUOTED: usize = 3;

/// A component's offer, checked.
#[derive(Debug)]
pub struct Offered {
    /// The OpenAPI document as the component said it. Parsed it takes many times the memory.
    pub document: Bytes,
    /// The paths in it.
    pub paths: BTreeSet<String>,
    /// What it comes to.
    pub offer: Offer,
    permissions: Permissions,
}

/// Why a document is no offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOffer {
    /// It is no OpenAPI document: a component of others that answers every path, for example.
    OfOthers,
    /// It is one, and wrong.
    Wrong {
        /// What is wrong with it.
        reason: String,
        /// Whether it speaks to this host in particular.
        is_ours: bool,
    },
}

// === impl Offered ===

impl Offered {
    /// Reads what a component answered.
    ///
    /// # Errors
    /// When that is no offer.
    pub fn read(document: Bytes) -> Result<Self, NoOffer> {
        let parsed: Value = serde_json::from_slice(&document).map_err(|_| NoOffer::OfOthers)?;
        if parsed.get("openapi").is_none() {
            return Err(NoOffer::OfOthers);
        }
        let problems = check::problems(&parsed);
        if !problems.is_empty() {
            let quoted: Vec<String> = problems.iter().take(QUOTED).map(short).collect();
            return Err(NoOffer::Wrong {
                reason: format!("{} ({} found)", quoted.join("; "), problems.len()),
                is_ours: document.windows(6).any(|part| part == b"x-sbd-"),
            });
        }
        let ours = |reason| NoOffer::Wrong {
            reason,
            is_ours: true,
        };
        let offer = Offer::read(&parsed).map_err(ours)?;
        schedules::check(&offer, Timestamp::now()).map_err(ours)?;
        let permissions = Permissions::of(&offer).map_err(ours)?;
        let paths = parsed.get("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flat_map(Map::keys).cloned().collect();
        Ok(Self {
            document,
            paths,
            offer,
            permissions,
        })
    }

    /// Refuses who lacks the permission that an operation needs.
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        principal: Option<&Authenticated>,
    ) -> Result<(), InvokeError> {
        self.permissions.check(method, path, principal)
    }
}

/// A problem may quote a long name.
fn short(problem: &String) -> String {
    format!("{problem:.200}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    fn read(document: &Value) -> Result<Offered, NoOffer> {
        Offered::read(Bytes::from(document.to_string()))
    }

    fn document(operation: Value) -> Value {
        json!({
            "openapi": "3.1.0", "info": {"title": "a", "version": "1"},
            "paths": {"/notes": {"get": operation}},
        })
    }

    #[test]
    fn what_is_no_openapi_document_is_none_of_ours() {
        for other in [json!({"hello": 1}), json!([]), json!("x"), json!(null)] {
            assert_eq!(read(&other).unwrap_err(), NoOffer::OfOthers);
        }
        let page = Offered::read(Bytes::from_static(b"<html>"));
        assert_eq!(page.unwrap_err(), NoOffer::OfOthers);
    }

    #[test]
    fn a_wrong_one_says_what_is_wrong_and_whose_it_is() {
        let responses = json!({"200": {"description": "notes"}});
        let good = document(json!({"responses": responses}));
        assert!(read(&good).unwrap().paths.contains("/notes"));
        let no_description = document(json!({"responses": {"200": {}}}));
        let wrong = read(&no_description).unwrap_err();
        assert!(
            matches!(&wrong, NoOffer::Wrong { reason, is_ours: false } if reason.contains("no description")),
            "{wrong:?}"
        );
        let typo = document(json!({"responses": responses, "x-sbd-permision": "notes:read"}));
        let wrong = read(&typo).unwrap_err();
        assert!(
            matches!(&wrong, NoOffer::Wrong { reason, is_ours: true } if reason.contains("x-sbd-permision")),
            "{wrong:?}"
        );
        let mut never = good.clone();
        never["x-sbd-schedules"] = json!([{"name": "nightly", "cron": "0 0 30 2 *"}]);
        let wrong = read(&never).unwrap_err();
        assert!(
            matches!(&wrong, NoOffer::Wrong { reason, is_ours: true } if reason.contains("never comes")),
            "{wrong:?}"
        );
        let both = document(json!({"responses": {"200": {}}, "x-sbd-permission": "notes:read"}));
        assert!(matches!(
            read(&both),
            Err(NoOffer::Wrong { is_ours: true, .. })
        ));
    }
}
