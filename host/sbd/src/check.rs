//! `sbd check`: everything that can be found wrong without serving.

use crate::application::Application;
use crate::settings::{Environment, Settings};
use std::net::SocketAddr;

/// Reads settings and manifest, compiles every component and links what it was granted.
///
/// # Errors
/// The first thing that is wrong, with what to do about it.
pub(crate) async fn command(settings: &Settings, environment: &Environment) -> anyhow::Result<()> {
    settings.parse::<SocketAddr>("listen")?;
    settings.parse::<SocketAddr>("admin_listen")?;
    let application = Application::read(settings, environment)?;
    let app = application.app.clone();
    // Compiled components and keys go to a folder that is gone afterwards: a check leaves no trace.
    let scratch = std::env::temp_dir().join(format!("sbd-check-{}", std::process::id()));
    let started = application.start(settings, &scratch).await;
    let _ = std::fs::remove_dir_all(&scratch);
    started?;
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
