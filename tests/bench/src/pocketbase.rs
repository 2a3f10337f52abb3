//! PocketBase as it is got from PyPI, with accounts to sign in to.

use crate::load::{self, Shot};
use crate::process::{self, Process};
use crate::sbd::{PASSWORD, text};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USERS: &str = "/api/collections/users";
const ADMINISTRATOR: &str = "root@example.com";

/// A running PocketBase, killed when dropped.
pub(crate) struct PocketBase {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// The program, where it was got; else why it is not there.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let peers = process::build_folder()?.join("../peers");
    if let Ok(missing) = std::fs::read_to_string(peers.join("pocketbase.missing")) {
        bail!("there is no PocketBase here ({})", missing.trim());
    }
    let program = peers.join("pocketbase/bin/pocketbase");
    match program.exists() {
        true => Ok(program),
        false => bail!("PocketBase was not got; `cargo xtask bench` gets it"),
    }
}

// === impl PocketBase ===

impl PocketBase {
    /// Serves from this folder, to so many users.
    pub(crate) fn start(program: &Path, folder: &Path, users: usize) -> anyhow::Result<Self> {
        let folder = folder.to_str().context("the folder's name is not UTF-8")?;
        let dirs = ["--dir", folder, "--migrationsDir", &format!("{folder}/m")];
        let made = Command::new(program)
            .args(["superuser", "upsert", ADMINISTRATOR, PASSWORD])
            .args(dirs)
            .output()?;
        if !made.status.success() {
            bail!("{}", String::from_utf8_lossy(&made.stderr));
        }
        let address = process::free_address()?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--http", &address.to_string()])
            .args(dirs);
        command.stdout(Stdio::null());
        let mut process = Process::start(&mut command, Path::new(folder).join("log"))?;
        process.wait_for(address, "/api/health", "")?;
        let server = Self { process, address };
        server.mail_nobody()?;
        for number in 0..users {
            let user =
                json!({"email": email(number), "password": PASSWORD, "passwordConfirm": PASSWORD});
            let new = Shot::post(format!("{USERS}/records"), &user).expecting(200);
            load::once(address, &new)?;
        }
        Ok(server)
    }

    /// It would mail each user that they signed in elsewhere, each time: there is no mail server here.
    fn mail_nobody(&self) -> anyhow::Result<()> {
        let secret = json!({"identity": ADMINISTRATOR, "password": PASSWORD});
        let path = "/api/collections/_superusers/auth-with-password";
        let signed_in = load::once(self.address, &Shot::post(path, &secret).expecting(200))?;
        let quiet = Shot {
            method: "PATCH".to_owned(),
            ..Shot::post(USERS, &json!({"authAlert": {"enabled": false}})).expecting(200)
        };
        let quiet = quiet.header("authorization", text(&signed_in, "token")?);
        load::once(self.address, &quiet).map(drop)
    }

    /// The first refresh of a user who signs in now.
    pub(crate) fn first_refresh(&self, number: usize) -> anyhow::Result<Shot> {
        refresh(&load::once(self.address, &login(number))?)
    }
}

/// The request that signs a user in.
pub(crate) fn login(number: usize) -> Shot {
    let secret = json!({"identity": email(number), "password": PASSWORD});
    Shot::post(format!("{USERS}/auth-with-password"), &secret).expecting(200)
}

/// The request that renews the token in this answer.
pub(crate) fn refresh(answer: &[u8]) -> anyhow::Result<Shot> {
    let refresh = Shot::post(format!("{USERS}/auth-refresh"), &json!({})).expecting(200);
    Ok(refresh.header("authorization", text(answer, "token")?))
}

fn email(number: usize) -> String {
    format!("bench{number}@example.com")
}
