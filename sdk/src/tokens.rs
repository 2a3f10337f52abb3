//! Money: whole tokens, never a fraction, never none.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// So many tokens: a whole number from 1 to a million million. In JSON nothing else is taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Tokens(u64);

// === impl Tokens ===

impl Tokens {
    /// Tokens that are moved at once at most.
    pub const MOST: u64 = 1_000_000_000_000;

    /// So many, if there can be so many.
    pub fn new(amount: u64) -> Option<Self> {
        (1..=Self::MOST).contains(&amount).then_some(Self(amount))
    }

    /// The number, as it is added and taken away.
    pub fn number(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amount = u64::deserialize(deserializer)?;
        Self::new(amount).ok_or_else(|| {
            let most = Self::MOST;
            D::Error::custom(format!("a whole number of tokens from 1 to {most}"))
        })
    }
}

impl PartialSchema for Tokens {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("Whole tokens."))
            .minimum(Some(1))
            .maximum(Some(Self::MOST))
            .into()
    }
}

impl ToSchema for Tokens {
    fn name() -> Cow<'static, str> {
        "Tokens".into()
    }
}
