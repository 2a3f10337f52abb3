//! Asking a component what it offers, in an instance that belongs to nobody.

use super::{LARGEST, Loading};
use crate::instances::circuit_breaker::CircuitBreaker;
use crate::instances::instance_quota::InstanceQuota;
use crate::instances::pool;
use crate::instances::worker::Blueprint;
use crate::limits::ComponentBudget;
use crate::requests::Question;
use crate::requests::egress::Egress;
use crate::requests::running::{RequestContext, RunningRequest};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sbd_config::ConfigCtx;
use sbd_contract::path;
use sbd_manifest::{AllowedHosts, Component as Declared};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use wasmtime_wasi_http::handler::ProxyHandler;

/// How long a component may take to say what it offers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a component answered.
#[derive(Debug)]
pub(super) enum Asking {
    /// This document.
    Document(Bytes),
    /// A document that is larger than [`LARGEST`].
    TooLarge,
    /// That there is none; for a component not written for this host that is in order.
    Nothing,
    /// It failed, or did not answer in time.
    Failed(String),
}

// === impl Asking ===

impl Asking {
    /// Asks. Blocks for as long as a component may compute, and no longer than [`PATIENCE`].
    pub(super) fn ask(loading: &Loading<'_>) -> Self {
        let declared = loading.declared;
        let blueprint = blueprint(loading);
        let asked = async { tokio::time::timeout(PATIENCE, answer(blueprint, declared)).await };
        let answered = tokio::runtime::Handle::current().block_on(asked);
        answered
            .unwrap_or_else(|_| Self::Failed(format!("no answer within {} s", PATIENCE.as_secs())))
    }
}

async fn answer(blueprint: Blueprint, declared: &Declared) -> Asking {
    let request = match Question::get(path::OFFER).request(declared.id.as_str()) {
        Ok(request) => request,
        Err(error) => return Asking::Failed(error.to_string()),
    };
    let budget = Arc::clone(&blueprint.budget);
    let running = Arc::new(RunningRequest::new(RequestContext::of_nobody(), budget));
    let handler = ProxyHandler::new(blueprint);
    let response = match handler.handle(running, request).await {
        Ok(response) => response,
        Err(error) => return Asking::Failed(pool::cut(format!("{error:#}"))),
    };
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return if head.status.is_server_error() {
            Asking::Failed(format!("it answered {}", head.status))
        } else {
            Asking::Nothing
        };
    }
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Asking::Document(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Asking::TooLarge,
        Err(error) => Asking::Failed(error.to_string()),
    }
}

/// An instance of nobody: bounded as every other, with its variables and without anything else.
fn blueprint(loading: &Loading<'_>) -> Blueprint {
    let Loading {
        loader, declared, ..
    } = *loading;
    let id: Arc<str> = Arc::from(declared.id.as_str());
    let limits = declared.settings.limits.clone();
    let nowhere = Arc::new(AllowedHosts::default());
    let egress = Egress::new(nowhere, loader.reaches.clone(), 1);
    Blueprint {
        engine: loader.engine.clone(),
        scheduler: loader.scheduler.of_tenant(),
        proxy: Arc::clone(loading.proxy),
        requests: 1,
        at_once: 1,
        egress: Arc::new(egress),
        environment: declared.environment.clone().into_iter().collect(),
        // What it offers is kept by its own bytes, so nothing else decides about it.
        files: None,
        config: ConfigCtx::new(Arc::clone(&id), Arc::clone(loading.variables)),
        capabilities: None,
        quota: Arc::new(InstanceQuota::new(1)),
        crowded: Arc::default(),
        own_instances: Arc::default(),
        breaker: Arc::new(CircuitBreaker::new(limits.failures)),
        retired: Arc::default(),
        // Whatever ends it is told of by its answer.
        stopping: Arc::new(AtomicBool::new(true)),
        budget: Arc::new(ComponentBudget::of_nobody(id, limits)),
    }
}
