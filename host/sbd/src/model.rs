//! `sbd model`: language models by command.

use crate::cli::{ModelAdd, ModelCommand, ModelDefault};
use crate::client::Client;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_registry::TenantName;
use serde_json::{Value, json};
use std::io::IsTerminal as _;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: ModelCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        ModelCommand::List(args) => list(&args.tenant, client).await,
        ModelCommand::Pull(args) => match args.name {
            Some(name) => pull(&name, client).await,
            None => available(client).await,
        },
        ModelCommand::Add(args) => add(&args, client).await,
        ModelCommand::Remove(args) => remove(&args.name, client).await,
        ModelCommand::Default(args) => set_default(&args, client).await,
        ModelCommand::Test(args) => test(&args.name, client).await,
    }
}

async fn list(tenant: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let tenant: TenantName = tenant.parse()?;
    let listed = client
        .ask(Method::GET, &format!("/models?tenant={tenant}"), None)
        .await?;
    println!(
        "{:<40} {:<10} {:<8} {:>8} {:>6} {:>9} LOADED",
        "MODEL", "KIND", "DEFAULT", "CONTEXT", "SIZE", "BACKEND"
    );
    for model in listed["models"].as_array().into_iter().flatten() {
        let number = |field: &str| {
            model[field]
                .as_u64()
                .map_or("-".to_owned(), |it| it.to_string())
        };
        let default = if model["is_default"] == true {
            "yes"
        } else {
            ""
        };
        let loaded = match (model["is_loaded"].as_bool(), model["memory"].as_u64()) {
            (Some(true), Some(bytes)) => format!("{} MiB", bytes >> 20),
            (Some(true), None) => "yes".to_owned(),
            (Some(false), _) => "no".to_owned(),
            (None, _) => "-".to_owned(),
        };
        println!(
            "{:<40} {:<10} {default:<8} {:>8} {:>6} {:>9} {loaded}",
            text(model, "name"),
            text(model, "kind"),
            number("context"),
            number("dimensions"),
            text(model, "backend"),
        );
    }
    for failing in listed["failing"].as_array().into_iter().flatten() {
        let (backend, reason) = (text(failing, "backend"), text(failing, "reason"));
        eprintln!("{backend} does not say which models it has: {reason}");
    }
    Ok(())
}

async fn available(client: &Client<'_>) -> anyhow::Result<()> {
    let listed = client.ask(Method::GET, "/models", None).await?;
    println!(
        "{:<24} {:<10} {:>9} {:<12} ABOUT",
        "MODEL", "KIND", "SIZE", "LICENCE"
    );
    for model in listed["available"].as_array().into_iter().flatten() {
        let megabytes = model["bytes"].as_u64().unwrap_or_default() / 1_000_000;
        println!(
            "{:<24} {:<10} {:>9} {:<12} {}",
            text(model, "name"),
            text(model, "kind"),
            format!("{megabytes} MB"),
            text(model, "licence"),
            text(model, "about")
        );
    }
    Ok(())
}

async fn pull(name: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let path = format!(
        "/models/{}/pull",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    );
    let is_terminal = std::io::stderr().is_terminal();
    let mut said = String::new();
    let mut last = None;
    let show = |step: Value| {
        if let Some(error) = step["error"].as_str() {
            last = Some(error.to_owned());
            return;
        }
        let megabytes = |field: &str| step[field].as_u64().unwrap_or_default() / 1_000_000;
        let (doing, done, total) = (text(&step, "step"), megabytes("done"), megabytes("total"));
        // A line that is written over on a terminal; elsewhere one line a step.
        if is_terminal {
            eprint!("\r\x1b[K{doing}: {done} of {total} MB");
        } else if said != doing {
            eprintln!("{doing} ({total} MB in all)");
        }
        doing.clone_into(&mut said);
    };
    let followed = client.follow(Method::POST, &path, show).await;
    if is_terminal {
        eprintln!();
    }
    followed?;
    match last {
        Some(error) => anyhow::bail!("{error}"),
        None if said != "done" => {
            anyhow::bail!("it broke off; the same command goes on from there")
        }
        None => {
            println!("{name} is there; `sbd model test {name}` tries it.");
            Ok(())
        }
    }
}

async fn add(args: &ModelAdd, client: &Client<'_>) -> anyhow::Result<()> {
    let file = std::path::absolute(&args.file)?;
    let wanted = json!({"file": file, "name": args.name});
    let added = client.ask(Method::POST, "/models", Some(wanted)).await?;
    let name = text(&added, "name");
    println!("{name} is there; `sbd model test {name}` tries it.");
    Ok(())
}

async fn remove(name: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let path = format!("/models/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    client.ask(Method::DELETE, &path, None).await?;
    println!("{name} is removed.");
    Ok(())
}

async fn set_default(args: &ModelDefault, client: &Client<'_>) -> anyhow::Result<()> {
    let mut wanted = json!({"model": args.name});
    if let Some(tenant) = &args.tenant {
        let tenant: TenantName = tenant.parse()?;
        wanted["tenant"] = json!(tenant.to_string());
    }
    let model = client
        .ask(Method::PUT, "/models/default", Some(wanted))
        .await?;
    let what = match text(&model, "kind") {
        "embedding" => "makes vectors",
        _ => "answers",
    };
    let place = match &args.tenant {
        Some(tenant) => format!("in {tenant}"),
        None => "wherever a tenant has no default of its own".to_owned(),
    };
    println!(
        "{} {what} {place} when none is named, from the next call on.",
        text(&model, "name")
    );
    Ok(())
}

async fn test(name: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let tested = client
        .ask(Method::POST, &format!("/models/{name}/test"), None)
        .await?;
    let number = |field: &str| tested[field].as_u64().unwrap_or_default();
    match tested["dimensions"].as_u64() {
        Some(dimensions) => println!("a vector of {dimensions} numbers"),
        None => println!("{}", text(&tested, "answer")),
    }
    println!(
        "{} ms to the first piece, {} ms in all, {} tokens asked, {} answered",
        number("first_ms"),
        number("total_ms"),
        number("prompt"),
        number("completion")
    );
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
