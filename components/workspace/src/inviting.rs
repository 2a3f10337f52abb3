//! Who invites people into a workspace, and as what: by name, by mail, by a link.
//!
//! Whoever has the permission `invite` invites as anything that says no more than they may themselves. Where the
//! settings let all members invite, the others do so as what newcomers are. It is asked when somebody is
//! invited, and again when they join: whoever may not invite any more has invited nobody.

use crate::commit::{counted, still_is};
use crate::model::{Inviters, Membership, Workspace, WorkspaceId, membership_id};
use crate::permissions::{Permission, Role, beyond};
use crate::roles::{self, Given};
use crate::store::{MEMBERSHIPS, SENT_AWAY, WORKSPACES};
use crate::{creation, store};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, config, text};
use serde_json::{Value, json};

/// How many members a workspace has at most, unless the variable `members_per_workspace` says otherwise.
const MEMBERS: u64 = 10_000;
/// How many workspaces a user belongs to at most, unless the variable `memberships_per_user` says otherwise.
const MEMBERSHIPS_PER_USER: u64 = 100;

/// Somebody who invites others as something, as both were read.
#[derive(Clone, Debug)]
pub(crate) struct Inviting {
    pub(crate) workspace: Workspace,
    pub(crate) own: Membership,
    pub(crate) given: Given,
}

/// The caller, who invites others as this; as what newcomers are where nothing is said.
pub(crate) async fn require(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    role: Option<&Role>,
) -> Result<Inviting> {
    let (workspace, own) = store::active(workspace_id, caller).await?;
    let role = role.unwrap_or(&workspace.settings.newcomers);
    let given = roles::given(workspace_id, role).await?;
    may(&workspace, &own, &given)?;
    Ok(Inviting {
        workspace,
        own,
        given,
    })
}

/// The caller, who looks after what they have sent; those with the permission `invite` after all of it.
pub(crate) fn looks_after(own: &Membership, sender: &str) -> bool {
    own.may(Permission::Invite) || own.user_id == sender
}

fn may(workspace: &Workspace, own: &Membership, given: &Given) -> Result<()> {
    if own.may(Permission::Invite) {
        return match given.permissions.are_within(&own.permissions) {
            true => Ok(()),
            false => Err(beyond()),
        };
    }
    match workspace.settings.inviters {
        Inviters::Permitted => own.require(Permission::Invite),
        Inviters::Members if given.role == workspace.settings.newcomers => Ok(()),
        Inviters::Members => Err(Error::forbidden(
            "without the permission `invite` you invite people only as what newcomers are; leave `role` out",
        )),
    }
}

/// Somebody who let others in as this, and may do so still.
pub(crate) async fn standing(
    workspace: &Workspace,
    inviter: &str,
    role: &Role,
) -> Result<Inviting> {
    store::require_active(workspace)?;
    let own = MEMBERSHIPS
        .get(&membership_id(&workspace.id, inviter))
        .await?;
    let given = roles::given(&workspace.id, role).await;
    let (Some(own), Ok(given)) = (own, given) else {
        return Err(void());
    };
    may(workspace, &own, &given).map_err(|_| void())?;
    Ok(Inviting {
        workspace: workspace.clone(),
        own,
        given,
    })
}

/// Has somebody belong to a workspace, whom another one has let in as this: what is to be committed, and what
/// they are then.
pub(crate) async fn joins(
    change: Transaction,
    workspace: &Workspace,
    inviter: &str,
    role: &Role,
    caller: &Caller,
    now: Time,
) -> Result<(Transaction, Membership)> {
    let inviting = standing(workspace, inviter, role).await?;
    require_room(workspace)?;
    let most = config::get_as("memberships_per_user")?.unwrap_or(MEMBERSHIPS_PER_USER);
    let belonging = json!({"user_id": caller.user});
    let belongs = MEMBERSHIPS.count(belonging.clone()).await?;
    if belongs >= most {
        let message =
            format!("you belong to {most} workspaces, the most one user may; leave one first");
        return Err(Error::conflict(message));
    }
    let id = membership_id(&workspace.id, &caller.user);
    let member = Membership {
        id: id.clone(),
        workspace_id: workspace.id.clone(),
        user_id: caller.user.to_string(),
        username: caller.username.clone(),
        role: inviting.given.role.clone(),
        permissions: inviting.given.permissions.clone(),
        backup: false,
        joined_at: now,
        workspace_name_key: text::key(&workspace.name),
        workspace_created_at: workspace.created_at,
    };
    let mut room = decided(workspace);
    room["member_count"] = json!({"$lt": members_limit()?});
    room["name"] = json!(workspace.name);
    let change = inviting
        .checked(change)
        .check(&MEMBERSHIPS, belonging, belongs)
        .insert(&MEMBERSHIPS, &member)
        .delete_many(&SENT_AWAY, json!({"_id": id}));
    let change = counted(change, &workspace.id, room, json!({"member_count": 1}));
    Ok((creation::added(change, &member), member))
}

/// Answers 409 where a workspace has as many members as it may.
pub(crate) fn require_room(workspace: &Workspace) -> Result<()> {
    let most = members_limit()?;
    if workspace.member_count < most {
        return Ok(());
    }
    let message = format!("the workspace has {most} members, the most there may be");
    Err(Error::conflict(message))
}

fn members_limit() -> Result<u64> {
    Ok(config::get_as("members_per_workspace")?.unwrap_or(MEMBERS))
}

/// That it is decided still as it was read who invites whom.
fn decided(workspace: &Workspace) -> Value {
    json!({
        "settings.inviters": workspace.settings.inviters,
        "settings.newcomers": workspace.settings.newcomers, "archived_at": null,
    })
}

fn void() -> Error {
    Error::conflict(
        "whoever invited you may not do so any more; ask somebody else in the workspace for an invitation",
    )
}

// === impl Inviting ===

impl Inviting {
    /// Has a change be done only as long as they may invite as this.
    pub(crate) fn checked(&self, change: Transaction) -> Transaction {
        let mut still = decided(&self.workspace);
        still["_id"] = json!(self.workspace.id);
        still["closing"] = Value::Null;
        self.given
            .checked(change)
            .check(&MEMBERSHIPS, still_is(&self.own), 1)
            .check(&WORKSPACES, still, 1)
    }
}
