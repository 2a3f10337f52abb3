//! `sbd mail templates`: what mails say, by command.

use crate::cli::{MailTemplate, MailTemplateSet, MailTemplatesCommand, TenantName};
use crate::client::Client;
use anyhow::{Context as _, bail};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(
    command: MailTemplatesCommand,
    client: &Client<'_>,
) -> anyhow::Result<()> {
    match command {
        MailTemplatesCommand::List(args) => list(&args, client).await,
        MailTemplatesCommand::Show(args) => show(&args, client).await,
        MailTemplatesCommand::Set(args) => set(&args, client).await,
        MailTemplatesCommand::Remove(args) => {
            client.ask(Method::DELETE, &path(&args)?, None).await?;
            println!(
                "{} says in {} what its component says again.",
                args.template, args.language
            );
            Ok(())
        }
    }
}

async fn list(args: &TenantName, client: &Client<'_>) -> anyhow::Result<()> {
    println!("{:<40} {:<10} SUBJECT", "TEMPLATE", "LANGUAGE");
    for template in all(&args.name, client).await? {
        let text = |field: &str| template[field].as_str().unwrap_or_default();
        let name = format!("{}/{}", text("component"), text("template"));
        println!("{name:<40} {:<10} {}", text("language"), text("subject"));
    }
    Ok(())
}

/// Prints it as `set` takes it.
async fn show(args: &MailTemplate, client: &Client<'_>) -> anyhow::Result<()> {
    let (component, name) = parts(&args.template)?;
    let all = all(&args.tenant, client).await?;
    let is_it = |template: &&Value| {
        template["component"] == component
            && template["template"] == name
            && template["language"] == *args.language
    };
    let Some(template) = all.iter().find(is_it) else {
        bail!(
            "there is no such template; `sbd mail templates list {}` has those there are",
            args.tenant
        );
    };
    let mut shown = toml::Table::new();
    for field in ["subject", "text", "html"] {
        if let Some(text) = template[field].as_str() {
            shown.insert(field.to_owned(), text.into());
        }
    }
    print!("{}", toml::to_string_pretty(&shown)?);
    Ok(())
}

async fn set(args: &MailTemplateSet, client: &Client<'_>) -> anyhow::Result<()> {
    let file = args.file.display();
    let content = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {file}; name a file that can be read"))?;
    let content: toml::Table = content.parse().with_context(|| format!("{file}"))?;
    let content = json!(content);
    client
        .ask(Method::PUT, &path(&args.which)?, Some(content))
        .await?;
    println!(
        "{} says in {} what {file} says, from the next mail on.",
        args.which.template, args.which.language
    );
    Ok(())
}

async fn all(tenant: &str, client: &Client<'_>) -> anyhow::Result<Vec<Value>> {
    let listed = client.ask(Method::GET, &templates(tenant)?, None).await?;
    Ok(listed.as_array().cloned().unwrap_or_default())
}

fn path(which: &MailTemplate) -> anyhow::Result<String> {
    let (component, name) = parts(&which.template)?;
    let parts = [component, name, &which.language];
    let parts = parts.map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    Ok(format!("{}/{}", templates(&which.tenant)?, parts.join("/")))
}

fn templates(tenant: &str) -> anyhow::Result<String> {
    let tenant: sbd_registry::TenantName = tenant.parse()?;
    Ok(format!("/tenants/{tenant}/mail/templates"))
}

/// Component and name of a template.
fn parts(template: &str) -> anyhow::Result<(&str, &str)> {
    let parts = template.split_once('/');
    parts.with_context(|| {
        format!("`{template}` is no template; write its component and its name, like `notifications/notice`")
    })
}
