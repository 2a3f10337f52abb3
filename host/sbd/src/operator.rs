//! `sbd operator`: who may use the admin API from elsewhere.

use crate::cli::{OperatorCommand, OperatorCreate, OperatorName};
use crate::client::Client;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: OperatorCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create(args) => create(&args, client).await,
        OperatorCommand::List(_) => list(client).await,
        OperatorCommand::Revoke(OperatorName { name, .. }) => {
            let path = format!(
                "/operators/{}",
                utf8_percent_encode(&name, NON_ALPHANUMERIC)
            );
            client.ask(Method::DELETE, &path, None).await?;
            println!("the token of {name} is refused from now on.");
            Ok(())
        }
    }
}

/// The token alone goes to standard output, so that it can be piped where it belongs.
async fn create(args: &OperatorCreate, client: &Client<'_>) -> anyhow::Result<()> {
    let end = args.days.map(|days| {
        let end = Timestamp::now().checked_add(SignedDuration::from_hours(24 * i64::from(days)));
        end.map(|end| end.to_string())
    });
    let body = json!({"name": args.name, "expires_at": end.transpose()?});
    let made = client.ask(Method::POST, "/operators", Some(body)).await?;
    eprintln!(
        "operator {} is there. This is its token, shown once; use it as SBD_ADMIN_TOKEN:",
        args.name
    );
    println!("{}", text(&made, "token"));
    Ok(())
}

async fn list(client: &Client<'_>) -> anyhow::Result<()> {
    let operators = client.ask(Method::GET, "/operators", None).await?;
    println!(
        "{:<32} {:<26} {:<26} LAST USED",
        "NAME", "CREATED", "EXPIRES"
    );
    for operator in operators.as_array().into_iter().flatten() {
        println!(
            "{:<32} {:<26} {:<26} {}",
            text(operator, "name"),
            text(operator, "created_at"),
            operator["expires_at"].as_str().unwrap_or("never"),
            operator["last_used"].as_str().unwrap_or("never")
        );
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
