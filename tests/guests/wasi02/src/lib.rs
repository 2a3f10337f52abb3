//! A guest on the bare interfaces of WASI 0.2 that does what a test asks, right or wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a guest that fails is what tests ask for"
)]

use std::cell::Cell;
use std::io::Write as _;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::streams::OutputStream;

wasip2::http::proxy::export!(Wasi02);

struct Wasi02;

thread_local! {
    /// Requests that this instance has begun.
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
    /// Whether one is under way.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

impl Guest for Wasi02 {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        assert!(!BUSY.replace(true), "two requests at once");
        REQUESTS.set(REQUESTS.get() + 1);
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let number = |name: &str| -> usize {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.find(|(found, _)| *found == name);
            value.map_or(0, |(_, value)| value.parse().unwrap())
        };
        match path {
            "/wasi02/hello" => text(out, "hello"),
            "/wasi02/count" => text(out, &REQUESTS.get().to_string()),
            "/wasi02/code" => ResponseOutparam::set(out, Err(ErrorCode::ConnectionTimeout)),
            "/wasi02/nothing" => drop(out),
            "/wasi02/trap" => panic!("as asked"),
            "/wasi02/length" => length(out, number("announced"), number("sent")),
            "/wasi02/unfinished" => {
                let (body, stream) = begin(out, None);
                stream.blocking_write_and_flush(b"begun").unwrap();
                std::mem::forget((body, stream));
            }
            "/wasi02/break" => {
                let (_body, stream) = begin(out, None);
                stream.blocking_write_and_flush(b"begun").unwrap();
                panic!("as asked");
            }
            "/wasi02/pour" => {
                let (_body, stream) = begin(out, None);
                loop {
                    // Whoever leaves is no reason to look for another way here.
                    stream.blocking_write_and_flush(&[b'x'; 4096]).unwrap();
                }
            }
            "/wasi02/slowly" => {
                let (body, stream) = begin(out, None);
                for _ in 0..number("times") {
                    stream.blocking_write_and_flush(b"tick").unwrap();
                    subscribe_duration(number("ms") as u64 * 1_000_000).block();
                }
                drop(stream);
                OutgoingBody::finish(body, None).unwrap();
            }
            "/wasi02/drain" => {
                let body = request.consume().unwrap();
                let stream = body.stream().unwrap();
                let mut bytes = 0;
                loop {
                    match stream.blocking_read(64 << 10) {
                        Ok(some) => bytes += some.len(),
                        Err(wasip2::io::streams::StreamError::Closed) => break,
                        Err(error) => panic!("the body broke off: {error:?}"),
                    }
                }
                text(out, &bytes.to_string());
            }
            "/wasi02/outside" => text(out, &outside()),
            other => panic!("no such page: {other}"),
        }
        BUSY.set(false);
    }
}

fn begin(out: ResponseOutparam, announced: Option<usize>) -> (OutgoingBody, OutputStream) {
    let fields = Fields::new();
    if let Some(announced) = announced {
        let value = announced.to_string().into_bytes();
        fields.set("content-length", &[value]).unwrap();
    }
    let response = OutgoingResponse::new(fields);
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    (body, stream)
}

fn text(out: ResponseOutparam, text: &str) {
    let (body, mut stream) = begin(out, None);
    stream.write_all(text.as_bytes()).unwrap();
    stream.flush().unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Says one length, and sends another.
fn length(out: ResponseOutparam, announced: usize, sent: usize) {
    let (body, mut stream) = begin(out, Some(announced));
    let _ = stream.write_all(&vec![b'x'; sent]);
    let _ = stream.flush();
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn outside() -> String {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some("example.com")).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
    // A request that may not be made is denied by its answer, as one that nobody takes.
    let answer = outgoing_handler::handle(request, None).unwrap();
    answer.subscribe().block();
    match answer.get().unwrap().unwrap() {
        Ok(response) => format!("status {}", response.status()),
        Err(code) => format!("{code:?}"),
    }
}
