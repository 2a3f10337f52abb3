//! `sbd doctor`: tries what usually goes wrong, beside a running server and without one, and says of
//! each in one line whether it is right.

mod data;
mod listener;
mod mail;

use crate::application::Origin;
use crate::cli::Flags;
use crate::control;
use crate::settings::{Environment, Settings};
use crate::up;
use anyhow::bail;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026 in seconds since 1970: no clock that is right is before this program was written.
const WRITTEN: u64 = 1_767_225_600;
/// Variables by which others are told of a proxy, in capitals or not.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// Files that a server wants to open: connections, and a few for each open tenant.
const FILES: u64 = 4096;

/// What was found of one thing.
pub(crate) struct Finding {
    verdict: Verdict,
    about: &'static str,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    /// It serves, and may not do what was meant.
    Doubtful,
    /// It does not serve, or not for long.
    Wrong,
}

/// What is known of a server on the data directory.
enum Server {
    Stopped,
    /// It runs, and is of this version.
    Runs(String),
}

/// Examines, tells, and fails if something is wrong.
///
/// # Errors
/// How much is wrong.
pub(crate) async fn command(flags: &Flags, environment: &Environment) -> anyhow::Result<()> {
    let findings = examine(flags, environment).await;
    for Finding {
        verdict,
        about,
        text,
    } in &findings
    {
        let word = match verdict {
            Verdict::Right => "ok",
            Verdict::Doubtful => "warning",
            Verdict::Wrong => "wrong",
        };
        println!("{word:<8} {about:<13} {text}");
    }
    let wrong = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Wrong);
    match wrong.count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong; its line says what to do"),
        more => bail!("{more} things are wrong; their lines say what to do"),
    }
}

async fn examine(flags: &Flags, environment: &Environment) -> Vec<Finding> {
    let mut findings = vec![clock(SystemTime::now()), files(), proxy(environment)];
    let settings = match Settings::resolve(flags, environment) {
        Ok(settings) => settings,
        Err(error) => {
            findings.push(Finding::wrong("settings", format!("{error:#}")));
            return findings;
        }
    };
    let data_dir = settings.data_dir();
    findings.push(Finding::right("settings", "every name is known".to_owned()));
    findings.push(application(&settings, environment));
    findings.extend(data::examine(&data_dir));
    findings.push(mail::examine(&settings).await);
    let server = match server(&settings).await {
        Ok(server) => server,
        Err(error) => {
            findings.push(Finding::wrong("server", format!("{error:#}")));
            return findings;
        }
    };
    findings.push(version(&server));
    for name in ["listen", "admin_listen"] {
        findings.push(address(&settings, name, &server).await);
    }
    let (listen, trusted) = (settings.text("listen"), settings.text("trusted_proxies"));
    findings.extend(trusted_proxies(listen, trusted));
    findings
}

// === impl Finding ===

impl Finding {
    fn right(about: &'static str, text: String) -> Self {
        Self {
            verdict: Verdict::Right,
            about,
            text,
        }
    }

    fn doubtful(about: &'static str, text: String) -> Self {
        Self {
            verdict: Verdict::Doubtful,
            about,
            text,
        }
    }

    fn wrong(about: &'static str, text: String) -> Self {
        Self {
            verdict: Verdict::Wrong,
            about,
            text,
        }
    }
}

fn clock(now: SystemTime) -> Finding {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let shown = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    if since.as_secs() < WRITTEN {
        let text = format!(
            "it is {shown} by this machine, which is before this program was written; set the clock, or every token is refused elsewhere"
        );
        return Finding::wrong("clock", text);
    }
    Finding::right("clock", format!("it is {shown}"))
}

fn files() -> Finding {
    use rustix::process::{Resource, getrlimit};
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < FILES => Finding::doubtful(
            "files",
            format!(
                "no more than {most} files may be open at once, and every connection is one; allow {FILES} (`ulimit -Hn`, or LimitNOFILE= of the service)"
            ),
        ),
        Some(most) => Finding::right("files", format!("{most} may be open at once")),
        None => Finding::right("files", "as many as wanted may be open at once".to_owned()),
    }
}

fn proxy(environment: &Environment) -> Finding {
    let is_set = |name: &&str| {
        let lower = name.to_lowercase();
        [*name, &lower].iter().any(|name| {
            environment
                .get(*name)
                .is_some_and(|value| !value.is_empty())
        })
    };
    let set: Vec<&str> = PROXIES.into_iter().filter(is_set).collect();
    if set.is_empty() {
        return Finding::right("proxy", "none is asked for".to_owned());
    }
    Finding::doubtful(
        "proxy",
        format!(
            "{} is set and not used: components reach hosts outside directly; let this machine reach the hosts that the manifest allows",
            set.join(", ")
        ),
    )
}

/// Whether those who are believed about addresses can be those who ask.
fn trusted_proxies(listen: &str, trusted: &str) -> Option<Finding> {
    let about = "trusted";
    if trusted.is_empty() {
        return None;
    }
    let each: Vec<&str> = trusted.split(',').map(str::trim).collect();
    if let Some(all) = each.iter().find(|network| network.ends_with("/0")) {
        let text = format!(
            "trusted_proxies has `{all}`, so everybody may say that they are somebody else; name the proxy's own address"
        );
        return Some(Finding::wrong(about, text));
    }
    let is_here = |text: &str| {
        text.starts_with("127.") || text.starts_with("[::1]") || text.starts_with("::1")
    };
    let is_alone = is_here(listen) || listen.starts_with("localhost");
    if is_alone && !each.iter().any(|network| is_here(network)) {
        let text = format!(
            "trusted_proxies is `{trusted}`, and nobody but this machine reaches {listen}; name 127.0.0.1, or listen where the proxy can reach it"
        );
        return Some(Finding::doubtful(about, text));
    }
    Some(Finding::right(about, format!("proxies at {trusted}")))
}

fn application(settings: &Settings, environment: &Environment) -> Finding {
    match Origin::new(settings, environment).load() {
        Ok(loaded) => {
            let app = loaded.app;
            let parts = app.components.len();
            let text = format!("{} {}: components {parts}", app.name, app.version);
            Finding::right("application", text)
        }
        Err(error) => {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            Finding::wrong(
                "application",
                format!("{first}; `sbd check` says all of it"),
            )
        }
    }
}

async fn server(settings: &Settings) -> anyhow::Result<Server> {
    let request = Request::get("/admin/api/v1/openapi.json")
        .header(http::header::HOST, "sbd")
        .body(Body::empty())?;
    let Ok(answer) = control::send(&settings.data_dir(), request).await? else {
        return Ok(Server::Stopped);
    };
    let body = answer.into_body().collect().await?.to_bytes();
    let described: Value = serde_json::from_slice(&body).unwrap_or_default();
    let version = described["info"]["version"].as_str().unwrap_or("unknown");
    Ok(Server::Runs(version.to_owned()))
}

fn version(server: &Server) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match server {
        Server::Stopped => Finding::right("version", format!("sbd {own}; no server runs here")),
        Server::Runs(version) if version == own => Finding::right(
            "version",
            format!("sbd {own}, and so is the running server"),
        ),
        Server::Runs(version) => Finding::doubtful(
            "version",
            format!("this is sbd {own}, and the running server is {version}; start it anew"),
        ),
    }
}

/// Whether somebody else listens where the server is to listen.
async fn address(settings: &Settings, name: &'static str, server: &Server) -> Finding {
    let text = settings.text(name);
    let runs = matches!(server, Server::Runs(_));
    let error = match up::bind(settings, name).await {
        Ok(_) if runs => {
            let text = format!("{text} is free: the running server listens elsewhere");
            return Finding::doubtful(name, text);
        }
        Ok(_) => return Finding::right(name, format!("{text} is free")),
        Err(error) => error,
    };
    let cause = error.root_cause().downcast_ref::<io::Error>();
    if cause.is_none_or(|cause| cause.kind() != io::ErrorKind::AddrInUse) {
        return Finding::wrong(name, format!("{error:#}"));
    }
    let port = text.rsplit(':').next().and_then(|port| port.parse().ok());
    let flag = name.replace('_', "-");
    match port.and_then(listener::of) {
        Some(who) if runs && who.name == "sbd" => {
            Finding::right(name, format!("{text} is where the running server listens"))
        }
        Some(who) => Finding::wrong(
            name,
            format!(
                "{text} is taken by `{}` (process {}); stop it, or choose another address with --{flag}",
                who.name, who.process
            ),
        ),
        None if runs => Finding::right(
            name,
            format!("{text} is taken, by the running server it seems"),
        ),
        None => Finding::wrong(
            name,
            format!(
                "{text} is taken by somebody whom only the administrator of this machine sees; choose another address with --{flag}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Finding {
        let pairs = pairs.iter();
        let environment = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        proxy(&environment.collect())
    }

    #[test]
    fn a_clock_that_stands_at_its_beginning_is_wrong() {
        let at = |seconds| clock(UNIX_EPOCH + Duration::from_secs(seconds));
        assert!(at(86_400).verdict == Verdict::Wrong);
        assert!(at(86_400).text.contains("1970-01-02"));
        assert!(at(WRITTEN + 1).verdict == Verdict::Right);
        assert!(clock(UNIX_EPOCH - Duration::from_secs(1)).verdict == Verdict::Wrong);
    }

    #[test]
    fn a_proxy_that_is_not_used_is_told() {
        assert!(proxies(&[("https_proxy", "")]).verdict == Verdict::Right);
        let told = proxies(&[("https_proxy", "http://proxy:3128")]);
        assert!(told.verdict == Verdict::Doubtful && told.text.contains("HTTPS_PROXY"));
    }

    #[test]
    fn proxies_that_are_trusted_can_be_those_who_ask() {
        let verdict = |listen, trusted| {
            let found = trusted_proxies(listen, trusted);
            found.map(|finding| finding.verdict)
        };
        let (here, everywhere) = ("127.0.0.1:4747", "0.0.0.0:4747");
        assert!(verdict(here, "").is_none());
        for (listen, trusted, expected) in [
            (here, "127.0.0.1", Verdict::Right),
            ("[::1]:80", "::1", Verdict::Right),
            (everywhere, "10.0.0.0/8", Verdict::Right),
            (here, "10.0.0.7", Verdict::Doubtful),
            (here, "127.0.0.1, 0.0.0.0/0", Verdict::Wrong),
            (everywhere, "::/0", Verdict::Wrong),
        ] {
            assert!(
                verdict(listen, trusted) == Some(expected),
                "{listen} {trusted}"
            );
        }
    }
}
