//! What was sold: sums over orders and refunds, in all, by item, by customer, and day by day or week by week. Nothing
//! is counted beside them, so that they agree.

use crate::item::ItemId;
use crate::kinds::Kind;
use crate::refunds;
use crate::rentals;
use crate::saga;
use crate::store::{ORDERS, REFUNDS};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

const DAY: i64 = 24 * 60 * 60;
/// What is summed up when nothing is said: this day and the 29 before.
const USUAL: i64 = 30 * DAY;
/// Days or weeks at most.
const MOST: i64 = 62;
/// Items and customers that are told apart: those first of which most came.
const TOP: u32 = 20;

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
#[schema(as = ShopStatisticsStep)]
pub(crate) enum Step {
    /// A day in UTC.
    #[default]
    Day,
    /// Seven of them.
    Week,
}

/// What was sold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopStatistics)]
pub(crate) struct Statistics {
    /// From this time on.
    pub(crate) from: Time,
    /// Before this time.
    pub(crate) to: Time,
    by: Step,
    /// All of it.
    pub(crate) all: Sales,
    /// How many have bought something.
    pub(crate) customers: u64,
    /// How many rentals are running now.
    pub(crate) rentals_active: u64,
    /// Those of which most was paid.
    pub(crate) items: Vec<OfItem>,
    /// By kind, those of which most was paid.
    kinds: Vec<OfKind>,
    /// Those who paid most.
    pub(crate) top_customers: Vec<OfCustomer>,
    /// One after the other, those without anything too.
    pub(crate) periods: Vec<Period>,
}

/// How much was sold, in whole tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ShopSales)]
pub(crate) struct Sales {
    /// Orders that were completed.
    pub(crate) orders: u64,
    /// What was paid for them.
    pub(crate) revenue: i64,
    /// What was paid back, whenever it was paid.
    pub(crate) refunded: i64,
}

/// What was sold of an item.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopSalesOfItem)]
pub(crate) struct OfItem {
    #[serde(rename(deserialize = "_id"))]
    #[schema(inline)]
    item_id: ItemId,
    /// What it was called.
    pub(crate) title: String,
    /// How many.
    sold: u64,
    /// What was paid for them.
    pub(crate) revenue: i64,
}

/// What was sold of a kind.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopSalesOfKind)]
pub(crate) struct OfKind {
    #[serde(rename(deserialize = "_id"))]
    #[schema(value_type = String, example = "theme")]
    kind: Kind,
    /// How many.
    sold: u64,
    /// What was paid for them.
    revenue: i64,
}

/// What somebody has bought.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopSalesOfCustomer)]
pub(crate) struct OfCustomer {
    #[serde(rename(deserialize = "_id"))]
    pub(crate) user_id: String,
    /// What they were called.
    pub(crate) username: String,
    /// Orders that were completed.
    orders: u64,
    /// What was paid for them.
    pub(crate) spent: i64,
}

/// What was sold in a period.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ShopSalesOfPeriod)]
pub(crate) struct Period {
    /// When it begins.
    pub(crate) from: Time,
    #[serde(flatten)]
    pub(crate) sales: Sales,
}

#[derive(Default, Deserialize)]
struct Sum {
    count: u64,
    sum: i64,
}

/// Sums up what was sold.
pub(crate) async fn of(wanted: Wanted) -> Result<Statistics> {
    let by = wanted.by.unwrap_or_default();
    let (from, to) = wanted.range()?;
    let (mut periods, mut all) = (Vec::new(), Sales::default());
    let mut begin = from;
    while begin < to {
        let end = (begin + by.length()).min(to);
        let sales = sales(begin, end).await?;
        all.add(sales);
        periods.push(Period { from: begin, sales });
        begin = end;
    }
    let completed = completed(from, to);
    let sold = |by: &str, group: Value| {
        let mut group = group;
        group["_id"] = by.into();
        group["sold"] = json!({"$sum": "$lines.count"});
        group["revenue"] = json!({"$sum": "$lines.paid"});
        json!([
            {"$match": completed}, {"$unwind": "$lines"}, {"$group": group},
            {"$sort": {"revenue": -1, "_id": 1}}, {"$limit": TOP},
        ])
    };
    let items = sold(
        "$lines.good.item",
        json!({"title": {"$last": "$lines.good.title"}}),
    );
    let kinds = sold("$lines.good.kind", json!({}));
    let customers = json!([
        {"$match": completed},
        {"$group": {"_id": "$buyer", "username": {"$last": "$buyer_name"}, "orders": {"$sum": 1}, "spent": {"$sum": "$total"}}},
        {"$sort": {"spent": -1, "_id": 1}}, {"$limit": TOP},
    ]);
    Ok(Statistics {
        from,
        to,
        by,
        all,
        customers: buyers(&completed).await?,
        rentals_active: rentals::active().await?,
        items: ORDERS.aggregate(items).await?,
        kinds: ORDERS.aggregate(kinds).await?,
        top_customers: ORDERS.aggregate(customers).await?,
        periods,
    })
}

fn completed(from: Time, to: Time) -> Value {
    json!({"state": saga::State::Completed, "ended_at": {"$gte": from, "$lt": to}})
}

async fn sales(from: Time, to: Time) -> Result<Sales> {
    let sum = |of: Value, field: &str| {
        json!([
            {"$match": of},
            {"$group": {"_id": null, "count": {"$sum": 1}, "sum": {"$sum": field}}},
        ])
    };
    let refunds = json!({"state": refunds::State::Done, "ended_at": {"$gte": from, "$lt": to}});
    let sold: Sum = one(ORDERS.aggregate(sum(completed(from, to), "$total")).await?);
    let refunded: Sum = one(REFUNDS.aggregate(sum(refunds, "$amount")).await?);
    Ok(Sales {
        orders: sold.count,
        revenue: sold.sum,
        refunded: refunded.sum,
    })
}

/// How many different ones have bought something.
async fn buyers(completed: &Value) -> Result<u64> {
    #[derive(Default, Deserialize)]
    struct Buyers {
        buyers: u64,
    }
    let pipeline = json!([
        {"$match": completed}, {"$group": {"_id": "$buyer"}}, {"$count": "buyers"},
    ]);
    let counted: Buyers = one(ORDERS.aggregate(pipeline).await?);
    Ok(counted.buyers)
}

/// The one sum there is, or none.
fn one<T: DeserializeOwned + Default>(sums: Vec<T>) -> T {
    sums.into_iter().next().unwrap_or_default()
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

// === impl Sales ===

impl Sales {
    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.revenue += other.revenue;
        self.refunded += other.refunded;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::item::Term;
    use crate::market::{Market, SHOP};
    use sbd_sdk::Tokens;
    use serde_json::{Value, json};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Two buyers on three days; one of the items is rented, and one order is paid back.
    fn sold() -> Market {
        let market = Market::new();
        let red = market.item("Red", 40);
        let blue = market.offer("Blue", 10, |item| {
            let price = Tokens::new(5).unwrap();
            item.draft.rentals = vec![Term { days: 7, price }];
        });
        market.advance(DAY);
        market.put("usr_1", &red, json!({})).assert_status(201);
        market.put("usr_1", &blue, json!({})).assert_status(201);
        let order = |user: &str, total: u64| {
            market
                .send(user, "orders", json!({"total": total}))
                .assert_status(201)
        };
        order("usr_1", 50);
        market.advance(DAY);
        market
            .put("usr_2", &blue, json!({"days": 7}))
            .assert_status(201);
        order("usr_2", 5);
        market.advance(DAY);
        market.put("usr_2", &red, json!({})).assert_status(201);
        let back = order("usr_2", 40).text("id").to_owned();
        market
            .send("usr_2", &format!("orders/{back}/refunds"), json!({}))
            .assert_status(201);
        market.advance(Duration::from_secs(1));
        market
    }

    fn read(market: &Market, query: &str) -> sbd_sdk::testing::Reply {
        market
            .root(&market.app)
            .get(&format!("{SHOP}/statistics?{query}"))
    }

    #[test]
    fn sales_are_summed_up_by_item_customer_and_day() {
        let market = sold();
        let all = read(&market, "").assert_status(200);
        assert_eq!(
            all["all"],
            json!({"orders": 3, "revenue": 95, "refunded": 40})
        );
        assert_eq!(
            (&all["customers"], &all["rentals_active"]),
            (&json!(2), &json!(1))
        );
        let of = |list: &str, name: &str, number: &str| -> Vec<(Value, Value)> {
            let rows = all[list].as_array().unwrap().iter();
            rows.map(|row| (row[name].clone(), row[number].clone()))
                .collect()
        };
        let pairs = |pairs: &[(&str, i64)]| -> Vec<(Value, Value)> {
            pairs
                .iter()
                .map(|(name, number)| (json!(name), json!(number)))
                .collect()
        };
        assert_eq!(
            of("items", "title", "revenue"),
            pairs(&[("Red", 80), ("Blue", 15)])
        );
        assert_eq!(
            of("items", "title", "sold"),
            pairs(&[("Red", 2), ("Blue", 2)])
        );
        assert_eq!(of("kinds", "kind", "revenue"), pairs(&[("theme", 95)]));
        assert_eq!(
            of("top_customers", "user_id", "spent"),
            pairs(&[("usr_1", 50), ("usr_2", 45)])
        );
        let periods = all["periods"].as_array().unwrap();
        let by_day: Vec<_> = periods[27..]
            .iter()
            .map(|of| of["revenue"].as_i64().unwrap())
            .collect();
        assert_eq!((periods.len(), by_day), (30, vec![50, 5, 40]));
        // All weeks together are the same, and a part is a part.
        assert_eq!(read(&market, "by=week")["all"], all["all"]);
        let from = periods[28]["from"].as_str().unwrap();
        assert_eq!(read(&market, &format!("from={from}"))["all"]["revenue"], 45);
        for query in [
            "to=2020-01-01T00:00:00Z",
            "from=2020-01-01T00:00:00Z",
            "by=year",
            "x=1",
        ] {
            read(&market, query).assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn administrators_see_charts() {
        let market = sold();
        let browser = market.root(&market.app);
        let browser = browser.with_header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let page = browser
            .get(&format!("{SHOP}/statistics"))
            .assert_status(200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        let html = page.body().as_str().unwrap();
        assert_eq!(html.matches("<svg").count(), 3);
        for said in [
            "By item",
            ">Red<",
            "By customer",
            "95 tokens paid, 40 paid back. 1 rentals",
        ] {
            assert!(html.contains(said), "{said}: {html}");
        }
        assert!(!html.contains("<script"), "{html}");
        if let Some(file) = std::env::var_os("SBD_SHOW_STATISTICS") {
            std::fs::write(file, html).unwrap();
        }
    }
}
