//! Tesseract, in a process of its own for each image: with little memory and time, in an empty folder, with nothing
//! of this process's environment. What an image does to it, it does to nobody else.

use crate::engine::{Engine, Installed, Line};
use crate::tsv;
use crate::{Error, Settings};
use futures::future::BoxFuture;
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// The most that is read of what it writes.
const MOST_WRITTEN: u64 = 8 << 20;
/// How long it is remembered what is installed.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long it may take to say what is installed.
const SAYING: Duration = Duration::from_secs(10);

/// What to do where it is missing.
pub(crate) const INSTALL: &str = "no text can be recognised here, as Tesseract is not installed: install the package \
     `tesseract-ocr` and those of your languages (`tesseract-ocr-deu`)";

/// Tesseract, where it is installed.
#[derive(Debug)]
pub struct Tesseract {
    settings: Settings,
    known: Mutex<Option<(Instant, Option<Installed>)>>,
}

impl Tesseract {
    /// Tesseract with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: Mutex::new(None),
        }
    }

    async fn look(&self) -> Result<Option<Installed>, Error> {
        if let Ok(known) = self.known.lock()
            && let Some((at, installed)) = &*known
            && at.elapsed() < REMEMBERED
        {
            return Ok(installed.clone());
        }
        let installed = self.ask().await?;
        if let Ok(mut known) = self.known.lock() {
            *known = Some((Instant::now(), installed.clone()));
        }
        Ok(installed)
    }

    async fn ask(&self) -> Result<Option<Installed>, Error> {
        let Some(program) = program(&self.settings.program) else {
            return Ok(None);
        };
        let version = self
            .run(&program, &["--version"], Vec::new(), SAYING)
            .await?;
        let languages = self
            .run(&program, &["--list-langs"], Vec::new(), SAYING)
            .await?;
        // Which of its two outputs it takes for this differs by version.
        let text = |output: &Output| {
            let said = [&*output.stdout, &*output.stderr].concat();
            String::from_utf8_lossy(&said).into_owned()
        };
        let version = text(&version);
        let languages = text(&languages);
        let languages = languages
            .lines()
            .map(str::trim)
            .filter(|line| is_language(line));
        Ok(Some(Installed {
            name: version
                .lines()
                .next()
                .unwrap_or("tesseract")
                .trim()
                .to_owned(),
            // Not a language: it only tells how a page lies.
            languages: languages
                .filter(|line| *line != "osd")
                .map(str::to_owned)
                .collect(),
        }))
    }

    async fn read(&self, image: Vec<u8>, languages: Vec<String>) -> Result<Vec<Line>, Error> {
        let installed = self.look().await?;
        let installed = installed.ok_or_else(|| Error::NotInstalled(INSTALL.to_owned()))?;
        if let Some(missing) = languages
            .iter()
            .find(|one| !installed.languages.contains(one))
        {
            return Err(Error::NotInstalled(format!(
                "the language `{missing}` is not installed for Tesseract; there are {}: install the package \
                 `tesseract-ocr-{missing}`",
                installed.languages.join(", ")
            )));
        }
        let program = program(&self.settings.program);
        let program = program.ok_or_else(|| Error::NotInstalled(INSTALL.to_owned()))?;
        let languages = languages.join("+");
        let arguments = [
            "stdin",
            "stdout",
            "-l",
            &languages,
            "-c",
            "tessedit_page_number=0",
            "tsv",
        ];
        let output = self
            .run(&program, &arguments, image, self.settings.time)
            .await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::info!("tesseract: {}: {}", output.status, said.trim());
            return Err(Error::Invalid(
                "the image could not be read; it may be damaged, or too large for what one image may take".to_owned(),
            ));
        }
        Ok(tsv::lines(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Runs it within its limits. It is killed when nobody waits for it any more.
    async fn run(
        &self,
        program: &PathBuf,
        arguments: &[&str],
        input: Vec<u8>,
        time: Duration,
    ) -> Result<Output, Error> {
        let broken =
            |error: io::Error| Error::Unavailable(format!("Tesseract could not be run: {error}"));
        let folder = tempfile::tempdir().map_err(broken)?;
        // The shell sets the limits, and becomes the program: no limit is ever missing while it runs.
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(limits(self.settings.memory, time))
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .env("OMP_THREAD_LIMIT", "1")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(data) = std::env::var_os("TESSDATA_PREFIX") {
            command.env("TESSDATA_PREFIX", data);
        }
        let mut process = command.spawn().map_err(broken)?;
        let (stdin, stdout, stderr) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let work = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // It may have ended already, and says why.
                    let _ = stdin.write_all(&input).await;
                }
            };
            let ((), stdout, stderr) = tokio::join!(write, written(stdout), written(stderr));
            let status = process.wait().await?;
            Ok(Output {
                status,
                stdout: stdout?,
                stderr: stderr?,
            })
        };
        match tokio::time::timeout(time, work).await {
            Ok(output) => output.map_err(broken),
            Err(_) => Err(Error::Unavailable(format!(
                "the image was not read within {} seconds; draw it smaller",
                time.as_secs()
            ))),
        }
    }
}

impl Engine for Tesseract {
    fn installed(&self) -> BoxFuture<'_, Result<Option<Installed>, Error>> {
        Box::pin(self.look())
    }

    fn recognise(
        &self,
        image: Vec<u8>,
        languages: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Line>, Error>> {
        Box::pin(self.read(image, languages))
    }
}

/// All that something writes, and not more than is read of it: then it is cut off, and ends.
async fn written(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut written = Vec::new();
    if let Some(from) = from {
        from.take(MOST_WRITTEN).read_to_end(&mut written).await?;
    }
    Ok(written)
}

/// What the shell does before it becomes the program: memory in KiB, seconds of computing, no files but those of
/// the language, none to be written, no core dump. Other systems than Linux know no limit of memory.
fn limits(memory: u64, time: Duration) -> String {
    let must = if cfg!(target_os = "linux") {
        "|| exit 125"
    } else {
        "2>/dev/null"
    };
    format!(
        "ulimit -v {} {must}; ulimit -t {} || exit 125; ulimit -n 32 || exit 125; ulimit -f 0 || exit 125; \
         ulimit -c 0 || exit 125; exec \"$0\" \"$@\"",
        memory >> 10,
        time.as_secs().max(1),
    )
}

/// Where a program is.
fn program(name: &PathBuf) -> Option<PathBuf> {
    if name.is_absolute() {
        return name.is_file().then(|| name.clone());
    }
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_absolute() && place.is_file())
}

/// Whether this is how Tesseract names a language: `eng`, `chi_sim`, `script/Latin`.
pub(crate) fn is_language(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && !name.starts_with(['-', '/'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'/')
}
