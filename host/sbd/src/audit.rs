//! `sbd audit`: the account of changes, and what components have recorded for a tenant.

use crate::cli::{AuditArgs, AuditCommand, AuditExport};
use crate::client::Client;
use crate::settings::Settings;
use anyhow::bail;
use http::Method;
use sbd_runtime::{each_recorded, recorded_chains};
use serde_json::Value;
use std::io::Write as _;

/// Prints the newest entries, says whether they are whole, or writes them out.
///
/// # Errors
/// When they are not, or cannot be read.
pub(crate) async fn command(
    args: &AuditArgs,
    settings: &Settings,
    client: &Client<'_>,
) -> anyhow::Result<()> {
    match &args.command {
        None => list(args, client).await,
        Some(AuditCommand::Verify(verify)) => match &verify.tenant {
            None => verify_account(client).await,
            Some(tenant) => verify_tenant(settings, tenant),
        },
        Some(AuditCommand::Export(export)) => export_entries(settings, export),
    }
}

async fn verify_account(client: &Client<'_>) -> anyhow::Result<()> {
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

/// Follows every chain, so that all that was altered is told at once.
fn verify_tenant(settings: &Settings, tenant: &str) -> anyhow::Result<()> {
    let chains = recorded_chains(&settings.data_dir(), tenant)?;
    let mut broken = 0;
    for chain in &chains {
        if let Some(at) = chain.verdict.broken_at {
            broken += 1;
            println!(
                "{} {}: entry {at} was altered or is missing",
                chain.component, chain.subject
            );
        }
    }
    let entries: u64 = chains.iter().map(|chain| chain.verdict.entries).sum();
    let total = format!("{entries} entries in {} chains", chains.len());
    if broken > 0 {
        bail!("{total}, {broken} of them not whole: compare with a backup of before");
    }
    println!("{total}: whole.");
    Ok(())
}

fn export_entries(settings: &Settings, export: &AuditExport) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    each_recorded(&settings.data_dir(), &export.tenant, |entry| {
        let subject = export.subject.as_deref();
        let is_asked = subject.is_none_or(|subject| entry["subject"] == subject);
        if is_asked && written.is_ok() {
            written = writeln!(out, "{entry}");
        }
    })?;
    Ok(written?)
}

async fn list(args: &AuditArgs, client: &Client<'_>) -> anyhow::Result<()> {
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
