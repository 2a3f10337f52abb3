//! A workspace, who belongs to it, and what its texts may be.

use crate::permissions::{Permission, Permissions, Role};
use group::deletion::Closing;
use membership::text::{name_problem, prose_problem};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Detail, Error, id, text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a workspace's name.
pub(crate) const NAME: std::ops::RangeInclusive<usize> = 3..=100;
/// Characters in a description at most.
pub(crate) const MAX_DESCRIPTION: usize = 500;

id!(pub(crate) WorkspaceId, "wsp", "workspace");

/// A workspace, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "_id")]
    pub(crate) id: WorkspaceId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) created_by: String,
    /// The member whose role is owner, and whose limit it counts against.
    pub(crate) owner: String,
    pub(crate) member_count: u64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    /// Since when it is kept as it is.
    pub(crate) archived_at: Option<Time>,
    /// To whom the owner offers it.
    pub(crate) offer: Option<Offer>,
    /// That it is being deleted, if it is; then nothing else is done to it.
    pub(crate) closing: Option<Closing>,
    /// Goes up by one with every change.
    pub(crate) version: u64,
}

/// What is decided about a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceSettings)]
pub(crate) struct Settings {
    /// Who invites people.
    pub(crate) inviters: Inviters,
    /// What people are who are invited without a word about it.
    pub(crate) newcomers: Role,
}

/// Who invites people into a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkspaceInviters)]
pub(crate) enum Inviters {
    /// All members; without the permission `invite` they do so only as what newcomers are.
    Members,
    /// Those with the permission `invite`.
    Permitted,
}

/// That a workspace is to be handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) to: String,
    pub(crate) expires_at: Time,
}

/// That somebody belongs to a workspace, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// The workspace's and the user's id, so that nobody belongs to a workspace twice.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) role: Role,
    /// What may be done in that role, kept here so that one look says what a member may do, and a commit can
    /// ask for it.
    pub(crate) permissions: Permissions,
    /// Whether they unfreeze the account with others, in an emergency.
    #[serde(default)]
    pub(crate) backup: bool,
    pub(crate) joined_at: Time,
    /// What a user's list of workspaces is sorted and filtered by, kept here so that one index
    /// serves a page of it.
    pub(crate) workspace_name_key: String,
    pub(crate) workspace_created_at: Time,
}

/// How many workspaces count against a user's limit: created, or taken over, and not deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Creator {
    #[serde(rename = "_id")]
    pub(crate) user_id: String,
    pub(crate) workspaces: u64,
}

/// A workspace's texts, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

/// The id of a user's membership of a workspace.
pub(crate) fn membership_id(workspace_id: &WorkspaceId, user_id: &str) -> String {
    format!("{workspace_id}/{user_id}")
}

/// A new workspace, and the membership that makes its creator the owner.
pub(crate) fn found(draft: Draft, caller: &Caller, now: Time) -> (Workspace, Membership) {
    let id = WorkspaceId::new();
    let membership = Membership {
        id: membership_id(&id, &caller.user),
        workspace_id: id.clone(),
        user_id: caller.user.to_string(),
        username: caller.username.clone(),
        permissions: Role::Owner.built_in().unwrap_or_default(),
        role: Role::Owner,
        backup: false,
        joined_at: now,
        workspace_name_key: text::key(&draft.name),
        workspace_created_at: now,
    };
    let workspace = Workspace {
        id,
        name: draft.name,
        description: draft.description,
        settings: Settings::default(),
        created_by: caller.user.to_string(),
        owner: caller.user.to_string(),
        member_count: 1,
        created_at: now,
        updated_at: now,
        archived_at: None,
        offer: None,
        closing: None,
        version: 1,
    };
    (workspace, membership)
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            inviters: Inviters::Members,
            newcomers: Role::Viewer,
        }
    }
}

// === impl Membership ===

impl Membership {
    pub(crate) fn is_owner(&self) -> bool {
        self.role == Role::Owner
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    /// Answers 403 where the member's role does not say that they may.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.may(permission) {
            return Ok(());
        }
        let word = serde_json::to_value(permission).unwrap_or_default();
        let message = format!(
            "this needs the permission `{}` in the workspace; ask its owner or an administrator for it",
            word.as_str().unwrap_or_default()
        );
        Err(Error::forbidden(message))
    }

    /// Answers 403 to everybody but the owner and administrators.
    pub(crate) fn require_admin(&self) -> Result<(), Error> {
        match self.role {
            Role::Owner | Role::Admin => Ok(()),
            _ => Err(Error::forbidden(
                "only the owner and administrators of the workspace do this; ask one of them",
            )),
        }
    }

    /// Answers 403 to everybody but the owner.
    pub(crate) fn require_owner(&self) -> Result<(), Error> {
        match self.is_owner() {
            true => Ok(()),
            false => Err(Error::forbidden(
                "only the owner of the workspace does this; ask them",
            )),
        }
    }
}

// === impl Draft ===

impl Draft {
    /// Trims and checks what somebody wrote.
    pub(crate) fn check(name: &str, description: Option<&str>) -> Result<Self, Error> {
        // As they were written: that is what the schema counts.
        let problem = |text| prose_problem(text, MAX_DESCRIPTION);
        let wrong = [
            ("name", name_problem(name, NAME)),
            ("description", description.and_then(problem)),
        ];
        let wrong = wrong.into_iter().filter_map(|(field, problem)| {
            Some(Detail {
                field: field.to_owned(),
                message: problem?,
            })
        });
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            return Err(Error::validation_all(wrong));
        }
        let description = description.map(str::trim).filter(|text| !text.is_empty());
        Ok(Self {
            name: name.trim().to_owned(),
            description: description.map(str::to_owned),
        })
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
    fn texts_are_trimmed_and_bounded() {
        let draft = Draft::check("  Ops ", Some(" of\nLondon ")).unwrap();
        assert_eq!(
            (draft.name.as_str(), draft.description.as_deref()),
            ("Ops", Some("of\nLondon"))
        );
        assert_eq!(Draft::check("abc", Some("  ")).unwrap().description, None);
        for name in [
            "",
            "ab",
            " ab ",
            "   ",
            &"a".repeat(101),
            "a\u{202E}bc",
            "a\u{0}bc",
        ] {
            assert!(Draft::check(name, None).is_err(), "{name:?}");
        }
        assert!(Draft::check("abc", Some(&"b".repeat(501))).is_err());
    }

    #[test]
    fn whoever_creates_it_owns_it_and_may_everything() {
        let draft = Draft::check("Ops", None).unwrap();
        let (workspace, membership) = found(draft, &caller("usr_1"), Time::from_seconds(1));
        assert_eq!(membership.id, format!("{}/usr_1", workspace.id));
        assert!(membership.require(Permission::Wallet).is_ok());
        assert!(membership.require_owner().is_ok());
        let viewer = Membership {
            role: Role::Viewer,
            permissions: Role::Viewer.built_in().unwrap(),
            ..membership
        };
        let refused = viewer.require(Permission::Write).unwrap_err();
        assert!(
            refused.message().contains("`write`"),
            "{}",
            refused.message()
        );
        assert!(viewer.require_owner().is_err());
    }
}
