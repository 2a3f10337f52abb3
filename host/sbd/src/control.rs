//! How commands reach a running server: a socket in its data directory that only its owner may
//! open, with the admin API on it. Whoever can open it may do what the owner of the files could do
//! anyway.

use crate::data_dir::DataDir;
use anyhow::Context as _;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sbd_admin::{Actor, Api};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = "sbd.sock";

/// A path to the socket that fits into a socket address, which holds about 100 bytes.
struct SocketPath {
    path: PathBuf,
    _folder: File,
}

// === impl SocketPath ===

impl SocketPath {
    fn new(data_dir: &Path) -> io::Result<Self> {
        let folder = File::open(data_dir)?;
        let path = data_dir.join(SOCKET);
        let path = if path.as_os_str().len() < 100 {
            path
        } else {
            PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
        };
        Ok(Self {
            path,
            _folder: folder,
        })
    }
}

/// Listens for commands until the future is dropped. That the folder is this process's proves that a
/// socket left in it belongs to nobody.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn listen(
    data_dir: &DataDir,
    api: Api,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let socket = SocketPath::new(data_dir.path()).context("cannot open the data directory")?;
    if let Err(error) = std::fs::remove_file(&socket.path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error).context("cannot remove the command socket of an earlier run");
    }
    let listener = UnixListener::bind(&socket.path)
        .context("cannot make the command socket in the data directory")?;
    std::fs::set_permissions(
        &socket.path,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    Ok(async move {
        let _socket = socket;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, api.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "command socket");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    })
}

async fn serve(stream: UnixStream, api: Api) {
    let service = service_fn(|request: Request<Incoming>| {
        let api = api.clone();
        async move {
            let request = request.map(axum::body::Body::new);
            Ok::<_, std::convert::Infallible>(api.respond(Actor::Owner, request).await)
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "command connection");
    }
}

/// Sends a request to the server of a data directory; gives it back when none runs.
///
/// # Errors
/// When there is one that cannot be reached.
pub(crate) async fn send(
    data_dir: &Path,
    request: Request<Body>,
) -> anyhow::Result<Result<Response<Incoming>, Request<Body>>> {
    let Ok(socket) = SocketPath::new(data_dir) else {
        return Ok(Err(request));
    };
    let stream = match UnixStream::connect(&socket.path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(Err(request));
        }
        Err(error) => {
            return Err(error)
                .context("cannot reach the running server; run this as the user that runs it");
        }
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await;
    Ok(Ok(response.context("the server closed the connection")?))
}
