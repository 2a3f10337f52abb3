//! What the account is to know of a workspace: the permissions `request`, `spend`, `review`, `wallet` and `audit` say
//! who does what, and backup administrators unfreeze it in an emergency. Nobody decides on own requests.

use crate::model::{Membership, WorkspaceId};
use crate::permissions::Permission;
use crate::store::{self, MEMBERSHIPS, WORKSPACES};
use group::{Group, Member, Who};
use membership::report::Person;
use membership::spending::Permission as Spending;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result};
use serde_json::{Value, json};

#[cfg(test)]
mod audit;
#[cfg(test)]
mod freezing;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod spending;
#[cfg(test)]
mod statistics;

/// Members that are read at once: the most there are on a page.
const AT_ONCE: u32 = 1000;
/// How many backup administrators unfreeze the account, unless the workspace says that one is enough.
const BACKUPS: u64 = 2;

impl Group for WorkspaceId {
    const NOUN: &'static str = "workspace";
    const PATH: &'static str = "workspaces";
    const ALONE: bool = false;
    const SMALL_FOR_ALL: bool = true;

    async fn own(&self, caller: &Caller) -> Result<Member> {
        Ok(store::active(self, caller).await?.1.into())
    }

    async fn reader(&self, caller: &Caller) -> Result<Member> {
        Ok(store::membership(self, caller).await?.into())
    }

    async fn member(&self, user: &str) -> Result<Member> {
        Ok(store::member(self, user).await?.into())
    }

    async fn described(&self) -> Result<(String, Vec<Person>)> {
        let workspace = WORKSPACES.get(self.as_str()).await?;
        let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
        let (mut members, mut cursor) = (Vec::new(), None);
        loop {
            let found = MEMBERSHIPS
                .find(json!({"workspace_id": self}))
                .sort(json!({"joined_at": 1}))
                .limit(AT_ONCE)
                .after(cursor)
                .fetch()
                .await?;
            members.extend(found.documents.into_iter().map(Person::from));
            cursor = found.next;
            if cursor.is_none() {
                return Ok((workspace.name, members));
            }
        }
    }

    fn those(&self, who: Who) -> Value {
        match who {
            Who::Everybody => json!({"workspace_id": self}),
            Who::Reviewers => json!({"workspace_id": self, "permissions": Permission::Review}),
            Who::Unfreezers => json!({"workspace_id": self, "backup": true}),
        }
    }

    fn required(_: u64) -> u64 {
        BACKUPS
    }

    fn while_there(&self, change: Transaction) -> Transaction {
        let there = json!({"_id": self, "closing": null, "archived_at": null});
        change.check(&WORKSPACES, there, 1)
    }
}

impl From<Membership> for Member {
    fn from(of: Membership) -> Self {
        Self {
            still: json!({
                "_id": of.id, "role": of.role, "permissions": of.permissions, "backup": of.backup,
                "joined_at": of.joined_at,
            }),
            usual: match of.may(Permission::Spend) {
                true => Spending::UNLIMITED,
                false => Spending::NOTHING,
            },
            asks: of.may(Permission::Request),
            reviews: of.may(Permission::Review),
            governs: of.may(Permission::Wallet),
            audits: of.may(Permission::Audit),
            unfreezes: of.backup,
            role: of.role.into(),
            id: of.id,
            user_id: of.user_id,
            username: of.username,
            joined_at: of.joined_at,
            guardians: Vec::new(),
        }
    }
}

impl From<Membership> for Person {
    fn from(of: Membership) -> Self {
        Self {
            user_id: of.user_id,
            username: of.username,
            role: of.role.into(),
            joined_at: of.joined_at,
        }
    }
}
