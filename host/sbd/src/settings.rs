//! Every setting, and where its value comes from: flag, environment, file, default, in this order.

use crate::cli::Flags;
use crate::inference::Inference;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file; `SBD_` and the same in capitals is its variable, and that with
    /// `_FILE` names a file that holds the value.
    pub(crate) name: &'static str,
    /// The value when nobody says otherwise.
    default: &'static str,
    /// Whether the value is never shown.
    secret: bool,
    /// Whether it is a list by commas, which the file may write as an array.
    list: bool,
    /// What it does.
    about: &'static str,
}

const fn setting(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        name,
        default,
        secret: false,
        list: false,
        about,
    }
}

/// All of them.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "app",
        "",
        "manifest to serve instead of the application in the binary",
    ),
    setting(
        "listen",
        "127.0.0.1:4747",
        "public address; `8080` is that port for this machine alone, `:8080` for whoever can reach it",
    ),
    setting(
        "admin_listen",
        "127.0.0.1:4748",
        "address for metrics and operators; keep it private",
    ),
    Setting {
        list: true,
        ..setting(
            "trusted_proxies",
            "",
            "proxies whose `Forwarded` or `X-Forwarded-*` is believed, for example `10.0.0.0/8, fd00::7`",
        )
    },
    setting(
        "data_dir",
        "",
        "folder that holds everything (default: your data folder)",
    ),
    setting(
        "log",
        "info",
        "what to log, for example `warn,sbd_gateway=debug`",
    ),
    setting(
        "log_format",
        "auto",
        "`compact`, `json`, or `auto`: compact on a terminal",
    ),
    setting(
        "token_algorithm",
        "EdDSA",
        "`EdDSA`, `RS256` or `HS256` for access tokens",
    ),
    setting(
        "password_algorithm",
        "argon2id",
        "`argon2id` or `bcrypt` for new password hashes",
    ),
    Setting {
        secret: true,
        ..setting(
            "mail_url",
            "",
            "mail server, for example `smtp://user:password@mail.example.org:587` or `smtps://...`; empty: mails become files in the data directory",
        )
    },
    setting(
        "mail_from",
        "",
        "who mails are from, for example `Second Brain <brain@example.org>`",
    ),
    setting(
        "mail_per_hour",
        "1000",
        "how many mails each tenant may send an hour",
    ),
    setting(
        "tenant_storage",
        "",
        "how much one tenant may store, database and blobs together, for example `10GiB`; empty: as much as the disk holds",
    ),
    setting(
        "vectors_memory",
        "256MiB",
        "memory for collections of vectors that are searched, of all tenants together",
    ),
    setting(
        "tenant_idle",
        "5m",
        "how long a tenant stays open without a request; a closed one costs no memory",
    ),
    Setting {
        list: true,
        ..setting(
            "queues",
            "default=16, ai=2, voice=2, workflow=8",
            "queues of tasks, and how many tasks of each run at once; `default` is for what names none of them",
        )
    },
    setting(
        "max_upgraded",
        "4096",
        "how many WebSockets and other upgraded connections may be open at once",
    ),
    setting(
        "realtime_heartbeat",
        "25s",
        "how often whoever is connected to `/api/v1/realtime` is told that they still are; a WebSocket that does not answer twice is closed",
    ),
    setting(
        "shutdown_grace",
        "8s",
        "how long running requests may take to finish when the server stops; containers are often killed after 10s",
    ),
    setting(
        "backup_every",
        "",
        "how often the server makes a backup by itself, for example `1d`; empty: never",
    ),
    setting("backup_keep", "7", "how many of those are kept"),
    setting(
        "backup_to",
        "backups",
        "folder for them; where it is no whole path, in the data directory",
    ),
    Setting {
        secret: true,
        ..setting(
            "backup_key",
            "",
            "key that seals them, 32 characters or more",
        )
    },
    setting(
        "admin_email",
        "",
        "makes this administrator at start, if there is none of that address",
    ),
    setting(
        "admin_username",
        "",
        "user name of that administrator; empty: made from the address",
    ),
    Setting {
        secret: true,
        ..setting("admin_password", "", "password of that administrator")
    },
    Setting {
        secret: true,
        ..setting(
            "admin_token",
            "",
            "access token of an administrator, for commands with --admin",
        )
    },
];

/// Read at build time, not by the binary.
const BUILD_VARIABLE: &str = "SBD_BUNDLE_DIR";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment(String),
    File(PathBuf),
    Default,
}

/// A setting's value.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// The resolved values of all settings.
#[derive(Debug)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Value>,
    /// The application's variables from the file's `[variables]`.
    pub(crate) variables: BTreeMap<String, String>,
    /// Who has language models, from the file's `[inference]`.
    pub(crate) inference: Inference,
}

/// What the process was started with; injected, so that tests need not change their environment.
pub(crate) type Environment = BTreeMap<String, String>;

// === impl Settings ===

impl Settings {
    /// Resolves every setting.
    ///
    /// # Errors
    /// An unknown key or variable, with the nearest known name; an unreadable file.
    pub(crate) fn resolve(flags: &Flags, environment: &Environment) -> anyhow::Result<Self> {
        refuse_unknown_variables(environment)?;
        let mut values = BTreeMap::new();
        // The data directory says where the file is, so it comes from elsewhere.
        let data_dir = value_of("data_dir", flags, environment, &File::default())?;
        let data_dir = data_dir.unwrap_or_else(|| default_data_dir(environment));
        let file = File::read(flags.config.as_deref(), Path::new(&data_dir.text))?;
        for setting in SETTINGS {
            let value = value_of(setting.name, flags, environment, &file)?;
            let default = || Value {
                text: setting.default.to_owned(),
                origin: Origin::Default,
            };
            values.insert(setting.name, value.unwrap_or_else(default));
        }
        values.insert("data_dir", data_dir);
        Ok(Self {
            values,
            variables: file.variables,
            inference: file.inference,
        })
    }

    /// The value of a setting that is a time.
    ///
    /// # Errors
    /// When it is none; names the setting.
    pub(crate) fn duration(&self, name: &str) -> anyhow::Result<Duration> {
        self.read(name, sbd_manifest::parse_duration)
    }

    /// A setting's text; empty if it has none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| &value.text)
    }

    /// A setting's value read as something else.
    ///
    /// # Errors
    /// When it cannot be; names the setting, the value and its origin.
    pub(crate) fn parse<T>(&self, name: &str) -> anyhow::Result<T>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        self.read(name, str::parse)
    }

    fn read<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let (Some(value), Some(setting)) = (self.values.get(name), setting) else {
            bail!("there is no setting `{name}`")
        };
        read(&value.text).map_err(|error| {
            let (Value { text, origin }, about) = (value, setting.about);
            let text = if setting.secret { "(not shown)" } else { text };
            let like = match setting.default {
                "" => String::new(),
                default => format!(", like `{default}`"),
            };
            anyhow::anyhow!(
                "setting `{name}` = `{text}` ({origin}): {error}; wanted: {about}{like}"
            )
        })
    }

    /// The folder that holds everything.
    pub(crate) fn data_dir(&self) -> PathBuf {
        PathBuf::from(self.text("data_dir"))
    }
}

impl fmt::Display for Settings {
    /// The table of `sbd config explain`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in SETTINGS {
            let Some(value) = self.values.get(setting.name) else {
                continue;
            };
            let shown = match value.text.as_str() {
                "" => "(none)",
                _ if setting.secret => "(set, not shown)",
                text => text,
            };
            writeln!(f, "{:<19} {shown}", setting.name)?;
            writeln!(f, "{:<19}   from {}; {}", "", value.origin, setting.about)?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

fn value_of(
    name: &str,
    flags: &Flags,
    environment: &Environment,
    file: &File,
) -> anyhow::Result<Option<Value>> {
    if let Some(text) = flags.get(name) {
        return Ok(Some(Value {
            text: text.to_owned(),
            origin: Origin::Flag,
        }));
    }
    let variable = variable_of(name);
    let variable_file = format!("{variable}_FILE");
    match (environment.get(&variable), environment.get(&variable_file)) {
        (Some(_), Some(_)) => {
            bail!("both {variable} and {variable_file} are set; unset one of them")
        }
        (Some(text), None) => {
            return Ok(Some(Value {
                text: text.clone(),
                origin: Origin::Environment(variable),
            }));
        }
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| {
                    format!("{variable_file}: cannot read {path}; name a file that sbd may read, or unset the variable")
                })?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            return Ok(Some(Value {
                text,
                origin: Origin::Environment(variable_file),
            }));
        }
        (None, None) => {}
    }
    let from_file = file.values.get(name);
    Ok(from_file.map(|text| Value {
        text: text.clone(),
        origin: Origin::File(file.path.clone()),
    }))
}

fn variable_of(name: &str) -> String {
    format!("SBD_{}", name.to_uppercase())
}

fn refuse_unknown_variables(environment: &Environment) -> anyhow::Result<()> {
    let known: Vec<String> = SETTINGS
        .iter()
        .map(|setting| variable_of(setting.name))
        .collect();
    for variable in environment
        .keys()
        .filter(|variable| variable.starts_with("SBD_"))
    {
        let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
        if variable == BUILD_VARIABLE || known.iter().any(|known| known == plain) {
            continue;
        }
        bail!(
            "unknown environment variable {variable}{}",
            did_you_mean(variable, &known)
        );
    }
    Ok(())
}

fn did_you_mean(wrong: &str, known: &[String]) -> String {
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)));
    match nearest {
        Some(nearest) => {
            format!("; did you mean {nearest}? `sbd config explain` lists every setting")
        }
        None => String::new(),
    }
}

/// Where data goes when nobody says: the same place from any folder.
fn default_data_dir(environment: &Environment) -> Value {
    let home = |variable: &str| {
        environment
            .get(variable)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    let base = home("XDG_DATA_HOME").or_else(|| home("HOME").map(|home| home.join(".local/share")));
    let path = base.unwrap_or_default().join("second-brain");
    Value {
        text: path.display().to_string(),
        origin: Origin::Default,
    }
}

/// The configuration file.
#[derive(Debug, Default)]
struct File {
    path: PathBuf,
    values: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    inference: Inference,
}

// === impl File ===

impl File {
    /// Reads the named file, or `sbd.toml` in the data directory if there is one.
    fn read(named: Option<&Path>, data_dir: &Path) -> anyhow::Result<Self> {
        let path = named.map_or_else(|| data_dir.join("sbd.toml"), Path::to_owned);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // What is wrong with the data directory is for who uses it to say.
            Err(error)
                if named.is_none()
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "cannot read the configuration file {}; let sbd read it, or name another with --config",
                        path.display()
                    )
                });
            }
        };
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: PathBuf) -> anyhow::Result<Self> {
        let table: toml::Table = text
            .parse()
            .with_context(|| format!("{}", path.display()))?;
        let known: Vec<String> = SETTINGS
            .iter()
            .map(|setting| setting.name.to_owned())
            .collect();
        let mut file = Self {
            path,
            ..Self::default()
        };
        for (key, value) in table {
            match (key.as_str(), value) {
                ("variables", toml::Value::Table(variables)) => {
                    for (name, value) in variables {
                        file.variables
                            .insert(name.clone(), scalar(text, &file.path, &name, value)?);
                    }
                }
                ("variables", other) => bail!(
                    "{}:{}: `variables` is a table; write [variables] and below it NAME = \"value\", not {}",
                    file.path.display(),
                    line_of(text, &key),
                    other.type_str()
                ),
                ("inference", _) => file.inference = Inference::parse(text, &file.path)?,
                ("data_dir", _) => bail!(
                    "{}: `data_dir` cannot be set in the file; use --data-dir or SBD_DATA_DIR",
                    file.path.display()
                ),
                (_, value) if known.contains(&key) => {
                    let value = match value {
                        toml::Value::Array(items) if is_list(&key) => {
                            joined(text, &file.path, &key, items)?
                        }
                        value => scalar(text, &file.path, &key, value)?,
                    };
                    file.values.insert(key, value);
                }
                _ => {
                    let line = line_of(text, &key);
                    bail!(
                        "{}:{line}: unknown key `{key}`{}",
                        file.path.display(),
                        did_you_mean(&key, &known)
                    )
                }
            }
        }
        Ok(file)
    }
}

fn is_list(name: &str) -> bool {
    SETTINGS
        .iter()
        .any(|setting| setting.name == name && setting.list)
}

fn joined(text: &str, path: &Path, key: &str, items: Vec<toml::Value>) -> anyhow::Result<String> {
    let items = items.into_iter().map(|item| scalar(text, path, key, item));
    Ok(items.collect::<anyhow::Result<Vec<_>>>()?.join(", "))
}

fn scalar(text: &str, path: &Path, key: &str, value: toml::Value) -> anyhow::Result<String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(yes) => Ok(yes.to_string()),
        other => bail!(
            "{}:{}: `{key}` must be a text, a whole number or true or false, and is of the type {}; write {key} = \"...\"",
            path.display(),
            line_of(text, key),
            other.type_str()
        ),
    }
}

/// The line, counted from 1, that begins with this key.
fn line_of(text: &str, key: &str) -> usize {
    let bare = |line: &str| {
        line.trim_start()
            .trim_start_matches(['[', '"', '\''])
            .starts_with(key)
    };
    text.lines().position(bare).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn resolve(flags: &Flags, pairs: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::resolve(flags, &environment(pairs))
    }

    #[test]
    fn flag_before_environment_before_file_before_default() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().display().to_string();
        std::fs::write(
            folder.path().join("sbd.toml"),
            "listen = \"127.0.0.1:1\"\nlog = \"warn\"\n",
        )
        .unwrap();
        let base = [("SBD_DATA_DIR", data_dir.as_str())];
        let settings = resolve(&Flags::default(), &base).unwrap();
        assert_eq!(
            (settings.text("listen"), settings.text("log_format")),
            ("127.0.0.1:1", "auto")
        );
        let with_variable = [
            ("SBD_DATA_DIR", data_dir.as_str()),
            ("SBD_LISTEN", "127.0.0.1:2"),
        ];
        let settings = resolve(&Flags::default(), &with_variable).unwrap();
        assert_eq!(settings.text("listen"), "127.0.0.1:2");
        let flags = Flags {
            listen: Some("127.0.0.1:3".to_owned()),
            ..Flags::default()
        };
        let settings = resolve(&flags, &with_variable).unwrap();
        assert_eq!(
            (settings.text("listen"), settings.text("log")),
            ("127.0.0.1:3", "warn")
        );
        let shown = settings.to_string();
        assert!(
            shown.contains("from flag")
                && shown.contains("from file")
                && shown.contains("from default"),
            "{shown}"
        );
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter22\n").unwrap();
        let path = path.display().to_string();
        let data_dir = folder.path().display().to_string();
        let pairs = [
            ("SBD_ADMIN_PASSWORD_FILE", path.as_str()),
            ("SBD_DATA_DIR", data_dir.as_str()),
        ];
        let settings = resolve(&Flags::default(), &pairs).unwrap();
        assert_eq!(settings.text("admin_password"), "hunter22");
        assert!(!settings.to_string().contains("hunter22"));
        let both = [
            ("SBD_ADMIN_PASSWORD_FILE", path.as_str()),
            ("SBD_ADMIN_PASSWORD", "x"),
        ];
        assert!(
            resolve(&Flags::default(), &both)
                .unwrap_err()
                .to_string()
                .contains("unset one of them")
        );
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = resolve(&Flags::default(), &[("SBD_LISEN", "x")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("unknown environment variable SBD_LISEN; did you mean SBD_LISTEN?"),
            "{error}"
        );
        let error = File::parse("log = \"info\"\nlog_fromat = \"json\"\n", "sbd.toml".into())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("sbd.toml:2: unknown key `log_fromat`; did you mean log_format?"),
            "{error}"
        );
        let error = File::parse("listen = [1]\n", "sbd.toml".into())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("sbd.toml:1: `listen` must be a text") && error.contains("array"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("mine.toml");
        let flags = Flags {
            config: Some(config.clone()),
            ..Flags::default()
        };
        let said = |error: anyhow::Error| format!("{error:#}");
        let missing = said(resolve(&flags, &[]).unwrap_err());
        assert!(missing.contains("mine.toml; let sbd read it"), "{missing}");
        for (text, says) in [
            ("listen = ", "mine.toml: TOML parse error at line 1"),
            ("variables = 1", "mine.toml:1: `variables` is a table"),
            (
                "log = \"info\"\nlisten = 1.5",
                "mine.toml:2: `listen` must be",
            ),
            ("[variables]\na = []", "mine.toml:2: `a` must be a text"),
        ] {
            std::fs::write(&config, text).unwrap();
            let wrong = said(resolve(&flags, &[]).unwrap_err());
            assert!(wrong.contains(says), "{wrong}");
        }
        let file = [("SBD_ADMIN_TOKEN_FILE", "/no/such/token")];
        let missing = said(resolve(&Flags::default(), &file).unwrap_err());
        assert!(
            missing.contains("cannot read /no/such/token; name a file"),
            "{missing}"
        );
    }

    #[test]
    fn a_bad_value_names_setting_value_and_origin() {
        let settings = resolve(
            &Flags {
                listen: Some("nowhere".to_owned()),
                ..Flags::default()
            },
            &[],
        )
        .unwrap();
        let error = settings
            .parse::<crate::listen::ListenAddress>("listen")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("setting `listen` = `nowhere` (flag)")
                && error.contains("localhost:8080"),
            "{error}"
        );
        let secret = ("SBD_MAIL_URL", "smtp://ada:hunter22@");
        let settings = resolve(&Flags::default(), &[secret]).unwrap();
        let error = settings.parse::<sbd_mail::Server>("mail_url").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("`mail_url` = `(not shown)`") && !error.contains("hunter22"),
            "{error}"
        );
        let pairs = [("SBD_MAX_UPGRADED", "many"), ("SBD_TENANT_IDLE", "soon")];
        let settings = resolve(&Flags::default(), &pairs).unwrap();
        let many = settings.parse::<usize>("max_upgraded").unwrap_err();
        let soon = settings.duration("tenant_idle").unwrap_err();
        for (error, says) in [
            (many, "`many` (environment SBD_MAX_UPGRADED): invalid digit"),
            (soon, "`soon` (environment SBD_TENANT_IDLE): "),
        ] {
            let error = error.to_string();
            assert!(
                error.contains(says) && error.contains(", like `"),
                "{error}"
            );
        }
    }

    #[test]
    fn trusted_proxies_are_a_list_of_addresses_and_networks() {
        use sbd_gateway::TrustedProxies;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().display().to_string();
        let base = ("SBD_DATA_DIR", data_dir.as_str());
        let read = |pairs: &[(&str, &str)]| {
            let settings = resolve(&Flags::default(), pairs).unwrap();
            settings.parse::<TrustedProxies>("trusted_proxies")
        };
        assert_eq!(read(&[base]).unwrap(), TrustedProxies::default());
        let networks = "10.0.0.0/8,192.0.2.7  fd00::/8,\t::1";
        let from_variable = read(&[base, ("SBD_TRUSTED_PROXIES", networks)]).unwrap();
        for (address, trusted) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("::1", true),
            ("127.0.0.1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(from_variable.trusts(address), trusted, "{address}");
        }
        for file in [
            "trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.7\", \"fd00::/8\", \"::1\"]",
            "trusted_proxies = \"10.0.0.0/8, 192.0.2.7, fd00::/8, ::1\"",
        ] {
            std::fs::write(folder.path().join("sbd.toml"), file).unwrap();
            assert_eq!(read(&[base]).unwrap(), from_variable, "{file}");
        }
        for wrong in ["10.0.0.0/33", "proxy.example", "10.0.0.*", "*"] {
            let error = read(&[base, ("SBD_TRUSTED_PROXIES", wrong)]).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("setting `trusted_proxies`")
                    && error.contains("write it as 10.0.0.7"),
                "{error}"
            );
        }
        assert!(File::parse("trusted_proxies = [[1]]", "sbd.toml".into()).is_err());
    }
}
