//! `sbd audit`: the account of changes, and what components have recorded for a tenant.

use crate::cli::{AuditArgs, AuditCommand, AuditExport};
use crate::client::Client;
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use http::Method;
use jiff::Timestamp;
use sbd_audit_chain::{Entry, shown};
use sbd_runtime::{each_recorded, recorded_chains};
use serde_json::{Value, json};
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
    let pruned: u64 = chains.iter().map(|chain| chain.verdict.pruned).sum();
    let mut total = format!("{entries} entries in {} chains", chains.len());
    if pruned > 0 {
        total = format!("{total}, and {pruned} before them gone when their time was over");
    }
    if broken > 0 {
        bail!("{total}; {broken} chains are not whole: compare with a backup of before");
    }
    println!("{total}: whole.");
    Ok(())
}

fn export_entries(settings: &Settings, export: &AuditExport) -> anyhow::Result<()> {
    let from = time("from", export.from.as_deref())?;
    let to = time("to", export.to.as_deref())?;
    let is = |asked: &Option<String>, it: Option<&str>| asked.is_none() || asked.as_deref() == it;
    let is_asked = |entry: &Entry| {
        let action = export.action.as_deref();
        is(&export.component, Some(&entry.component))
            && is(&export.subject, Some(&entry.subject))
            && is(&export.actor, entry.actor.user())
            && action.is_none_or(|action| entry.is_action(action))
            && from.is_none_or(|from| entry.at >= from)
            && to.is_none_or(|to| entry.at < to)
    };
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    each_recorded(&settings.data_dir(), &export.tenant, |entry, hash| {
        if is_asked(&entry) && written.is_ok() {
            written = writeln!(out, "{}", line(entry, &hash));
        }
    })?;
    Ok(written?)
}

/// A time of the command line, in milliseconds since 1970.
fn time(flag: &str, text: Option<&str>) -> anyhow::Result<Option<i64>> {
    let read = text.map(str::parse::<Timestamp>).transpose();
    let read =
        read.with_context(|| format!("--{flag} is no time; write it as 2026-01-31T12:00:00Z"))?;
    Ok(read.map(Timestamp::as_millisecond))
}

fn line(entry: Entry, hash: &[u8]) -> Value {
    let at = Timestamp::from_millisecond(entry.at).map(|at| format!("{at:.3}"));
    json!({
        "component": entry.component,
        "subject": entry.subject,
        "number": entry.number,
        "at": at.unwrap_or_else(|_| entry.at.to_string()),
        "action": entry.action,
        "kind": entry.actor.kind(),
        "actor": entry.actor.user(),
        "request": entry.request,
        "data": serde_json::from_str(&entry.data).unwrap_or(Value::String(entry.data)),
        "hash": shown(hash),
    })
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
