//! What open WebSockets cost: memory and processor time of those that wait, and how soon all hear what is
//! said to all.

use crate::Plan;
use crate::load::{self, Shot};
use crate::process::{self, Process};
use crate::report::{self, Figure, Goal};
use crate::sbd::{PASSWORD, Sbd};
use anyhow::{Context as _, bail};
use futures::stream::{self, StreamExt as _};
use futures::{SinkExt as _, TryStreamExt as _};
use rustix::process::{Resource, getrlimit, setrlimit};
use sbd_registry::{NewTenant, Registry};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// More than one tenant may have.
const SOCKETS: usize = 5000;
const TENANTS: usize = 3;

/// One user may have 64.
const USERS: usize = 90;

/// Sockets that are opened at once.
const OPENING: usize = 32;

/// Connections that are kept alive, for comparison.
const IDLE: usize = 1000;

/// The sockets beat twice in it.
const WAIT: Duration = Duration::from_secs(50);

/// What is said to all, one after the other, and to the few that it is compared with.
const MESSAGES: usize = 20;
const FEW: usize = 10;

/// All have heard by then, or never do.
const PATIENCE: Duration = Duration::from_secs(30);

/// kB (10^3 bytes) a socket.
const MEMORY: Goal = Goal::CandidateAtMost(20.0);

/// Milliseconds.
const SOON: Goal = Goal::CandidateAtMost(250.0);

/// Two figures.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    std::fs::create_dir(&data_dir)?;
    std::fs::write(data_dir.join("sbd.toml"), "max_upgraded = 8192\n")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(create(&data_dir))?;
    let sbd = Sbd::start_changed(&data_dir, |manifest| manifest + &rooms())?;
    let tokens: Vec<String> = (0..USERS)
        .map(|user| token(sbd.address, user))
        .collect::<anyhow::Result<_>>()?;
    runtime.block_on(measure(&sbd, &tokens))
}

async fn measure(sbd: &Sbd, tokens: &[String]) -> anyhow::Result<Vec<Figure>> {
    let (tell, mut heard) = mpsc::unbounded_channel();
    // The component is there, and the first of everything.
    let few = open(sbd.address, tokens, FEW, &tell).await?;
    let few_take = say(sbd.address, FEW, &mut heard).await?;
    drop(few);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = resident(&sbd.process)?;
    let idle = keep_alive(sbd.address).await?;
    let kept = (resident(&sbd.process)? - before) / IDLE as f64;
    drop(idle);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let before = resident(&sbd.process)?;
    let begun = Instant::now();
    let _all = open(sbd.address, tokens, SOCKETS, &tell).await?;
    let opened = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = (resident(&sbd.process)? - before) / SOCKETS as f64;
    let used = processor_time(&sbd.process)?;
    tokio::time::sleep(WAIT).await;
    let used = (processor_time(&sbd.process)? - used).as_secs_f64() / WAIT.as_secs_f64();
    let settled = (resident(&sbd.process)? - before) / SOCKETS as f64;
    let all_take = say(sbd.address, SOCKETS, &mut heard).await?;
    Ok(vec![
        Figure::new(
            "socket-memory",
            "kB",
            ("an HTTP connection that is kept alive", &[kept / 1e3]),
            ("resident memory a WebSocket of 5000", &[each / 1e3]),
        )
        .goal(MEMORY)
        .note(format!(
            "{:.1} kB after two heartbeats, for which it took {:.2} % of one processor; opened in {:.1} s",
            settled / 1e3,
            used * 100.0,
            opened.as_secs_f64()
        )),
        Figure::new(
            "socket-broadcast",
            "ms",
            ("p99 of the same to ten", &[quantile(&few_take, 99)]),
            ("p99 from saying it to hearing it, of 5000", &[quantile(&all_take, 99)]),
        )
        .goal(SOON)
        .note(format!(
            "p50 {:.1} ms, last {:.1} ms; in {TENANTS} tenants at once, as one has 2048 connections at most; the \
             listeners share the machine",
            quantile(&all_take, 50),
            quantile(&all_take, 100)
        )),
    ])
}

fn name(tenant: usize) -> String {
    format!("t{tenant}")
}

/// Users take turns over the tenants.
fn tenant_of(user: usize) -> String {
    name(user % TENANTS)
}

async fn create(data_dir: &Path) -> anyhow::Result<()> {
    let registry = Registry::open(data_dir).await?;
    for tenant in 0..TENANTS {
        let new = NewTenant {
            name: name(tenant),
            ..NewTenant::default()
        };
        registry.tenants.create(new).await?;
    }
    Ok(())
}

/// A component in whose room `board` everybody may listen.
pub(crate) fn rooms() -> String {
    let guests = process::build_folder().map(|folder| folder.join("../wasm32-wasip2/guest"));
    let guests = guests.unwrap_or_default();
    let mut manifest = format!(
        "\n[[trigger.http]]\nroute = \"/rooms/...\"\ncomponent = \"rooms\"\n\
         [component.rooms]\nsource = \"{}/rooms.wasm\"\n\
         [component.rooms.tool.sbd]\ngrants = [\"documents\", \"realtime\"]\n",
        guests.display()
    );
    for collection in ["members", "heard", "handled"] {
        manifest += &format!("[component.rooms.tool.sbd.collections.{collection}]\n");
    }
    manifest
}

/// A new user's.
fn token(address: SocketAddr, user: usize) -> anyhow::Result<String> {
    let (tenant, user) = (tenant_of(user), format!("user-{user}"));
    let email = format!("{user}@example.com");
    let register = json!({"username": user, "email": email, "password": PASSWORD});
    let register = Shot::post("/api/v1/auth/register", &register);
    load::once(address, &register.header("x-sbd-tenant", &*tenant))?;
    let login = json!({"identifier": user, "password": PASSWORD});
    let login = Shot::post("/api/v1/auth/login", &login).expecting(200);
    let tokens = load::once(address, &login.header("x-sbd-tenant", tenant))?;
    let tokens: Value = serde_json::from_slice(&tokens)?;
    let token = tokens.get("access_token").and_then(Value::as_str);
    Ok(token.context("no token")?.to_owned())
}

/// Sockets in the rooms of all tenants, which answer pings and tell when they hear something.
async fn open(
    address: SocketAddr,
    tokens: &[String],
    many: usize,
    tell: &mpsc::UnboundedSender<Instant>,
) -> anyhow::Result<tokio::task::JoinSet<()>> {
    let opening = (0..many).map(|number| async move {
        let user = number % USERS;
        let token = tokens.get(user).context("no token")?;
        connect(address, &tenant_of(user), token).await
    });
    let mut opening = stream::iter(opening).buffer_unordered(OPENING);
    let mut sockets = tokio::task::JoinSet::new();
    while let Some(mut socket) = opening.try_next().await? {
        let tell = tell.clone();
        sockets.spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else {
                    continue;
                };
                if text.contains("\"thing.said\"") {
                    let _ = tell.send(Instant::now());
                } else if text.contains("\"stream.ping\"") {
                    let pong = Message::text("{\"type\":\"stream.pong\"}");
                    if socket.send(pong).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    Ok(sockets)
}

/// A socket that has joined the room.
pub(crate) async fn connect(
    address: SocketAddr,
    tenant: &str,
    token: &str,
) -> anyhow::Result<tokio_tungstenite::WebSocketStream<TcpStream>> {
    let url = format!("ws://{address}/api/v1/realtime?channels=room:board");
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    headers.insert("x-sbd-tenant", tenant.parse()?);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    loop {
        let message = socket.next().await.context("it is closed")??;
        let Message::Text(text) = message else {
            continue;
        };
        let text: Value = serde_json::from_str(&text)?;
        let is =
            |pointer: &str, value: &str| text.pointer(pointer).is_some_and(|found| found == value);
        if is("/type", "stream.joined") && is("/data/channel", "room:board") {
            return Ok(socket);
        }
        if is("/type", "stream.refused") {
            bail!("{text}");
        }
    }
}

/// Says something in all rooms at once, again and again; how many milliseconds it takes to each socket.
async fn say(
    address: SocketAddr,
    sockets: usize,
    heard: &mut mpsc::UnboundedReceiver<Instant>,
) -> anyhow::Result<Vec<f64>> {
    let mut take = Vec::new();
    for _ in 0..MESSAGES {
        let begun = Instant::now();
        let speaking: Vec<_> = (0..TENANTS)
            .map(|tenant| {
                let said = json!([{"channel": "room:board", "type": "thing.said"}]);
                let said = Shot::post("/rooms/say", &said).expecting(204);
                let said = said.header("x-sbd-tenant", name(tenant));
                tokio::task::spawn_blocking(move || load::once(address, &said))
            })
            .collect();
        for _ in 0..sockets {
            let at = tokio::time::timeout(PATIENCE, heard.recv()).await;
            let at = at
                .context("somebody has not heard it")?
                .context("nobody listens")?;
            take.push((at - begun).as_secs_f64() * 1e3);
        }
        for one in speaking {
            one.await??;
        }
    }
    take.sort_by(f64::total_cmp);
    Ok(take)
}

/// Connections that have asked once.
async fn keep_alive(address: SocketAddr) -> anyhow::Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(address).await?;
        let ask = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = [0; 1024];
        if stream.read(&mut answer).await? == 0 {
            bail!("a connection is not kept alive");
        }
        open.push(stream);
    }
    Ok(open)
}

/// The least value that so many of a hundred do not exceed.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Bytes.
fn resident(process: &Process) -> anyhow::Result<f64> {
    let memory = process.memory();
    let memory = memory.context("this system does not say how much memory a process has")?;
    Ok(memory.resident as f64)
}

fn processor_time(process: &Process) -> anyhow::Result<Duration> {
    let time = process.processor_time();
    time.context("this system does not say how much processor time a process used")
}
