//! `sbd tenant`: tenants by command.

use crate::cli::{TenantCommand, TenantName};
use crate::client::Client;
use anyhow::{Context as _, bail};
use http::Method;
use sbd_runtime::ArchivedTenant;
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

/// Tenants on one page of the list.
const PAGE: usize = 1000;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: TenantCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        TenantCommand::Create(new) => {
            let body = json!({"name": new.name, "title": new.title, "hosts": new.hosts});
            let tenant = client.ask(Method::POST, "/tenants", Some(body)).await?;
            println!(
                "tenant {} is there. {}",
                text(&tenant, "name"),
                reached(&tenant)
            );
        }
        TenantCommand::List(_) => list(client).await?,
        TenantCommand::Show(TenantName { name, .. }) => {
            print(&client.ask(Method::GET, &path(&name)?, None).await?);
        }
        TenantCommand::Change(change) => {
            let hosts = (!change.hosts.is_empty() || change.no_hosts).then_some(change.hosts);
            let body = json!({"title": change.title, "hosts": hosts});
            let tenant = client
                .ask(Method::PATCH, &path(&change.name)?, Some(body))
                .await?;
            print(&tenant);
        }
        TenantCommand::Suspend(TenantName { name, .. }) => {
            let path = format!("{}/suspend", path(&name)?);
            client.ask(Method::POST, &path, None).await?;
            println!("tenant {name} is suspended; `sbd tenant resume {name}` serves it again.");
        }
        TenantCommand::Resume(TenantName { name, .. }) => {
            client
                .ask(Method::POST, &format!("{}/resume", path(&name)?), None)
                .await?;
            println!("tenant {name} is served again.");
        }
        TenantCommand::RotateKeys(TenantName { name, .. }) => {
            let path = format!("{}/keys/rotate", path(&name)?);
            client.ask(Method::POST, &path, None).await?;
            println!(
                "{name} has new keys. What was signed or encrypted with the old ones stays good."
            );
        }
        TenantCommand::Announce(announce) => {
            let data: Value = serde_json::from_str(&announce.data)
                .context("DATA is no JSON; write it like '{\"text\": \"Back in five minutes\"}'")?;
            let body = json!({"type": announce.kind, "data": data});
            let to = format!("{}/announcements", path(&announce.name)?);
            client.ask(Method::POST, &to, Some(body)).await?;
            println!("whoever is connected to {} was told.", announce.name);
        }
        TenantCommand::Export(export) => {
            let from = format!("{}/export", path(&export.name)?);
            let file = export.to;
            let file = file.unwrap_or_else(|| PathBuf::from(format!("{}.tar", export.name)));
            let bytes = client.download(&from, &file, None).await?;
            println!(
                "all that {} has stored is in {} ({bytes} bytes).",
                export.name,
                file.display()
            );
            println!("Keep it as safe as the server itself; see README.txt in it.");
        }
        TenantCommand::Import(import) => {
            let file = import.file.display();
            let open = || {
                let archive = std::fs::File::open(&import.file);
                archive.with_context(|| format!("cannot read {file}"))
            };
            let name = match import.name {
                Some(name) => name,
                None => ArchivedTenant::read(&open()?)?.name,
            };
            let to = format!("{}/import?hosts={}", path(&name)?, !import.no_hosts);
            let tenant = client.upload(&to, open()?).await?;
            println!(
                "tenant {name} is there, with all that {file} holds. {}",
                reached(&tenant)
            );
            println!("Everybody signs in anew: keys and sessions stay where they were.");
        }
        TenantCommand::Delete(delete) => {
            let path = path(&delete.name)?;
            // Before the question: who mistypes should not have to answer it.
            client.ask(Method::GET, &path, None).await?;
            if !delete.yes {
                confirm(&delete.name)?;
            }
            let deleted = client.ask(Method::DELETE, &path, None).await?;
            println!("tenant {} is deleted. Removed:", delete.name);
            for file in deleted["removed"].as_array().into_iter().flatten() {
                println!("  {:>12} bytes  {}", file["bytes"], text(file, "path"));
            }
            println!("  {:>12} bytes in all", deleted["bytes"]);
        }
    }
    Ok(())
}

async fn list(client: &Client<'_>) -> anyhow::Result<()> {
    println!("{:<32} {:<10} {:<26} HOSTS", "NAME", "STATE", "CREATED");
    for page in 1.. {
        let path = format!("/tenants?page={page}&per_page={PAGE}");
        let tenants = client.ask(Method::GET, &path, None).await?;
        let items = tenants["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for tenant in items {
            println!(
                "{:<32} {:<10} {:<26} {}",
                text(tenant, "name"),
                text(tenant, "state"),
                text(tenant, "created_at"),
                hosts(tenant)
            );
        }
        if items.len() < PAGE {
            return Ok(());
        }
    }
    Ok(())
}

fn print(tenant: &Value) {
    println!("name     {}", text(tenant, "name"));
    println!("title    {}", text(tenant, "title"));
    println!("state    {}", text(tenant, "state"));
    println!("hosts    {}", hosts(tenant));
    println!("created  {}", text(tenant, "created_at"));
}

fn reached(tenant: &Value) -> String {
    let header = format!("the header `x-sbd-tenant: {}`", text(tenant, "name"));
    match hosts(tenant) {
        hosts if hosts.is_empty() => format!("Requests reach it by {header}."),
        hosts => format!("Requests reach it by {hosts}, or by {header}."),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn hosts(tenant: &Value) -> String {
    let hosts = tenant["hosts"].as_array().into_iter().flatten();
    hosts
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A name as part of a path; what cannot be one would be some other path.
fn path(name: &str) -> anyhow::Result<String> {
    let name: sbd_registry::TenantName = name.parse()?;
    Ok(format!("/tenants/{name}"))
}

/// Asks for the name once more.
fn confirm(name: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("this deletes all that is {name}'s, for good; say --yes to do it");
    }
    println!("This deletes all that is {name}'s, for good. Type its name to do it:");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() != name {
        bail!("that is not its name; nothing was done");
    }
    Ok(())
}
