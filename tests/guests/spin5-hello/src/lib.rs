//! A guest written with spin-sdk 5 (WASI 0.2) that does not know us: what every toolchain is asked
//! (`toolchains.rs`).

#![allow(
    unsafe_code,
    clippy::expect_used,
    reason = "the first is how its macro exports the handler, the second how this guest fails"
)]

use futures::{SinkExt as _, StreamExt as _};
use spin_sdk::http::{
    Fields, IncomingRequest, IncomingResponse, OutgoingResponse, Request, Response,
    ResponseOutparam, send,
};
use spin_sdk::http_component;

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    answer(request, out).await.expect("an answer");
}

async fn answer(request: IncomingRequest, out: ResponseOutparam) -> anyhow::Result<()> {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let url = query.strip_prefix("url=").unwrap_or_default();
    let response = OutgoingResponse::new(Fields::new());
    match path {
        "/spin5/hello" => out.set_with_body(response, b"hello".to_vec()).await?,
        "/spin5/echo" => {
            let mut pieces = request.into_body_stream();
            let mut body = response.take_body();
            out.set(response);
            while let Some(piece) = pieces.next().await {
                body.send(piece.map_err(|_| anyhow::anyhow!("the request broke off"))?)
                    .await?;
            }
        }
        "/spin5/stream" => {
            let answer: IncomingResponse = send(Request::get(url)).await?;
            let mut pieces = answer.take_body_stream();
            let mut body = response.take_body();
            out.set(response);
            while let Some(piece) = pieces.next().await {
                body.send(piece.map_err(|_| anyhow::anyhow!("the answer broke off"))?)
                    .await?;
            }
        }
        "/spin5/forward" => {
            let asked = request.into_body().await;
            let asked = asked.map_err(|_| anyhow::anyhow!("the request broke off"))?;
            let answer: Response = send(Request::post(url, asked)).await?;
            out.set_with_body(response, answer.into_body()).await?;
        }
        "/spin5/denied" => {
            let answer: Result<Response, _> = send(Request::get(url)).await;
            let said = answer.map_or("refused", |_| "answered");
            out.set_with_body(response, said.into()).await?;
        }
        "/spin5/pour" => {
            let mut body = response.take_body();
            out.set(response);
            loop {
                body.send(vec![b'x'; 4096]).await?;
            }
        }
        "/spin5/fail" => anyhow::bail!("as asked"),
        _ => {
            let _ = response.set_status_code(404);
            out.set(response);
        }
    }
    Ok(())
}
