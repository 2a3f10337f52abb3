//! Kinds of items: the shop's own, and those that other components declare and grant themselves.

use crate::store::KINDS;
use membership::text;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Principal, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// Characters in a kind's own word at most.
const LONGEST_WORD: usize = 40;
/// Characters in what a kind is called at most.
pub(crate) const LONGEST_TITLE: usize = 100;
/// Kinds that one component declares at most.
const MOST: u64 = 50;

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Kind {
    /// How an application looks.
    Theme,
    /// A picture of its owner.
    Avatar,
    /// A picture behind it.
    Banner,
    /// Several items at one price.
    Bundle,
    /// A file that its owner downloads.
    File,
    /// A feature of the application, which is switched on for its owner.
    Feature,
    /// What another component grants.
    Of { component: String, word: String },
}

/// A kind that a component has declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declared {
    /// `COMPONENT.WORD`, so that nobody declares another's.
    #[serde(rename = "_id")]
    pub(crate) kind: Kind,
    pub(crate) component: String,
    pub(crate) title: String,
    /// Whether somebody may have several of the same item.
    pub(crate) repeatable: bool,
    pub(crate) declared_at: Time,
}

/// Declares a kind of the component that asks, or what it is from now on.
pub(crate) async fn declare(
    by: &Principal,
    word: &str,
    title: &str,
    repeatable: bool,
) -> Result<Declared> {
    let title = text::some_line("title", title, LONGEST_TITLE)?;
    let word = text::word("kind", word, LONGEST_WORD)?;
    let component = seller(by)?;
    let kind = Kind::Of {
        component: component.to_owned(),
        word,
    };
    let declared = Declared {
        kind,
        component: component.to_owned(),
        title,
        repeatable,
        declared_at: time::now(),
    };
    let id = json!({"_id": declared.kind});
    let known = KINDS.count(id.clone()).await? > 0;
    if !known && KINDS.count(json!({"component": component})).await? >= MOST {
        return Err(Error::conflict(format!(
            "a component declares {MOST} kinds at most; use one of them"
        )));
    }
    let set = json!({
        "component": declared.component, "title": declared.title,
        "repeatable": declared.repeatable, "declared_at": declared.declared_at,
    });
    KINDS.upsert(id, json!({"$set": set})).await?;
    Ok(declared)
}

/// All kinds that components have declared.
pub(crate) async fn declared() -> Result<Vec<Declared>> {
    Ok(KINDS.find(json!({})).limit(1000).fetch().await?.documents)
}

/// Whether somebody may have several items of a kind. One that is unknown cannot be sold.
pub(crate) async fn repeatable(kind: &Kind) -> Result<bool> {
    let Kind::Of { .. } = kind else {
        return Ok(false);
    };
    let declared = KINDS.get(&kind.to_string()).await?;
    let declared = declared.ok_or_else(|| {
        let message = format!(
            "`theme`, `avatar`, `banner`, `bundle`, `file`, `feature`, or one that a component has declared; `{kind}` is none"
        );
        Error::validation("kind", message)
    })?;
    Ok(declared.repeatable)
}

/// The component that asks.
pub(crate) fn seller(by: &Principal) -> Result<&str> {
    by.asking_component().ok_or_else(|| {
        Error::forbidden(
            "this is for components that sell; administrators keep the catalogue at `/api/v1/shop/items`",
        )
    })
}

// === impl Kind ===

impl Kind {
    /// Its own word for those of the shop itself.
    fn word(&self) -> &str {
        match self {
            Self::Theme => "theme",
            Self::Avatar => "avatar",
            Self::Banner => "banner",
            Self::Bundle => "bundle",
            Self::File => "file",
            Self::Feature => "feature",
            Self::Of { word, .. } => word,
        }
    }

    /// The component that grants it, if that is not the shop itself.
    pub(crate) fn component(&self) -> Option<&str> {
        match self {
            Self::Of { component, .. } => Some(component),
            _ => None,
        }
    }

    /// Whether one of those that somebody owns is the one in use.
    pub(crate) fn is_used(&self) -> bool {
        matches!(self, Self::Theme | Self::Avatar | Self::Banner)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.component() {
            Some(component) => write!(f, "{component}.{}", self.word()),
            None => f.write_str(self.word()),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        const NONE: &str = "`theme`, `avatar`, `banner`, `bundle`, `file`, `feature`, or a component's own like `courses.lesson`";
        Ok(match &*text {
            "theme" => Self::Theme,
            "avatar" => Self::Avatar,
            "banner" => Self::Banner,
            "bundle" => Self::Bundle,
            "file" => Self::File,
            "feature" => Self::Feature,
            other => {
                let (component, word) = other.split_once('.').ok_or(NONE)?;
                let plain =
                    |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
                let is_part =
                    |part: &str| (1..=64).contains(&part.len()) && part.bytes().all(plain);
                if !is_part(component) || text::word("kind", word, LONGEST_WORD).is_err() {
                    return Err(NONE);
                }
                Self::Of {
                    component: component.to_owned(),
                    word: word.to_owned(),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_kind_is_a_word_and_back() {
        for text in [
            "theme",
            "avatar",
            "banner",
            "bundle",
            "file",
            "feature",
            "courses.lesson_2",
        ] {
            let kind = Kind::try_from(text.to_owned()).unwrap();
            assert_eq!(kind.to_string(), text);
        }
        for wrong in [
            "",
            "features",
            "Theme",
            ".x",
            "courses.",
            "a.b.c",
            "co urses.x",
            "courses.Lesson",
            "$a.b",
        ] {
            assert!(Kind::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
