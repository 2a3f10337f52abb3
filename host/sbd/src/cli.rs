//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// What to type first.
const FIRST: &str = "\
Begin with:
  sbd up                            serve on http://127.0.0.1:4747; its API is shown under /docs
  sbd admin create you@example.com  make yourself an administrator, beside the server or before it
  sbd tenant create acme            a home for people who share nothing with the others
  sbd up --app spin.toml --watch    serve components of your own, built again whenever you save

All commands but `up` may be typed while the server runs. `sbd COMMAND --help` says more of each.";

/// The self-hosted home of what people know and share.
///
/// One program and one data directory. Inside, every domain (accounts, families, and more to come) is a
/// component in a sandbox of its own, which reaches only what it was granted. Each can be switched off, or
/// exchanged for another version, while people use it.
#[derive(Debug, Parser)]
#[command(name = "sbd", version, after_help = FIRST, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until interrupted.
    ///
    /// Without --app it serves the application that this program carries. Everything that people store
    /// is in the data directory.
    Up(Up),
    /// Say what is wrong with an application and the settings, without serving it.
    Check(Check),
    /// Try what usually goes wrong, and say what to do about it.
    ///
    /// Ports, rights, disk, clock, settings: a line each, beside a running server or without one. Fails if
    /// something is wrong.
    Doctor(Flags),
    /// Settings: which there are, and what they are set to.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Tenants: families, companies, whoever shares nothing with the others.
    ///
    /// Each has its own database, keys, quotas and rate limits. `sbd tenant create NAME --host HOST` makes
    /// one, and requests to that host name reach it.
    Tenant {
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Components: deploy another version while the server runs, or go back.
    ///
    /// `sbd component inspect FILE` says what a component wants before you serve it; no request notices
    /// when `sbd component deploy NAME FILE` exchanges it.
    Component {
        #[command(subcommand)]
        command: ComponentCommand,
    },
    /// Features: what is on for whom, tenant by tenant.
    ///
    /// A feature is a component, or a part of one. `sbd feature list TENANT` shows them.
    Feature {
        #[command(subcommand)]
        command: FeatureCommand,
    },
    /// Events: those that a component did not take, and those to be sent once more.
    ///
    /// What a component refuses, or fails on a dozen times, is a dead letter: `sbd events letters TENANT`
    /// lists them, `sbd events retry TENANT NUMBER` sends one again.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Mail: what it says, where an operator says otherwise than a component.
    Mail {
        #[command(subcommand)]
        command: MailCommand,
    },
    /// Models: the language models that components may ask, and which one they take without a name.
    ///
    /// They are in this program, or in servers that `[inference.backends.NAME]` in `sbd.toml` names;
    /// `OLLAMA_HOST`, `OPENAI_BASE_URL` and `OPENAI_API_KEY` are known as well.
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Tasks: the queued work of a tenant, and an end to it.
    ///
    /// `sbd tasks list TENANT` shows what waits, what runs and what became of it, `sbd tasks cancel TENANT ID`
    /// ends one, with those that come after it.
    Tasks {
        #[command(subcommand)]
        command: TasksCommand,
    },
    /// The ledger: whether its books are right.
    ///
    /// `sbd ledger verify` has the component that keeps them compare every balance with what its entries make. Fails
    /// if one differs.
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Operators: who may use the admin API from elsewhere, by a token.
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// Backups: all that the data directory holds in one file, taken beside a running server, and back.
    ///
    /// `backup_every = "1d"` in `sbd.toml` has the server make them by itself, in the folder `backup_to`.
    Backup {
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Serve what the manifest and its files say now, without a pause.
    Reload(Flags),
    /// Who changed what on this server, and when.
    ///
    /// Every change is accounted for; `sbd audit verify` finds out whether the account was altered, and with
    /// `--tenant` whether what components have recorded for a tenant was.
    Audit(Box<AuditArgs>),
    /// Administrators: people who run a tenant, or with the default one this server, with their own account.
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
    ///
    /// Asks for the password. Nobody is an administrator before that, and there is no default password.
    Create(AdminCreate),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Make a tenant.
    Create(TenantCreate),
    /// List the tenants.
    List(Flags),
    /// Show a tenant.
    Show(TenantName),
    /// Change a tenant's title or host names.
    Change(TenantChange),
    /// Serve a tenant no more, until it is resumed.
    Suspend(TenantName),
    /// Serve a suspended tenant again.
    Resume(TenantName),
    /// Sign and encrypt with new keys from now on. What was made with the old ones stays good.
    RotateKeys(TenantName),
    /// Say something to everybody who is connected to `/api/v1/realtime`.
    Announce(TenantAnnounce),
    /// Write all that a tenant has stored into one archive of JSON files and SQLite databases.
    Export(TenantExport),
    /// Make a tenant of such an archive, here or on another server.
    Import(TenantImport),
    /// Delete a tenant and all that is its, for good.
    Delete(TenantDelete),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ComponentCommand {
    /// List the components that are served.
    List(Flags),
    /// Say what a component's file imports, wants and offers, without running it.
    Inspect(ComponentInspect),
    /// Deploy a component and serve it from then on.
    Deploy(ComponentDeploy),
    /// List the deployed versions of a component.
    Versions(ComponentName),
    /// Serve the version before, or the one of this number.
    Rollback(ComponentRollback),
    /// Serve what the application brings along in place of what was deployed.
    Withdraw(ComponentName),
}

#[derive(Debug, Subcommand)]
pub(crate) enum FeatureCommand {
    /// List the features as they stand in a tenant.
    List(FeatureList),
    /// Switch a feature in a tenant.
    Set(FeatureSet),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List the events that were not taken.
    Letters(LetterList),
    /// Show one of them, with the event.
    Show(LetterNumber),
    /// Send one again, as if it had never been sent.
    Retry(LetterNumber),
    /// Forget one.
    Drop(LetterNumber),
    /// Send a component the events once more that were published since.
    Replay(EventReplay),
}

#[derive(Debug, Args)]
pub(crate) struct LetterList {
    /// The tenant.
    pub(crate) tenant: String,
    /// Only those of this component.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Only those behind this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct LetterNumber {
    /// The tenant.
    pub(crate) tenant: String,
    /// The letter's number.
    pub(crate) number: u64,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct EventReplay {
    /// The tenant.
    pub(crate) tenant: String,
    /// The component they are sent to.
    pub(crate) component: String,
    /// From when on, like 2026-01-31T12:00:00Z; a week of them is kept.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// What mails say in a tenant, in place of what their components say.
    Templates {
        #[command(subcommand)]
        command: MailTemplatesCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailTemplatesCommand {
    /// List the templates that a tenant was given.
    List(TenantName),
    /// Show one of them, as a file for `set`.
    Show(MailTemplate),
    /// Give a tenant a template, from the next mail on.
    Set(MailTemplateSet),
    /// Leave a mail to its component's own template again.
    Remove(MailTemplate),
}

#[derive(Debug, Args)]
pub(crate) struct MailTemplate {
    /// The tenant.
    pub(crate) tenant: String,
    /// The component and what it calls the template, like `notifications/notice`.
    pub(crate) template: String,
    /// The language, like `en` or `pt-BR`.
    pub(crate) language: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct MailTemplateSet {
    #[command(flatten)]
    pub(crate) which: MailTemplate,
    /// A TOML file with `subject`, `text` and, if there is one, `html`.
    #[arg(long = "from", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models that there are.
    List(ModelList),
    /// Fetch a model by its short name, and go on where that broke off; without one, list those that are
    /// known.
    Pull(ModelPull),
    /// Add a model from a file of the server's machine.
    Add(ModelAdd),
    /// Remove a model and its files.
    Remove(ModelName),
    /// Have a model be what calls without a name take, from the next one on.
    Default(ModelDefault),
    /// Ask a model something, and say how long it took.
    Test(ModelName),
}

#[derive(Debug, Args)]
pub(crate) struct ModelList {
    /// As this tenant sees them.
    #[arg(long, value_name = "TENANT", default_value = sbd_registry::DEFAULT_TENANT)]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ModelPull {
    /// Its short name, or BACKEND/NAME for a server that fetches models itself.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ModelAdd {
    /// A GGUF file, or the folder of an embedding model with model.safetensors, config.json and
    /// tokenizer.json.
    pub(crate) file: PathBuf,
    /// What it is to be called; the file's name without.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ModelDefault {
    /// Its name, or BACKEND/NAME where several have it.
    pub(crate) name: String,
    /// For this tenant alone; without it, wherever a tenant has no default of its own.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ModelName {
    /// Its name, or BACKEND/NAME where several have it.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// List tasks, the newest first.
    List(TaskList),
    /// Show one of them.
    Show(TaskId),
    /// Cancel one, with those that come after it; one that runs is cut off.
    Cancel(TaskId),
}

#[derive(Debug, Args)]
pub(crate) struct TaskList {
    /// The tenant.
    pub(crate) tenant: String,
    /// Only those in this state: blocked, waiting, running, succeeded, failed or canceled.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// How many, up to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) most: u32,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TaskId {
    /// The tenant.
    pub(crate) tenant: String,
    /// The task's id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Compare every balance with what its entries make.
    Verify(LedgerVerify),
}

#[derive(Debug, Args)]
pub(crate) struct LedgerVerify {
    /// The tenant.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    /// The component that keeps the ledger.
    #[arg(long, value_name = "NAME", default_value = "wallet")]
    pub(crate) component: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make an operator and show its token, once.
    Create(OperatorCreate),
    /// List the operators.
    List(Flags),
    /// Refuse an operator's token from now on.
    Revoke(OperatorName),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write everything into one file.
    Create(BackupCreate),
    /// List the backups in the folder of the settings.
    List(Flags),
    /// Say whether a backup is whole, by restoring it into a temporary folder.
    Verify(BackupFile),
    /// Fill an empty data directory with what is in a backup.
    Restore(BackupFile),
}

#[derive(Debug, Args)]
pub(crate) struct BackupCreate {
    /// The backup, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Seal it with the key in this file, 32 bytes or more: `openssl rand -hex 32 > FILE` makes one.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct BackupFile {
    /// The backup.
    pub(crate) file: PathBuf,
    /// The key that it is sealed with.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorCreate {
    /// Its name: 1 to 63 of a-z, 0-9 and -.
    pub(crate) name: String,
    /// Its token ends after so many days; never when left out.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: Option<u32>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorName {
    /// The operator.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct FeatureList {
    /// The tenant.
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct FeatureSet {
    /// The tenant.
    pub(crate) tenant: String,
    /// A component, or one of its features: `component.feature`.
    pub(crate) feature: String,
    /// `default` leaves it to the manifest again.
    pub(crate) state: FeatureState,
    /// On for so many in a hundred users only, always the same ones.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) percent: Option<u8>,
    /// On for this user; may be given several times. Without --percent for nobody else.
    #[arg(long = "user", value_name = "ID")]
    pub(crate) users: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FeatureState {
    On,
    Off,
    Default,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Leave out everything that was deployed to this data directory.
    #[arg(long)]
    pub(crate) safe: bool,
    /// Serve a data directory that was copied while a server used it, if its databases are sound. What was
    /// written last can be missing in it.
    #[arg(long)]
    pub(crate) accept_copy: bool,
    /// Build and serve anew whatever is saved: run the build commands of the manifest that --app names,
    /// now and whenever a file of theirs changes.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Say whether the components run on another host too.
    #[arg(long, value_name = "HOST")]
    pub(crate) target: Option<TargetHost>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TargetHost {
    /// Fermyon Spin 4.1.
    #[value(name = "spin-4.1")]
    Spin4_1,
}

#[derive(Debug, Args)]
pub(crate) struct ComponentInspect {
    /// Its `.wasm` file, or a folder with a `spin.toml`, whose components are all inspected.
    #[arg(value_name = "FILE|FOLDER")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ComponentName {
    /// The component's name in the manifest.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ComponentDeploy {
    /// The component's name in the manifest.
    pub(crate) name: String,
    /// Its `.wasm` file, or a folder with a `spin.toml` that declares it.
    #[arg(value_name = "FILE|FOLDER")]
    pub(crate) path: PathBuf,
    /// Let it have more than the version that is served.
    #[arg(long)]
    pub(crate) grant: bool,
    /// What there is to say about it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
    /// Look at so many of its first requests, and roll back if too many fail.
    #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) gate: Option<u32>,
    /// So many in a hundred of them may fail.
    #[arg(long, value_name = "PERCENT", requires = "gate", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..100))]
    pub(crate) gate_percent: u8,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ComponentRollback {
    /// The component's name in the manifest.
    pub(crate) name: String,
    /// The version to serve; the one before the active one when left out.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: Option<u32>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantCreate {
    /// Its name, for good: 1 to 63 of a-z, 0-9 and -.
    pub(crate) name: String,
    /// What people call it.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// A host name that leads to it; may be given several times.
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantName {
    /// The tenant.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantChange {
    /// The tenant.
    pub(crate) name: String,
    /// What people call it.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// A host name that leads to it, in place of those it has; may be given several times.
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// No host name leads to it any more.
    #[arg(long, conflicts_with = "hosts")]
    pub(crate) no_hosts: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantAnnounce {
    /// The tenant's name.
    pub(crate) name: String,
    /// What it is: words with dots between, like `maintenance.planned`.
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// What whoever listens learns, as JSON.
    #[arg(value_name = "DATA", default_value = "null")]
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantExport {
    /// The tenant.
    pub(crate) name: String,
    /// The archive, which must not be there yet; NAME.tar when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantImport {
    /// The archive that `sbd tenant export` has written.
    pub(crate) file: PathBuf,
    /// The tenant's name here, where there must be none of it; the one in the archive when left out.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Leave out the host names that led to it.
    #[arg(long)]
    pub(crate) no_hosts: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct TenantDelete {
    /// The tenant.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// How many of the newest entries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) most: u32,
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether anything was altered, dropped or put in between.
    Verify(AuditVerify),
    /// Write what components have recorded for a tenant, one JSON object a line, oldest first.
    Export(AuditExport),
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// What components have recorded for this tenant, read from the data directory, with or without a server;
    /// otherwise the server's own account of changes.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct AuditExport {
    /// The tenant.
    #[arg(long)]
    pub(crate) tenant: String,
    /// What this component has recorded alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// What was recorded about this alone, such as a family's id.
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// This action alone, or all that begin so where it ends with a dot: `family.member.`.
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// What this user did alone.
    #[arg(long, value_name = "ID")]
    pub(crate) actor: Option<String>,
    /// What was recorded then or later, like 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// What was recorded before.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

// === impl AuditArgs ===

impl AuditArgs {
    pub(crate) fn flags(&self) -> &Flags {
        match &self.command {
            None => &self.flags,
            Some(AuditCommand::Verify(args)) => &args.flags,
            Some(AuditCommand::Export(args)) => &args.flags,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AdminCreate {
    /// The administrator's e-mail address.
    pub(crate) email: String,
    /// The tenant.
    #[arg(long, value_name = "TENANT", default_value = sbd_registry::DEFAULT_TENANT)]
    pub(crate) tenant: String,
    /// The user name; made from the address when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// A file whose first line is the password. Without it: `SBD_ADMIN_PASSWORD[_FILE]`, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Let accounts of the tenant be used from any network again, for administrators who have shut themselves out.
    #[arg(long)]
    pub(crate) from_anywhere: bool,
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
    /// The public address: `8080` is that port for this machine alone, `:8080` for whoever can reach it.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The address for metrics and operators.
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// The admin listener of a server elsewhere, with a token in `SBD_ADMIN_TOKEN[_FILE]` (of `sbd
    /// operator create`); for commands.
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
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

// === impl TenantCommand ===

impl TenantCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Create(args) => &args.flags,
            Self::List(flags) => flags,
            Self::Show(args)
            | Self::Suspend(args)
            | Self::Resume(args)
            | Self::RotateKeys(args) => &args.flags,
            Self::Change(args) => &args.flags,
            Self::Announce(args) => &args.flags,
            Self::Export(args) => &args.flags,
            Self::Import(args) => &args.flags,
            Self::Delete(args) => &args.flags,
        }
    }
}

// === impl BackupCommand ===

impl BackupCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Create(args) => &args.flags,
            Self::List(flags) => flags,
            Self::Verify(args) | Self::Restore(args) => &args.flags,
        }
    }
}

// === impl ComponentCommand ===

impl ComponentCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::List(flags) => flags,
            Self::Inspect(args) => &args.flags,
            Self::Deploy(args) => &args.flags,
            Self::Versions(args) | Self::Withdraw(args) => &args.flags,
            Self::Rollback(args) => &args.flags,
        }
    }
}

// === impl OperatorCommand ===

impl OperatorCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Create(args) => &args.flags,
            Self::List(flags) => flags,
            Self::Revoke(args) => &args.flags,
        }
    }
}

// === impl EventsCommand ===

impl EventsCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Letters(args) => &args.flags,
            Self::Show(args) | Self::Retry(args) | Self::Drop(args) => &args.flags,
            Self::Replay(args) => &args.flags,
        }
    }
}

// === impl MailTemplatesCommand ===

impl MailTemplatesCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::List(args) => &args.flags,
            Self::Show(args) | Self::Remove(args) => &args.flags,
            Self::Set(args) => &args.which.flags,
        }
    }
}

// === impl ModelCommand ===

impl ModelCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::List(args) => &args.flags,
            Self::Pull(args) => &args.flags,
            Self::Add(args) => &args.flags,
            Self::Default(args) => &args.flags,
            Self::Test(args) | Self::Remove(args) => &args.flags,
        }
    }
}

// === impl TasksCommand ===

impl TasksCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::List(args) => &args.flags,
            Self::Show(args) | Self::Cancel(args) => &args.flags,
        }
    }
}

// === impl LedgerCommand ===

impl LedgerCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Verify(args) => &args.flags,
        }
    }
}

// === impl FeatureCommand ===

impl FeatureCommand {
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::List(args) => &args.flags,
            Self::Set(args) => &args.flags,
        }
    }
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
