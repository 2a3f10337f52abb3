//! Roles and what is done with the account, as a table: tried for the four roles, for one role for each permission, and
//! for strangers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::team::Team;
use sbd_sdk::testing::Reply;
use serde_json::json;

/// What it needs; nothing: everybody may.
type Needs = Option<&'static str>;
type Operation = fn(&Team, &str) -> Reply;

const OPERATIONS: [(&str, Needs, Operation); 20] = [
    ("see it", None, |team, by| team.get(by, "wallet")),
    ("pay in", None, |team, by| {
        team.send(by, "wallet/deposits", json!({"amount": 1}))
    }),
    ("list transactions", None, |team, by| {
        team.get(by, "wallet/transactions")
    }),
    ("read the settings", None, |team, by| {
        team.get(by, "wallet/settings")
    }),
    ("list what roles may spend", None, |team, by| {
        team.get(by, "wallet/role-permissions")
    }),
    ("list backups", None, |team, by| {
        team.get(by, "wallet/backups")
    }),
    ("see whether it is frozen", None, |team, by| {
        team.get(by, "wallet/emergency-unfreeze")
    }),
    ("list own requests", None, |team, by| {
        team.get(by, "token-requests")
    }),
    ("read the audit", None, |team, by| team.get(by, "audit")),
    ("verify the audit", None, |team, by| {
        team.get(by, "audit/verification")
    }),
    ("pay", Some("spend"), |team, by| {
        team.send(by, "wallet/payments", json!({"to": "usr_9", "amount": 1}))
    }),
    ("ask for tokens", Some("request"), |team, by| {
        team.send(
            by,
            "token-requests",
            json!({"amount": 1, "reason": "a book"}),
        )
    }),
    ("ask for a purchase", Some("request"), |team, by| {
        let wish = json!({
            "item": {"component": "shop", "id": "itm_1", "title": "A red theme"},
            "price": 1, "seller": "usr_9",
        });
        team.send(by, "purchase-requests", wish)
    }),
    ("decide", Some("review"), |team, by| {
        let asked = json!({"amount": 101, "reason": "a book"});
        let asked = team.send("usr_1", "token-requests", asked);
        let path = format!("token-requests/{}/approve", asked.text("id"));
        team.send(by, &path, json!({}))
    }),
    ("say what a member may spend", Some("wallet"), |team, by| {
        team.put(
            by,
            "wallet/permissions/usr_1",
            json!({"may_spend": true, "per_day": 5}),
        )
    }),
    ("say what a role may spend", Some("wallet"), |team, by| {
        team.put(
            by,
            "wallet/role-permissions/viewer",
            json!({"may_spend": false}),
        )
    }),
    (
        "set what is approved by itself",
        Some("wallet"),
        |team, by| team.put(by, "wallet/settings", json!({"unfreezers": 1})),
    ),
    ("freeze it", Some("wallet"), |team, by| {
        team.send(by, "wallet/freeze", json!({"reason": "The card is lost"}))
    }),
    ("name a backup", Some("wallet"), |team, by| {
        team.put(by, "wallet/backups/usr_1", json!({}))
    }),
    ("make a report", Some("audit"), |team, by| {
        team.get(by, "reports/compliance")
    }),
];

#[test]
fn the_table_holds_for_every_role() {
    let everything: &[&str] = &["request", "spend", "review", "wallet", "audit"];
    let roles: [(&str, &[&str]); 4] = [
        ("owner", everything),
        ("admin", everything),
        ("editor", &["request"]),
        ("viewer", &["request"]),
    ];
    for (name, needs, operation) in OPERATIONS {
        let team = Team::with(1000);
        let tried = |role: &str, by: &str, may: bool| {
            let reply = operation(&team, by);
            let is_frozen = name == "freeze it" && reply.status() == 200;
            match may {
                true => assert!(reply.status() < 300, "{role}: {name}: {:?}", reply.body()),
                false => drop(reply.assert_refused(403, "FORBIDDEN")),
            }
            if is_frozen {
                team.send("usr_1", "wallet/unfreeze", json!({}))
                    .assert_status(200);
            }
        };
        // The owner is whom it is done to as well, and decides on nothing of their own.
        for (user, (role, has)) in ["usr_1", "usr_2", "usr_3", "usr_4"].into_iter().zip(roles) {
            if role != "owner" || name != "decide" {
                tried(role, user, needs.is_none_or(|needs| has.contains(&needs)));
            }
        }
        for permission in everything {
            let made = json!({"name": permission, "permissions": [permission]});
            let made = team.send("usr_1", "roles", made).assert_status(201);
            team.put("usr_1", "members/usr_3/role", json!({"role": made["id"]}))
                .assert_status(200);
            tried(
                permission,
                "usr_3",
                needs.is_none_or(|needs| needs == *permission),
            );
        }
        operation(&team, "usr_9").assert_refused(404, "NOT_FOUND");
    }
}
