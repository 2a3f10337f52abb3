//! What was done in a group, as it is answered.

use crate::Group;
use crate::audit::{self, Wanted};
use sbd_sdk::audit::{Entry, Verdict};
use sbd_sdk::{Caller, Result};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// A page of what was done, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditView {
    items: Vec<Entry>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// Whether all that was recorded is as it was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerification)]
pub struct VerificationView {
    /// Whether it is.
    whole: bool,
    #[serde(flatten)]
    verdict: Verdict,
}

/// A page of what was done in a group.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn page(group: &impl Group, caller: &Caller, wanted: Wanted) -> Result<AuditView> {
    let page = audit::page(group, caller, wanted).await?;
    Ok(AuditView {
        items: page.entries,
        next: page.next,
    })
}

/// The same; that somebody begins to read what others do is recorded.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn recorded_page<G: Group>(
    group: &G,
    caller: &Caller,
    wanted: Wanted,
) -> Result<AuditView> {
    let begins = wanted.cursor.is_none();
    let read = page(group, caller, wanted).await?;
    if begins && group.reader(caller).await?.audits {
        audit::record(group, "audit.read", json!({})).await?;
    }
    Ok(read)
}

/// Whether all that was recorded of a group is as it was recorded.
///
/// # Errors
/// When it is not the caller's to see.
pub async fn verification(group: &impl Group, caller: &Caller) -> Result<VerificationView> {
    let verdict = audit::verdict(group, caller).await?;
    Ok(VerificationView {
        whole: verdict.broken_at.is_none(),
        verdict,
    })
}
