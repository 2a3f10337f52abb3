//! An item of the catalogue, what of it is offered at a time, and what its texts and numbers may be.

use crate::kinds::Kind;
use membership::text;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, Tokens, id};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) ItemId, "itm", "item");
id!(pub(crate) CategoryId, "cat", "category");
id!(pub(crate) ContentId, "cnt", "content");

/// Characters at most.
pub(crate) const LONGEST_TITLE: usize = 100;
pub(crate) const LONGEST_DESCRIPTION: usize = 2000;
pub(crate) const LONGEST_REFERENCE: usize = 200;
/// Terms for which one item is rented at most.
pub(crate) const MOST_TERMS: usize = 5;
/// Days for which an item is rented at most, extensions among them.
pub(crate) const MOST_DAYS: u16 = 1096;
/// Items in a bundle at most.
pub(crate) const MOST_CONTAINED: usize = 50;
/// Pieces in stock at most.
pub(crate) const MOST_STOCK: u64 = 1_000_000_000;
/// How long an item is new.
pub(crate) const NEW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Words by which an item is found at most.
const MOST_WORDS: usize = 100;

/// An item, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    #[serde(rename = "_id")]
    pub(crate) id: ItemId,
    #[serde(flatten)]
    pub(crate) draft: Draft,
    /// What it is sorted and found by.
    pub(crate) title_key: String,
    pub(crate) words: Vec<String>,
    /// How many are left; without it there is no end to them. It changes without `version`.
    pub(crate) stock: Option<u64>,
    pub(crate) images: Vec<Image>,
    pub(crate) file: Option<File>,
    /// When it was offered first.
    pub(crate) listed_at: Option<Time>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) updated_by: String,
    /// Goes up by one with every change of what is offered.
    pub(crate) version: u64,
}

/// What an administrator says of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    /// What clients know it by, and the component that grants it.
    pub(crate) reference: Option<String>,
    /// For good; without it, it is only rented.
    pub(crate) price: Option<Tokens>,
    pub(crate) sale: Option<Sale>,
    pub(crate) rentals: Vec<Term>,
    pub(crate) contains: Vec<ItemId>,
    pub(crate) category: Option<CategoryId>,
    pub(crate) featured: bool,
    /// Whether it is offered.
    pub(crate) listed: bool,
    pub(crate) per_buyer: Option<u32>,
}

/// Another price for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    as = ShopSale,
    example = json!({"price": 30, "from": "2026-11-27T00:00:00Z", "until": "2026-12-01T00:00:00Z"})
)]
pub(crate) struct Sale {
    /// Below the usual one.
    #[schema(inline)]
    pub(crate) price: Tokens,
    /// From this time on.
    pub(crate) from: Time,
    /// Before this time.
    pub(crate) until: Time,
}

/// For how long an item is rented, and at which price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopTerm)]
pub(crate) struct Term {
    /// 1 to 1096.
    #[schema(minimum = 1, maximum = 1096, example = 30)]
    pub(crate) days: u16,
    pub(crate) price: Tokens,
}

/// A picture of an item. Its content is a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopImage)]
pub(crate) struct Image {
    #[schema(inline)]
    pub(crate) id: ContentId,
    /// As its bytes say.
    pub(crate) content_type: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// SHA-256 of it.
    pub(crate) sha256: String,
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
}

/// What owners of an item download. Its content is a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopFile)]
pub(crate) struct File {
    #[schema(inline)]
    pub(crate) id: ContentId,
    /// Under which name it is kept.
    pub(crate) name: String,
    /// As whoever uploaded it says.
    pub(crate) content_type: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// SHA-256 of it.
    pub(crate) sha256: String,
}

/// What somebody is given: an order keeps it as it was offered, whatever becomes of the item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Good {
    pub(crate) item: ItemId,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) reference: Option<String>,
    /// Whether somebody may have several.
    pub(crate) repeatable: bool,
    /// Of a bundle, what is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) contains: Vec<Good>,
}

/// What is offered now, and at which price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) good: Good,
    /// Of the item: whoever buys at another one sees first what has changed.
    pub(crate) version: u64,
    /// For good, in force now.
    pub(crate) price: Option<Tokens>,
    /// When it is not on sale.
    pub(crate) usual_price: Option<Tokens>,
    pub(crate) rentals: Vec<Term>,
    pub(crate) stock: Option<u64>,
    pub(crate) per_buyer: Option<u32>,
}

// === impl Draft ===

impl Draft {
    /// What is kept of it, if it may be so.
    pub(crate) fn check(self) -> Result<Self> {
        let description = self.description.as_deref();
        let draft = Self {
            title: text::some_line("title", &self.title, LONGEST_TITLE)?,
            description: paragraphs("description", description, LONGEST_DESCRIPTION)?,
            reference: text::line("reference", self.reference.as_deref(), LONGEST_REFERENCE)?,
            rentals: checked_terms(self.rentals)?,
            ..self
        };
        if draft.price.is_none() && draft.rentals.is_empty() {
            let message =
                "a whole number of tokens, unless the item is only rented; give `rentals` then";
            return Err(Error::validation("price", message));
        }
        if let Some(sale) = draft.sale {
            if draft.price.is_none_or(|price| sale.price >= price) {
                return Err(Error::validation("sale.price", "less than `price`"));
            }
            if sale.until <= sale.from {
                return Err(Error::validation("sale.until", "a time after `sale.from`"));
            }
        }
        draft.check_contained()?;
        if draft.per_buyer == Some(0) {
            let message = "a number from 1 up; without it there is no limit";
            return Err(Error::validation("per_buyer", message));
        }
        Ok(draft)
    }

    fn check_contained(&self) -> Result<()> {
        let is_bundle = self.kind == Kind::Bundle;
        let each: BTreeSet<_> = self.contains.iter().collect();
        let message = match self.contains.len() {
            0 if is_bundle => "at least one item",
            1.. if !is_bundle => "nothing; only a bundle contains items",
            count if count > MOST_CONTAINED => "at most 50 items",
            count if count > each.len() => "each item once",
            _ => return Ok(()),
        };
        Err(Error::validation("contains", message))
    }
}

/// Terms in order, each length once.
fn checked_terms(mut terms: Vec<Term>) -> Result<Vec<Term>> {
    if terms.len() > MOST_TERMS {
        let message = format!("at most {MOST_TERMS} terms");
        return Err(Error::validation("rentals", message));
    }
    for (place, term) in terms.iter().enumerate() {
        let known = terms
            .iter()
            .take(place)
            .any(|other| other.days == term.days);
        if known || !(1..=MOST_DAYS).contains(&term.days) {
            let message = format!("1 to {MOST_DAYS} days, each length once");
            return Err(Error::validation(format!("rentals[{place}].days"), message));
        }
    }
    terms.sort_by_key(|term| term.days);
    Ok(terms)
}

/// A text of several lines; none where there is nothing left.
fn paragraphs(field: &str, text: Option<&str>, most: usize) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let is_odd = |c: char| (c.is_control() && c != '\n') || text::is_hidden(c);
    if text.chars().count() > most || text.chars().any(is_odd) {
        let message = format!(
            "at most {most} characters, none of them invisible or one that turns the direction of others"
        );
        return Err(Error::validation(field, message));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

// === impl Item ===

impl Item {
    /// What is found by the words of its texts.
    pub(crate) fn words_of(draft: &Draft) -> Vec<String> {
        let texts = [Some(&draft.title), draft.description.as_ref()];
        let texts = texts.into_iter().flatten();
        let words: BTreeSet<_> = texts
            .flat_map(|text| words(text))
            .take(MOST_WORDS)
            .collect();
        words.into_iter().collect()
    }

    /// The price in force.
    pub(crate) fn price_at(&self, now: Time) -> Option<Tokens> {
        match self.draft.sale {
            Some(sale) if sale.from <= now && now < sale.until => Some(sale.price),
            _ => self.draft.price,
        }
    }
}

/// The words of a text, in the form in which they are compared.
pub(crate) fn words(text: &str) -> Vec<String> {
    let key = sbd_sdk::text::key(text);
    let words = key.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(|word| word.chars().take(40).collect()).collect()
}

// === impl Offer ===

impl Offer {
    /// The price of one, for good or for so many days.
    pub(crate) fn price_for(&self, days: Option<u16>) -> Result<Tokens> {
        let Some(days) = days else {
            return self.price.ok_or_else(|| {
                Error::conflict("the item is only rented; say for how many days, as it is offered")
            });
        };
        let term = self.rentals.iter().find(|term| term.days == days);
        term.map(|term| term.price).ok_or_else(|| {
            let terms: Vec<_> = self
                .rentals
                .iter()
                .map(|term| term.days.to_string())
                .collect();
            Error::conflict(match terms.is_empty() {
                true => "the item is not rented; buy it for good".to_owned(),
                false => format!(
                    "the item is rented for {} days; choose one of these",
                    terms.join(", ")
                ),
            })
        })
    }

    /// How many of it may be in an order.
    pub(crate) fn require_count(&self, count: u32) -> Result<()> {
        match self.good.repeatable || count == 1 {
            true => Ok(()),
            false => Err(Error::conflict("nobody needs more than one of this item")),
        }
    }
}
