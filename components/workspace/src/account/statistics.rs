#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::team::Team;
use serde_json::{Value, json};

#[test]
fn a_workspace_sees_what_its_account_was_used_for_by_member_and_type() {
    let team = Team::with(500);
    for (user, amount, kind) in [("usr_1", 30, "books"), ("usr_2", 12, "tea")] {
        let body = json!({"to": "usr_9", "amount": amount, "type": kind});
        team.send(user, "wallet/payments", body).assert_status(201);
    }
    team.advance(std::time::Duration::from_secs(1));
    // Whoever belongs to it sees it, as its account.
    let sums = team.read("usr_4", "statistics");
    assert_eq!(
        sums["members"],
        json!([
            {"user_id": "usr_1", "username": "ada", "spent": 30, "payments": 1},
            {"user_id": "usr_2", "username": "usr_2", "spent": 12, "payments": 1},
        ])
    );
    assert_eq!(
        (
            &sums["workspace_id"],
            &sums["member_count"],
            &sums["all"]["spent"],
            &sums["all"]["received"]
        ),
        (&json!(team.id), &json!(4), &json!(42), &json!(500))
    );
    let types: Vec<&Value> = sums["types"].as_array().unwrap().iter().collect();
    let books = types.iter().find(|of| of["type"] == "books").unwrap();
    assert_eq!(books["spent"], 30);
    team.get("usr_9", "statistics")
        .assert_refused(404, "NOT_FOUND");
    for query in ["to=2020-01-01T00:00:00Z", "by=year", "x=1"] {
        team.get("usr_1", &format!("statistics?{query}"))
            .assert_refused(422, "VALIDATION_ERROR");
    }
    let browser = team.app.signed_in("usr_3");
    let browser = browser.with_header("accept", "text/html");
    let page = browser.get(&team.path("statistics")).assert_status(200);
    let html = page.body().as_str().unwrap();
    assert_eq!(html.matches("<svg").count(), 3);
    for said in ["Team", ">usr_2<", ">books<", "42 tokens spent"] {
        assert!(html.contains(said), "{said}: {html}");
    }
}
