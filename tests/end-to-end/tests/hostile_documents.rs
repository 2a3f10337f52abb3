//! Documents that are made to do harm: each comes to a sentence in its state, the server is as small and as quick
//! afterwards as before, and others have their documents read meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Server, json};
use serde_json::Value;
use std::io::{Cursor, Write as _};
use std::time::Duration;
use zip::write::SimpleFileOptions;

const DOCUMENTS: &str = "/api/v1/documents";
/// What the server may keep of all of them together, in bytes.
const KEPT: f64 = 50e6;

/// Uploads a document, and waits until it is read or is not; the document then.
async fn read(account: &Account, name: &str, content: Vec<u8>) -> Value {
    let path = format!("{DOCUMENTS}?name={name}");
    let upload = account.request(Method::POST, &path).body(content);
    let answer = upload
        .header("content-type", "application/octet-stream")
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let mut document: Value = answer.json().await.unwrap();
    // What is not even taken says why at once.
    if status >= 400 {
        assert!((400..500).contains(&status), "{name}: {document}");
        return document;
    }
    let path = format!("{DOCUMENTS}/{}", document["id"].as_str().unwrap());
    for _ in 0..1200 {
        if ["ready", "failed"].contains(&document["state"].as_str().unwrap()) {
            return document;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        document = account.read(&path).await;
    }
    panic!("`{name}` is neither read nor refused: {document}");
}

/// Whether it was not read, or not all of it, and a sentence says why.
fn is_told(document: &Value) -> bool {
    let sentence = |text: &Value| text.as_str().is_some_and(|text| text.len() > 10);
    let unread = document["unread"].as_array().into_iter().flatten();
    sentence(&document["error"]) || sentence(&document["error"]["message"]) || {
        let mut whys = unread.map(|unread| &unread["why"]);
        whys.any(sentence)
    }
}

/// A word processor's file with this text.
fn docx(body: &str) -> Vec<u8> {
    let types = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let relations = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        ("[Content_Types].xml", types),
        ("_rels/.rels", relations),
        ("word/document.xml", body),
    ] {
        archive
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn paragraphs(text: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"#
    )
}

/// Half a gigabyte of one letter, in half a megabyte.
fn zip_bomb() -> Vec<u8> {
    docx(&paragraphs(&"a".repeat(512 << 20)))
}

/// Entities that stand for ten of one another, nine times over.
fn xml_bomb() -> Vec<u8> {
    let mut entities = r#"<!ENTITY a0 "bomb">"#.to_owned();
    for level in 1..10 {
        let ten = format!("&a{};", level - 1).repeat(10);
        entities += &format!(r#"<!ENTITY a{level} "{ten}">"#);
    }
    let text = paragraphs("&a9;");
    docx(&text.replace(
        "?><w:document",
        &format!("?><!DOCTYPE w:document [{entities}]><w:document"),
    ))
}

/// Elements within each other, a hundred thousand deep.
fn deep_xml() -> Vec<u8> {
    let deep = 100_000;
    docx(&paragraphs(&format!(
        "{}deep{}",
        "<w:r>".repeat(deep),
        "</w:r>".repeat(deep)
    )))
}

/// A PDF of these objects, numbered from 1; the first is the catalog.
fn pdf(objects: &[String]) -> Vec<u8> {
    let mut pdf = "%PDF-1.7\n".to_owned();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(pdf.len());
        pdf += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let (table, size) = (pdf.len(), objects.len() + 1);
    pdf += &format!("xref\n0 {size}\n0000000000 65535 f \n");
    for place in places {
        pdf += &format!("{place:010} 00000 n \n");
    }
    pdf += &format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
    pdf.into_bytes()
}

/// A page tree whose node is its own child.
fn pdf_cycle() -> Vec<u8> {
    pdf(&[
        "<< /Type /Catalog /Pages 2 0 R /Outlines 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2147483647 /Parent 2 0 R >>".to_owned(),
    ])
}

/// Forty forms, each of which draws the next one twice.
fn pdf_forms() -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /XObject << /X 5 0 R >> >> /Contents 4 0 R >>".to_owned(),
        "<< /Length 5 >>\nstream\n/X Do\nendstream".to_owned(),
    ];
    objects.extend((6..46).map(|next| {
        format!(
            "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /X {next} 0 R >> >> \
             /Length 11 >>\nstream\n/X Do /X Do\nendstream"
        )
    }));
    pdf(&objects)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_to_do_harm_does_none() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    // What reading takes at all is not the harm.
    for (name, text) in [("one.md", "# One\n\nThe first."), ("two.docx", "")] {
        let content = match text {
            "" => docx(&paragraphs("The second one.")),
            text => text.as_bytes().to_vec(),
        };
        let document = read(&ada, name, content).await;
        assert_eq!(document["state"], "ready", "{document}");
    }
    let before = server.memory();
    let hostile = [
        ("zip-bomb.docx", zip_bomb()),
        ("xml-bomb.docx", xml_bomb()),
        ("deep.docx", deep_xml()),
        ("cycle.pdf", pdf_cycle()),
        ("forms.pdf", pdf_forms()),
        ("cut.pdf", pdf_cycle()[..60].to_vec()),
        ("cut.docx", docx(&paragraphs("cut"))[..200].to_vec()),
        ("empty.txt", Vec::new()),
        (
            "noise.pdf",
            (0..100_000_u32).map(|n| (n * 167 % 251) as u8).collect(),
        ),
    ];
    for (number, (name, content)) in hostile.into_iter().enumerate() {
        let beside = format!("beside-{number}.md");
        let text = format!("# Beside\n\nNumber {number} is read while others do harm.");
        let (document, other) = tokio::join!(
            read(&ada, name, content),
            read(&bob, &beside, text.into_bytes())
        );
        println!("{name}: {} {}", document["state"], document["error"]);
        assert_ne!(document["state"], "queued", "{document}");
        // What is only deep is read.
        let is_read = name == "deep.docx" && document["state"] == "ready";
        assert!(is_read || is_told(&document), "{name}: {document}");
        assert_eq!(other["state"], "ready", "beside {name}: {other}");
    }
    // What an allocator has just been given back it gives back a little later.
    let mut kept = f64::MAX;
    for _ in 0..120 {
        kept = server.memory() - before;
        if kept <= KEPT {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(kept <= KEPT, "{:.0} MB more than before", kept / 1e6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_another_name_or_one_endless_line_is_read_all_the_same() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let wrong = read(&ada, "letter.pdf", docx(&paragraphs("A letter to nobody."))).await;
    assert_eq!(
        (&wrong["state"], &wrong["format"]),
        (&Value::from("ready"), &Value::from("docx"))
    );
    let endless = read(&ada, "line.txt", "word ".repeat(400_000).into_bytes()).await;
    assert_eq!(endless["state"], "ready", "{endless}");
    let mixed = "# שלום\n\nمرحبا بالعالم and English, und Deutsch.\n\n你好，世界。";
    let mixed = read(&ada, "mixed.md", mixed.as_bytes().to_vec()).await;
    let path = format!("{DOCUMENTS}/{}/text", mixed["id"].as_str().unwrap());
    let text = ada.get(&path).send().await.unwrap().text().await.unwrap();
    assert!(
        text.contains("مرحبا بالعالم") && text.contains("你好"),
        "{text}"
    );
    let found = ada.post("/api/v1/search", &serde_json::json!({"query": "你好"}));
    let found = json(found.send().await.unwrap(), 200).await;
    assert_eq!(found["items"][0]["document_id"], mixed["id"], "{found}");
}
