//! What a family and a workspace have in common, each of which is a group of members.
//!
//! The account that it shares, and what its members do with it: pay in, spend what they may, ask for tokens or that
//! something is bought, freeze it. The tokens are in the ledger of the component `wallet`; who may do what is decided
//! and counted here, in the collections of the component that uses this: `wallets`, `allowances`, `payments`,
//! `requests`, beside the `memberships` that it keeps itself. Inviting people into it, in the collection `invitations`;
//! its audit, reports, statistics and export; and its end ([`deletion`]).
//!
//! The rules are in `membership`, without I/O. What a group is, whom it has, and what they may, its id answers:
//! [`Group`], [`inviting::Inviting`] of who invites whom, [`deletion::Deleting`] of what goes with it. Tests stand with
//! the components: each is of a group that there is.

pub mod account;
pub mod allowances;
pub mod answers;
pub mod api;
pub mod audit;
pub mod closing;
pub mod deletion;
pub mod delivery;
pub mod events;
pub mod export;
pub mod freezing;
pub mod invitations;
pub mod inviting;
pub mod notices;
pub mod payments;
pub mod purchase_requests;
pub mod reports;
pub mod requests;
pub mod statistics;
pub mod store;
pub mod support;
pub mod telling;
pub mod token_requests;
pub mod transactions;
pub mod wallet;

use crate::store::MEMBERSHIPS;
use membership::report::Person;
use membership::spending::Permission;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::{Debug, Display};

/// The id of a group, which says of it what its account is to know.
pub trait Group:
    Clone + Debug + Display + PartialEq + Eq + Serialize + DeserializeOwned + Send + Sync
{
    /// What it is called: `family`. Its events, and its id in them, have this name: `family.wallet.paid`, `family_id`.
    const NOUN: &'static str;
    /// Where it is: `families`.
    const PATH: &'static str;
    /// Whether the only one who reviews decides on own requests as well: nobody else could.
    const ALONE: bool;
    /// Whether a small request is approved by itself also where whoever asks may spend nothing.
    const SMALL_FOR_ALL: bool;

    /// The caller's own membership; whatever changes something asks for this. To a stranger there is no group.
    fn own(&self, caller: &Caller) -> impl Future<Output = Result<Member>>;

    /// The membership as of which the caller reads.
    fn reader(&self, caller: &Caller) -> impl Future<Output = Result<Member>>;

    /// Another member, whom the caller may see.
    fn member(&self, user: &str) -> impl Future<Output = Result<Member>>;

    /// Which of the memberships are theirs, as a filter.
    fn those(&self, who: Who) -> Value;

    /// How many must be for unfreezing the account, of so many whose say it is, where the group says nothing else.
    fn required(voters: u64) -> u64;

    /// Its name, and who belongs to it: the heading of a report.
    fn described(&self) -> impl Future<Output = Result<(String, Vec<Person>)>>;

    /// Has a change be made only while the group is there, and nobody is about to delete it.
    fn while_there(&self, change: Transaction) -> Transaction;
}

/// Some of a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// All of them.
    Everybody,
    /// Those who decide on requests.
    Reviewers,
    /// Those who unfreeze the account together, in an emergency.
    Unfreezers,
}

/// A member, as the account sees one.
#[derive(Clone, Debug)]
pub struct Member {
    /// The membership's id: [`member_id`].
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What they are called.
    pub username: String,
    /// Since when they are a member.
    pub joined_at: Time,
    /// Their role's name.
    pub role: String,
    /// What the role lets them spend, where the group says nothing else.
    pub usual: Permission,
    /// Whether they ask for tokens and purchases.
    pub asks: bool,
    /// Whether they decide on requests.
    pub reviews: bool,
    /// Whether they say what others may spend, what is approved by itself, and freeze the account.
    pub governs: bool,
    /// Whether they see what was done by others, and why.
    pub audits: bool,
    /// Whether they unfreeze the account with others, in an emergency.
    pub unfreezes: bool,
    /// Who else says what this member may spend.
    pub guardians: Vec<String>,
    /// As what their membership is found as long as all this is so.
    pub still: Value,
}

/// The id of a user's membership of a group.
pub fn member_id(group: &impl Group, user: &str) -> String {
    format!("{group}/{user}")
}

// === impl Member ===

impl Member {
    /// Has a change be made only while the member is one still, and the same as before.
    pub fn unchanged(&self, change: Transaction) -> Transaction {
        change.check(&MEMBERSHIPS, self.still.clone(), 1)
    }

    /// Whether somebody says what a member may spend. A minor governs nothing, and so lifts no limit of their own.
    pub(crate) fn is_governed_by(&self, own: &Self) -> bool {
        own.governs || self.guardians.contains(&own.user_id)
    }
}
