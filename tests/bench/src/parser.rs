//! How many pages of documents are read a second, by the parser in its sandbox, handed over by another component,
//! against markitdown in Python on the same files.

use crate::Plan;
use crate::load::{self, Shot};
use crate::process::build_folder;
use crate::report::{self, Figure};
use crate::sbd::Sbd;
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const PEER: &str = include_str!("markitdown.py");
/// Pages of each document, and lines of each page.
const PAGES: usize = 100;
const LINES: usize = 40;

/// Pages a second, by format.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let python = build_folder()?.join("../peers/markitdown/bin/python");
    if !python.exists() {
        eprintln!("markitdown was not got; `cargo xtask bench` gets it");
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let documents = [("pdf", pdf()), ("html", html()), ("csv", csv())];
    let place = |format: &str| folder.path().join(format!("document.{format}"));
    for (format, document) in &documents {
        std::fs::write(place(format), document)?;
    }
    let files: Vec<PathBuf> = documents.iter().map(|(format, _)| place(format)).collect();
    let peer = folder.path().join("peer.py");
    std::fs::write(&peer, PEER)?;
    let sbd = start(folder.path())?;
    let mut measured = [(); 3].map(|()| (Vec::new(), Vec::new()));
    for round in 0..=plan.rounds {
        let theirs = Command::new(&python)
            .arg(&peer)
            .args(&files)
            .stderr(Stdio::inherit())
            .output()?;
        let theirs: Vec<f64> =
            serde_json::from_slice(&theirs.stdout).context("markitdown could not be measured")?;
        for ((format, document), (their, (base, ours))) in
            documents.iter().zip(theirs.into_iter().zip(&mut measured))
        {
            let own = read(&sbd, format, document)?;
            // The first answer of a component is another matter.
            if round > 0 {
                base.push(PAGES as f64 / their);
                ours.push(PAGES as f64 / own);
            }
        }
    }
    let figures = documents.iter().zip(&measured);
    let figures = figures.map(|((format, _), (base, ours))| {
        let name = format!("parser-{format}");
        let figure = Figure::new(&name, "pages/s", ("markitdown", base), ("parser", ours));
        figure.note(format!("one document of {PAGES} pages of {LINES} lines"))
    });
    Ok(figures.collect())
}

/// The parser, behind one who hands documents on.
fn start(folder: &Path) -> anyhow::Result<Sbd> {
    let guests = build_folder()?.join("../wasm32-wasip2/guest");
    let guests = guests.canonicalize().context("the guests are not built")?;
    let guests = guests.to_str().context("the folder's name is not UTF-8")?;
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"parser\"\n\
         [application.tool.sbd]\nrate_limit = {{ per_second = 1000000, burst = 1000000 }}\n\
         [[trigger.http]]\nroute = \"/probe/...\"\ncomponent = \"probe\"\n\
         [component.probe]\nsource = \"{guests}/probe.wasm\"\n\
         allowed_outbound_hosts = [\"http://parser.spin.internal\"]\n\
         [component.probe.tool.sbd.limits]\nrequest_body = \"50MiB\"\n\
         [[trigger.http]]\nroute = {{ private = true }}\ncomponent = \"parser\"\n\
         [component.parser]\nsource = \"{guests}/parser.wasm\"\n\
         [component.parser.tool.sbd]\nspin_headers = false\n\
         [component.parser.tool.sbd.limits]\nmemory = \"768MiB\"\nrequest_body = \"50MiB\"\n\
         cpu_time = \"60s\"\nreuse_requests = 1\nreuse_concurrent = 1\n"
    );
    let file = folder.join("spin.toml");
    std::fs::write(&file, manifest)?;
    Sbd::start_app(&folder.join("sbd"), &file)
}

/// Seconds that a document takes.
fn read(sbd: &Sbd, format: &str, document: &str) -> anyhow::Result<f64> {
    let shot = Shot {
        method: "POST".to_owned(),
        body: Some(document.to_owned()),
        ..Shot::get(format!(
            "/probe/chain?to=parser&path=%2Fparse%3Fname%3Ddocument.{format}"
        ))
    };
    let shot = shot
        .header("content-type", "application/octet-stream")
        .expecting(200);
    let begun = Instant::now();
    let answer = load::once(sbd.address, &shot)?;
    let took = begun.elapsed().as_secs_f64();
    let last = format!("On page {} line {} says", PAGES - 1, LINES - 1);
    let is_whole = String::from_utf8_lossy(&answer).contains(&last);
    ensure!(is_whole, "the last line of the {format} was not read");
    Ok(took)
}

/// The lines of a page, each other than all before.
fn lines(page: usize) -> impl Iterator<Item = String> {
    (0..LINES).map(move |line| {
        format!(
            "On page {page} line {line} says that {page} times {line} are {}, which is so.",
            page * line
        )
    })
}

fn pdf() -> String {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        String::new(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut kids = String::new();
    for page in 0..PAGES {
        let own = objects.len() + 1;
        kids += &format!("{own} 0 R ");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> \
             /Contents {} 0 R >>",
            own + 1
        ));
        let text: String = lines(page)
            .map(|line| format!("({line}) Tj T*\n"))
            .collect();
        let content = format!("BT /F 11 Tf 14 TL 72 720 Td\n{text}ET");
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    objects[1] = format!("<< /Type /Pages /Count {PAGES} /Kids [{kids}] >>");
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
    pdf + &format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n")
}

fn html() -> String {
    let pages = (0..PAGES).map(|page| {
        let text: String = lines(page).map(|line| format!("<p>{line}</p>\n")).collect();
        format!("<h2>Page {page}</h2>\n{text}")
    });
    format!(
        "<!doctype html><html><body>{}</body></html>",
        pages.collect::<String>()
    )
}

fn csv() -> String {
    let lines = (0..PAGES).flat_map(lines);
    let rows = lines
        .zip(1..)
        .map(|(line, number)| format!("{number},\"{line}\"\n"));
    format!("number,line\n{}", rows.collect::<String>())
}
