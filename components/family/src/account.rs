//! What the account is to know of a family: administrators decide on it, of a minor the guardians say what may be
//! spent, and all members together unfreeze it.

use crate::model::{FamilyId, Membership, Role};
use crate::reports;
use crate::store::{self, FAMILIES};
use group::{Group, Member, Who};
use membership::freeze;
use membership::report::Person;
use membership::spending::Permission;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Result};
use serde_json::{Value, json};

#[cfg(test)]
mod allowances;
#[cfg(test)]
mod freezing;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod purchase_requests;
#[cfg(test)]
mod requests;

impl Group for FamilyId {
    const NOUN: &'static str = "family";
    const PATH: &'static str = "families";
    const ALONE: bool = true;
    const SMALL_FOR_ALL: bool = false;

    async fn own(&self, caller: &Caller) -> Result<Member> {
        Ok(store::membership(self, caller).await?.into())
    }

    async fn reader(&self, caller: &Caller) -> Result<Member> {
        Ok(store::reader(self, caller).await?.into())
    }

    async fn member(&self, user: &str) -> Result<Member> {
        Ok(store::member(self, user).await?.into())
    }

    fn those(&self, who: Who) -> Value {
        match who {
            Who::Everybody | Who::Unfreezers => json!({"family_id": self}),
            Who::Reviewers => json!({"family_id": self, "role": Role::Admin}),
        }
    }

    fn required(voters: u64) -> u64 {
        freeze::half(voters)
    }

    async fn described(&self) -> Result<(String, Vec<Person>)> {
        reports::described(self).await
    }

    fn while_there(&self, change: Transaction) -> Transaction {
        change.check(&FAMILIES, json!({"_id": self, "closing": null}), 1)
    }
}

impl From<Membership> for Member {
    fn from(of: Membership) -> Self {
        let is_admin = of.role == Role::Admin;
        Self {
            still: json!({
                "_id": of.id, "role": of.role, "joined_at": of.joined_at, "guardians": of.guardians,
            }),
            role: match is_admin {
                true => "admin".to_owned(),
                false => "member".to_owned(),
            },
            usual: match is_admin {
                true => Permission::UNLIMITED,
                false => Permission::NOTHING,
            },
            asks: true,
            reviews: is_admin,
            governs: is_admin,
            audits: is_admin,
            unfreezes: true,
            id: of.id,
            user_id: of.user_id,
            username: of.username,
            joined_at: of.joined_at,
            guardians: of.guardians,
        }
    }
}
