//! A guest written with wstd (WASI 0.2) that does not know us: plain answers, a streamed echo,
//! lines on stdout, and local service chaining.

use wstd::http::{Body, Client, Error, Method, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
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
        _ => {
            let mut response = Response::new("no such page".to_owned().into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}
