//! A guest's stdout and stderr as log lines with tenant, component and request id.

use crate::instances::instance::State;
use crate::limits::ComponentBudget;
use crate::requests::running::{Current, find_current};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::io::streams::{self, HostOutputStream as _};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamResult};

/// A line longer than this is cut into several.
const LONGEST_LINE: usize = 8 * 1024;

/// Which of the two streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Where the lines of one instance go.
#[derive(Clone)]
pub(crate) struct LogStream {
    shared: Arc<Shared>,
}

struct Shared {
    stream: Stream,
    budget: Arc<ComponentBudget>,
    current: Current,
    partial: Mutex<Vec<u8>>,
}

// === impl LogStream ===

impl LogStream {
    pub(crate) fn new(stream: Stream, budget: &Arc<ComponentBudget>, current: &Current) -> Self {
        let shared = Shared {
            stream,
            budget: Arc::clone(budget),
            current: current.clone(),
            partial: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn write_bytes(&self, bytes: &[u8]) {
        let Ok(mut partial) = self.shared.partial.lock() else {
            return;
        };
        for mut line in bytes.split_inclusive(|byte| *byte == b'\n') {
            while !line.is_empty() {
                let (piece, rest) = line.split_at(line.len().min(LONGEST_LINE - partial.len()));
                partial.extend_from_slice(piece);
                if piece.ends_with(b"\n") || partial.len() == LONGEST_LINE {
                    self.shared.emit(&partial);
                    partial.clear();
                }
                line = rest;
            }
        }
    }
}

impl Shared {
    fn emit(&self, line: &[u8]) {
        let budget = &self.budget;
        if !budget.may_log(line.len()) {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\r', '\n']);
        let running = self.current.get();
        let request_id = &*running.context.request_id;
        let (tenant, component) = (&*budget.tenant, &*budget.component);
        match self.stream {
            Stream::Stdout => {
                tracing::info!(target: "guest", tenant, component, request_id, "{line}")
            }
            Stream::Stderr => {
                tracing::warn!(target: "guest", tenant, component, request_id, "{line}")
            }
        }
    }
}

impl Drop for Shared {
    /// The last line of an instance may lack its end.
    fn drop(&mut self) {
        let partial = self
            .partial
            .get_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if !partial.is_empty() {
            self.emit(&partial);
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_bytes(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_bytes(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

/// Replaces the two functions by which 0.2 guests (Rust's standard library among them) write, by
/// ones that first find out for which request. `wasi:io` itself does not tell.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut io = linker.instance(STREAMS)?;
    io.func_wrap(
        "[method]output-stream.write",
        |mut store: StoreContextMut<'_, State>,
         (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
            find_current(store.as_context_mut());
            let table = store.data_mut().table();
            let written = table.write(stream, bytes);
            Ok((answer(table, written)?,))
        },
    )?;
    io.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: StoreContextMut<'_, State>,
         (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
            find_current(store.as_context_mut());
            Box::new(async move {
                let table = store.data_mut().table();
                let written = table.blocking_write_and_flush(stream, bytes).await;
                Ok((answer(table, written)?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The interface as wasmtime-wasi links it.
const STREAMS: &str = "wasi:io/streams@0.2.12";

fn answer(
    table: &mut ResourceTable,
    written: StreamResult<()>,
) -> wasmtime::Result<Result<(), streams::StreamError>> {
    match written {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(streams::Host::convert_stream_error(table, error)?)),
    }
}
