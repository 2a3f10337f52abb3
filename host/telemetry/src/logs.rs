//! Log lines on standard error: compact for people, JSON for collectors.

use crate::Error;
use crate::lines::Lines;
use std::io::IsTerminal as _;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// What is logged unless told otherwise: everything from level info on, but libraries only when
/// something is wrong.
pub const DEFAULT_FILTER: &str =
    "info,wasmtime=warn,cranelift=warn,hyper=warn,hyper_util=warn,h2=warn,rustls=warn,tower=warn";

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// Compact if standard error is a terminal, JSON if not.
    #[default]
    Auto,
    /// One short line an event, coloured on a terminal.
    Compact,
    /// One JSON object an event.
    Json,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The shape of a line.
    pub format: LogFormat,
    /// Which events: comma-separated `level` or `target=level`, as in `info,sbd_gateway=debug`.
    pub filter: String,
}

pub(crate) static STANDARD_ERROR: LazyLock<Lines> = LazyLock::new(|| Lines::new(std::io::stderr()));

/// Sends log events to standard error from now on, those below a warning within 50 ms. Once that
/// is done, later calls change nothing and answer `Ok`.
///
/// # Errors
/// [`Error::Filter`]; [`Error::Taken`] if another subscriber is already there.
pub fn init(settings: &LogSettings) -> Result<(), Error> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();

    let terminal = std::io::stderr().is_terminal();
    let subscriber = subscriber(settings, terminal, &*STANDARD_ERROR)?;
    let installed = *INSTALLED.get_or_init(|| {
        // Without its thread each line is written at once, which is slower and nothing else.
        let _ = STANDARD_ERROR.start(settings.is_json(terminal));
        subscriber.try_init().is_ok()
    });
    if installed {
        Ok(())
    } else {
        Err(Error::Taken("logs"))
    }
}

/// Writes out the lines that still wait. The last thing before the process ends.
pub fn flush() {
    STANDARD_ERROR.flush();
}

/// Everything between an event and the writer.
fn subscriber<W>(
    settings: &LogSettings,
    terminal: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + 'static, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| Error::Filter {
        filter: settings.filter.clone(),
        reason: error.to_string(),
    })?;
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if settings.is_json(terminal) {
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    } else {
        lines.compact().with_ansi(terminal).boxed()
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)))
}

// === impl LogFormat ===

impl LogFormat {
    /// The name a setting uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Compact => "compact",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Auto, Self::Compact, Self::Json]
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| Error::Format(name.to_owned()))
    }
}

// === impl LogSettings ===

impl LogSettings {
    fn is_json(&self, terminal: bool) -> bool {
        match self.format {
            LogFormat::Auto => !terminal,
            LogFormat::Compact => false,
            LogFormat::Json => true,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: DEFAULT_FILTER.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{LogFormat, LogSettings, init, subscriber};
    use crate::Error;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn capture(settings: &LogSettings, terminal: bool, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(settings, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn settings(format: LogFormat, filter: &str) -> LogSettings {
        LogSettings {
            format,
            filter: filter.to_owned(),
        }
    }

    #[test]
    fn json_lines_carry_fields_and_span() {
        let lines = capture(&settings(LogFormat::Json, "info"), true, || {
            let _span = tracing::info_span!("request", request_id = "req_1").entered();
            tracing::info!(status = 201, "answered");
            tracing::debug!("not shown");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
        assert_eq!(line["message"], "answered");
        assert_eq!(line["status"], 201);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["request_id"], "req_1");
    }

    #[test]
    fn auto_is_for_people_on_a_terminal_only() {
        let event = || tracing::info!("hello");
        let auto = settings(LogFormat::Auto, "info");
        assert!(!capture(&auto, true, event).starts_with('{'));
        assert!(capture(&auto, false, event).starts_with('{'));
        let plain = capture(&settings(LogFormat::Compact, "info"), false, event);
        assert!(
            plain.contains("hello") && !plain.contains('\u{1b}'),
            "{plain:?}"
        );
    }

    #[test]
    fn the_default_filter_quiets_libraries() {
        let lines = capture(&LogSettings::default(), false, || {
            tracing::info!(target: "hyper::proto", "library detail");
            tracing::warn!(target: "hyper::proto", "library trouble");
            tracing::info!(target: "sbd_gateway", "ours");
        });
        assert!(!lines.contains("library detail"), "{lines}");
        assert!(
            lines.contains("library trouble") && lines.contains("ours"),
            "{lines}"
        );
    }

    #[test]
    fn a_wrong_filter_is_named() {
        let error = init(&settings(LogFormat::Auto, "info,hyper=loud")).unwrap_err();
        assert!(matches!(error, Error::Filter { .. }));
        assert!(error.to_string().contains("hyper=loud"), "{error}");
    }

    #[test]
    fn a_second_init_is_fine() {
        let quiet = settings(LogFormat::Auto, "off");
        init(&quiet).unwrap();
        init(&quiet).unwrap();
    }

    #[test]
    fn formats_have_names() {
        for format in [LogFormat::Auto, LogFormat::Compact, LogFormat::Json] {
            assert_eq!(format.as_str().parse::<LogFormat>().unwrap(), format);
        }
        assert!(
            "xml"
                .parse::<LogFormat>()
                .unwrap_err()
                .to_string()
                .contains("xml")
        );
    }
}
