//! What members of a group may be, and who may not be missing.
//!
//! ```text
//!              promote                      leave, remove
//!   member ──────────────▶ administrator ────────────────▶ gone
//!    ▲  │ ◀──────────────                                    ▲
//!    │  │      demote             leave, remove              │
//!    │  ├────────────────────────────────────────────────────┤
//!    │  │ guard                      remove                  │
//!    │  └────────▶ minor ────────────────────────────────────┘
//!    └──────────────┘
//!         release
//! ```
//!
//! A group has an administrator at any time, and a minor has a guardian: whoever is the last one stays what
//! they are. Minors decide nothing for others, and do not leave by themselves.

use http::StatusCode;
use sbd_sdk::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many administrators a group has at most: few enough that each can be told of everything in the commit
/// that does it.
pub const MAX_ADMINS: u64 = 20;
/// How many guardians a minor has at most.
pub const MAX_GUARDIANS: usize = 5;

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = GroupRole)]
pub enum Role {
    /// Everything.
    Admin,
    /// See it.
    Member,
}

/// How many there are in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub members: u64,
    /// Those who are administrators.
    pub admins: u64,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What they may do.
    pub role: Role,
    /// Whether others are their guardians.
    pub minor: bool,
    /// Whose guardian they are.
    pub guards: Guards,
}

/// Whose guardian somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guards {
    /// Nobody's.
    Nobody,
    /// Of some, and each of them has another one.
    BesideOthers,
    /// Of some, and at least one of them has no other.
    Alone,
}

/// What is done with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes them an administrator.
    Promote,
    /// Makes an administrator a member again.
    Demote,
    /// They go.
    Leave,
    /// They are sent away.
    Remove,
    /// Gives them guardians, or other ones.
    Guard,
    /// Takes their guardians from them, for they are grown up.
    Release,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// That is what they are already.
    Same,
    /// They are this now.
    Is {
        /// What they may do.
        role: Role,
        /// Whether they have guardians.
        minor: bool,
    },
    /// They belong to it no more.
    Gone,
}

/// Why it is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There would be no administrator.
    LastAdministrator,
    /// There would be nobody.
    LastMember,
    /// There are as many administrators as there may be.
    TooManyAdministrators,
    /// Minors cannot.
    Minor,
    /// Minors are no administrators.
    Administrator,
    /// Somebody would be without a guardian.
    LastGuardian,
    /// Minors are nobody's guardians.
    Guardian,
}

/// What comes of it when something is done with a member of a group.
///
/// # Errors
/// Why it is not done.
pub fn act(group: Counts, member: Standing, act: Act) -> Result<Then, Refusal> {
    let is = |role, minor| Then::Is { role, minor };
    match (act, member.role) {
        (Act::Promote, Role::Admin) | (Act::Demote, Role::Member) => Ok(Then::Same),
        (Act::Promote, Role::Member) if member.minor => Err(Refusal::Minor),
        (Act::Promote, Role::Member) if group.admins >= MAX_ADMINS => {
            Err(Refusal::TooManyAdministrators)
        }
        (Act::Promote, Role::Member) => Ok(is(Role::Admin, false)),
        (Act::Demote, Role::Admin) if group.admins <= 1 => Err(Refusal::LastAdministrator),
        (Act::Demote, Role::Admin) => Ok(is(Role::Member, false)),
        (Act::Leave, _) if member.minor => Err(Refusal::Minor),
        (Act::Leave | Act::Remove, _) if group.members <= 1 => Err(Refusal::LastMember),
        (Act::Leave | Act::Remove, Role::Admin) if group.admins <= 1 => {
            Err(Refusal::LastAdministrator)
        }
        (Act::Leave | Act::Remove, _) if member.guards == Guards::Alone => {
            Err(Refusal::LastGuardian)
        }
        (Act::Leave | Act::Remove, _) => Ok(Then::Gone),
        (Act::Guard, Role::Admin) => Err(Refusal::Administrator),
        (Act::Guard, Role::Member) if member.guards != Guards::Nobody => Err(Refusal::Guardian),
        (Act::Guard, Role::Member) => Ok(is(Role::Member, true)),
        (Act::Release, _) if !member.minor => Ok(Then::Same),
        (Act::Release, _) => Ok(is(Role::Member, false)),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::LastAdministrator => (
                "LAST_ADMINISTRATOR",
                "there must be an administrator at any time; promote somebody first, or delete the whole",
            ),
            Refusal::LastMember => (
                "LAST_MEMBER",
                "nobody would be left; delete it instead, which shows first what becomes of its balance",
            ),
            Refusal::TooManyAdministrators => (
                "TOO_MANY_ADMINISTRATORS",
                "there are 20 administrators, the most there may be; demote one first",
            ),
            Refusal::Minor => (
                "MINOR",
                "a minor can neither be an administrator or a guardian nor leave alone; ask a guardian or an administrator",
            ),
            Refusal::Administrator => (
                "IS_ADMINISTRATOR",
                "an administrator is no minor; demote them first",
            ),
            Refusal::LastGuardian => (
                "LAST_GUARDIAN",
                "a minor would be without a guardian; name another guardian first",
            ),
            Refusal::Guardian => (
                "IS_GUARDIAN",
                "whoever is a guardian is no minor; name another guardian first",
            ),
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// The model: members with their guardians, and who is an administrator.
    struct Model {
        guardians: BTreeMap<u8, BTreeSet<u8>>,
        admins: BTreeSet<u8>,
    }

    impl Model {
        fn standing(&self, member: u8) -> Standing {
            let wards = self.guardians.values().filter(|of| of.contains(&member));
            let wards: Vec<_> = wards.collect();
            Standing {
                role: match self.admins.contains(&member) {
                    true => Role::Admin,
                    false => Role::Member,
                },
                minor: !self.guardians.get(&member).unwrap().is_empty(),
                guards: match wards.is_empty() {
                    true => Guards::Nobody,
                    false if wards.iter().any(|of| of.len() == 1) => Guards::Alone,
                    false => Guards::BesideOthers,
                },
            }
        }

        fn counts(&self) -> Counts {
            Counts {
                members: self.guardians.len() as u64,
                admins: self.admins.len() as u64,
            }
        }

        /// Does it, if it may be done by what must hold afterwards; the rules are not asked.
        fn tried(&self, member: u8, act: Act, by: u8) -> Option<Self> {
            let mut then = Self {
                guardians: self.guardians.clone(),
                admins: self.admins.clone(),
            };
            let was_minor = !self.guardians.get(&member).unwrap().is_empty();
            match act {
                Act::Promote => drop(then.admins.insert(member)),
                Act::Demote => drop(then.admins.remove(&member)),
                Act::Guard => drop(then.guardians.get_mut(&member).unwrap().insert(by)),
                Act::Release => drop(then.guardians.insert(member, [].into())),
                Act::Leave | Act::Remove => {
                    then.guardians.remove(&member);
                    then.admins.remove(&member);
                    let wards = self.guardians.iter().filter(|(_, of)| of.contains(&member));
                    for (ward, _) in wards {
                        then.guardians.get_mut(ward).unwrap().remove(&member);
                        then.guardians.get(ward).filter(|of| !of.is_empty())?;
                    }
                }
            }
            (then.is_right() && !(act == Act::Leave && was_minor)).then_some(then)
        }

        /// What must hold at any time.
        fn is_right(&self) -> bool {
            let is_minor = |member: &u8| {
                let of = self.guardians.get(member);
                of.is_some_and(|of| !of.is_empty())
            };
            !self.admins.is_empty()
                && self.admins.len() as u64 <= MAX_ADMINS
                && !self.admins.iter().any(is_minor)
                && !self.guardians.values().flatten().any(is_minor)
        }
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => Just(Act::Promote),
            2 => Just(Act::Demote),
            1 => Just(Act::Leave),
            1 => Just(Act::Remove),
            2 => Just(Act::Guard),
            2 => Just(Act::Release),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_rules_allow_what_leaves_the_group_whole_and_nothing_else(
            members in 1..30_u8,
            walk in prop::collection::vec((any::<u8>(), acts(), any::<u8>()), 1..80),
        ) {
            let mut model = Model {
                guardians: (0..members).map(|member| (member, BTreeSet::new())).collect(),
                admins: [0].into(),
            };
            for (member, what, by) in walk {
                let there: Vec<u8> = model.guardians.keys().copied().collect();
                let pick = |number: u8| there.get(usize::from(number) % there.len()).copied().unwrap();
                let (member, by) = (pick(member), pick(by));
                if what == Act::Guard && (member == by || model.standing(by).minor) {
                    continue;
                }
                let standing = model.standing(member);
                let said = act(model.counts(), standing, what);
                let done = model.tried(member, what, by);
                prop_assert_eq!(said.is_ok(), done.is_some(), "{:?} {:?} {:?}", standing, what, said);
                let Some(then) = done else { continue };
                match said.unwrap() {
                    Then::Same => prop_assert_eq!(then.standing(member), standing),
                    Then::Is { role, minor } => {
                        let is = then.standing(member);
                        prop_assert_eq!((is.role, is.minor), (role, minor));
                    }
                    Then::Gone => prop_assert!(!then.guardians.contains_key(&member)),
                }
                model = then;
            }
        }
    }
}
