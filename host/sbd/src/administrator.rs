//! Making administrators by command and by settings.

use crate::cli::AdminCreate;
use crate::client::Client;
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use http::Method;
use sbd_admin::{Actor, Admin, NewAdministrator};
use sbd_registry::{DEFAULT_TENANT, TenantName};
use std::io::{BufRead as _, IsTerminal as _};

/// `sbd admin create`.
///
/// # Errors
/// What is wrong with the account or the directory.
pub(crate) async fn command(
    create: AdminCreate,
    settings: &Settings,
    client: &Client<'_>,
) -> anyhow::Result<()> {
    let new = NewAdministrator {
        password: password(&create, settings)?,
        email: create.email,
        username: create.username,
        from_anywhere: create.from_anywhere,
    };
    let tenant: TenantName = create.tenant.parse()?;
    let path = format!("/tenants/{tenant}/administrators");
    let body = serde_json::to_value(&new)?;
    let made = client.ask(Method::POST, &path, Some(body)).await?;
    println!("{}", made["message"].as_str().unwrap_or_default());
    Ok(())
}

/// The administrator that the settings ask for at start, if any.
///
/// # Errors
/// When it cannot be made.
pub(crate) async fn from_settings(settings: &Settings, admin: &Admin) -> anyhow::Result<()> {
    let email = settings.text("admin_email");
    if email.is_empty() {
        return Ok(());
    }
    let password = settings.text("admin_password");
    if password.is_empty() {
        bail!(
            "SBD_ADMIN_EMAIL is set without a password; set SBD_ADMIN_PASSWORD or SBD_ADMIN_PASSWORD_FILE too"
        );
    }
    let username = settings.text("admin_username");
    let new = NewAdministrator {
        email: email.to_owned(),
        username: (!username.is_empty()).then(|| username.to_owned()),
        password: password.to_owned(),
        from_anywhere: false,
    };
    let created = admin.create_administrator(&Actor::Owner, DEFAULT_TENANT, &new);
    let message = created.await?;
    tracing::info!("{message}");
    Ok(())
}

fn password(create_args: &AdminCreate, settings: &Settings) -> anyhow::Result<String> {
    if let Some(path) = &create_args.password_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    let given = settings.text("admin_password");
    if !given.is_empty() {
        return Ok(given.to_owned());
    }
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            bail!(
                "no password: give one on standard input, with --password-file, or in SBD_ADMIN_PASSWORD"
            );
        }
        return Ok(line.to_owned());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? != password {
        bail!("the two passwords differ; nothing was done");
    }
    Ok(password)
}
