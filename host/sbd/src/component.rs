//! `sbd component` and `sbd reload`: another version while the server runs.

use crate::cli::{ComponentCommand, ComponentDeploy, ComponentName};
use crate::client::Client;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use sbd_admin::LARGEST_COMPONENT;
use sbd_manifest::{App, ComponentId, LoadOptions};
use serde_json::{Value, json};
use std::path::Path;

/// Does what the command says and prints what became of it.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn command(command: ComponentCommand, client: &Client<'_>) -> anyhow::Result<()> {
    match command {
        ComponentCommand::List(_) => list(client).await,
        ComponentCommand::Inspect(args) => crate::inspect::command(&args.path),
        ComponentCommand::Deploy(args) => deploy(&args, client).await,
        ComponentCommand::Versions(ComponentName { name, .. }) => versions(&name, client).await,
        ComponentCommand::Rollback(args) => {
            let path = format!("{}/rollback", path(&args.name)?);
            let body = json!({"to": args.to});
            let now = client.ask(Method::POST, &path, Some(body)).await?;
            match now["version"].as_u64() {
                Some(number) => println!("{} is served in version {number} again.", args.name),
                None => println!(
                    "{} is served as the application brings it along.",
                    args.name
                ),
            }
            Ok(())
        }
        ComponentCommand::Withdraw(ComponentName { name, .. }) => {
            let path = format!("{}/withdraw", path(&name)?);
            client.ask(Method::POST, &path, None).await?;
            println!("what was deployed as {name} is not served any more.");
            Ok(())
        }
    }
}

/// Serves what the manifest says now.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn reload(client: &Client<'_>) -> anyhow::Result<()> {
    let changes = client.ask(Method::POST, "/reload", None).await?;
    let mut some = false;
    for what in ["added", "changed", "removed"] {
        for name in changes[what].as_array().into_iter().flatten() {
            println!("{what}: {}", name.as_str().unwrap_or_default());
            some = true;
        }
    }
    if !some {
        println!("no component is different.");
    }
    Ok(())
}

async fn list(client: &Client<'_>) -> anyhow::Result<()> {
    let components = client.ask(Method::GET, "/components", None).await?;
    println!("{:<24} {:<9} {:<14} GRANTS", "NAME", "VERSION", "SHA256");
    for component in components.as_array().into_iter().flatten() {
        let version = component["version"].as_u64();
        let version = version.map_or_else(|| "own".to_owned(), |number| number.to_string());
        let grants: Vec<&str> = component["grants"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        println!(
            "{:<24} {version:<9} {:<14} {}",
            text(component, "name"),
            short(text(component, "sha256")),
            grants.join(", ")
        );
    }
    Ok(())
}

async fn versions(name: &str, client: &Client<'_>) -> anyhow::Result<()> {
    let path = format!("{}/versions", path(name)?);
    let versions = client.ask(Method::GET, &path, None).await?;
    println!(
        "{:<8} {:<12} {:<14} {:<26} {:<24} NOTE",
        "VERSION", "STATE", "SHA256", "DEPLOYED", "BY"
    );
    for version in versions.as_array().into_iter().flatten() {
        println!(
            "{:<8} {:<12} {:<14} {:<26} {:<24} {}",
            version["number"].to_string(),
            text(version, "state"),
            short(text(version, "sha256")),
            text(version, "deployed_at"),
            text(version, "deployed_by"),
            text(version, "note")
        );
    }
    Ok(())
}

async fn deploy(args: &ComponentDeploy, client: &Client<'_>) -> anyhow::Result<()> {
    let Found { wasm, manifest } = find(&args.name, &args.path)?;
    let mut form = Form::new();
    form.add("note", args.note.as_bytes());
    form.add("grant", args.grant.to_string().as_bytes());
    if let Some(requests) = args.gate {
        form.add("gate_requests", requests.to_string().as_bytes());
        form.add("gate_percent", args.gate_percent.to_string().as_bytes());
    }
    if let Some(manifest) = manifest {
        form.add("manifest", manifest.as_bytes());
    }
    form.add("wasm", &wasm);
    let path = format!("{}/versions", path(&args.name)?);
    let (content_type, body) = form.finish();
    let deployed = client
        .send(Method::POST, &path, &content_type, body)
        .await?;
    println!(
        "{} is served in version {} now (switched in {:.1} ms).",
        args.name,
        deployed["number"],
        deployed["switched_in_ms"].as_f64().unwrap_or_default()
    );
    for difference in deployed["differences"].as_array().into_iter().flatten() {
        println!("  {}", difference.as_str().unwrap_or_default());
    }
    Ok(())
}

/// What is to be deployed.
struct Found {
    wasm: Vec<u8>,
    manifest: Option<String>,
}

fn find(name: &str, path: &Path) -> anyhow::Result<Found> {
    let there = std::fs::metadata(path);
    let there = there.with_context(|| format!("cannot read {}", path.display()))?;
    if !there.is_dir() {
        return Ok(Found {
            wasm: read(path)?,
            manifest: None,
        });
    }
    let manifest = path.join("spin.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| {
        format!(
            "cannot read {}; a component is deployed with its manifest, or as a .wasm file",
            manifest.display()
        )
    })?;
    let app = App::load(&manifest, &LoadOptions::default())?.app;
    let Some(component) = app.components.get(name) else {
        let there: Vec<&str> = app.components.keys().map(ComponentId::as_str).collect();
        bail!(
            "{} declares no component `{name}`, but {}",
            manifest.display(),
            there.join(", ")
        );
    };
    Ok(Found {
        wasm: read(&component.source)?,
        manifest: Some(text),
    })
}

/// Looks at the size first: nobody waits for two gigabytes to hear that they are too many.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || {
        format!(
            "cannot read the component {}; build it first",
            path.display()
        )
    };
    let bytes = std::fs::metadata(path).with_context(cannot)?.len();
    if bytes > LARGEST_COMPONENT as u64 {
        bail!(
            "{} has {bytes} bytes; a component may have {LARGEST_COMPONENT}. Build it with optimisation, and strip it: wasm-tools strip",
            path.display()
        );
    }
    std::fs::read(path).with_context(cannot)
}

/// A body of `multipart/form-data`.
struct Form {
    boundary: String,
    body: Vec<u8>,
}

// === impl Form ===

impl Form {
    fn new() -> Self {
        Self {
            boundary: format!("sbd-{}", uuid::Uuid::new_v4().simple()),
            body: Vec::new(),
        }
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        let head = format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n",
            self.boundary
        );
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
    }

    fn finish(mut self) -> (String, Bytes) {
        let end = format!("--{}--\r\n", self.boundary);
        self.body.extend_from_slice(end.as_bytes());
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        (content_type, self.body.into())
    }
}

/// A component's path in the API; refuses what could lead elsewhere.
fn path(name: &str) -> anyhow::Result<String> {
    let id = ComponentId::new(name).map_err(anyhow::Error::msg)?;
    Ok(format!("/components/{id}"))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
