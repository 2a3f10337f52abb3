//! `sbd check`: everything that can be found wrong without serving.

use crate::backup::schedule::Schedule;
use crate::cli::{Check, TargetHost};
use crate::data_dir::DataDir;
use crate::host::Host;
use crate::inspect::portable;
use crate::listen::ListenAddress;
use crate::settings::{Environment, Settings};
use anyhow::{Context as _, bail};
use sbd_admin::Stage as _;
use sbd_gateway::TrustedProxies;
use sbd_manifest::Component;
use sbd_runtime::{Definition, Inspection, Target};

/// Reads settings and manifest, compiles every component and links what it was granted.
///
/// # Errors
/// The first thing that is wrong, with what to do about it.
pub(crate) async fn command(
    args: &Check,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<()> {
    settings.parse::<ListenAddress>("listen")?;
    settings.parse::<ListenAddress>("admin_listen")?;
    settings.parse::<TrustedProxies>("trusted_proxies")?;
    settings.parse::<usize>("max_upgraded")?;
    settings.duration("realtime_heartbeat")?;
    Schedule::new(settings)?;
    // Compiled components and keys go to a folder that is gone afterwards: a check leaves no trace.
    // The folder is new and this user's alone: what somebody else has put there would be trusted.
    let scratch = tempfile::Builder::new().prefix("sbd-check-").tempdir();
    let scratch = scratch.context("cannot make a temporary folder")?;
    let data_dir = DataDir::take(scratch.path(), false)?;
    let host = Host::open(settings, environment, &data_dir, true).await?;
    let definition = host.served.read(&[]).map_err(anyhow::Error::msg)?;
    let app = &definition.app;
    println!("application  {} {}", app.name, app.version);
    for (id, component) in &app.components {
        let grants: Vec<String> = component
            .settings
            .grants
            .iter()
            .map(ToString::to_string)
            .collect();
        let grants = if grants.is_empty() {
            "nothing".to_owned()
        } else {
            grants.join(", ")
        };
        println!("component    {id}: granted {grants}");
        let inspection = inspected(&definition, component)?;
        for wish in inspection.wishes(component) {
            println!(
                "             would like {}, and is denied it: it {}",
                wish.grant, wish.meaning
            );
        }
        for (import, instead) in inspection.refused() {
            println!("             is refused when it calls {import}: {instead}");
        }
        let mut limits = component.settings.limits.clone();
        let reuse = inspection.reuse(&limits);
        println!("             one instance answers {reuse}");
        limits.reuse_requests = Some(reuse.requests);
        limits.reuse_concurrent = reuse.at_once;
        let limits = limits.entries();
        for three in limits.chunks(3) {
            let cells = three
                .iter()
                .map(|(name, value)| format!("{name:<18} {value:<10}"));
            println!("             {}", cells.collect::<String>().trim_end());
        }
    }
    println!("configuration and manifest are right.");
    args.target.map_or(Ok(()), |target| {
        let target = match target {
            TargetHost::Spin4_1 => Target::Spin4_1,
        };
        check_portable(&definition, target)
    })
}

/// Refuses an application of which a component does not run on another host.
fn check_portable(definition: &Definition, target: Target) -> anyhow::Result<()> {
    let mut all = true;
    for (id, component) in &definition.app.components {
        let inspection = inspected(definition, component)?;
        print!("{id} ");
        all &= portable(&inspection, target);
    }
    if !all {
        bail!("not every component runs on {target}; what they import above decides");
    }
    Ok(())
}

fn inspected(definition: &Definition, component: &Component) -> anyhow::Result<Inspection> {
    let wasm = (definition.read_source)(&component.source);
    let wasm = wasm.with_context(|| format!("cannot read {}", component.source.display()))?;
    Ok(Inspection::read(&wasm)?)
}
