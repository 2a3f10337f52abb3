//! `wasi:http` as our guests see it: wasmtime's implementation, with the running request behind each
//! outgoing call found first.

use crate::instances::instance::State;
use crate::requests::outgoing::MYSELF;
use crate::requests::running::find_current;
use http::uri::{Authority, Scheme};
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::{self, Host as _};
use wasmtime_wasi_http::p2::bindings::http::types as old;
use wasmtime_wasi_http::p3::bindings::http::client;
use wasmtime_wasi_http::p3::bindings::http::types::{self, HostRequest as _};
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView, WasiHttpView as _, p2};

/// `wasi:http/types`, both versions: messages as data, no way out.
pub(crate) fn add_types_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiHttp>(linker, State::http)?;
    old::add_to_linker::<_, WasiHttp>(linker, &Default::default(), State::http)?;
    linker.allow_shadowing(true);
    add_names_to_linker(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The methods and authorities of requests, which wasmtime takes at any length: a guest would have the
/// host keep what its own memory may not hold.
fn add_names_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut new = linker.instance(TYPES)?;
    new.func_wrap(
        "[method]request.set-method",
        |mut store: Store<'_>, (request, method): (Resource<Request>, types::Method)| match &method
        {
            types::Method::Other(name) if name.len() > LONGEST_NAME => Ok((Err(()),)),
            _ => Ok((store.data_mut().http().set_method(request, method)?,)),
        },
    )?;
    new.func_wrap(
        "[method]request.set-authority",
        |mut store: Store<'_>, (request, name): (Resource<Request>, Option<String>)| match &name {
            Some(name) if name.len() > LONGEST_NAME => Ok((Err(()),)),
            _ => Ok((store.data_mut().http().set_authority(request, name)?,)),
        },
    )?;
    let mut old = linker.instance(OLD_TYPES)?;
    old.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Resource<OldRequest>, old::Method)| match &method
        {
            old::Method::Other(name) if name.len() > LONGEST_NAME => Ok((Err(()),)),
            _ => {
                let mut http = store.data_mut().http();
                Ok((old::HostOutgoingRequest::set_method(
                    &mut http, request, method,
                )?,))
            }
        },
    )?;
    old.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, name): (Resource<OldRequest>, Option<String>)| match &name
        {
            Some(name) if name.len() > LONGEST_NAME => Ok((Err(()),)),
            _ => {
                let mut http = store.data_mut().http();
                Ok((old::HostOutgoingRequest::set_authority(
                    &mut http, request, name,
                )?,))
            }
        },
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
        |mut store: Store<'_>, (request, options): Sending| {
            find_current(store.as_context_mut());
            if let Ok(sent) = store.data_mut().table().get_mut(&request)
                && sent.authority.is_none()
            {
                sent.authority = Some(MYSELF.to_owned());
                sent.scheme.get_or_insert(old::Scheme::Http);
            }
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

/// The interfaces as wasmtime-wasi-http links them.
const TYPES: &str = "wasi:http/types@0.3.0";
const OLD_TYPES: &str = "wasi:http/types@0.2.12";
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// No name of a host is longer than 253 bytes (RFC 1035), nor is any method in use.
const LONGEST_NAME: usize = 1024;

type Store<'a> = StoreContextMut<'a, State>;

type OldRequest = p2::types::HostOutgoingRequest;

type Sending = (Resource<OldRequest>, Option<Resource<old::RequestOptions>>);

struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl client::HostWithStore<State> for Client {
    async fn send(
        store: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> Result<Resource<Response>, TrappableError<types::ErrorCode>> {
        // wasmtime's `send` calls our hook before it first waits, so the running request found here is
        // still the current one there.
        store.with(|mut store| {
            find_current(store.as_context_mut());
            if let Ok(sent) = store.get().table.get_mut(&request)
                && sent.authority.is_none()
            {
                sent.authority = Some(Authority::from_static(MYSELF));
                sent.scheme.get_or_insert(Scheme::HTTP);
            }
        });
        WasiHttp::send(&store.with_getter::<WasiHttp>(State::http), request).await
    }
}
