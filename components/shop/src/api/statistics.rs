//! `/api/v1/shop/statistics`, for programs and, with charts, for people.

use crate::statistics::{self, Sales, Statistics, Wanted};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use membership::chart::{self, Bar, Line};
use membership::html;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Query, Result, operation};

/// What was sold, in the form that was asked for.
pub(crate) enum Shown {
    Json(Box<Statistics>),
    Page(String),
}

/// Sums up what was sold; with `Accept: text/html` as a page with charts.
///
/// In all, by item, by kind, by customer and over time, and how many rentals are running.
#[operation(
    get "/api/v1/shop/statistics", permission = "admin:shop:statistics", answers = "The sums"
)]
pub(crate) async fn get_shop_statistics(
    _: Caller,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Shown> {
    let sold = statistics::of(wanted).await?;
    Ok(match html::is_wanted(&headers) {
        true => Shown::Page(drawn(&sold)),
        false => Shown::Json(Box::new(sold)),
    })
}

fn drawn(sold: &Statistics) -> String {
    let day = |time: Time| time.to_string().chars().take(10).collect::<String>();
    let [revenue, refunded] = [sold.all.revenue, sold.all.refunded].map(chart::thousands);
    let text = format!(
        "From {} to {}: {} orders of {} customers, {revenue} tokens paid, {refunded} paid back. {} rentals are running.",
        day(sold.from),
        day(sold.to),
        sold.all.orders,
        sold.customers,
        sold.rentals_active,
    );
    let items = sold.items.iter().map(|of| Bar {
        name: of.title.clone(),
        amount: of.revenue,
    });
    let customers = sold.top_customers.iter().map(|of| Bar {
        name: match of.username.is_empty() {
            true => of.user_id.clone(),
            false => of.username.clone(),
        },
        amount: of.spent,
    });
    let times: Vec<_> = sold.periods.iter().map(|of| day(of.from)).collect();
    let line = |name: &str, amount: fn(&Sales) -> i64| Line {
        name: name.to_owned(),
        amounts: sold.periods.iter().map(|of| amount(&of.sales)).collect(),
    };
    let lines = [
        line("paid", |sales| sales.revenue),
        line("paid back", |sales| sales.refunded),
    ];
    let charts = [
        chart::lines("Over time", &times, &lines),
        chart::bars("By item", &items.collect::<Vec<_>>()),
        chart::bars("By customer", &customers.collect::<Vec<_>>()),
    ];
    html::of("Sales", &text, &charts)
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        match self {
            Self::Json(sold) => ([(header::VARY, "accept")], Json(sold)).into_response(),
            Self::Page(page) => (html::HEADERS, page).into_response(),
        }
    }
}

/// As JSON; the page says the same to people.
impl Output for Shown {
    fn describe(description: &mut Description) {
        <Json<Statistics> as Output>::describe(description);
    }
}
