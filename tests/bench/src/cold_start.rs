//! A component that nobody has asked for anything yet: from its file to its first answer, compiled
//! before and compiled now.

use crate::Plan;
use crate::process;
use crate::report::{Figure, Goal};
use anyhow::{Context as _, ensure};
use http::Request;
use http_body_util::BodyExt as _;
use sbd_features::{SqliteSwitches, Switches};
use sbd_manifest::{App, LoadOptions};
use sbd_registry::{DEFAULT_TENANT, Registry};
use sbd_runtime::{Call, Class, Definition, Runtime, body};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cold starts measured, whatever the number of rounds.
const STARTS: usize = 100;

/// Milliseconds.
const GOAL: Goal = Goal::CandidateAtMost(10.0);

const COMPONENT: &str = "family";

/// A page that needs no caller and no data.
const PAGE: &str = "/-/openapi.json";

const NOTHING: &str = "spin_manifest_version = 2\n[application]\nname = \"nothing\"\n";

/// One figure, with its p99 beside it.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (compiled, mut cached) = runtime.block_on(measure(folder.path()))?;
    cached.sort_by(f64::total_cmp);
    let p99 = cached.get(cached.len() * 99 / 100).copied();
    Ok(vec![
        Figure::new(
            "cold-start",
            "ms",
            ("compiled anew", &[compiled]),
            (
                "file read and hashed, taken from the compile cache, linked, started, asked",
                &cached,
            ),
        )
        .goal(GOAL)
        .note(format!("p99 {:.1} ms of {STARTS}", p99.unwrap_or_default())),
    ])
}

/// Milliseconds of the first start of all, and of the later ones.
async fn measure(data_dir: &Path) -> anyhow::Result<(f64, Vec<f64>)> {
    let bundle = process::build_folder()?.join("../bundle").canonicalize()?;
    let registry = Registry::open(data_dir).await?;
    let switches = SqliteSwitches::open(registry.database().clone()).await?;
    let models = sbd_inference::Models::open(registry.database().clone(), Vec::new()).await?;
    let settings = sbd_runtime::Settings {
        data_dir: data_dir.to_owned(),
        storage: Default::default(),
        vectors: Default::default(),
        passwords: Default::default(),
        mail: Default::default(),
        models: Arc::new(models),
        keys: Default::default(),
        switches: Switches::open(switches).await?,
        publishing: Arc::new(()),
        enqueuing: Arc::new(()),
        tenant_idle: Duration::from_secs(3600),
        resolver: None,
    };
    let runtime = Runtime::start(nothing()?, settings).await?;
    let tenant: Arc<str> = DEFAULT_TENANT.into();
    runtime.open_tenant(&tenant).await?;
    let compiled = start(&runtime, &bundle, &tenant).await?;
    let mut cached = Vec::new();
    for _ in 0..STARTS {
        cached.push(start(&runtime, &bundle, &tenant).await?);
    }
    Ok((compiled, cached))
}

/// Loads the component once more, which is never served, and asks it something.
async fn start(runtime: &Runtime, bundle: &Path, tenant: &Arc<str>) -> anyhow::Result<f64> {
    let definition = bundled(bundle)?;
    let begun = Instant::now();
    let application = runtime.load(definition).await?;
    let call = Call {
        tenant: Arc::clone(tenant),
        component: COMPONENT.into(),
        request_id: "req_bench".into(),
        class: Class::Probe,
        principal: None,
    };
    let request = Request::get(PAGE).body(body::empty())?;
    let response = application.invoke(call, request).await?;
    ensure!(response.status() == 200, "it answers {}", response.status());
    response.into_body().collect().await?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

fn nothing() -> anyhow::Result<Definition> {
    definition(NOTHING, Path::new(""))
}

/// The application that ships, with the one component.
fn bundled(bundle: &Path) -> anyhow::Result<Definition> {
    let manifest = std::fs::read_to_string(bundle.join("spin.toml"))?;
    let mut definition = definition(&manifest, Path::new(""))?;
    let app = Arc::get_mut(&mut definition.app).context("the manifest is shared")?;
    app.components.retain(|id, _| id.as_str() == COMPONENT);
    app.settings.auth = None;
    let bundle = bundle.to_owned();
    definition.read_source =
        Box::new(move |source| std::fs::read(bundle.join(source.file_name().unwrap_or_default())));
    Ok(definition)
}

fn definition(manifest: &str, folder: &Path) -> anyhow::Result<Definition> {
    let app = App::parse(manifest, "spin.toml", folder, &LoadOptions::default())?.app;
    Ok(Definition {
        app: Arc::new(app),
        read_source: Box::new(|source| std::fs::read(source)),
        variables: HashMap::new(),
    })
}
