//! What a group's account was used for: by type and over time, as the ledger sums it up, and by member, as the
//! payments do.

use crate::store::{Known, MEMBERSHIPS, groups, payments};
use crate::wallet::{self, Statistics};
use crate::{Group, Who};
use membership::payment::State;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Members that are told apart: those who spent most.
const MEMBERS: u32 = 20;

/// Of which time, and in which steps.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// From the beginning of this day on, in UTC; 30 days when not said.
    #[param(inline)]
    from: Option<Time>,
    /// Before this time; now when not said.
    #[param(inline)]
    to: Option<Time>,
    /// Day by day when not said.
    #[param(inline)]
    by: Option<Step>,
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A day in UTC.
    Day,
    /// Seven of them.
    Week,
}

/// What a member spent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccountSpending)]
pub struct Spending {
    /// The member.
    pub(crate) user_id: String,
    /// Their name, as long as they belong to the group.
    pub(crate) username: Option<String>,
    /// What was paid for them.
    pub(crate) spent: i64,
    /// By how many payments.
    pub(crate) payments: u64,
}

/// All of it.
pub(crate) struct Used<G> {
    pub(crate) group: Known<G>,
    pub(crate) members: Vec<Spending>,
    pub(crate) account: Statistics,
}

/// A sum by user.
#[derive(Deserialize)]
struct Sum {
    #[serde(rename = "_id")]
    user_id: String,
    spent: i64,
    payments: u64,
}

/// What the account was used for; for members.
pub(crate) async fn of<G: Group>(group: &G, caller: &Caller, wanted: Wanted) -> Result<Used<G>> {
    group.reader(caller).await?;
    let called = groups::<G>().get(&group.to_string()).await?;
    let account = wallet::statistics(group, &wanted.query()).await?;
    Ok(Used {
        members: members(group, account.from, account.to).await?,
        group: called.ok_or_else(|| Error::not_found(G::NOUN))?,
        account,
    })
}

async fn members<G: Group>(group: &G, from: Time, to: Time) -> Result<Vec<Spending>> {
    let paid = json!({
        "group": group, "state": State::Paid, "made_at": {"$gte": from, "$lt": to},
    });
    let pipeline = json!([
        {"$match": paid},
        {"$group": {"_id": "$user_id", "spent": {"$sum": "$amount"}, "payments": {"$sum": 1}}},
        {"$sort": {"spent": -1, "_id": 1}},
        {"$limit": MEMBERS},
    ]);
    let sums: Vec<Sum> = payments::<G>().aggregate(pipeline).await?;
    let users: Vec<_> = sums.iter().map(|sum| &*sum.user_id).collect();
    let mut of = group.those(Who::Everybody);
    of["user_id"] = json!({"$in": users});
    let members = MEMBERSHIPS.find(of).limit(MEMBERS).fetch().await?;
    let mut names: HashMap<_, _> = members
        .documents
        .into_iter()
        .map(|member| (member.user_id, member.username))
        .collect();
    let spending = sums.into_iter().map(|sum| Spending {
        username: names.remove(&sum.user_id),
        user_id: sum.user_id,
        spent: sum.spent,
        payments: sum.payments,
    });
    Ok(spending.collect())
}

// === impl Wanted ===

impl Wanted {
    /// The same as the ledger is asked, which says what is wrong with it.
    fn query(self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let by = self.by.map(|by| match by {
            Step::Day => "day".to_owned(),
            Step::Week => "week".to_owned(),
        });
        let texts = [
            ("from", self.from.map(|time| time.to_string())),
            ("to", self.to.map(|time| time.to_string())),
            ("by", by),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                query.append_pair(name, &text);
            }
        }
        query.finish()
    }
}
