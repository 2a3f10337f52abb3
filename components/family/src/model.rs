//! A family, who belongs to it, and what its texts may be.

use group::deletion::Closing;
use membership::text::{name_problem, prose_problem};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Detail, Error, id, text};
use serde::{Deserialize, Serialize};

pub(crate) use membership::roles::Role;

/// Characters in a family's name at most.
pub(crate) const MAX_NAME: usize = 100;
/// Characters in a description at most.
pub(crate) const MAX_DESCRIPTION: usize = 500;

id!(pub(crate) FamilyId, "fam", "family");

/// A family, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Family {
    #[serde(rename = "_id")]
    pub(crate) id: FamilyId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_by: String,
    /// Whose limit it counts against: whoever created it, until they hand it over.
    /// Versions before did not say; `store` puts it down when the family is next looked at.
    #[serde(default)]
    pub(crate) owner: String,
    pub(crate) member_count: u64,
    /// How many of them are administrators; never none.
    #[serde(default)]
    pub(crate) admin_count: u64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    /// To whom the owner offers it.
    #[serde(default)]
    pub(crate) offer: Option<Offer>,
    /// That it is being deleted, if it is; then nothing else is done to it.
    #[serde(default)]
    pub(crate) closing: Option<Closing>,
    /// Goes up by one with every change.
    pub(crate) version: u64,
}

/// That a family is to be handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) to: String,
    pub(crate) expires_at: Time,
}

/// That somebody belongs to a family, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// The family's and the user's id, so that nobody belongs to a family twice.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) family_id: FamilyId,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) role: Role,
    /// Whether others answer for the user, who then decides nothing for others and lifts no limits.
    #[serde(default)]
    pub(crate) minor: bool,
    /// Who answers for a minor; nobody for others.
    #[serde(default)]
    pub(crate) guardians: Vec<String>,
    pub(crate) joined_at: Time,
    /// What a user's list of families is sorted and filtered by, kept here so that one index
    /// serves a page of it.
    pub(crate) family_name_key: String,
    pub(crate) family_created_at: Time,
}

/// How many families count against a user's limit: created, or taken over, and not deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Creator {
    #[serde(rename = "_id")]
    pub(crate) user_id: String,
    pub(crate) families: u64,
}

/// A family's texts, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

// === impl Draft ===

impl Draft {
    /// Trims and checks what somebody wrote.
    pub(crate) fn check(name: &str, description: Option<&str>) -> Result<Self, Error> {
        // As they were written: that is what the schema counts.
        let wrong = [
            ("name", name_problem(name, 1..=MAX_NAME)),
            (
                "description",
                description.and_then(|text| prose_problem(text, MAX_DESCRIPTION)),
            ),
        ];
        let name = name.trim();
        let description = description.map(str::trim).filter(|text| !text.is_empty());
        let wrong: Vec<_> = wrong
            .into_iter()
            .filter_map(|(field, problem)| {
                Some(Detail {
                    field: field.to_owned(),
                    message: problem?,
                })
            })
            .collect();
        if !wrong.is_empty() {
            return Err(Error::validation_all(wrong));
        }
        Ok(Self {
            name: name.to_owned(),
            description: description.map(str::to_owned),
        })
    }
}

/// The id of a user's membership of a family.
pub(crate) fn membership_id(family_id: &FamilyId, user_id: &str) -> String {
    format!("{family_id}/{user_id}")
}

/// A new family, and the membership that makes its creator the administrator.
pub(crate) fn found(draft: Draft, caller: &Caller, now: Time) -> (Family, Membership) {
    let id = FamilyId::new();
    let membership = Membership {
        id: membership_id(&id, &caller.user),
        family_id: id.clone(),
        user_id: caller.user.to_string(),
        username: caller.username.clone(),
        role: Role::Admin,
        minor: false,
        guardians: Vec::new(),
        joined_at: now,
        family_name_key: text::key(&draft.name),
        family_created_at: now,
    };
    let family = Family {
        id,
        name: draft.name,
        description: draft.description,
        created_by: caller.user.to_string(),
        owner: caller.user.to_string(),
        member_count: 1,
        admin_count: 1,
        created_at: now,
        updated_at: now,
        offer: None,
        closing: None,
        version: 1,
    };
    (family, membership)
}

/// Answers 403 to members who may only look.
pub(crate) fn require_admin(membership: &Membership) -> Result<(), Error> {
    match membership.role {
        Role::Admin => Ok(()),
        Role::Member => Err(Error::forbidden(
            "only an administrator of the family may do this; ask one of them",
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_sdk::Principal;

    pub(crate) fn caller(user: &str) -> Caller {
        Caller::of(Principal::user("default", user).named("ada")).unwrap()
    }

    #[test]
    fn texts_are_trimmed() {
        let draft = Draft::check("  The Lovelaces ", Some(" of\nLondon ")).unwrap();
        assert_eq!(
            (draft.name.as_str(), draft.description.as_deref()),
            ("The Lovelaces", Some("of\nLondon"))
        );
        assert_eq!(Draft::check("x", Some("  ")).unwrap().description, None);
    }

    #[test]
    fn bounds_count_characters() {
        assert!(Draft::check(&"ä".repeat(MAX_NAME), Some(&"ö".repeat(MAX_DESCRIPTION))).is_ok());
        let longest = format!(" {}", "a".repeat(MAX_NAME - 1));
        assert!(Draft::check(&longest, None).is_ok());
        assert!(Draft::check(&format!("{longest} "), None).is_err());
        let error = Draft::check(
            &"a".repeat(MAX_NAME + 1),
            Some(&"b".repeat(MAX_DESCRIPTION + 1)),
        )
        .unwrap_err();
        let fields: Vec<_> = error
            .details()
            .iter()
            .map(|detail| detail.field.as_str())
            .collect();
        assert_eq!(fields, ["name", "description"]);
    }

    #[test]
    fn empty_names_and_control_characters_are_refused() {
        for name in ["", "   ", "a\u{0}b", "a\nb", "a\u{85}b"] {
            assert_eq!(
                Draft::check(name, None).unwrap_err().code(),
                "VALIDATION_ERROR",
                "{name:?}"
            );
        }
        assert!(Draft::check("x", Some("a\u{7}b")).is_err());
        // What is not seen, or makes one see something else; letters of all scripts, and emoji, are seen.
        for hidden in [
            "\u{200B}",
            "\u{202E}",
            "\u{2066}",
            "\u{2060}",
            "\u{FEFF}",
            "\u{AD}",
            "\u{E0041}",
        ] {
            let name = format!("a{hidden}b");
            assert!(Draft::check(&name, None).is_err(), "{name:?}");
            assert!(Draft::check("x", Some(&name)).is_err(), "{name:?}");
        }
        for name in [
            "Ляля",
            "母の家",
            "\u{5D0}\u{5D1}",
            "👨\u{200D}👩\u{200D}👧",
            "ن\u{200C}ا",
            "❤\u{FE0F}",
        ] {
            assert!(Draft::check(name, Some(name)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn the_creator_is_the_administrator() {
        let (family, membership) = found(
            Draft::check("X", None).unwrap(),
            &caller("usr_1"),
            Time::from_seconds(1),
        );
        assert_eq!(
            (
                family.member_count,
                family.version,
                family.created_by.as_str()
            ),
            (1, 1, "usr_1")
        );
        assert_eq!(membership.id, format!("{}/usr_1", family.id));
        assert_eq!(
            (membership.role, membership.family_name_key.as_str()),
            (Role::Admin, "x")
        );
    }

    #[test]
    fn members_may_look_and_administrators_may_change() {
        let (_, mut membership) = found(
            Draft::check("X", None).unwrap(),
            &caller("usr_1"),
            Time::from_seconds(1),
        );
        assert!(require_admin(&membership).is_ok());
        membership.role = Role::Member;
        assert_eq!(require_admin(&membership).unwrap_err().code(), "FORBIDDEN");
    }
}
