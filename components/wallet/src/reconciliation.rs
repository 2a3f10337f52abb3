//! Whether the books are right: what each account says that it has is what its entries and open holds make,
//! and all entries together are zero.

use crate::model::{Account, HoldState};
use crate::store::{ACCOUNTS, ENTRIES, HOLDS};
use sbd_sdk::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::ToSchema;

/// Accounts that are looked at together.
const TOGETHER: u32 = 200;
/// How often an account is looked at on which something is moved meanwhile.
const TRIES: u32 = 5;

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletReconciliation)]
pub(crate) struct Report {
    /// How many accounts there are.
    accounts: u64,
    /// All entries together: zero.
    sum: i64,
    /// The accounts that are wrong.
    differences: Vec<Difference>,
    /// The accounts on which something was moved all the while, so that nothing can be said of them.
    busy: Vec<String>,
}

/// An account that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WalletDifference)]
pub(crate) struct Difference {
    /// Whose.
    account: String,
    /// What it says that it has, with what is reserved.
    balance: i64,
    /// What its entries make.
    entries: i64,
    /// What it says is reserved.
    held: i64,
    /// What its open holds make.
    holds: i64,
}

/// A sum by account.
#[derive(Deserialize)]
struct Sum {
    #[serde(rename = "_id")]
    account: Option<String>,
    sum: i64,
}

// === impl Report ===

impl Report {
    pub(crate) fn is_right(&self) -> bool {
        self.sum == 0 && self.differences.is_empty()
    }
}

/// Goes through all accounts.
pub(crate) async fn reconcile() -> Result<Report> {
    let all = json!([{"$group": {"_id": null, "sum": {"$sum": "$amount"}}}]);
    let all: Vec<Sum> = ENTRIES.aggregate(all).await?;
    let mut report = Report {
        accounts: 0,
        sum: all.first().map_or(0, |all| all.sum),
        differences: Vec::new(),
        busy: Vec::new(),
    };
    let mut next = None;
    loop {
        let page = ACCOUNTS
            .find(json!({}))
            .limit(TOGETHER)
            .after(next)
            .fetch()
            .await?;
        let ids: Vec<_> = page.documents.iter().map(|account| &*account.id).collect();
        let (entries, holds) = sums(&ids).await?;
        for account in &page.documents {
            report.accounts += 1;
            if difference(account, &entries, &holds).is_some() {
                look_closer(&account.id, &mut report).await?;
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(report);
        }
    }
}

/// Looks at one account that seemed wrong: something may have been moved between one reading and the other.
async fn look_closer(id: &str, report: &mut Report) -> Result<()> {
    for _ in 0..TRIES {
        let Some(before) = ACCOUNTS.get(id).await? else {
            return Ok(());
        };
        let (entries, holds) = sums(&[id]).await?;
        let after = ACCOUNTS.get(id).await?;
        if after.is_some_and(|after| after.moves == before.moves) {
            report
                .differences
                .extend(difference(&before, &entries, &holds));
            return Ok(());
        }
    }
    report.busy.push(id.to_owned());
    Ok(())
}

type Sums = HashMap<String, i64>;

/// What the entries and the open holds of accounts make.
async fn sums(accounts: &[&str]) -> Result<(Sums, Sums)> {
    let entries = grouped(json!({"account": {"$in": accounts}}), "$account");
    let holds = grouped(
        json!({"from": {"$in": accounts}, "state": HoldState::Open}),
        "$from",
    );
    let entries: Vec<Sum> = ENTRIES.aggregate(entries).await?;
    let holds: Vec<Sum> = HOLDS.aggregate(holds).await?;
    let by_account = |sums: Vec<Sum>| {
        let sums = sums.into_iter();
        sums.filter_map(|sum| Some((sum.account?, sum.sum)))
            .collect()
    };
    Ok((by_account(entries), by_account(holds)))
}

fn grouped(filter: Value, by: &str) -> Value {
    json!([{"$match": filter}, {"$group": {"_id": by, "sum": {"$sum": "$amount"}}}])
}

fn difference(account: &Account, entries: &Sums, holds: &Sums) -> Option<Difference> {
    let of = |sums: &Sums| sums.get(&account.id).copied().unwrap_or(0);
    let found = Difference {
        account: account.id.clone(),
        balance: account.available + account.held,
        entries: of(entries),
        held: account.held,
        holds: of(holds),
    };
    let is_right = found.balance == found.entries && found.held == found.holds;
    (!is_right).then_some(found)
}

/// Every night: what is wrong stands in the log.
pub(crate) async fn nightly() -> Result<()> {
    let report = reconcile().await?;
    if !report.is_right() {
        let report = serde_json::to_string(&report).unwrap_or_default();
        eprintln!(
            "error: the books of the wallet are wrong; an administrator reads /api/v1/wallet/reconciliation: {report}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::store::{ACCOUNTS, ENTRIES};
    use crate::tests::{WALLET, app, assert_reconciled, mint, root, send};
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_found() {
        let users: Vec<String> = (0..450).map(|number| format!("usr_{number:03}")).collect();
        let names: Vec<_> = users.iter().map(String::as_str).collect();
        let app = app(&names);
        mint(&app, "usr_001", 100);
        let ada = app.signed_in("usr_001");
        send(&ada, "transfers", json!({"to": "usr_449", "amount": 10})).assert_status(201);
        send(&ada, "holds", json!({"to": "usr_449", "amount": 20})).assert_status(201);
        assert_reconciled(&app);
        let verdict = app.anonymous().get(sbd_sdk::path::VERIFY);
        assert_eq!(verdict.assert_status(200)["sound"], true);
        let more = json!({"$inc": {"available": 1}});
        app.run(ACCOUNTS.update_one(json!({"_id": "usr_449"}), more))
            .unwrap();
        let report = || {
            root(&app)
                .get(&format!("{WALLET}/reconciliation"))
                .assert_status(200)
        };
        let found =
            json!([{"account": "usr_449", "balance": 11, "entries": 10, "held": 0, "holds": 0}]);
        assert_eq!(
            (&report()["differences"], &report()["accounts"]),
            (&found, &json!(451))
        );
        app.run(ENTRIES.delete_one(json!({"account": "usr_449"})))
            .unwrap();
        assert_eq!(report()["sum"], -10);
        let verdict = app.anonymous().get(sbd_sdk::path::VERIFY);
        assert_eq!(verdict.assert_status(200)["sound"], false);
        // The night says so, and is done.
        app.anonymous().tick("reconcile").assert_status(200);
    }
}
