//! What is to be known of a group that people are invited into, beside what its account is to know.

use crate::Group;
use crate::invitations::Invitation;
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::Template;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// The id of a group that people are invited into.
pub trait Inviting: Group {
    /// As what somebody is invited: it is stored with the invitation.
    type Terms: Clone + Debug + Serialize + DeserializeOwned + Send + Sync;

    /// How many invitations nobody has answered, unless the variable `invitations_per_family` says otherwise.
    const UNANSWERED: u64;
    /// How many people one user invites within 24 hours, unless the variable `invitations_per_day` says otherwise.
    const PER_DAY: u64;
    /// The mail to somebody without an account. Its values are the group's name, as the noun, and `inviter`, `code`
    /// and `link`, which may be empty.
    const MAIL: [Template; 2];

    /// The caller, who invites somebody as this; as is usual, where nothing is said.
    fn inviter(
        &self,
        caller: &Caller,
        terms: Option<&Self::Terms>,
    ) -> impl Future<Output = Result<Inviter<Self::Terms>>>;

    /// The caller, who looks after invitations.
    fn keeper(&self, caller: &Caller) -> impl Future<Output = Result<Keeper>>;

    /// Has the caller, who accepts, belong to the group, as long as whoever invited may do so still.
    fn joins(
        &self,
        change: Transaction,
        invitation: &Invitation<Self>,
        caller: &Caller,
        now: Time,
    ) -> impl Future<Output = Result<Transaction>>;

    /// What is told of an invitation that is sent, beside who sends it.
    fn told(terms: &Self::Terms) -> Value;
}

/// Somebody who invites.
pub struct Inviter<T> {
    /// What they are called.
    pub name: String,
    /// As what they invite.
    pub terms: T,
    /// What is committed only as long as they may, so far.
    pub still: Transaction,
}

/// Somebody who looks after invitations.
pub struct Keeper {
    /// Whether after all of them, and not only those that they have sent.
    pub of_all: bool,
    /// As what their membership is found as long as that is so.
    pub still: Value,
}
