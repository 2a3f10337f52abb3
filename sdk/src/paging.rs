//! Lists in pages: `page` from 1, `per_page` 1 to 100, `sort`, `order`; answers carry totals.
//!
//! An operation takes them as a [`crate::Listing`].

use crate::Error;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{Array, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Items on a page when the request does not say.
pub const DEFAULT_PER_PAGE: u32 = 20;
/// Items on a page at most.
pub const MAX_PER_PAGE: u32 = 100;
/// The last page that can be asked for: skipping over more than 10 million rows is no way to read.
pub const MAX_PAGE: u32 = 100_000;

/// Which page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    page: u32,
    per_page: u32,
}

/// Up or down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// From the least to the greatest.
    #[default]
    Asc,
    /// From the greatest to the least.
    Desc,
}

/// One page of a list, and how long the whole list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page, in order.
    pub items: Vec<T>,
    /// The number of this page, from 1.
    pub page: u32,
    /// How many items a page holds.
    pub per_page: u32,
    /// How many items there are on all pages.
    pub total: u64,
    /// How many pages there are.
    pub pages: u64,
}

/// What of a page is the same whatever it holds.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by its schema only")]
struct Numbers {
    /// The number of this page, from 1.
    #[schema(example = 1)]
    page: u32,
    /// How many items a page holds.
    #[schema(example = 20)]
    per_page: u32,
    /// How many items there are on all pages.
    total: u64,
    /// How many pages there are.
    pages: u64,
}

// === impl Page ===

impl<T> Page<T> {
    /// The same page with other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            page: self.page,
            per_page: self.per_page,
            total: self.total,
            pages: self.pages,
        }
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let mut items = Array::new(Ref::from_schema_name(T::name()));
        items.description = Some("The items of this page, in order.".to_owned());
        let mut page = ObjectBuilder::new()
            .description(Some("One page of a list, and how long the whole list is."))
            .property("items", Schema::Array(items))
            .required("items")
            .build();
        if let RefOr::T(Schema::Object(numbers)) = Numbers::schema() {
            page.properties.extend(numbers.properties);
            page.required.extend(numbers.required);
        }
        page.into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("Page_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

// === impl Paging ===

impl Paging {
    /// The page asked for, with the defaults for what was not said.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for numbers out of bounds.
    pub fn new(page: Option<u32>, per_page: Option<u32>) -> crate::Result<Self> {
        let (page, per_page) = (page.unwrap_or(1), per_page.unwrap_or(DEFAULT_PER_PAGE));
        if !(1..=MAX_PAGE).contains(&page) {
            return Err(Error::validation(
                "page",
                format!("a number from 1 to {MAX_PAGE}"),
            ));
        }
        if !(1..=MAX_PER_PAGE).contains(&per_page) {
            return Err(Error::validation(
                "per_page",
                format!("a number from 1 to {MAX_PER_PAGE}"),
            ));
        }
        Ok(Self { page, per_page })
    }

    /// How many items come before this page.
    pub fn skip(self) -> u32 {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// How many items this page holds at most.
    pub fn limit(self) -> u32 {
        self.per_page
    }

    /// The answer: these items, out of so many.
    pub fn page<T>(self, items: Vec<T>, total: u64) -> Page<T> {
        Page {
            items,
            page: self.page,
            per_page: self.per_page,
            total,
            pages: total.div_ceil(u64::from(self.per_page)),
        }
    }
}

impl Order {
    /// 1 or -1, as a sort of documents wants it.
    pub fn sign(self) -> i8 {
        match self {
            Self::Asc => 1,
            Self::Desc => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn defaults_bounds_and_totals() {
        let first = Paging::new(None, None).unwrap();
        assert_eq!((first.skip(), first.limit()), (0, 20));
        let third = Paging::new(Some(3), Some(100)).unwrap();
        assert_eq!(third.skip(), 200);
        let page = third.page(vec![1], 201);
        assert_eq!(
            (page.page, page.per_page, page.total, page.pages),
            (3, 100, 201, 3)
        );
        assert_eq!(first.page(Vec::<u8>::new(), 0).pages, 0);
        for (page, per_page, field) in [
            (0, 1, "page"),
            (MAX_PAGE + 1, 1, "page"),
            (1, 0, "per_page"),
            (1, 101, "per_page"),
        ] {
            let error = Paging::new(Some(page), Some(per_page)).unwrap_err();
            assert_eq!(error.details().first().unwrap().field, field);
        }
    }
}
