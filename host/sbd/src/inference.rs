//! Who has language models: `[inference]` of `sbd.toml`, and what the environment names.

use crate::settings::Environment;
use anyhow::{Context as _, bail};
use sbd_inference::{Backend, Configured, LOCAL, Limits, Ollama, OpenAi};
use sbd_manifest::ByteSize;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Where OpenAI's own API is, where only a key is given.
const OPENAI: &str = "https://api.openai.com/v1";
/// Where Ollama listens.
const OLLAMA_PORT: u16 = 11434;
/// How long an answer of this process may take to begin: long questions are read at the pace of its cores.
#[cfg(feature = "local-inference")]
const FIRST_TOKEN: Duration = Duration::from_secs(300);
/// How long Ollama keeps a model in memory after its last use.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// What `[inference]` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inference {
    /// By their names.
    #[serde(default)]
    backends: BTreeMap<String, Server>,
    /// The engine in this process.
    #[serde(default)]
    local: Local,
}

/// `[inference.local]`: models in this process.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "local-inference"),
    expect(dead_code, reason = "a build without the engine takes the same file")
)]
struct Local {
    /// Whether there is none.
    #[serde(default)]
    off: bool,
    /// What all models and conversations may have in memory.
    memory: Option<Size>,
    /// Tokens of a conversation, question and answer together.
    context: Option<u32>,
    /// How long a model stays in memory that nobody uses.
    idle: Option<Time>,
    /// How many questions are answered at once.
    parallel: Option<usize>,
    /// How many may wait.
    waiting: Option<usize>,
}

/// `[inference.backends.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    kind: Kind,
    /// Where its API begins.
    url: Url,
    /// A file that holds its key.
    key_file: Option<PathBuf>,
    /// A variable that holds its key.
    key_env: Option<String>,
    /// How many questions it is asked at once.
    parallel: Option<usize>,
    /// How many may wait.
    waiting: Option<usize>,
    /// How long an answer may take to begin.
    first_token: Option<Time>,
    /// How long an answer may stand still.
    between_tokens: Option<Time>,
    /// How long Ollama keeps a model in memory after its last use.
    keep_alive: Option<Time>,
    /// Models that answer, where the server does not say so.
    #[serde(default)]
    chat_models: BTreeSet<String>,
    /// Models that make vectors, where the server does not say so.
    #[serde(default)]
    embedding_models: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    OpenAi,
    Ollama,
}

/// A time, like `90s`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Time(Duration);

/// A number of bytes, like `4GiB`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(
    not(feature = "local-inference"),
    expect(dead_code, reason = "a build without the engine takes the same file")
)]
struct Size(ByteSize);

/// A file with what is of interest here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    inference: Inference,
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        sbd_manifest::parse_duration(&text).map(Self)
    }
}

// === impl Inference ===

impl Inference {
    /// Reads `[inference]` of a configuration file.
    ///
    /// # Errors
    /// What is wrong there, with file and line.
    pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let read: Result<File, _> = toml::from_str(text);
        let file = read.map_err(|error| {
            let line = error.span().map_or(0, |span| {
                1 + text.get(..span.start).unwrap_or_default().matches('\n').count()
            });
            anyhow::anyhow!(
                "{}:{line}: {}; a server is named like [inference.backends.local] with kind = \"openai\" or \"ollama\" and url = \"http://127.0.0.1:8080/v1\"",
                path.display(),
                error.message()
            )
        })?;
        for (name, server) in &file.inference.backends {
            let at = || format!("{}: [inference.backends.{name}]", path.display());
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if !(1..=40).contains(&name.len()) || !name.bytes().all(is_name) {
                bail!("{}: a name has 1 to 40 letters, digits, `_` and `-`", at());
            }
            if !matches!(server.url.scheme(), "http" | "https") {
                bail!("{}: `url` begins with http:// or https://", at());
            }
            if server.url.password().is_some() {
                bail!(
                    "{}: `url` has no password; give the key by `key_file`",
                    at()
                );
            }
            if server.key_file.is_some() && server.key_env.is_some() {
                bail!(
                    "{}: `key_file` and `key_env` are both set; remove one",
                    at()
                );
            }
            if server.keep_alive.is_some() && server.kind != Kind::Ollama {
                bail!("{}: `keep_alive` is for kind = \"ollama\"; remove it", at());
            }
        }
        Ok(file.inference)
    }

    /// The backends that there are, in the order in which they are asked for a default model: by their
    /// names, then those that the environment names, and at last the engine in this process, with its models
    /// in the data directory.
    ///
    /// # Errors
    /// When a key cannot be read, or an address of the environment is none.
    pub(crate) fn all_backends(
        &self,
        environment: &Environment,
        data_dir: &Path,
    ) -> anyhow::Result<Vec<Configured>> {
        let mut all = self.backends(environment)?;
        if !all.iter().any(|it| it.name == LOCAL) {
            all.extend(self.local.configured(environment, data_dir)?);
        }
        Ok(all)
    }

    fn backends(&self, environment: &Environment) -> anyhow::Result<Vec<Configured>> {
        let own = self.backends.iter();
        let own = own.map(|(name, server)| server.configured(name, environment));
        let mut all = own.collect::<anyhow::Result<Vec<_>>>()?;
        for known in [ollama(environment)?, openai(environment)?] {
            let is_taken = |known: &Configured| all.iter().any(|it| it.name == known.name);
            all.extend(known.filter(|known| !is_taken(known)));
        }
        Ok(all)
    }
}

// === impl Local ===

impl Local {
    #[cfg(feature = "local-inference")]
    fn configured(
        &self,
        environment: &Environment,
        data_dir: &Path,
    ) -> anyhow::Result<Option<Configured>> {
        use sbd_inference_local::{Engine, Folder, Hub, Options};

        if self.off {
            return Ok(None);
        }
        let usual = Options::default();
        let options = Options {
            memory: self.memory.map_or(usual.memory, |Size(size)| size.bytes()),
            context: self.context.unwrap_or(usual.context),
            idle: self.idle.map_or(usual.idle, |Time(time)| time),
        };
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let token = variable("HF_TOKEN").map(|token| token.trim().to_owned());
        let hub = Hub::new(
            variable("HF_ENDPOINT").map_or(Hub::USUAL, String::as_str),
            token,
        );
        let engine = Engine::new(Folder::new(data_dir.join("models")), &options, hub)?;
        let usual = Limits::default();
        Ok(Some(Configured {
            name: LOCAL.to_owned(),
            backend: Arc::new(engine),
            limits: Limits {
                // Every answer uses all cores; a second one, so that short ones need not wait for long ones.
                parallel: self.parallel.unwrap_or(2),
                waiting: self.waiting.unwrap_or(usual.waiting),
                first_token: FIRST_TOKEN,
                between_tokens: usual.between_tokens,
            },
        }))
    }

    #[cfg(not(feature = "local-inference"))]
    fn configured(&self, _: &Environment, _: &Path) -> anyhow::Result<Option<Configured>> {
        Ok(None)
    }
}

// === impl Server ===

impl Server {
    fn configured(&self, name: &str, environment: &Environment) -> anyhow::Result<Configured> {
        let key = self.key(environment);
        let key = key.with_context(|| format!("[inference.backends.{name}]"))?;
        let key = key.as_deref();
        let backend: Arc<dyn Backend> = match self.kind {
            Kind::OpenAi => {
                let (chat, embedding) = (&self.chat_models, &self.embedding_models);
                Arc::new(OpenAi::new(&self.url, key)?.declaring(chat, embedding))
            }
            Kind::Ollama => {
                let keep_alive = self.keep_alive.map_or(KEEP_ALIVE, |Time(time)| time);
                Arc::new(Ollama::new(&self.url, key, keep_alive)?)
            }
        };
        let usual = Limits::default();
        let limits = Limits {
            parallel: self.parallel.unwrap_or(usual.parallel),
            waiting: self.waiting.unwrap_or(usual.waiting),
            first_token: self
                .first_token
                .map_or(usual.first_token, |Time(time)| time),
            between_tokens: self
                .between_tokens
                .map_or(usual.between_tokens, |Time(time)| time),
        };
        Ok(Configured {
            name: name.to_owned(),
            backend,
            limits,
        })
    }

    fn key(&self, environment: &Environment) -> anyhow::Result<Option<String>> {
        if let Some(path) = &self.key_file {
            let key = std::fs::read_to_string(path).with_context(|| {
                format!(
                    "cannot read {}; name a file that sbd may read",
                    path.display()
                )
            })?;
            return Ok(Some(key.trim().to_owned()));
        }
        let Some(variable) = &self.key_env else {
            return Ok(None);
        };
        let key = environment.get(variable).with_context(|| {
            format!("the variable {variable} is not set; set it, or remove `key_env`")
        })?;
        Ok(Some(key.trim().to_owned()))
    }
}

/// Leaves half of the cores to everything else, unless the environment says how many models may have. The
/// threads that multiply for models wait for each other without sleeping: where others want the same cores, each
/// product waits until all of them have had their turn, and all are slower than one thread alone.
#[cfg(feature = "local-inference")]
pub(crate) fn leave_cores_free() {
    const THREADS: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];
    if THREADS.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(
        unsafe_code,
        reason = "nobody reads the environment yet: there is one thread"
    )]
    unsafe {
        std::env::set_var(THREADS[0], (cores / 2).max(1).to_string());
    }
}

/// What `OLLAMA_HOST` names, as Ollama's own command reads it.
fn ollama(environment: &Environment) -> anyhow::Result<Option<Configured>> {
    let Some(host) = environment
        .get("OLLAMA_HOST")
        .filter(|host| !host.is_empty())
    else {
        return Ok(None);
    };
    let url = ollama_url(host).with_context(
        || "OLLAMA_HOST: it is no address; write it like 127.0.0.1:11434, or unset it",
    )?;
    Ok(Some(Configured {
        name: "ollama".to_owned(),
        backend: Arc::new(Ollama::new(&url, None, KEEP_ALIVE)?),
        limits: Limits::default(),
    }))
}

/// Host, port and scheme are each left out at will.
fn ollama_url(host: &str) -> Option<Url> {
    let text = match host.contains("://") {
        true => host.to_owned(),
        false => format!(
            "http://{}{host}",
            if host.starts_with(':') {
                "127.0.0.1"
            } else {
                ""
            }
        ),
    };
    let mut url: Url = text.parse().ok()?;
    if url.port().is_none() && !host.contains("://") {
        url.set_port(Some(OLLAMA_PORT)).ok()?;
    }
    // Where the server listens everywhere, it is reached here.
    if url.host_str()? == "0.0.0.0" {
        url.set_host(Some("127.0.0.1")).ok()?;
    }
    Some(url)
}

/// What `OPENAI_BASE_URL` names, or OpenAI itself where only `OPENAI_API_KEY` is there.
fn openai(environment: &Environment) -> anyhow::Result<Option<Configured>> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let key = variable("OPENAI_API_KEY").map(|key| key.trim());
    let url = match (variable("OPENAI_BASE_URL"), key) {
        (Some(url), _) => url.as_str(),
        (None, Some(_)) => OPENAI,
        (None, None) => return Ok(None),
    };
    let url: Url = url.parse().context(
        "OPENAI_BASE_URL: it is no address; write it like http://127.0.0.1:8080/v1, or unset it",
    )?;
    Ok(Some(Configured {
        name: "openai".to_owned(),
        backend: Arc::new(OpenAi::new(&url, key)?),
        limits: Limits::default(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(text: &str) -> anyhow::Result<Inference> {
        Inference::parse(text, Path::new("sbd.toml"))
    }

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn servers_are_named_in_the_file_and_by_well_known_variables() {
        let file = parse(
            r#"
            listen = ":1"
            [inference.backends.local]
            kind = "openai"
            url = "http://127.0.0.1:8080/v1"
            parallel = 2
            waiting = 8
            first_token = "90s"
            between_tokens = "20s"
            embedding_models = ["nano"]
            [inference.backends.house]
            kind = "ollama"
            url = "http://10.0.0.7:11434"
            keep_alive = "1h"
            "#,
        )
        .unwrap();
        let names = |file: &Inference, pairs: &[(&str, &str)]| {
            let backends = file.backends(&environment(pairs)).unwrap();
            backends.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&file, &[]), ["house", "local"]);
        let known = [("OLLAMA_HOST", "0.0.0.0"), ("OPENAI_API_KEY", "sk-1")];
        assert_eq!(names(&file, &known), ["house", "local", "ollama", "openai"]);
        let local = file.backends(&environment(&[])).unwrap().pop().unwrap();
        assert_eq!((local.limits.parallel, local.limits.waiting), (2, 8));
        assert_eq!(local.limits.first_token, Duration::from_secs(90));
        let none = parse("").unwrap();
        assert!(names(&none, &[("OLLAMA_HOST", "")]).is_empty());
        assert_eq!(
            names(&none, &[("OPENAI_BASE_URL", "http://[::1]:1/v1")]),
            ["openai"]
        );
        assert!(
            none.backends(&environment(&[("OPENAI_BASE_URL", "nowhere")]))
                .is_err()
        );
    }

    #[cfg(feature = "local-inference")]
    #[test]
    fn the_engine_in_this_process_comes_last_and_can_be_left_out() {
        let names = |text: &str| {
            let file = parse(text).unwrap();
            let known = environment(&[("OLLAMA_HOST", "127.0.0.1")]);
            let backends = file.all_backends(&known, Path::new("nowhere")).unwrap();
            backends.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["ollama", "local"]);
        assert_eq!(names("[inference.local]\noff = true"), ["ollama"]);
        let local = "[inference.local]\nmemory = \"2GiB\"\ncontext = 4096\nidle = \"1m\"";
        assert_eq!(names(local), ["ollama", "local"]);
        for wrong in ["memory = \"2GB\"", "idle = 5", "models = 1"] {
            let error = parse(&format!("[inference.local]\n{wrong}")).unwrap_err();
            assert!(error.to_string().contains("sbd.toml:2"), "{error}");
        }
    }

    #[test]
    fn ollama_is_found_where_its_own_command_finds_it() {
        for (host, url) in [
            ("127.0.0.1:11500", "http://127.0.0.1:11500/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            (":11435", "http://127.0.0.1:11435/"),
            ("models.example", "http://models.example:11434/"),
            ("https://models.example", "https://models.example/"),
        ] {
            assert_eq!(ollama_url(host).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_never_with_a_key() {
        let server = "[inference.backends.local]\nkind = \"openai\"\nurl = \"http://h/v1\"\n";
        for (text, says) in [
            (
                format!("{server}kye_file = \"k\""),
                "sbd.toml:4: unknown field `kye_file`",
            ),
            (
                format!("{server}key = \"sk-secret\""),
                "sbd.toml:4: unknown field `key`",
            ),
            (format!("{server}first_token = \"soon\""), "sbd.toml:4: "),
            (
                format!("{server}keep_alive = \"1m\""),
                "`keep_alive` is for",
            ),
            (
                format!("{server}key_file = \"a\"\nkey_env = \"B\""),
                "both set",
            ),
            (
                "[inference]\nbackend = 1".to_owned(),
                "sbd.toml:2: unknown field `backend`",
            ),
            (
                "[inference.backends.x]\nkind = \"llama\"\nurl = \"http://h\"".to_owned(),
                "sbd.toml:2: unknown variant",
            ),
            (
                "[inference.backends.x]\nkind = \"openai\"\nurl = \"ftp://h\"".to_owned(),
                "http://",
            ),
            (
                "[inference.backends.x]\nkind = \"openai\"\nurl = \"http://u:sk-secret@h\""
                    .to_owned(),
                "`key_file`",
            ),
        ] {
            let error = format!("{:#}", parse(&text).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("sk-secret"), "{error}");
        }
        let file = parse(&format!("{server}key_env = \"NO_KEY\"")).unwrap();
        let error = file.backends(&environment(&[])).err().unwrap();
        assert!(
            format!("{error:#}").contains("NO_KEY is not set"),
            "{error:#}"
        );
    }
}
