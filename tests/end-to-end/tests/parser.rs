//! The parser as it ships: reached by components alone, and let down by no document.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use document::lines::Reader;
use document::{Block, Document, Format, Reason};
use reqwest::Response;
use sbd_tests::{Launch, Server};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a document leaves behind in the server.
const GROWTH: f64 = 50e6;

async fn server() -> Server {
    Launch::app(include_str!("apps/parser.toml")).start().await
}

fn fixture(name: &str) -> Vec<u8> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components/parser/tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

/// What the parser answers to a component.
async fn ask(server: &Server, path: &str, body: Vec<u8>) -> Response {
    let path = path.replace('?', "%3F").replace('&', "%26");
    let address = server.at(&format!("/probe/chain?to=parser&path={path}"));
    server.client.post(address).body(body).send().await.unwrap()
}

async fn read(server: &Server, name: &str, body: Vec<u8>) -> (Document, Vec<Block>) {
    let response = ask(server, &format!("/parse?name={name}"), body).await;
    let status = response.status();
    let body = response.bytes().await.unwrap();
    assert_eq!(status, 200, "{name}: {}", String::from_utf8_lossy(&body));
    let mut reader = Reader::new();
    let blocks = reader.push(&body).unwrap();
    (reader.finish().unwrap(), blocks)
}

#[tokio::test]
async fn nobody_outside_reaches_it() {
    let server = server().await;
    for path in ["/parse", "/draw", "/parser/parse"] {
        let answer = server
            .client
            .post(server.at(path))
            .body("a")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn documents_of_every_format_are_read() {
    let server = server().await;
    for (name, format) in [
        ("report.pdf", Format::Pdf),
        ("report.docx", Format::Docx),
        ("slides.pptx", Format::Pptx),
        ("stock.xlsx", Format::Xlsx),
        ("page.html", Format::Html),
        ("notes.md", Format::Markdown),
        ("notes.txt", Format::Text),
        ("prices.csv", Format::Csv),
        ("book.epub", Format::Epub),
        ("mail.eml", Format::Eml),
    ] {
        let (document, blocks) = read(&server, name, fixture(name)).await;
        assert_eq!(document.format, format);
        assert!(!blocks.is_empty(), "{name}");
    }
    let picture = ask(&server, "/draw?page=2&dpi=100", fixture("scan.pdf")).await;
    assert_eq!(picture.headers()["content-type"], "image/png");
    assert!(picture.bytes().await.unwrap().starts_with(b"\x89PNG"));
}

/// A PDF whose one page shows what this stream draws, unpacked by these filters.
fn pdf(filters: &str, content: &[u8]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
        2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n\
        3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>\nendobj\n"
        .to_vec();
    let length = content.len();
    pdf.extend(format!("4 0 obj\n<< /Length {length} /Filter {filters} >>\nstream\n").bytes());
    pdf.extend(content);
    pdf.extend(b"\nendstream\nendobj\ntrailer\n<< /Size 5 /Root 1 0 R >>\n");
    pdf
}

/// Packs so many spaces, so often.
fn packed(mebibytes: usize, times: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = Vec::new();
    for time in 0..times {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        match time {
            0 => {
                let spaces = vec![b' '; 1 << 20];
                for _ in 0..mebibytes {
                    packer.write_all(&spaces).unwrap();
                }
            }
            _ => packer.write_all(&packed).unwrap(),
        }
        packed = packer.finish().unwrap();
    }
    packed
}

#[tokio::test]
async fn bombs_reach_nobody_else_and_leave_nothing_behind() {
    let server = server().await;
    read(&server, "report.pdf", fixture("report.pdf")).await;
    let before = server.memory();
    // One that is known for what it is, one that is packed twice and takes all memory that it may, and a text of
    // 49 MiB, all at once; who has nothing to do with it is served meanwhile.
    let once = pdf("/FlateDecode", &packed(1_500, 1));
    let twice = pdf("[/FlateDecode /FlateDecode]", &packed(1_500, 2));
    let long = "All work and no play makes a long text. "
        .repeat((49 << 20) / 40)
        .into_bytes();
    let attacks = async {
        tokio::join!(
            read(&server, "once.pdf", once),
            ask(&server, "/parse?name=twice.pdf", twice),
            read(&server, "long.txt", long),
        )
    };
    let neighbour = async {
        loop {
            assert_eq!(server.get("/probe/whoami").await.status(), 200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ((once, _), twice, (long, blocks)) = tokio::select! {
        answers = attacks => answers,
        () = neighbour => unreachable!(),
    };
    assert_eq!(once.unread[0].reason, Reason::Limit);
    assert!(twice.status().is_server_error(), "{}", twice.status());
    drop(twice);
    assert_eq!(long.unread[0].reason, Reason::Limit);
    assert!(blocks.len() > 1_000);
    drop(blocks);
    let until = Instant::now() + Duration::from_secs(60);
    while server.memory() > before + GROWTH {
        let (before, now) = (before / 1e6, server.memory() / 1e6);
        assert!(
            Instant::now() < until,
            "{before:.0} MB before, {now:.0} MB after"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // And it still reads.
    read(&server, "report.docx", fixture("report.docx")).await;
}
