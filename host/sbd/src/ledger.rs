//! `sbd ledger`: what a component that keeps books says of them.

use crate::cli::{LedgerCommand, LedgerVerify};
use crate::client::Client;
use anyhow::bail;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_registry::TenantName;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words; when the books are wrong.
pub(crate) async fn command(command: LedgerCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        LedgerCommand::Verify(args) => verify(&args, client).await,
    }
}

async fn verify(args: &LedgerVerify, client: &Client<'_>) -> anyhow::Result<()> {
    let tenant: TenantName = args.tenant.parse()?;
    let component = utf8_percent_encode(&args.component, NON_ALPHANUMERIC);
    let path = format!("/tenants/{tenant}/components/{component}/verification");
    let verdict = client.ask(Method::GET, &path, None).await?;
    println!("{:#}", verdict["found"]);
    if verdict["sound"] == true {
        println!("the books of {tenant} are right.");
        return Ok(());
    }
    bail!("the books of {tenant} are wrong; what is above differs from what their entries make")
}
