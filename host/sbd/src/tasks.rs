//! `sbd tasks`: queued work by command.

use crate::cli::{TaskId, TaskList, TasksCommand};
use crate::client::Client;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_registry::TenantName;
use serde_json::Value;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: TasksCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        TasksCommand::List(args) => list(&args, client).await,
        TasksCommand::Show(args) => {
            let task = client.ask(Method::GET, &task(&args)?, None).await?;
            println!("{task:#}");
            Ok(())
        }
        TasksCommand::Cancel(args) => {
            let path = format!("{}/cancel", task(&args)?);
            client.ask(Method::POST, &path, None).await?;
            println!("{} is canceled.", args.id);
            Ok(())
        }
    }
}

async fn list(args: &TaskList, client: &Client<'_>) -> anyhow::Result<()> {
    let mut path = format!("{}?most={}", tasks(&args.tenant)?, args.most);
    if let Some(state) = &args.state {
        let state = utf8_percent_encode(state, NON_ALPHANUMERIC);
        path = format!("{path}&state={state}");
    }
    let listed = client.ask(Method::GET, &path, None).await?;
    println!(
        "{:<38} {:<16} {:<16} {:<10} {:<10} {:<8} REASON",
        "ID", "COMPONENT", "NAME", "QUEUE", "STATE", "BEGUN"
    );
    let items = listed["items"].as_array();
    for task in items.into_iter().flatten() {
        println!(
            "{:<38} {:<16} {:<16} {:<10} {:<10} {:<8} {}",
            text(&task["id"]),
            text(&task["component"]),
            text(&task["name"]),
            text(&task["queue"]),
            text(&task["state"]),
            task["attempts"],
            text(&task["reason"])
        );
    }
    println!("{} in all", listed["total"]);
    Ok(())
}

fn task(args: &TaskId) -> anyhow::Result<String> {
    let id = utf8_percent_encode(&args.id, NON_ALPHANUMERIC);
    Ok(format!("{}/{id}", tasks(&args.tenant)?))
}

fn tasks(tenant: &str) -> anyhow::Result<String> {
    let tenant: TenantName = tenant.parse()?;
    Ok(format!("/tenants/{tenant}/tasks"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
