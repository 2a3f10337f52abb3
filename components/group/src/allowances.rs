//! What each member may spend out of the account, and what of it is spent.

use crate::account::{self, Wallet};
use crate::events::{self, Happened};
use crate::notices;
use crate::payments::Payment;
use crate::store::ALLOWANCES;
use crate::{Group, Member, member_id};
use membership::commit::{busy, committed, tries};
use membership::notice::Notice;
use membership::request::Automatic;
use membership::spending::{self, Permission, Spent};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, Tokens, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a member may spend and has spent, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// That of the member.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    /// Since when the member is one: who leaves and comes back is allowed nothing by it.
    pub(crate) joined_at: Time,
    /// What somebody said of this member; otherwise it is what the role gives.
    pub(crate) permission: Option<Permission>,
    pub(crate) set_by: Option<String>,
    pub(crate) set_at: Option<Time>,
    /// Goes up with every change of the permission, so that no payment overlooks one.
    pub(crate) version: u64,
    pub(crate) spent: Spent,
    pub(crate) approved: Approved,
}

/// What of a member's requests was approved by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The last month in which anything was; empty before the first.
    pub(crate) month: String,
    pub(crate) amount: i64,
}

/// A member's allowance, as it is read.
pub(crate) async fn read(member: &Member) -> Result<Allowance> {
    let stored = ALLOWANCES.get(&member.id).await?;
    Ok(match stored {
        Some(allowance) if allowance.joined_at == member.joined_at => allowance,
        Some(allowance) => Allowance {
            joined_at: member.joined_at,
            permission: None,
            set_by: None,
            set_at: None,
            version: allowance.version + 1,
            ..allowance
        },
        None => Allowance::new(member),
    })
}

/// The same, stored: what is counted on it is a condition on what is there.
pub(crate) async fn of(member: &Member) -> Result<Allowance> {
    for _ in tries() {
        let allowance = read(member).await?;
        let stored = ALLOWANCES.get(&member.id).await?;
        match stored {
            Some(stored) if stored.version == allowance.version => return Ok(allowance),
            Some(stored) => {
                let before = json!({"_id": stored.id, "version": stored.version});
                let change = json!({"$set": {
                    "joined_at": allowance.joined_at, "permission": null, "set_by": null, "set_at": null,
                    "version": allowance.version,
                }});
                ALLOWANCES.update_one(before, change).await?;
            }
            None => match ALLOWANCES.insert(&allowance).await {
                Ok(_) | Err(DocumentsError::Duplicate(_)) => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    Err(busy("account"))
}

/// A member's allowance, for the member and for whoever governs it, with what the role gives.
pub(crate) async fn get<G: Group>(
    group: &G,
    caller: &Caller,
    user: &str,
) -> Result<(Member, Allowance, Permission)> {
    let own = group.reader(caller).await?;
    let of = group.member(user).await?;
    if own.user_id != of.user_id && !of.is_governed_by(&own) {
        return Err(Error::forbidden(
            "what others may spend is for administrators and guardians to see; ask one of them",
        ));
    }
    with_permission(group, of).await
}

/// Sets what a member may spend.
pub(crate) async fn set<G: Group>(
    group: &G,
    caller: &Caller,
    user: &str,
    permission: Permission,
) -> Result<(Member, Allowance, Permission)> {
    let own = group.own(caller).await?;
    for _ in tries() {
        let member = group.member(user).await?;
        if !member.is_governed_by(&own) {
            return Err(Error::forbidden(
                "what members may spend is for administrators to say, and for a minor's guardians; ask one of them",
            ));
        }
        let allowance = of(&member).await?;
        if allowance.permission == Some(permission) {
            return with_permission(group, member).await;
        }
        let change = Transaction::new().update_one(
            &ALLOWANCES,
            json!({"_id": allowance.id, "version": allowance.version}),
            json!({
                "$set": {"permission": permission, "set_by": caller.user, "set_at": time::now()},
                "$inc": {"version": 1},
            }),
        );
        let change = own.unchanged(change);
        let change = match own.id == member.id {
            true => change,
            false => {
                let change = member.unchanged(change);
                notice(group, &member, &allowance, permission).told_by(change)
            }
        };
        let told = Happened::PermissionSet {
            user_id: &member.user_id,
            set_by: &caller.user,
        };
        if committed(told.told_by(group, change).commit().await)? {
            return with_permission(group, member).await;
        }
    }
    Err(busy(G::NOUN))
}

async fn with_permission<G: Group>(
    group: &G,
    member: Member,
) -> Result<(Member, Allowance, Permission)> {
    let (allowance, wallet) = (read(&member).await?, account::of(group).await?);
    let permission = allowance.permission(&member, &wallet);
    Ok((member, allowance, permission))
}

fn notice<G: Group>(
    group: &G,
    member: &Member,
    before: &Allowance,
    permission: Permission,
) -> Notice {
    let title = match permission.may_spend {
        true => format!(
            "What you may spend out of the {}'s account was changed",
            G::NOUN
        ),
        false => format!("You may spend nothing out of the {}'s account now", G::NOUN),
    };
    notices::about(
        group,
        &member.user_id,
        events::named::<G>("wallet.permission"),
        title,
        format!("{}/permission/{}", before.id, before.version + 1),
    )
}

/// Counts what a member spends, as long as it may be and the member is one.
pub(crate) fn count<G: Group>(
    change: Transaction,
    member: &Member,
    allowance: &Allowance,
    wallet: &Wallet<G>,
    amount: Tokens,
    now: Time,
) -> Result<Transaction> {
    let permission = allowance.permission(member, wallet);
    let step = spending::count(&permission, &allowance.spent, amount, now)?;
    let mut filter = step.still("spent");
    filter.insert("_id".to_owned(), allowance.id.as_str().into());
    filter.insert("version".to_owned(), allowance.version.into());
    let change = change.update_one(&ALLOWANCES, Value::Object(filter), step.change("spent"));
    Ok(member.unchanged(change))
}

/// Counts what is approved by itself, as long as there is room for it.
pub(crate) fn count_approved(
    change: Transaction,
    allowance: &Allowance,
    automatic: &Automatic,
    amount: Tokens,
    now: Time,
) -> Transaction {
    let month = spending::month(now);
    let number = amount.number();
    let id = &allowance.id;
    if allowance.approved.month == month {
        let most = automatic.per_month.map_or(0, Tokens::number) - number;
        let with_room =
            json!({"_id": id, "approved.month": month, "approved.amount": {"$lte": most}});
        let change_of = json!({"$inc": {"approved.amount": number}});
        return change.update_one(&ALLOWANCES, with_room, change_of);
    }
    let before = json!({"_id": id, "approved.month": allowance.approved.month});
    let begun = json!({"$set": {"approved": {"month": month, "amount": number}}});
    change.update_one(&ALLOWANCES, before, begun)
}

/// Gives back what was counted for a payment that is not made after all.
pub(crate) async fn give_back<G: Group>(
    change: Transaction,
    payment: &Payment<G>,
) -> Result<Transaction> {
    let id = member_id(&payment.group, &payment.user_id);
    let Some(allowance) = ALLOWANCES.get(&id).await? else {
        return Ok(change);
    };
    let (amount, at) = (payment.order.amount, payment.made_at);
    let spent = spending::give_back(&allowance.spent, amount, at);
    let change = match spent.filter(|_| payment.counted) {
        Some(step) => {
            let mut filter = step.still("spent");
            filter.insert("_id".to_owned(), id.as_str().into());
            change.update_one(&ALLOWANCES, Value::Object(filter), step.change("spent"))
        }
        None => change,
    };
    let month = spending::month(at);
    if !payment.automatic || allowance.approved.month != month {
        return Ok(change);
    }
    let same = json!({"_id": id, "approved.month": month});
    let less = json!({"$inc": {"approved.amount": -amount.number()}});
    Ok(change.update_one(&ALLOWANCES, same, less))
}

// === impl Allowance ===

impl Allowance {
    fn new(member: &Member) -> Self {
        Self {
            id: member.id.clone(),
            joined_at: member.joined_at,
            permission: None,
            set_by: None,
            set_at: None,
            version: 0,
            spent: Spent::default(),
            approved: Approved::default(),
        }
    }

    /// What the member may spend: what somebody said of them; otherwise what the group says of their role, or what
    /// is usual.
    pub(crate) fn permission<G>(&self, member: &Member, wallet: &Wallet<G>) -> Permission {
        let of_role = || wallet.roles.get(&member.role).copied();
        let said = self.permission.or_else(of_role);
        said.unwrap_or(member.usual)
    }

    /// What was approved by itself in the present month.
    pub(crate) fn approved_at(&self, now: Time) -> i64 {
        match self.approved.month == spending::month(now) {
            true => self.approved.amount,
            false => 0,
        }
    }
}
