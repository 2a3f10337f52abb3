//! One feature's switch in one tenant.

use crate::Error;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most users that a switch names one by one.
const MOST_USERS: usize = 1000;

/// Longest user id.
const LONGEST_USER: usize = 100;

/// What an operator has decided about a feature in a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub enum Switch {
    /// On, for everybody.
    On,
    /// Off, for everybody.
    Off,
    /// On for some: for those named, and for a part of all others.
    Rollout {
        /// So many in a hundred users, always the same ones; 0 to 100.
        #[serde(default)]
        percentage: u8,
        /// User ids that are among them in any case.
        #[serde(default)]
        users: BTreeSet<String>,
    },
}

// === impl Switch ===

impl Switch {
    /// Refuses what is out of bounds.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(&self) -> Result<(), Error> {
        let Self::Rollout { percentage, users } = self else {
            return Ok(());
        };
        if *percentage > 100 {
            return Err(Error::Invalid(format!(
                "{percentage} is no percentage; use 0 to 100"
            )));
        }
        if users.len() > MOST_USERS {
            return Err(Error::Invalid(format!(
                "{} users are named; name up to {MOST_USERS}, and use a percentage for more",
                users.len()
            )));
        }
        users.iter().try_for_each(|user| check_user(user))
    }

    /// Whether it lets a feature be on for a user. Somebody unknown is one of no part.
    pub(crate) fn is_on(&self, tenant: &str, feature: &str, user: Option<&str>) -> bool {
        match self {
            Self::On => true,
            Self::Off => false,
            Self::Rollout { percentage, users } => match user {
                _ if *percentage >= 100 => true,
                None => false,
                Some(user) => {
                    users.contains(user) || place(tenant, feature, user) < u64::from(*percentage)
                }
            },
        }
    }
}

/// Refuses what is no id of a user.
pub(crate) fn check_user(user: &str) -> Result<(), Error> {
    if (1..=LONGEST_USER).contains(&user.len()) {
        return Ok(());
    }
    let user: String = user.chars().take(20).collect();
    Err(Error::Invalid(format!(
        "`{user}` is no user id; write ids like usr_0193..., of 1 to {LONGEST_USER} characters"
    )))
}

/// Where a user stands among a hundred, for this feature: who is on at 20 is on at 40, and who comes
/// early to one feature does not come early to all.
fn place(tenant: &str, feature: &str, user: &str) -> u64 {
    let mut context = Context::new(&SHA256);
    for part in [tenant, feature, user] {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let mut first = [0; 8];
    first.copy_from_slice(digest.as_ref().get(..8).unwrap_or(&[0; 8]));
    u64::from_le_bytes(first) % 100
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn part(percentage: u8) -> Switch {
        Switch::Rollout {
            percentage,
            users: BTreeSet::new(),
        }
    }

    proptest! {
        #[test]
        fn who_is_in_stays_in(tenant in "[a-z]{1,9}", user in "usr_[0-9a-f]{8}", low in 0_u8..=100, high in 0_u8..=100) {
            let (low, high) = (low.min(high), low.max(high));
            let on = |percentage| part(percentage).is_on(&tenant, "shop.wishlist", Some(&user));
            prop_assert_eq!(on(low), on(low));
            prop_assert!(!on(low) || on(high));
            prop_assert!(!on(0));
            prop_assert!(on(100));
        }
    }

    #[test]
    fn a_part_is_as_large_as_it_says_and_another_one_for_each_feature() {
        let users: Vec<String> = (0..10_000).map(|n| format!("usr_{n}")).collect();
        let on = |feature: &str, user: &String| part(20).is_on("default", feature, Some(user));
        let first = users.iter().filter(|user| on("a", user)).count();
        assert!((1800..2200).contains(&first), "{first}");
        let both = users.iter().filter(|user| on("a", user) && on("b", user));
        let both = both.count();
        assert!((300..500).contains(&both), "{both} in both");
    }

    #[test]
    fn those_named_are_in_and_somebody_unknown_is_not() {
        let switch = Switch::Rollout {
            percentage: 0,
            users: BTreeSet::from(["usr_1".to_owned()]),
        };
        assert!(switch.is_on("default", "a", Some("usr_1")));
        assert!(!switch.is_on("default", "a", Some("usr_2")));
        assert!(!switch.is_on("default", "a", None));
        assert!(!part(99).is_on("default", "a", None));
        assert!(part(100).is_on("default", "a", None));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        assert!(part(100).check().is_ok());
        assert!(
            part(101)
                .check()
                .unwrap_err()
                .to_string()
                .contains("0 to 100")
        );
        let many = (0..=MOST_USERS).map(|n| n.to_string()).collect();
        let rollout = |users| Switch::Rollout {
            percentage: 1,
            users,
        };
        assert!(rollout(many).check().is_err());
        assert!(rollout(BTreeSet::from([String::new()])).check().is_err());
        let text = serde_json::to_string(&rollout(BTreeSet::from(["usr_1".to_owned()]))).unwrap();
        assert_eq!(
            text,
            r#"{"state":"rollout","percentage":1,"users":["usr_1"]}"#
        );
        assert!(serde_json::from_str::<Switch>(r#"{"state":"maybe"}"#).is_err());
        assert!(serde_json::from_str::<Switch>(r#"{"state":"rollout","users":[],"x":1}"#).is_err());
    }
}
