//! A guest written with spin-sdk 7 (WASI 0.3) that does not know us: plain answers, variables, key-value
//! stores, SQLite, local service chaining, what no host of ours serves, and what every toolchain is asked
//! (`toolchains.rs`).

use bytes::Bytes;
use futures::stream::repeat_with;
use http_body::Frame;
use http_body_util::StreamBody;
use spin_sdk::experimental::wasi::keyvalue::{atomics, store};
use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::http::{self, BoxBody, EmptyBody, FullBody, Request, Response, StatusCode, box_body};
use spin_sdk::{
    http_service, key_value, llm, mqtt, mysql, redis,
    sqlite::{Connection, Value},
    variables,
};
use std::fmt::Debug;

#[http_service]
async fn handle(request: Request) -> anyhow::Result<::http::Response<BoxBody>> {
    let path = request.uri().path().to_owned();
    // Under whatever route it is served.
    let page = path.trim_start_matches('/');
    let page = page.split_once('/').map_or(page, |(_, page)| page);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let url = query.strip_prefix("url=").unwrap_or_default();
    let mut status = StatusCode::OK;
    let body = match page {
        "echo" => box_body(request.into_body()),
        "stream" => box_body(http::get(url).await?.into_body()),
        "forward" => {
            let outgoing = Request::post(url).body(request.into_body())?;
            box_body(http::send(outgoing).await?.into_body())
        }
        "pour" => {
            let piece = || anyhow::Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])));
            box_body(StreamBody::new(repeat_with(piece)))
        }
        page => {
            let (answered, text) = text(page, &query, url).await?;
            status = answered;
            box_body(FullBody::new(Bytes::from(text)))
        }
    };
    Ok(::http::Response::builder().status(status).body(body)?)
}

async fn text(page: &str, query: &str, url: &str) -> anyhow::Result<(StatusCode, String)> {
    let text = match page {
        "hello" => "hello from spin-sdk".to_owned(),
        "variable" => variables::get("greeting").await?,
        "count" => {
            let bucket = store::open("default").map_err(|error| anyhow::anyhow!("{error:?}"))?;
            let count = atomics::increment(&bucket, "visits", 1);
            count
                .map_err(|error| anyhow::anyhow!("{error:?}"))?
                .to_string()
        }
        "forbidden-store" => match store::open("secrets") {
            Ok(_) => "opened".to_owned(),
            Err(error) => format!("{error:?}"),
        },
        "key-value" => key_value("default").await.unwrap_or_else(named),
        "forbidden-key-value" => key_value("secrets").await.unwrap_or_else(named),
        "sqlite" => sqlite("default").await.unwrap_or_else(named),
        "forbidden-sqlite" => sqlite("secrets").await.unwrap_or_else(named),
        "unserved" => unserved().await,
        "chain" => chain("http://wstd.spin.internal/wstd/hello").await?,
        "outside" => match chain("http://127.0.0.1:9/").await {
            Ok(text) => text,
            Err(error) => format!("refused: {error}"),
        },
        "send" => {
            // A path alone names no host.
            let sent = chain(query).await;
            sent.unwrap_or_else(|error| format!("refused: {error}"))
        }
        "files" => files("/".as_ref())?.join(" "),
        "file" => std::fs::read_to_string(query).unwrap_or_else(named),
        "write" => named(
            std::fs::write("/new.txt", "new")
                .err()
                .map(|error| error.kind()),
        ),
        "denied" => match http::get(url).await {
            Ok(_) => "answered".to_owned(),
            Err(_) => "refused".to_owned(),
        },
        "fail" => anyhow::bail!("as asked"),
        _ => return Ok((StatusCode::NOT_FOUND, "no such page".to_owned())),
    };
    Ok((StatusCode::OK, text))
}

async fn chain(url: &str) -> anyhow::Result<String> {
    let outgoing = Request::get(url).body(EmptyBody::new())?;
    let response: Response = http::send(outgoing).await?;
    let bytes = response.into_body().bytes().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn named(error: impl Debug) -> String {
    format!("{error:?}")
}

/// Goes once through every function; the store is as empty afterwards as before.
async fn key_value(label: &str) -> Result<String, key_value::Error> {
    let store = key_value::Store::open(label).await?;
    store.set("k", b"one").await?;
    let value = store.get("k").await?.map(String::from_utf8);
    let keys = store.get_keys().await.collect().await?;
    let was = store.exists("k").await?;
    store.delete("k").await?;
    let is = store.exists("k").await?;
    Ok(format!("{value:?} {keys:?} {was} {is}"))
}

async fn sqlite(label: &str) -> Result<String, spin_sdk::sqlite::Error> {
    let connection = Connection::open(label).await?;
    let none = || Vec::<Value>::new();
    let create = "CREATE TABLE IF NOT EXISTS visits (who TEXT)";
    connection.execute(create, none()).await?;
    let visit = [Value::Text("ada".to_owned())];
    connection
        .execute("INSERT INTO visits VALUES (?)", visit)
        .await?;
    let (rowid, changes) = (
        connection.last_insert_rowid().await,
        connection.changes().await,
    );
    let found = connection.execute("SELECT who FROM visits", none()).await?;
    let columns = found.columns().to_vec();
    let rows = found.collect().await?;
    let who: Vec<Option<&str>> = rows.iter().map(|row| row.get(0)).collect();
    Ok(format!("{rowid} {changes} {columns:?} {who:?}"))
}

/// What interfaces refuse that a host may leave out.
async fn unserved() -> String {
    let redis = redis::Connection::open("redis://127.0.0.1").await.err();
    let mqtt = mqtt::Connection::open("mqtt://127.0.0.1", "", "", 1)
        .await
        .err();
    let mysql = mysql::Connection::open("mysql://127.0.0.1").await.err();
    let llm = llm::infer(llm::InferencingModel::Llama2Chat, "hello").err();
    format!("{redis:?}\n{mqtt:?}\n{mysql:?}\n{llm:?}")
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    Ok(found)
}
