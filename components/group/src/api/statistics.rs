//! What an account was used for, for programs and, with charts, for people.

use crate::Group;
use crate::statistics::{self, Spending, Used, Wanted};
use crate::store::Known;
use crate::wallet::{Flow, OfType, Period};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use membership::chart::{self, Bar, Line};
use membership::html;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Result};
use serde::Serialize;
use utoipa::ToSchema;

/// What an account was used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountStatistics)]
pub struct StatisticsView {
    /// How many members the group has.
    member_count: u64,
    /// From this time on.
    from: Time,
    /// Before this time.
    to: Time,
    /// All that went to and from the account.
    all: Flow,
    /// What was paid for each member; those who spent most.
    members: Vec<Spending>,
    /// By the types of the transactions; those with most.
    types: Vec<OfType>,
    /// One day or week after the other.
    periods: Vec<Period>,
}

/// The same in the form that was asked for.
#[derive(Debug)]
pub enum Statistics<V> {
    /// For programs.
    Json(V),
    /// For people.
    Page(String),
}

/// What a group's account was used for; with `Accept: text/html` as a page with charts.
///
/// # Errors
/// When it is not the caller's to see, or the ledger does not answer.
pub async fn of<G: Group, V>(
    group: &G,
    caller: &Caller,
    wanted: Wanted,
    headers: &HeaderMap,
    view: impl FnOnce(StatisticsView) -> V,
) -> Result<Statistics<V>> {
    let used = statistics::of(group, caller, wanted).await?;
    Ok(match html::is_wanted(headers) {
        true => Statistics::Page(page(&used)),
        false => Statistics::Json(view(used.into())),
    })
}

fn page<G>(used: &Used<G>) -> String {
    let Used {
        group: Known { name, .. },
        members,
        account,
    } = used;
    let day = |time: Time| time.to_string().chars().take(10).collect::<String>();
    let (from, to) = (day(account.from), day(account.to));
    let [received, spent] = [account.all.received, account.all.spent].map(chart::thousands);
    let members = members.iter().map(|member| Bar {
        name: member.username.as_ref().unwrap_or(&member.user_id).clone(),
        amount: member.spent,
    });
    let spent_types = account.types.iter().filter(|of| of.flow.spent > 0);
    let types = spent_types.map(|of| Bar {
        name: of.kind.clone(),
        amount: of.flow.spent,
    });
    let times: Vec<_> = account.periods.iter().map(|of| day(of.from)).collect();
    let line = |name: &str, amount: fn(&Flow) -> i64| Line {
        name: name.to_owned(),
        amounts: account.periods.iter().map(|of| amount(&of.flow)).collect(),
    };
    let lines = [
        line("spent", |flow| flow.spent),
        line("received", |flow| flow.received),
    ];
    let charts = [
        chart::bars("Spending by member", &members.collect::<Vec<_>>()),
        chart::bars("Spending by type", &types.collect::<Vec<_>>()),
        chart::lines("Over time", &times, &lines),
    ];
    let text = format!("From {from} to {to}: {spent} tokens spent, {received} received.");
    html::of(name, &text, &charts)
}

impl<V: Serialize> IntoResponse for Statistics<V> {
    fn into_response(self) -> Response {
        match self {
            Self::Json(view) => ([(header::VARY, "accept")], Json(view)).into_response(),
            Self::Page(page) => (html::HEADERS, page).into_response(),
        }
    }
}

/// As JSON; the page says the same to people.
impl<V: Serialize + ToSchema> Output for Statistics<V> {
    fn describe(description: &mut Description) {
        <Json<V> as Output>::describe(description);
    }
}

impl<G> From<Used<G>> for StatisticsView {
    fn from(used: Used<G>) -> Self {
        Self {
            member_count: used.group.member_count,
            from: used.account.from,
            to: used.account.to,
            all: used.account.all,
            members: used.members,
            types: used.account.types,
            periods: used.account.periods,
        }
    }
}
