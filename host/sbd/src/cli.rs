//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The self-hosted home of what people know and share.
#[derive(Debug, Parser)]
#[command(name = "sbd", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the application until interrupted.
    Up(Flags),
    /// Validate manifest, grants and configuration without serving.
    Check(Flags),
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Administrators of this server.
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every setting with its value and where it came from.
    Explain(Flags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an administrator, or give an existing account the role.
    Create(AdminCreate),
}

#[derive(Debug, Args)]
pub(crate) struct AdminCreate {
    /// The administrator's e-mail address.
    pub(crate) email: String,
    /// The user name; made from the address when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// A file whose first line is the password. Without it: `SBD_ADMIN_PASSWORD[_FILE]`, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// Flags shared by all commands. Each is a setting of the same name; `sbd config explain` lists
/// them with their other sources.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Flags {
    /// Serve this manifest instead of the application in the binary.
    #[arg(long, value_name = "spin.toml")]
    pub(crate) app: Option<String>,
    /// The public address.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The address for metrics and operators.
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// The folder that holds everything.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// The configuration file; `sbd.toml` in the data directory when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to log, for example `info` or `warn,sbd_gateway=debug`.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How to log: `auto`, `compact` or `json`.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

// === impl Flags ===

impl Flags {
    /// The value of a setting's flag.
    pub(crate) fn get(&self, setting: &str) -> Option<&str> {
        match setting {
            "app" => self.app.as_deref(),
            "listen" => self.listen.as_deref(),
            "admin_listen" => self.admin_listen.as_deref(),
            "data_dir" => self.data_dir.as_deref(),
            "log" => self.log.as_deref(),
            "log_format" => self.log_format.as_deref(),
            _ => None,
        }
    }
}
