//! Says back what it is told, on WebSockets that are spoken as those of `/api/v1/realtime` are: for the
//! suites that find out whether that is as it should be. `cargo run --example echo -- 127.0.0.1:9001`

use futures::{SinkExt as _, StreamExt as _};
use sbd_public::realtime::socket;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let config = Some(socket::config());
            let accepted = tokio_tungstenite::accept_async_with_config(stream, config).await;
            let Ok(mut socket) = accepted else { return };
            while let Some(Ok(message)) = socket.next().await {
                let is_said = message.is_text() || message.is_binary();
                if is_said && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}
