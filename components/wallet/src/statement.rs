//! What went to and from an account, the newest first, page by page: each page begins where the one before
//! ended, however deep that is.

use crate::model::{Entry, MAX_TYPE};
use crate::store::ENTRIES;
use sbd_sdk::csv::cell;
use sbd_sdk::documents::{DocumentsError, Found};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Entries on a page when the request does not say.
const USUAL: u32 = 50;
/// Entries on a page at most.
const MOST: u32 = 1000;

/// Which part of a statement, and in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only transactions of this type.
    #[serde(rename = "type")]
    #[param(max_length = 50, example = "transfer")]
    kind: Option<String>,
    /// Only those at this time or later.
    #[param(inline)]
    from: Option<Time>,
    /// Only those before this time.
    #[param(inline)]
    to: Option<Time>,
    /// Only those with this account at the other end.
    #[param(max_length = 200, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    counterparty: Option<String>,
    /// The `next` of the page before, with the same filters.
    cursor: Option<String>,
    /// Entries on a page; 50 when not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `csv` for a table, as by `Accept: text/csv`.
    #[param(inline)]
    pub(crate) format: Option<Format>,
}

/// The form of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// A page of the statement of an account.
pub(crate) async fn page(account: &str, wanted: &Wanted) -> Result<Found<Entry>> {
    let limit = wanted.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::validation(
            "limit",
            format!("a number from 1 to {MOST}"),
        ));
    }
    let found = ENTRIES
        .find(filter(account, wanted))
        .sort(json!({"at": -1}))
        .limit(limit)
        .after(wanted.cursor.clone());
    found.fetch().await.map_err(|error| match error {
        DocumentsError::Invalid(_) if wanted.cursor.is_some() => Error::validation(
            "cursor",
            "the `next` of the page before, with the same filters; begin without one",
        ),
        error => error.into(),
    })
}

fn filter(account: &str, wanted: &Wanted) -> Value {
    let mut filter = json!({"account": account});
    if let Some(kind) = wanted.kind.as_deref().filter(|kind| kind.len() <= MAX_TYPE) {
        filter["type"] = kind.into();
    }
    if let Some(counterparty) = &wanted.counterparty {
        filter["counterparty"] = counterparty.as_str().into();
    }
    if let Some(from) = wanted.from {
        filter["at"]["$gte"] = json!(from);
    }
    if let Some(to) = wanted.to {
        filter["at"]["$lt"] = json!(to);
    }
    filter
}

/// A page as a table, after RFC 4180.
pub(crate) fn csv(entries: &[Entry]) -> String {
    let mut table = "transaction_id,at,type,amount,counterparty,memo,cause\r\n".to_owned();
    for entry in entries {
        let cells = [
            cell(entry.transaction.as_str()),
            cell(&entry.at.to_string()),
            cell(&entry.kind),
            entry.amount.to_string(),
            cell(&entry.counterparty),
            cell(entry.memo.as_deref().unwrap_or_default()),
            cell(entry.cause.as_deref().unwrap_or_default()),
        ];
        table.push_str(&cells.join(","));
        table.push_str("\r\n");
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{WALLET, app, mint, root, send};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn a_statement_comes_page_by_page_and_by_what_is_asked_for() {
        let app = app(&["usr_1", "usr_2", "usr_3"]);
        mint(&app, "usr_1", 1000);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let middle = (0..25).map(|number| {
            app.advance(Duration::from_secs(1));
            let to = if number % 5 == 0 { "usr_3" } else { "usr_2" };
            let kind = if number % 2 == 0 { "gift" } else { "rent" };
            send(
                &ada,
                "transfers",
                json!({"to": to, "amount": number + 1, "type": kind}),
            )
            .assert_status(201);
            app.now()
        });
        let middle = middle.collect::<Vec<_>>()[12];
        let statement = format!("{WALLET}/statement");
        let read = |query: &str| ada.get(&format!("{statement}?{query}")).assert_status(200);
        let (mut amounts, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = read(&format!("limit=10{cursor}"));
            let items = page["items"].as_array().unwrap();
            amounts.extend(items.iter().map(|item| item["amount"].as_i64().unwrap()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected: Vec<i64> = (1..=25).rev().map(|amount| -amount).chain([1000]).collect();
        assert_eq!(amounts, expected);
        let count = |query: &str| read(query)["items"].as_array().unwrap().len();
        assert_eq!(count(""), 26);
        assert_eq!(
            (count("type=mint"), count("type=gift"), count("type=none")),
            (1, 13, 0)
        );
        assert_eq!(
            (count("counterparty=usr_3"), count("counterparty=system")),
            (5, 1)
        );
        assert_eq!(
            (
                count(&format!("from={middle}")),
                count(&format!("to={middle}"))
            ),
            (13, 13)
        );
        assert_eq!(
            count(&format!("from={middle}&counterparty=usr_3&type=gift")),
            1
        );
        let theirs = bob.get(&statement).assert_status(200);
        assert!(
            theirs["items"]
                .as_array()
                .unwrap()
                .iter()
                .all(|item| item["counterparty"] == "usr_1")
        );
        let same = root(&app)
            .get(&format!("{WALLET}/accounts/usr_2/statement"))
            .assert_status(200);
        assert_eq!(same.body(), theirs.body());
        for (query, field) in [
            ("cursor=nonsense", "cursor"),
            ("cursor=", "cursor"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("from=yesterday", "from"),
            ("format=xml", "format"),
            ("typ=x", "typ"),
        ] {
            let refused = ada.get(&format!("{statement}?{query}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field, "{query}");
        }
    }

    #[test]
    fn a_table_is_no_program() {
        let app = app(&["usr_1", "usr_2"]);
        mint(&app, "usr_1", 10);
        let ada = app.signed_in("usr_1");
        app.advance(Duration::from_secs(1));
        let body =
            json!({"to": "usr_2", "amount": 3, "memo": "=HYPERLINK(\"http://x\")", "cause": "a,b"});
        let made = send(&ada, "transfers", body).assert_status(201);
        let statement = format!("{WALLET}/statement");
        let table = ada
            .get(&format!("{statement}?format=csv&limit=1"))
            .assert_status(200);
        let id = made.text("id");
        let at = app.now();
        let expected = format!(
            "transaction_id,at,type,amount,counterparty,memo,cause\r\n\
             \"{id}\",\"{at}\",\"transfer\",-3,\"usr_2\",\"'=HYPERLINK(\"\"http://x\"\")\",\"a,b\"\r\n"
        );
        assert_eq!(table.body(), &json!(expected));
        assert_eq!(
            table.header("content-type"),
            Some("text/csv; charset=utf-8")
        );
        let next = table.header("next-cursor").unwrap();
        let rest = ada
            .with_header("accept", "text/csv")
            .get(&format!("{statement}?cursor={next}"));
        assert_eq!(rest.body().as_str().unwrap().lines().count(), 2);
        assert_eq!(rest.header("next-cursor"), None);
        let asked = ada
            .with_header("accept", "application/json, */*")
            .get(&statement);
        assert!(asked["items"].is_array());
        let said = ada
            .with_header("accept", "text/csv")
            .get(&format!("{statement}?format=json"));
        assert!(said["items"].is_array());
    }
}
