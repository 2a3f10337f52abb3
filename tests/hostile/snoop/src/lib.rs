//! Looks for whatever is not its own: environment, files, sockets, names.
//!
//! Stopped by there being nothing to find.

use axum::Router;
use sbd_sdk::Json;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

/// What somebody got, or the error instead.
fn got<T>(result: std::io::Result<T>) -> Value {
    match result {
        Ok(_) => json!("GOT IT"),
        Err(error) => json!(error.to_string()),
    }
}

async fn run() -> Json<Value> {
    let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    let arguments: Vec<String> = std::env::args().collect();
    Json(json!({
        "environment": variables,
        "arguments": arguments,
        "files": {
            "/etc/passwd": got(std::fs::read("/etc/passwd")),
            "..": got(std::fs::read_dir("..")),
            "/": got(std::fs::read_dir("/")),
            "write": got(std::fs::write("/tmp/snoop", "was here")),
        },
        "sockets": {
            "connect": got(TcpStream::connect("127.0.0.1:22")),
            "listen": got(TcpListener::bind("127.0.0.1:0")),
            "datagram": got(UdpSocket::bind("127.0.0.1:0")),
            "name": got("localhost:80".to_socket_addrs()),
        },
    }))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/snoop/ok", get(async || "ok"))
        .route("/snoop/run", get(run))
}

sbd_sdk::component!(router);
