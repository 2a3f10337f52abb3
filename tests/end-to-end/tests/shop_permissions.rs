//! Who may do what in the shop, behind the real host: each operation for nobody, a user, an administrator, and tokens
//! that were given some of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Server, json};
use serde_json::{Value, json};

const SHOP: &str = "/api/v1/shop";

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// To be anybody.
    Nothing,
    Read,
    Write,
    /// One of the permissions of administrators: `admin:shop:` and this.
    Admin(&'static str),
    /// To be a component.
    Component,
}
use Needs::{Admin, Component, Nothing, Read, Write};

/// Every operation. What it is about (`_1` stands for an id) is not there, or what is sent is no good: that is found out
/// after the permission.
const OPERATIONS: [(&str, &str, Needs); 46] = [
    ("GET", "items", Read),
    ("GET", "items?state=unlisted", Admin("catalogue")),
    ("GET", "items/itm_1", Read),
    ("GET", "items/itm_1/images/cnt_1", Nothing),
    ("GET", "items/itm_1/file", Read),
    ("POST", "items", Admin("catalogue")),
    ("POST", "items/import", Admin("catalogue")),
    ("PUT", "items/itm_1", Admin("catalogue")),
    ("POST", "items/itm_1/stock", Admin("catalogue")),
    ("DELETE", "items/itm_1", Admin("catalogue")),
    ("POST", "items/itm_1/images", Admin("catalogue")),
    ("DELETE", "items/itm_1/images/cnt_1", Admin("catalogue")),
    ("PUT", "items/itm_1/file", Admin("catalogue")),
    ("GET", "categories", Read),
    ("GET", "categories/cat_1", Read),
    ("POST", "categories", Admin("catalogue")),
    ("PUT", "categories/cat_1", Admin("catalogue")),
    ("DELETE", "categories/cat_1", Admin("catalogue")),
    ("GET", "kinds", Read),
    ("PUT", "kinds/lesson", Component),
    ("GET", "grants/grn_1", Component),
    ("POST", "grants/grn_1/confirmation", Component),
    ("POST", "grants/grn_1/refusal", Component),
    ("GET", "inventory", Read),
    ("PUT", "inventory/itm_1/renewal", Write),
    ("DELETE", "inventory/itm_1/renewal", Write),
    ("GET", "active", Read),
    ("PUT", "active/theme", Write),
    ("DELETE", "active/theme", Write),
    ("GET", "cart", Read),
    ("POST", "cart/lines", Write),
    ("DELETE", "cart/lines/lin_1", Write),
    ("DELETE", "cart", Write),
    ("GET", "payers", Read),
    ("GET", "orders", Read),
    ("GET", "orders?buyer=usr_1", Admin("orders")),
    ("POST", "orders", Write),
    ("GET", "orders/ord_1", Read),
    ("POST", "orders/ord_1/cancel", Write),
    ("GET", "orders/ord_1/receipt", Read),
    ("POST", "orders/ord_1/refunds", Write),
    ("GET", "orders/ord_1/refunds", Read),
    ("GET", "statistics", Admin("statistics")),
    ("POST", "vouchers", Admin("vouchers")),
    ("GET", "vouchers", Admin("vouchers")),
    ("DELETE", "vouchers/NONE", Admin("vouchers")),
];

/// A token of somebody's, for some of what they may.
async fn token(of: &Account, scopes: &[&str]) -> Account {
    let wanted = json!({"name": scopes.join(" "), "scopes": scopes});
    let made = of.post("/api/v1/auth/permanent-tokens", &wanted).send();
    let made = json(made.await.unwrap(), 201).await;
    let mut program = of.clone();
    program.access = made["token"].as_str().unwrap().to_owned();
    program
}

async fn ask(request: reqwest::RequestBuilder, method: &str, path: &str) -> (u16, Value) {
    let body = match path {
        path if path.contains("/kinds/") => json!({"title": "A lesson"}),
        path if path.ends_with("/refusal") => json!({"reason": "It is full"}),
        _ => json!({}),
    };
    let request = match method {
        "POST" | "PUT" => request.header("idempotency-key", "k").json(&body),
        _ => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn each_operation_is_for_those_who_have_its_permission() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    // Nobody gives a token more than they may themselves.
    let more = json!({"name": "more", "scopes": ["admin:shop:catalogue"]});
    let more = ada.post("/api/v1/auth/permanent-tokens", &more).send();
    assert!(more.await.unwrap().status().is_client_error());
    // Whose, and the permissions that they have.
    let principals = [
        ("a user", ada.clone(), vec!["shop:read", "shop:write"]),
        (
            "a reader",
            token(&ada, &["shop:read"]).await,
            vec!["shop:read"],
        ),
        (
            "a buyer",
            token(&ada, &["shop:*"]).await,
            vec!["shop:read", "shop:write"],
        ),
        (
            "another domain's",
            token(&ada, &["families:read"]).await,
            vec![],
        ),
        (
            "an administrator",
            root.clone(),
            vec!["shop:read", "shop:write", "admin:shop:*"],
        ),
        (
            "a keeper",
            token(&root, &["shop:read", "admin:shop:catalogue"]).await,
            vec!["shop:read", "admin:shop:catalogue"],
        ),
        (
            "a bookkeeper",
            token(&root, &["admin:shop:statistics"]).await,
            vec!["admin:shop:statistics"],
        ),
    ];
    for (method, path, needs) in OPERATIONS {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let path = match path.contains('?') {
            true => format!("{SHOP}/{path}"),
            false => format!("{SHOP}/{}", path.replace("_1", &format!("_{:032}", 0))),
        };
        let nobody = server.client.request(verb.clone(), server.at(&path));
        let (status, answer) = ask(nobody, method, &path).await;
        let expected = if needs == Nothing { 404 } else { 401 };
        assert_eq!(status, expected, "nobody: {method} {path}: {answer}");
        for (who, account, has) in &principals {
            let may = match needs {
                Nothing => true,
                Read => has.contains(&"shop:read"),
                Write => has.contains(&"shop:write"),
                // What is another's is seen by a query of an operation for everybody.
                Admin(what) => {
                    let is_query = path.contains('?');
                    has.iter()
                        .any(|has| *has == "admin:shop:*" || *has == format!("admin:shop:{what}"))
                        && (!is_query || has.contains(&"shop:read"))
                }
                Component => false,
            };
            let (status, answer) = ask(account.request(verb.clone(), &path), method, &path).await;
            let refused = (status, answer["error"]["code"].as_str()) == (403, Some("FORBIDDEN"));
            assert!(
                status != 401 && status < 500,
                "{who}: {method} {path}: {answer}"
            );
            assert_eq!(refused, !may, "{who}: {method} {path}: {status} {answer}");
        }
    }
}
