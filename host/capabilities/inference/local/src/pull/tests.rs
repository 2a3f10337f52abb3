//! Fetching, from a small server that cuts off, lies and restarts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use crate::tiny::Tiny;
use crate::{Folder, Hub, Known, KnownFile};
use futures::StreamExt;
use sbd_inference::Progress;
use sbd_inference::model::{Error, Kind};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FILE: &str = "tiny-Q8_0.gguf";
const KNOWN: Known = Known {
    name: "tiny",
    kind: Kind::Chat,
    megabytes: 1,
    licence: "MIT",
    about: "nonsense",
    repository: "someone/tiny",
    revision: "main",
    files: &[
        KnownFile {
            name: FILE,
            sha256: None,
            is_optional: false,
        },
        KnownFile {
            name: "notes.json",
            sha256: None,
            is_optional: true,
        },
    ],
};

/// What a server does to its next visitors who want the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Sends so many bytes and hangs up.
    Cut(usize),
    /// Knows nothing of ranges.
    Whole,
    /// Sends another range than was asked for.
    Elsewhere,
    /// Sends other bytes.
    Wrong,
    /// Sends more than there is.
    More,
    /// Is not well.
    Ill,
    /// Is not allowed to.
    Forbidden,
    /// Sends on to itself.
    Redirect,
    /// Sends on to itself for ever.
    Circle,
    /// Sends a piece, and then nothing.
    Stall(usize),
}

struct Server {
    endpoint: String,
    visits: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct House {
    bytes: Arc<Vec<u8>>,
    sha256: Arc<str>,
    moods: Arc<Mutex<Vec<Mood>>>,
    visits: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(bytes: Vec<u8>, moods: &[Mood]) -> Self {
        let sha256 = super::hex(&Sha256::digest(&bytes));
        Self::telling(bytes, moods, &sha256).await
    }

    /// One that tells this checksum.
    async fn telling(bytes: Vec<u8>, moods: &[Mood], sha256: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut moods = moods.to_vec();
        moods.reverse();
        let house = House {
            bytes: Arc::new(bytes),
            sha256: sha256.into(),
            moods: Arc::new(Mutex::new(moods)),
            visits: Arc::default(),
        };
        let visits = house.visits.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(house.clone().serve(stream));
            }
        });
        Self { endpoint, visits }
    }

    fn hub(&self) -> Hub {
        Hub::new(&self.endpoint, Some("hf_secret".to_owned())).patient_for(Duration::from_millis(1))
    }

    /// The ranges with which the file was asked for.
    fn ranges(&self) -> Vec<String> {
        self.visits.lock().unwrap().clone()
    }
}

impl House {
    async fn serve(self, mut stream: TcpStream) {
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
            let Ok(count @ 1..) = stream.read(&mut buffer).await else {
                return;
            };
            asked.extend_from_slice(&buffer[..count]);
        }
        let asked = String::from_utf8(asked).unwrap().to_lowercase();
        let _ = stream.write_all(&self.answer(&asked)).await;
        if asked.contains("stall") || self.is_stalling() {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }

    fn is_stalling(&self) -> bool {
        matches!(self.moods.lock().unwrap().last(), Some(Mood::Stall(0)))
    }

    fn answer(&self, asked: &str) -> Vec<u8> {
        assert!(asked.contains("authorization: bearer hf_secret"), "{asked}");
        let send = |status: &str, more: &str, body: &[u8], length: usize| {
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
            );
            [head.as_bytes(), body].concat()
        };
        if asked.starts_with("get /api/models/someone/tiny/revision/main?blobs=true ") {
            let body = format!(
                r#"{{"sha":"0123456789abcdef0123","siblings":[{{"rfilename":".gitattributes","size":3}},
                {{"rfilename":"{FILE}","size":{size},"lfs":{{"sha256":"{sha}","size":{size},"pointerSize":134}}}}]}}"#,
                size = self.bytes.len(),
                sha = self.sha256,
            );
            return send("200 OK", "", body.as_bytes(), body.len());
        }
        assert!(
            asked.starts_with("get /someone/tiny/resolve/0123456789abcdef0123/tiny-q8_0.gguf"),
            "{asked}"
        );
        let range = asked
            .lines()
            .find_map(|line| line.strip_prefix("range: "))
            .unwrap_or_default();
        self.visits.lock().unwrap().push(range.to_owned());
        let from: usize = range
            .strip_prefix("bytes=")
            .map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
        let (all, rest) = (self.bytes.len(), &self.bytes[from..]);
        let part = |from: usize| format!("content-range: bytes {from}-{}/{all}\r\n", all - 1);
        let status = if range.is_empty() {
            "200 OK"
        } else {
            "206 Partial Content"
        };
        let mood = {
            let mut moods = self.moods.lock().unwrap();
            match moods.last() {
                Some(Mood::Circle) => Some(Mood::Circle),
                Some(Mood::Stall(0)) => None,
                _ => moods.pop(),
            }
        };
        match mood {
            None => send(status, &part(from), rest, rest.len()),
            Some(Mood::Cut(count)) => send(
                status,
                &part(from),
                &rest[..count.min(rest.len())],
                rest.len(),
            ),
            Some(Mood::Stall(count)) => {
                self.moods.lock().unwrap().push(Mood::Stall(0));
                send(status, &part(from), &rest[..count], rest.len())
            }
            Some(Mood::Whole) => send("200 OK", "", &self.bytes, all),
            Some(Mood::Elsewhere) => send(
                "206 Partial Content",
                &part(from + 1),
                &rest[1..],
                rest.len() - 1,
            ),
            Some(Mood::Wrong) => {
                let wrong: Vec<u8> = rest.iter().map(|byte| !byte).collect();
                send(status, &part(from), &wrong, wrong.len())
            }
            Some(Mood::More) => {
                let more = [rest, b"more"].concat();
                send(status, &part(from), &more, more.len())
            }
            Some(Mood::Ill) => send("503 Service Unavailable", "", b"", 0),
            Some(Mood::Forbidden) => send("401 Unauthorized", "", b"", 0),
            Some(Mood::Redirect | Mood::Circle) => {
                let to =
                    "location: /someone/tiny/resolve/0123456789abcdef0123/tiny-q8_0.gguf?again\r\n";
                send("302 Found", to, b"", 0)
            }
        }
    }
}

fn bytes() -> Vec<u8> {
    Tiny::of("llama").bytes()
}

/// Fetches; all that was told, and why it ended if it failed.
async fn pull(server: &Server, folder: &Folder) -> (Vec<Progress>, Option<Error>) {
    let mut told = Vec::new();
    let mut steps = match server.hub().pull_known(folder, KNOWN) {
        Ok(steps) => steps,
        Err(error) => return (told, Some(error.into())),
    };
    while let Some(step) = steps.next().await {
        match step {
            Ok(progress) => told.push(progress),
            Err(error) => return (told, Some(error)),
        }
    }
    (told, None)
}

fn folder() -> (TempDir, Folder) {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path().join("models"));
    (temporary, folder)
}

#[tokio::test]
async fn what_is_fetched_is_there_with_its_checksum_and_its_revision() {
    let (_temporary, folder) = folder();
    let server = Server::new(bytes(), &[]).await;
    let (told, error) = pull(&server, &folder).await;
    assert_eq!(error, None);
    let size = bytes().len() as u64;
    let last = told.last().unwrap();
    assert_eq!(
        (last.step.as_str(), last.done, last.total),
        ("done", size, Some(size))
    );
    assert!(
        told.iter()
            .any(|progress| progress.step == format!("fetching {FILE}"))
    );
    let manifest = folder.model("tiny").unwrap();
    assert_eq!(manifest.source, "someone/tiny");
    assert_eq!(manifest.revision.as_deref(), Some("0123456789abcdef0123"));
    assert_eq!(manifest.licence.as_deref(), Some("MIT"));
    assert_eq!(manifest.files.len(), 1);
    assert_eq!(
        manifest.files[0].sha256,
        super::hex(&Sha256::digest(bytes()))
    );
    let (_, error) = pull(&server, &folder).await;
    assert!(matches!(error, Some(Error::Invalid(text)) if text.contains("already")));
}

#[tokio::test]
async fn it_goes_on_where_it_broke_off() {
    let (_temporary, folder) = folder();
    let moods = [
        Mood::Cut(1000),
        Mood::Ill,
        Mood::Cut(0),
        Mood::Redirect,
        Mood::Cut(500),
        Mood::Elsewhere,
    ];
    let server = Server::new(bytes(), &moods).await;
    let (_, error) = pull(&server, &folder).await;
    assert_eq!(error, None);
    let had = [
        "",
        "bytes=1000-",
        "bytes=1000-",
        "bytes=1000-",
        "bytes=1000-",
        "bytes=1500-",
        "bytes=1500-",
    ];
    assert_eq!(server.ranges(), had);
    assert!(folder.model("tiny").is_ok());
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_again() {
    let (_temporary, folder) = folder();
    let server = Server::new(bytes(), &[Mood::Cut(1000), Mood::Whole]).await;
    assert_eq!(pull(&server, &folder).await.1, None);
    assert_eq!(
        folder.model("tiny").unwrap().files[0].sha256,
        super::hex(&Sha256::digest(bytes()))
    );
}

#[tokio::test]
async fn what_never_comes_is_given_up_and_kept_for_the_next_time() {
    let (_temporary, folder) = folder();
    let moods = [&[Mood::Cut(1234)][..], &[Mood::Ill; super::TRIES as usize]].concat();
    let server = Server::new(bytes(), &moods).await;
    let (_, error) = pull(&server, &folder).await;
    let error = error.unwrap().to_string();
    assert!(error.contains("1234") && error.contains("503"), "{error}");
    assert!(folder.models().is_empty());
    let restarted = Server::new(bytes(), &[]).await;
    assert_eq!(pull(&restarted, &folder).await.1, None);
    assert_eq!(restarted.ranges(), ["bytes=1234-"]);
}

#[tokio::test]
async fn what_is_not_what_was_promised_is_thrown_away() {
    for (mood, says) in [(Mood::Wrong, "SHA-256"), (Mood::More, "more than")] {
        let (_temporary, folder) = folder();
        let server = Server::new(bytes(), &[mood]).await;
        let (_, error) = pull(&server, &folder).await;
        assert!(error.unwrap().to_string().contains(says));
        assert!(folder.models().is_empty());
        // The next time it begins anew.
        assert_eq!(pull(&server, &folder).await.1, None);
        assert_eq!(server.ranges(), ["", ""]);
    }
}

/// A beginning of another file is not gone on with, and a good model stays what it is.
#[tokio::test]
async fn nothing_good_is_deleted() {
    let (_temporary, folder) = folder();
    let other = Tiny::of("qwen2").bytes();
    let server = Server::new(
        other,
        &[&[Mood::Cut(1000)][..], &[Mood::Forbidden]].concat(),
    )
    .await;
    let (_, error) = pull(&server, &folder).await;
    assert!(error.unwrap().to_string().contains("HF_TOKEN"));
    let server = Server::new(bytes(), &[]).await;
    assert_eq!(pull(&server, &folder).await.1, None);
    assert_eq!(server.ranges(), [""]);
    assert_eq!(folder.model("tiny").unwrap().family, "llama");
    let gone = Hub::new("http://127.0.0.1:1", None);
    assert!(gone.pull_known(&folder, KNOWN).is_err());
    assert_eq!(folder.model("tiny").unwrap().family, "llama");
}

#[tokio::test]
async fn what_cannot_be_read_as_a_model_is_no_model() {
    let (_temporary, folder) = folder();
    let server = Server::new(b"<html>not a model</html>".to_vec(), &[]).await;
    let (_, error) = pull(&server, &folder).await;
    assert!(error.unwrap().to_string().contains("GGUF"));
    assert!(folder.models().is_empty());
}

#[tokio::test]
async fn a_checksum_that_is_known_here_is_not_the_hubs_to_change() {
    let (_temporary, folder) = folder();
    let known = Known {
        files: &[KnownFile {
            name: FILE,
            sha256: Some((5, "0000")),
            is_optional: false,
        }],
        ..KNOWN
    };
    let server = Server::new(bytes(), &[]).await;
    let mut steps = server.hub().pull_known(&folder, known).unwrap();
    let error = steps.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("another"), "{error}");
    assert!(server.ranges().is_empty());
}

#[tokio::test]
async fn it_is_not_sent_on_for_ever() {
    let (_temporary, folder) = folder();
    let server = Server::new(bytes(), &[Mood::Circle]).await;
    let (_, error) = pull(&server, &folder).await;
    assert!(error.unwrap().to_string().contains("on and on"));
}

#[tokio::test]
async fn whoever_leaves_breaks_it_off_and_only_one_fetches_at_a_time() {
    let (_temporary, folder) = folder();
    let server = Server::new(bytes(), &[Mood::Stall(2000)]).await;
    let mut steps = server.hub().pull_known(&folder, KNOWN).unwrap();
    assert!(steps.next().await.unwrap().is_ok());
    let (_, error) = pull(&server, &folder).await;
    assert!(matches!(error, Some(Error::Busy(_))), "{error:?}");
    drop(steps);
    let again = loop {
        let restarted = Server::new(bytes(), &[]).await;
        match pull(&restarted, &folder).await.1 {
            // The other one has not noticed yet.
            Some(Error::Busy(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            error => {
                assert_eq!(error, None);
                break restarted;
            }
        }
    };
    assert_eq!(again.ranges().len(), 1);
}

#[tokio::test]
async fn names_that_are_not_known_are_told_which_are() {
    let (_temporary, folder) = folder();
    let refused = Hub::new("http://127.0.0.1:1", None)
        .pull(&folder, "gpt-9")
        .err()
        .unwrap();
    assert!(refused.to_string().contains("smollm2-135m"));
    for known in crate::KNOWN {
        assert!(folder.check_new(known.name).is_ok(), "{}", known.name);
        let files = known.files.iter().filter_map(|file| file.sha256);
        assert!(
            files
                .clone()
                .all(|(size, sha256)| size > 0 && sha256.len() == 64)
        );
    }
}
