//! `sbd events`: dead letters and replays by command.

use crate::cli::{EventReplay, EventsCommand, LetterList, LetterNumber};
use crate::client::Client;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_registry::TenantName;
use serde_json::{Value, json};

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: EventsCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        EventsCommand::Letters(args) => list(&args, client).await,
        EventsCommand::Show(args) => {
            let letter = client.ask(Method::GET, &letter(&args)?, None).await?;
            println!("{letter:#}");
            Ok(())
        }
        EventsCommand::Retry(args) => {
            let path = format!("{}/retry", letter(&args)?);
            client.ask(Method::POST, &path, None).await?;
            println!("{} is sent again.", args.number);
            Ok(())
        }
        EventsCommand::Drop(args) => {
            client.ask(Method::DELETE, &letter(&args)?, None).await?;
            println!("{} is gone.", args.number);
            Ok(())
        }
        EventsCommand::Replay(args) => replay(&args, client).await,
    }
}

async fn list(args: &LetterList, client: &Client<'_>) -> anyhow::Result<()> {
    let mut path = format!("{}/letters?after={}", events(&args.tenant)?, args.after);
    if let Some(component) = &args.component {
        let component = utf8_percent_encode(component, NON_ALPHANUMERIC);
        path = format!("{path}&component={component}");
    }
    let letters = client.ask(Method::GET, &path, None).await?;
    println!(
        "{:<8} {:<20} {:<28} {:<8} {:<24} REASON",
        "NUMBER", "COMPONENT", "EVENT", "SENT", "SINCE"
    );
    for letter in letters.as_array().into_iter().flatten() {
        let since: String = text(&letter["since"]).chars().take(19).collect();
        println!(
            "{:<8} {:<20} {:<28} {:<8} {:<24} {}",
            letter["number"],
            text(&letter["component"]),
            text(&letter["event"]["type"]),
            letter["attempts"],
            since,
            text(&letter["reason"])
        );
    }
    Ok(())
}

async fn replay(args: &EventReplay, client: &Client<'_>) -> anyhow::Result<()> {
    let path = format!("{}/replays", events(&args.tenant)?);
    let body = json!({"component": args.component, "since": args.since});
    let replay = client.ask(Method::POST, &path, Some(body)).await?;
    println!(
        "{} gets the events since {} once more, marked {}.",
        args.component,
        args.since,
        text(&replay["id"])
    );
    Ok(())
}

fn letter(args: &LetterNumber) -> anyhow::Result<String> {
    Ok(format!("{}/letters/{}", events(&args.tenant)?, args.number))
}

fn events(tenant: &str) -> anyhow::Result<String> {
    let tenant: TenantName = tenant.parse()?;
    Ok(format!("/tenants/{tenant}/events"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
