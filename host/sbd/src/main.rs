//! `sbd`: the binary. Command line, settings and wiring; nothing else.

mod administrator;
mod application;
mod audit;
mod backup;
mod bundle;
mod check;
mod cli;
mod client;
mod component;
mod control;
mod data_dir;
mod doctor;
mod events;
mod feature;
mod host;
mod inference;
mod inspect;
mod ledger;
mod listen;
mod mail;
mod model;
mod operator;
mod settings;
mod tasks;
mod tenant;
mod up;
mod watch;

use clap::Parser as _;
use cli::{AdminCommand, Cli, Command, ConfigCommand, Flags, MailCommand};
use client::Client;
use sbd_telemetry::logs;
use settings::{Environment, Settings};
use std::process::ExitCode;

/// Requests are made of short-lived allocations on many threads, which the allocator of glibc
/// serves about a tenth slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives memory that is free back to the system. By itself the allocator does so when it is next at work, which
/// in a server that nobody asks anything may be long.
fn give_memory_back() {
    #[expect(unsafe_code, reason = "the allocator's API is C")]
    // SAFETY: it takes no pointer, and may be called at any time from any thread.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

fn main() -> ExitCode {
    #[cfg(feature = "local-inference")]
    inference::leave_cores_free();
    let result = run(Cli::parse());
    logs::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sbd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let resolve = |flags: &Flags| Settings::resolve(flags, &environment);
    match cli.command {
        Command::Up(options) => {
            let settings = resolve(&options.flags)?;
            start_logs(&settings)?;
            // Everything that was at work ends with the tasks of the server.
            block_on(up::command(&options, &settings, &environment))?.close();
            Ok(())
        }
        Command::Check(args) => {
            let settings = resolve(&args.flags)?;
            start_logs(&settings)?;
            block_on(check::command(&args, &settings, &environment))
        }
        Command::Doctor(flags) => block_on(doctor::command(&flags, &environment)),
        Command::Config {
            command: ConfigCommand::Explain(flags),
        } => {
            print!("{}", resolve(&flags)?);
            Ok(())
        }
        Command::Admin {
            command: AdminCommand::Create(create),
        } => {
            let settings = resolve(&create.flags)?;
            let client = Client::new(&create.flags, &settings, &environment)?;
            block_on(administrator::command(create, &settings, &client))
        }
        Command::Tenant { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(tenant::command(command, &client))
        }
        Command::Component { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(component::command(command, &client))
        }
        Command::Feature { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(feature::command(command, &client))
        }
        Command::Events { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(events::command(command, &client))
        }
        Command::Mail {
            command: MailCommand::Templates { command },
        } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(mail::command(command, &client))
        }
        Command::Model { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(model::command(command, &client))
        }
        Command::Tasks { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(tasks::command(command, &client))
        }
        Command::Ledger { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(ledger::command(command, &client))
        }
        Command::Operator { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(operator::command(command, &client))
        }
        Command::Backup { command } => {
            let settings = resolve(command.flags())?;
            let client = Client::new(command.flags(), &settings, &environment)?;
            block_on(backup::command(command, &settings, &client))
        }
        Command::Reload(flags) => {
            let settings = resolve(&flags)?;
            let client = Client::new(&flags, &settings, &environment)?;
            block_on(component::reload(&client))
        }
        Command::Audit(args) => {
            let settings = resolve(args.flags())?;
            let client = Client::new(args.flags(), &settings, &environment)?;
            block_on(audit::command(&args, &settings, &client))
        }
    }
}

fn start_logs(settings: &Settings) -> anyhow::Result<()> {
    Ok(logs::init(&logs::LogSettings {
        filter: settings.text("log").to_owned(),
        format: settings.parse("log_format")?,
    })?)
}

fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(command)
}
