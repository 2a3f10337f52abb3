//! What a member may do: by their role, which is a set of permissions.
//!
//! | | owner | admin | editor | viewer | an own role |
//! |---|---|---|---|---|---|
//! | read the workspace, what is shared in it, its account, its activity | ✓ | ✓ | ✓ | ✓ | ✓ |
//! | `request`: ask for tokens or a purchase | ✓ | ✓ | ✓ | ✓ | as it says |
//! | `write`: add and change what is shared, and its labels | ✓ | ✓ | ✓ | | as it says |
//! | `invite`, `members`, `roles`, `settings` | ✓ | ✓ | | | as it says |
//! | `spend`, `review`, `wallet`, `audit` | ✓ | ✓ | | | as it says |
//! | take all of it along | ✓ | ✓ | | | |
//! | delete it, hand it over | ✓ | | | | |
//!
//! Nobody gives what they do not have: roles are given, taken, made and changed by whoever has all their
//! permissions. Nobody but the owner becomes or changes the owner.

use sbd_sdk::Error;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

sbd_sdk::id!(pub(crate) RoleId, "rol", "role");

/// Something that members may do if their role says so.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkspacePermission)]
pub(crate) enum Permission {
    /// Ask for tokens, or for a purchase.
    Request,
    /// Add and change what is shared, and its labels.
    Write,
    /// Invite people, and make links by which they join.
    Invite,
    /// Give members roles, and send them away.
    Members,
    /// Make the workspace's own roles.
    Roles,
    /// Change its name, description and settings, and archive it.
    Settings,
    /// Pay out of its account, within the limits.
    Spend,
    /// Decide what others ask for.
    Review,
    /// Set limits and what is approved by itself, freeze the account, name backup administrators.
    Wallet,
    /// See all of the audit, and make reports.
    Audit,
}

/// Several of them, each once and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
#[schema(value_type = Vec<Permission>)]
pub(crate) struct Permissions(Vec<Permission>);

/// What a member is: one of four, or something that the workspace has made for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Role {
    /// Everything; one member is this.
    Owner,
    /// Everything but deleting it and handing it over.
    Admin,
    /// Add and change what is shared.
    Editor,
    /// Look, and ask for tokens.
    Viewer,
    /// A role of the workspace's own.
    Own(RoleId),
}

const ALL: [Permission; 10] = [
    Permission::Request,
    Permission::Write,
    Permission::Invite,
    Permission::Members,
    Permission::Roles,
    Permission::Settings,
    Permission::Spend,
    Permission::Review,
    Permission::Wallet,
    Permission::Audit,
];

// === impl Permissions ===

impl Permissions {
    pub(crate) fn has(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// Whether these are all among those.
    pub(crate) fn are_within(&self, those: &Self) -> bool {
        self.0.iter().all(|permission| those.has(*permission))
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(mut permissions: Vec<Permission>) -> Self {
        permissions.sort_unstable();
        permissions.dedup();
        Self(permissions)
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(permissions: Permissions) -> Self {
        permissions.0
    }
}

// === impl Role ===

impl Role {
    /// The roles that every workspace has.
    pub(crate) const BUILT_IN: [Self; 4] = [Self::Owner, Self::Admin, Self::Editor, Self::Viewer];

    /// What may be done in it; none for a workspace's own role, of which the workspace knows.
    pub(crate) fn built_in(&self) -> Option<Permissions> {
        let permissions: &[Permission] = match self {
            Self::Owner | Self::Admin => &ALL,
            Self::Editor => &[Permission::Request, Permission::Write],
            Self::Viewer => &[Permission::Request],
            Self::Own(_) => return None,
        };
        Some(permissions.to_vec().into())
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
            Self::Own(id) => id.as_str(),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Cow<'static, str>;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let built_in = Self::BUILT_IN
            .into_iter()
            .find(|role| role.as_str() == text);
        built_in
            .or_else(|| text.parse().ok().map(Self::Own))
            .ok_or("`owner`, `admin`, `editor`, `viewer`, or the id of an own role".into())
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.as_str().to_owned()
    }
}

impl PartialSchema for Role {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A role: one that every workspace has, or the id of one of its own.",
            ))
            .pattern(Some("^(owner|admin|editor|viewer|rol_[0-9a-f]{32})$"))
            .examples(["editor"])
            .into()
    }
}

impl ToSchema for Role {
    fn name() -> Cow<'static, str> {
        "WorkspaceRole".into()
    }
}

/// What to say to whoever would give more than they have.
pub(crate) fn beyond() -> Error {
    Error::forbidden(
        "the role has permissions that you do not have; ask the owner or an administrator to do this",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    #[test]
    fn permissions_are_kept_once_and_in_order() {
        let read: Permissions =
            serde_json::from_value(json!(["write", "request", "write"])).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!(["request", "write"])
        );
        assert!(serde_json::from_value::<Permissions>(json!(["fly"])).is_err());
        let all = Role::Owner.built_in().unwrap();
        assert_eq!(all.0.len(), ALL.len());
        assert!(read.are_within(&all) && !all.are_within(&read));
        assert!(Permissions::default().are_within(&Permissions::default()));
    }

    #[test]
    fn roles_are_words_or_ids() {
        let own = RoleId::new();
        for (text, role) in [
            ("owner", Role::Owner),
            ("viewer", Role::Viewer),
            (own.as_str(), Role::Own(own.clone())),
        ] {
            let read: Role = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(read, role);
            assert_eq!(serde_json::to_value(&role).unwrap(), json!(text));
        }
        for wrong in ["Owner", "", "member", "rol_x", "fam_1"] {
            assert!(
                serde_json::from_value::<Role>(json!(wrong)).is_err(),
                "{wrong}"
            );
        }
    }
}
