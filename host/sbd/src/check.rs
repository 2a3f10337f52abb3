//! `sbd check`: everything that can be found wrong without serving.

use crate::host::Host;
use crate::settings::{Environment, Settings};
use std::net::SocketAddr;

/// Reads settings and manifest, compiles every component and links what it was granted.
///
/// # Errors
/// The first thing that is wrong, with what to do about it.
pub(crate) async fn command(settings: &Settings, environment: &Environment) -> anyhow::Result<()> {
    settings.parse::<SocketAddr>("listen")?;
    settings.parse::<SocketAddr>("admin_listen")?;
    // Compiled components and keys go to a folder that is gone afterwards: a check leaves no trace.
    let scratch = std::env::temp_dir().join(format!("sbd-check-{}", std::process::id()));
    let opened = Host::open(settings, environment, &scratch, true).await;
    let _ = std::fs::remove_dir_all(&scratch);
    let application = opened?.runtime.application();
    let app = application.app();
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
        let limits = component.settings.limits.entries();
        for three in limits.chunks(3) {
            let cells = three
                .iter()
                .map(|(name, value)| format!("{name:<18} {value:<10}"));
            println!("             {}", cells.collect::<String>().trim_end());
        }
    }
    println!("configuration and manifest are right.");
    Ok(())
}
