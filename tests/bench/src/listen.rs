//! The plainest HTTP/1.1 server there is, for the baselines: accept, serve, nothing else.

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::error::Error as StdError;
use tokio::net::TcpListener;

/// Serves until the process ends.
pub(crate) async fn accept<S, B>(listener: TcpListener, service: S) -> anyhow::Result<()>
where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<Box<dyn StdError + Send + Sync>>,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}
