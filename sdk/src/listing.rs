//! What a list operation is asked: a page, an order, and the domain's own filters.

use crate::Error;
use crate::documents::Find;
use crate::extract::from_query;
use crate::paging::{Order, Page, Paging};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// The fields of a listing itself; all others are the filter's.
const OWN: [&str; 4] = ["page", "per_page", "sort", "order"];

/// `page`, `per_page`, `sort`, `order`, and the fields of `F`: documented, checked, and nothing else.
///
/// `F` is a struct with `#[derive(Deserialize, IntoParams)]`, `#[serde(deny_unknown_fields)]` and
/// `#[into_params(parameter_in = Query)]`.
#[derive(Clone, Debug)]
pub struct Listing<S = ById, F = Unfiltered> {
    /// The domain's filters.
    pub filter: F,
    paging: Paging,
    sort: S,
    order: Order,
}

/// What a list can be sorted by: an enum whose default is the usual order.
pub trait Sort: Copy + Default + DeserializeOwned + ToSchema {
    /// What the list is a list of: `families`.
    const ITEMS: &'static str;
    /// Up or down, when the request does not say.
    const ORDER: Order = Order::Asc;

    /// The stored field that is sorted by.
    fn field(self) -> &'static str;
}

/// By their ids, which is the order in which they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ById {
    /// When they were made.
    #[default]
    Id,
}

/// No filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Unfiltered {}

/// The fields of a listing itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Sort")]
struct Own<S> {
    page: Option<u32>,
    per_page: Option<u32>,
    #[serde(default)]
    sort: S,
    order: Option<Order>,
}

// === impl Listing ===

impl<S: Sort, F: DeserializeOwned> Listing<S, F> {
    /// Reads the query of an address.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for the first field that is not right, or not known.
    pub fn read(query: &str) -> crate::Result<Self> {
        let (own, others): (Vec<_>, Vec<_>) = query.split('&').partition(|field| is_own(field));
        let own: Own<S> = from_query(&own.join("&"))?;
        Ok(Self {
            filter: from_query(&others.join("&"))?,
            paging: Paging::new(own.page, own.per_page)?,
            sort: own.sort,
            order: own.order.unwrap_or(S::ORDER),
        })
    }
}

/// Whether a field of a query is one of a listing itself.
fn is_own(field: &str) -> bool {
    let name = form_urlencoded::parse(field.as_bytes()).next();
    name.is_some_and(|(name, _)| OWN.contains(&name.as_ref()))
}

impl<S: Sort, F> Listing<S, F> {
    /// The page asked for.
    pub fn paging(&self) -> Paging {
        self.paging
    }

    /// The order asked for, as documents are sorted.
    pub fn sort(&self) -> Value {
        let by = (self.sort.field().to_owned(), self.order.sign().into());
        Value::Object(Map::from_iter([by]))
    }
}

impl Sort for ById {
    const ITEMS: &'static str = "items";

    fn field(self) -> &'static str {
        "_id"
    }
}

impl<S: Sort, F: DeserializeOwned, T: Send + Sync> FromRequestParts<T> for Listing<S, F> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Error> {
        Self::read(parts.uri.query().unwrap_or_default())
    }
}

// === impl Find ===

impl<T: DeserializeOwned> Find<T> {
    /// The page of a listing, and how many matches there are in all.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn page<S: Sort, F>(self, listing: &Listing<S, F>) -> crate::Result<Page<T>> {
        let paging = listing.paging();
        let search = self
            .sort(listing.sort())
            .skip(paging.skip())
            .limit(paging.limit());
        let found = search.fetch_with_total().await?;
        Ok(paging.page(found.documents, found.total))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    #[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum By {
        #[default]
        Name,
        JoinedAt,
    }

    impl Sort for By {
        const ITEMS: &'static str = "members";
        const ORDER: Order = Order::Desc;

        fn field(self) -> &'static str {
            match self {
                Self::Name => "name_key",
                Self::JoinedAt => "joined_at",
            }
        }
    }

    #[derive(Debug, Deserialize, IntoParams)]
    #[serde(deny_unknown_fields)]
    struct Role {
        role: Option<String>,
    }

    fn read(query: &str) -> crate::Result<Listing<By, Role>> {
        Listing::read(query)
    }

    #[test]
    fn what_is_not_said_is_the_usual() {
        let usual = read("").unwrap();
        assert_eq!(usual.sort(), json!({"name_key": -1}));
        assert_eq!(usual.paging(), Paging::new(None, None).unwrap());
        let asked = read("role=admin&sort=joined_at&order=asc&page=3&per_page=7").unwrap();
        assert_eq!(asked.sort(), json!({"joined_at": 1}));
        assert_eq!((asked.paging().skip(), asked.paging().limit()), (14, 7));
        assert_eq!(asked.filter.role.as_deref(), Some("admin"));
    }

    #[test]
    fn what_is_not_right_is_named() {
        for (query, field) in [
            ("page=x", "page"),
            ("page=0", "page"),
            ("page=1&page=2", "page"),
            ("per_page=101", "per_page"),
            ("sort=password", "sort"),
            ("order=up", "order"),
            ("rol=admin", "rol"),
            ("role=a&role=b", "role"),
        ] {
            let error = read(query).unwrap_err();
            assert_eq!(error.details().first().unwrap().field, field, "{query}");
        }
        assert!(Listing::<ById>::read("role=admin").is_err());
    }
}
