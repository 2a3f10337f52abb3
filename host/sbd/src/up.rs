//! `sbd up`: from settings to a server that answers, and back to silence.

use crate::administrator;
use crate::backup::schedule::Schedule;
use crate::cli::Up;
use crate::control;
use crate::data_dir::DataDir;
use crate::host::Host;
use crate::listen::ListenAddress;
use crate::settings::{Environment, Settings};
use crate::watch::Watch;
use anyhow::Context as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use sbd_admin::{Actor, Admin, Api};
use sbd_gateway::{AdminPages, Gateway, GatewayConfig};
use sbd_pace::Breakers;
use sbd_registry::{DEFAULT_TENANT, Operators};
use sbd_runtime::{Body, body};
use sbd_telemetry::Metrics;
use sbd_telemetry::metrics::CIRCUIT_BREAKER_STATE;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until SIGINT or SIGTERM, then lets running requests finish. Answers the data directory, to be
/// closed when all that this has begun is gone.
///
/// # Errors
/// Whatever keeps it from serving, with what to do about it.
pub(crate) async fn command(
    options: &Up,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<DataDir> {
    raise_file_limit();
    let metrics = Metrics::install()?;
    let data_dir = DataDir::take(&settings.data_dir(), options.accept_copy)?;
    let schedule = Schedule::new(settings)?;
    let trusted_proxies = settings.parse("trusted_proxies")?;
    let realtime = sbd_public::realtime::Settings {
        heartbeat: settings.duration("realtime_heartbeat")?,
    };
    let listener = bind(settings, "listen").await?;
    let admin_listener = bind(settings, "admin_listen").await?;
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);

    let watch = match options.watch {
        true => Some(Watch::begin(settings).await?),
        false => None,
    };
    let Host {
        registry,
        runtime,
        dispatch,
        admin,
        served,
    } = Host::open(settings, environment, &data_dir, options.safe).await?;
    runtime.open_tenant(&DEFAULT_TENANT.into()).await?;
    administrator::from_settings(settings, &admin).await?;
    let api = Api::new(admin.clone());
    let commands = control::listen(&data_dir, api.clone())?;
    let config = GatewayConfig {
        max_upgraded: settings.parse("max_upgraded")?,
        shutdown_grace: settings.duration("shutdown_grace")?,
        tenants: Some(registry.tenants.clone()),
        trusted_proxies,
        host_routes: sbd_public::routes(&runtime, &registry.tenants, realtime),
        ..GatewayConfig::default()
    };
    let application = runtime.application();
    let app = Arc::clone(application.app());
    let gateway = Gateway::new(config, application, &app)?;
    served.serve_with(gateway.clone());
    // What compiling took.
    crate::give_memory_back();

    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    let dispatch = tokio::spawn(dispatch.run(stop.clone()));
    if let Some(watch) = watch {
        tokio::spawn(watch.run(admin.clone()));
    }
    if let Some(schedule) = schedule {
        tokio::spawn(schedule.run(admin.clone(), gateway.clone()));
    }
    tokio::spawn(reload_on_signal(admin)?);
    let (public, admin) = (gateway.clone(), gateway);
    let pages = Pages {
        metrics,
        breakers: runtime.breakers().clone(),
        operators: registry.operators.clone(),
        api,
    };
    let (stopped, admin_stopped) = (stop.clone(), stop.clone());
    let public = tokio::spawn(async move { public.serve(listener, stopped.cancelled()).await });
    let admin = tokio::spawn(async move {
        admin
            .serve_admin(admin_listener, admin_stopped.cancelled(), pages)
            .await;
    });
    greet(address, admin_address, data_dir.path());
    tokio::select! {
        // Commands end with the server; their future never completes by itself.
        () = commands => {}
        () = stop.cancelled() => {}
    }
    let grace = settings.duration("shutdown_grace")?;
    let dispatched = tokio::time::timeout(grace, dispatch);
    let (public, admin, _) = tokio::join!(public, admin, dispatched);
    public.context("the server failed")?;
    admin.context("the admin server failed")?;
    runtime.stop();
    tracing::info!("stopped; every answered request is on disk");
    Ok(data_dir)
}

/// What the admin listener shows.
#[derive(Clone)]
struct Pages {
    metrics: Metrics,
    breakers: Breakers,
    operators: Operators,
    api: Api,
}

impl AdminPages for Pages {
    fn metrics(&self) -> String {
        for (what, component, state) in self.breakers.worst(Instant::now()) {
            metrics::gauge!(CIRCUIT_BREAKER_STATE, "what" => what, "component" => component.to_string())
                .set(state);
        }
        self.metrics.render()
    }

    async fn operator(&self, token: &str) -> Result<String, String> {
        let operator = self.operators.authenticate(token).await;
        operator
            .map(|operator| operator.name)
            .map_err(|error| error.to_string())
    }

    async fn api(&self, actor: Actor, request: Request<Body>) -> Response<Body> {
        let request = request.map(axum::body::Body::new);
        let response = self.api.respond(actor, request).await;
        let broken = |error: axum::Error| body::BodyError::InternalError(Some(error.to_string()));
        response.map(|body| body.map_err(broken).boxed_unsync())
    }
}

/// Listens on the address that a setting names.
///
/// # Errors
/// When it is none, or somebody else listens there.
pub(crate) async fn bind(settings: &Settings, name: &str) -> anyhow::Result<TcpListener> {
    let address: ListenAddress = settings.parse(name)?;
    address.bind(name).await
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping; running requests may finish");
        stop.cancel();
        // A second signal means now.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    })
}

/// SIGHUP: what the manifest says now, as `sbd reload`.
fn reload_on_signal(admin: Admin) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            // Done or refused, the administration says so in the log.
            let _ = admin.reload(&Actor::Owner).await;
        }
    })
}

fn greet(address: SocketAddr, admin_address: SocketAddr, data_dir: &Path) {
    println!(
        "Second Brain is running.

  address  http://{address}/
  API      http://{address}/docs
  health   http://{address}/healthz
  metrics  http://{admin_address}/metrics
  data     {}

There is no default password. Make the first administrator with

  sbd admin create you@example.com

or start with SBD_ADMIN_EMAIL and SBD_ADMIN_PASSWORD (or SBD_ADMIN_PASSWORD_FILE) set.",
        data_dir.display()
    );
}

/// Every connection and every open tenant takes files, and shells mostly allow 1024 of them where the
/// system would allow many more.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "serving with as many files as are allowed");
    }
}
