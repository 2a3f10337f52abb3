//! `sbd feature`: switches by command.

use crate::cli::{FeatureCommand, FeatureSet, FeatureState};
use crate::client::Client;
use anyhow::bail;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_registry::TenantName;
use serde_json::{Value, json};

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: FeatureCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        FeatureCommand::List(args) => list(&args.tenant, client).await,
        FeatureCommand::Set(args) => set(&args, client).await,
    }
}

async fn list(tenant: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let features = client.ask(Method::GET, &path(tenant)?, None).await?;
    println!(
        "{:<32} {:<24} {:<8} DESCRIPTION",
        "FEATURE", "STATE", "DEFAULT"
    );
    for feature in features.as_array().into_iter().flatten() {
        let default = if feature["default"] == true {
            "on"
        } else {
            "off"
        };
        println!(
            "{:<32} {:<24} {default:<8} {}",
            text(feature, "name"),
            state(feature),
            text(feature, "description")
        );
    }
    Ok(())
}

async fn set(args: &FeatureSet, client: &Client<'_>) -> anyhow::Result<()> {
    let feature = utf8_percent_encode(&args.feature, NON_ALPHANUMERIC);
    let path = format!("{}/{feature}", path(&args.tenant)?);
    let partly = args.percent.is_some() || !args.users.is_empty();
    let feature = match args.state {
        FeatureState::On if partly => {
            let percentage = args.percent.unwrap_or(0);
            let switch = json!({"state": "rollout", "percentage": percentage, "users": args.users});
            client.ask(Method::PUT, &path, Some(switch)).await?
        }
        _ if partly => bail!("--percent and --user say for whom it is on; they go with `on`"),
        FeatureState::On => {
            client
                .ask(Method::PUT, &path, Some(json!({"state": "on"})))
                .await?
        }
        FeatureState::Off => {
            client
                .ask(Method::PUT, &path, Some(json!({"state": "off"})))
                .await?
        }
        FeatureState::Default => client.ask(Method::DELETE, &path, None).await?,
    };
    let (name, state) = (text(&feature, "name"), state(&feature));
    println!("{name} is {state} in {} now.", args.tenant);
    let decided_on = matches!(args.state, FeatureState::On);
    if decided_on && feature["state"] == "off" {
        println!("Its component is switched off there; nothing of it is served.");
    }
    Ok(())
}

/// `on`, `off`, or for whom.
fn state(feature: &Value) -> String {
    let switch = &feature["switch"];
    if feature["state"] != "depends" || switch["state"] != "rollout" {
        return text(feature, "state").to_owned();
    }
    let users = switch["users"].as_array().map_or(0, Vec::len);
    match (switch["percentage"].as_u64().unwrap_or(0), users) {
        (percentage, 0) => format!("on for {percentage} %"),
        (0, users) => format!("on for {users} named"),
        (percentage, users) => format!("on for {percentage} % + {users} named"),
    }
}

fn path(tenant: &str) -> anyhow::Result<String> {
    let tenant: TenantName = tenant.parse()?;
    Ok(format!("/tenants/{tenant}/features"))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
