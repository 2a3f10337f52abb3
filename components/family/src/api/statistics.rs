//! `/api/v1/families/{id}/statistics`: `group::api::statistics` says what is answered.

use crate::model::FamilyId;
use group::api::statistics::{self, Statistics, StatisticsView};
use group::statistics::Wanted;
use http::HeaderMap;
use sbd_sdk::{Caller, Path, Query, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// What a family's account was used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyStatistics)]
pub(crate) struct FamilyStatisticsView {
    #[schema(inline)]
    family_id: FamilyId,
    #[serde(flatten)]
    sums: StatisticsView,
}

/// Sums up what a family's account was used for; with `Accept: text/html` as a page with charts.
///
/// By member, by type and over time.
#[operation(
    get "/api/v1/families/{id}/statistics", permission = "families:read", answers = "The sums",
    refuses(
        not_found = "No family the caller belongs to",
        overloaded = "The ledger does not answer just now"
    )
)]
pub(crate) async fn get_family_statistics(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Statistics<FamilyStatisticsView>> {
    let family_id = id.clone();
    let view = |sums| FamilyStatisticsView { family_id, sums };
    statistics::of(&id, &caller, wanted, &headers, view).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::home::Home;
    use serde_json::{Value, json};
    use std::time::Duration;

    /// A family that has spent on three days.
    fn used() -> Home {
        let home = Home::new(&["usr_2"]);
        home.deposit(500);
        home.permit("usr_2", json!({}));
        for (day, user, kind) in [
            (1, "usr_2", "sweets"),
            (2, "usr_2", "books"),
            (3, "usr_1", "sweets"),
        ] {
            home.advance(Duration::from_secs(24 * 60 * 60));
            let body = json!({"to": "usr_9", "amount": 10 * day, "type": kind});
            home.send(user, "wallet/payments", body).assert_status(201);
        }
        home.advance(Duration::from_secs(1));
        home
    }

    #[test]
    fn spending_is_summed_up_by_member_type_and_day() {
        let home = used();
        let all = home.read("usr_2", "statistics");
        assert_eq!(
            all["members"],
            json!([
                {"user_id": "usr_1", "username": "ada", "spent": 30, "payments": 1},
                {"user_id": "usr_2", "username": "usr_2", "spent": 30, "payments": 2},
            ])
        );
        let of = |kind: &str| {
            let types = all["types"].as_array().unwrap().iter();
            let mut types = types.filter(|of| of["type"] == kind);
            types.next().unwrap()["spent"].clone()
        };
        assert_eq!((of("sweets"), of("books")), (json!(40), json!(20)));
        assert_eq!(
            (&all["all"]["spent"], &all["member_count"]),
            (&json!(60), &json!(2))
        );
        let periods = all["periods"].as_array().unwrap();
        let by_day: Vec<&Value> = periods[27..].iter().map(|of| &of["spent"]).collect();
        assert_eq!(by_day, [&json!(10), &json!(20), &json!(30)]);
        let read = |user: &str, what: &str| home.app.signed_in(user).get(&home.path(what));
        read("usr_3", "statistics").assert_refused(404, "NOT_FOUND");
        for query in ["to=2020-01-01T00:00:00Z", "by=year", "x=1"] {
            read("usr_1", &format!("statistics?{query}")).assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn people_see_charts() {
        let home = used();
        let ada = home.app.signed_in("usr_1");
        let browser = ada.with_header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let page = browser.get(&home.path("statistics")).assert_status(200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        let html = page.body().as_str().unwrap();
        assert_eq!(html.matches("<svg").count(), 3);
        for said in [
            "Spending by member",
            ">usr_2<",
            ">sweets<",
            "60 tokens spent",
        ] {
            assert!(html.contains(said), "{said}: {html}");
        }
        assert!(!html.contains("<script"), "{html}");
        if let Some(file) = std::env::var_os("SBD_SHOW_STATISTICS") {
            std::fs::write(file, html).unwrap();
        }
    }
}
