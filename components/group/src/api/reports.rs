//! Reports, in the forms that there are of them.

use crate::Group;
use crate::reports::{self, Format, Wanted};
use axum::response::{IntoResponse, Response};
use http::header;
use membership::report::Report;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::{Caller, Json, Result};

/// A report in the form that was asked for.
#[derive(Debug)]
pub struct Compliance {
    report: Report,
    format: Format,
}

/// What happened in a group in some time; for those who audit.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn compliance(
    group: &impl Group,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Compliance> {
    Ok(Compliance {
        report: reports::compliance(group, caller, wanted).await?,
        format: wanted.format.unwrap_or_default(),
    })
}

impl IntoResponse for Compliance {
    fn into_response(self) -> Response {
        let file = |kind: &'static str, ending: &str| {
            let name = format!(
                "attachment; filename=\"{}-compliance.{ending}\"",
                self.report.heading.id
            );
            [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ]
        };
        match self.format {
            Format::Csv => {
                (file("text/csv; charset=utf-8", "csv"), self.report.csv()).into_response()
            }
            Format::Pdf => (file("application/pdf", "pdf"), self.report.pdf()).into_response(),
            Format::Json => Json(self.report).into_response(),
        }
    }
}

/// As JSON; as a table the entries alone, and to be printed all of it.
impl Output for Compliance {
    fn describe(description: &mut Description) {
        <Json<Report> as Output>::describe(description);
    }
}
