//! A guest written with wstd (WASI 0.2) that does not know us: plain answers, a streamed echo,
//! lines on stdout, local service chaining, and what every toolchain is asked (`toolchains.rs`).

use futures::stream::repeat;
use wstd::http::{Body, Client, Error, Method, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
    let url = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("url="));
    let url = url.unwrap_or_default().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/wstd/hello") => Ok(Response::new("hello from wstd".to_owned().into())),
        (&Method::POST, "/wstd/echo") => Ok(Response::new(request.into_body())),
        (&Method::GET, "/wstd/log") => {
            println!("a line on stdout");
            Ok(Response::new("logged".to_owned().into()))
        }
        (&Method::GET, "/wstd/chain") => {
            let outgoing =
                Request::get("http://spin.spin.internal/spin/hello").body(Body::empty())?;
            let response = Client::new().send(outgoing).await?;
            Ok(Response::new(response.into_body()))
        }
        (&Method::GET, "/wstd/stream") => {
            let response = fetch(Request::get(url).body(Body::empty())?).await?;
            Ok(Response::new(response.into_body()))
        }
        (&Method::POST, "/wstd/forward") => {
            let response = fetch(Request::post(url).body(request.into_body())?).await?;
            Ok(Response::new(response.into_body()))
        }
        (&Method::GET, "/wstd/denied") => {
            let denied = fetch(Request::get(url).body(Body::empty())?).await;
            let said = denied.map_or("refused", |_| "answered");
            Ok(Response::new(said.to_owned().into()))
        }
        (&Method::GET, "/wstd/pour") => {
            Ok(Response::new(Body::from_stream(repeat(vec![b'x'; 4096]))))
        }
        (&Method::GET, "/wstd/fail") => Err(Error::msg("as asked")),
        _ => {
            let mut response = Response::new("no such page".to_owned().into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

async fn fetch(request: Request<Body>) -> Result<Response<Body>, Error> {
    Client::new().send(request).await
}
