//! A guest written with spin-sdk 7 (WASI 0.3) that does not know us: plain answers, variables,
//! the key-value draft, and local service chaining.

use spin_sdk::experimental::wasi::keyvalue::{atomics, store};
use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::http::{self, EmptyBody, Request, Response};
use spin_sdk::{http_service, variables};

#[http_service]
async fn handle(request: Request) -> anyhow::Result<String> {
    let path = request.uri().path().to_owned();
    let text = match path.as_str() {
        "/spin/hello" => "hello from spin-sdk".to_owned(),
        "/spin/variable" => variables::get("greeting").await?,
        "/spin/count" => {
            let bucket = store::open("default").map_err(|error| anyhow::anyhow!("{error:?}"))?;
            let count = atomics::increment(&bucket, "visits", 1);
            count
                .map_err(|error| anyhow::anyhow!("{error:?}"))?
                .to_string()
        }
        "/spin/forbidden-store" => match store::open("secrets") {
            Ok(_) => "opened".to_owned(),
            Err(error) => format!("{error:?}"),
        },
        "/spin/chain" => chain("http://wstd.spin.internal/wstd/hello").await?,
        "/spin/outside" => match chain("http://127.0.0.1:9/").await {
            Ok(text) => text,
            Err(error) => format!("refused: {error}"),
        },
        _ => anyhow::bail!("no such page"),
    };
    Ok(text)
}

async fn chain(url: &str) -> anyhow::Result<String> {
    let outgoing = Request::get(url).body(EmptyBody::new())?;
    let response: Response = http::send(outgoing).await?;
    let bytes = response.into_body().bytes().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
