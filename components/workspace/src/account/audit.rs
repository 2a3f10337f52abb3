#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::team::Team;
use sbd_sdk::testing::Reply;
use serde_json::json;

fn actions(page: &Reply) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["action"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn all_of_it_is_recorded_and_so_is_that_it_was_read() {
    let team = Team::with(1000);
    team.send(
        "usr_2",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 1}),
    )
    .assert_status(201);
    team.send("usr_2", "wallet/freeze", json!({"reason": "why"}))
        .assert_status(200);
    let first = team.read("usr_1", "audit?action=workspace.wallet.");
    assert_eq!(
        actions(&first),
        ["workspace.wallet.frozen", "workspace.wallet.paid"]
    );
    assert_eq!(first["items"][1]["data"]["workspace_id"], json!(team.id));
    // A viewer sees who did what, and no more; that is not recorded.
    let seen = team.read("usr_4", "audit?actor=usr_2");
    assert!(seen["items"][0]["data"].is_null());
    let read = team.read("usr_1", "audit?action=workspace.audit.read");
    assert_eq!(actions(&read).len(), 1);
    assert_eq!(read["items"][0]["actor"], "usr_1");
    let verdict = team.read("usr_4", "audit/verification");
    assert_eq!(verdict["whole"], true);
    for path in ["audit", "audit/verification", "reports/compliance"] {
        team.get("usr_9", path).assert_refused(404, "NOT_FOUND");
    }
    for query in ["limit=0", "cursor=nonsense", "from=yesterday", "x=1"] {
        team.get("usr_1", &format!("audit?{query}"))
            .assert_refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn a_report_has_three_forms_and_is_for_those_who_audit() {
    let team = Team::with(1000);
    team.send(
        "usr_2",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 1}),
    )
    .assert_status(201);
    for user in ["usr_3", "usr_4"] {
        team.get(user, "reports/compliance")
            .assert_refused(403, "FORBIDDEN");
    }
    let report = team.read("usr_1", "reports/compliance");
    assert_eq!(report["name"], "Team");
    assert_eq!(report["members"].as_array().unwrap().len(), 4);
    let table = team.read("usr_2", "reports/compliance?format=csv");
    assert!(
        table
            .body()
            .as_str()
            .unwrap()
            .contains("\"workspace.wallet.paid\"")
    );
    let pdf = team.read("usr_2", "reports/compliance?format=pdf");
    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    let made = team.read("usr_1", "audit?action=workspace.report.made");
    assert_eq!(actions(&made).len(), 3);
    for query in [
        "format=xml",
        "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "x=1",
    ] {
        team.get("usr_1", &format!("reports/compliance?{query}"))
            .assert_refused(422, "VALIDATION_ERROR");
    }
}
