//! A guest as SDKs of Spin 2 and 3 make them: WASI 0.2, and Spin's interfaces at 2.0.0. Each page tries
//! one of them out, and tells what it was told.

mod bindings;

use bindings::fermyon::spin::key_value::Store;
use bindings::fermyon::spin::sqlite::{Connection, Value};
use bindings::fermyon::spin::variables;
use std::collections::HashMap;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::{instance_network::instance_network, tcp_create_socket::create_tcp_socket};
use wstd::http::{Body, Client, Error, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let uri = request.uri().clone();
    let query = uri.query().unwrap_or_default().as_bytes();
    let asked: HashMap<_, _> = form_urlencoded::parse(query).into_owned().collect();
    let of = |name: &str| asked.get(name).map_or("default", String::as_str);
    let page = uri.path().strip_prefix("/older/").unwrap_or_default();
    let told = match page {
        "variable" => variable(of("name")),
        "key-value" => key_value(of("store")),
        "sqlite" => sqlite(of("database")),
        "tcp" => tcp(of("port")),
        "get" => get(of("url")).await,
        _ if page.starts_with("shape/") => Ok(shape(&request)),
        _ => {
            let page = Response::builder().status(StatusCode::NOT_FOUND);
            return Ok(page.body("no such page".to_owned().into())?);
        }
    };
    let (status, text) = match told {
        Ok(text) => (StatusCode::OK, text),
        Err(refusal) => (StatusCode::INTERNAL_SERVER_ERROR, refusal),
    };
    Ok(Response::builder().status(status).body(text.into())?)
}

/// What went wrong, as the interface names it.
fn named(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn variable(name: &str) -> Result<String, String> {
    variables::get(name).map_err(named)
}

/// Goes once through every function; the store is as empty afterwards as before.
fn key_value(label: &str) -> Result<String, String> {
    let store = Store::open(label).map_err(named)?;
    let mut seen = Vec::new();
    seen.push(named(store.get("k").map_err(named)?));
    store.set("k", b"one").map_err(named)?;
    store.set("k", b"two").map_err(named)?;
    seen.push(named(store.get("k").map_err(named)?.map(String::from_utf8)));
    seen.push(named(store.exists("k").map_err(named)?));
    seen.push(named(store.get_keys().map_err(named)?));
    store.delete("k").map_err(named)?;
    store.delete("k").map_err(named)?;
    seen.push(named(store.exists("k").map_err(named)?));
    Ok(seen.join(" "))
}

fn sqlite(label: &str) -> Result<String, String> {
    let connection = Connection::open(label).map_err(named)?;
    let run = |statement: &str, parameters: &[Value]| {
        connection.execute(statement, parameters).map_err(named)
    };
    run("CREATE TABLE IF NOT EXISTS visits (who TEXT, at REAL)", &[])?;
    let visit = [Value::Text("ada".to_owned()), Value::Real(0.5)];
    run("INSERT INTO visits VALUES (?, ?)", &visit)?;
    let found = run("SELECT who, count(*) AS visits FROM visits", &[])?;
    let row = found.rows.first().map(|row| named(&row.values));
    Ok(format!("{:?} {}", found.columns, row.unwrap_or_default()))
}

fn tcp(port: &str) -> Result<String, String> {
    let port = port.parse().map_err(named)?;
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port,
        address: (127, 0, 0, 1),
    });
    let refused = |error| format!("{error}");
    let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(refused)?;
    socket
        .start_connect(&instance_network(), address)
        .map_err(refused)?;
    socket.subscribe().block();
    socket.finish_connect().map_err(refused)?;
    Ok("connected".to_owned())
}

async fn get(url: &str) -> Result<String, String> {
    let request = Request::get(url).body(Body::empty()).map_err(named)?;
    let response = Client::new().send(request).await.map_err(named)?;
    let status = response.status();
    let mut body = response.into_body();
    let text = body.str_contents().await.map_err(named)?;
    Ok(format!("{} {text}", status.as_u16()))
}

/// What came: the method, the path, and every header that is Spin's.
fn shape(request: &Request<Body>) -> String {
    let own = request.headers().iter();
    let own = own.filter(|(name, _)| name.as_str().starts_with("spin-"));
    let mut lines: Vec<String> = own
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    let authority = request.uri().authority().map(ToString::to_string);
    lines.insert(0, format!("{} {:?}", request.method(), authority));
    lines.join("\n")
}
