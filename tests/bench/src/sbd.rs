//! A running `sbd` as it ships, and users that have a family each.

use crate::load::{self, Shot};
use crate::process::{self, Process};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const UNLIMITED: &str = "[application.tool.sbd]
rate_limit = { per_second = 1000000, burst = 1000000 }";

/// Users of a server under load.
pub(crate) const USERS: usize = 32;

pub(crate) const PASSWORD: &str = "Correct-horse-7";

/// A running `sbd up`, killed when dropped.
pub(crate) struct Sbd {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    /// From the process' start to its first answer on `/healthz`.
    pub(crate) started_in: Duration,
}

/// A path below the API and the header that opens it.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) path: String,
    pub(crate) authorization: String,
}

// === impl Sbd ===

impl Sbd {
    /// Serves the application in the binary from this data directory, as nobody configured it.
    pub(crate) fn start(data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(data_dir, &[])
    }

    /// Serves the same application with a rate limit that no load of ours reaches.
    pub(crate) fn start_for_load(data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_changed(data_dir, |manifest| manifest)
    }

    /// The same with another change to its manifest.
    pub(crate) fn start_changed(
        data_dir: &Path,
        change: impl FnOnce(String) -> String,
    ) -> anyhow::Result<Self> {
        let bundle = process::build_folder()?.join("../bundle").canonicalize()?;
        let manifest = std::fs::read_to_string(bundle.join("spin.toml"))?
            .replace(
                "target/wasm32-wasip2/guest",
                bundle
                    .to_str()
                    .context("the build folder's name is not UTF-8")?,
            )
            .replace("[application.tool.sbd]", UNLIMITED);
        let path = data_dir.with_extension("toml");
        std::fs::write(&path, change(manifest))?;
        let path = path.to_str().context("the folder's name is not UTF-8")?;
        Self::start_with(data_dir, &["--app", path])
    }

    /// Serves another application.
    pub(crate) fn start_app(data_dir: &Path, manifest: &Path) -> anyhow::Result<Self> {
        let manifest = manifest
            .to_str()
            .context("the folder's name is not UTF-8")?;
        Self::start_with(data_dir, &["--app", manifest])
    }

    fn start_with(data_dir: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let (address, admin) = (process::free_address()?, process::free_address()?);
        let mut command = Command::new(process::build_folder()?.join("sbd"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SBD_"))
        {
            command.env_remove(name);
        }
        command.arg("up").args(flags).args([
            "--listen",
            &address.to_string(),
            "--admin-listen",
            &admin.to_string(),
            "--data-dir",
        ]);
        command.arg(data_dir).stdout(Stdio::null());
        let mut process = Process::start(&mut command, data_dir.with_extension("log"))?;
        let started_in = process
            .wait_for(address, "/healthz", "")
            .context("sbd does not start")?;
        Ok(Self {
            process,
            address,
            admin,
            started_in,
        })
    }

    /// Asks the admin API on the socket in a data directory, as its commands do; the answer's JSON.
    pub(crate) fn administer(
        data_dir: &Path,
        request: &str,
        content_type: &str,
        body: &[u8],
    ) -> anyhow::Result<Value> {
        let mut stream = UnixStream::connect(data_dir.join("sbd.sock"))?;
        let (method, path) = request.split_once(' ').context("no method")?;
        write!(
            stream,
            "{method} /admin/api/v1{path} HTTP/1.1\r\nhost: sbd\r\nconnection: close\r\n\
             content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        if !head.starts_with("HTTP/1.1 2") {
            bail!("`{request}` is answered {body}");
        }
        Ok(serde_json::from_str(body)?)
    }

    /// The sum of a metric's series whose labels contain `label`; 0 if there is none.
    pub(crate) fn metric(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        let metrics = load::once(self.admin, &Shot::get("/metrics"))?;
        let metrics = String::from_utf8_lossy(&metrics);
        let lines = metrics.lines();
        let lines = lines.filter(|line| line.starts_with(name) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Makes so many users and lets each create a family.
    pub(crate) fn families(&self, users: usize) -> anyhow::Result<Vec<Family>> {
        (0..users)
            .map(|number| self.family(&format!("bench{number}")))
            .collect()
    }

    /// Makes a user; what opens their requests.
    pub(crate) fn user(&self, name: &str) -> anyhow::Result<String> {
        let user =
            json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        load::once(self.address, &Shot::post("/api/v1/auth/register", &user))?;
        self.login(name)
    }

    fn login(&self, identifier: &str) -> anyhow::Result<String> {
        let tokens = load::once(self.address, &login(identifier))?;
        Ok(format!("Bearer {}", text(&tokens, "access_token")?))
    }

    /// Makes an administrator; what opens their requests.
    pub(crate) fn administrator(&self, data_dir: &Path) -> anyhow::Result<String> {
        let email = "root@example.com";
        let new = json!({"email": email, "password": PASSWORD});
        let path = "POST /tenants/default/administrators";
        Self::administer(
            data_dir,
            path,
            "application/json",
            new.to_string().as_bytes(),
        )?;
        self.login(email)
    }

    fn family(&self, name: &str) -> anyhow::Result<Family> {
        let authorization = self.user(name)?;
        let create = create().header("authorization", &authorization);
        let path = created(self.address, &create)?;
        Ok(Family {
            path,
            authorization,
        })
    }
}

// === impl Family ===

impl Family {
    /// The request that reads it.
    pub(crate) fn shot(&self) -> Shot {
        Shot::get(&self.path).header("authorization", &self.authorization)
    }
}

/// The requests that read them.
pub(crate) fn shots(families: &[Family]) -> Arc<[Shot]> {
    families.iter().map(Family::shot).collect()
}

/// The request that signs a user in.
pub(crate) fn login(identifier: &str) -> Shot {
    let secret = json!({"identifier": identifier, "password": PASSWORD});
    Shot::post("/api/v1/auth/login", &secret).expecting(200)
}

/// The request that creates a family, without saying for whom.
pub(crate) fn create() -> Shot {
    Shot::post(
        "/api/v1/families",
        &json!({"name": "The Lovelaces", "description": "of London"}),
    )
}

/// Sends it and gives the new family's path.
pub(crate) fn created(address: SocketAddr, create: &Shot) -> anyhow::Result<String> {
    let answer = load::once(address, create)?;
    Ok(format!("/api/v1/families/{}", text(&answer, "id")?))
}

pub(crate) fn text(body: &[u8], field: &str) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(body)?;
    let text = body.get(field).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("no `{field}` in {body}"))?
        .to_owned())
}
