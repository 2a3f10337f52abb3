//! `sbd component inspect`: what a component is before anybody runs it.

use crate::component::read;
use anyhow::Context as _;
use sbd_manifest::{App, Limits, LoadOptions};
use sbd_runtime::{Inspection, Target};
use std::path::Path;

/// Prints the inspection of a file, or of every component of a folder's manifest.
///
/// # Errors
/// When it cannot be read, or is no component.
pub(crate) fn command(path: &Path) -> anyhow::Result<()> {
    let there = std::fs::metadata(path);
    let there = there.with_context(|| format!("cannot read {}", path.display()))?;
    if !there.is_dir() {
        return print(path);
    }
    let app = App::load(&path.join("spin.toml"), &LoadOptions::default())?.app;
    for component in app.components.values() {
        print(&component.source)?;
    }
    Ok(())
}

fn print(path: &Path) -> anyhow::Result<()> {
    let inspection = Inspection::read(&read(path)?).with_context(|| path.display().to_string())?;
    println!("{}  {} bytes", path.display(), inspection.bytes);
    println!("offers");
    for export in &inspection.exports {
        println!("  {export}");
    }
    if inspection.handlers().next().is_none() {
        println!("  no HTTP handler, so nothing can call it");
    }
    let permissions = inspection.permissions();
    for (heading, is_needed) in [
        ("wants, and must be granted", true),
        ("would like, and is denied where it is not granted", false),
    ] {
        println!("{heading}");
        let mut none = true;
        for permission in &permissions {
            if permission.is_needed == is_needed {
                println!("  {:<24} it {}", permission.grant, permission.meaning);
                none = false;
            }
        }
        if none {
            println!("  nothing");
        }
    }
    println!("one instance answers");
    println!("  {}", inspection.reuse(&Limits::default()));
    println!("imports");
    for import in &inspection.imports {
        println!("  {import}");
    }
    for (import, instead) in inspection.refused() {
        println!("refused when it calls {import}: {instead}");
    }
    let unknown: Vec<&str> = inspection.unknown().collect();
    if !unknown.is_empty() {
        println!(
            "does not run here: this host does not offer {}",
            unknown.join(", ")
        );
    }
    portable(&inspection, Target::Spin4_1);
    Ok(())
}

/// Says whether a component runs on another host; the answer is also returned.
pub(crate) fn portable(inspection: &Inspection, target: Target) -> bool {
    let obstacles = inspection.obstacles(target);
    if obstacles.is_empty() {
        println!("runs on {target} too");
    } else {
        println!("does not run on {target}:");
        for obstacle in &obstacles {
            println!("  {obstacle}");
        }
    }
    obstacles.is_empty()
}
