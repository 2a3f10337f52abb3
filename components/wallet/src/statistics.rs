//! What went to and from an account, summed up: by type, and day by day or week by week. Each sum is an aggregation
//! over what of the statement it is about.

use crate::store::ENTRIES;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

const DAY: i64 = 24 * 60 * 60;
/// What is summed up when nothing is said: this day and the 29 before.
const USUAL: i64 = 30 * DAY;
/// Days or weeks at most.
const MOST: i64 = 62;
/// Types that are told apart; whoever pays says which type it is, so there can be any number.
const TYPES: u32 = 20;

/// Of which time, and in which steps.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StatisticsStep)]
pub(crate) enum Step {
    /// A day in UTC.
    #[default]
    Day,
    /// Seven of them.
    Week,
}

/// What went to and from an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletStatistics)]
pub(crate) struct Statistics {
    /// From this time on.
    from: Time,
    /// Before this time.
    to: Time,
    by: Step,
    /// All of it.
    all: Flow,
    /// By the types of the transactions, those first of which most was spent; and those of which most was received.
    types: Vec<OfType>,
    /// One after the other, those without anything too.
    periods: Vec<Period>,
}

/// How much came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WalletFlow)]
pub(crate) struct Flow {
    /// What came.
    received: i64,
    /// What went.
    spent: i64,
    /// How many transactions there were.
    transactions: u64,
}

/// What came and went by transactions of one type.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WalletFlowOfType)]
pub(crate) struct OfType {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    flow: Flow,
}

/// What came and went in a period.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WalletPeriod)]
pub(crate) struct Period {
    /// When it begins.
    from: Time,
    #[serde(flatten)]
    flow: Flow,
}

/// A sum, of a type or of all.
#[derive(Deserialize)]
struct Sum {
    #[serde(rename = "_id")]
    kind: Option<String>,
    sum: i64,
    count: u64,
}

/// Which side of the account.
#[derive(Clone, Copy)]
enum Side {
    Received,
    Spent,
}

/// Sums up what went to and from an account.
pub(crate) async fn of(account: &str, wanted: Wanted) -> Result<Statistics> {
    let by = wanted.by.unwrap_or_default();
    let (from, to) = wanted.range()?;
    let mut periods = Vec::new();
    let mut all = Flow::default();
    let mut begin = from;
    while begin < to {
        let end = (begin + by.length()).min(to);
        let flow = flow(account, begin, end).await?;
        all.add(flow);
        periods.push(Period { from: begin, flow });
        begin = end;
    }
    Ok(Statistics {
        from,
        to,
        by,
        all,
        types: types(account, from, to).await?,
        periods,
    })
}

async fn flow(account: &str, from: Time, to: Time) -> Result<Flow> {
    let mut flow = Flow::default();
    for side in [Side::Received, Side::Spent] {
        let sums = sums(side, account, (from, to), Value::Null).await?;
        sums.iter().for_each(|sum| flow.count(side, sum));
    }
    Ok(flow)
}

async fn types(account: &str, from: Time, to: Time) -> Result<Vec<OfType>> {
    let mut types: Vec<OfType> = Vec::new();
    for side in [Side::Spent, Side::Received] {
        for sum in sums(side, account, (from, to), "$type".into()).await? {
            let Some(kind) = &sum.kind else { continue };
            match types.iter_mut().find(|of| of.kind == *kind) {
                Some(of) => of.flow.count(side, &sum),
                None => {
                    let mut flow = Flow::default();
                    flow.count(side, &sum);
                    let kind = kind.clone();
                    types.push(OfType { kind, flow });
                }
            }
        }
    }
    Ok(types)
}

/// The largest sums of one side, by what they are grouped.
async fn sums(side: Side, account: &str, (from, to): (Time, Time), by: Value) -> Result<Vec<Sum>> {
    let (sign, order) = match side {
        Side::Received => (json!({"$gt": 0}), -1),
        Side::Spent => (json!({"$lt": 0}), 1),
    };
    let of = json!({"account": account, "at": {"$gte": from, "$lt": to}, "amount": sign});
    let pipeline = json!([
        {"$match": of},
        {"$group": {"_id": by, "sum": {"$sum": "$amount"}, "count": {"$sum": 1}}},
        {"$sort": {"sum": order, "_id": 1}},
        {"$limit": TYPES},
    ]);
    Ok(ENTRIES.aggregate(pipeline).await?)
}

// === impl Wanted ===

impl Wanted {
    /// From when to when, at most so many periods.
    fn range(self) -> Result<(Time, Time)> {
        let now = time::now();
        let from = self.from.map(Time::seconds);
        let from = from.unwrap_or(now.seconds() - USUAL + DAY);
        let from = Time::from_seconds(from - from.rem_euclid(DAY));
        let to = self.to.unwrap_or(now);
        if to <= from {
            return Err(Error::validation("to", "a time after `from`"));
        }
        let length = self.by.unwrap_or_default().length();
        let most = Duration::from_secs(length.as_secs().saturating_mul(MOST.unsigned_abs()));
        if to.since(from) > most {
            let message = format!(
                "at most {MOST} days, or with `by=week` {MOST} weeks, after `from`; ask for less at once"
            );
            return Err(Error::validation("to", message));
        }
        Ok((from, to))
    }
}

// === impl Step ===

impl Step {
    fn length(self) -> Duration {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
        };
        Duration::from_secs(days * DAY.unsigned_abs())
    }
}

// === impl Flow ===

impl Flow {
    fn count(&mut self, side: Side, sum: &Sum) {
        match side {
            Side::Received => self.received += sum.sum,
            Side::Spent => self.spent -= sum.sum,
        }
        self.transactions += sum.count;
    }

    fn add(&mut self, other: Self) {
        self.received += other.received;
        self.spent += other.spent;
        self.transactions += other.transactions;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{WALLET, app, mint, root, send};
    use serde_json::{Value, json};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn what_came_and_went_is_summed_up() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 1000);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let mut spent = 0;
        for day in 0..10 {
            app.advance(DAY);
            let kind = if day % 2 == 0 { "gift" } else { "rent" };
            let body = json!({"to": "usr_2", "amount": day + 1, "type": kind});
            send(&ada, "transfers", body).assert_status(201);
            spent += day + 1;
        }
        send(
            &bob,
            "transfers",
            json!({"to": "usr_1", "amount": 7, "type": "gift"}),
        )
        .assert_status(201);
        let address = format!("{WALLET}/accounts/usr_1/statistics");
        // What was just now, is before a little later.
        app.advance(Duration::from_secs(1));
        let all = ada.get(&address).assert_status(200);
        assert_eq!(
            all["all"],
            json!({"received": 1007, "spent": spent, "transactions": 12})
        );
        let types = json!([
            {"type": "rent", "received": 0, "spent": 2 + 4 + 6 + 8 + 10, "transactions": 5},
            {"type": "gift", "received": 7, "spent": 1 + 3 + 5 + 7 + 9, "transactions": 6},
            {"type": "mint", "received": 1000, "spent": 0, "transactions": 1},
        ]);
        assert_eq!(all["types"], types);
        let periods = all["periods"].as_array().unwrap();
        assert_eq!(periods.len(), 30);
        let by_day: Vec<_> = periods.iter().map(|period| &period["spent"]).collect();
        assert_eq!(
            by_day[19..],
            (0..=10)
                .map(Value::from)
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()[..]
        );
        // All weeks together are the same, and a part is a part.
        let weeks = ada.get(&format!("{address}?by=week")).assert_status(200);
        assert_eq!(
            (&weeks["all"], &weeks["types"]),
            (&all["all"], &all["types"])
        );
        assert_eq!(weeks["periods"].as_array().unwrap().len(), 5);
        let from = periods[28]["from"].as_str().unwrap();
        let part = ada
            .get(&format!("{address}?from={from}"))
            .assert_status(200);
        assert_eq!(part["all"]["spent"], 9 + 10);
        // The owner's and administrators', as the statement is.
        let seen = root(&app).get(&address).assert_status(200);
        assert_eq!(seen.body(), all.body());
        bob.get(&address).assert_refused(404, "NOT_FOUND");
        for query in [
            "to=2020-01-01T00:00:00Z",
            "from=2020-01-01T00:00:00Z",
            "by=year",
            "x=1",
        ] {
            ada.get(&format!("{address}?{query}"))
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn however_many_types_strangers_make_up_the_sums_are_right() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_2", 100);
        let bob = app.signed_in("usr_2");
        for number in 0..50 {
            let body = json!({"to": "usr_1", "amount": 1, "type": format!("t{number}")});
            send(&bob, "transfers", body).assert_status(201);
        }
        app.advance(Duration::from_secs(1));
        let address = format!("{WALLET}/accounts/usr_1/statistics");
        let all = app.signed_in("usr_1").get(&address).assert_status(200);
        assert_eq!(all["all"]["received"], 50);
        assert_eq!(all["types"].as_array().unwrap().len(), 20);
    }
}
