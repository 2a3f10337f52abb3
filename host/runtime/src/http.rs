//! `wasi:http` as our guests see it: wasmtime's implementation, with the origin of each outgoing
//! call found first.

use crate::instance::State;
use crate::origin::find_current;
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::{self, Host as _};
use wasmtime_wasi_http::p3::bindings::http::{client, types};
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView, WasiHttpView as _, p2};

/// `wasi:http/types`, both versions: messages as data, no way out.
pub(crate) fn add_types_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiHttp>(linker, State::http)?;
    p2::bindings::http::types::add_to_linker::<_, WasiHttp>(
        linker,
        &Default::default(),
        State::http,
    )
}

/// The interfaces that send requests, both versions.
pub(crate) fn add_client_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    client::add_to_linker::<_, Client>(linker, State::http)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, State::http)?;
    // A 0.3 guest may use the 0.2 client too, and answers several requests at a time.
    linker.allow_shadowing(true);
    linker.instance(OUTGOING_HANDLER)?.func_wrap(
        "handle",
        |mut store: StoreContextMut<'_, State>, (request, options): Sending| {
            find_current(store.as_context_mut());
            let sent = store.data_mut().http().handle(request, options);
            Ok((match sent {
                Ok(response) => Ok(response),
                Err(error) => Err(error.downcast()?),
            },))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The interface as wasmtime-wasi-http links it.
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

type Sending = (
    Resource<p2::types::HostOutgoingRequest>,
    Option<Resource<p2::bindings::http::types::RequestOptions>>,
);

struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl client::HostWithStore<State> for Client {
    async fn send(
        store: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> Result<Resource<Response>, TrappableError<types::ErrorCode>> {
        // wasmtime's `send` calls our hook before it first waits, so the origin found here is
        // still the current one there.
        store.with(|mut store| find_current(store.as_context_mut()));
        WasiHttp::send(&store.with_getter::<WasiHttp>(State::http), request).await
    }
}
