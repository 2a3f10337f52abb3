//! `sbd audit`: the account of changes.

use crate::cli::AuditArgs;
use crate::client::Client;
use anyhow::bail;
use http::Method;
use serde_json::Value;

/// Prints the newest entries, or says whether the account is whole.
///
/// # Errors
/// When it is not, or cannot be read.
pub(crate) async fn command(args: &AuditArgs, client: &Client<'_>) -> anyhow::Result<()> {
    if args.verify {
        let verdict = client.ask(Method::GET, "/audit/verify", None).await?;
        if verdict["whole"] == true {
            println!("the account is whole.");
            return Ok(());
        }
        bail!(
            "the account was altered: entry {} does not follow from those before it",
            verdict["broken_at"]
        );
    }
    let path = format!("/audit?most={}", args.most);
    let entries = client.ask(Method::GET, &path, None).await?;
    for entry in entries.as_array().into_iter().flatten() {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let details = match &entry["details"] {
            Value::Null => String::new(),
            details => details.to_string(),
        };
        println!(
            "{}  {:<12} {:<22} {:<24} {} {details}",
            text("at"),
            text("actor"),
            text("action"),
            text("target"),
            text("outcome")
        );
    }
    Ok(())
}
