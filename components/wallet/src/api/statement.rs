//! `/api/v1/wallet/statement` and `/api/v1/wallet/accounts/{id}/statement`.

use crate::model::{Entry, TransactionId};
use crate::statement::{self, Format, Wanted};
use crate::{access, accounts};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, header};
use sbd_sdk::documents::Found;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Json, Path, Query, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

const NEXT: HeaderName = HeaderName::from_static("next-cursor");

/// One side of a transaction, as the account sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatementEntry)]
pub(crate) struct EntryView {
    transaction_id: TransactionId,
    /// When.
    at: Time,
    /// What it is.
    #[serde(rename = "type")]
    kind: String,
    /// So many tokens came, or, below zero, went.
    amount: i64,
    /// The account at the other end.
    counterparty: String,
    /// For both to read.
    memo: Option<String>,
    /// What it is for.
    cause: Option<String>,
}

/// A page of a statement, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Statement)]
pub(crate) struct StatementView {
    items: Vec<EntryView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// A page in the form that was asked for.
pub(crate) enum Statement {
    Json(StatementView),
    Csv { table: String, next: Option<String> },
}

/// Lists what went to and from the caller's own account.
#[operation(get "/api/v1/wallet/statement", permission = "wallet:read", answers = "A page of it")]
pub(crate) async fn get_own_statement(
    caller: Caller,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Statement> {
    let page = statement::page(access::own(&caller)?, &wanted).await?;
    Ok(Statement::of(page, &wanted, &headers))
}

/// Lists what went to and from an account; administrators see every one.
#[operation(
    get "/api/v1/wallet/accounts/{id}/statement", permission = "wallet:read", answers = "A page of it",
    parameters(id = "The owner's id"), refuses(not_found = "No account of the caller")
)]
pub(crate) async fn get_statement(
    By(by): By,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Statement> {
    let account = accounts::get(&by, &id).await?;
    let page = statement::page(&account.id, &wanted).await?;
    Ok(Statement::of(page, &wanted, &headers))
}

// === impl Statement ===

impl Statement {
    fn of(page: Found<Entry>, wanted: &Wanted, headers: &HeaderMap) -> Self {
        let as_table = match wanted.format {
            Some(format) => format == Format::Csv,
            None => accepts_csv(headers),
        };
        if as_table {
            return Self::Csv {
                table: statement::csv(&page.documents),
                next: page.next,
            };
        }
        Self::Json(StatementView {
            items: page.documents.into_iter().map(EntryView::from).collect(),
            next: page.next,
        })
    }
}

/// Whether the first that is asked for is a table.
fn accepts_csv(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let first = accept.and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/csv"))
}

impl IntoResponse for Statement {
    fn into_response(self) -> Response {
        match self {
            Self::Json(view) => Json(view).into_response(),
            Self::Csv { table, next } => {
                let kind = [
                    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                    (
                        header::CONTENT_DISPOSITION,
                        "attachment; filename=\"statement.csv\"",
                    ),
                ];
                let next = next.map(|next| [(NEXT, next)]);
                match next {
                    Some(next) => (kind, next, table).into_response(),
                    None => (kind, table).into_response(),
                }
            }
        }
    }
}

/// As JSON; a table has the same columns, and the next page in `next-cursor`.
impl Output for Statement {
    fn describe(description: &mut Description) {
        <Json<StatementView> as Output>::describe(description);
        description.answer_header("next-cursor", "Of a table: where the next page begins");
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            transaction_id: entry.transaction,
            at: entry.at,
            kind: entry.kind,
            amount: entry.amount,
            counterparty: entry.counterparty,
            memo: entry.memo,
            cause: entry.cause,
        }
    }
}
