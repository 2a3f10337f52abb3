//! Making administrators. The rules are the auth component's; here is only the way to it.

use crate::application::{Application, make_data_dir};
use crate::cli::AdminCreate;
use crate::control::{self, Lock};
use crate::settings::{Environment, Settings};
use anyhow::{Context as _, bail};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use sbd_runtime::{Call, Runtime, body};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{BufRead as _, IsTerminal as _};

/// The tenant that commands act on when none is named.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// What the auth component needs to know.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewAdministrator {
    pub(crate) email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    pub(crate) password: String,
}

impl fmt::Debug for NewAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAdministrator")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// `sbd admin create`: through the running server, or on the directory itself when none runs.
///
/// # Errors
/// What is wrong with the account or the directory.
pub(crate) async fn command(
    create_args: AdminCreate,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<()> {
    let data_dir = settings.data_dir();
    let new = NewAdministrator {
        password: password(&create_args, settings)?,
        email: create_args.email,
        username: create_args.username,
    };
    let message =
        match control::send(&data_dir, "/administrators", serde_json::to_vec(&new)?).await? {
            Some(message) => message,
            None => {
                make_data_dir(&data_dir)?;
                let _lock = Lock::take(&data_dir)?;
                let runtime = Application::read(settings, environment)?
                    .start(settings, &data_dir)
                    .await?;
                create(&runtime, &new).await?
            }
        };
    println!("{message}");
    Ok(())
}

/// The administrator that the settings ask for at start, if any.
///
/// # Errors
/// When it cannot be made.
pub(crate) async fn from_settings(settings: &Settings, runtime: &Runtime) -> anyhow::Result<()> {
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
    };
    let message = create(runtime, &new).await?;
    tracing::info!("{message}");
    Ok(())
}

/// Asks the auth component.
///
/// # Errors
/// Its refusal, in words.
pub(crate) async fn create(runtime: &Runtime, new: &NewAdministrator) -> anyhow::Result<String> {
    let Some(auth) = runtime.app().settings.auth.as_deref() else {
        bail!(
            "this application has no auth component; name one in spin.toml: [application.tool.sbd] auth = \"NAME\""
        );
    };
    let call = Call {
        tenant: DEFAULT_TENANT.into(),
        component: auth.into(),
        request_id: "req_administrator".into(),
        caller: None,
    };
    let request = Request::post("/-/administrators")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body::full(serde_json::to_vec(new)?))?;
    let response = runtime
        .invoke(call, request)
        .await
        .context("the auth component did not answer")?;
    let status = response.status();
    let answer = response
        .into_body()
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?
        .to_bytes();
    match status {
        StatusCode::CREATED => Ok(format!("{} is now an administrator.", new.email)),
        StatusCode::OK => Ok(format!(
            "{} existed and is now an administrator; the password is unchanged.",
            new.email
        )),
        StatusCode::NOT_FOUND => {
            bail!("component `{auth}` cannot make administrators: it has no POST /-/administrators")
        }
        _ => bail!("{}", refusal(&answer)),
    }
}

/// The sentences in a standard error body.
fn refusal(answer: &[u8]) -> String {
    let error: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = error
        .pointer("/error/message")
        .and_then(|message| message.as_str());
    let mut text = message.unwrap_or("the auth component refused").to_owned();
    for detail in error
        .pointer("/error/details")
        .and_then(|details| details.as_array())
        .into_iter()
        .flatten()
    {
        let part = |name: &str| {
            detail
                .get(name)
                .and_then(|part| part.as_str())
                .unwrap_or_default()
        };
        text.push_str(&format!("\n  {}: {}", part("field"), part("message")));
    }
    text
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
