//! What two members can be to each other.
//!
//! | one is the other's | who is then |
//! |---|---|
//! | `parent` | `child` |
//! | `grandparent` | `grandchild` |
//! | `uncle`, `aunt` | `nephew`, `niece` |
//! | `sibling` | `sibling` |
//! | `spouse` | `spouse` |
//! | `cousin` | `cousin` |
//!
//! An uncle has nieces as well: where there are two, whoever says the one says the other, too.

use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody is to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kinship {
    /// Of a child.
    Parent,
    /// Of a parent.
    Child,
    /// Of a grandchild.
    Grandparent,
    /// Of a grandparent.
    Grandchild,
    /// Of a nephew or a niece.
    Uncle,
    /// Of a nephew or a niece.
    Aunt,
    /// Of an uncle or an aunt.
    Nephew,
    /// Of an uncle or an aunt.
    Niece,
    /// Of a sibling.
    Sibling,
    /// Of a spouse.
    Spouse,
    /// Of a cousin.
    Cousin,
}

// === impl Kinship ===

impl Kinship {
    /// What the other one can be: the first unless it is said.
    fn others(self) -> &'static [Self] {
        match self {
            Self::Parent => &[Self::Child],
            Self::Child => &[Self::Parent],
            Self::Grandparent => &[Self::Grandchild],
            Self::Grandchild => &[Self::Grandparent],
            Self::Uncle => &[Self::Nephew, Self::Niece],
            Self::Aunt => &[Self::Niece, Self::Nephew],
            Self::Nephew => &[Self::Uncle, Self::Aunt],
            Self::Niece => &[Self::Aunt, Self::Uncle],
            Self::Sibling => &[Self::Sibling],
            Self::Spouse => &[Self::Spouse],
            Self::Cousin => &[Self::Cousin],
        }
    }

    /// What the other one is, who may be said to be something.
    pub(crate) fn other(self, said: Option<Self>) -> Result<Self> {
        let others = self.others();
        let other = match said {
            None => others.first(),
            Some(said) => others.iter().find(|other| **other == said),
        };
        other.copied().ok_or_else(|| {
            let can: Vec<_> = others.iter().map(|other| other.name()).collect();
            let message = format!("to somebody's {} one is {}", self.name(), can.join(" or "));
            Error::validation("reciprocal", message)
        })
    }

    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Child => "child",
            Self::Grandparent => "grandparent",
            Self::Grandchild => "grandchild",
            Self::Uncle => "uncle",
            Self::Aunt => "aunt",
            Self::Nephew => "nephew",
            Self::Niece => "niece",
            Self::Sibling => "sibling",
            Self::Spouse => "spouse",
            Self::Cousin => "cousin",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ALL: [Kinship; 11] = [
        Kinship::Parent,
        Kinship::Child,
        Kinship::Grandparent,
        Kinship::Grandchild,
        Kinship::Uncle,
        Kinship::Aunt,
        Kinship::Nephew,
        Kinship::Niece,
        Kinship::Sibling,
        Kinship::Spouse,
        Kinship::Cousin,
    ];

    #[test]
    fn both_sides_say_the_same() {
        for one in ALL {
            for other in ALL {
                assert_eq!(
                    one.other(Some(other)).is_ok(),
                    other.other(Some(one)).is_ok(),
                    "{one:?} {other:?}"
                );
            }
            assert!(one.other(None).unwrap().other(Some(one)).is_ok());
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        }
    }

    #[test]
    fn an_uncle_has_nieces() {
        assert_eq!(Kinship::Uncle.other(None).unwrap(), Kinship::Nephew);
        let niece = Kinship::Uncle.other(Some(Kinship::Niece));
        assert_eq!(niece.unwrap(), Kinship::Niece);
        assert!(Kinship::Parent.other(Some(Kinship::Parent)).is_err());
    }
}
