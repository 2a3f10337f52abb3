//! Fetches models from the hub: goes on where it broke off, and takes nothing whose checksum is another.

use crate::catalogue::{KNOWN, Known, KnownFile};
use crate::error::{Error, Result};
use crate::folder::{Folder, Source, Stored, hex};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sbd_inference::Progress;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use url::Url;

/// Bytes of what the hub says of a repository, at most.
const LISTING: usize = 8 << 20;
/// Bytes of a file whose checksum the hub does not tell, at most: small texts beside the weights.
const UNCHECKED: u64 = 64 << 20;
const REDIRECTS: usize = 5;
/// How often in a row nothing may come before it is given up.
const TRIES: u32 = 5;
/// How long nothing may come.
const STALL: Duration = Duration::from_secs(30);
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(200);

type Body = hyper::body::Incoming;

/// Where models are fetched from.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    token: Option<String>,
    /// How long it waits before it tries again.
    pause: Duration,
}

impl Hub {
    /// Where models are fetched from, unless `HF_ENDPOINT` says otherwise.
    pub const USUAL: &str = "https://huggingface.co";

    /// A server that speaks like the hub.
    pub fn new(endpoint: &str, token: Option<String>) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token,
            pause: Duration::from_millis(500),
        }
    }

    /// The same, which waits less before it tries again.
    #[must_use]
    pub fn patient_for(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Fetches a known model into a folder. Whoever drops the stream breaks it off; the next one goes on from there.
    ///
    /// # Errors
    /// If there is such a model already, or none is known by the name.
    pub fn pull(
        &self,
        folder: &Folder,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Progress, sbd_inference::model::Error>>> {
        let known = KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            Error::NoModel(format!(
                "no model is known by the name `{name}`; these are: {}. `sbd model add FILE` takes any other from a file",
                names.join(", ")
            ))
        })?;
        self.pull_known(folder, *known)
    }

    /// Fetches a model that is described here.
    ///
    /// # Errors
    /// If there is such a model already.
    pub fn pull_known(
        &self,
        folder: &Folder,
        known: Known,
    ) -> Result<BoxStream<'static, Result<Progress, sbd_inference::model::Error>>> {
        folder.check_new(known.name)?;
        let (sender, mut told) = mpsc::channel(16);
        let pull = Pull {
            hub: self.clone(),
            client: client()?,
            folder: folder.clone(),
            known,
            sender,
        };
        tokio::spawn(async move {
            let sender = pull.sender.clone();
            // Whoever has left wants no more of it.
            let done = tokio::select! {
                done = pull.all() => done,
                () = sender.closed() => return,
            };
            let _ = sender.send(done.map_err(Into::into)).await;
        });
        Ok(stream::poll_fn(move |context| told.poll_recv(context)).boxed())
    }
}

type Connector = hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>;

fn client() -> Result<Client<Connector, Empty<Bytes>>> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| Error::Failed(format!("TLS: {error}")))?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// What the hub says of a repository.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

/// A file that is to be fetched.
struct Wanted {
    name: &'static str,
    size: u64,
    /// What it must be; of small texts beside the weights the hub does not tell.
    sha256: Option<String>,
}

/// A model that is being fetched.
struct Pull {
    hub: Hub,
    client: Client<Connector, Empty<Bytes>>,
    folder: Folder,
    known: Known,
    sender: mpsc::Sender<Result<Progress, sbd_inference::model::Error>>,
}

impl Pull {
    async fn all(&self) -> Result<Progress> {
        let unfinished = self.folder.unfinished(self.known.name)?;
        let _alone = alone(&unfinished)?;
        let (revision, wanted) = self.wanted().await?;
        let total = wanted.iter().map(|file| file.size).sum();
        let mut done = 0;
        let mut files = Vec::new();
        for file in &wanted {
            let sha256 = self
                .fetch(&unfinished, &revision, file, (done, total))
                .await?;
            done += file.size;
            files.push(Stored {
                name: file.name.to_owned(),
                size: file.size,
                sha256,
            });
        }
        self.tell("checking", total, total).await;
        let source = Source {
            name: self.known.repository.to_owned(),
            revision: Some(revision),
            licence: Some(self.known.licence.to_owned()),
        };
        let (folder, name) = (self.folder.clone(), self.known.name);
        let finish = move || {
            clean(&unfinished, &files)?;
            folder.finish(name, &unfinished, source, files)
        };
        tokio::task::spawn_blocking(finish)
            .await
            .map_err(|error| Error::Failed(error.to_string()))??;
        Ok(Progress {
            step: "done".to_owned(),
            done: total,
            total: Some(total),
        })
    }

    async fn tell(&self, step: &str, done: u64, total: u64) {
        let _ = self
            .sender
            .send(Ok(Progress {
                step: step.to_owned(),
                done,
                total: Some(total),
            }))
            .await;
    }

    /// Which revision it is, and the files that are to be fetched of it.
    async fn wanted(&self) -> Result<(String, Vec<Wanted>)> {
        let Known {
            repository,
            revision,
            files,
            ..
        } = self.known;
        let url = format!(
            "{}/api/models/{repository}/revision/{revision}?blobs=true",
            self.hub.endpoint
        );
        let response = self.get(&url, 0).await?;
        self.check_status(&response, &url)?;
        let body = timeout(
            STALL,
            http_body_util::Limited::new(response.into_body(), LISTING).collect(),
        )
        .await;
        let strange = |text: String| {
            Error::Failed(format!(
                "{url} does not answer like a hub of models: {text}"
            ))
        };
        let body = body
            .map_err(|_| strange("it stalls".to_owned()))?
            .map_err(|error| strange(error.to_string()))?;
        let listing: Listing =
            serde_json::from_slice(&body.to_bytes()).map_err(|error| strange(error.to_string()))?;
        if !(7..=64).contains(&listing.sha.len())
            || !listing.sha.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(strange(format!("`{}` is no revision", listing.sha)));
        }
        let mut there: HashMap<String, Sibling> = listing
            .siblings
            .into_iter()
            .map(|file| (file.rfilename.clone(), file))
            .collect();
        let mut wanted = Vec::new();
        for file in files {
            match there.remove(file.name) {
                Some(sibling) => wanted.push(self.one(file, &sibling)?),
                None if file.is_optional => {}
                None => {
                    return Err(Error::Failed(format!(
                        "{repository} has no file {} any more; a newer version of sbd may know where it is",
                        file.name
                    )));
                }
            }
        }
        Ok((listing.sha, wanted))
    }

    fn one(&self, file: &KnownFile, sibling: &Sibling) -> Result<Wanted> {
        let told = sibling
            .lfs
            .as_ref()
            .map(|lfs| (lfs.size, lfs.sha256.to_lowercase()));
        let known = file.sha256.map(|(size, sha256)| (size, sha256.to_owned()));
        match (known, told, sibling.size) {
            (Some(known), Some(told), _) if known != told => Err(Error::Failed(format!(
                "{} has another {} than this version of sbd knows (SHA-256 {} instead of {}); nothing was fetched",
                self.known.repository, file.name, told.1, known.1
            ))),
            (Some((size, sha256)), ..) | (None, Some((size, sha256)), _) => Ok(Wanted {
                name: file.name,
                size,
                sha256: Some(sha256),
            }),
            (None, None, Some(size)) if size <= UNCHECKED => Ok(Wanted {
                name: file.name,
                size,
                sha256: None,
            }),
            _ => Err(Error::Failed(format!(
                "{} does not tell the checksum of {}",
                self.known.repository, file.name
            ))),
        }
    }

    /// Fetches a file, goes on where it broke off, and checks it; its checksum.
    async fn fetch(
        &self,
        unfinished: &Path,
        revision: &str,
        file: &Wanted,
        (before, total): (u64, u64),
    ) -> Result<String> {
        let path = unfinished.join(file.name);
        let about = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).await.map_err(about)?;
        }
        if let Some(sha256) = &file.sha256
            && path.exists()
            && hashed(&path).await.map_err(about)?.1 == *sha256
        {
            return Ok(sha256.clone());
        }
        // Of another revision, another beginning: it is not gone on with.
        let part = part_of(&path, file.sha256.as_deref().unwrap_or(revision));
        let url = format!(
            "{}/{}/resolve/{revision}/{}",
            self.hub.endpoint, self.known.repository, file.name
        );
        let mut idle = 0;
        loop {
            let (had, hash) = if part.exists() {
                hashed_part(&part).await.map_err(about)?
            } else {
                (0, Sha256::new())
            };
            if had == file.size {
                let sha256 = hex(&hash.finalize());
                return match &file.sha256 {
                    Some(wanted) if *wanted != sha256 => {
                        fs::remove_file(&part).await.map_err(about)?;
                        Err(Error::Failed(format!(
                            "{} came with the SHA-256 {sha256} instead of {wanted}; it was thrown away, and nothing was added",
                            file.name
                        )))
                    }
                    _ => {
                        fs::rename(&part, &path).await.map_err(about)?;
                        Ok(sha256)
                    }
                };
            }
            if had > file.size {
                fs::remove_file(&part).await.map_err(about)?;
                continue;
            }
            let step = format!("fetching {}", file.name);
            match self
                .go_on(&url, &part, had, file.size, |done| {
                    self.tell_now(&step, before + done, total)
                })
                .await
            {
                Ok(()) => {}
                Err(Broken::ForGood(error)) => return Err(error),
                Err(Broken::Off(error)) => {
                    let has = fs::metadata(&part)
                        .await
                        .map_or(0, |metadata| metadata.len());
                    idle = if has > had { 0 } else { idle + 1 };
                    if idle >= TRIES {
                        return Err(Error::Failed(format!(
                            "{url} broke off after {has} of {} bytes ({error}); the same command goes on from there",
                            file.size
                        )));
                    }
                    tokio::time::sleep(self.hub.pause * 2u32.pow(idle)).await;
                }
            }
        }
    }

    /// Tells progress if somebody is there to hear it.
    fn tell_now(&self, step: &str, done: u64, total: u64) {
        let _ = self.sender.try_send(Ok(Progress {
            step: step.to_owned(),
            done,
            total: Some(total),
        }));
    }

    /// Appends what comes to a part.
    async fn go_on(
        &self,
        url: &str,
        part: &Path,
        had: u64,
        size: u64,
        tell: impl Fn(u64),
    ) -> Result<(), Broken> {
        let response = self
            .get(url, had)
            .await
            .map_err(|error| Broken::Off(error.to_string()))?;
        let goes_on = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                if !begins_at(response.headers(), had) {
                    return Err(Broken::Off(
                        "it sends another piece than was asked for".to_owned(),
                    ));
                }
                true
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Broken::Off(format!("it answers {status}")));
            }
            _ => {
                self.check_status(&response, url).map_err(Broken::ForGood)?;
                false
            }
        };
        let io = |error: std::io::Error| {
            Broken::ForGood(Error::Failed(format!("{}: {error}", part.display())))
        };
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on)
            .open(part)
            .await
            .map_err(io)?;
        let mut has = if goes_on { had } else { 0 };
        let mut body: Body = response.into_body();
        let mut told = Instant::now();
        tell(has);
        let ended = loop {
            let frame = match timeout(STALL, body.frame()).await {
                Err(_) => break Err(Broken::Off("nothing came for a while".to_owned())),
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(Broken::Off(error.to_string())),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            has += bytes.len() as u64;
            if has > size {
                // What is there is not what was promised, whatever follows.
                drop(file);
                fs::remove_file(part).await.map_err(io)?;
                return Err(Broken::ForGood(Error::Failed(format!(
                    "{url} sends more than the {size} bytes that it promised; it was thrown away"
                ))));
            }
            file.write_all(&bytes).await.map_err(io)?;
            if told.elapsed() >= TOLD {
                told = Instant::now();
                tell(has);
            }
        };
        file.flush().await.map_err(io)?;
        file.sync_all().await.map_err(io)?;
        tell(has);
        match ended {
            Ok(()) if has < size => Err(Broken::Off("it ended too early".to_owned())),
            ended => ended,
        }
    }

    /// Asks for a file from a byte on, wherever the hub sends for it.
    async fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let strange = |text: String| Error::Failed(format!("{url} cannot be fetched: {text}"));
        let endpoint = Url::parse(&self.hub.endpoint).map_err(|error| {
            Error::request(format!(
                "HF_ENDPOINT is `{}`, which is no URL: {error}",
                self.hub.endpoint
            ))
        })?;
        let mut at = Url::parse(url).map_err(|error| strange(error.to_string()))?;
        for _ in 0..=REDIRECTS {
            let uri: Uri = at
                .as_str()
                .parse()
                .map_err(|error: http::uri::InvalidUri| strange(error.to_string()))?;
            let mut request = Request::get(uri).header(
                header::USER_AGENT,
                concat!("sbd/", env!("CARGO_PKG_VERSION")),
            );
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            // Wherever it is sent on to has nothing to do with the token.
            if let Some(token) = &self.hub.token
                && at.origin() == endpoint.origin()
                && let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {token}"))
            {
                bearer.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, bearer);
            }
            let request = request
                .body(Empty::new())
                .map_err(|error| strange(error.to_string()))?;
            let response = timeout(STALL, self.client.request(request))
                .await
                .map_err(|_| strange("it does not answer".to_owned()))?
                .map_err(|error| strange(causes(&error)))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response
                .headers()
                .get(header::LOCATION)
                .and_then(|to| to.to_str().ok());
            let next = to
                .and_then(|to| at.join(to).ok())
                .ok_or_else(|| strange("it sends on to nowhere".to_owned()))?;
            if at.scheme() == "https" && next.scheme() != "https" {
                return Err(strange(
                    "it sends on to where nothing is encrypted".to_owned(),
                ));
            }
            at = next;
        }
        Err(strange("it sends on and on".to_owned()))
    }

    fn check_status<T>(&self, response: &Response<T>, url: &str) -> Result<()> {
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Failed(format!(
                "{url} wants an account that has accepted the licence: accept it there, and set HF_TOKEN to a token of the account"
            ))),
            status => Err(Error::Failed(format!("{url} answers {status}"))),
        }
    }
}

/// Why a transfer is not whole.
enum Broken {
    /// It may go on.
    Off(String),
    ForGood(Error),
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

fn begins_at(headers: &HeaderMap, from: u64) -> bool {
    let range = headers
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    range.and_then(|range| {
        range
            .strip_prefix("bytes ")?
            .split_once('-')?
            .0
            .parse()
            .ok()
    }) == Some(from)
}

fn part_of(path: &Path, of: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", &of[..of.len().min(12)]));
    path.with_file_name(name)
}

async fn hashed(path: &Path) -> std::io::Result<(u64, String)> {
    let (size, hash) = hashed_part(path).await?;
    Ok((size, hex(&hash.finalize())))
}

async fn hashed_part(path: &Path) -> std::io::Result<(u64, Sha256)> {
    let mut file = File::open(path).await?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            return Ok((size, hash));
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Only one fetches a model at a time, in whichever process; until the file is dropped.
fn alone(unfinished: &Path) -> Result<std::fs::File> {
    let path = unfinished.with_extension("lock");
    let about = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
    let file = std::fs::File::create(&path).map_err(about)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Busy(
            "this model is being fetched already; wait until it is there".to_owned(),
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(about(error)),
    }
}

/// Removes what earlier attempts left beside the files.
fn clean(unfinished: &Path, files: &[Stored]) -> Result<()> {
    let about = |error: std::io::Error| Error::Failed(format!("{}: {error}", unfinished.display()));
    let mut folders = vec![unfinished.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(about)? {
            let path = entry.map_err(about)?.path();
            let name = path
                .strip_prefix(unfinished)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !files.iter().any(|file| file.name == name) {
                std::fs::remove_file(&path).map_err(about)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
